"""slowhttptest against the proxy as it runs on a node: a client's limits keep it down, and others do not notice it."""

from __future__ import annotations

import http.client
import shutil
import subprocess
from pathlib import Path

import pytest

from tandem._model import ClientLimits, FrontendTimeouts
from tests.support.node import ADDRESS, backend, free_port, frontend, until

CONNECTIONS, SECONDS = 300, 4
LIMIT = 100
GROWTH_KB_MAX = LIMIT * 64 + 8192  # a whole head for each connection, and what the worker takes for itself


def resident_kb(pid: int) -> int:
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1])


def ask(port: int) -> tuple[int, bytes]:
    """One request of somebody else."""
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=5, source_address=("127.0.0.2", 0))
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.skipif(not shutil.which("slowhttptest"), reason="slowhttptest is missing (apt-get install slowhttptest)")
def test_slow_heads_are_held_to_the_client_s_limits_while_others_are_served(node, shops):
    port = free_port()
    node.start_proxy(workers=1)
    limited = frontend(port, client_limits=ClientLimits(connections=LIMIT), timeouts=FrontendTimeouts(request_ms=2000))
    node.load(backend(shops()), limited)
    assert ask(port) == (200, b"shop")
    (worker,) = [view["pid"] for view in node.proxy.status()["workers"]]
    before = resident_kb(worker)
    command = ["slowhttptest", "-H", "-c", str(CONNECTIONS), "-r", "300", "-i", "1", "-l", str(SECONDS), "-u", f"http://{ADDRESS}:{port}/"]
    attack = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        served, most, grown = 0, 0, 0
        while attack.poll() is None:
            assert ask(port) == (200, b"shop")
            served += 1
            most = max(most, node.proxy.status()["frontends"]["edge/web"]["connections"])
            grown = max(grown, resident_kb(worker) - before)
    finally:
        attack.kill()
        attack.wait(10)
    assert served > 20
    assert 10 < most <= LIMIT + 1
    assert grown < GROWTH_KB_MAX
    counters = node.proxy.status()["frontends"]["edge/web"]
    assert counters["limited"] > 0
    until(lambda: node.proxy.status()["frontends"]["edge/web"]["connections"] == 0)
