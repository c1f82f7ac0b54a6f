"""Loads of wrk, and of a client for handshakes: how many requests a proxy passes in a second, and the processor time that each takes it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import proxies
from .machine import HERE, Setting, Subject, Unable, free_port, start
from .proxies import REFERENCE, Command
from .table import spread, table

_WARM_UP_S = 0.5
BUFFERED = "HAProxy, large buffers"
SPLICED = "HAProxy, splicing"
SPLICED_BUFFERED = "HAProxy, splicing and large buffers"


@dataclass(frozen=True)
class Load:
    """One kind of traffic: what is asked for, over how many connections, and who is compared, Tandem left out."""

    title: str
    path: str
    connections: int
    others: dict[str, Command]
    unit: str = "requests/s"
    protocol: str = "http"
    options: tuple[str, ...] = ()  # of wrk
    anew: bool = False  # a new connection for each request
    certificate: str = ""  # its kind, where clients speak TLS
    handshakes: str = ""  # full or resumed: a connection for each request, by our own client, as wrk has no say in that
    references: tuple[str, ...] = field(default=(REFERENCE,))


_ORDINARY = {REFERENCE: proxies.haproxy(), "nginx": proxies.nginx()}
_LARGE = {
    REFERENCE: proxies.haproxy(),
    BUFFERED: proxies.haproxy(tuning=proxies.LARGE_BUFFERS),
    SPLICED: proxies.haproxy(tuning=proxies.LARGE_PIPES, options=proxies.SPLICING),
    SPLICED_BUFFERED: proxies.haproxy(tuning=(*proxies.LARGE_BUFFERS, *proxies.LARGE_PIPES), options=proxies.SPLICING),
    "nginx": proxies.nginx(),
    "nginx, large buffers": proxies.nginx(proxies.NGINX_LARGE_BUFFERS),
}
_STREAMS = {
    REFERENCE: proxies.haproxy("tcp"),
    SPLICED: proxies.haproxy("tcp", tuning=proxies.LARGE_PIPES, options=proxies.SPLICING),
}


def _over_tls(certificate: str) -> dict[str, Command]:
    return {REFERENCE: proxies.haproxy(certificate=certificate), "nginx": proxies.nginx(certificate=certificate)}


# Content that is to be encrypted has to come by here, so nothing is spliced.
_LARGE_OVER_TLS = {
    REFERENCE: proxies.haproxy(certificate="ecdsa"),
    BUFFERED: proxies.haproxy(tuning=proxies.LARGE_BUFFERS, certificate="ecdsa"),
    "nginx": proxies.nginx(certificate="ecdsa"),
    "nginx, large buffers": proxies.nginx(proxies.NGINX_LARGE_BUFFERS, certificate="ecdsa"),
}
# wrk takes a closing answer's end for what it is, and connects again: each request is counted, and none meets an error.
_CLOSE = ("-H", "Connection: close")
_DIFFERENT = ("-s", str(HERE / "counting.lua"))


def _handshakes(what: str, certificate: str, kind: str) -> Load:
    title = f"TLS: a new connection for each request, {what}"
    return Load(title, "/small", 32, _over_tls(certificate), anew=True, certificate=certificate, handshakes=kind)


LOADS = {
    "small": Load("small requests, kept connections", "/small", 32, _ORDINARY),
    "different": Load("the same, every head different", "/small", 32, _ORDINARY, options=_DIFFERENT),
    "new": Load("small requests, a new connection for each", "/small", 32, _ORDINARY, options=_CLOSE, anew=True),
    "10k": Load("bodies of 10 KiB", "/10k", 32, _ORDINARY),
    "1m": Load("bodies of 1 MiB", "/1m", 8, _LARGE, "MiB/s", references=(REFERENCE, SPLICED, SPLICED_BUFFERED)),
    "tcp-small": Load("TCP: small requests, kept connections", "/small", 32, _STREAMS, protocol="tcp", references=(REFERENCE, SPLICED)),
    "tcp-1m": Load("TCP: bodies of 1 MiB", "/1m", 8, _STREAMS, "MiB/s", "tcp", references=(REFERENCE, SPLICED)),
    "tls-full-ecdsa": _handshakes("full handshakes, ECDSA with P-256", "ecdsa", "full"),
    "tls-full-rsa": _handshakes("full handshakes, RSA with 2048 bits", "rsa", "full"),
    "tls-resumed": _handshakes("resumed sessions", "ecdsa", "resumed"),
    "tls-small": Load("TLS: small requests, kept connections", "/small", 32, _over_tls("ecdsa"), certificate="ecdsa"),
    "tls-1m": Load("TLS: bodies of 1 MiB", "/1m", 8, _LARGE_OVER_TLS, "MiB/s", certificate="ecdsa", references=(REFERENCE, BUFFERED)),
}


@dataclass(frozen=True)
class Figure:
    """One measurement: what the client got in a second, and the processor time it took the proxy for each."""

    rate: float
    cost_us: float


def measure(setting: Setting, load: Load) -> str:
    tandem = {name: proxies.tandem(runtime, load.protocol, load.certificate) for name, runtime in setting.runtimes.items()}
    commands = {**load.others, **tandem}
    ask = _shake_hands if load.handshakes else _wrk
    figures: dict[str, list[Figure]] = {name: [] for name in commands}
    with contextlib.ExitStack() as stack:
        subjects = {}
        for name, command in commands.items():
            port = free_port()
            subjects[name] = start(stack, setting, name, port, command(setting, name, port), core=setting.proxy_core)
        for number in range(setting.rounds + 1):
            for name, subject in subjects.items():
                # The first round is short and not counted: caches, pools and processor clocks warm up in it.
                figure = ask(setting, name, subject, load, setting.seconds if number else min(_WARM_UP_S, setting.seconds))
                if number:
                    figures[name].append(figure)
    return _reported(load, figures)


def _reported(load: Load, figures: dict[str, list[Figure]]) -> str:
    rows = []
    for name, mine in figures.items():
        rate, cost = statistics.median(figure.rate for figure in mine), statistics.median(figure.cost_us for figure in mine)
        beside = [spread([other.cost_us / own.cost_us for own, other in zip(mine, figures[reference])]) for reference in load.references]
        rows.append([name, f"{rate:.0f}", f"{cost:.0f} µs" if cost >= 100 else f"{cost:.1f} µs", *beside])
    return table([load.title, load.unit, "processor time each", *(f"beside {reference}" for reference in load.references)], rows)


def _client(setting: Setting, *command: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "OPENSSL_CONF": str(proxies.openssl_config(setting.folder))}
    pipe = subprocess.PIPE
    command = ("taskset", "-c", str(setting.client_core), *command)
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True, env=environment)


def _wrk(setting: Setting, name: str, subject: Subject, load: Load, seconds: float) -> Figure:
    """What one run of wrk reports. It counts whole seconds only, so it is stopped by a signal, which it takes as the end."""
    address = f"http{'s' if load.certificate else ''}://127.0.0.1:{subject.port}{load.path}"
    before, opened = subject.cpu_s(), _opened()
    with _client(setting, "wrk", "-t1", f"-c{load.connections}", "-d60s", *load.options, address) as process:
        try:
            time.sleep(seconds)
            process.send_signal(signal.SIGINT)
            output, _unused = process.communicate(timeout=10)
        finally:
            process.kill()
    cost_s, opened = subject.cpu_s() - before, _opened() - opened
    rate, requests = re.search(r"Requests/sec:\s+([0-9.]+)", output), re.search(r"([0-9]+) requests in", output)
    if rate is None or requests is None or not int(requests[1]) or re.search(r"Non-2xx|Socket errors:", output):
        raise Unable(f"{name} failed under load ({load.title}):\n{output}")
    if load.anew and opened < int(requests[1]):
        raise Unable(f"{name}: {requests[1]} requests came over {opened} new connections ({load.title}), so they do not show what one costs")
    return Figure(float(rate[1]), cost_s / int(requests[1]) * 1e6)


def _shake_hands(setting: Setting, name: str, subject: Subject, load: Load, seconds: float) -> Figure:
    """What one run of our own client reports, which has failed where a handshake was of the other kind. How it warms up is not measured."""
    program = (sys.executable, "-I", str(HERE / "handshaker.py"), str(subject.port), load.path, load.handshakes, str(load.connections))
    with _client(setting, *program) as process:
        try:
            ready = process.stdout.readline() if process.stdout is not None else ""
            before = subject.cpu_s()
            output, _unused = process.communicate(f"{seconds}\n", timeout=seconds + 60)
        finally:
            process.kill()
    cost_s = subject.cpu_s() - before
    if process.returncode:
        raise Unable(f"{name} failed under load ({load.title}): {(ready + output).strip()}")
    requests, took_s = json.loads(output)
    return Figure(requests / took_s, cost_s / requests * 1e6)


def _opened() -> int:
    """How many connections were begun in this network namespace so far (proc(5), net/snmp)."""
    names, values = (line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Tcp:"))
    return int(values[names.index("ActiveOpens")])
