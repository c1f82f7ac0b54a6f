"""Bytes that stay in the kernel, on real sockets: whole bodies, slow readers, ends in the middle, and kernels that do not splice."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket

import pytest

from tandem.proxy import pipe as pipe_module
from tandem.proxy.pipe import PIPE_BYTES, Pipe
from tests.support.proxy_lab import Lab, Request, in_lab, ok, reset, until

BODY = os.urandom(1 << 16) * 3 + os.urandom(5_000_001)
SPLICES = hasattr(os, "splice")  # from Python 3.10 on; everything else here holds without


@pytest.fixture
def pairs():
    """Two connections; what the first sends is to be passed on by the second."""
    made = [*socket.socketpair(), *socket.socketpair()]
    for sock in made:
        sock.setblocking(False)
    yield made
    for sock in made:
        sock.close()


@pytest.mark.parametrize("size", [1, 70_000])
def test_what_a_socket_has_goes_to_another_as_it_is(pairs, size):
    source, ours, theirs, target = pairs
    pipe = Pipe()
    if not SPLICES:
        assert not pipe.works
        return
    source.sendall(BODY[:size])
    pipe.fill(ours.fileno(), PIPE_BYTES)
    assert len(pipe) == size
    assert pipe.send_to(theirs.fileno()) == size
    assert target.recv(size * 2) == BODY[:size]
    with pytest.raises(BlockingIOError):
        pipe.fill(ours.fileno(), PIPE_BYTES)
    source.close()
    pipe.fill(ours.fileno(), PIPE_BYTES)
    assert not pipe, "the end"
    pipe.close()


def test_a_kernel_that_refuses_is_not_asked_again_and_a_broken_connection_is_told(pairs, monkeypatch):
    def refused(error):
        def splice(*_arguments, **_options):
            raise OSError(error, os.strerror(error))

        return splice

    for error in (errno.EPERM, errno.ENOSYS, errno.EINVAL):
        monkeypatch.setattr(pipe_module, "_splice", refused(error))
        pipe = Pipe()
        with pytest.raises(BlockingIOError):
            pipe.fill(pairs[1].fileno(), 1)
        assert not pipe.works
        pipe.close()
    monkeypatch.setattr(pipe_module, "_splice", refused(errno.ECONNRESET))
    pipe = Pipe()
    with pytest.raises(ConnectionResetError):
        pipe.fill(pairs[1].fileno(), 1)
    assert pipe.works
    pipe.close()


@in_lab
async def test_where_no_descriptors_are_left_for_a_pipe_bodies_pass_without_one(lab: Lab, monkeypatch):
    def none_left(_flags):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    await lab.serve(await lab.origin(lambda _request: ok(BODY)))
    client = await lab.client()
    monkeypatch.setattr(os, "pipe2", none_left)
    assert (await client.get()).body == BODY
    assert not lab.engine._engine.context.pipe.works


@pytest.mark.parametrize("protocol", ["http", "tcp"])
@pytest.mark.parametrize("works", [True, False])
@in_lab
async def test_large_bodies_pass_whole_to_who_reads_at_once_and_to_who_does_not(lab: Lab, protocol: str, works: bool):
    await lab.serve(await lab.origin(lambda _request: ok(BODY)), frontend={"protocol": protocol}, protocol=protocol)
    pipe = lab.engine._engine.context.pipe
    pipe.works = works and SPLICES
    for waits_s in (0, 0.1):
        client = await lab.client()
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(waits_s)
        assert (await client.response()).body == BODY
        assert (await client.get()).body == BODY
    assert bool(pipe._ends) is pipe.works, "it was used"


@in_lab
async def test_what_a_client_that_has_left_did_not_take_is_nobody_elses(lab: Lab):
    bodies = {b"/a": b"a" * 6_000_000, b"/b": b"b" * 6_000_000}

    def answer(request: Request) -> bytes:
        return ok(bodies[request.target])

    await lab.serve(await lab.origin(answer))
    for _turn in range(5):
        leaving, staying = await lab.client(), await lab.client()
        leaving.send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        await leaving.reader.readexactly(200_000)
        staying.send(b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n")
        await staying.reader.readuntil(b"\r\n\r\n")
        reset(leaving.writer)
        assert await staying.reader.readexactly(6_000_000) == bodies[b"/b"]
    await until(lambda: lab.web["connections"] == 5)


@in_lab
async def test_bytes_beyond_a_body_are_not_passed_on_and_a_body_that_breaks_off_is_told(lab: Lab):
    ends = [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", None]

    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        beyond = ends.pop(0)
        writer.write(ok(BODY) + beyond if beyond else ok(BODY)[:-1])
        with contextlib.suppress(ConnectionError):
            await writer.drain()

    await lab.serve(await lab.origin(raw=raw))
    client = await lab.client()
    assert (await client.get()).body == BODY
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    came = (await client.reset()).partition(b"\r\n\r\n")[2]  # a reset may overtake some of it
    assert len(came) < len(BODY)
    assert BODY.startswith(came)
    assert lab.server()["response_errors"] == 1


@in_lab
async def test_no_more_than_one_read_is_kept_of_a_body_that_is_read_slowly(lab: Lab):
    await lab.serve(await lab.origin(lambda _request: ok(bytes(30_000_000))))
    client = await lab.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    kept = []
    for _turn in range(60):
        await client.reader.readexactly(100_000)
        await asyncio.sleep(0.002)
        (connection,) = lab.connections()
        kept.append(len(connection.connection._unsent))
    assert 0 < max(kept) <= PIPE_BYTES
