"""`tandem top`, and `tandem status --watch`: what is going on now, again and again until it is interrupted."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from .._client import Client, NotRunning, Refused
from .._paths import Paths
from ..metrics.latency import quantile

_ANSWER_S = 5.0
_HOME_AND_CLEAR = "\x1b[H\x1b[2J"
_ERRORS = ("connect_errors", "response_errors", "responses_5xx")


def run(paths: Paths, given: argparse.Namespace) -> int:
    client, interval_s = Client(paths.proxy_socket, _ANSWER_S), max(given.interval, 0.1)
    try:
        before, at = client.status(), time.monotonic()
        while True:
            time.sleep(interval_s)
            after, now = client.status(), time.monotonic()
            found = busiest(before, after, now - at, given.lines)
            if given.json:
                print(json.dumps(found, indent=2, sort_keys=True))
            else:
                show(render(found), again=not given.once)
            if given.json or given.once:
                return 0
            before, at = after, now
    except (NotRunning, Refused) as error:
        print(f"the proxy is not running: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def watch(interval_s: float, look: Callable[[], tuple[str, int]]) -> int:
    """Shows what ``look`` gives (the text, the exit status) again and again; the status of the last look once it is interrupted."""
    status = 0
    try:
        while True:
            text, status = look()
            show(text, again=True)
            time.sleep(interval_s)
    except KeyboardInterrupt:
        return status


def show(text: str, *, again: bool) -> None:
    """On a terminal in the place of what was shown before; elsewhere one after the other."""
    print((_HOME_AND_CLEAR if again and sys.stdout.isatty() else "") + text, flush=True)


def busiest(before: dict[str, Any], after: dict[str, Any], passed_s: float, most: int) -> dict[str, Any]:
    """``top --json``: rates between two views of status, the busiest first."""
    frontends, backends, servers = [], [], []
    for key, view in after["frontends"].items():
        was = before["frontends"].get(key, {})
        name = "requests" if view.get("requests") else "connections_total"
        rates = {"requests_per_s": _rate(was, view, (name,), passed_s), "errors_per_s": _rate(was, view, ("responses_5xx", "refused"), passed_s)}
        traffic = {"bytes_per_s": _rate(was, view, ("bytes_in", "bytes_out"), passed_s), "connections": view.get("connections", 0)}
        frontends.append({"frontend": key, **rates, **traffic})
    for key, view in after["backends"].items():
        was = before["backends"].get(key, {})
        lately = _lately(was, view)
        times = {"p50_ms": round(quantile(lately, 0.5) * 1000, 3), "p95_ms": round(quantile(lately, 0.95) * 1000, 3)}
        answered = {"requests_per_s": round(sum(lately.values()) / passed_s, 2), "queue": view.get("queue", 0), "sessions": view.get("sessions", 0)}
        backends.append({"backend": key, **answered, **times})
        for server, shown in view["servers"].items():
            former = was.get("servers", {}).get(server, {})
            rates = {"requests_per_s": _rate(former, shown, ("sessions_total",), passed_s), "errors_per_s": _rate(former, shown, _ERRORS, passed_s)}
            servers.append({"server": f"{key}/{server}", **rates, "sessions": shown.get("sessions", 0), "state": shown["state"]})

    def first(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(rows, key=lambda row: (-row["requests_per_s"], *[str(value) for value in row.values()][:1]))[:most]

    return {"schema": 1, "seconds": round(passed_s, 2), "frontends": first(frontends), "backends": first(backends), "servers": first(servers)}


def _rate(was: dict[str, Any], now: dict[str, Any], names: tuple[str, ...], passed_s: float) -> float:
    """What was counted in between; what went down has begun anew."""
    total = 0
    for name in names:
        before, after = was.get(name, 0), now.get(name, 0)
        total += after - before if after >= before else after
    return round(total / passed_s, 2)


def _lately(was: dict[str, Any], now: dict[str, Any]) -> dict[str, int]:
    """How many answers took how long, in between."""
    before = was.get("latency", {}).get("first_byte", {}).get("counts", {})
    after = now.get("latency", {}).get("first_byte", {}).get("counts", {})
    return {bucket: count - before.get(bucket, 0) if count >= before.get(bucket, 0) else count for bucket, count in after.items()}


def render(found: dict[str, Any]) -> str:
    """The same in lines for people."""
    lines = [f"of {found['seconds']:g} s, the busiest first"]
    for kind in ("frontends", "backends", "servers"):
        rows = found[kind]
        if not rows:
            continue
        names = list(rows[0])
        cells = [[name.replace("_per_s", "/s").replace("_ms", " ms") for name in names], *([_cell(row[name]) for name in names] for row in rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(names))]
        lines += ["", *("  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]) for row in cells)]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
