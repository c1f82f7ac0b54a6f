"""The processor time of a proxy without clients, for the health checks of many servers."""

from __future__ import annotations

import contextlib
import json
import math
import os
import socket
import statistics
import time
from collections.abc import Callable

from . import proxies
from .machine import Setting, Unable, free_port, start
from .proxies import PLACES, REFERENCE
from .table import spread, table

BACKENDS = 100
SERVERS = BACKENDS * len(PLACES)
INTERVAL_S = 3
_ALL_UP_S = 20.0


def measure(setting: Setting) -> str:
    commands = {REFERENCE: proxies.haproxy_checking(BACKENDS)}
    commands.update({name: proxies.tandem_checking(runtime, BACKENDS) for name, runtime in setting.runtimes.items()})
    figures: dict[str, list[float]] = {name: [] for name in commands}
    with contextlib.ExitStack() as stack:
        subjects = {}
        for name, command in commands.items():
            port = free_port()
            subjects[name] = start(stack, setting, name, port, command(setting, name, port), core=setting.proxy_core)
        for name in commands:
            _wait_for_all(setting, name)
        # All of them side by side, as none can rest while another is measured; each window is a whole number of intervals.
        window_s = INTERVAL_S * math.ceil(setting.seconds / INTERVAL_S)
        for number in range(setting.rounds + 1):
            began, before = time.monotonic(), {name: subject.cpu_s() for name, subject in subjects.items()}
            time.sleep(window_s)
            for name, subject in subjects.items():
                if number:
                    figures[name].append((subject.cpu_s() - before[name]) / (time.monotonic() - began) * 100)
        for name in commands:
            _wait_for_all(setting, name)
    rows = []
    for name, mine in figures.items():
        ratios = [own / other for own, other in zip(mine, figures[REFERENCE])]
        rows.append([name, f"{statistics.median(mine):.2f} % of a core", spread(ratios)])
    title = f"at rest for {window_s} s, {BACKENDS} backends of {len(PLACES)} servers checked every {INTERVAL_S} s"
    return table([title, "processor time", f"times {REFERENCE}'s"], rows)


def _wait_for_all(setting: Setting, name: str) -> None:
    ask: Callable[[Setting, str], int] = _up_in_haproxy if name == REFERENCE else _up_in_tandem
    deadline = time.monotonic() + _ALL_UP_S
    while True:
        try:
            up = ask(setting, name)
        except (OSError, ValueError, KeyError) as error:
            raise Unable(f"{name} does not say which servers are up: {error!r}") from error
        if up == SERVERS:
            return
        if time.monotonic() > deadline:
            raise Unable(f"{name} says that {up} of {SERVERS} servers are up, at rest")
        time.sleep(0.2)


def _up_in_haproxy(setting: Setting, _name: str) -> int:
    lines = _told(str(setting.folder / "haproxy.sock"), b"show stat -1 4 -1\n").decode().splitlines()
    columns = lines[0].lstrip("# ").split(",")
    return sum(line.split(",")[columns.index("status")] == "UP" for line in lines[1:] if line)


def _up_in_tandem(setting: Setting, name: str) -> int:
    asked = b"GET /v1/status HTTP/1.1\r\nHost: tandem\r\nConnection: close\r\n\r\n"
    status = json.loads(_told(str(setting.folder / name / "run" / "tandem" / "proxy.sock"), asked).partition(b"\r\n\r\n")[2])
    return sum(server["state"] == "up" for backend in status["backends"].values() for server in backend["servers"].values())


def _told(path: str, question: bytes) -> bytes:
    """All that a unix socket answers until it closes."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(os.path.relpath(path) if len(path) > 100 else path)
        sock.sendall(question)
        with sock.makefile("rb") as stream:
            return stream.read()
