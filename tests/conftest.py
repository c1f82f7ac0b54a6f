"""Puts the runtime and the tests' own tools on the path, spreads the floors over workers, and counts them: what ran, what was skipped and why."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
for folder in (TOP / "runtime", TOP):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

# Where distributions keep ip, nft and the like, which a user's own path may lack.
os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"

from tests.support import again  # noqa: E402 - found by the path above
from tests.support.network import leave_the_network  # noqa: E402

pytest_runtest_protocol = again.pytest_runtest_protocol

# With it the tests run on the hot rooms as mypyc compiles them (.ci/accelerated); what they are, and what may be used, is tested then as well.
ACCELERATED = os.environ.get("TANDEM_ACCELERATED") == "1"
if ACCELERATED:
    from tests.support.accelerated import load_into_this_process

    load_into_this_process()
else:
    collect_ignore = ["unit/accelerated"]

FLOORS = ("unit", "loopback", "namespaces", "lab")
COMMANDS = {"lab": "make test-hosts"}
# With the first one set, as in CI, a test that is skipped is a failure; with the second, so is a floor that was asked for
# and of which no test has run.
NO_SKIPS = os.environ.get("TANDEM_NO_SKIPS") == "1"
ALL_FLOORS = os.environ.get("TANDEM_ALL_FLOORS") == "1"
# A file to which each run adds a line of three numbers, passed, failed and skipped tests; CI sums them up.
TALLY = os.environ.get("TANDEM_TALLY")


class Floors:
    """What ran of those that were asked for, counted from the reports of all workers."""

    def __init__(self, asked_for=FLOORS):
        self.asked_for = asked_for
        self.counted = {floor: Counter() for floor in FLOORS}
        self.reasons = Counter()
        self.figures = []
        self.again = []

    def add(self, floor, report):
        if report.when == "teardown":
            self.figures += [text for name, text in report.user_properties if name == "measured"]
            self.again += [text for name, text in report.user_properties if name == "again"]
        if floor and (report.when == "call" or (report.when == "setup" and not report.passed)):
            self.counted[floor][report.outcome] += 1
            if report.skipped:
                self.reasons[f"{floor}: {report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr}"] += 1

    @property
    def skipped(self):
        return sum(self.reasons.values())

    def ran(self, floor):
        return sum(self.counted[floor].values()) - self.counted[floor]["skipped"]

    def lines(self):
        """What stands at the end of the run."""
        yield from (f"measured: {figure}" for figure in self.figures)
        yield from (f"failed first, and was run again: {what}" for what in self.again)
        if any(map(self.ran, FLOORS)):
            yield f"floors: {', '.join(f'{floor} {self.ran(floor)}' for floor in FLOORS if self.ran(floor))}; skipped: {self.skipped or 'none'}"
        yield from (f"  {count} skipped, {reason}" for reason, count in self.reasons.items())
        left_out = [f"{floor} ({COMMANDS[floor]})" if floor in COMMANDS else floor for floor in FLOORS if not self.ran(floor)]
        if left_out:
            yield f"left out: {', '.join(left_out)}"

    def too_little_ran(self, no_skips, all_floors):
        """Why a run in which nothing failed is a failure all the same; "" when it is none."""
        idle = [floor for floor in self.asked_for if not self.ran(floor)]
        if all_floors and idle:
            return f"TANDEM_ALL_FLOORS=1: no test of these floors has run: {', '.join(idle)}"
        return f"TANDEM_NO_SKIPS=1: {self.skipped} tests were skipped" if no_skips and self.skipped else ""


_floors = Floors()


def floor_of(path):
    parts = Path(TOP, path).resolve().relative_to(TOP).parts[1:]
    return parts[0] if parts and parts[0] in FLOORS else ""


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


def is_worker(config):
    return hasattr(config, "workerinput")


def pytest_addoption(parser):
    parser.addoption("--repeats", type=int, default=3, help="how often each death of a node is repeated where its outage is measured")


@pytest.fixture(scope="session")
def repeats(request):
    """How often what is measured is repeated."""
    return request.config.getoption("--repeats")


def pytest_configure(config):
    asked_for = {floor_of(argument.partition("::")[0]) for argument in config.args}
    _floors.asked_for = FLOORS if "" in asked_for else tuple(floor for floor in FLOORS if floor in asked_for)
    # A run in the background is given SIGINT ignored, and so would be all that it starts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # The lab is the machine's: its bridge is there for people too.
    if is_worker(config) and "lab" not in _floors.asked_for:
        leave_the_network()


def pytest_collection_modifyitems(config, items):
    missing = {"namespaces": namespaces_missing(), "lab": lab_missing()}
    for item in items:
        reason = missing.get(floor_of(item.path))
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))
    if is_worker(config):
        items[:] = spread(items, config.workerinput["workercount"], lambda item: floor_of(item.path))


def spread(items, workers, floor):
    """An order whose equal shares, with which --dist=worksteal begins, begin with one upper floor each: these wait most, and their tests are long."""
    shares = [[] for _worker in range(workers)]
    for number, upper in enumerate(("loopback", "namespaces", "lab")):
        shares[number % workers] += [item for item in items if floor(item) == upper]
    rest = [item for item in items if floor(item) in ("unit", "")]
    size = -(-len(items) // workers)
    for share in shares:
        taken = max(0, size - len(share))
        share.extend(rest[:taken])
        del rest[:taken]
    return [*chain(*shares), *rest]


def pytest_runtest_logreport(report):
    _floors.add(floor_of(report.nodeid.partition("::")[0]), report)


@pytest.fixture
def figure(request):
    """Notes a measured figure; all of them stand at the end of the run."""
    return lambda text: request.node.user_properties.append(("measured", text))


def pytest_terminal_summary(terminalreporter):
    for line in _floors.lines():
        terminalreporter.write_line(line)


def pytest_sessionfinish(session, exitstatus):
    if is_worker(session.config):
        return
    if TALLY:
        with open(TALLY, "a", encoding="ascii") as tally:
            tally.write(" ".join(str(sum(counts[word] for counts in _floors.counted.values())) for word in ("passed", "failed", "skipped")) + "\n")
    if exitstatus == 0 and (reason := _floors.too_little_ran(NO_SKIPS, ALL_FLOORS)):
        print(f"\n{reason}", file=sys.stderr)
        session.exitstatus = 1
