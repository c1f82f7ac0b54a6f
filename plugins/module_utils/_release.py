# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Puts the runtime on a node: unpacks the bundle under its digest, checks it, switches to it by one rename, sees that the services run.

Nothing is restarted: services that run keep the release they were started with until somebody asks for a restart.
"""

from __future__ import annotations

import compileall
import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

from ansible.module_utils.basic import AnsibleModule

from ._acceleration import Acceleration
from ._archive import put_in_place, unpack
from ._client import Client, NotRunning, Refused
from ._files import has_mode, make_folder, set_mode
from ._floor import OLDEST_PYTHON
from ._node_file import NodeFile
from ._paths import Paths
from ._services import Manager, ended, manager_for
from ._store import Store, StoreError
from ._this_node import stated_workers


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
        self.node_file = NodeFile(paths.node)
        bundle = module.params.get("bundle") or {}
        self.digest: str = bundle.get("digest") or module.fail_json(
            msg="The bundle's digest is missing: run the module by its full name, tandem.lb.*"
        )
        self._bundle: Optional[str] = bundle.get("path")
        self.acceleration = Acceleration(paths, bundle.get("acceleration"), module.params.get("acceleration") or self._recorded("acceleration"))
        workers = module.params.get("workers")
        self.workers: int = self._recorded_workers() if workers is None else workers
        self.manager: Manager = manager_for(paths, module.params.get("service_manager") or self._recorded("service_manager"))

    def ensure(self, restart: bool = False, before: Optional[Callable[[], None]] = None) -> list[str]:
        """What was done, or in check mode would be, in words; empty when all is as it should be."""
        done = [words for words, needed in self._steps(restart) if needed()]
        self.acceleration.refuse_without()
        if done and not self.module.check_mode:
            self._ask_for_what_is_lacking()
        if before:
            before()
        if self.module.check_mode or not done:
            return done
        with self.node_file.kept_on_failure():
            self._carry_out(restart)
        return done

    def _ask_for_what_is_lacking(self) -> None:
        lacking: dict[str, Any] = {}
        if not self._installed() and not self._bundle:
            lacking["needs_bundle"] = True
        if self.acceleration.to_be_sent:
            lacking["needs_accelerator"] = self.acceleration.tag
        if lacking:
            self.module.exit_json(changed=False, **lacking)

    def _steps(self, restart: bool) -> list[tuple[str, Any]]:
        return [
            ("release installed", lambda: not self._installed()),
            ("release switched", lambda: self.release != self.digest),
            ("modes set", self._wrong_modes),
            ("accelerator installed", lambda: self.acceleration.missing),
            ("node named", self._named_otherwise),
            ("acceleration set", lambda: self._recorded("acceleration") != self.acceleration.setting),
            ("workers set", lambda: self._recorded_workers() != self.workers),
            ("service units written", lambda: not self.manager.prepared()),
            ("services started", lambda: not self.running_releases or not self.manager.running()),
            ("services restarted", lambda: restart and self.restart_needed),
        ]

    def _carry_out(self, restart: bool) -> None:
        if not self._installed():
            self._install()
        if self.acceleration.missing:
            self._install_accelerator()
        if self.release != self.digest:
            self._switch()
        for path, mode in self._wrong_modes():
            set_mode(path, mode)
        if self.node_file.read() != self._node_wanted():
            self.node_file.write(self._node_wanted())
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
        if any(self.acceleration.restart_needed(str(status.get("acceleration", ""))) for status in running):
            return True
        if any(status.get("workers_stated", 0) != self.workers for status in running if "workers" in status):  # keepalive has none
            return True
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
        return [path for path in (self.paths.releases.parent, self.paths.run, self.paths.state, self.paths.log) if path.exists()]

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
        """Whether it is there, whole; its modes are a step of their own, for which no bundle is needed."""
        release = self._folder(self.digest)
        try:
            return _program(release).read_bytes() == _program_text() and _digest_of(release / "tandem") == self.digest
        except OSError:
            return False

    def _wrong_modes(self) -> list[tuple[Path, int]]:
        """What has another mode than the reference states, with the right one. The services have accounts of their own, which must come at it."""
        stated = [(path, 0o755) for path in (self.paths.releases.parent, self.paths.releases, *self.manager.folders())]
        stated += _modes(self._folder(self.digest))
        return [(path, mode) for path, mode in stated if not has_mode(path, mode)] + Store(self.paths).wrong_modes()

    def _install(self) -> None:
        """Unpacks beside, checks, and renames: a release that is there is whole."""
        make_folder(self.paths.releases, 0o755)
        fresh = self._folder(f".{self.digest[:16]}.{os.getpid()}")
        former = self._folder(f".{self.digest[:16]}.former.{os.getpid()}")
        try:
            unpack(Path(str(self._bundle)), fresh)
            if _digest_of(fresh / "tandem") != self.digest:
                raise StoreError(f"{self._bundle}: the bundle was damaged on its way (its digest is another one). Run the task again.")
            make_folder(_program(fresh).parent, 0o755)
            _program(fresh).write_bytes(_program_text())
            compileall.compile_dir(str(fresh / "tandem"), quiet=2)
            self.acceleration.note(fresh)
            for path, mode in _modes(fresh):
                set_mode(path, mode)
            self._self_check(_program(fresh))
            if self._installed():
                return  # by another run, and perhaps switched to already
            put_in_place(fresh, self._folder(self.digest), former)
            os.sync()
        except OSError as error:
            raise StoreError(
                f"{self.paths.releases}: the release cannot be unpacked there: {error.strerror}. "
                "Free some space, or mend that on the node, and run again; what is in use stays in use."
            ) from None
        finally:
            for folder in (fresh, former):
                shutil.rmtree(folder, ignore_errors=True)

    def _install_accelerator(self) -> None:
        try:
            why = self.acceleration.install(_program(self._folder(self.digest)))
        except OSError as error:
            raise StoreError(
                f"{self.paths.accelerators}: the accelerator cannot be unpacked there: {error.strerror}. "
                "Free some space, or mend that on the node, and run again; what is in use stays in use."
            ) from None
        if why:
            self.module.warn(f"The accelerator for {self.acceleration.tag} is not used on this node, which runs the sources as they are: {why}")

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
        """Keeps the release in use, the one before, and what still runs; what a run that was killed has left half unpacked goes."""
        kept = {self.release, self.previous, *self.running_releases.values()}
        for folder in self.paths.releases.iterdir():
            if folder.name not in kept:
                shutil.rmtree(folder)
        self.acceleration.prune([self._folder(digest) for digest in kept if digest])

    def _node_wanted(self) -> dict[str, Any]:
        named = {"node": self.module.params["node"], "service_manager": self.manager.name, "python": sys.executable}
        return {**named, "acceleration": self.acceleration.setting, **({"workers": self.workers} if self.workers else {})}

    def _named_otherwise(self) -> bool:
        """Whether the node is told anew what it is, but for settings that have steps of their own."""
        settings = ("acceleration", "workers")
        sides = (self.node_file.read(), self._node_wanted())
        first, second = ({name: value for name, value in side.items() if name not in settings} for side in sides)
        return first != second

    def _recorded_workers(self) -> int:
        """0: one for each core."""
        return stated_workers(self.node_file.read())

    def _recorded(self, name: str) -> str:
        """What the node was told before of how its services are run."""
        return str(self.node_file.read().get(name, "auto"))


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


def _program(release: Path) -> Path:
    return release / "bin" / "tandem"


def _program_text() -> bytes:
    return f"#!{sys.executable} -I\n{_PROGRAM}".encode()


def _modes(release: Path) -> list[tuple[Path, int]]:
    """The modes of all that is in a release: anybody may read and run it, only its owner may change it."""
    found = [(release, 0o755), *((path, 0o755 if path.is_dir() else 0o644) for path in release.rglob("*"))]
    return [(path, 0o755 if path == _program(release) else mode) for path, mode in found]


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
