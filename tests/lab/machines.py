"""The lab on this machine: up, down, and the power switch of every host.

All of it can be run again at any point, after a half-failed run and after the machine was rebooted too.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from tests.lab.layout import HOSTS, Layout
from tests.lab.tree import LabError, ensure_tree, run

_NEEDED = MappingProxyType(
    {"debootstrap": "debootstrap", "systemd-nspawn": "systemd-container", "ssh": "openssh-client", "ip": "iproute2", "unshare": "util-linux"}
)
_LABS_MAX = 16
_BOOT_S = 90
_KILL_S = 20
_INSTALL_S = 600
_COMMAND_S = 30
_PATH_MAX = 80
os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


class Lab:
    """The lab whose state lies in ``state``; ``say`` is given what is done, in sentences."""

    def __init__(self, state: Path, say: Callable[[str], None] = print) -> None:
        self.state = state.resolve()
        self._say = say

    @property
    def layout(self) -> Layout:
        """Raises LabError while the lab is down."""
        try:
            return Layout(self.state, int(json.loads((self.state / "lab.json").read_text())["number"]))
        except OSError:
            raise LabError(f"No lab is up in {self.state}. Bring it up first: make lab-up.") from None

    def up(self) -> None:
        """Five hosts that answer ssh. Raises LabError."""
        self._require_root()
        self._require_folder_of_a_lab()
        if set(str(self.state)) & set(",:\\\"'") or len(str(self.state)) > _PATH_MAX:
            raise LabError(
                f"{self.state}: the lab's folder must not have a comma, colon, backslash or quotation mark in its path (overlayfs, ssh), "
                f"and the path must be no longer than {_PATH_MAX} characters (sockets). Use a checkout elsewhere."
            )
        ensure_packages(self._say)
        tree = ensure_tree(self._say)
        with self._locked():
            self.state.mkdir(exist_ok=True)
            layout = self._network()
            (self.state / "tree").unlink(missing_ok=True)
            (self.state / "tree").symlink_to(tree)
            layout.write()
            self._give_away()
            for host in HOSTS:
                self._power_on(layout, host)
        with concurrent.futures.ThreadPoolExecutor(len(HOSTS)) as pool:
            list(pool.map(self.wait, HOSTS))

    def down(self) -> None:
        """Nothing of the lab is left but the cached tree. Raises LabError."""
        self._require_root()
        self._require_folder_of_a_lab()
        with self._locked():
            layouts = [Layout(self.state, number) for number in range(_LABS_MAX) if self._owns(number)]
            with contextlib.suppress(LabError):
                layouts.append(self.layout)
            for layout in layouts:
                for host in HOSTS:
                    self._power_off(layout, host)
                _run("ip", "link", "del", layout.bridge, check=not _link_is_gone(layout.bridge))
                for top in _cgroup_tops():
                    _remove_cgroup(top / layout.bridge)
            if self.state.exists():
                shutil.rmtree(self.state)

    def renew(self) -> None:
        """The hosts as they were after the first ``up``: with fresh disks, and just booted. Raises LabError."""
        self._require_root()
        with self._locked():
            for host in HOSTS:
                self._power_off(self.layout, host)
                shutil.rmtree(self.layout.folder(host), ignore_errors=True)
        self.up()

    def power_off(self, host: str) -> float:
        """Pulls the plug: every process of the host is killed at once. Returns when (seconds of the monotonic clock)."""
        self._require_root()
        with self._locked():
            return self._power_off(self.layout, host)

    def power_on(self, host: str) -> None:
        """Boots a host that is off, with the disk it had; returns when it answers ssh. Raises LabError."""
        self._require_root()
        with self._locked():
            self._power_on(self.layout, host)
        self.wait(host)

    def is_on(self, host: str) -> bool:
        return self._process(self.layout, host) is not None

    def wait(self, host: str, within_s: float = _BOOT_S) -> None:
        """Returns when the host lets its user in. Raises LabError."""
        deadline = time.monotonic() + within_s
        layout = self.layout
        while True:
            asked = _run("ssh", "-F", str(self.state / "ssh_config"), "-o", "BatchMode=yes", "-o", "ConnectTimeout=2", host, "true", check=False)
            if asked.returncode == 0:
                return
            if self._process(layout, host) is None or time.monotonic() > deadline:
                console = (layout.folder(host) / "console.log").read_text(errors="replace").splitlines()[-10:]
                raise LabError(f"{host} did not come up: ssh says {asked.stderr.strip()!r}; its console says:\n" + "\n".join(console))
            time.sleep(0.1)

    # The network: one bridge, which is also the mark of who has the number

    def _network(self) -> Layout:
        with contextlib.suppress(LabError):
            layout = self.layout
            if self._owns(layout.number):
                return layout
            if not self._claim(layout.number):
                raise LabError(
                    f"{layout.bridge} belongs to another lab now, so the lab in {self.state} cannot go on. Run make lab-down, then make lab-up."
                )
            return layout
        number = next((number for number in range(_LABS_MAX) if self._owns(number) or self._claim(number)), None)
        if number is None:
            raise LabError(f"{_LABS_MAX} labs are up on this machine already (ip link show type bridge names their folders). Take one down first.")
        (self.state / "lab.json").write_text(json.dumps({"number": number}) + "\n")
        return self.layout

    def _claim(self, number: int) -> bool:
        """Makes the bridge of that number, unless somebody has it."""
        layout = Layout(self.state, number)
        if _run("ip", "link", "add", layout.bridge, "type", "bridge", check=False).returncode:
            if _link_is_gone(layout.bridge):
                raise LabError(
                    f"The kernel makes no bridge: {_run('ip', 'link', 'add', layout.bridge, 'type', 'bridge', check=False).stderr.strip()}"
                )
            return False
        _run("ip", "link", "set", layout.bridge, "alias", str(self.state))
        # Left to itself, a bridge has the lowest address of its ports, so another one when that host goes, and neighbours lose the machine.
        _run("ip", "link", "set", layout.bridge, "address", f"02:98:00:00:00:{layout.number:02x}")
        _run("ip", "address", "add", f"{layout.address(1)}/24", "dev", layout.bridge)
        _run("ip", "address", "add", f"{layout.address6(1)}/64", "dev", layout.bridge, "nodad")
        _run("ip", "link", "set", layout.bridge, "up")
        return True

    def _owns(self, number: int) -> bool:
        with contextlib.suppress(OSError):
            return Path(f"/sys/class/net/{Layout(self.state, number).bridge}/ifalias").read_text().strip() == str(self.state)
        return False

    # Power

    def _power_on(self, layout: Layout, host: str) -> None:
        if self._process(layout, host) is not None:
            return
        self._power_off(layout, host)  # what the host's former life left: links and control groups
        cgroups = [top / layout.bridge / host for top in _cgroup_tops()]
        for cgroup in cgroups:
            cgroup.mkdir(parents=True, exist_ok=True)
        arguments = [layout.folder(host), self.state / "tree", host, layout.bridge, layout.machine(host), *cgroups]
        command = [str(Path(__file__).with_name("boot.sh")), "power", *map(str, arguments)]
        with open(layout.folder(host) / "console.log", "ab") as console:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True)
        deadline = time.monotonic() + _KILL_S
        while self._process(layout, host) is None:
            if process.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"{host} did not start: {(layout.folder(host) / 'console.log').read_text(errors='replace')[-2000:]}")
            time.sleep(0.005)

    def _power_off(self, layout: Layout, host: str) -> float:
        moment = time.monotonic()
        with contextlib.ExitStack() as stack:
            if layout.folder(host).exists():
                folder = os.open(layout.folder(host), os.O_RDONLY)
                stack.callback(os.close, folder)
                # A host that is just being started has no process on record yet, but it has the lock.
                _until(lambda: self._killed(layout, host) and _lock(folder), f"the processes of {host} ending")
            cgroups = [top / layout.bridge / host for top in _cgroup_tops()]
            _until(lambda: not any(_members(cgroup) for cgroup in cgroups), f"the control groups of {host} being left")
            for cgroup in cgroups:
                _remove_cgroup(cgroup)
        if not _link_is_gone(layout.link(host)):
            _run("ip", "link", "del", layout.link(host), check=False)  # it goes with the host's network namespace, sooner or later
            _until(lambda: _link_is_gone(layout.link(host)), f"the link of {host} going")
        self._hang_up(host)
        return moment

    def _killed(self, layout: Layout, host: str) -> bool:
        process = self._process(layout, host)
        if process is not None:
            os.kill(process, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process, 0)
        return True

    def _process(self, layout: Layout, host: str) -> int | None:
        """The host's outermost process, if it still is the one that was recorded; ids are used again."""
        try:
            pid, started = (layout.folder(host) / "pid").read_text().split()
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            return None
        return int(pid) if fields[0] != "Z" and fields[19] == started else None

    def _hang_up(self, host: str) -> None:
        """Ends the connection that Ansible's ssh keeps, which would wait for a host that is gone."""
        path = self.state / f"ssh-{host}"
        if path.exists():
            _run("ssh", "-o", f"ControlPath={path}", "-O", "exit", host, check=False)
            path.unlink(missing_ok=True)

    # Around it

    def _give_away(self) -> None:
        """With sudo, the lab's files are for the user who asked."""
        user, group = int(os.environ.get("SUDO_UID", "0")), int(os.environ.get("SUDO_GID", "0"))
        for path in (self.state, *self.state.iterdir()):
            if path.name != "hosts":
                os.chown(path, user, group, follow_symlinks=False)

    def _require_folder_of_a_lab(self) -> None:
        """Its folder is removed with all that is in it, so one that holds something else is left alone."""
        if self.state.exists() and not (self.state / "lab.json").exists() and any(self.state.iterdir()):
            raise LabError(f"{self.state} holds what is not a lab's, so nothing is done with it. Name another folder (--state, TANDEM_LAB).")

    def _require_root(self) -> None:
        if os.geteuid() != 0:
            raise LabError("The lab boots containers and makes a bridge, which needs root. Run it as root, or with sudo.")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One command at a time: a lock on the folder above, which leaves no file behind."""
        above = os.open(self.state.parent, os.O_RDONLY)
        try:
            fcntl.flock(above, fcntl.LOCK_EX)
            yield
        finally:
            os.close(above)


def missing_packages(needed: Mapping[str, str] = _NEEDED) -> list[str]:
    """Debian's packages, by the command that each is there for, that the lab needs and this machine lacks."""
    return sorted({package for command, package in needed.items() if shutil.which(command) is None})


def ensure_packages(say: Callable[[str], None], needed: Mapping[str, str] = _NEEDED) -> None:
    """Installs what is missing. Raises LabError, which names it, where that cannot be done."""
    missing = missing_packages(needed)
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise LabError(f"The lab needs {', '.join(missing)}, and this machine has no apt-get to install them with.")
    say(f"Installing what the lab needs from the distribution: {', '.join(missing)}.")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *missing]):
        ended = run("apt-get", *arguments, within_s=_INSTALL_S, env=quiet)
        if ended.returncode:
            raise LabError(f"apt-get {' '.join(arguments)} failed:\n{ended.stdout}{ended.stderr}")


def _cgroup_tops() -> list[Path]:
    """The hierarchies in which systemd keeps its groups: cgroup v2 and, on a machine that has it, v1's name=systemd."""
    tops = []
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _source, place, kind, options = line.split()[:4]
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            tops.append(Path(place))
    return tops


def _members(cgroup: Path) -> list[str]:
    members = []
    for folder, _folders, _files in os.walk(cgroup):
        with contextlib.suppress(FileNotFoundError, OSError):
            members += (Path(folder) / "cgroup.procs").read_text().split()
    return members


def _remove_cgroup(cgroup: Path) -> None:
    for folder, _folders, _files in os.walk(cgroup, topdown=False):
        os.rmdir(folder)


def _lock(folder: int) -> bool:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _link_is_gone(link: str) -> bool:
    return not Path(f"/sys/class/net/{link}").exists()


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _KILL_S
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"{what}: not within {_KILL_S} s")
        time.sleep(0.01)


def _run(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    ended = run(*command, within_s=_COMMAND_S)
    if check and ended.returncode:
        raise LabError(f"{' '.join(command)} failed: {ended.stderr.strip()}")
    return ended
