"""Waiting for what must happen, with a deadline."""

from __future__ import annotations

import pytest

from tests.support.waiting import until


@pytest.fixture
def eventually():
    """``eventually(condition, within=10)``: its first true result; errors of connections count as not yet."""

    def wait(condition, within=10.0):
        return until(condition, within, ignoring=(OSError,), every=0.02)

    return wait
