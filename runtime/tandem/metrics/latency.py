"""How long things take, in histograms of fixed buckets: one addition for each, and sums over workers mean what each of them means."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

# Seconds; a bucket holds what took no longer (Prometheus: le). Two or three for each power of ten tell a slow server from a slow disk. Their type is
# that of any number of them: compiled, a tuple of just so many would be made anew for each look at it.
BOUNDS: tuple[float, ...] = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
BUCKETS: tuple[str, ...] = (*(repr(bound) for bound in BOUNDS), "+Inf")  # their names


@dataclass(frozen=True)
class Part:
    """One histogram of a backend: its name in status, and what an operator reads. Prometheus has it with ``_seconds``."""

    name: str
    help: str


LATENCY = (
    Part("first_byte", "from a request's head to the head of its answer, of answers that were complete"),
    Part("whole", "from a request's head to the end of its answer, of the same answers"),
    Part("connect", "for a connection to a server to come about, TLS included"),
    Part("queue", "for a place at a server, of those who had to wait for one"),
)


class Histogram:
    """Time has the resolution of the reactor's turns, in which nothing takes time."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * len(BUCKETS)
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.sum_s += seconds

    def with_others(self, others: Histogram) -> Histogram:
        """Both together."""
        both = Histogram()
        both.counts = [mine + theirs for mine, theirs in zip(self.counts, others.counts)]
        both.sum_s = self.sum_s + others.sum_s
        return both

    def shown(self) -> dict[str, object]:
        """Integers: microseconds in all, and how many are in each bucket that is not empty."""
        return {"sum_us": int(self.sum_s * 1_000_000), "counts": {BUCKETS[at]: count for at, count in enumerate(self.counts) if count}}


class Latency:
    """The histograms of one backend. Most answers come with their head, in one piece: that is one addition, to both."""

    __slots__ = ("_at_once", "_first_byte", "_whole", "connect", "queue")

    def __init__(self) -> None:
        self._at_once = Histogram()
        self._first_byte = Histogram()
        self._whole = Histogram()
        self.connect = Histogram()
        self.queue = Histogram()

    def answered(self, first_byte_s: float, whole_s: float) -> None:
        """An answer is complete."""
        if first_byte_s == whole_s:
            times = self._at_once
            times.counts[bisect_left(BOUNDS, whole_s)] += 1
            times.sum_s += whole_s
        else:
            self._first_byte.add(first_byte_s)
            self._whole.add(whole_s)

    def shown(self) -> dict[str, object]:
        """By the names of ``LATENCY``."""
        return {
            "first_byte": self._first_byte.with_others(self._at_once).shown(),
            "whole": self._whole.with_others(self._at_once).shown(),
            "connect": self.connect.shown(),
            "queue": self.queue.shown(),
        }


def quantile(counts: Mapping[str, int], part: float) -> float:
    """The seconds within which a part (0 to 1) of what was counted was done: of its bucket, what lies between its bounds in proportion; 0 of nothing.

    As ``histogram_quantile`` of Prometheus has it, so that both say the same.
    """
    total = sum(counts.values())
    before, low, wanted = 0, 0.0, part * total
    for name, high in zip(BUCKETS, BOUNDS):
        count = counts.get(name, 0)
        if count and before + count >= wanted:
            return low + (high - low) * (wanted - before) / count
        before, low = before + count, high
    return BOUNDS[-1] if total else 0.0
