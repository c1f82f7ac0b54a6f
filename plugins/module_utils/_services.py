# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Service managers: systemd on hosts, and Tandem's own ``process`` manager in containers, in the demo and without root."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Optional, Protocol

from . import _units
from ._client import Client, NotRunning, Refused
from ._files import has_mode, make_folder, write_atomically
from ._paths import Paths
from ._process import recorded
from ._store import StoreError

_COMMAND_S = 60
_PROBLEMS_MAX = 10


class Manager(Protocol):
    """What keeps the services running on a node. Methods raise StoreError with the manager's own words."""

    name: str

    def folders(self) -> tuple[Path, ...]:
        """The folders of running services that this manager leaves to us; all may enter them."""

    def prepared(self) -> bool: ...

    def prepare(self) -> None: ...

    def running(self) -> bool: ...

    def start(self) -> None: ...

    def restart(self) -> None: ...

    def stop(self) -> None: ...

    def forget(self) -> None: ...

    def outdated(self, pids: Iterable[int]) -> bool:
        """Whether one of these processes, which are running services, was started in another way than it would be now."""


def manager_for(paths: Paths, wanted: str) -> Manager:
    """The manager of that name; ``auto`` is systemd on a host that it booted, for the prefix "/"."""
    if wanted == "auto":
        wanted = "systemd" if paths.prefix == "/" and Path("/run/systemd/system").is_dir() else "process"
    return SystemdManager(paths) if wanted == "systemd" else ProcessManager(paths)


class ProcessManager:
    """``tandem manager``: needs nothing on the host."""

    name = "process"

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def folders(self) -> tuple[Path, ...]:
        return (self._paths.run, self._paths.log)

    def prepared(self) -> bool:
        return True

    def prepare(self) -> None:
        for folder in self.folders():
            make_folder(folder, 0o755)

    def running(self) -> bool:
        return recorded(self._paths.manager_pid) is not None and answering(self._paths)

    def start(self) -> None:
        self._manager("start")

    def restart(self) -> None:
        self._manager("stop")
        self._manager("start")

    def stop(self) -> None:
        if self._paths.program.exists():
            self._manager("stop")

    def forget(self) -> None:
        """It leaves nothing outside the folders that are removed anyway."""

    def outdated(self, pids: Iterable[int]) -> bool:
        """How it starts services is a part of their release."""
        return False

    def _manager(self, action: str) -> None:
        # What the services write must not depend on who has started them how.
        _run([str(self._paths.program), "--prefix", self._paths.prefix, "manager", action], umask=0o022)


class SystemdManager:
    """Units of our own, enabled, so that a reboot brings the node back."""

    name = "systemd"

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._files = _units.files(paths)

    def folders(self) -> tuple[Path, ...]:
        """None: tmpfiles.d makes them, at every boot."""
        return ()

    def prepared(self) -> bool:
        return all(_content(path) == text and has_mode(path, 0o644) for path, text in self._files.items()) and not self._missing_accounts()

    def prepare(self) -> None:
        if self.prepared():
            return
        for path, text in self._files.items():
            make_folder(path.parent, 0o755)
            write_atomically(path, text.encode(), 0o644)
        make_folder(self._paths.etc, 0o755)
        _run(["systemd-sysusers", str(_units.SYSUSERS)])
        _run(["systemd-tmpfiles", "--create", str(_units.TMPFILES)])
        _run(["systemctl", "daemon-reload"])

    def running(self) -> bool:
        return ended(["systemctl", "is-active", "--quiet", *_units.SERVICES]).returncode == 0 and answering(self._paths)

    def start(self) -> None:
        _run(["systemctl", "enable", "--now", *_units.ENABLED])
        self._wait()

    def restart(self) -> None:
        _run(["systemctl", "enable", *_units.ENABLED])
        # keepalive first: it hands the floating IPs over before its proxy goes
        _run(["systemctl", "stop", "tandem-keepalive"])
        _run(["systemctl", "restart", "tandem-proxy", f"{_units.FORWARD}.path"])
        _run(["systemctl", "try-restart", _units.FORWARD])
        _run(["systemctl", "start", "tandem-keepalive"])
        self._wait()

    def stop(self) -> None:
        if any(path.exists() for path in self._files):
            # keepalive first: it hands the floating IPs over before its proxy goes
            _run(["systemctl", "disable", "--now", "tandem-keepalive"])
            _run(["systemctl", "disable", "--now", f"{_units.FORWARD}.path"])
            _run(["systemctl", "stop", _units.FORWARD])
            _run(["systemctl", "disable", "--now", "tandem-proxy"])

    def forget(self) -> None:
        for path in self._files:
            path.unlink(missing_ok=True)
        _run(["systemctl", "daemon-reload"])
        _give_back(self._paths)
        for account in _units.ACCOUNTS:
            if account not in self._missing_accounts():
                _run(["userdel", account])
        with contextlib.suppress(KeyError):
            grp.getgrnam(_units.GROUP)
            _run(["groupdel", _units.GROUP])

    def outdated(self, pids: Iterable[int]) -> bool:
        wanted = _units.mark(self._paths)
        return any(started_with(pid, _units.MARK) not in (None, wanted) for pid in pids)

    def _wait(self) -> None:
        """Units count as started when they are executed; they serve when their control sockets answer."""
        _run([str(self._paths.program), "--prefix", self._paths.prefix, "manager", "wait"])

    @staticmethod
    def _missing_accounts() -> list[str]:
        known = {account.pw_name for account in pwd.getpwall()}
        return [account for account in _units.ACCOUNTS if account not in known]


def started_with(pid: int, variable: str) -> Optional[str]:
    """What a process was given in its environment as ``variable``, "" for nothing; None where that cannot be known, as for one that has ended."""
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return None
    given = dict(entry.partition(b"=")[::2] for entry in entries)
    return given.get(variable.encode(), b"").decode(errors="replace")


def _content(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _give_back(paths: Paths) -> None:
    """The document and its keys stay when the program goes, so root owns them again: an account's number may be given to somebody else."""
    folders = [folder for folder in (paths.secrets, paths.keys) if folder.is_dir()]
    for path in (paths.etc, paths.desired, *folders, *(path for folder in folders for path in folder.iterdir())):
        if path.exists():
            os.chown(path, 0, 0)


def answering(paths: Paths) -> bool:
    """Whether both services answer on their control sockets."""
    try:
        for path in (paths.proxy_socket, paths.keepalive_socket):
            Client(path, 5.0).status()
    except (NotRunning, Refused):
        return False
    return True


def frontend_problems(paths: Paths) -> list[str]:
    """Why clients cannot reach a frontend on this node although its document is in force, as the proxy tells it; nothing where it does not run."""
    try:
        frontends = Client(paths.proxy_socket, 5.0).status().get("frontends", {})
    except (NotRunning, Refused):
        return []
    problems = [str(problem) for _key, told in sorted(frontends.items()) for problem in told.get("problems", ())]
    more = len(problems) - _PROBLEMS_MAX
    return [*problems[:_PROBLEMS_MAX], *([f"{more} more like these: tandem status on the node tells of all."] if more > 0 else [])]


def ended(command: list[str], umask: int = -1) -> subprocess.CompletedProcess[str]:
    """The command, once it has ended, however it did. Raises StoreError where it does not."""
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_COMMAND_S, check=False, umask=umask)
    except subprocess.TimeoutExpired:
        raise StoreError(f"{' '.join(command)} did not end within {_COMMAND_S} s. Look at the node's logs, then run again.") from None


def _run(command: list[str], umask: int = -1) -> None:
    run = ended(command, umask)
    if run.returncode:
        said = f"{run.stdout}{run.stderr}".strip()
        raise StoreError(f"{' '.join(command)} failed (exit status {run.returncode}): {said}")
