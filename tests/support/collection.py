"""Runs the collection's modules as Ansible would: from ansible_collections/tandem/lb, each in a process of its own."""

from __future__ import annotations

import atexit
import functools
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugins.plugin_utils._bundle import digest, pack
from tests.support.warm import Warm

CHECKOUT = Path(__file__).parents[2]
_MODULE_UTILS = "ansible_collections.tandem.lb.plugins.module_utils"
_RUN_S = 60


def link_collection(folder: Path) -> Path:
    """Makes the checkout findable as tandem.lb below ``folder``, and returns the path to search for collections."""
    place = folder / "ansible_collections" / "tandem" / "lb"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(CHECKOUT, target_is_directory=True)
    return folder


@functools.lru_cache(maxsize=1)
def packed_bundle() -> dict[str, str]:
    """The runtime as the action plugin hands it to a module, packed once and removed with the test run."""
    folder = tempfile.TemporaryDirectory(prefix="tandem-bundle-")
    atexit.register(folder.cleanup)
    path = Path(folder.name) / "bundle.tar.gz"
    path.write_bytes(pack())
    return {"digest": digest(), "path": str(path)}


@functools.lru_cache(maxsize=1)
def warm(collections: Path) -> Warm:
    """This Python with all that the modules import; but _floor looks at the version in each run, for tests that change it."""
    shared = sorted(path.stem for path in (CHECKOUT / "plugins/module_utils").glob("_[a-z]*.py"))
    modules = ["runpy", "ansible.module_utils.basic", *(f"{_MODULE_UTILS}.{name}" for name in shared)]
    return Warm(sys.executable, modules, [f"{_MODULE_UTILS}._floor"], collections)


def run_python(python: str, code: str, *, given: str, collections: Path) -> subprocess.CompletedProcess[str]:
    """`python -c code` with ``given`` as its input."""
    environment = {**os.environ, "PYTHONPATH": str(collections), "PYTHONDONTWRITEBYTECODE": "1"}
    if python == sys.executable:
        return warm(collections).run(code, given=given, env=environment, within_s=_RUN_S)
    return subprocess.run([python, "-c", code], input=given, env=environment, capture_output=True, text=True, timeout=_RUN_S, check=False)


NOTED = ("events.jsonl", "events-former.jsonl", "moves.json")


@dataclass(frozen=True)
class Answer:
    """What a module said: its result, and everything it wrote."""

    result: dict[str, Any]
    output: str


@dataclass(frozen=True)
class Host:
    """A node below a prefix of its own."""

    collections: Path
    prefix: Path
    node: str = "lb-a"
    python: str = sys.executable
    before: str = "pass"

    def stop(self) -> None:
        """Ends the services that a module may have started."""
        program = self.prefix / "opt/tandem/current/bin/tandem"
        if program.exists():
            subprocess.run([str(program), "--prefix", str(self.prefix), "manager", "stop"], timeout=60, check=True)

    def run(self, module: str, *, check: bool = False, **options: Any) -> Answer:
        """Runs one module with ``options``. ``before`` is Python that its process runs first (to set limits)."""
        internal = {"_ansible_check_mode": check, "_ansible_diff": True}
        arguments = {"ANSIBLE_MODULE_ARGS": {"node": self.node, "prefix": str(self.prefix), "bundle": packed_bundle(), **internal, **options}}
        name = f"ansible_collections.tandem.lb.plugins.modules.{module}"
        code = f"import runpy\n{self.before}\nrunpy.run_module({name!r}, run_name='__main__')"
        ran = run_python(self.python, code, given=json.dumps(arguments), collections=self.collections)
        assert "Traceback" not in ran.stdout + ran.stderr, ran.stdout + ran.stderr
        assert ran.stdout, f"{module} has said nothing; its errors: {ran.stderr}"
        return Answer(json.loads(ran.stdout), ran.stdout + ran.stderr)

    def tree(self) -> str:
        """A hash of every path below the prefix with its mode and content: equal when no module wrote anything."""
        digest = hashlib.sha256()
        for path in sorted(self.prefix.rglob("*")):
            parts = path.relative_to(self.prefix).parts
            if parts[0] == "run" or parts[:2] == ("var", "log"):
                continue  # sockets and logs of the services, which go on working
            if parts[0] == "var" and (path.is_dir() or path.name in NOTED or path.name.startswith(".")):
                continue  # and what they note of what happens, with the folders for it, and while they write
            content = path.read_bytes() if path.is_file() else b""
            digest.update(f"{path}\0{path.lstat().st_mode}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()
