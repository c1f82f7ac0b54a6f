"""Measures and prints the table. See the package's docstring for how."""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
REFERENCE = "HAProxy"
# HAProxy and nginx are the distribution's, and so is the Python of most nodes. One that is built by hand with other options can be a third slower.
DISTRIBUTIONS_PYTHON = "/usr/bin/python3"
OLDEST_PYTHON = (3, 9)
BIG_BYTES = 1 << 20  # so that requests per second are MiB per second


@dataclass(frozen=True)
class Load:
    """One kind of traffic: what wrk asks for, over how many connections, and what is read from its report."""

    title: str
    path: str
    connections: int
    unit: str
    script: str = ""  # beside this file


LOADS = (
    Load("small requests, kept connections", "/small", 32, "requests/s"),
    Load("the same, every head different", "/small", 32, "requests/s", "counting.lua"),
    Load("bodies of 1 MiB", "/big", 8, "MiB/s"),
)


@dataclass(frozen=True)
class Subject:
    """A proxy that is compared."""

    port: int
    pid: int

    def cpu_s(self) -> float:
        """The processor time it has used, in seconds (proc(5), schedstat; nanoseconds, all threads)."""
        return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{self.pid}/task").iterdir()) / 1e9


@dataclass(frozen=True)
class Figure:
    """One measurement: what wrk got in a second, and the processor time it took the proxy for each."""

    rate: float
    cost_us: float


class Unable(Exception):
    """Why there is no benchmark here; shown without a traceback."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Tandem beside HAProxy and nginx, each alone on one core.")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each measurement takes (2)")
    parser.add_argument("--python", default="", help=f"what Tandem runs with ({DISTRIBUTIONS_PYTHON} if that is new enough, else this one)")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: sys.exit(1))
    try:
        bench(options.rounds, options.seconds, options.python or python_of_nodes())
    except Unable as reason:
        sys.exit(f"No benchmark: {reason}")
    except KeyboardInterrupt:
        sys.exit("Interrupted.")


def bench(rounds: int, seconds: float, python: str) -> None:
    missing = [name for name in ("haproxy", "nginx", "wrk", "taskset") if not tool(name)]
    if missing:
        raise Unable(f"{', '.join(missing)} missing. On Debian and Ubuntu: apt-get install haproxy nginx-light wrk util-linux")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise Unable("it needs two cores, one for the proxy under test and one for the origin and wrk")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tandem-bench-")))
        folder.chmod(0o755)
        (folder / "small").write_bytes(b"x" * 128)
        (folder / "big").write_bytes(os.urandom(BIG_BYTES))
        origin = free_port()
        serving = nginx_command(folder, "origin", f"listen 127.0.0.1:{origin}; root {folder};")
        start(stack, folder, cores[1], "origin", port=origin, command=serving)
        subjects = start_subjects(stack, folder, cores[0], origin, python)
        report(measure(subjects, cores[1], rounds, seconds), rounds, seconds, asked(python, "import platform; print(platform.python_version())"))


def python_of_nodes() -> str:
    found = asked(DISTRIBUTIONS_PYTHON, f"import sys; print(sys.version_info >= {OLDEST_PYTHON})") if Path(DISTRIBUTIONS_PYTHON).exists() else ""
    return DISTRIBUTIONS_PYTHON if found == "True" else sys.executable


def asked(python: str, code: str) -> str:
    """What a Python prints for the code; "" where that fails."""
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=False, timeout=30).stdout.strip()


def start_subjects(stack: contextlib.ExitStack, folder: Path, core: int, origin: int, python: str) -> dict[str, Subject]:
    """Every proxy that is compared, by name."""
    worker = [python, str(HERE / "worker.py")]
    ports = {name: free_port() for name in (REFERENCE, "nginx", "Tandem")}
    pids = {}
    pids[REFERENCE] = start(stack, folder, core, REFERENCE, port=ports[REFERENCE], command=haproxy_command(folder, ports[REFERENCE], origin))
    passing = f"listen 127.0.0.1:{ports['nginx']}; location / {{ proxy_pass http://origin; {NGINX_PROXY} }}"
    upstream = f"upstream origin {{ server 127.0.0.1:{origin}; keepalive 64; keepalive_requests 1000000000; }}"
    pids["nginx"] = start(stack, folder, core, "nginx", port=ports["nginx"], command=nginx_command(folder, "proxy", passing, upstream))
    pids["Tandem"] = start(stack, folder, core, "Tandem", port=ports["Tandem"], command=[*worker, str(ports["Tandem"]), str(origin)])
    if asked(python, "import uvloop; print('there')"):
        port = ports["Tandem on uvloop"] = free_port()
        pids["Tandem on uvloop"] = start(stack, folder, core, "Tandem on uvloop", port=port, command=[*worker, str(port), str(origin), "uvloop"])
    return {name: Subject(ports[name], pid) for name, pid in pids.items()}


def measure(subjects: dict[str, Subject], core: int, rounds: int, seconds: float) -> dict[tuple[str, Load], list[Figure]]:
    figures: dict[tuple[str, Load], list[Figure]] = {(name, load): [] for name in subjects for load in LOADS}
    for number in range(rounds + 1):
        for load in LOADS:
            for name, subject in subjects.items():
                # The first round is short and not counted: caches, pools and processor clocks warm up in it.
                figure = wrk(name, subject, load, core, seconds if number else 0.5)
                if number:
                    figures[name, load].append(figure)
        if sys.stderr.isatty():
            print(f"\rround {number} of {rounds} ", end="" if number < rounds else "\r", file=sys.stderr, flush=True)
    return figures


def wrk(name: str, subject: Subject, load: Load, core: int, seconds: float) -> Figure:
    """What one run of wrk reports. It counts whole seconds only, so it is stopped by a signal, which it takes as the end."""
    script = ["-s", str(HERE / load.script)] if load.script else []
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{load.connections}", "-d60s", *script, f"http://127.0.0.1:{subject.port}{load.path}"]
    before = subject.cpu_s()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            time.sleep(seconds)
            process.send_signal(signal.SIGINT)
            output, _unused = process.communicate(timeout=10)
        finally:
            process.kill()
    found = re.search(r"Requests/sec:\s+([0-9.]+)", output)
    if found is None or re.search(r"Non-2xx|Socket errors: (?!connect 0, read 0, write 0, timeout 0)", output):
        raise Unable(f"{name} failed under load ({load.title}):\n{output}")
    requests = re.search(r"([0-9]+) requests in", output)
    if requests is None:
        raise AssertionError(f"wrk counts no requests:\n{output}")
    return Figure(float(found[1]), (subject.cpu_s() - before) / int(requests[1]) * 1e6)


def report(figures: dict[tuple[str, Load], list[Figure]], rounds: int, seconds: float, python: str) -> None:
    print(f"{platform.machine()}, {processor()}, Linux {platform.release().split('-')[0]}, Python {python}, {versions()}")
    print(f"Medians of {rounds} rounds of {seconds:g} s. Ratio: what a second of processor time yields, beside {REFERENCE} in the same round.\n")
    for load in LOADS:
        print(f"| {load.title} | {load.unit} | processor time each | ratio | lowest | highest |\n| --- | ---: | ---: | ---: | ---: | ---: |")
        for name in dict.fromkeys(name for name, _load in figures):
            mine = figures[name, load]
            ratios = [reference.cost_us / own.cost_us for own, reference in zip(mine, figures[REFERENCE, load])]
            rate, cost = statistics.median(figure.rate for figure in mine), statistics.median(figure.cost_us for figure in mine)
            print(f"| {name} | {rate:.0f} | {cost:.0f} µs | {statistics.median(ratios):.2f} | {min(ratios):.2f} | {max(ratios):.2f} |")
        print()


# The proxies and the origin


def start(stack: contextlib.ExitStack, folder: Path, core: int, name: str, *, port: int, command: list[str]) -> int:
    """Starts a process on one core, to be ended with the stack, waits until it listens, and returns its pid (taskset's own, which it takes over)."""
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(["taskset", "-c", str(core), *command], stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    stack.callback(end, process)
    deadline = time.monotonic() + 5
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return process.pid
        if process.poll() is not None or time.monotonic() > deadline:
            raise Unable(f"{name} does not come up:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.02)


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(3)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


NGINX_PROXY = (
    'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; '
    "proxy_set_header Host $host; proxy_max_temp_file_size 0;"
)


def nginx_command(folder: Path, name: str, server: str, upstream: str = "") -> list[str]:
    built = subprocess.run([tool("nginx"), "-V"], capture_output=True, text=True, check=False).stderr
    modules = {"http_proxy": "proxy", "http_fastcgi": "fastcgi", "http_uwsgi": "uwsgi", "http_scgi": "scgi"}
    places = ["client_body", *(word for module, word in modules.items() if f"--without-{module}_module" not in built)]
    config = folder / f"nginx-{name}.conf"
    config.write_text(
        f"daemon off; master_process off; pid {folder}/nginx-{name}.pid; error_log stderr crit;\n"
        "events { worker_connections 1024; }\n"
        "http { access_log off; keepalive_requests 1000000000; sendfile on; tcp_nopush on; open_file_cache max=10;\n"
        + "".join(f"{place}_temp_path {folder}/{name}-{place};\n" for place in places)
        + f"{upstream}\nserver {{ {server} }} }}\n"
    )
    return [tool("nginx"), "-p", str(folder), "-e", "stderr", "-c", str(config)]


def haproxy_command(folder: Path, port: int, origin: int) -> list[str]:
    config = folder / "haproxy.cfg"
    config.write_text(
        "global\n  nbthread 1\n  maxconn 1000\n"
        "defaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n  option forwardfor\n  http-reuse always\n"
        f"frontend web\n  bind 127.0.0.1:{port}\n  default_backend origin\n"
        f"backend origin\n  server origin 127.0.0.1:{origin}\n"
    )
    return [tool("haproxy"), "-db", "-f", str(config)]


def tool(name: str) -> str:
    """Where a program is; the folders of system programs are not on every user's path."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))) or ""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def processor() -> str:
    with contextlib.suppress(OSError):
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        if found:
            return found[1]
    return "processor unknown"


def versions() -> str:
    shown = []
    for name, option, pattern in (("haproxy", "-v", r"version ([0-9.]+)"), ("nginx", "-v", r"nginx/([0-9.]+)"), ("wrk", "-v", r"wrk \S*?([0-9.]+)")):
        result = subprocess.run([tool(name), option], capture_output=True, text=True, check=False)
        found = re.search(pattern, result.stdout + result.stderr)
        shown.append(f"{name} {found[1]}" if found else name)
    return ", ".join(shown)


if __name__ == "__main__":
    main()
