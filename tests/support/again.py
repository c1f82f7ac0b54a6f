"""A test that failed is run once more, and the end of the run says so: hosts share two cores with whatever else this machine does, and one that
stands still for a second fails a test of what happens within one. What is broken fails twice.
"""

from __future__ import annotations

import pytest
from _pytest.runner import runtestprotocol

# Of each process. Where more than so many fail there is something to mend, and no machine to wait for.
AGAIN_MAX = 2
SAID_MAX = 2000
_seen = {"again": 0}


def why_of(reports):
    """The first failure among a test's reports, in a line, of a long one its beginning and its end; "" where there is none."""
    for report in reports:
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            said = " | ".join(line.strip() for line in (crash.message if crash is not None else str(report.longrepr)).splitlines())
            said = said if len(said) <= SAID_MAX else f"{said[: SAID_MAX // 4]} [...] {said[-SAID_MAX * 3 // 4 :]}"
            return f"{report.when}: {said or 'failed'}"
    return ""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    """Runs a test as pytest does, and once more where it failed; only what it came to in the end is reported, with what was seen first."""
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    failed = why_of(reports)
    if failed and _seen["again"] < AGAIN_MAX:
        _seen["again"] += 1
        item.user_properties.clear()
        item.user_properties.append(("again", f"{item.nodeid}: {failed}"))
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
