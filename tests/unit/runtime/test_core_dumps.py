"""What is left of the services when they die: no key, whoever started them."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from tests.support.node import EDGE, children, until


@pytest.fixture
def allowed():
    """Who starts the services may leave core dumps, as far as this machine lets anybody."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, before)


@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize(("service", "processes"), [("proxy", 3), ("keepalive", 1)])
def test_a_service_that_systemd_did_not_start_leaves_no_memory_in_a_core_dump_nor_do_its_workers(node, service, processes):
    node.write(EDGE)
    process = node.start(service, workers=2)
    until(lambda: "is ready" in node.log.read_text())
    family = [process.pid, *children(process.pid)]
    assert len(family) == processes
    for pid in family:
        limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
        assert [line.split()[4:6] for line in limits if line.startswith("Max core file size")] == [["0", "0"]]
        assert int(Path(f"/proc/{pid}/coredump_filter").read_text(), 16) == 0
