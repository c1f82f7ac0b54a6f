"""The root file system that all hosts of the lab share, read-only: made once by debootstrap, kept in a cache, named by what it is made of."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

USER = "ops"
USER_ID = 1000
_PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "sudo",
    "python3",
    "iproute2",
    "iputils-ping",
    "nftables",
)
# Host keys and the machine's id are each host's own. Timers and consoles serve nobody here.
_RECIPE = f"""\
set -eu
useradd --create-home --shell /bin/bash --uid {USER_ID} {USER}
echo '{USER} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/{USER}
chmod 0440 /etc/sudoers.d/{USER}
rm -f /etc/ssh/ssh_host_*
: >/etc/machine-id
systemctl enable systemd-networkd.service
systemctl mask console-getty.service getty.target apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer dpkg-db-backup.timer
apt-get clean
"""
_BUILD_S = 900


class LabError(Exception):
    """Something about the lab or its machine that its user can mend; the message says what."""


def cache() -> Path:
    """Where trees are kept: TANDEM_LAB_CACHE, else the user's cache folder."""
    named = os.environ.get("TANDEM_LAB_CACHE")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tandem-lab"


def ensure_tree(say: Callable[[str], None]) -> Path:
    """The tree for this machine's own release of Debian or Ubuntu, made now if the cache lacks it. Raises LabError."""
    suite = _suite()
    key = hashlib.sha256("\n".join((suite, *_PACKAGES, _RECIPE)).encode()).hexdigest()[:12]
    folder = cache() / f"{suite}-{key}"
    folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with _locked(folder.with_suffix(".lock")):
        if not folder.exists():
            say(f"Making the hosts' file system with debootstrap ({suite}), once; it is kept in {folder}.")
            _build(suite, folder)
    return folder


def _build(suite: str, folder: Path) -> None:
    """Below a temporary name first: a folder with the final name is whole."""
    fresh, log = folder.with_suffix(".new"), folder.with_suffix(".log")
    _discard(fresh)
    bootstrap = ["debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", suite, str(fresh), _mirror(suite)]
    try:
        with open(log, "wb") as output:
            for command in (bootstrap, ["chroot", str(fresh), "sh", "-c", _RECIPE]):
                status = run(*command, within_s=_BUILD_S, output=output, env=_environment()).returncode
                if status:
                    raise LabError(f"{command[0]} failed (exit status {status}); what it said is in {log}:\n{_end_of(log)}")
        fresh.chmod(0o755)
        os.sync()
        fresh.rename(folder)
        log.unlink()
    finally:
        _discard(fresh)


def _discard(fresh: Path) -> None:
    """Removes a tree that is not whole; first what debootstrap has mounted in it, or the removal would walk into the machine's own /proc and /sys."""
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for place in reversed([place for place in mounted if place.startswith(f"{fresh}/")]):
        unmounted = run("umount", "--lazy", place, within_s=60)
        if unmounted.returncode:
            raise LabError(f"{place} is mounted and cannot be unmounted, so {fresh} stays: {unmounted.stderr.strip()}")
    if fresh.exists():
        shutil.rmtree(fresh)


def _suite() -> str:
    """The code name of the release that this machine runs."""
    with contextlib.suppress(OSError):
        lines = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
        name = lines.get("VERSION_CODENAME", "").strip('"')
        if name:
            return name
    raise LabError("/etc/os-release names no release (VERSION_CODENAME). The lab needs Debian or Ubuntu.")


def _mirror(suite: str) -> str:
    """The mirror that this machine's own apt uses for the release."""
    targets = _output("apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages")
    for line in targets.splitlines():
        release, component, address = line.split(" ", 2)
        if (release, component) == (suite, "main") and address.startswith(("http:", "https:", "file:")):
            return address
    raise LabError(
        f"apt's sources name no mirror of {suite} main that debootstrap could use (http, https, file). Add one to /etc/apt/sources.list.d."
    )


def _environment() -> dict[str, str]:
    """apt's proxy is debootstrap's too, which reads it from the environment only."""
    proxy = _output("apt-config", "shell", "proxy", "Acquire::http::Proxy").partition("=")[2].strip().strip("'")
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return {**os.environ, "PATH": path, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", **({"http_proxy": proxy} if proxy else {})}


def run(
    *command: str, within_s: float, output: int | IO[bytes] = subprocess.PIPE, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end. One that does not come to it in time is killed with all that it has started, and LabError raised."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, text=True, start_new_session=True) as process:
        try:
            said, complained = process.communicate(timeout=within_s)
        except subprocess.TimeoutExpired:
            raise LabError(f"{' '.join(command)}: it has not ended within {within_s:g} s and was killed.") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(command, process.returncode, said, complained)


def _output(*command: str) -> str:
    ended = run(*command, within_s=60)
    if ended.returncode:
        raise LabError(f"{' '.join(command)} failed: {ended.stderr.strip()}")
    return ended.stdout


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-10:])


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Two labs that come up at the same time build a tree once."""
    with open(path, "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
