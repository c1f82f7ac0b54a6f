"""The rules of the house, read from the sources: who may import what, how long things may be, what no committed file may say."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
RUNTIME = TOP / "runtime" / "tandem"
SHARED = TOP / "plugins" / "module_utils"
SHARED_FILES = ("_store.py", "_client.py", "_paths.py", "_process.py")
LINES_MAX = 400
FUNCTION_LINES_MAX = 70

# What pure code has no business with: sockets, files, processes, clocks.
EFFECTS = {"asyncio", "socket", "selectors", "subprocess", "time", "os", "signal", "threading", "pathlib", "shutil", "tempfile", "fcntl"}
PURE = [
    *(f"runtime/tandem/proxy/{name}.py" for name in ("http1", "balance", "sticky", "wheel", "health")),
    *(f"runtime/tandem/keepalive/{name}.py" for name in ("election", "vrrp", "udp", "announce")),
    *(str(path.relative_to(TOP)) for path in sorted((SHARED / "_model").glob("*.py"))),
    "plugins/module_utils/_plan.py",
    "plugins/module_utils/_change.py",
]
ACCELERATORS = {"uvloop"}


def committed():
    run = subprocess.run(["git", "ls-files", "-z"], cwd=TOP, capture_output=True, check=True)
    return [TOP / name for name in run.stdout.decode().split("\0") if name]


def python_files(*folders):
    return [path for path in committed() if path.suffix == ".py" and path.is_relative_to(TOP) and path.relative_to(TOP).parts[0] in folders]


def imports(path):
    """The full names of what a file imports; relative imports begin with dots."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("." * node.level + (node.module or ""))
    return names - {"__future__"}


def from_outside(path):
    """The top-level packages a file imports that are not its own."""
    return {name.partition(".")[0] for name in imports(path) if not name.startswith(".")}


def standard_library(names):
    return {name for name in names if name in sys.stdlib_module_names}


@pytest.mark.parametrize("path", [str(path.relative_to(TOP)) for path in python_files("runtime")])
def test_the_runtime_imports_the_standard_library_alone_besides_accelerators(path):
    others = from_outside(TOP / path) - {"tandem"} - ACCELERATORS
    assert others == standard_library(others)


@pytest.mark.parametrize("path", [str((SHARED / name).relative_to(TOP)) for name in (*SHARED_FILES, "_plan.py", "_change.py")])
def test_what_modules_and_runtime_share_imports_the_standard_library_alone(path):
    others = from_outside(TOP / path)
    assert others == standard_library(others)


@pytest.mark.parametrize("path", PURE)
def test_pure_code_imports_nothing_that_has_effects(path):
    assert not from_outside(TOP / path) & EFFECTS


def test_no_module_of_the_protocol_code_calls_print_or_open():
    for path in PURE:
        calls = {
            node.func.id for node in ast.walk(ast.parse((TOP / path).read_text())) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not calls & {"print", "open", "input"}, path


def test_the_runtime_holds_links_to_every_shared_file_and_no_copies():
    for source in [*(SHARED / name for name in SHARED_FILES), *sorted((SHARED / "_model").glob("*.py"))]:
        link = RUNTIME / source.relative_to(SHARED)
        assert link.is_symlink(), f"{link.relative_to(TOP)} is missing: ln -s to {source.relative_to(TOP)}"
        assert link.resolve() == source
        assert not os.path.isabs(os.readlink(link))
    for link in [path for path in RUNTIME.rglob("*") if path.is_symlink()]:
        assert link.exists(), f"{link.relative_to(TOP)} points nowhere"


@pytest.mark.parametrize("path", [str(path.relative_to(TOP)) for path in python_files("runtime", "plugins", "demo", "tests", "tools")])
def test_files_and_functions_are_short_and_say_what_they_are_for(path):
    text = (TOP / path).read_text()
    tree = ast.parse(text)
    lines = len(text.splitlines()) - documentation_lines(tree)
    assert lines <= LINES_MAX, f"{lines} lines"
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= FUNCTION_LINES_MAX, f"{node.name} has {length} lines"
    assert ast.get_docstring(tree) or not text.strip(), "the first lines say what the file is for"


def documentation_lines(tree):
    """A module's DOCUMENTATION, EXAMPLES and RETURN are prose for users, not code."""
    names = {"DOCUMENTATION", "EXAMPLES", "RETURN"}
    total = 0
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in names:
            total += (node.end_lineno or 0) - node.lineno + 1
    return total


def test_no_committed_file_names_an_index_or_a_path_of_some_machine():
    # Spelled in pieces, or this file would be the one that names them.
    hosts = ["pypi" + ".org", "files.python" + "hosted", "deb." + "debian", "registry." + "npmjs", "galaxy." + "ansible.com"]
    paths = ["/" + "work/", "/" + "root/"]
    forbidden = re.compile("|".join(re.escape(word) for word in hosts + paths))
    for path in committed():
        if path.name != "COPYING" and path.is_file():
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                assert not forbidden.search(line), f"{path.relative_to(TOP)}:{number}: {line.strip()[:100]}"


def test_every_script_of_the_checkout_can_be_run():
    for path in committed():
        if path.parent in (TOP / "tools", TOP / ".ci") and path.read_bytes().startswith(b"#!"):
            assert os.access(path, os.X_OK), path
