# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Service managers: systemd on hosts, and Tandem's own ``process`` manager in containers, in the demo and without root."""

from __future__ import annotations

import subprocess
from pathlib import Path
from string import Template
from typing import Protocol

from ._client import Client, NotRunning, Refused
from ._paths import Paths
from ._store import StoreError

_COMMAND_S = 60
_SERVICES = ("tandem-proxy", "tandem-keepalive")


class Manager(Protocol):
    """What keeps the two services running on a node. Methods raise StoreError with the manager's own words."""

    name: str

    def prepared(self) -> bool: ...

    def prepare(self) -> None: ...

    def running(self) -> bool: ...

    def start(self) -> None: ...

    def restart(self) -> None: ...

    def stop(self) -> None: ...

    def forget(self) -> None: ...


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

    def prepared(self) -> bool:
        return True

    def prepare(self) -> None:
        """There is nothing to prepare."""

    def running(self) -> bool:
        return self._paths.manager_pid.exists() and answering(self._paths)

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

    def _manager(self, action: str) -> None:
        _run([str(self._paths.program), "--prefix", self._paths.prefix, "manager", action])


class SystemdManager:
    """Units of our own, enabled, so that a reboot brings the node back."""

    name = "systemd"

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._folder = Path("/etc/systemd/system")

    def prepared(self) -> bool:
        return all(self._content(path) == text for path, text in self._units().items())

    def prepare(self) -> None:
        if self.prepared():
            return
        for path, text in self._units().items():
            path.write_text(text)
        _run(["systemctl", "daemon-reload"])

    def running(self) -> bool:
        ask = subprocess.run(["systemctl", "is-active", "--quiet", *_SERVICES], stdin=subprocess.DEVNULL, timeout=_COMMAND_S, check=False)
        return ask.returncode == 0 and answering(self._paths)

    def start(self) -> None:
        _run(["systemctl", "enable", "--now", *_SERVICES])
        self._wait()

    def restart(self) -> None:
        _run(["systemctl", "enable", *_SERVICES])
        # keepalive first: it hands the floating IPs over before its proxy goes
        _run(["systemctl", "stop", "tandem-keepalive"])
        _run(["systemctl", "restart", "tandem-proxy"])
        _run(["systemctl", "start", "tandem-keepalive"])
        self._wait()

    def stop(self) -> None:
        if any(path.exists() for path in self._units()):
            _run(["systemctl", "disable", "--now", "tandem-keepalive", "tandem-proxy"])

    def forget(self) -> None:
        for path in self._units():
            path.unlink(missing_ok=True)
        _run(["systemctl", "daemon-reload"])

    def _wait(self) -> None:
        """Units count as started when they are executed; they serve when their control sockets answer."""
        _run([str(self._paths.program), "--prefix", self._paths.prefix, "manager", "wait"])

    def _units(self) -> dict[Path, str]:
        return {self._folder / f"{name}.service": text for name, text in render_units(self._paths).items()}

    @staticmethod
    def _content(path: Path) -> str:
        try:
            return path.read_text()
        except OSError:
            return ""


def answering(paths: Paths) -> bool:
    """Whether both services answer on their control sockets."""
    try:
        for path in (paths.proxy_socket, paths.keepalive_socket):
            Client(path, 5.0).status()
    except (NotRunning, Refused):
        return False
    return True


def render_units(paths: Paths) -> dict[str, str]:
    """The unit files by service name."""
    return {
        name: _UNIT.substitute(
            what=what, command=f"{paths.program} --prefix {paths.prefix} {command}", capabilities=capabilities, families=families, prefix=paths.prefix
        )
        for name, what, command, capabilities, families in (
            ("tandem-proxy", "proxy", "proxy", "CAP_NET_BIND_SERVICE", "AF_UNIX AF_INET AF_INET6"),
            ("tandem-keepalive", "keepalive", "keepalive", "CAP_NET_RAW CAP_NET_ADMIN", "AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET"),
        )
    }


_UNIT = Template("""\
# Written by tandem.lb; changes are overwritten.
[Unit]
Description=Tandem load balancer: $what
Documentation=man:systemd.exec(5)
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=$command
Restart=always
RestartSec=100ms
KillMode=mixed
TimeoutStopSec=15
LimitNOFILE=1048576
RuntimeDirectory=tandem
RuntimeDirectoryPreserve=yes
CapabilityBoundingSet=$capabilities
AmbientCapabilities=$capabilities
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
RestrictAddressFamilies=$families

[Install]
WantedBy=multi-user.target
""")


def _run(command: list[str]) -> None:
    try:
        run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_COMMAND_S, check=False)
    except subprocess.TimeoutExpired:
        raise StoreError(f"{' '.join(command)} did not end within {_COMMAND_S} s. Look at the node's logs, then run again.") from None
    if run.returncode:
        said = f"{run.stdout}{run.stderr}".strip()
        raise StoreError(f"{' '.join(command)} failed (exit status {run.returncode}): {said}")
