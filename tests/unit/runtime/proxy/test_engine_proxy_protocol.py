"""The PROXY protocol through the engine: whose a connection is, as trusted proxies say it to us, and as we say it to servers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from typing import Any, Optional

import pytest

from tandem._model import Acl, BackendTls, FrontendTls, LoadBalancer, Node, Route, Server, Sticky
from tandem.wire.proxy_protocol import LOCAL_V2, Extras, Header, HeaderReader, write_v1, write_v2
from tests.support.client_hellos import hello, server_name
from tests.support.proxy_lab import Client, Lab, Origin, Request, in_lab, named, ok, read_body, until
from tests.support.tls import authority_pem, client_side, pair

ANN = ("192.0.2.7", 40000, "198.51.100.1", 443)
BOB = ("2001:db8::7", 40001, "2001:db8::1", 443)
TRUSTED = "127.0.0.1"  # where the lab's clients come from unless they say otherwise
STRANGER = "127.0.0.9"


def trusting(**options: Any) -> dict[str, Any]:
    return {"accept_proxy_protocol": (TRUSTED,), **options}


class Told:
    """A server that expects a header: what it was told of each connection, and the requests on it."""

    def __init__(self) -> None:
        self.headers: list[Header] = []
        self.requests: list[tuple[int, Request]] = []  # with the number of its connection

    async def header(self, reader: asyncio.StreamReader) -> int:
        one = HeaderReader()
        while one.header is None:
            one.feed(await reader.readexactly(1))
        self.headers.append(one.header)
        return len(self.headers)

    async def http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = await self.header(reader)
        while True:
            request = Request(await reader.readuntil(b"\r\n\r\n"), b"", number)
            request.body = await read_body(reader, request)
            self.requests.append((number, request))
            writer.write(ok(request.target))

    async def echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.header(reader)
        while data := await reader.read(65536):
            writer.write(data)

    def addresses(self) -> list[tuple[str, int]]:
        return [(header.source, header.source_port) for header in self.headers]


# What proxies say to us


@pytest.mark.parametrize("header", [write_v1(*ANN), write_v2(*ANN), write_v2(*ANN, Extras(authority="a", over_tls=True))])
@in_lab
async def test_the_client_that_a_trusted_proxy_names_is_the_client_for_servers_and_the_log(lab: Lab, header: bytes):
    origin = await lab.origin()
    await lab.serve(origin, frontend=trusting(access_log="json"))
    client = await lab.client()
    client.send(header)
    for _turn in range(2):
        assert (await client.get("/x")).body == b"GET /x"
    assert [request["x-forwarded-for"] for request in origin.requests] == [b"192.0.2.7"] * 2
    await until(lambda: len(lab.lines) == 2)
    assert {json.loads(line)["client"] for line in lab.lines} == {"192.0.2.7"}
    assert lab.web["connections"] == 1


@in_lab
async def test_a_header_may_come_in_any_pieces_and_with_the_request(lab: Lab):
    origin = await lab.origin()
    await lab.serve(origin, frontend=trusting())
    client = await lab.client()
    for byte in write_v2(*ANN):
        client.send(bytes((byte,)))
        await asyncio.sleep(0.001)
    assert (await client.get()).status == 200
    client = await lab.client()
    client.send(write_v1(*BOB) + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await client.response()).status == 200
    assert [request["x-forwarded-for"] for request in origin.requests] == [b"192.0.2.7", b"2001:db8::7"]


@pytest.mark.parametrize("header", [LOCAL_V2, b"PROXY UNKNOWN\r\n"])
@in_lab
async def test_a_proxy_that_names_nobody_is_the_client_itself(lab: Lab, header: bytes):
    origin = await lab.origin()
    await lab.serve(origin, frontend=trusting())
    client = await lab.client()
    client.send(header)
    assert (await client.get()).status == 200
    assert origin.requests[0]["x-forwarded-for"] == TRUSTED.encode()


@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"PROXY TCP4 a b 1 2\r\n", b"\x16\x03\x01", write_v2(*ANN)[:-1] + b"\n" * 300]
)
@pytest.mark.parametrize("protocol", ["http", "tcp"])
@in_lab
async def test_a_trusted_proxy_that_does_not_say_whose_it_is_is_reset(lab: Lab, protocol: str, sent: bytes):
    origin = await lab.origin()
    await lab.serve(origin, protocol=protocol, frontend=trusting(protocol=protocol))
    client = await lab.client()
    if sent.startswith(b"\r\n"):
        sent = sent.replace(b"\x21\x11", b"\x25\x11", 1)  # a command that there is not
    client.send(sent)
    assert await client.reset() == b""
    assert origin.connections == 0
    assert lab.web["proxy_headers_bad"] == 1
    assert TRUSTED in lab.warnings[0]


@in_lab
async def test_a_header_is_awaited_for_as_long_as_a_head(lab: Lab):
    await lab.serve(await lab.origin(), frontend=trusting(timeouts={"request_ms": 2000}))
    client = await lab.client()
    client.send(write_v1(*ANN)[:-1])
    await until(lambda: lab.web["connections"] == 1)
    await lab.skip(1.8)
    assert lab.web["connections"] == 1
    await lab.skip(0.4)
    assert await client.reset() == b""


@in_lab
async def test_one_who_only_looks_whether_somebody_is_here_is_no_news(lab: Lab):
    await lab.serve(await lab.origin(), frontend=trusting())
    client = await lab.client()
    client.writer.close()
    await until(lambda: lab.web["connections_total"] == 1 and lab.web["connections"] == 0)
    assert lab.web["proxy_headers_bad"] == 0
    assert lab.warnings == []


@in_lab
async def test_a_stranger_is_served_and_not_believed(lab: Lab):
    origin = await lab.origin()
    await lab.serve(origin, frontend=trusting())
    client = await lab.client(STRANGER)
    assert (await client.get()).status == 200
    assert origin.requests[0]["x-forwarded-for"] == STRANGER.encode()
    for header in (write_v1(*ANN), write_v2(*ANN)):
        client = await lab.client(STRANGER)
        client.send(header + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await client.response()).status == 400
        assert await client.ended() == b""
    assert len(origin.requests) == 1


@pytest.mark.parametrize("header", [write_v1(*ANN), write_v2(*ANN)])
@pytest.mark.parametrize("pieces", [1, 4])
@in_lab
async def test_a_header_of_a_stranger_ends_a_tcp_session(lab: Lab, header: bytes, pieces: int):
    told = Told()
    await lab.serve(await lab.origin(raw=told.echo), protocol="tcp", proxy_protocol="v1", frontend=trusting(protocol="tcp"))
    client = await lab.client(STRANGER)
    client.send(b"PROX and so on, \r\n\r\n")
    assert await client.reader.readexactly(20) == b"PROX and so on, \r\n\r\n"
    client.send(header)  # in the middle of a session it is nothing but bytes
    assert await client.reader.readexactly(len(header)) == header
    client = await lab.client(STRANGER)
    size = -(-len(header) // pieces)
    for at in range(0, len(header), size):
        client.send(header[at : at + size])
        await asyncio.sleep(0.01)
    came = b""
    with contextlib.suppress(ConnectionError):
        came = await client.ended()
    assert not came.startswith((b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"))
    await until(lambda: lab.web["connections"] == 1)


@in_lab
async def test_a_header_comes_ahead_of_tls(lab: Lab):
    origin = await lab.origin()
    lab.certificates["lb/shop"] = pair("shop.test")
    balancer = LoadBalancer("lb", master=Node("a", "192.0.2.1"), backup=Node("b", "192.0.2.2"))
    app = lab.backend("app", *lab_servers(origin))
    lab.apply(lab.document(balancer, lab.frontend(tls=FrontendTls(("shop",)), **trusting()), app))
    for header in (write_v1(*ANN), write_v2(*BOB)):
        client = await over_tls(lab, header)
        assert (await client.get()).status == 200
    assert [request["x-forwarded-for"] for request in origin.requests] == [b"192.0.2.7", b"2001:db8::7"]
    assert [request["x-forwarded-proto"] for request in origin.requests] == [b"https"] * 2
    stranger = await lab.client(STRANGER, tls=client_side(), name="shop.test")
    assert (await stranger.get()).status == 200


def lab_servers(origin: Origin) -> list[Server]:
    return [Server("s1", "127.0.0.1", origin.port)]


async def over_tls(lab: Lab, header: bytes, context: Optional[ssl.SSLContext] = None) -> Client:
    """A client whose connection begins with this header, and then with TLS."""
    sock = socket.create_connection(("127.0.0.1", lab.port))
    sock.sendall(header)
    sock.setblocking(False)
    client = Client(*await asyncio.open_connection(sock=sock, ssl=context or client_side(), server_hostname="shop.test"))
    lab.clients.append(client)
    return client


@in_lab
async def test_sessions_stick_to_the_client_that_is_named(lab: Lab):
    servers = await named(lab, "one", "two", "three")
    await lab.serve(*servers, sticky=Sticky("source"), frontend=trusting())
    served: dict[int, set[bytes]] = {}
    for last in range(8):
        for _turn in range(2):
            client = await lab.client()
            client.send(write_v1(f"192.0.2.{last}", 4000, "198.51.100.1", 80))
            served.setdefault(last, set()).add((await client.get()).body)
    assert all(len(names) == 1 for names in served.values())
    assert len(set.union(*served.values())) > 1


@in_lab
async def test_tls_that_ended_at_the_proxy_in_front_is_told_to_servers_and_not_asked_for_again(lab: Lab):
    origin = await lab.origin()
    await lab.serve(origin, frontend=trusting(redirect_to_https=True))
    for extras, status in ((Extras(over_tls=True, tls_version="TLSv1.3"), 200), (Extras(authority="a"), 308)):
        client = await lab.client()
        client.send(write_v2(*ANN, extras))
        assert (await client.get()).status == status
    assert origin.requests[0]["x-forwarded-proto"] == b"https"


@in_lab
async def test_acls_are_about_the_client_that_is_named(lab: Lab):
    """Of TCP too, where the proxy's own address would be let in."""
    denied = {"acls": (Acl(sources=("192.0.2.0/24",)),)}
    await lab.serve(await lab.origin(), frontend=trusting(**denied))
    for header, status in ((write_v1(*ANN), 403), (write_v1(*BOB), 200)):
        client = await lab.client()
        client.send(header)
        assert (await client.get()).status == status
    told = Told()
    await lab.serve(await lab.origin(raw=told.echo), protocol="tcp", proxy_protocol="v1", frontend=trusting(protocol="tcp", **denied))
    client = await lab.client()
    client.send(write_v2(*ANN) + b"hello")
    assert await client.reset() == b""
    client = await lab.client()
    client.send(write_v2(*BOB) + b"hello")
    assert await client.reader.readexactly(5) == b"hello"
    assert told.addresses() == [BOB[:2]]


# What we say to servers


@pytest.mark.parametrize(("version", "number"), [("v1", 1), ("v2", 2)])
@in_lab
async def test_servers_are_told_whose_each_connection_is(lab: Lab, version: str, number: int):
    told = Told()
    await lab.serve(await lab.origin(raw=told.http), proxy_protocol=version)
    client = await lab.client("127.0.0.5")
    for _turn in range(3):
        assert (await client.get("/x")).body == b"/x"
    port = client.writer.get_extra_info("sockname")[1]
    assert told.headers == [Header(number, "127.0.0.5", port, "127.0.0.1", lab.port)]


@in_lab
async def test_a_connection_to_a_server_is_never_used_for_another_client(lab: Lab):
    told = Told()
    await lab.serve(await lab.origin(raw=told.http), proxy_protocol="v2")
    clients = [await lab.client(f"127.0.0.{last}") for last in range(5, 9)]
    for turn in range(3):
        for client in clients:
            assert (await client.get(f"/{turn}")).status == 200
    of_connection = [header.source for header in told.headers]
    assert sorted(of_connection) == [f"127.0.0.{last}" for last in range(5, 9)]
    for number, request in told.requests:
        assert request["x-forwarded-for"].decode() == of_connection[number - 1]
    assert lab.server()["idle"] == 4
    clients[0].writer.close()
    await until(lambda: lab.server()["idle"] == 3)  # it ends with its client


@in_lab
async def test_what_was_kept_without_a_header_is_not_used_once_servers_are_told(lab: Lab):
    origin = await lab.origin()
    await lab.serve(origin)
    client = await lab.client()
    assert (await client.get()).status == 200
    assert lab.server()["idle"] == 1
    await lab.serve(origin, proxy_protocol="v1")
    assert lab.server()["idle"] == 0
    await until(lambda: len(origin.tasks) == 0)


@in_lab
async def test_a_proxy_on_the_way_is_passed_over(lab: Lab):
    told = Told()
    extras = Extras(authority="shop.test", unique_id=b"id-7", over_tls=True, tls_version="TLSv1.2", alpn=b"h2")
    await lab.serve(await lab.origin(raw=told.http), proxy_protocol="v2", frontend=trusting())
    client = await lab.client()
    client.send(write_v2(*BOB, extras))
    assert (await client.get()).status == 200
    # It gets HTTP/1, whatever was agreed on before.
    assert told.headers == [Header(2, *BOB, Extras(authority="shop.test", unique_id=b"id-7", over_tls=True, tls_version="TLSv1.2"))]


@in_lab
async def test_servers_are_told_of_tls_and_of_a_client_s_certificate(lab: Lab, tmp_path):
    told = Told()
    lab.certificates["lb/shop"] = pair("shop.test")
    balancer = LoadBalancer("lb", master=Node("a", "192.0.2.1"), backup=Node("b", "192.0.2.2"))
    origin = await lab.origin(raw=told.http)
    ends = FrontendTls(("shop",), client_auth="optional", client_ca=authority_pem())
    lab.apply(lab.document(balancer, lab.frontend(tls=ends), lab.backend("app", *lab_servers(origin), proxy_protocol="v2")))
    for context in (client_side(), client_side(pair("Ann"), tmp_path)):
        client = await lab.client(tls=context, name="shop.test")
        assert (await client.get()).status == 200
    first, second = (header.extras for header in told.headers)
    assert first.over_tls and not first.verified and not first.client_cn
    assert first.authority == second.authority == "shop.test"
    assert first.tls_version == "TLSv1.3" and first.cipher.startswith("TLS_")
    assert second.verified and second.client_cn == "Ann"


@pytest.mark.parametrize("version", ["v1", "v2"])
@in_lab
async def test_a_tcp_session_begins_with_the_header_and_then_with_what_the_client_says(lab: Lab, version: str):
    told = Told()
    await lab.serve(await lab.origin(raw=told.echo), protocol="tcp", proxy_protocol=version, frontend={"protocol": "tcp"})
    for address in ("127.0.0.5", "127.0.0.6"):
        client = await lab.client(address)
        client.send(b"hello")
        assert await client.reader.readexactly(5) == b"hello"
    assert [source for source, _port in told.addresses()] == ["127.0.0.5", "127.0.0.6"]


@in_lab
async def test_the_header_of_a_session_names_the_host_that_tls_was_asked_for(lab: Lab):
    told = Told()
    origin = await lab.origin(raw=told.echo)
    frontend = lab.frontend(protocol="tcp", default_backend="", routes=(Route(backend="app", sni="a.test"),))
    lab.apply(lab.document(frontend, lab.backend("app", *lab_servers(origin), protocol="tcp", proxy_protocol="v2")))
    client = await lab.client()
    sent = hello(server_name(b"a.test"))
    client.send(sent)
    assert await client.reader.readexactly(len(sent)) == sent
    assert [header.extras for header in told.headers] == [Extras(authority="a.test")]


@in_lab
async def test_tls_to_a_server_begins_behind_the_header(lab: Lab):
    told = Told()

    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await told.header(reader)
        assert await reader.readexactly(1) == b"\x16"  # a handshake record

    origin = await lab.origin(raw=raw)
    await lab.serve(origin, proxy_protocol="v2", tls=BackendTls(enabled=True, verify=False), max_retries=0)
    client = await lab.client("127.0.0.5")
    assert (await client.get()).status == 503
    assert [source for source, _port in told.addresses()] == ["127.0.0.5"]
