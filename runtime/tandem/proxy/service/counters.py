"""What the workers count, put together. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Optional

from ... import json_slices
from ...metrics.counters import GAUGES, PEAKS


def summed(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One view of all parts of all workers: what has the same name in several is added up, or the greatest where it is a maximum."""
    total: dict[str, Any] = {}
    for part in parts:
        _add(total, part)
    return total


class Tally:
    """What all workers have counted since the service began: also those that have ended, as they last said, and those that do not answer now. A sum
    that goes down would be taken for one that begins anew, and be counted twice by whoever watches it.

    What they said is kept as it came, in JSON, which costs the garbage collector nothing; ``total`` may take long, and belongs in a thread.
    """

    def __init__(self) -> None:
        self._said: dict[int, list[bytes]] = {}  # by worker
        self._ended: list[bytes] = []

    def take(self, worker: int, parts: list[bytes]) -> None:
        self._said[worker] = parts

    def end(self, worker: int) -> None:
        """This worker counts no more. It takes with it what it had not told, of a second or so."""
        self._ended += self._said.pop(worker, [])

    def total(self, fresh: Mapping[int, list[Any]]) -> dict[str, Any]:
        """``fresh``: what was read already of what some have just said."""
        ended, said = list(self._ended), list(self._said.items())
        stale = [json_slices.loads(part) for worker, parts in said if worker not in fresh for part in parts]
        past = summed(json_slices.loads(part) for part in ended)
        _drop(past, GAUGES)
        if len(ended) > 1:
            self._ended[: len(ended)] = [json_slices.dumps(past)]
        return summed([past, *stale, *(part for parts in fresh.values() for part in parts)])


def _drop(total: dict[str, Any], names: Collection[str]) -> None:
    """Takes out the numbers of these names, at whatever depth."""
    for key, value in list(total.items()):
        if isinstance(value, dict):
            _drop(value, names)
        elif key in names:
            del total[key]


def connections(parts: Iterable[Mapping[str, Any]], of: Optional[Collection[str]] = None) -> int:
    """How many clients are connected, of these frontends, or of all."""
    shown = (item for part in parts for item in part.get("frontends", {}).items())
    return sum(frontend["connections"] for key, frontend in shown if of is None or key in of)


def sessions_at(parts: Iterable[Mapping[str, Any]], backend: str, server: str) -> int:
    """How many requests and sessions are under way at one server of a backend."""
    found = [part.get("backends", {}).get(backend, {}).get("servers", {}).get(server, {}) for part in parts]
    return sum(counted.get("sessions", 0) for counted in found)


def _add(total: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict):
            _add(total.setdefault(key, {}), value)
        elif key in PEAKS:
            total[key] = max(total.get(key, 0), value)
        else:
            total[key] = total.get(key, 0) + value
