"""Requests whose bodies are still on their way: answered early, refused, cut off, read slowly. Whose turn it is, and for how long."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket

import pytest

from tests.support.proxy_lab import Client, Lab, Origin, Request, in_lab, ok, read_chunks, reset, until

HEAD = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"


@in_lab
async def test_an_upload_that_the_server_answers_early_goes_on_while_bytes_flow_in_either_direction(lab: Lab):
    got = b""

    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal got
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n")
        while len(got) < 10:
            got += await reader.read(1)
        writer.write(b"4\r\nlate\r\n0\r\n\r\n")

    await lab.serve(await lab.origin(raw=raw), timeouts={"server_ms": 30_000}, frontend={"timeouts": {"client_ms": 30_000}})
    client = await lab.client()
    client.send(HEAD % 10)
    await client.reader.readuntil(b"early\r\n")
    for number in range(10):
        client.send(b"%d" % number)
        await until(lambda number=number: len(got) == number + 1)
        await lab.skip(25)
    assert await read_chunks(client.reader) == b"late"
    assert got == b"0123456789"


@in_lab
async def test_an_upload_that_is_answered_early_ends_when_both_sides_are_silent_for_longer_than_their_timeouts(lab: Lab):
    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n")
        await reader.read(-1)

    await lab.serve(await lab.origin(raw=raw), timeouts={"server_ms": 30_000}, frontend={"timeouts": {"client_ms": 10_000}, "access_log": "json"})
    client = await lab.client()
    client.send(HEAD % 10)
    await client.reader.readuntil(b"early\r\n")
    await lab.skip(29)
    assert lab.web["connections"] == 1
    await lab.skip(2)
    assert await client.reset() == b""
    assert "both sides" in json.loads(lab.lines[0])["problem"]


@in_lab
async def test_a_complete_answer_during_an_upload_does_not_end_it_RFC_9112_9_5(lab: Lab):
    seen: list[int] = []

    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = Request(await reader.readuntil(b"\r\n\r\n"), b"", 0)
            writer.write(ok(head.method))
            await writer.drain()
            seen.append(len(await reader.readexactly(int(head["content-length"] or 0))))

    origin = await lab.origin(raw=raw)
    await lab.serve(origin)
    client = await lab.client()
    client.send(HEAD % 400_000 + b"x" * 50_000)
    response = await client.response()
    assert (response.status, response["connection"]) == (200, b"")
    for _turn in range(7):
        await lab.skip(20)
        client.send(b"x" * 50_000)
    await until(lambda: seen == [400_000])
    assert (await client.get()).status == 200
    assert (origin.connections, lab.web["connections_total"]) == (1, 1)
    assert lab.web["requests"] == 2


@in_lab
async def test_the_rest_of_an_answered_upload_is_waited_for_no_longer_than_timeouts_client(lab: Lab):
    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ok())
        await reader.read(-1)

    await lab.serve(await lab.origin(raw=raw), frontend={"timeouts": {"client_ms": 10_000}, "access_log": "json"})
    client = await lab.client()
    client.send(HEAD % 10 + b"x")
    assert (await client.response()).status == 200
    await lab.skip(9)
    assert lab.web["connections"] == 1
    await lab.skip(2)
    assert await client.ended() == b""
    await until(lambda: not lab.app["sessions"])
    assert len(lab.lines) == 1


@in_lab
async def test_an_upload_whose_server_leaves_after_its_answer_is_read_to_its_end_and_the_client_goes_on(lab: Lab):
    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ok())
        await writer.drain()

    origin = await lab.origin(raw=raw)
    await lab.serve(origin)
    client = await lab.client()
    client.send(HEAD % 400_000 + b"x" * 1000)
    assert (await client.response()).status == 200
    await until(lambda: not lab.app["sessions"])
    client.send(b"x" * 399_000)
    assert (await client.get()).status == 200
    assert origin.connections == 2


@in_lab
async def test_a_client_that_waits_for_a_100_is_not_expected_to_send_its_body_after_a_final_answer(lab: Lab):
    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
        await reader.read(-1)

    await lab.serve(await lab.origin(raw=raw))
    client = await lab.client()
    client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    response = await client.response()
    assert (response.status, response["connection"]) == (401, b"close")
    assert await client.ended() == b""


@in_lab
async def test_a_client_that_is_still_sending_when_it_was_answered_is_read_on_while_bytes_come(lab: Lab):
    await lab.serve(frontend={"timeouts": {"client_ms": 10_000}})  # no server: 503 at once
    client = await lab.client()
    client.send(HEAD % 1_000_000)
    assert (await client.response()).status == 503
    for _turn in range(20):
        client.send(b"x" * 40_000)
        await lab.skip(9)
        assert lab.web["connections"] == 1
    await lab.skip(11)
    await until(lambda: lab.web["connections"] == 0)


@in_lab
async def test_a_client_that_never_stops_sending_after_its_answer_is_cut_off_in_the_end(lab: Lab):
    await lab.serve()
    client = await lab.client()
    client.send(HEAD % 1_000_000)
    assert (await client.response()).status == 503
    for _turn in range(16):
        with contextlib.suppress(ConnectionError):
            client.send(b"x")
            await client.writer.drain()
        await lab.skip(20)
    await until(lambda: lab.web["connections"] == 0)


@in_lab
async def test_an_answer_that_is_followed_by_a_reset_reaches_the_client_while_its_upload_goes_on(lab: Lab):
    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        await writer.drain()
        reset(writer)

    await lab.serve(await lab.origin(raw=raw))

    async def upload() -> int:
        client = await lab.client()
        client.send(HEAD % 3_000_000)
        sending = asyncio.ensure_future(send_all(client, 3_000_000))
        status = (await client.response()).status
        sending.cancel()
        return status

    assert {await upload() for _turn in range(60)} == {413}


async def send_all(client: Client, size: int) -> None:
    with contextlib.suppress(ConnectionError):
        for _turn in range(size // 10_000):
            client.send(b"x" * 10_000)
            await client.writer.drain()


@in_lab
async def test_a_client_that_reads_slowly_but_steadily_gets_all_of_its_answer(lab: Lab):
    size = 12 << 20
    await lab.serve(await lab.origin(lambda _request: ok(b"x" * size)), frontend={"timeouts": {"client_ms": 5000}})
    with socket.create_connection(("127.0.0.1", lab.port)) as sock:
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        got = 0
        while True:
            piece = await loop.sock_recv(sock, 200_000)
            got += len(piece)
            if not piece:
                break
            await lab.skip(0.8)
    assert got > size
    assert lab.web["responses_2xx"] == 1


@in_lab
async def test_a_client_that_stops_reading_is_cut_off_though_it_read_before(lab: Lab):
    await lab.serve(await lab.origin(lambda _request: ok(b"x" * (32 << 20))), frontend={"timeouts": {"client_ms": 1000}, "access_log": "json"})
    client = await lab.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await client.reader.readexactly(1_000_000)
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    for _turn in range(6):
        await lab.skip(1.1)
    await until(lambda: lab.lines)
    assert "does not read" in json.loads(lab.lines[0])["problem"]


@in_lab
async def test_a_server_that_takes_an_upload_slowly_but_steadily_has_its_time_again(lab: Lab):
    size, go_on = 8 << 20, asyncio.Event()

    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        left = size
        while left:
            await go_on.wait()
            left -= len(await reader.read(min(left, 60_000)))
        writer.write(ok())

    await lab.serve(await lab.origin(raw=raw), timeouts={"server_ms": 1000}, frontend={"timeouts": {"client_ms": 1000}})
    client = await lab.client()
    client.send(HEAD % size)
    sending = asyncio.ensure_future(send_in_time(client, size))
    await until(lambda: lab.web["bytes_in"] > 100_000)
    go_on.set()
    answer = asyncio.ensure_future(client.response())
    while not answer.done():
        await lab.skip(0.4)
    assert (await answer).status == 200
    await sending


async def send_in_time(client: Client, size: int) -> None:
    block = b"x" * 65536
    for _turn in range(size // len(block)):
        client.send(block)
        await client.writer.drain()


@pytest.mark.parametrize("framing", ["sized", "chunked"])
@in_lab
async def test_an_answer_that_began_before_the_client_left_in_its_upload_is_still_delivered(lab: Lab, framing: str):
    go_on = asyncio.Event()

    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        await reader.read(-1)
        await go_on.wait()
        writer.write(b"later")

    origin: Origin = await lab.origin(raw=raw)
    await lab.serve(origin)
    client = await lab.client()
    client.send(HEAD % 100 if framing == "sized" else b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    await client.reader.readuntil(b"first")
    client.writer.write_eof()
    await until(lambda: any(one.connection.read_ended for one in lab.connections()))
    go_on.set()
    assert await client.ended() == b"later"
