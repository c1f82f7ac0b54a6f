"""The pair of the demo's story on hosts of the lab: commands by ssh, power by the lab's switch, and a client on a host of its own."""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko

from tests.lab.layout import FLOATING, HOSTS, NODES, SERVER_PORT, SERVERS, TOP
from tests.lab.machines import Lab
from tests.support.ssh import Hosts, Lines

if str(TOP / "demo") not in sys.path:
    sys.path.append(str(TOP / "demo"))

from pair import Pair
from traffic import Outcome, answered, outage_s

__all__ = ["LabPair", "answered", "outage_s"]  # the demo's words, for tests

PLAYBOOK = Path(__file__).with_name("site.yml")
PROGRAM = "/opt/tandem/current/bin/tandem"
_STREAM_S_MAX = 120


class Client:
    """What a request stream on the client host has seen so far."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    @property
    def failures(self) -> list[str]:
        """Why requests failed, in the client's words."""
        return [line["reason"] for line in list(self._lines.found) if line["server"] is None]

    @property
    def outcomes(self) -> list[Outcome]:
        # Containers share the kernel's monotonic clock, so times from there can be held against times from here.
        seen = [Outcome(line["began"], line["ended"], line["server"]) for line in list(self._lines.found)]
        return sorted(seen, key=lambda outcome: outcome.started_s)


class LabPair(Pair):
    """The load balancer "edge" of site.yml, on lb-a and lb-b of a lab that is up."""

    port = 80
    playbook = PLAYBOOK
    edit = (
        "- {name: app-2, address: \"{{ hostvars['app-2'].address }}\"}",
        "- {name: app-2, address: \"{{ hostvars['app-2'].address }}\", weight: 5}",
        "app-2 is given weight: 5",
    )
    server_death = "was killed (systemctl kill -s KILL shop)"
    node_death = "was powered off as by pulling the plug"

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.state = lab.state
        self.address = lab.layout.address(FLOATING)
        self.servers = {name: f"{lab.layout.address(HOSTS[name])}:{SERVER_PORT}" for name in SERVERS}
        self.inventory = lab.state / "inventory.yml"
        self.variables = {}
        self.hosts = Hosts(lab.state / "ssh_config")

    def bare(self) -> bool:
        """Whether neither node has anything of Tandem."""
        return all(self.hosts.run(node, "test -e /etc/tandem", check=False).status for node in NODES)

    def tandem(self, node: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        if not self.lab.is_on(node):
            raise OSError(f"{node} is off")
        command = f"{PROGRAM} {shlex.join(arguments)}"
        try:
            result = self.hosts.run(node, command, sudo=True, check=False, timeout_s=10)
        except (EOFError, paramiko.SSHException) as error:
            raise OSError(f"{node}: {error}") from error
        return subprocess.CompletedProcess(command, result.status, result.stdout, result.stderr)

    def kill_node(self, node: str) -> float:
        moment = self.lab.power_off(node)
        self.hosts.forget(node)
        return moment

    def boot_node(self, node: str) -> None:
        self.lab.power_on(node)

    def kill_server(self, name: str) -> float:
        self.hosts.run(name, "systemctl kill -s KILL shop", sudo=True)
        return time.monotonic()

    def start_server(self, name: str) -> None:
        self.hosts.run(name, "systemctl start shop", sudo=True)

    def stop(self) -> list[str]:
        """Hosts run on until the lab is taken down; only connections end."""
        self.hosts.__exit__()
        return []

    def program(self, host: str, program: Path, *arguments: str, given: Any = None, sudo: bool = False) -> Lines:
        """Starts a Python program of this checkout on a host, where it leaves no file. ``given`` is the first line of its input, in JSON."""
        channel = self.hosts.start(host, f"python3 -c {shlex.join([program.read_text(), *arguments])}", sudo=sudo)
        channel.sendall(f"{json.dumps(given)}\n".encode())
        return Lines(channel)

    @contextlib.contextmanager
    def stream(self, address: str | None = None, port: int | None = None, patience_s: float = 2) -> Iterator[Client]:
        command = f"python3 /opt/load.py {address or self.address} {port or self.port} probe {_STREAM_S_MAX} {patience_s}"
        lines = Lines(self.hosts.start("client", command))
        try:
            yield Client(lines)
        finally:
            lines.end()
