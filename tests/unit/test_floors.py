"""A run of the tests that leaves something out says so, and in CI fails; also where workers share it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tests.conftest import FLOORS, TOP, Floors, spread


@pytest.fixture
def run():
    """Floors after a run in which nothing failed, with so many tests skipped and these floors without one."""

    def end(*, skipped=0, idle=(), asked_for=FLOORS):
        floors = Floors(asked_for)
        for floor in FLOORS:
            if floor not in idle:
                floors.add(floor, SimpleNamespace(when="call", outcome="passed", skipped=False, passed=True))
        for _test in range(skipped):
            reason = ("conftest.py", 1, "Skipped: needs root")
            floors.add("lab", SimpleNamespace(when="setup", outcome="skipped", skipped=True, passed=False, longrepr=reason))
        return floors

    return end


def test_a_skipped_test_fails_a_run_that_must_skip_none(run):
    assert run(skipped=1).too_little_ran(False, False) == ""
    assert "1 tests were skipped" in run(skipped=1).too_little_ran(True, False)
    assert run(idle=["lab"]).too_little_ran(True, False) == ""


def test_a_floor_that_was_asked_for_and_has_no_test_fails_a_run_of_all_floors(run):
    assert run(idle=["lab"]).too_little_ran(False, True).endswith(": lab")
    assert run(idle=["lab"], asked_for=("unit", "loopback")).too_little_ran(False, True) == ""
    assert run().too_little_ran(False, True) == ""


def test_the_end_says_what_was_left_out_and_how_to_run_it(run):
    assert list(run(idle=["namespaces", "lab"]).lines()) == [
        "floors: unit 1, loopback 1; skipped: none",
        "left out: namespaces, lab (make test-hosts)",
    ]
    assert "  2 skipped, lab: Skipped: needs root" in list(run(skipped=2).lines())


def test_each_worker_begins_with_another_floor_and_all_have_as_much():
    items = [*(f"unit {number}" for number in range(20)), "loopback 1", "loopback 2", "namespaces 1"]
    for workers in (1, 2, 3, 4):
        order = spread(items, workers, lambda item: item.split()[0])
        assert sorted(order) == sorted(items)
        size = -(-len(items) // workers)
        assert [order[0], order[size % len(items)]][: min(workers, 2)] == ["loopback 1", "namespaces 1"][: min(workers, 2)]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_what_workers_skipped_and_measured_is_counted_once(tmp_path, workers):
    for name in ("env", "sh"):
        (tmp_path / name).symlink_to(f"/bin/{name}")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"-n{workers}", "tests/unit/test_floors.py", "tests/lab/test_tree.py"]
    command += ["-k", "must_skip_none or is_not_finished"]
    inherited = {name: value for name, value in os.environ.items() if name not in ("TANDEM_ALL_FLOORS", "PYTEST_XDIST_WORKER")}
    environment = {**inherited, "PATH": str(tmp_path), "TANDEM_NO_SKIPS": "1", "TANDEM_TALLY": str(tmp_path / "tally")}
    ran = subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert re.search(r"^floors: unit 1; skipped: 2$", ran.stdout, re.MULTILINE), ran.stdout
    assert "TANDEM_NO_SKIPS=1: 2 tests were skipped" in ran.stderr
    assert (tmp_path / "tally").read_text() == "1 0 2\n"


def test_what_failed_is_run_once_more_and_both_are_told(tmp_path):
    (tmp_path / "test_two.py").write_text(
        "import pathlib\n"
        "def test_late(tmp_path_factory):\n"
        f"    seen = pathlib.Path({str(tmp_path / 'seen')!r})\n"
        "    first = not seen.exists()\n"
        "    seen.touch()\n"
        "    assert not first, 'too late'\n"
        "def test_broken():\n"
        "    assert False, 'broken'\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.support.again", "--rootdir", str(tmp_path), str(tmp_path)]
    ran = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=120, check=False)
    assert (ran.returncode, "1 failed, 1 passed" in ran.stdout) == (1, True), ran.stdout + ran.stderr


def test_the_end_names_what_was_run_again():
    floors = Floors(())
    floors.add("unit", SimpleNamespace(when="teardown", passed=True, user_properties=[("again", "test_late: call: too late"), ("measured", "1 s")]))
    assert list(floors.lines())[:2] == ["measured: 1 s", "failed first, and was run again: test_late: call: too late"]
