"""The clock of the elections. Whoever needs the time is given a ``Clock``, so that tests can make time pass."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]


def boottime_s() -> float:
    """Seconds that go on while the machine is suspended, so that a suspended node knows that it has slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
