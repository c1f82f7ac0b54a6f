"""Limits of connections, and who waits for a place: in what order, how long, and what becomes of places that are given back."""

from __future__ import annotations

import asyncio
import socket
from typing import Optional

import pytest

from tandem._model import Route, Server, Sticky
from tandem.proxy.flow.h1 import AHEAD_BYTES_MAX
from tests.support.proxy_lab import Lab, Request, in_lab, ok, reset, until
from tests.support.unhelpful import silence


@in_lab
async def test_servers_take_as_many_at_once_as_max_connections_says_and_others_wait_in_order(lab: Lab):
    most = now = 0

    async def answer(request: Request) -> bytes:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1
        return ok(request.target)

    origin = await lab.origin(answer)
    await lab.serve(Server("s1", "127.0.0.1", origin.port, max_connections=2))
    clients = [await lab.client() for _turn in range(12)]
    answers = await asyncio.gather(*(client.get(f"/{n}") for n, client in enumerate(clients)))
    assert [answer.status for answer in answers] == [200] * 12
    assert most == 2
    assert lab.app["queue_max_seen"] == 10
    assert [int(request.target[1:]) for request in origin.requests] == sorted(int(request.target[1:]) for request in origin.requests)


@in_lab
async def test_a_wait_in_the_queue_ends_with_503_after_timeouts_queue_and_when_it_is_full(lab: Lab):
    await lab.serve(await lab.origin(raw=silence), max_connections=1, max_queue=1, timeouts={"queue_ms": 80})
    first, second, third = [await lab.client() for _turn in range(3)]
    first.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: lab.app["sessions"] == 1)
    second.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: lab.app["queue"] == 1)
    assert (await third.get()).status == 503
    assert lab.app["queue_timeouts"] == 0
    assert (await second.response()).status == 503
    assert lab.app["queue_timeouts"] == 1
    assert lab.app["queue"] == 0


@pytest.mark.parametrize("count", [2, 300])
@in_lab
async def test_bad_requests_that_waited_in_the_queue_give_their_places_back(lab: Lab, count: int):
    """With pooled connections each is refused in the moment it is served, and the next is served from within that."""
    gate = asyncio.Event()

    async def answer(_request: Request) -> bytes:
        await gate.wait()
        return ok()

    origin = await lab.origin(answer)
    await lab.serve(Server("s1", "127.0.0.1", origin.port))
    clients = [await lab.client() for _turn in range(count + 1)]
    filling = [asyncio.ensure_future(client.get()) for client in clients]
    await until(lambda: len(origin.requests) == count + 1)
    gate.set()
    assert [answer.status for answer in await asyncio.gather(*filling)] == [200] * (count + 1)
    gate.clear()
    await lab.serve(Server("s1", "127.0.0.1", origin.port, max_connections=1))
    slow = asyncio.ensure_future(clients[0].get())
    await until(lambda: lab.app["sessions"] == 1)
    for client in clients[1:]:
        client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n")
    await until(lambda: lab.app["queue"] == count)
    gate.set()
    assert (await slow).status == 200
    assert [(await client.response()).status for client in clients[1:]] == [400] * count
    assert (lab.server()["sessions"], lab.app["sessions"], lab.app["queue"]) == (0, 0, 0)
    assert (await clients[0].get()).status == 200


@in_lab
async def test_a_client_that_leaves_the_queue_leaves_no_trace(lab: Lab):
    await lab.serve(await lab.origin(raw=silence), max_connections=1)
    first, second = await lab.client(), await lab.client()
    first.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: lab.app["sessions"] == 1)
    second.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
    second.send(b"\r\n")
    await until(lambda: lab.app["queue"] == 1)
    reset(second.writer)
    await until(lambda: lab.app["queue"] == 0)


@in_lab
async def test_a_client_that_has_gone_unseen_disturbs_nobody_when_it_is_told_that_there_is_no_server(lab: Lab):
    await lab.serve(await lab.origin(raw=silence), max_connections=1, timeouts={"queue_ms": 100})
    first, second = await lab.client(), await lab.client()
    first.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: lab.app["sessions"] == 1)
    second.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: lab.app["queue"] == 1)
    second.send(b"x" * AHEAD_BYTES_MAX)
    await until(lambda: lab.web["bytes_in"] > AHEAD_BYTES_MAX)
    second.writer.close()  # it is not read from any more, so its end is not seen; our answer meets a reset, and so does the end after it
    await until(lambda: lab.web["connections"] == 1)
    assert lab.app["queue_timeouts"] == 1


@in_lab
async def test_those_who_wait_for_a_removed_backend_choose_again_by_the_new_routes(lab: Lab):
    app = Server("s", "127.0.0.1", (await lab.origin(raw=silence)).port)
    other = await lab.origin(lambda request: ok(request.target + request["cookie"] + request.body))
    await lab.serve(app, max_connections=1, sticky=Sticky(type="cookie", cookie_name="OLD"))
    first, second, third = [await lab.client() for _turn in range(3)]
    first.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: lab.app["sessions"] == 1)
    second.send(b"PUT /2 HTTP/1.1\r\nHost: a\r\nCookie: OLD=x; NEW=y; z=1\r\nContent-Length: 4\r\n\r\nbody")
    third.send(b"GET /3 HTTP/1.1\r\nHost: b\r\n\r\n")
    await until(lambda: lab.app["queue"] == 2)
    new = lab.backend("new", Server("n", "127.0.0.1", other.port), sticky=Sticky(type="cookie", cookie_name="NEW"))
    lab.apply(lab.document(lab.frontend(default_backend="", routes=(Route("a", backend="new"),)), new))
    response = await second.response()
    assert (response.status, response.body) == (200, b"/2OLD=x; z=1body")
    assert response["set-cookie"].startswith(b"NEW=")
    assert (await third.response()).status == 503


@in_lab
async def test_those_who_wait_for_a_removed_backend_of_a_removed_frontend_are_told_at_once(lab: Lab):
    await lab.serve(await lab.origin(raw=silence), max_connections=1)
    first, second = await lab.client(), await lab.client()
    first.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: lab.app["sessions"] == 1)
    second.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: lab.app["queue"] == 1)
    lab.apply(lab.document())
    assert (await asyncio.wait_for(second.response(), 2)).status == 503


@in_lab
async def test_tcp_clients_that_wait_for_a_removed_backend_get_a_server_of_the_new_one(lab: Lab):
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"new" + await reader.readexactly(5))
        await reader.read(-1)

    new = Server("n", "127.0.0.1", (await lab.origin(raw=greet)).port)
    await lab.serve(await lab.origin(raw=silence), protocol="tcp", frontend={"protocol": "tcp"}, max_connections=1)
    _holds, waits = await lab.client(), await lab.client()
    await until(lambda: lab.app["queue"] == 1)
    waits.send(b"early")
    await until(lambda: lab.web["bytes_in"] == 5)
    lab.apply(lab.document(lab.frontend(protocol="tcp", default_backend="new"), lab.backend("new", new, protocol="tcp")))
    assert await waits.reader.readexactly(8) == b"newearly"


@in_lab
async def test_a_request_that_was_connecting_when_its_backend_was_removed_goes_on_at_the_new_one(lab: Lab):
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    fillers = [socket.socket() for _turn in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(full.getsockname())
    await lab.serve(Server("s", "127.0.0.1", full.getsockname()[1]), timeouts={"connect_ms": 150})
    client = await lab.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: lab.app["sessions"] == 1)
    new = Server("n", "127.0.0.1", (await lab.origin()).port)
    lab.apply(lab.document(lab.frontend(default_backend="new"), lab.backend("new", new)))
    assert (await client.response()).status == 200
    for sock in (*fillers, full):
        sock.close()


@in_lab
async def test_max_connections_of_a_frontend_leaves_clients_waiting_outside(lab: Lab):
    await lab.serve(await lab.origin(), frontend={"max_connections": 2})
    clients = [await lab.client() for _turn in range(4)]
    await clients[0].get()
    await clients[1].get()
    waiting = asyncio.ensure_future(clients[2].get())
    await asyncio.sleep(0.1)
    assert not waiting.done()
    assert lab.web["connections"] == 2
    clients[0].writer.close()
    assert (await waiting).status == 200
    clients[1].writer.close()
    assert (await clients[3].get()).status == 200


@pytest.mark.parametrize("which", ["queue", "connect"])
@in_lab
async def test_a_client_that_reads_its_former_answer_meanwhile_does_not_put_off_the_deadlines_of_the_next(lab: Lab, which: str):
    full, fillers, holder = None, [], None

    async def answer(request: Request) -> Optional[bytes]:
        if request.target == b"/held":
            await asyncio.Event().wait()
        return ok(b"x" * 16384)  # one read, so that the answer that fills the buffer is complete

    origin = await lab.origin(answer)

    async def serve(port: int) -> None:
        timeouts = {"queue_ms": 150, "connect_ms": 150, "server_ms": 60_000}
        await lab.serve(Server("s1", "127.0.0.1", port, max_connections=1), timeouts=timeouts, max_retries=0)

    await serve(origin.port)
    client = await lab.client()
    client.writer.transport.pause_reading()
    await until(lambda: lab.web["connections"] == 1)
    (session,) = lab.connections()
    # As many answers as the kernel's buffers hold and ours.
    for turn in range(1, 2000):
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda turn=turn: lab.web["responses_2xx"] == turn and not lab.app["sessions"])
        if session.blocked:
            break
    assert session.blocked
    if which == "queue":
        holder = await lab.client()
        holder.send(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: lab.app["sessions"] == 1)
    else:
        full = socket.create_server(("127.0.0.1", 0), backlog=0)
        for _turn in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
            fillers.append(filler)
        await serve(full.getsockname()[1])
    client.send(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
    client.writer.transport.resume_reading()
    while (response := await client.response()).status == 200:
        pass
    assert response.status == 503
    for sock in (*fillers, *([full] if full else [])):
        sock.close()


@in_lab
async def test_clients_that_leave_the_queue_are_not_served_and_the_one_who_stays_does_not_wait_for_them(lab: Lab):
    gate = asyncio.Event()

    async def answer(request: Request) -> bytes:
        if request.target == b"/first":
            await gate.wait()
        return ok(request.target)

    origin = await lab.origin(answer)
    await lab.serve(Server("s1", "127.0.0.1", origin.port, max_connections=1), frontend={"access_log": "json"})
    clients = [await lab.client() for _turn in range(7)]
    first = asyncio.ensure_future(clients[0].get("/first"))
    await until(lambda: lab.app["sessions"] == 1)
    for number, client in enumerate(clients[1:6], 1):
        client.send(b"GET /left%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
        await until(lambda number=number: lab.app["queue"] == number)
    stays = asyncio.ensure_future(clients[6].get("/stays"))
    await until(lambda: lab.app["queue"] == 6)
    for client in clients[1:6]:
        client.writer.close()
    await until(lambda: lab.app["queue"] == 1)
    gate.set()
    assert ((await first).body, (await stays).body) == (b"/first", b"/stays")
    assert [request.target for request in origin.requests] == [b"/first", b"/stays"]
    assert sum("left while it waited" in line for line in lab.lines) == 5


@in_lab
async def test_one_who_is_bound_to_a_full_server_and_those_who_are_not_wait_without_holding_up_each_other(lab: Lab):
    gates = {name: asyncio.Event() for name in "ab"}

    async def at(name: str):
        async def answer(_request: Request) -> bytes:
            await gates[name].wait()
            return ok(name.encode())

        return Server(name, "127.0.0.1", (await lab.origin(answer)).port, max_connections=1)

    await lab.serve(await at("a"), await at("b"), sticky=Sticky(type="cookie", cookie_name="k"))
    mark = lab.engine._backends["lb/app"].servers["a"].mark.decode()
    holders = [asyncio.ensure_future((await lab.client()).get()) for _turn in range(2)]
    await until(lambda: lab.app["sessions"] == 2)
    bound = asyncio.ensure_future((await lab.client()).get("/", f"Cookie: k={mark}"))
    await until(lambda: lab.app["queue"] == 1)
    free = asyncio.ensure_future((await lab.client()).get())
    await until(lambda: lab.app["queue"] == 2)
    gates["b"].set()
    assert (await free).body == b"b"
    assert not bound.done()
    gates["a"].set()
    assert (await bound).body == b"a"
    assert {(await holder).body for holder in holders} == {b"a", b"b"}
