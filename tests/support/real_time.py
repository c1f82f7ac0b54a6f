"""Processor time at once, whatever else runs: for what is measured by the clock, and for hosts that stand for machines of their own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def in_real_time() -> Iterator[None]:
    """Real-time scheduling (sched(7)) for this thread and what it starts meanwhile, where that may be had."""
    former = os.sched_getscheduler(0), os.sched_getparam(0)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, *former)
