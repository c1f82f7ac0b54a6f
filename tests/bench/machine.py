"""What the benchmark needs of the machine: its cores and tools, processes that end with the benchmark, and what the kernel says they cost."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
# HAProxy and nginx are the distribution's, and so is the Python of most nodes. One that is built by hand with other options can be a third slower.
DISTRIBUTIONS_PYTHON = "/usr/bin/python3"
OLDEST_PYTHON = (3, 9)
_START_S = 15.0
_END_S = 5.0


class Unable(Exception):
    """Why there is no benchmark here; shown without a traceback."""


@dataclass(frozen=True)
class Setting:
    """What all measurements share. ``runtimes`` are the folders that hold the package ``tandem``, by the name that the tables have for each."""

    folder: Path  # for what the processes need and write; it ends with the benchmark
    proxy_core: int
    client_core: int
    python: str
    runtimes: dict[str, Path]
    origin: int  # its port on 127.0.0.1 to 127.0.0.10
    rounds: int
    seconds: float  # of one measurement


@dataclass(frozen=True)
class Subject:
    """A proxy that is compared: a process, and those that it has started."""

    port: int
    pid: int

    def _family(self) -> list[Path]:
        """One folder of proc(5) for each of its processes."""
        found = [Path(f"/proc/{self.pid}")]
        for process in found:
            for task in (process / "task").iterdir():
                found += [Path(f"/proc/{child}") for child in (task / "children").read_text().split()]
        return found

    def cpu_s(self) -> float:
        """The processor time it has used, in seconds (proc(5), schedstat; nanoseconds, all threads)."""
        return sum(int((task / "schedstat").read_text().split()[0]) for process in self._family() for task in (process / "task").iterdir()) / 1e9

    def pss_kib(self) -> int:
        """The memory it has, with its part of what it shares with others (proc(5), smaps_rollup)."""
        found = [re.search(r"^Pss:\s+(\d+) kB", (process / "smaps_rollup").read_text(), re.MULTILINE) for process in self._family()]
        return sum(int(pss[1]) for pss in found if pss)


def start(stack: contextlib.ExitStack, setting: Setting, name: str, port: int, command: Sequence[str], *, core: int) -> Subject:
    """Starts a process on one core, to be ended with the stack, and waits until it listens (taskset's pid becomes its own)."""
    log = setting.folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(["taskset", "-c", str(core), *command], stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    stack.callback(end, process)
    deadline = time.monotonic() + _START_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return Subject(port, process.pid)
        if process.poll() is not None or time.monotonic() > deadline:
            raise Unable(f"{name} does not come up:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.02)


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def tool(name: str) -> str:
    """Where a program is; the folders of system programs are not on every user's path."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))) or ""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def python_of_nodes() -> str:
    found = asked(DISTRIBUTIONS_PYTHON, f"import sys; print(sys.version_info >= {OLDEST_PYTHON})") if Path(DISTRIBUTIONS_PYTHON).exists() else ""
    return DISTRIBUTIONS_PYTHON if found == "True" else sys.executable


def asked(python: str, code: str) -> str:
    """What a Python prints for the code; "" where that fails."""
    try:
        return subprocess.run([python, "-c", code], capture_output=True, text=True, check=False, timeout=30).stdout.strip()
    except OSError:
        return ""


def described(python: str) -> str:
    """The machine and the versions of all that takes part, in one line."""
    number = asked(python, "import platform; print(platform.python_version())")
    return f"{platform.machine()}, {_processor()}, Linux {platform.release().split('-')[0]}, Python {number}, {_versions()}"


def _processor() -> str:
    with contextlib.suppress(OSError):
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        if found:
            return found[1]
    return "processor unknown"


def _versions() -> str:
    shown = []
    for name, option, pattern in (("haproxy", "-v", r"version ([0-9.]+)"), ("nginx", "-v", r"nginx/([0-9.]+)"), ("wrk", "-v", r"wrk \S*?([0-9.]+)")):
        result = subprocess.run([tool(name), option], capture_output=True, text=True, check=False)
        found = re.search(pattern, result.stdout + result.stderr)
        shown.append(f"{name} {found[1]}" if found else name)
    return ", ".join(shown)
