"""Nothing that the supervisor does with many frontends, backends and servers holds its loop, on which keepalive's watch depends."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time

import pytest

from tandem._model import Backend, Document, FloatingIP, Frontend, HealthCheck, Server
from tandem._paths import socket_address
from tandem.proxy.service.supervisor import Supervisor
from tests.support.node import ADDRESS, UNCHECKED, free_port, pair

FLOATING = FloatingIP("ip", "127.78.0.1/8", attach="none")
# Processor time of the loop's own thread: what others do on the machine, or in other threads, does not count.
HELD_S_MAX = 0.05
SLOW_MACHINE = 3  # times as long as on a machine of its own
FRONTENDS = 400  # 50 ms are promised for a thousand; these are enough to see what grows with their number, or with its square


def site(ports, checked_port, is_checked):
    """As many frontends as ports, each with a backend of ten servers; those of every tenth are checked."""
    check = HealthCheck(interval_ms=3_600_000, fall=1)
    backends, frontends = {}, {}
    for number, port in enumerate(ports):
        servers = tuple(Server(f"s{member}", ADDRESS, checked_port) for member in range(10))
        backend = Backend("edge", f"b{number}", servers=servers, health_check=check if is_checked and number % 10 == 0 else UNCHECKED)
        front = Frontend("edge", f"f{number}", port, default_backend=backend.name)
        backends[backend.key], frontends[front.key] = backend, front
    return Document(0, {"ip": FLOATING}, {"edge": pair(7694)}, backends=backends, frontends=frontends)


class Ticker:
    """Comes to its turn once in a millisecond, and notes the longest time that others have kept the loop from turning."""

    def __init__(self):
        self.held = {}

    async def tick(self, name):
        cpu = time.thread_time()
        while True:
            await asyncio.sleep(0.001)
            now = time.thread_time()
            self.held[name] = max(self.held.get(name, 0.0), now - cpu)
            cpu = now

    async def during(self, name, work):
        ticking = asyncio.ensure_future(self.tick(name))
        try:
            return await work
        finally:
            ticking.cancel()


async def ask(paths, method, target, body=None):
    with socket_address(paths.proxy_socket) as address:
        reader, writer = await asyncio.open_unix_connection(address, limit=1 << 20)
    content = json.dumps(body or {}).encode()
    writer.write(f"{method} {target} HTTP/1.1\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)
    pieces = []
    while piece := await reader.read(65536):
        pieces.append(piece)
    writer.close()
    return b"".join(pieces)


async def break_down(supervisor):
    """Servers of all backends go down in one turn of the loop. Returns for how many backends each message was that workers got."""
    told, tell = [], supervisor._workers.health

    def telling(health):
        told.append(len(health))
        tell(health)

    supervisor._workers.health = telling
    for key in supervisor._in_force.document.backends:
        supervisor._in_force._health_changed(key)
    await asyncio.sleep(0)
    return told


@pytest.fixture
def ports():
    """A row of free ones, away from those that the kernel gives to clients."""
    first = 10_000 + free_port() % 20_000
    return range(first, first + FRONTENDS)


def test_no_request_to_the_supervisor_and_no_change_of_health_keeps_its_loop_from_turning(node, ports, monkeypatch):
    monkeypatch.setenv("TANDEM_WORKERS", "1")
    ticker, closed = Ticker(), free_port()
    answers = {}

    async def scenario():
        supervisor = Supervisor(node.paths)
        running = asyncio.ensure_future(supervisor.run())
        await asyncio.sleep(0)
        while not supervisor.ready:
            await asyncio.wait_for(supervisor._changed.wait(), 20)
        try:
            for name, is_checked in (("a load", False), ("a load with checks", True)):
                node.store.write(dataclasses.replace(site(ports, closed, is_checked), generation=len(answers) + 1))
                answers[name] = await ticker.during(name, ask(node.paths, "POST", "/v1/load"))
            for name, role in (("becoming active", True), ("status", None), ("becoming standby", False)):
                request = ("GET", "/v1/status") if role is None else ("PUT", "/v1/role", {"load_balancer": "edge", "active": role})
                answers[name] = await ticker.during(name, ask(node.paths, *request))
            assert await ticker.during("a broken network", break_down(supervisor)) == [FRONTENDS]
        finally:
            supervisor._stopping.set()
            assert await ticker.during("the end", running) == 0

    asyncio.run(scenario())
    assert {name: answer[:15] for name, answer in answers.items()} == dict.fromkeys(answers, b"HTTP/1.1 200 OK")
    view = json.loads(answers["status"].partition(b"\r\n\r\n")[2])
    assert sum(bool(frontend["listening"]) for frontend in view["frontends"].values()) == FRONTENDS
    states = [server["state"] for backend in view["backends"].values() for server in backend["servers"].values()]
    assert (states.count("down"), len(states)) == (FRONTENDS, FRONTENDS * 10)
    assert {name: held for name, held in ticker.held.items() if held > HELD_S_MAX * SLOW_MACHINE} == {}
