"""The hosts, once per test module, and a client on them."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.namespaces.topology import NODES, TOP, VIP, Topology, address, document, eventually
from tests.support.real_time import in_real_time

LOAD = Path(__file__).with_name("load.py")


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    with in_real_time(), Topology(tmp_path_factory.mktemp("hosts")) as made:
        for host in ("app-1", "app-2"):
            made.start(host, sys.executable, TOP / "demo" / "shop.py", host, address(host), 8080)
        yield made


@pytest.fixture
def pair(hosts):
    """Both nodes run with the usual document, one active and one standing by; stopped and wiped afterwards."""

    def bring_up(secrets=None, **load_balancer):
        secrets = {} if secrets is None else secrets
        stated = document(secrets=secrets, **load_balancer)
        hosts.write(stated, secrets)
        hosts.boot(*NODES)
        eventually(hosts.settled)
        return stated

    yield bring_up
    for node in NODES:
        hosts.kill(node)
        for ip in ("10.99.0.100/24", "fd99::100/64"):
            hosts.on(node, "ip", "addr", "del", ip, "dev", "eth0", check=False)
        hosts.on("client", "ip", "neigh", "flush", "dev", "eth0", check=False)
        shutil.rmtree(hosts.folder / node, ignore_errors=True)


@pytest.fixture
def traffic(hosts):
    """``with traffic("probe") as outcomes``: a list that grows while a client on the client host asks at the floating IP."""

    @contextlib.contextmanager
    def begin(mode, ip=VIP, seconds=60):
        outcomes: list[dict] = []
        command = ["ip", "netns", "exec", hosts.namespace("client"), sys.executable, str(LOAD), ip, "80", mode, str(seconds)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        reader = threading.Thread(target=lambda: outcomes.extend(json.loads(line) for line in process.stdout), daemon=True)
        reader.start()
        try:
            eventually(lambda: len(outcomes) >= 20)
            yield outcomes
        finally:
            process.stdin.close()
            process.wait(timeout=30)
            reader.join(timeout=30)

    return begin
