"""The machines of the demo: two nodes below prefixes of their own, three web servers, and the playbook that is run on them.

Everything started here is ended by the process group or process id that was written down when it began.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

from pair import HERE, NODES, Pair, StoryError

SERVERS = {"shop-1": "127.0.0.21", "shop-2": "127.0.0.22", "shop-3": "127.0.0.23"}


class Site(Pair):
    """The demo's site: its state lies in one folder, its ports begin at one number."""

    address = "127.0.0.100"
    servers = SERVERS
    playbook = HERE / "site.yml"
    inventory = HERE / "inventory.yml"
    edit = ("- {name: shop-3, address: 127.0.0.23}", "- {name: shop-3, address: 127.0.0.23, weight: 5}", "shop-3 is given weight: 5")
    server_death = "was killed with SIGKILL"
    node_death = "was killed: SIGKILL to all its processes at once"

    def __init__(self, state: Path, port: int) -> None:
        self.state = state
        self.port = port
        self.variables = {"demo_state": str(state), "demo_port": port}

    def prefix(self, node: str) -> Path:
        return self.state / node

    def tandem(self, node: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs the node's own command line."""
        program = self.prefix(node) / "opt/tandem/current/bin/tandem"
        command = [str(program), "--prefix", str(self.prefix(node)), *arguments]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)

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
