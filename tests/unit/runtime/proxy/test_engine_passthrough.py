"""TLS that is passed on as it comes, to servers chosen by the name that it asks for."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tandem._model import Route, Server
from tests.support import client_hellos as made
from tests.support.proxy_lab import Lab, in_lab, ok, until
from tests.support.tls import client_side, pair, server_side
from tests.unit.runtime.proxy.test_engine_tls import certificate_of, hello_of


async def sites(lab: Lab, tmp_path, default: str = "", **frontend) -> None:
    """a.test, everything below b.test, and perhaps a default, each with its own certificate."""
    servers = {}
    for name, names in (("a", "a.test"), ("b", "*.b.test"), ("c", "c.test")):
        origin = await lab.origin(lambda _request, name=name: ok(name.encode()), tls=server_side(pair(names), tmp_path))
        servers[name] = Server(name, "127.0.0.1", origin.port)
    backends = [lab.backend(name, server, protocol="tcp") for name, server in servers.items()]
    routes = (Route(backend="a", sni="a.test"), Route(backend="b", sni="*.b.test"))
    lab.apply(lab.document(lab.frontend(protocol="tcp", routes=routes, default_backend=default, **frontend), *backends))


@pytest.mark.parametrize(("name", "body"), [("a.test", b"a"), ("x.b.test", b"b"), ("c.test", b"c")])
@in_lab
async def test_the_server_is_the_one_of_the_name_and_shakes_hands_itself(lab: Lab, tmp_path, name: str, body: bytes):
    await sites(lab, tmp_path, default="c")
    client = await lab.client(tls=client_side(), name=name)
    assert (await client.get()).body == body
    assert name in certificate_of(client) or name == "x.b.test"


@in_lab
async def test_a_hello_that_comes_byte_by_byte_loses_nothing(lab: Lab, tmp_path):
    await sites(lab, tmp_path)
    client = await lab.client()
    hello = hello_of("a.test")
    for byte in hello[:-1]:
        client.send(bytes([byte]))
        await client.writer.drain()
    await until(lambda: lab.web["bytes_in"] == len(hello) - 1)
    assert all(not backend["sessions"] for backend in lab.counted()["backends"].values())
    client.send(hello[-1:])
    assert (await client.reader.readexactly(3))[:1] == b"\x16"  # the ServerHello


@pytest.mark.parametrize("name", ["nobody.test", "b.test", "y.x.b.test"])
@in_lab
async def test_a_name_that_there_is_no_server_for_is_refused_without_a_default(lab: Lab, tmp_path, name: str):
    await sites(lab, tmp_path)
    with pytest.raises(ConnectionError):
        await lab.client(tls=client_side(), name=name)
    assert lab.web["refused"] == 1


@in_lab
async def test_what_is_no_hello_is_refused_and_who_sends_none_does_not_wait_for_ever(lab: Lab, tmp_path):
    await sites(lab, tmp_path, default="c", timeouts={"request_ms": 5000})
    talks, silent = await lab.client(), await lab.client()
    talks.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert await talks.reset() == b""
    await lab.skip(4)
    assert lab.web["connections"] == 1
    await lab.skip(2)
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.wait_for(silent.reader.read(-1), 5) == b""
    assert "no TLS" in lab.warnings[0]
    assert "timeouts.request" in lab.warnings[1]


@pytest.mark.parametrize(
    "hello", [made.like_chromium(b"a.test"), made.with_ticket()], ids=["with ECH GREASE and a post-quantum key", "with a ticket"]
)
@in_lab
async def test_a_hello_is_passed_on_as_it_came_wherever_it_was_cut(lab: Lab, hello: bytes):
    got: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.readexactly(len(hello)))
        writer.write(b"whole")

    origin = await lab.origin(raw=listen)
    server = lab.backend("a", Server("a", "127.0.0.1", origin.port), protocol="tcp")
    lab.apply(lab.document(lab.frontend(protocol="tcp", routes=(Route(backend="a", sni="a.test"),), default_backend=""), server))
    cuts = range(0, len(hello), len(hello) // 30)
    clients = [await lab.client() for _cut in cuts]
    for cut, client in zip(cuts, clients):
        client.send(hello[:cut])
    await until(lambda: lab.web["bytes_in"] == sum(cuts))
    for cut, client in zip(cuts, clients):
        client.send(hello[cut:])
    for client in clients:
        assert await client.reader.readexactly(5) == b"whole"
    assert got == [hello] * len(cuts)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (made.records(made.message(made.body(made.extension(made.PADDING, bytes(65_000))) + bytes(5_000))), "longer than 65536 bytes"),
        (b"\x15\x03\x01\0\2\2\x28", "does not begin with a handshake"),
        (b"\x16\x03\x01\0\0", "a record of 0 bytes"),
    ],
    ids=["too long a hello", "an alert", "an empty record"],
)
@in_lab
async def test_what_cannot_become_a_hello_is_reset_at_once_with_the_reason_in_the_log(lab: Lab, tmp_path, what: bytes, said: str):
    await sites(lab, tmp_path, default="c")
    client = await lab.client()
    client.send(what)
    assert await client.reset() == b""
    assert said in lab.warnings[0]
    assert (lab.web["connections"], lab.web["refused"]) == (0, 1)


@in_lab
async def test_who_names_no_host_goes_to_the_default_and_without_one_is_reset(lab: Lab, tmp_path):
    await sites(lab, tmp_path, default="c")
    context = client_side()
    context.check_hostname = False
    assert (await (await lab.client(tls=context)).get()).body == b"c"
    await sites(lab, tmp_path)
    with pytest.raises(ConnectionError):
        await lab.client(tls=context)
