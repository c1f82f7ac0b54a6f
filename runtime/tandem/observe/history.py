"""Pure: the last ten minutes of one node in small numbers, for the page: rates and times, a point for every few seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Optional

from ..metrics.latency import quantile

STEP_S = 5.0
POINTS = 120
SERIES_MAX = 1500  # numbers that are followed; objects beyond them, in the order of their names, have no history

View = Mapping[str, Any]
Point = Optional[float]
_ERRORS = ("connect_errors", "response_errors", "responses_5xx")


class History:
    """``add`` a view for every step. What is counted becomes a rate since the one before; what goes down has begun anew, from 0."""

    def __init__(self) -> None:
        self._series: dict[str, deque[Point]] = {}
        self._counted: dict[str, float] = {}
        self._at = 0.0

    def add(self, now_s: float, proxy: View) -> None:
        """``now_s``: by a clock that is never set."""
        passed_s, self._at = now_s - self._at, now_s
        fresh: dict[str, Point] = {}
        counted: dict[str, float] = {}
        for key, kind, value in self._numbers(proxy):
            if len(fresh) >= SERIES_MAX:
                break
            if kind == "gauge":
                fresh[key] = value
            else:
                counted[key] = value
                before = self._counted.get(key)
                fresh[key] = None if before is None else _short((value - before if value >= before else value) / max(passed_s, 0.001))
        self._counted = {**counted, **self._buckets(proxy)}
        self._series = {key: self._series.get(key, deque(maxlen=POINTS)) for key in fresh}
        for key, point in fresh.items():
            self._series[key].append(point)

    def of(self, key: str) -> list[Point]:
        """The points of "frontend/LB/NAME/rate" and the like, the newest last."""
        return list(self._series.get(key, ()))

    def last(self, key: str) -> Point:
        series = self._series.get(key)
        return series[-1] if series else None

    def _numbers(self, proxy: View) -> Iterator[tuple[str, str, float]]:
        for key, view in proxy["frontends"].items():
            yield f"frontend/{key}/rate", "counter", view.get("requests", 0) or view.get("connections_total", 0)
            yield f"frontend/{key}/errors", "counter", view.get("responses_5xx", 0) + view.get("refused", 0)
        for key, view in proxy["backends"].items():
            yield from ((f"backend/{key}/{name}", "gauge", value) for name, value in self._times(key, view))
            for name, server in view["servers"].items():
                yield f"server/{key}/{name}/rate", "counter", server.get("sessions_total", 0)
                yield f"server/{key}/{name}/errors", "counter", sum(server.get(one, 0) for one in _ERRORS)

    def _times(self, key: str, view: View) -> Iterator[tuple[str, float]]:
        """Milliseconds to the first byte of what was answered since the step before: the median, and what 19 of 20 took at most."""
        counts = view.get("latency", {}).get("first_byte", {}).get("counts", {})
        lately = {}
        for bucket, count in counts.items():
            before = self._counted.get(f"{key}/{bucket}", 0)
            lately[bucket] = int(count - before if count >= before else count)
        if any(lately.values()):
            yield "p50_ms", _short(quantile(lately, 0.5) * 1000)
            yield "p95_ms", _short(quantile(lately, 0.95) * 1000)
        else:
            yield "p50_ms", 0.0
            yield "p95_ms", 0.0

    @staticmethod
    def _buckets(proxy: View) -> dict[str, float]:
        found: dict[str, float] = {}
        for key, view in proxy["backends"].items():
            if len(found) >= SERIES_MAX:
                break
            counts = view.get("latency", {}).get("first_byte", {}).get("counts", {})
            found.update({f"{key}/{bucket}": count for bucket, count in counts.items()})
        return found


def _short(value: float) -> float:
    """Three digits that count: a picture shows no more."""
    return float(f"{value:.3g}")
