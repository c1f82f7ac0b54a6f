"""A run of the tests that leaves something out says so, and in CI fails."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import pytest

from tests import conftest


@pytest.fixture
def run(monkeypatch):
    """What pytest ends with after a run in which nothing failed, with so many tests skipped and these floors without one."""

    def end(*, skipped=0, idle=(), **wanted):
        monkeypatch.setattr(conftest, "_reasons", Counter({"lab: needs root": skipped} if skipped else {}))
        monkeypatch.setattr(conftest, "_counted", {floor: Counter() if floor in idle else Counter(passed=1) for floor in conftest.FLOORS})
        for name in ("NO_SKIPS", "ALL_FLOORS"):
            monkeypatch.setattr(conftest, name, wanted.get(name, False))
        session = SimpleNamespace(exitstatus=0)
        conftest.pytest_sessionfinish(session, 0)
        return session.exitstatus

    return end


def test_a_skipped_test_fails_a_run_that_must_skip_none(run):
    assert run(skipped=1) == 0
    assert run(skipped=1, NO_SKIPS=True) == 1
    assert run(NO_SKIPS=True, idle=["lab"]) == 0


def test_a_floor_without_a_test_fails_a_run_of_all_floors(run):
    assert run(idle=["lab"], ALL_FLOORS=True) == 1
    assert run(ALL_FLOORS=True) == 0
