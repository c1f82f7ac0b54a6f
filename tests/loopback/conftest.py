"""Waiting for what must happen, with a deadline."""

from __future__ import annotations

import time

import pytest


@pytest.fixture
def eventually():
    """``eventually(condition, within=10)``: its first true result; errors of connections count as not yet."""

    def wait(condition, within=10.0):
        deadline = time.monotonic() + within
        while True:
            try:
                result = condition()
            except OSError as error:
                result, reason = None, repr(error)
            else:
                reason = repr(result)
            if result:
                return result
            assert time.monotonic() < deadline, f"not within {within} s; last: {reason}"
            time.sleep(0.02)

    return wait
