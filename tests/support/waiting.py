"""Waiting for what must happen, with a deadline: the one way in which tests wait for what tells nobody when it happens."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Any

_PERIOD_S = 0.01


def until(
    condition: Callable[[], Any], seconds: float = 8.0, what: str = "", *, ignoring: tuple[type[Exception], ...] = (), every: float = _PERIOD_S
) -> Any:
    """The first true value of the condition. Fails the test after ``seconds``, saying what was waited for and what there was instead."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = condition()
        except ignoring as error:
            found, seen = None, f"it raised {error!r}"
        else:
            seen = f"it gave {found!r}"
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what or _source_of(condition)}; at last {seen}")
        time.sleep(every)


def _source_of(condition: Callable[[], Any]) -> str:
    try:
        return inspect.getsource(condition).strip()
    except (OSError, TypeError):
        return repr(condition)
