"""How bytes flow through the engine: back-pressure with bounded memory, and the same meaning in whatever pieces they come."""

from __future__ import annotations

import asyncio
import hashlib
import random
import socket

from tests.support.proxy_lab import Client, Lab, Request, in_lab, ok, read_chunks, until

# More than the kernel itself holds on the way: at each end of two connections as much as tcp_rmem and tcp_wmem allow, 32 and 4 MiB as a rule.
GIGANTIC_BYTES = 96 << 20


@in_lab
async def test_a_body_of_a_gigantic_response_is_not_gathered_for_a_slow_client(lab: Lab):
    size, written = GIGANTIC_BYTES, 0
    block = bytes(range(256)) * 256

    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            for _turn in range(size // len(block)):
                writer.write(block)
                await writer.drain()
                written += len(block)

    origin = await lab.origin(raw=raw)
    await lab.serve(origin)
    client = await lab.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await client.reader.readuntil(b"\r\n\r\n")
    await stalled(lambda: written)
    assert written < size
    (session,) = lab.connections()
    assert len(session.connection._unsent) < 1 << 20
    wanted, got = hashlib.md5(), hashlib.md5()
    for _turn in range(size // len(block)):
        wanted.update(block)
        got.update(await client.reader.readexactly(len(block)))
    assert wanted.digest() == got.digest()
    # The connection to the server went to the pool while reading from it may have been paused; it is used again.
    other = await lab.client()
    other.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    await other.reader.readuntil(b"\r\n\r\n")
    assert len(await other.ended(10)) == size
    assert origin.connections == 1


@in_lab
async def test_a_gigantic_request_is_not_gathered_for_a_slow_server(lab: Lab):
    size, start = GIGANTIC_BYTES, asyncio.Event()

    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if b"PUT" in head:
                await start.wait()
                got = hashlib.md5()
                for _turn in range(size // 65536):
                    got.update(await reader.readexactly(65536))
                writer.write(ok(got.hexdigest().encode()))
            else:
                writer.write(ok())

    await lab.serve(await lab.origin(raw=raw))
    client = await lab.client()
    block = bytes(range(256)) * 256
    client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)

    async def upload() -> None:
        for _turn in range(size // len(block)):
            client.send(block)
            await client.writer.drain()

    sending = asyncio.ensure_future(upload())
    await stalled(lambda: lab.web["bytes_in"])
    assert lab.web["bytes_in"] < size
    start.set()
    await sending
    assert (await client.response()).body == hashlib.md5(block * (size // len(block))).hexdigest().encode()
    assert (await client.get()).status == 200


async def stalled(measure) -> None:
    """Waits until a number that grows has begun to and has stopped for a fifth of a second."""
    loop = asyncio.get_running_loop()
    last, since = 0, loop.time()
    while last == 0 or loop.time() - since < 0.2:
        now = measure()
        if now != last:
            last, since = now, loop.time()
        await asyncio.sleep(0.01)


@in_lab
async def test_requests_mean_the_same_in_whatever_pieces_they_come(lab: Lab):
    async def answer(request: Request) -> bytes:
        if request.method == b"GET":
            return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        return ok(request.method + request.target + request.body)

    await lab.serve(await lab.origin(answer))
    stream = (
        b"\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n"
        b"PUT /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\n"
        b"POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nCookie: x=y\r\n\r\nfour"
        b"DELETE /d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    draw = random.Random(20)
    wanted = await exchanged(await lab.client(), [stream])
    assert b"PUT/babcde" in wanted
    assert b"POST/cfour" in wanted
    for round_ in range(25):
        cuts = sorted(draw.sample(range(1, len(stream)), draw.randrange(1, 40)))
        pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)])]
        assert await exchanged(await lab.client(), pieces) == wanted, (round_, pieces)


async def exchanged(client: Client, pieces: list[bytes]) -> bytes:
    for piece in pieces:
        client.send(piece)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    return await client.ended()


@in_lab
async def test_responses_mean_the_same_in_whatever_pieces_they_come(lab: Lab):
    draw = random.Random(21)
    chunked = b"HTTP/1.1 200 OK\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\n"

    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := Request(await reader.readuntil(b"\r\n\r\n"), b"", 0):
            stream = chunked if request.target == b"/chunked" else ok(b"abcde", b"X: y")
            cuts = sorted(draw.sample(range(1, len(stream)), draw.randrange(1, 12)))
            for a, b in zip([0, *cuts], [*cuts, len(stream)]):
                writer.write(stream[a:b])
                await asyncio.sleep(0)
                await asyncio.sleep(0)

    origin = await lab.origin(raw=raw)
    await lab.serve(origin)
    client = await lab.client()
    for _turn in range(50):
        for target in ("/chunked", "/sized"):
            response = await client.get(target)
            assert (response.status, response["x"], response.body) == (200, b"y", b"abcde")
    assert origin.connections == 1


@in_lab
async def test_chunks_reach_the_client_as_they_come(lab: Lab):
    go_on = asyncio.Event()

    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await go_on.wait()
        writer.write(b"0\r\n\r\n")

    await lab.serve(await lab.origin(raw=raw))
    client = await lab.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await client.reader.readuntil(b"\r\n\r\n")
    assert await client.reader.readexactly(8) == b"3\r\nabc\r\n"
    go_on.set()
    assert await read_chunks(client.reader) == b""


@in_lab
async def test_requests_sent_ahead_of_their_turn_are_not_gathered(lab: Lab):
    most, count = 0, 200_000

    async def answer(request: Request) -> bytes:
        nonlocal most
        most = max([most, *(one._ahead_bytes for one in lab.connections())])
        await asyncio.sleep(0)
        return ok()

    await lab.serve(await lab.origin(answer))
    client = await lab.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * count)  # 5 MB
    for _turn in range(1000):
        assert (await client.response()).status == 200
    assert 0 < most <= 65536 + 262144


@in_lab
async def test_reading_goes_on_after_what_was_held_turned_out_to_be_empty_lines(lab: Lab):
    go_on = asyncio.Event()

    async def answer(request: Request) -> bytes:
        await go_on.wait()
        return ok()

    origin = await lab.origin(answer)
    await lab.serve(origin)
    client = await lab.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: origin.requests)
    client.send(b"\r\n" * 40_000)
    await until(lambda: [one._ahead_bytes >= 65536 for one in lab.connections()] == [True])
    go_on.set()
    assert (await client.response()).status == 200
    assert (await asyncio.wait_for(client.get(), 5)).status == 200


@in_lab
async def test_interim_answers_to_a_client_that_does_not_read_are_not_kept(lab: Lab):
    hint = b"HTTP/1.1 103 Early Hints\r\n" + (b"Link: " + b"x" * 8000 + b"\r\n") * 6 + b"\r\n"

    async def hints(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.set_write_buffer_limits(1 << 16)
        for _turn in range(99):
            writer.write(hint)
            await writer.drain()
        writer.write(ok(b"done"))

    lab.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)  # of those that it accepts, too
    await lab.serve(await lab.origin(raw=hints))
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", lab.port))
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: lab.connections() and lab.connections()[0].blocked and not lab.connections()[0].exchange.connection._reading)
        kept = [len(served.connection._unsent) for served in lab.connections()]
        assert kept[0] < 2 * 65536 + len(hint), kept
        sock.setblocking(False)
        got = b""
        while not got.endswith(b"\r\n\r\ndone"):
            got += await asyncio.get_running_loop().sock_recv(sock, 1 << 20)
        assert got.count(b"103 Early Hints") == 99


@in_lab
async def test_a_server_that_gives_interim_answers_for_ever_has_failed(lab: Lab):
    async def hints(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 101)
        await reader.read(-1)

    await lab.serve(await lab.origin(raw=hints))
    client = await lab.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    seen = [(await client.response()).status for _turn in range(101)]
    assert seen == [103] * 100 + [502]
