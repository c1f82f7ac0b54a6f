"""Kernel forwarding, beside HAProxy in TCP mode and beside no load balancer: a client, a node and a server, each in a network namespace of its own.

Needs root. What the kernel forwards costs no process anything, so the rates tell what it costs: how near they are to those of the direct way. All
three share the machine's cores.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "runtime"))

from tandem import _model as model
from tandem.forward.table import Table, table_of
from tandem.forward.text import whole

from . import proxies
from .machine import Setting, Subject, Unable, end, tool
from .table import spread, table

_CLIENT, _NODE, _APP = (f"bench{os.getpid() % 10000}{letter}" for letter in "cna")
_PORT, _PROXY_PORT = 80, 81
_FLOATING, _SERVER, _DIRECT = "10.98.1.100", "10.98.2.3", "10.98.3.3"
_START_S = 15.0
Load = tuple[str, int, Sequence[str]]  # what is asked for, on how many connections, wrk's other options
_LOADS: dict[str, Load] = {
    "small requests, kept connections": ("/small", 32, ()),
    "small requests, a new connection for each": ("/small", 32, ("-H", "Connection: close")),
    "bodies of 1 MiB": ("/1m", 8, ()),
}
_WAYS = {"direct": f"{_DIRECT}:{_PORT}", "kernel": f"{_FLOATING}:{_PORT}", "HAProxy, TCP, splicing": f"{_FLOATING}:{_PROXY_PORT}"}


def measure(setting: Setting) -> str:
    if os.geteuid() or not tool("nft") or not tool("ip"):
        raise Unable("the table of kernel forwarding needs root, nft and iproute2")
    with contextlib.ExitStack() as stack:
        stack.enter_context(_hosts())
        _run("ip", "netns", "exec", _NODE, tool("nft"), "-f", "-", words=whole("tandem", _table()))
        _started(
            stack, setting, (_APP, "kernel-origin"), proxies.origin(setting.folder, _PORT, (_SERVER, _DIRECT), "kernel-origin"), f"{_DIRECT}:{_PORT}"
        )
        proxy = proxies.haproxy("tcp", proxies.LARGE_PIPES, proxies.SPLICING, at=(_FLOATING, f"{_SERVER}:{_PORT}"))(
            setting, "kernel-haproxy", _PROXY_PORT
        )
        subject = _started(stack, setting, (_NODE, "kernel-haproxy"), proxy, f"{_FLOATING}:{_PROXY_PORT}")
        rows = [row for title, load in _LOADS.items() for row in _rows(setting, subject, title, load)]
    columns = ["kernel forwarding, three hosts in namespaces", "a second", "beside direct", "processor time of a process, each"]
    return table(columns, rows)


def _rows(setting: Setting, proxy: Subject, title: str, load: Load) -> Iterator[list[str]]:
    figures: dict[str, list[tuple[float, float]]] = {way: [] for way in _WAYS}
    for number in range(setting.rounds + 1):
        for way, place in _WAYS.items():
            before = proxy.cpu_s()
            rate, requests = _wrk(f"http://{place}", load, setting.seconds if number else 0.5)
            if number:
                figures[way].append((rate, (proxy.cpu_s() - before) / requests * 1e6))
    for way, mine in figures.items():
        beside = spread([rate / direct for (rate, _cost), (direct, _other) in zip(mine, figures["direct"])])
        cost = statistics.median(cost for _rate, cost in mine)
        yield [f"{title}: {way}", f"{statistics.median(rate for rate, _cost in mine):.0f}", beside, f"{cost:.1f} µs" if "HAProxy" in way else "none"]


def _wrk(address: str, load: Load, seconds: float) -> tuple[float, int]:
    """(requests a second, requests)."""
    path, connections, options = load
    command = ["ip", "netns", "exec", _CLIENT, tool("wrk"), "-t1", f"-c{connections}", "-d60s", *options, f"{address}{path}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            time.sleep(seconds)
            process.send_signal(signal.SIGINT)
            output, _unused = process.communicate(timeout=10)
        finally:
            process.kill()
    rate, requests = re.search(r"Requests/sec:\s+([0-9.]+)", output), re.search(r"([0-9]+) requests in", output)
    if rate is None or requests is None or not int(requests[1]) or re.search(r"Non-2xx|Socket errors:", output):
        raise Unable(f"{address} failed under load:\n{output}")
    return float(rate[1]), int(requests[1])


def _started(stack: contextlib.ExitStack, setting: Setting, named: tuple[str, str], command: Sequence[str], place: str) -> Subject:
    """Starts a process on a host, under a name for its log, and waits until the client reaches it."""
    host, name = named
    with (setting.folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(["ip", "netns", "exec", host, *command], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    stack.callback(end, process)
    deadline = time.monotonic() + _START_S
    asked = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 1)"
    while _run("ip", "netns", "exec", _CLIENT, setting.python, "-c", asked, *place.split(":"), check=False):
        if process.poll() is not None or time.monotonic() > deadline:
            raise Unable(f"{name} does not come up: {(setting.folder / f'{name}.log').read_text(errors='replace')[-2000:]}")
    return Subject(0, process.pid)


def _table() -> Table:
    named = {"load_balancer": "edge", "name": "shop", "protocol": "tcp"}
    nodes = {"master": {"node": "a", "address": "10.98.1.2"}, "backup": {"node": "b", "address": "10.98.1.9"}}
    servers = [{"name": "app", "address": _SERVER}]
    document = model.Document(1)
    for thing in (
        model.from_options(model.FloatingIP, {"name": "vip", "address": f"{_FLOATING}/24"}),
        model.from_options(model.LoadBalancer, {"name": "edge", "floating_ips": ["vip"], **nodes}),
        model.from_options(model.Backend, {**named, "port": _PORT, "servers": servers}),
        model.from_options(model.Frontend, {**named, "port": _PORT, "default_backend": "shop", "forwarding": "kernel"}),
    ):
        document = document.with_object(thing)
    return table_of(document, {"edge/shop": {"app": "up"}}, ["edge"])


@contextlib.contextmanager
def _hosts() -> Iterator[None]:
    """The client and the node, the node and the server, and as the direct way the client and the server, each pair on a network of its own."""
    try:
        for host in (_CLIENT, _NODE, _APP):
            _run("ip", "netns", "add", host)
            _run("ip", "-n", host, "link", "set", "lo", "up")
        for number, (left, right) in enumerate(((_CLIENT, _NODE), (_NODE, _APP), (_CLIENT, _APP)), 1):
            link = f"eth{number}"
            _run("ip", "-n", left, "link", "add", link, "type", "veth", "peer", "name", link, "netns", right)
            for host, last in ((left, {_CLIENT: 1, _NODE: 2}[left]), (right, {_NODE: 2, _APP: 3}[right])):
                _run("ip", "-n", host, "addr", "add", f"10.98.{number}.{last}/24", "dev", link)
                _run("ip", "-n", host, "link", "set", link, "up")
        _run("ip", "-n", _NODE, "addr", "add", f"{_FLOATING}/24", "dev", "eth1")
        _run("ip", "-n", _APP, "route", "add", "10.98.1.0/24", "via", "10.98.2.2")
        _run("ip", "netns", "exec", _NODE, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        yield
    finally:
        for host in (_CLIENT, _NODE, _APP):
            _run("ip", "netns", "del", host, check=False)


def _run(*command: str, words: str = "", check: bool = True) -> int:
    ended = subprocess.run(command, input=words, capture_output=True, text=True, timeout=60, check=False)
    if check and ended.returncode:
        raise Unable(f"{' '.join(command)}: {ended.stderr.strip()}")
    return ended.returncode
