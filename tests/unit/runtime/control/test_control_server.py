"""The control server on its real socket: who may connect, whose place it takes, and what requests that are none get."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat

import pytest

from tandem._client import Client, Refused
from tandem._paths import Paths, socket_address
from tandem.control import ControlServer, Refusal, server


async def ask(path, content, then_close=False):
    """(status, body) of the answer to these bytes; None where the connection ends without one."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(content)
    if then_close:
        writer.write_eof()
    answer = b""
    with contextlib.suppress(ConnectionError):
        while piece := await asyncio.wait_for(reader.read(65536), 5):
            answer += piece
    writer.close()
    if not answer:
        return None
    head, _blank, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), json.loads(body)


async def echo(body):
    return {"got": body}


async def refuse(_body):
    raise Refusal("not now", ("one", "two"))


async def fail(_body):
    raise KeyError("a mistake of ours")


async def count(_body):
    async def lines():
        for number in range(3):
            yield {"line": number}

    return lines()


ROUTES = {"POST /echo": echo, "GET /refuse": refuse, "GET /fail": fail, "GET /count": count}


def served(path, scenario):
    """Runs a scenario beside a server; the loop's own complaints fail the test."""
    complaints = []

    async def run():
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
        control = ControlServer(path, ROUTES)
        await control.start()
        try:
            await asyncio.wait_for(scenario(), 20)
        finally:
            await control.stop()

    asyncio.run(run())
    assert complaints == []


def post(body, length=None, target="/echo"):
    return b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %b\r\n\r\n%b" % (target.encode(), str(length or len(body)).encode(), body)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "proxy.sock"


BAD = {
    "garbage": (b"\x00\xff\xfe garbage\r\n\r\n", 400, "no HTTP/1.1 request"),
    "another protocol": (b"GET / SPDY/3\r\n\r\n", 400, "no HTTP/1.1 request"),
    "an unknown target": (b"GET /v9/x HTTP/1.1\r\n\r\n", 404, "known are GET /count, GET /fail, GET /refuse, POST /echo"),
    "another method": (b"DELETE /echo HTTP/1.1\r\n\r\n", 404, "no such request"),
    "a head too large": (b"GET /count HTTP/1.1\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", 413, "at most 16384 bytes"),
    "a body too large": (post(b"", 2_000_000), 413, "at most 1048576 bytes"),
    "a length beyond words": (post(b"", "9" * 5000), 413, "at most 1048576 bytes"),
    "a length that is none": (post(b"", "-1"), 400, "no number"),
    "half a head": (b"GET /count HTT", 400, "ends before it is complete"),
    "half a body": (post(b'{"a"', 100), 400, "ends before it is complete"),
    "a body that is no JSON": (post(b"{nonsense}"), 400, "not a JSON object"),
    "a body that is no object": (post(b"[1]"), 400, "not a JSON object"),
    "a body that is no text": (post(b"\xff\xfe\x00"), 400, "not a JSON object"),
    "a body nested too deep": (post(b"[" * 500_000), 400, "not a JSON object"),
    "a mistake of the program": (b"GET /fail HTTP/1.1\r\n\r\n", 500, "an error of the program (KeyError"),
}


def test_what_is_no_request_gets_an_error_in_json_and_hurts_nobody(path, capfd):
    async def scenario():
        for case, (content, status, words) in BAD.items():
            got = await ask(path, content, then_close="half" in case)
            assert got is not None, case
            assert got[0] == status, case
            assert set(got[1]["error"]) == {"message", "problems"}, case
            assert words in got[1]["error"]["message"], case
            assert await ask(path, post(b'{"a": 1}')) == (200, {"got": {"a": 1}})
        assert await ask(path, b"", then_close=True) is None
        assert await ask(path, b"GET /refuse HTTP/1.1\r\n\r\n") == (409, {"error": {"message": "not now", "problems": ["one", "two"]}})
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"GET /count HTTP/1.1\r\n\r\n")
        assert (await reader.read(-1)).partition(b"\r\n\r\n")[2] == b'{"line": 0}\n{"line": 1}\n{"line": 2}\n'
        writer.close()

    served(path, scenario)
    assert capfd.readouterr().err.count("Traceback") == 1  # of the mistake, for the log


def test_clients_that_leave_or_dawdle_or_come_in_crowds_hold_up_nobody(path, monkeypatch):
    monkeypatch.setattr(server, "_REQUEST_S_MAX", 0.3)
    monkeypatch.setattr(server, "_CLIENTS_MAX", 20)

    async def scenario():
        dawdling = [asyncio.ensure_future(ask(path, post(b'{"a"', 100)[: 10 + 10 * number])) for number in range(6)]
        for _client in range(50):
            _reader, writer = await asyncio.open_unix_connection(str(path))
            writer.write(post(b'{"a": 1}'))
            writer.transport.abort()
        assert await ask(path, post(b'{"a": 1}')) == (200, {"got": {"a": 1}})
        assert {(await answer)[0] for answer in dawdling} == {408}
        crowd = [await asyncio.open_unix_connection(str(path)) for _client in range(20)]
        assert (await ask(path, post(b"{}")))[0] == 503
        for _reader, writer in crowd:
            writer.close()
        answers = [(await ask(path, post(b"{}")))[0] for _request in range(30)]  # while these are made, the server sees that the crowd has left
        assert answers[-1] == 200, answers

    served(path, scenario)


def test_only_the_owner_and_the_group_may_connect_whatever_the_umask(path):
    async def scenario():
        assert stat.S_IMODE(path.stat().st_mode) == 0o660

    before = os.umask(0)
    try:
        served(path, scenario)
    finally:
        os.umask(before)
    assert not path.exists()


def test_the_socket_of_a_dead_process_is_taken_over_and_that_of_a_living_one_refused(path):
    path.parent.mkdir()
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.listen()
    dead.close()

    async def scenario():
        assert await ask(path, post(b"{}")) == (200, {"got": {}})
        with pytest.raises(OSError, match=r"proxy\.sock: another process answers there already; stop it first"):
            await ControlServer(path, ROUTES).start()
        assert await ask(path, post(b"{}")) == (200, {"got": {}})

    served(path, scenario)


def test_a_path_longer_than_a_socket_address_may_be_works_too(tmp_path):
    paths = Paths(str(tmp_path / ("long" * 40)))
    assert len(str(paths.proxy_socket)) > 150

    async def scenario():
        asked = asyncio.get_running_loop().run_in_executor(None, Client(paths.proxy_socket, 5.0).request, "POST", "/echo", {"a": 1})
        assert await asked == {"got": {"a": 1}}
        with pytest.raises(Refused, match="not now"):
            await asyncio.get_running_loop().run_in_executor(None, Client(paths.proxy_socket, 5.0).request, "GET", "/refuse")
        with socket_address(paths.proxy_socket) as address:
            assert len(address) < 108

    served(paths.proxy_socket, scenario)
