"""Clients of the demo: single requests, and a steady stream of them with every outcome timed."""

from __future__ import annotations

import collections
import http.client
import threading
import time
from dataclasses import dataclass
from typing import Optional

_PERIOD_S = 0.01
_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class Outcome:
    """One request on a connection of its own. Times are seconds of the monotonic clock; no server: it failed."""

    started_s: float
    ended_s: float
    server: Optional[str]


def ask(address: str, port: int, timeout_s: float = _TIMEOUT_S) -> Outcome:
    """Opens a connection, asks for the page, and notes who answered."""
    started = time.monotonic()
    connection = http.client.HTTPConnection(address, port, timeout=timeout_s)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        response.read()
        server = response.headers.get("X-Served-By") if response.status == 200 else None
    except (OSError, http.client.HTTPException):
        server = None
    finally:
        connection.close()
    return Outcome(started, time.monotonic(), server)


def answered_by(outcomes: list[Outcome]) -> dict[str, int]:
    """How many requests each server answered, by name."""
    counted = collections.Counter(outcome.server for outcome in outcomes if outcome.server)
    return dict(sorted(counted.items()))


def answered(outcomes: list[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.server]


def outage_s(outcomes: list[Outcome], moment: float) -> float:
    """The longest time between two answers, from the moment of a death on: what a client saw that asked all the time."""
    times = [moment, *sorted(outcome.ended_s for outcome in answered(outcomes) if outcome.ended_s > moment)]
    return max(after - before for before, after in zip(times, times[1:]))


class Stream:
    """A client that starts a request every 10 ms, each on a connection of its own, until it is left."""

    def __init__(self, address: str, port: int) -> None:
        self._target = (address, port)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._outcomes: list[Outcome] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Stream:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def outcomes(self) -> list[Outcome]:
        with self._lock:
            return sorted(self._outcomes, key=lambda outcome: outcome.started_s)

    def _run(self) -> None:
        asking: list[threading.Thread] = []
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due += _PERIOD_S
            asking = [thread for thread in asking if thread.is_alive()]
            asking.append(threading.Thread(target=self._ask, daemon=True))
            asking[-1].start()
        for thread in asking:
            thread.join()

    def _ask(self) -> None:
        outcome = ask(*self._target)
        with self._lock:
            self._outcomes.append(outcome)
