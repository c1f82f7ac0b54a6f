"""The time that a proxy adds to a request at a fixed rate, far below what any of them can do."""

from __future__ import annotations

import contextlib
import json
import math
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from . import proxies
from .machine import HERE, Setting, Unable, free_port, start
from .proxies import REFERENCE
from .table import spread, table

RATE = 1000.0  # requests a second
_DIRECT = "none (the origin itself)"
_WARM_UP_S = 0.5


@dataclass(frozen=True)
class Figure:
    """Percentiles of one measurement, in microseconds."""

    p50: float
    p99: float


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest rank: the lowest value that so many percent do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def measure(setting: Setting) -> str:
    commands = {REFERENCE: proxies.haproxy(), "nginx": proxies.nginx()}
    commands.update({name: proxies.tandem(runtime) for name, runtime in setting.runtimes.items()})
    figures: dict[str, list[Figure]] = {name: [] for name in (_DIRECT, *commands)}
    with contextlib.ExitStack() as stack:
        ports = {_DIRECT: setting.origin}
        for name, command in commands.items():
            ports[name] = port = free_port()
            start(stack, setting, name, port, command(setting, name, port), core=setting.proxy_core)
        for number in range(setting.rounds + 1):
            for name, port in ports.items():
                figure = _asked(setting, name, port, setting.seconds if number else min(_WARM_UP_S, setting.seconds))
                if number:
                    figures[name].append(figure)
    return _reported(figures)


def _asked(setting: Setting, name: str, port: int, seconds: float) -> Figure:
    """One run of the client, which shares its core with the origin: what that adds, it adds to all alike."""
    command = ["taskset", "-c", str(setting.client_core), sys.executable, "-I", str(HERE / "client.py"), str(port), "/small", str(RATE), str(seconds)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 60)
    if run.returncode:
        raise Unable(f"{name} failed at {RATE:.0f} requests a second: {run.stderr.strip()}")
    found = json.loads(run.stdout)
    return Figure(percentile(found, 50), percentile(found, 99))


def _reported(figures: dict[str, list[Figure]]) -> str:
    """What is added is the difference to the origin itself in the same round; the ratio is of what is added, so less is better."""
    added = {
        name: [Figure(own.p50 - direct.p50, own.p99 - direct.p99) for own, direct in zip(mine, figures[_DIRECT])] for name, mine in figures.items()
    }
    rows = []
    for name, mine in figures.items():
        row = [name, _median([figure.p50 for figure in mine]), _median([figure.p99 for figure in mine])]
        if name == _DIRECT:
            row += [""] * 4
        else:
            row += [_median([figure.p50 for figure in added[name]]), _median([figure.p99 for figure in added[name]])]
            row += [
                _beside([figure.p50 for figure in added[name]], [figure.p50 for figure in added[REFERENCE]]),
                _beside([figure.p99 for figure in added[name]], [figure.p99 for figure in added[REFERENCE]]),
            ]
        rows.append(row)
    columns = ["proxy", "p50", "p99", "added p50", "added p99", f"p50, times {REFERENCE}'s", f"p99, times {REFERENCE}'s"]
    return table([f"latency at {RATE:.0f} requests/s through", *columns[1:]], rows)


def _median(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.0f} µs"


def _beside(mine: Sequence[float], reference: Sequence[float]) -> str:
    ratios = [own / other for own, other in zip(mine, reference) if other > 0]  # noise can make it none
    if not ratios:
        return "unknown"
    return spread(ratios) if len(ratios) == len(mine) else f"{spread(ratios)} in {len(ratios)} rounds of {len(mine)}"
