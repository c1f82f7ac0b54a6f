"""What clients are told when something is wrong: bad requests, servers that fail or are slow, and every timeout."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest

from tandem._model import Server
from tests.support.proxy_lab import Lab, in_lab, ok, until


def closed_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"\x16\x03\x01\0\0", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999999\r\n\r\n", 413),
        (b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", 417),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"y" * 70000, 431),
        (b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ],
)
@in_lab
async def test_a_bad_request_is_answered_and_never_passed_on(lab: Lab, raw: bytes, status: int):
    origin = await lab.origin()
    await lab.serve(origin)
    client = await lab.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + raw)
    assert (await client.response()).status == 200
    response = await client.response()
    assert (response.status, response["connection"]) == (status, b"close")
    assert await client.ended() == b""
    assert len(origin.requests) == 1
    assert lab.web["bad_requests"] == 1
    assert lab.web["bytes_out"] < 1000


@in_lab
async def test_a_request_hidden_behind_a_bad_one_is_not_passed_on_RFC_9112_11_2(lab: Lab):
    origin = await lab.origin()
    await lab.serve(origin)
    client = await lab.client()
    client.send(
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"
    )
    assert (await client.response()).status == 400
    assert await client.ended() == b""
    assert origin.requests == []


@in_lab
async def test_a_bad_chunk_ends_the_request_on_both_sides_RFC_9112_7_1(lab: Lab):
    got = b""

    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal got
        got = await reader.read(-1)

    await lab.serve(await lab.origin(raw=raw))
    client = await lab.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
    await until(lambda: lab.app["sessions"])
    client.send(b"zz\r\n\r\n0\r\n\r\n")
    assert (await client.response()).status == 400
    await until(lambda: got.endswith(b"2\r\nab\r\n"))


@in_lab
async def test_without_a_server_that_is_up_the_answer_is_503(lab: Lab):
    await lab.serve()
    assert (await (await lab.client()).get()).status == 503
    head = await (await lab.client()).get(method="HEAD")
    assert head.status == 503
    lab.apply(lab.document(lab.frontend(default_backend="")))
    assert (await (await lab.client()).get()).status == 503


@pytest.mark.parametrize("method", ["GET", "POST"])
@in_lab
async def test_a_server_that_refuses_connections_is_passed_over(lab: Lab, method: str):
    origin = await lab.origin()
    await lab.serve(Server("s1", "127.0.0.1", closed_port()), Server("s2", "127.0.0.1", origin.port), balance="first")
    client = await lab.client()
    for _turn in range(3):
        assert (await client.get(method=method, body=b"x")).status == 200
    assert lab.server("s1")["connect_errors"] == 3
    assert [request.body for request in origin.requests] == [b"x"] * 3


@in_lab
async def test_retries_stay_at_the_server_without_redispatch_and_end(lab: Lab):
    origin = await lab.origin()
    dead = Server("s1", "127.0.0.1", closed_port())
    await lab.serve(dead, Server("s2", "127.0.0.1", origin.port), balance="first", redispatch=False, max_retries=2)
    assert (await (await lab.client()).get()).status == 503
    assert lab.server("s1")["connect_errors"] == 3
    assert lab.server("s1")["retries"] == 2
    assert origin.connections == 0
    await lab.serve(dead, Server("s2", "127.0.0.1", origin.port), balance="first", max_retries=0)
    assert (await (await lab.client()).get()).status == 503


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
        b"HTTP/1.1 200 OK\r\nContent-Le",
    ],
)
@in_lab
async def test_a_bad_answer_is_502(lab: Lab, answer: bytes):
    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    await lab.serve(await lab.origin(raw=raw))
    response = await (await lab.client()).get()
    assert (response.status, response["connection"]) == (502, b"close")
    assert lab.server()["response_errors"] == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
    ],
)
@in_lab
async def test_half_an_answer_is_broken_off_with_a_reset_RFC_9112_8(lab: Lab, answer: bytes):
    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer[:-4])
        await asyncio.sleep(0.05)
        writer.write(answer[-4:])

    await lab.serve(await lab.origin(raw=raw), frontend={"access_log": "json"})
    client = await lab.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await client.reset()).startswith(b"HTTP/1.1 200 OK")
    assert len(lab.lines) == 1


@in_lab
async def test_more_than_was_promised_is_nobodys_answer(lab: Lab):
    origin = await lab.origin(lambda _request: ok(b"abc") + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    await lab.serve(origin)
    client = await lab.client()
    for _turn in range(3):
        assert (await client.get()).body == b"abc"
    assert origin.connections == 3


@in_lab
async def test_a_body_that_goes_bad_after_the_answer_has_begun_breaks_it_off_RFC_9112_8(lab: Lab):
    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbeginning")
        await reader.read(-1)

    await lab.serve(await lab.origin(raw=raw), frontend={"access_log": "json"})
    client = await lab.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    await client.reader.readuntil(b"beginning")
    client.send(b"XYZ\r\n")
    assert await client.reset() == b""
    assert (lab.web["responses_2xx"], lab.web["responses_4xx"], lab.web["bad_requests"]) == (1, 0, 1)
    (line,) = [json.loads(line) for line in lab.lines]
    assert (line["status"], "chunk" in line["problem"]) == (200, True), line


# Timeouts


@in_lab
async def test_timeouts_request_ends_a_slow_head_with_408(lab: Lab):
    await lab.serve(frontend={"timeouts": {"request_ms": 100}})
    client = await lab.client()
    for byte in b"GET / HTTP/1.1\r\nX":
        client.send(bytes([byte]))
        await asyncio.sleep(0.01)
    assert (await client.response()).status == 408
    assert await client.ended() == b""
    silent = await lab.client()
    assert await silent.ended() == b""


@in_lab
async def test_timeouts_keepalive_closes_an_idle_client_without_a_word(lab: Lab):
    await lab.serve(await lab.origin(), frontend={"timeouts": {"keepalive_ms": 50}})
    client = await lab.client()
    await client.get()
    assert await client.ended(1) == b""


@in_lab
async def test_timeouts_client_ends_a_body_that_stops_with_408(lab: Lab):
    await lab.serve(await lab.origin(), frontend={"timeouts": {"client_ms": 50}})
    client = await lab.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
    assert (await client.response()).status == 408


@in_lab
async def test_timeouts_client_ends_a_client_that_does_not_read(lab: Lab):
    body = b"x" * (32 << 20)
    await lab.serve(await lab.origin(lambda _request: ok(body)), frontend={"timeouts": {"client_ms": 100}, "access_log": "json"})
    client = await lab.client()
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: lab.lines)
    assert "does not read" in lab.lines[0]


@in_lab
async def test_timeouts_server_is_504_before_an_answer_and_a_reset_within_one(lab: Lab):
    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"/half" in await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await reader.read(-1)

    origin = await lab.origin(raw=raw)
    await lab.serve(origin, timeouts={"server_ms": 60})
    assert (await (await lab.client()).get()).status == 504
    assert origin.connections == 1  # it may have been carried out: it is not sent again
    client = await lab.client()
    client.send(b"GET /half HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await client.reset()).endswith(b"half")


@in_lab
async def test_timeouts_server_counts_while_the_server_does_not_take_the_body(lab: Lab):
    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(10)

    await lab.serve(await lab.origin(raw=raw), timeouts={"server_ms": 100}, frontend={"timeouts": {"client_ms": 5000}})
    client = await lab.client()
    client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n" + b"x" * (48 << 20))
    assert (await client.response()).status == 504


@in_lab
async def test_timeouts_connect_is_503_after_all_retries(lab: Lab):
    # A full accept queue: the kernel drops further connection attempts.
    with socket.socket() as full, socket.socket() as filler, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for sock in (filler, second):
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        port = full.getsockname()[1]
        await lab.serve(Server("s1", "127.0.0.1", port), timeouts={"connect_ms": 50}, max_retries=1)
        response = await (await lab.client()).get()
    assert response.status == 503
    assert lab.server()["connect_errors"] == 2


@in_lab
async def test_timeouts_tunnel_ends_a_silent_tunnel(lab: Lab):
    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
        await reader.read(-1)

    await lab.serve(await lab.origin(raw=raw), timeouts={"tunnel_ms": 50}, frontend={"upgrades": ("x",)})
    client = await lab.client()
    assert (await client.get("/", "Connection: upgrade", "Upgrade: x")).status == 101
    assert await client.reset() == b""
    assert lab.server()["response_errors"] == 0


@in_lab
async def test_a_request_that_must_not_be_sent_twice_takes_no_connection_that_the_server_is_about_to_close(lab: Lab):
    """In the very moment in which a server closes a connection that lies idle, a request can be lost on it."""
    origin = await lab.origin()
    await lab.serve(origin)
    client = await lab.client()
    await client.get()
    await lab.skip(0.8)
    origin.hang_up()
    server = lab.engine._backends["lb/app"].servers["s1"]
    await until(lambda: 0.8 <= server.keeps_s < 1.6)
    await client.get()
    await lab.skip(0.1)
    await client.get(method="POST")
    assert origin.connections == 2
    await lab.skip(0.9)
    await client.get(method="POST")
    assert origin.connections == 3, "more than half of what it keeps them"
    await lab.skip(0.9)
    await client.get()
    assert origin.connections == 3, "this one may be sent again"


@in_lab
async def test_a_server_that_turns_out_to_keep_connections_longer_has_them_used_again(lab: Lab):
    origin = await lab.origin()
    await lab.serve(origin)
    client = await lab.client()
    await client.get()
    server = lab.engine._backends["lb/app"].servers["s1"]
    server.keeps_s = 0.001
    for _turn in range(3):
        await lab.skip(0.4)
        await client.get(method="POST")
    assert server.keeps_s >= 0.4
    before = origin.connections
    await client.get(method="POST")
    assert origin.connections == before


@in_lab
async def test_the_access_log_says_why_a_client_that_had_ended_its_side_got_an_error(lab: Lab):
    async def gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    await lab.serve(await lab.origin(raw=gone), frontend={"access_log": "json"})
    client = await lab.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
    client.writer.write_eof()
    assert (await client.response()).status == 502
    await until(lambda: lab.lines)
    assert json.loads(lab.lines[0])["problem"] == "the server closed the connection without an answer"


@in_lab
async def test_the_access_log_counts_what_a_tunnel_had_passed_when_it_was_broken_off(lab: Lab):
    async def switch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n" + b"y" * 100_000)
        await reader.read(-1)

    await lab.serve(await lab.origin(raw=switch), frontend={"access_log": "json"}, on_marked_down="shutdown_sessions")
    client = await lab.client()
    assert (await client.get("/", "Connection: upgrade", "Upgrade: websocket")).status == 101
    await client.reader.readexactly(100_000)
    lab.engine.set_states({"lb/app": {"s1": "maint"}})
    await client.reset()
    line = json.loads(lab.lines[0])
    assert line["bytes"] > 100_000
    assert line["problem"] == "its server is in maintenance"
