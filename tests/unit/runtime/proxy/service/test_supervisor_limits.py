"""Small limits with several real workers: no more at a server at once than it takes, and nobody is forgotten."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tandem._model import BackendTimeouts, Server, Sticky
from tests.support.node import ADDRESS, Shop, backend, free_port, frontend, get, until

WORKERS = 3
PATIENT = BackendTimeouts(queue_ms=60_000)


class Counting(Shop):
    """Notes how many requests it is asked at once."""

    def __init__(self):
        super().__init__()
        self.lock, self.now, self.most = threading.Lock(), 0, 0
        handler = self.RequestHandlerClass
        self.RequestHandlerClass = type("Counting", (handler,), {"do_GET": lambda one: self._count(handler.do_GET, one)})

    def _count(self, answer, one):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.003)  # long enough for another one to come meanwhile
        with self.lock:
            self.now -= 1
        answer(one)


@pytest.fixture
def counting():
    shop = Counting()
    yield shop
    shop.close()


@pytest.mark.parametrize(("limit", "sticky"), [(1, "none"), (1, "source"), (2, "none"), (4, "none")])
def test_a_small_limit_of_a_server_is_exact_over_all_workers_and_all_are_served(node, counting, limit, sticky):
    node.start_proxy(workers=WORKERS)
    port = free_port()
    server = Server("s1", ADDRESS, counting.port, max_connections=limit)
    node.load(backend(server, timeouts=PATIENT, sticky=Sticky(sticky)), frontend(port))
    with ThreadPoolExecutor(24) as clients:
        answers = list(clients.map(lambda _client: get(port, timeout=30)[0], range(120)))
    assert answers == [200] * 120
    assert counting.most == limit
    shown = node.proxy.status()["backends"]["edge/shop"]
    assert (shown["queue"], shown["servers"]["s1"]["sessions"]) == (0, 0)


def test_the_place_of_a_worker_that_is_killed_goes_to_those_who_wait_at_others(node, shops):
    shop, port = shops(), free_port()
    node.start_proxy(workers=WORKERS)
    node.load(backend(Server("s1", ADDRESS, shop.port, max_connections=1), timeouts=PATIENT, max_retries=0), frontend(port))
    with ThreadPoolExecutor(12) as clients:
        slow = clients.submit(lambda: get(port, "/slow", timeout=30))
        assert shop.asked.wait(10)
        waiting = [clients.submit(lambda: get(port, timeout=30)[0]) for _client in range(9)]
        until(lambda: node.proxy.status()["backends"]["edge/shop"]["queue"] == 9)
        before = {worker["pid"] for worker in node.proxy.status()["workers"]}
        holders = [pid for pid in before if _is_connected(pid, shop.port)]
        assert len(holders) == 1
        os.kill(holders[0], signal.SIGKILL)
        ended = [one.exception() or one.result() for one in waiting]
    assert ended.count(200) == len([one for one in ended if one == 200]) > 0
    assert slow.exception() is not None
    assert all(one == 200 or isinstance(one, OSError) or "Remote" in type(one).__name__ for one in ended), ended


def _is_connected(pid, port):
    with open(f"/proc/{pid}/net/tcp", encoding="ascii") as table:
        inodes = {line.split()[9] for line in table if line.split()[2].endswith(f":{port:04X}") and line.split()[3] == "01"}
    links = [os.path.join(f"/proc/{pid}/fd", name) for name in os.listdir(f"/proc/{pid}/fd")]
    return any(os.readlink(link) in {f"socket:[{inode}]" for inode in inodes} for link in links)
