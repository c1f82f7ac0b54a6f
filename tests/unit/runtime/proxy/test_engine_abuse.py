"""Clients that mean harm, or behave as if: what they hold stays within the documented limits, and others are served meanwhile."""

from __future__ import annotations

import asyncio
import random
import socket
import tracemalloc
from typing import Any

from tandem._model import ClientLimits
from tandem.proxy.flow.h1 import AHEAD_BYTES_MAX
from tests.support.proxy_lab import Lab, Request, in_lab, ok, reset, until
from tests.support.unhelpful import deaf

# Of one read, as docs/reference/limits.md has it, and the largest
READ_BYTES, READ_BYTES_MAX = 65536, 512 * 1024


def held(lab: Lab) -> int:
    """The bytes that the engine holds of and for its clients."""
    total = 0
    for client in lab.connections():
        exchange = client.exchange
        server = exchange.connection if exchange is not None else None
        total += client._heads.size + client._ahead_bytes + len(client.connection._unsent) + (len(server._unsent) if server is not None else 0)
    return total


async def served(lab: Lab) -> None:
    """Another client is."""
    client = await lab.client("127.0.0.2")
    assert (await client.get("/other")).status == 200
    client.writer.close()


@in_lab
async def test_slow_heads_hold_what_a_head_may_have_and_end_in_time_however_they_dribble(lab: Lab):
    await lab.serve(await lab.origin(), frontend={"max_head": 4096, "timeouts": {"request_ms": 2000}})
    slow = [await lab.client() for _turn in range(60)]
    for client in slow:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 3900)
    await until(lambda: lab.web["bytes_in"] > 60 * 3900)
    assert held(lab) <= 60 * 4096
    await served(lab)
    for _turn in range(4):
        await lab.skip(0.45)
        for client in slow:
            client.send(b"x")
        await asyncio.sleep(0.01)
    await served(lab)
    assert lab.web["connections"] >= 60
    await lab.skip(0.3)  # each byte does not give them more time
    assert [(await client.response()).status for client in slow] == [408] * 60
    await until(lambda: lab.web["connections"] == 0, 10)


@in_lab
async def test_slow_bodies_hold_little_and_no_server_is_kept_from_others(lab: Lab):
    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = Request(await reader.readuntil(b"\r\n\r\n"), b"", 0)
            if request.method == b"GET":
                writer.write(ok())

    await lab.serve(await lab.origin(raw=raw), frontend={"timeouts": {"client_ms": 2000}})
    slow = [await lab.client() for _turn in range(40)]
    for client in slow:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nx")
    await until(lambda: lab.server()["sessions"] == 40)
    await until(lambda: held(lab) == 0)
    await served(lab)
    await lab.skip(2.2)  # silence ends them
    assert [(await client.response()).status for client in slow] == [408] * 40
    await until(lambda: lab.server()["sessions"] == 0)


@in_lab
async def test_slow_readers_hold_one_read_each_and_are_reset_once_they_read_nothing(lab: Lab):
    body = bytes(16_000_000)  # more than the kernel takes for a client that does not read
    await lab.serve(
        await lab.origin(lambda request: ok(body if request.target == b"/large" else b"small")), frontend={"timeouts": {"client_ms": 2000}}
    )
    slow: list[socket.socket] = []
    try:
        for _turn in range(6):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", lab.port))
            sock.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
            slow.append(sock)
        await until(lambda: sum(bool(client.connection.blocked) for client in lab.connections()) == 6)
        assert held(lab) <= 6 * READ_BYTES_MAX
        await served(lab)
        for _turn in range(3):  # what the kernel has still sent meanwhile counts as reading
            await lab.skip(2.2)
        await until(lambda: lab.web["connections"] == 0)
    finally:
        for sock in slow:
            sock.close()


@in_lab
async def test_what_is_sent_ahead_is_held_up_to_a_limit_and_then_not_read(lab: Lab):
    released = asyncio.Event()

    async def late() -> bytes:
        await released.wait()
        return ok()

    await lab.serve(await lab.origin(lambda request: late() if request.target == b"/slow" else ok()))
    greedy = [await lab.client() for _turn in range(8)]
    for client in greedy:
        client.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" * 40_000)
    await until(lambda: held(lab) >= 8 * AHEAD_BYTES_MAX)
    await served(lab)
    assert held(lab) <= 8 * (AHEAD_BYTES_MAX + READ_BYTES)
    for client in greedy:
        reset(client.writer)
    released.set()


@in_lab
async def test_a_reset_is_noticed_while_nothing_is_read_of_the_client_and_what_it_sent_ahead_is_not_served(lab: Lab):
    released = asyncio.Event()

    async def late() -> bytes:
        await released.wait()
        return ok()

    origin = await lab.origin(lambda _request: late())
    await lab.serve(origin)
    client = await lab.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 20_000)
    await until(lambda: held(lab) >= AHEAD_BYTES_MAX and len(origin.requests) == 1)
    reset(client.writer)
    await until(lab.nothing_held)
    released.set()
    await served(lab)
    assert [request.target for request in origin.requests] == [b"/", b"/other"]


@in_lab
async def test_a_client_that_resets_its_upload_to_a_server_that_does_not_read_leaves_at_once(lab: Lab):
    await lab.serve(await lab.origin(raw=deaf))
    client = await lab.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n" + bytes(30_000_000))
    await until(lambda: any(not connected.connection._reading for connected in lab.connections()), 10)
    reset(client.writer)
    await until(lab.nothing_held)


@in_lab
async def test_a_flood_of_connections_is_taken_up_to_the_limit_and_the_others_wait_their_turn(lab: Lab):
    await lab.serve(await lab.origin(), frontend={"max_connections": 20})
    flood = [await lab.client() for _turn in range(60)]
    await until(lambda: lab.web["connections"] == 20)
    for client in flood:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    most = 0
    for client in flood:
        assert (await client.response()).status == 200
        most = max(most, len(lab.connections()))
    assert most <= 20


@in_lab
async def test_resets_at_any_moment_leave_nothing_behind(lab: Lab):
    chance = random.Random(11)
    body = bytes(300_000)
    await lab.serve(await lab.origin(lambda request: ok(body if request.target == b"/large" else b"small")))
    sent = [
        b"",
        b"GET /",
        b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n" * 5,
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n" + bytes(100_000),
    ]
    for _turn in range(150):
        client = await lab.client()
        client.send(chance.choice(sent))
        for _step in range(chance.randrange(4)):
            await asyncio.sleep(0)
        reset(client.writer)
        lab.clients.remove(client)
    await served(lab)
    await until(lab.nothing_held)


@in_lab
async def test_tiny_chunks_are_passed_on_as_they_come_and_not_gathered(lab: Lab):
    size = 0

    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal size
        await reader.readuntil(b"\r\n\r\n")
        while size < count * len(chunk) + 5:
            size += len(await reader.read(65536))
        writer.write(ok())

    chunk, count = b"1\r\nx\r\n", 100_000
    await lab.serve(await lab.origin(raw=raw))
    client = await lab.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    await until(lambda: lab.web["requests"] == 1)
    tracemalloc.start()
    try:
        for _turn in range(100):
            client.send(chunk * (count // 100))
            await client.writer.drain()
        client.send(b"0\r\n\r\n")
        assert (await client.response()).status == 200
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3_000_000


@in_lab
async def test_a_client_that_is_limited_costs_others_nothing(lab: Lab):
    limits: dict[str, Any] = {"client_limits": ClientLimits(requests_per_second=5, connections=10)}
    await lab.serve(await lab.origin(), frontend=limits)
    mean = await lab.client()
    mean.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 500)
    statuses = [(await mean.response()).status for _turn in range(500)]
    assert statuses.count(200) <= 5 + 5 * 10
    await served(lab)
    assert lab.server()["sessions_total"] == statuses.count(200) + 1
