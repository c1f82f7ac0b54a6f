"""The rules of the house, read from the sources: who may import what, how long things may be, what no committed file may say."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from plugins.module_utils._accelerator import HOT, SEEN, hot_files
from tests.support.imports import by_room, circle_in, graph_of

TOP = Path(__file__).resolve().parents[2]
RUNTIME = TOP / "runtime" / "tandem"
SHARED = TOP / "plugins" / "module_utils"
SHARED_FILES = (
    "_accelerator.py",
    "_files.py",
    "_store.py",
    "_states.py",
    "_handover.py",
    "_client.py",
    "_paths.py",
    "_process.py",
    "_this_node.py",
    "_programs.py",
    "_interfaces.py",
    "_netlink.py",
    "_checksum.py",
)
# Those that have another place in the runtime than beside the package's first file.
ROOMS = {"_checksum.py": "wire/checksum.py"}
LINES_MAX = 400
FUNCTION_LINES_MAX = 70

# What pure code has no business with: sockets, files, processes, clocks.
EFFECTS = {"asyncio", "socket", "select", "selectors", "subprocess", "time", "os", "signal", "threading", "pathlib", "shutil", "tempfile", "fcntl"}


def says_it_is_pure(path):
    """Whether a file's first lines, or those of the folder it lies in, say that what is there is pure."""
    said = [ast.get_docstring(ast.parse(one.read_text())) or "" for one in (path, path.parent / "__init__.py") if one.exists()]
    return any(re.match(r"Pure\b", text) or re.search(r"\bPure[.:,]", text.partition("\n\n")[0]) for text in said)


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
def test_the_runtime_imports_the_standard_library_alone(path):
    others = from_outside(TOP / path) - {"tandem"}
    assert others == standard_library(others)


@pytest.mark.parametrize("path", [str((SHARED / name).relative_to(TOP)) for name in (*SHARED_FILES, "_plan.py", "_change.py", "_kinds.py")])
def test_what_modules_and_runtime_share_imports_the_standard_library_alone(path):
    others = from_outside(TOP / path)
    assert others == standard_library(others)


PURE = [str(path.relative_to(TOP)) for path in python_files("runtime", "plugins") if not path.is_symlink() and says_it_is_pure(path)]


def test_the_rooms_that_are_to_be_pure_say_so():
    rooms = {"http", "balance", "wire", "metrics"}
    assert rooms <= {Path(path).parent.name for path in PURE}
    files = {"election.py", "health.py", "wheel.py", "turns.py", "_plan.py", "_change.py", "_kinds.py", "_objects.py", "_backend.py", "_frontend.py"}
    assert files <= {Path(path).name for path in PURE}


@pytest.mark.parametrize("path", PURE)
def test_pure_code_imports_nothing_that_has_effects(path):
    # The log's lines have a time in them, which is handed in: ``time`` only words it.
    wording = {"time"} if path.endswith("access_log.py") else set()
    assert not from_outside(TOP / path) & (EFFECTS - wording)


def test_no_module_of_the_protocol_code_calls_print_or_open():
    for path in PURE:
        calls = {
            node.func.id for node in ast.walk(ast.parse((TOP / path).read_text())) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not calls & {"print", "open", "input"}, path


@pytest.mark.parametrize(("folder", "top"), [("runtime/tandem", "runtime"), ("plugins", ".")])
def test_imports_draw_as_a_tree_also_those_for_types_alone(folder, top):
    graph = graph_of(TOP / folder, TOP / top)
    assert len(graph) > 20
    assert circle_in(graph) == []


def test_the_rooms_of_the_runtime_import_only_what_stands_above_them():
    graph = graph_of(RUNTIME, TOP / "runtime")
    rooms = {name for name in graph if (RUNTIME.parent / name.replace(".", "/")).is_dir()} - {"tandem", "tandem.proxy"}
    assert {"tandem.proxy.flow", "tandem.proxy.pool", "tandem.http"} <= rooms
    assert circle_in(by_room(graph, rooms)) == []
    order = ["http", "balance", "wire", "metrics", "tls", "checks", "proxy.pool", "proxy.flow", "proxy.worker", "proxy.service", "cli"]
    drawn = by_room(graph, rooms)
    for place, room in enumerate(order):
        below = {f"tandem.{name}" for name in order[place + 1 :]}
        assert not drawn[f"tandem.{room}"] & below, f"{room} imports what stands below it"


def test_the_runtime_holds_links_to_every_shared_file_and_no_copies():
    for source in [*(SHARED / name for name in SHARED_FILES), *sorted((SHARED / "_model").glob("*.py"))]:
        link = RUNTIME / ROOMS.get(source.name, source.relative_to(SHARED))
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
    """The DOCUMENTATION, EXAMPLES and RETURN of modules and fragments are prose for users, not code."""
    names = {"DOCUMENTATION", "EXAMPLES", "RETURN"}
    total = 0
    for node in ast.walk(tree):
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


def test_no_slice_of_what_is_compiled_does_something_in_its_bounds():
    """mypyc evaluates them twice: ``buffer[: sock.recv_into(buffer)]`` read over what it had read."""
    harmless = {"len", "end", "start"}
    for name, path in hot_files(RUNTIME):
        bounds = [
            bound for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Slice) for bound in (node.lower, node.upper) if bound
        ]
        calls = [call.func for bound in bounds for call in ast.walk(bound) if isinstance(call, ast.Call)]
        assert {getattr(call, "id", getattr(call, "attr", "")) for call in calls} <= harmless, name


def test_whatever_compiled_code_imports_counts_in_its_digest():
    counted = tuple(f"tandem.{place.replace('.py', '').replace('/', '.')}" for place in HOT + SEEN)
    graph = graph_of(RUNTIME, TOP / "runtime")
    for name, _path in hot_files(RUNTIME):
        seen = graph[f"tandem.{name[:-3].replace('/', '.')}"]
        assert [one for one in seen if one.count(".") and not f"{one}.".startswith(tuple(f"{place}." for place in counted))] == [], name
