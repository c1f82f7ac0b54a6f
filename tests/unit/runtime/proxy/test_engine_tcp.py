"""TCP through the engine: bytes both ways, ends and resets as they are."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import re
import socket
from collections.abc import Callable

from tandem._model import Server
from tests.support.proxy_lab import Client, Lab, in_lab, reset, until


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def serve(lab: Lab, *origins: object, **backend: object) -> None:
    await lab.serve(*origins, protocol="tcp", frontend={"protocol": "tcp"}, **backend)  # type: ignore[arg-type]


@in_lab
async def test_bytes_pass_both_ways_unchanged(lab: Lab):
    await serve(lab, await lab.origin(raw=echo))
    client = await lab.client()
    block = bytes(range(256)) * 256
    got = hashlib.md5()

    async def read() -> None:
        for _turn in range(400):
            got.update(await client.reader.readexactly(len(block)))

    reading = asyncio.ensure_future(read())
    for _turn in range(400):
        client.send(block)
        await client.writer.drain()
    await reading
    assert got.digest() == hashlib.md5(block * 400).digest()
    assert lab.web["bytes_in"] == lab.web["bytes_out"] == 400 * len(block)


@in_lab
async def test_the_server_may_speak_first(lab: Lab):
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        await reader.read(-1)

    await serve(lab, await lab.origin(raw=greet))
    client = await lab.client()
    assert await client.reader.readexactly(11) == b"220 ready\r\n"


@in_lab
async def test_an_end_from_the_client_leaves_the_other_direction_open(lab: Lab):
    async def later(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.read(-1)
        await asyncio.sleep(0.05)
        writer.write(data.upper())

    await serve(lab, await lab.origin(raw=later))
    client = await lab.client()
    client.send(b"question")
    client.writer.write_eof()
    assert await client.ended() == b"QUESTION"
    await until(lambda: lab.web["connections"] == 0)


@in_lab
async def test_an_end_from_the_server_leaves_the_other_direction_open(lab: Lab):
    got = b""

    async def first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal got
        writer.write(b"that is all")
        writer.write_eof()
        got = await reader.read(-1)

    await serve(lab, await lab.origin(raw=first))
    client = await lab.client()
    assert await client.ended() == b"that is all"
    client.send(b"thanks")
    client.writer.write_eof()
    await until(lambda: got == b"thanks")
    await until(lambda: lab.web["connections"] == 0)


@in_lab
async def test_a_reset_by_the_server_is_a_reset_for_the_client(lab: Lab):
    origin = await lab.origin(raw=echo)
    await serve(lab, origin)
    client = await lab.client()
    client.send(b"x")
    await client.reader.readexactly(1)
    reset(origin.writers[0])
    assert await client.reset() == b""


@in_lab
async def test_a_reset_by_the_client_is_a_reset_for_the_server(lab: Lab):
    how = ""

    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal how
        try:
            await reader.read(-1)
            how = "end"
        except ConnectionResetError:
            how = "reset"

    await serve(lab, await lab.origin(raw=raw))
    client = await lab.client()
    client.send(b"x")
    await until(lambda: lab.web["bytes_in"] == 1)
    reset(client.writer)
    await until(lambda: how)
    assert how == "reset"


async def turned_away(lab: Lab) -> None:
    """A client that is reset, perhaps before it has seen that it was connected."""
    with contextlib.suppress(ConnectionResetError):
        assert await (await lab.client()).reset() == b""
    await until(lambda: lab.web["connections"] == 0)


@in_lab
async def test_a_client_is_turned_away_with_a_reset_when_no_server_is_up(lab: Lab):
    await serve(lab)
    await turned_away(lab)
    assert lab.web["refused"] == 1
    assert "no server is up" in lab.warnings[0]


@in_lab
async def test_a_server_that_refuses_is_passed_over(lab: Lab):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    origin = await lab.origin(raw=echo)
    await serve(lab, Server("s1", "127.0.0.1", port), Server("s2", "127.0.0.1", origin.port), balance="first")
    client = await lab.client()
    client.send(b"x")
    assert await client.reader.readexactly(1) == b"x"
    assert lab.server("s1")["connect_errors"] == 1


@in_lab
async def test_silence_in_both_directions_ends_a_session_after_timeouts_tunnel(lab: Lab):
    await serve(lab, await lab.origin(raw=echo), timeouts={"tunnel_ms": 150})
    client = await lab.client()
    for _turn in range(4):
        client.send(b"x")
        assert await client.reader.readexactly(1) == b"x"
        await asyncio.sleep(0.06)
    assert await client.reset() == b""


@in_lab
async def test_a_server_that_does_not_read_stops_its_client(lab: Lab):
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(10)

    origin = await lab.origin(raw=deaf)
    await serve(lab, origin)
    client = await lab.client()
    block, last, still = b"x" * 65536, -1, 0
    while still < 20:
        if client.writer.transport.get_write_buffer_size() < 1 << 20:
            client.send(block)
        await asyncio.sleep(0.005)
        now = lab.web["bytes_in"]
        still = still + 1 if now == last else 0
        last = now
    (client_,) = lab.connections()
    assert len(client_._tunnel._server._unsent) < 1 << 20
    reset(origin.writers[0])


@in_lab
async def test_least_connections_spreads_sessions(lab: Lab):
    origins = [await lab.origin(raw=echo) for _turn in range(3)]
    await serve(lab, *origins, balance="leastconn")
    clients: list[Client] = []
    for _turn in range(9):
        client = await lab.client()
        client.send(b"x")
        await client.reader.readexactly(1)
        clients.append(client)
    assert [origin.connections for origin in origins] == [3, 3, 3]


@in_lab
async def test_a_session_waits_for_a_free_server(lab: Lab):
    await serve(lab, await lab.origin(raw=echo), max_connections=1)
    first, second = await lab.client(), await lab.client()
    first.send(b"1")
    await first.reader.readexactly(1)
    second.send(b"2")
    await until(lambda: lab.app["queue"] == 1)
    first.writer.close()
    assert await second.reader.readexactly(1) == b"2"


# The access log


async def serve_logged(lab: Lab, *origins: object, **backend: object) -> None:
    await lab.serve(*origins, protocol="tcp", frontend={"protocol": "tcp", "access_log": "json"}, **backend)  # type: ignore[arg-type]


@in_lab
async def test_every_session_leaves_one_line_in_the_access_log_when_it_ends(lab: Lab):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    origin = await lab.origin(raw=echo)
    await serve_logged(lab, Server("s1", "127.0.0.1", port), Server("s2", "127.0.0.1", origin.port), balance="first")
    client = await lab.client()
    client.send(b"question")
    assert await client.reader.readexactly(8) == b"question"
    assert lab.lines == []
    client.writer.close()
    await until(lambda: lab.lines)
    (line,) = [json.loads(line) for line in lab.lines]
    assert 0 <= line.pop("connect_ms") <= line.pop("duration_ms") < 5000
    assert line.pop("client_port") > 0
    assert line == {
        "time": "1970-01-01T00:00:00.000Z",
        "client": "127.0.0.1",
        "frontend": "lb/web",
        "backend": "lb/app",
        "server": "s2",
        "bytes_in": 8,
        "bytes_out": 8,
        "queue_ms": 0.0,
        "retries": 1,
        "problem": "",
    }


@in_lab
async def test_a_session_leaves_a_line_as_haproxys_tcplog_where_that_is_wanted(lab: Lab):
    origin = await lab.origin(raw=echo)
    await lab.serve(origin, protocol="tcp", frontend={"protocol": "tcp", "access_log": "haproxy"})
    client = await lab.client()
    client.send(b"question")
    assert await client.reader.readexactly(8) == b"question"
    client.writer.close()
    await until(lambda: lab.lines)
    (line,) = lab.lines
    who, moment, frontend, server, times, rest = line.split(" ", 5)
    port = client.writer.get_extra_info("sockname")[1]
    assert (who, frontend, server, rest) == (f"127.0.0.1:{port}", "web", "app/s1", "8 -- 1/1/1/1/0 0/0")
    assert re.fullmatch(r"0/\d+/\d+", times)
    assert moment.startswith("[")


@in_lab
async def test_a_session_that_did_not_end_in_order_is_logged_with_the_reason(lab: Lab):
    origin = await lab.origin(raw=echo)

    async def problem(how: Callable[[Client], None]) -> tuple[str, str]:
        client = await lab.client()
        client.send(b"x")
        await client.reader.readexactly(1)
        how(client)
        await until(lambda: lab.lines)
        line = json.loads(lab.lines.pop())
        return line["server"], line["problem"]

    await serve_logged(lab, origin)
    assert await problem(lambda client: reset(client.writer)) == ("s1", "the client broke the connection off")
    assert await problem(lambda client: reset(origin.writers[-1])) == ("s1", "the server broke the connection off")
    await serve_logged(lab, origin, timeouts={"tunnel_ms": 50})
    assert await problem(lambda client: None) == ("s1", "timeouts.tunnel")
    await serve_logged(lab)
    await turned_away(lab)
    line = json.loads(lab.lines.pop())
    assert (line["server"], line["backend"], line["problem"]) == ("", "lb/app", "no server is up")
    assert lab.lines == []


@in_lab
async def test_a_client_that_leaves_while_it_waits_is_logged(lab: Lab):
    await serve_logged(lab, await lab.origin(raw=echo), max_connections=1)
    first, second = await lab.client(), await lab.client()
    await until(lambda: lab.app["queue"] == 1)
    reset(second.writer)
    await until(lambda: lab.lines)
    assert json.loads(lab.lines[0])["problem"] == "the client left before there was a server"
    first.writer.close()
    await until(lambda: len(lab.lines) == 2)


@in_lab
async def test_a_session_whose_server_has_ended_does_not_wait_an_hour_for_a_client_that_has_vanished(lab: Lab):
    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")
        writer.write_eof()
        await reader.read(-1)

    await serve(lab, await lab.origin(raw=raw))
    client = await lab.client()
    assert await client.reader.read(-1) == b"bye"
    await lab.skip(55)
    client.send(b"still here")
    await until(lambda: lab.web["bytes_in"] == 10)
    await lab.skip(55)
    assert lab.web["connections"] == 1
    await lab.skip(6)
    await until(lambda: lab.web["connections"] == 0 and not lab.app["sessions"])


@in_lab
async def test_a_session_with_both_sides_open_is_silent_for_as_long_as_timeouts_tunnel_says(lab: Lab):
    await serve(lab, await lab.origin(raw=echo), timeouts={"tunnel_ms": 600_000})
    client = await lab.client()
    await until(lambda: lab.app["sessions"])
    await lab.skip(599)
    client.send(b"x")
    assert await client.reader.readexactly(1) == b"x"
    await lab.skip(601)
    await until(lambda: lab.web["connections"] == 0)
