"""HTTP through the engine: what a client and a server see of each other."""

from __future__ import annotations

import asyncio
import random

import pytest

from tandem._model import Route, Server
from tests.support.proxy_lab import Lab, Request, in_lab, ok, until


@in_lab
async def test_connections_are_kept_on_both_sides_RFC_9112_9_3(lab: Lab):
    origin = await lab.origin()
    await lab.serve(origin)
    client = await lab.client()
    for n in range(5):
        response = await client.get(f"/{n}")
        assert (response.status, response.body) == (200, b"GET /%d" % n)
        assert not response["connection"]
    assert origin.connections == 1


@in_lab
async def test_one_client_after_another_uses_the_same_connection_to_the_server(lab: Lab):
    origin = await lab.origin()
    await lab.serve(origin)
    for _turn in range(3):
        client = await lab.client()
        assert (await client.get("/", "Connection: close")).status == 200
        assert await client.ended() == b""
    assert origin.connections == 1
    assert lab.server()["connects"] == 1


@in_lab
async def test_a_stale_connection_is_replaced_without_the_client_noticing(lab: Lab):
    origin = await lab.origin(lambda request: ok() if request.target == b"/" else None if len(origin.requests) == 2 else ok(b"again"))
    await lab.serve(origin)
    client = await lab.client()
    await client.get("/")
    # The server closes in the very moment that the next request reaches it on the kept connection.
    assert (await client.get("/x")).body == b"again"
    assert origin.connections == 2
    assert lab.server()["retries"] == 0


@in_lab
async def test_a_connection_that_was_closed_while_idle_is_not_used(lab: Lab):
    origin = await lab.origin()
    await lab.serve(origin)
    client = await lab.client()
    await client.get("/")
    origin.hang_up()
    await until(lambda: lab.server()["idle"] == 0)
    assert (await client.get("/", method="POST", body=b"x")).status == 200


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@in_lab
async def test_what_is_not_idempotent_is_never_sent_twice_RFC_9110_9_2_2(lab: Lab, method: str):
    origin = await lab.origin(lambda request: ok() if request.method == b"GET" else None)
    await lab.serve(origin, origin)
    client = await lab.client()
    await client.get("/")
    assert (await client.get("/", method=method, body=b"pay")).status == 502
    assert [request.method for request in origin.requests].count(method.encode()) == 1


@in_lab
async def test_a_request_with_a_body_is_sent_again_whole_when_that_is_safe_RFC_9110_9_2_2(lab: Lab):
    origin = await lab.origin(lambda request: None if len(origin.requests) == 1 else ok(request.body))
    await lab.serve(origin)
    assert (await (await lab.client()).get("/", method="PUT", body=b"b" * 5000)).body == b"b" * 5000
    assert lab.server()["retries"] == 1


@in_lab
async def test_bodies_pass_both_ways_sized_and_chunked_RFC_9112_6(lab: Lab):
    def echo(request: Request) -> bytes:
        if b"chunked" in request.target:
            parts = [request.body[n : n + 1000] for n in range(0, len(request.body), 1000)]
            chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
            return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nX-Trailer: t\r\n\r\n"
        return ok(request.body)

    await lab.serve(await lab.origin(echo))
    client = await lab.client()
    body = random.Random(1).randbytes(300_000) if hasattr(random.Random, "randbytes") else b"x" * 300_000
    for target in ("/sized", "/chunked"):
        assert (await client.get(target, method="PUT", body=body)).body == body
        client.send(f"POST {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for n in range(0, len(body), 70_000):
            part = body[n : n + 70_000]
            client.send(b"%x;ext=1\r\n%b\r\n" % (len(part), part))
            await client.writer.drain()
        client.send(b"0\r\nX-Trailer: t\r\n\r\n")
        assert (await client.response()).body == body


@in_lab
async def test_responses_without_a_body_leave_the_connection_in_step_RFC_9112_6_3(lab: Lab):
    def answer(request: Request) -> bytes:
        status = request.target[1:]
        if request.method == b"HEAD":
            return b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
        return b"HTTP/1.1 %b X\r\nETag: x\r\n\r\n" % status if status else ok()

    origin = await lab.origin(answer)
    await lab.serve(origin)
    client = await lab.client()
    head = await client.get("/", method="HEAD")
    assert (head.status, head["content-length"]) == (200, b"1000")
    assert (await client.get("/204")).status == 204
    assert (await client.get("/304")).status == 304
    assert (await client.get("/")).body == b"ok"
    assert origin.connections == 1


@in_lab
async def test_pipelined_requests_are_answered_in_order_RFC_9112_9_3_2(lab: Lab):
    async def answer(request: Request) -> bytes:
        await asyncio.sleep(0.05 if request.target == b"/0" else 0)
        return ok(request.target)

    await lab.serve(await lab.origin(answer))
    client = await lab.client()
    posts = b"".join(b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" % n for n in range(3))
    client.send(posts + b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(3, 2000)))
    client.writer.write_eof()
    assert [(await client.response()).body for _turn in range(2000)] == [b"/%d" % n for n in range(2000)]
    assert await client.ended() == b""


@in_lab
async def test_a_client_that_half_closes_gets_its_answer_RFC_9112_9_6(lab: Lab):
    async def answer(request: Request) -> bytes:
        await asyncio.sleep(0.05)
        return ok(request.body)

    await lab.serve(await lab.origin(answer))
    client = await lab.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
    client.writer.write_eof()
    assert (await client.response()).body == b"abc"
    assert await client.ended() == b""


@in_lab
async def test_empty_lines_between_requests_are_skipped_RFC_9112_2_2(lab: Lab):
    await lab.serve(await lab.origin())
    client = await lab.client()
    for _turn in range(2):
        client.send(b"\r\n\r\n")
        client.send(b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await client.response()).status == 200


@in_lab
async def test_http_1_0_clients_get_what_they_understand_RFC_9112_C(lab: Lab):
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    origin = await lab.origin(lambda request: chunked if request.target == b"/chunked" else b"HTTP/1.1 100 Continue\r\n\r\n" + ok())
    await lab.serve(origin)
    client = await lab.client()
    client.send(b"GET /chunked HTTP/1.0\r\n\r\n")
    assert (await client.ended()).startswith(b"HTTP/1.1 200 OK\r\n")
    client = await lab.client()
    client.send(b"GET /chunked HTTP/1.0\r\n\r\n")
    response = await client.response()
    assert (response["transfer-encoding"], response["connection"], response.body) == (b"", b"close", b"ok")
    client = await lab.client()
    for _turn in range(2):
        client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        response = await client.response()
        assert (response.status, response["connection"], response.body) == (200, b"keep-alive", b"ok")
    assert origin.requests[-1]["host"] == b"127.0.0.1:%d" % lab.port
    assert b"HTTP/1.1" in origin.requests[-1].lines[0]


@in_lab
async def test_a_body_that_ends_with_the_connection_is_passed_on_so_RFC_9112_6_3(lab: Lab):
    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nfirst")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b" second")

    await lab.serve(await lab.origin(raw=raw))
    response = await (await lab.client()).get()
    assert (response["connection"], response.body) == (b"close", b"first second")


@in_lab
async def test_100_continue_comes_from_the_server_RFC_9110_10_1_1(lab: Lab):
    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert b"Expect: 100-continue" in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        writer.write(ok(await reader.readexactly(4)))

    await lab.serve(await lab.origin(raw=raw))
    client = await lab.client()
    client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
    assert (await client.response()).status == 100
    client.send(b"body")
    early = await client.response()
    assert (early.status, early["link"]) == (103, b"</x>")
    assert (await client.response()).body == b"body"


@in_lab
async def test_a_refusal_before_the_body_ends_the_connection_RFC_9112_9_3(lab: Lab):
    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
        await reader.read(-1)

    await lab.serve(await lab.origin(raw=raw))
    client = await lab.client()
    response = await client.get("/", "Expect: 100-continue", "Content-Length: 1000", method="PUT")
    assert (response.status, response["connection"]) == (413, b"close")
    client.send(b"x" * 1000)
    assert await client.ended() == b""


@in_lab
async def test_what_was_sent_ahead_of_an_upgrade_reaches_the_server_though_the_client_has_ended_its_side(lab: Lab):
    go_on = asyncio.Event()

    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await go_on.wait()
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n")
        writer.write(b"echo:" + await reader.read(-1))

    await lab.serve(await lab.origin(raw=raw), frontend={"upgrades": ("echo",)})
    client = await lab.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nearly")
    client.writer.write_eof()
    await until(lambda: [one.connection.read_ended for one in lab.connections()] == [True])
    go_on.set()
    assert (await client.response()).status == 101
    assert await client.ended() == b"echo:early"


@in_lab
async def test_an_upgrade_becomes_a_tunnel_RFC_9110_7_8(lab: Lab):
    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = Request(await reader.readuntil(b"\r\n\r\n"), b"", 1)
        assert (request["upgrade"], request["connection"]) == (b"websocket", b"upgrade")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX: y\r\n\r\nhello ")
        while data := await reader.read(1000):
            writer.write(data.upper())

    await lab.serve(await lab.origin(raw=raw), timeouts={"server_ms": 50})
    client = await lab.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nearly ")
    response = await client.response()
    assert (response.status, response["upgrade"], response["connection"], response["x"]) == (101, b"websocket", b"upgrade", b"y")
    assert await client.reader.readexactly(12) == b"hello EARLY "
    await asyncio.sleep(0.15)  # longer than timeouts.server, which does not count in a tunnel
    client.send(b"late")
    assert await client.reader.readexactly(4) == b"LATE"
    client.writer.write_eof()
    assert await client.ended() == b""


@in_lab
async def test_a_switch_that_nobody_asked_for_is_refused_RFC_9110_15_2_2(lab: Lab):
    await lab.serve(await lab.origin(lambda _request: b"HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\n"))
    assert (await (await lab.client()).get()).status == 502


@pytest.mark.parametrize(("mode", "sent"), [("append", b"10.0.0.1, 127.0.0.1"), ("replace", b"127.0.0.1"), ("none", b"10.0.0.1")])
@in_lab
async def test_servers_see_where_a_request_came_from_RFC_9110_7_6_3(lab: Lab, mode: str, sent: bytes):
    origin = await lab.origin()
    await lab.serve(origin, frontend={"forwarded_for": mode})
    await (await lab.client()).get("/", "X-Forwarded-For: 10.0.0.1", "Via: 1.0 x", "Connection: X-Hop", "X-Hop: 1")
    request = origin.requests[0]
    assert request["x-forwarded-for"] == sent
    assert request["via"] == b"1.0 x, 1.1 tandem"
    assert request["x-hop"] == request["connection"] == b""


@in_lab
async def test_the_first_route_that_matches_by_host_and_path_wins(lab: Lab):
    servers = {name: Server(name, "127.0.0.1", (await lab.origin(lambda _r, name=name: ok(name.encode()))).port) for name in ("app", "api", "img")}
    routes = (Route("img.example", backend="img"), Route(path_prefix="/api", backend="api"), Route("x.example", path_prefix="/img/", backend="img"))
    lab.apply(lab.document(lab.frontend(routes=routes), *(lab.backend(name, server) for name, server in servers.items())))
    client = await lab.client()
    wanted = [
        ("a", "/", b"app"),
        ("IMG.example:80", "/api", b"img"),
        ("a", "/api", b"api"),
        ("a", "/api?x", b"api"),
        ("a", "/api/x", b"api"),
        ("a", "/apix", b"app"),
        ("x.example", "/img/1", b"img"),
        ("x.example", "/img", b"app"),
    ]
    assert [(host, path, (await client.get(path, host=host)).body) for host, path, _name in wanted] == wanted
