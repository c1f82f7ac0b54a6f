# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Puts the runtime on a node: unpacks the bundle under its digest, checks it, switches to it by one rename, sees that the services run.

Nothing is restarted: services that run keep the release they were started with until somebody asks for a restart.
"""

from __future__ import annotations

import compileall
import gzip
import hashlib
import json
import os
import shutil
import sys
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

from ansible.module_utils.basic import AnsibleModule

from ._client import Client, NotRunning, Refused
from ._floor import OLDEST_PYTHON
from ._paths import Paths
from ._services import Manager, ended, manager_for
from ._store import StoreError


def ensure_runtime(module: AnsibleModule, paths: Paths, before: Callable[[], None]) -> bool:
    """Deploys the controller's runtime where it is missing and starts services that do not run; returns whether that changes the node.
    ``before`` is called once all that is needed is at hand, and before anything is changed.

    In check mode nothing is done. Ends the module with ``needs_bundle`` when the bundle has to be sent first. Raises StoreError, OSError.
    """
    return bool(Deployment(module, paths).ensure(before=before))


class Deployment:
    """The runtime of one node: what is there, and what has to be done."""

    def __init__(self, module: AnsibleModule, paths: Paths) -> None:
        self.module = module
        self.paths = paths
        bundle = module.params.get("bundle") or {}
        self.digest: str = bundle.get("digest") or module.fail_json(
            msg="The bundle's digest is missing: run the module by its full name, tandem.lb.*"
        )
        self._bundle: Optional[str] = bundle.get("path")
        self.manager: Manager = manager_for(paths, module.params.get("service_manager") or self._recorded_manager())

    def ensure(self, restart: bool = False, before: Optional[Callable[[], None]] = None) -> list[str]:
        """What was done, or in check mode would be, in words; empty when all is as it should be."""
        done = [words for words, needed in self._steps(restart) if needed()]
        if done and not self.module.check_mode and not self._installed() and not self._bundle:
            self.module.exit_json(changed=False, needs_bundle=True)
        if before:
            before()
        if self.module.check_mode or not done:
            return done
        self._carry_out(restart)
        return done

    def _steps(self, restart: bool) -> list[tuple[str, Any]]:
        return [
            ("release installed", lambda: not self._installed()),
            ("release switched", lambda: self.release != self.digest),
            ("node named", lambda: self._node_file() != self._node_wanted()),
            ("service units written", lambda: not self.manager.prepared()),
            ("services started", lambda: not self.running_releases or not self.manager.running()),
            ("services restarted", lambda: restart and self.restart_needed),
        ]

    def _carry_out(self, restart: bool) -> None:
        if not self._installed():
            self._install()
        if self.release != self.digest:
            self._switch()
        self._write_node_file()
        # Services that do not answer may still be tried with a former release, by a manager of that release.
        restart = restart and (self.restart_needed or not self.manager.running())
        self.manager.prepare()
        if restart:
            self.manager.restart()
        else:
            self.manager.start()
        self._prune()

    @property
    def release(self) -> str:
        """The digest of the release in use for what is started from now on; "" without one."""
        return _linked(self.paths.current)

    @property
    def previous(self) -> str:
        return _linked(self.paths.previous)

    @property
    def running_releases(self) -> dict[str, str]:
        """The release each running service was started from."""
        return {name: str(status.get("release", "")) for name, status in self._running().items()}

    @property
    def restart_needed(self) -> bool:
        """Whether a running service was started from another release, or in another way, than it would be now."""
        running = self._running().values()
        return any(status.get("release") != self.digest for status in running) or self.manager.outdated(int(status["pid"]) for status in running)

    def _running(self) -> dict[str, dict[str, Any]]:
        """What the services that run say of themselves."""
        found = {}
        for name, socket in (("proxy", self.paths.proxy_socket), ("keepalive", self.paths.keepalive_socket)):
            try:
                found[name] = Client(socket, 5.0).status()
            except (NotRunning, Refused):
                continue
        return found

    def remains(self) -> list[Path]:
        """The folders that are on the node while the runtime is."""
        return [path for path in (self.paths.releases.parent, self.paths.run, self.paths.log) if path.exists()]

    def remove(self) -> list[str]:
        """Stops the services and removes everything but the document; returns what was done or would be."""
        there = self.remains()
        done = [f"{path} removed" for path in there]
        if there and self.manager.running():
            done.insert(0, "services stopped")
        if self.module.check_mode or not done:
            return done
        self.manager.stop()
        self.manager.forget()
        for path in there:
            shutil.rmtree(path)
        self.paths.node.unlink(missing_ok=True)
        self.paths.hardware.unlink(missing_ok=True)
        return done

    # The parts of a deployment

    def _folder(self, digest: str) -> Path:
        return self.paths.releases / digest

    def _installed(self) -> bool:
        program = self._folder(self.digest) / "bin" / "tandem"
        try:
            return program.read_text().startswith(_shebang())
        except OSError:
            return False

    def _install(self) -> None:
        """Unpacks beside, checks, and renames: a release that is there is whole."""
        self.paths.releases.mkdir(mode=0o755, parents=True, exist_ok=True)
        fresh = self._folder(f".{self.digest[:16]}.{os.getpid()}")
        try:
            _unpack(Path(str(self._bundle)), fresh)
            if _digest_of(fresh / "tandem") != self.digest:
                raise StoreError(f"{self._bundle}: the bundle was damaged on its way (its digest is another one). Run the task again.")
            _write_program(fresh)
            compileall.compile_dir(str(fresh / "tandem"), quiet=2)
            self._self_check(fresh / "bin" / "tandem")
            if self._installed():
                return  # by another run, and perhaps switched to already
            if self._folder(self.digest).exists():
                shutil.rmtree(self._folder(self.digest))  # made for another Python, or not whole
            os.rename(fresh, self._folder(self.digest))
            os.sync()
        except OSError as error:
            raise StoreError(
                f"{self.paths.releases}: the release cannot be unpacked there: {error.strerror}. "
                "Free some space, or mend that on the node, and run again; what is in use stays in use."
            ) from None
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _self_check(self, program: Path) -> None:
        run = ended([str(program), "version"])
        if run.returncode:
            raise StoreError(
                f"The runtime does not run with {sys.executable} on this node, so nothing was switched: {run.stdout}{run.stderr}".strip()
            )

    def _switch(self) -> None:
        former = self.release
        if former:
            _link(self.paths.previous, former)
        _link(self.paths.current, self.digest)

    def _prune(self) -> None:
        """Keeps the release in use, the one before, and what still runs."""
        kept = {self.release, self.previous, *self.running_releases.values()}
        for folder in self.paths.releases.iterdir():
            if folder.name not in kept and not folder.name.startswith("."):
                shutil.rmtree(folder)

    def _node_wanted(self) -> dict[str, str]:
        return {"node": self.module.params["node"], "service_manager": self.manager.name, "python": sys.executable}

    def _node_file(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(self.paths.node.read_bytes())
            return content
        except (OSError, ValueError):
            return {}

    def _recorded_manager(self) -> str:
        return str(self._node_file().get("service_manager", "auto"))

    def _write_node_file(self) -> None:
        if self._node_file() == self._node_wanted():
            return
        self.paths.etc.mkdir(mode=0o755, parents=True, exist_ok=True)
        fresh = self.paths.node.with_suffix(".new")
        fresh.write_text(json.dumps(self._node_wanted(), indent=2, sort_keys=True) + "\n")
        os.rename(fresh, self.paths.node)


def _unpack(bundle: Path, folder: Path) -> None:
    """Plain files below ``folder`` only; a name that would leave it, or anything that is not a file, is refused."""
    try:
        with tarfile.open(bundle, "r:gz") as archive:
            for entry in archive:
                target = (folder / entry.name).resolve()
                source = archive.extractfile(entry) if entry.isreg() else None
                if source is None or folder.resolve() not in target.parents:
                    raise StoreError(f'{bundle}: entry "{entry.name}" does not belong in a bundle. Run the task again.')
                target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                target.write_bytes(source.read())
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise StoreError(f"{bundle}: the bundle was damaged on its way ({error}). Run the task again.") from None


def _digest_of(package: Path) -> str:
    """The same sum that the controller made of its sources (see plugin_utils/_bundle)."""
    total = hashlib.sha256()
    for name, path in _python_files(package):
        content = path.read_bytes()
        total.update(f"{name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def _python_files(folder: Path) -> list[tuple[str, Path]]:
    found = []
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name != "__pycache__":
            found += [(f"{folder.name}/{name}", file) for name, file in _python_files(path)]
        elif path.suffix == ".py":
            found.append((f"{folder.name}/{path.name}", path))
    return found


def _shebang() -> str:
    return f"#!{sys.executable} -I\n"


_OLDEST = ".".join(map(str, OLDEST_PYTHON))
# The version comes first, and in words that old Pythons know too: the modules below are parsed whole before any line of them runs.
_PROGRAM = f'''"""Tandem on this node; see tandem --help."""

import sys

if sys.version_info < {OLDEST_PYTHON}:
    sys.exit("Python %d.%d is too old: Tandem needs {_OLDEST} or newer. Run tandem.lb.runtime with such a one." % sys.version_info[:2])

from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tandem.cli import main

sys.exit(main())
'''


def _write_program(release: Path) -> None:
    program = release / "bin" / "tandem"
    program.parent.mkdir(mode=0o755)
    program.write_text(_shebang() + _PROGRAM)
    program.chmod(0o755)


def _linked(link: Path) -> str:
    try:
        return Path(os.readlink(link)).name
    except OSError:
        return ""


def _link(link: Path, digest: str) -> None:
    """Points the link at a release by one rename, so that there is no moment without one."""
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(f"releases/{digest}")
    os.rename(fresh, link)
