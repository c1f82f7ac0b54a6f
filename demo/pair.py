"""What a story is told about: two nodes, the servers behind them and the playbook that is run, wherever the nodes are."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from traffic import Stream

HERE = Path(__file__).resolve().parent
NODES = ("lb-a", "lb-b")
_RECAP = re.compile(r"^(\S+)\s+: (ok=\d+.*)$", re.MULTILINE)
_PLAYBOOK_S_MAX = 120


class StoryError(Exception):
    """A step did not happen as told; the message is the reason."""


@dataclass(frozen=True)
class Play:
    """One run of ansible-playbook: its recap by host, and all it printed."""

    recap: dict[str, dict[str, int]]
    output: str
    seconds: float

    def total(self, word: str) -> int:
        return sum(counts[word] for counts in self.recap.values())


class Pair(ABC):
    """The load balancer "edge" on lb-a and lb-b; its floating IP and port, and the servers behind it by name."""

    state: Path
    address: str
    port: int
    servers: dict[str, str]
    playbook: Path
    inventory: Path
    variables: dict[str, Any]
    # What a server's line in the playbook is, and what it is edited to; what the edit says.
    edit: tuple[str, str, str]
    # How a server and a node die here, after their names.
    server_death: str
    node_death: str

    @abstractmethod
    def tandem(self, node: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs the node's own command line. Raises OSError where there is none."""

    @abstractmethod
    def kill_node(self, node: str) -> float:
        """Ends the node as a power cut would; returns the time (monotonic seconds)."""

    @abstractmethod
    def boot_node(self, node: str) -> None: ...

    @abstractmethod
    def kill_server(self, name: str) -> float: ...

    @abstractmethod
    def start_server(self, name: str) -> None: ...

    @abstractmethod
    def stop(self) -> list[str]:
        """Ends what still runs; returns the names."""

    def stream(self) -> Stream:
        """A client that starts a request every 10 ms."""
        return Stream(self.address, self.port)

    def play(self, playbook: Path, *arguments: str) -> Play:
        """Runs the playbook on both nodes. Raises StoryError when it fails."""
        command = [str(Path(sys.executable).with_name("ansible-playbook")), str(playbook), *arguments]
        command += ["-i", str(self.inventory), "-e", json.dumps(self.variables)]
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(HERE / "ansible.cfg"),
            # What Ansible keeps for itself goes with the rest of the state, and not into the user's home.
            "ANSIBLE_HOME": str(self.state / "ansible"),
            # Ansible wants a UTF-8 locale, which a bare environment does not name.
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_NOCOLOR": "1",
        }
        began = time.monotonic()
        run = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PLAYBOOK_S_MAX,
            check=False,
        )
        if run.returncode:
            raise StoryError(f"the playbook failed (exit status {run.returncode}):\n{run.stdout}")
        pairs = {host: dict(word.split("=") for word in counts.split()) for host, counts in _RECAP.findall(run.stdout)}
        recap = {host: {word: int(number) for word, number in counts.items()} for host, counts in pairs.items()}
        return Play(recap, run.stdout, time.monotonic() - began)

    def status(self, node: str) -> dict[str, Any]:
        """What `tandem status --json` says on the node; an empty dict where it does not run."""
        with contextlib.suppress(OSError, ValueError):
            answer: dict[str, Any] = json.loads(self.tandem(node, "status", "--json").stdout)
            return answer
        return {}

    def active(self) -> Optional[str]:
        """The node that holds the floating IP now; None while none or more than one does."""
        holders = [node for node in NODES if self.node_state(node) == "active"]
        return holders[0] if len(holders) == 1 else None

    def node_state(self, node: str) -> str:
        keepalive = self.status(node).get("keepalive") or {}
        return str((keepalive.get("load_balancers") or {}).get("edge", {}).get("state", "down"))

    def up(self) -> set[str]:
        """The servers that the proxy of the active node holds for up."""
        active = self.active()
        proxy = (self.status(active).get("proxy") if active else None) or {}
        servers = (proxy.get("backends") or {}).get("edge/shop", {}).get("servers", {})
        return {name for name, server in servers.items() if server["state"] == "up"}


def until(condition: Callable[[], Any], within_s: float, what: str) -> Any:
    """The first true result of ``condition``. Raises StoryError when there is none within the time."""
    deadline = time.monotonic() + within_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() >= deadline:
            raise StoryError(f"{what}: not within {within_s:g} s")
        time.sleep(0.02)
