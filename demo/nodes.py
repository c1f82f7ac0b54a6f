"""The machines of the demo: two nodes below prefixes of their own, three web servers, and the playbook that is run on them.

Everything started here is ended by the process group or process id that was written down when it began.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

HERE = Path(__file__).resolve().parent
NODES = ("lb-a", "lb-b")
SERVERS = {"shop-1": "127.0.0.21", "shop-2": "127.0.0.22", "shop-3": "127.0.0.23"}
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


class Site:
    """The demo's site: its state lies in one folder, its ports begin at one number."""

    def __init__(self, state: Path, port: int) -> None:
        self.state = state
        self.port = port

    def prefix(self, node: str) -> Path:
        return self.state / node

    def play(self, playbook: Path, *arguments: str) -> Play:
        """Runs the playbook on both nodes. Raises StoryError when it fails."""
        command = [str(Path(sys.executable).with_name("ansible-playbook")), str(playbook), *arguments]
        command += ["-i", str(HERE / "inventory.yml"), "-e", json.dumps({"demo_state": str(self.state), "demo_port": self.port})]
        # Ansible wants a UTF-8 locale, which a bare environment does not name.
        environment = {**os.environ, "ANSIBLE_CONFIG": str(HERE / "ansible.cfg"), "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1"}
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

    def tandem(self, node: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs the node's own command line."""
        program = self.prefix(node) / "opt/tandem/current/bin/tandem"
        command = [str(program), "--prefix", str(self.prefix(node)), *arguments]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)

    def status(self, node: str) -> dict[str, Any]:
        """What `tandem status --json` says on the node; an empty dict where it does not run."""
        try:
            run = self.tandem(node, "status", "--json")
        except OSError:
            return {}
        try:
            answer: dict[str, Any] = json.loads(run.stdout)
        except ValueError:
            return {}
        return answer

    def active(self) -> Optional[str]:
        """The node that holds the floating IP now; None while none or more than one does."""
        holders = [node for node in NODES if self.node_state(node) == "active"]
        return holders[0] if len(holders) == 1 else None

    def node_state(self, node: str) -> str:
        keepalive = self.status(node).get("keepalive") or {}
        return str((keepalive.get("load_balancers") or {}).get("edge", {}).get("state", "down"))

    def kill_node(self, node: str) -> float:
        """SIGKILL to every process of the node at once, as a power cut would; returns the time (monotonic seconds)."""
        group = _recorded(self.prefix(node) / "run/tandem/manager.pid")
        if group is None:
            raise StoryError(f"{node} does not run, so it cannot be killed")
        moment = time.monotonic()
        os.killpg(group, signal.SIGKILL)
        return moment

    def boot_node(self, node: str) -> None:
        """What the init system of a real host does after power is back."""
        run = self.tandem(node, "manager", "start")
        if run.returncode:
            raise StoryError(f"{node} did not start again: {run.stdout}{run.stderr}")

    def start_server(self, name: str) -> None:
        command = [sys.executable, str(HERE / "shop.py"), name, SERVERS[name], str(self.port + 1)]
        with open(self.state / f"{name}.log", "ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        started = _start_time(process.pid)
        (self.state / f"{name}.pid").write_text(f"{process.pid} {started}\n")

    def kill_server(self, name: str) -> float:
        process = _recorded(self.state / f"{name}.pid")
        if process is None:
            raise StoryError(f"server {name} does not run, so it cannot be killed")
        moment = time.monotonic()
        os.kill(process, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process, 0)
        return moment

    def stop(self) -> list[str]:
        """Ends the nodes and servers that still run; returns their names."""
        stopped = []
        for node in NODES:
            if _recorded(self.prefix(node) / "run/tandem/manager.pid") is not None:
                run = self.tandem(node, "manager", "stop")
                if run.returncode:
                    raise StoryError(f"{node} did not stop: {run.stdout}{run.stderr}")
                stopped.append(node)
        for name in SERVERS:
            process = _recorded(self.state / f"{name}.pid")
            if process is not None:
                os.kill(process, signal.SIGTERM)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(process, 0)
                stopped.append(name)
        return stopped


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


@contextlib.contextmanager
def cleaned_up_on_failure(site: Site) -> Iterator[None]:
    """Leaves nothing running behind a story that broke off."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(StoryError, subprocess.TimeoutExpired):  # the story's own failure is the one to report
            site.stop()
        raise


def _recorded(pid_file: Path) -> Optional[int]:
    """The process of a pid file ("PID START_TIME"), if it is still that very process; pids are used again."""
    try:
        pid, started = pid_file.read_text().split()[:2]
        return int(pid) if _start_time(int(pid)) == int(started) else None
    except (OSError, ValueError):
        return None


def _start_time(pid: int) -> int:
    """When a process began, in clock ticks since boot (proc(5), field 22 of stat); a zombie has ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    if fields[0] == "Z":
        raise ValueError("ended")
    return int(fields[19])
