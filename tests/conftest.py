"""Puts the runtime and the tests' own tools on the path, and counts the floors: what ran, what was skipped and why."""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
for folder in (TOP / "runtime", TOP):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

# Where distributions keep ip, nft and the like, which a user's own path may lack.
os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"

FLOORS = ("unit", "loopback", "namespaces", "lab")
# With the first one set, as in CI, a test that is skipped is a failure; with the second, so is a floor of which no test has run.
NO_SKIPS = os.environ.get("TANDEM_NO_SKIPS") == "1"
ALL_FLOORS = os.environ.get("TANDEM_ALL_FLOORS") == "1"

_counted: dict[str, Counter[str]] = {floor: Counter() for floor in FLOORS}
_reasons: Counter[str] = Counter()
_figures: list[str] = []


def floor_of(path):
    parts = Path(path).resolve().relative_to(TOP / "tests").parts
    return parts[0] if parts[0] in FLOORS else ""


def namespaces_missing():
    """Why the floor of network namespaces cannot run here; "" when it can."""
    if os.geteuid() != 0:
        return "needs root: network namespaces, raw sockets"
    missing = [tool for tool in ("ip", "nft", "keepalived", "tcpdump") if shutil.which(tool) is None]
    return f"needs {', '.join(missing)} from the distribution's packages" if missing else ""


def lab_missing():
    """Why the floor of hosts with systemd cannot run here; "" when it can."""
    if os.geteuid() != 0:
        return "needs root: containers, mounts"
    return "" if shutil.which("apt-get") else "needs Debian or Ubuntu"


def pytest_collection_modifyitems(items):
    missing = {"namespaces": namespaces_missing(), "lab": lab_missing()}
    for item in items:
        reason = missing.get(floor_of(item.path))
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    floor = floor_of(item.path)
    if floor and (report.when == "call" or (report.when == "setup" and not report.passed)):
        _counted[floor][report.outcome] += 1
        if report.skipped:
            _reasons[f"{floor}: {report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr}"] += 1


@pytest.fixture
def figure():
    """Notes a measured figure; all of them stand at the end of the run."""
    return _figures.append


def pytest_terminal_summary(terminalreporter):
    line = terminalreporter.write_line
    for figure_line in _figures:
        line(f"measured: {figure_line}")
    ran = ", ".join(f"{floor} {sum(counts.values()) - counts['skipped']}" for floor, counts in _counted.items() if counts)
    if ran:
        line(f"floors: {ran}; skipped: {sum(_reasons.values()) or 'none'}")
    for reason, count in _reasons.items():
        line(f"  {count} skipped, {reason}")


def pytest_sessionfinish(session, exitstatus):
    if exitstatus == 0 and (reason := too_little_ran()):
        print(f"\n{reason}", file=sys.stderr)
        session.exitstatus = 1


def too_little_ran():
    """Why a run in which nothing failed is a failure all the same; "" when it is none."""
    idle = [floor for floor in FLOORS if sum(_counted[floor].values()) == _counted[floor]["skipped"]]
    if ALL_FLOORS and idle:
        return f"TANDEM_ALL_FLOORS=1: no test of these floors has run: {', '.join(idle)}"
    return f"TANDEM_NO_SKIPS=1: {sum(_reasons.values())} tests were skipped" if NO_SKIPS and _reasons else ""
