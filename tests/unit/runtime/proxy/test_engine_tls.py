"""TLS through the engine: certificates by name, clients that show theirs, servers that are asked over TLS, and handshakes that never end."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl
from typing import Any

import pytest
import trustme

from tandem._model import FrontendTls, LoadBalancer, Node, Server
from tandem.pace import in_thread
from tests.support.proxy_lab import Client, Lab, Request, in_lab, ok, reset, until
from tests.support.tls import authority_pem, client_side, pair, revoked
from tests.support.unhelpful import deaf


def serve(lab: Lab, *servers: Any, tls: dict[str, Any], frontend: dict[str, Any] | None = None, **backend: Any) -> None:
    """A frontend with the lab's certificates, and what else its ``tls`` is to have."""
    names = tuple(key.partition("/")[2] for key in lab.certificates)
    ends = FrontendTls(**{"certificates": names, **tls})
    stated = [o if isinstance(o, Server) else Server(f"s{n}", "127.0.0.1", o.port) for n, o in enumerate(servers, 1)]
    balancer = LoadBalancer("lb", master=Node("a", "192.0.2.1"), backup=Node("b", "192.0.2.2"))
    lab.apply(lab.document(balancer, lab.frontend(tls=ends, **(frontend or {})), lab.backend("app", *stated, **backend)))


def certificate_of(client: Client) -> set[str]:
    shown = client.writer.get_extra_info("ssl_object").getpeercert()
    return {value for _kind, value in shown["subjectAltName"]}


@in_lab
async def test_requests_over_tls_are_answered_and_servers_are_told_that_they_were(lab: Lab):
    origin = await lab.origin()
    lab.certificates["lb/shop"] = pair("shop.test")
    serve(lab, origin, tls={})
    client = await lab.client(tls=client_side(), name="shop.test")
    for _turn in range(3):
        assert (await client.get("/x", "X-Forwarded-Proto: http")).body == b"GET /x"
    assert {request["x-forwarded-proto"] for request in origin.requests} == {b"https"}
    assert (lab.web["connections_total"], lab.web["handshakes"], lab.web["connections"]) == (1, 1, 1)


@in_lab
async def test_large_bodies_pass_whole_in_both_directions_and_wait_for_slow_readers(lab: Lab):
    body = bytes(range(256)) * 40_000  # 10 MB

    async def answer(request: Request) -> bytes:
        return ok(request.body)

    lab.certificates["lb/shop"] = pair("shop.test")
    serve(lab, await lab.origin(answer), tls={})
    client = await lab.client(tls=client_side(), name="shop.test")
    client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    await client.writer.drain()
    await asyncio.sleep(0.1)
    assert (await client.response()).body == body
    assert (await client.get("/", body=b"small", method="PUT")).body == b"small"


@in_lab
async def test_a_client_that_resets_while_nothing_is_read_of_it_leaves_at_once(lab: Lab):
    lab.certificates["lb/shop"] = pair("shop.test")
    serve(lab, await lab.origin(raw=deaf), tls={})
    client = await lab.client(tls=client_side(), name="shop.test")
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n" + bytes(30_000_000))
    await until(lambda: any(not connected.connection._reading for connected in lab.connections()), 10)
    reset(client.writer)
    await until(lab.nothing_held)


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("shop.test", "shop.test"),
        ("SHOP.test", "shop.test"),
        ("www.other.test", "*.other.test"),
        ("exact.other.test", "exact.other.test"),
        ("a.b.other.test", "shop.test"),
        ("nobody.test", "shop.test"),
    ],
)
@in_lab
async def test_the_certificate_is_the_one_for_the_name_that_is_asked_for_and_else_the_first(lab: Lab, asked: str, shown: str):
    for key, name in (("first", "shop.test"), ("wild", "*.other.test"), ("exact", "exact.other.test")):
        lab.certificates[f"lb/{key}"] = pair(name)
    serve(lab, await lab.origin(), tls={})
    context = client_side()
    context.check_hostname = False
    client = await lab.client(tls=context, name=asked)
    assert certificate_of(client) == {shown}
    assert (await client.get()).status == 200


@in_lab
async def test_a_valid_certificate_comes_before_an_expired_one_of_the_same_name(lab: Lab):
    lab.certificates["lb/old"] = pair("shop.test", days=-1)
    lab.certificates["lb/new"] = pair("shop.test")
    serve(lab, await lab.origin(), tls={})
    lab.context.wall_clock = lambda: lab.certificates["lb/new"].not_after - 86400  # the lab's own clock stands at 1970
    serve(lab, await lab.origin(), tls={})
    assert (await (await lab.client(tls=client_side(), name="shop.test")).get()).status == 200


@in_lab
async def test_with_sni_strict_an_unknown_name_or_none_is_refused_in_the_handshake(lab: Lab):
    lab.certificates["lb/shop"] = pair("shop.test")
    serve(lab, await lab.origin(), tls={"sni_strict": True})
    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        await lab.client(tls=client_side(), name="other.test")
    assert (await (await lab.client(tls=client_side(), name="shop.test")).get()).status == 200
    assert (lab.web["handshakes_failed"], lab.web["handshakes"]) == (1, 1)


@pytest.mark.parametrize(("profile", "spoken"), [("intermediate", "TLSv1.2"), ("modern", None)])
@in_lab
async def test_profiles_decide_which_versions_are_spoken(lab: Lab, profile: str, spoken: str | None):
    lab.certificates["lb/shop"] = pair("shop.test")
    serve(lab, await lab.origin(), tls={"profile": profile})
    old = client_side()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    if spoken is None:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await lab.client(tls=old, name="shop.test")
    else:
        client = await lab.client(tls=old, name="shop.test")
        assert client.writer.get_extra_info("ssl_object").version() == spoken
    new = await lab.client(tls=client_side(), name="shop.test")
    assert new.writer.get_extra_info("ssl_object").version() == "TLSv1.3"


@in_lab
async def test_the_protocol_is_agreed_on_by_alpn(lab: Lab):
    lab.certificates["lb/shop"] = pair("shop.test")
    serve(lab, await lab.origin(), tls={})
    context = client_side()
    context.set_alpn_protocols(["h2", "http/1.1"])
    client = await lab.client(tls=context, name="shop.test")
    assert client.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"


@in_lab
async def test_plain_http_on_a_port_of_tls_gets_a_400_that_can_be_read(lab: Lab):
    lab.certificates["lb/shop"] = pair("shop.test")
    serve(lab, await lab.origin(), tls={})
    client = await lab.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await client.response()).status == 400


@in_lab
async def test_a_handshake_that_stops_half_way_ends_with_timeouts_request_and_holds_up_nobody(lab: Lab):
    lab.certificates["lb/shop"] = pair("shop.test")
    serve(lab, await lab.origin(), tls={}, frontend={"timeouts": {"request_ms": 10_000}})
    silent, half = await lab.client(), await lab.client()
    hello = hello_of("shop.test")
    half.send(hello[: len(hello) // 2])
    assert (await (await lab.client(tls=client_side(), name="shop.test")).get()).status == 200
    await lab.skip(9)
    assert lab.web["connections"] == 3
    await lab.skip(2)
    assert await silent.ended() == await half.ended() == b""
    assert lab.web["handshakes_failed"] == 2


def hello_of(name: str) -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        client_side().wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


@in_lab
async def test_a_flood_of_handshakes_is_served_a_few_in_a_turn(lab: Lab):
    lab.certificates["lb/shop"] = pair("shop.test")
    serve(lab, await lab.origin(), tls={})
    connected = await lab.client(tls=client_side(), name="shop.test")
    hello = hello_of("shop.test")
    flood = [await lab.client() for _turn in range(100)]
    for client in flood:
        client.send(hello)
    answers = [await connected.get() for _turn in range(5)]
    assert [answer.status for answer in answers] == [200] * 5
    for client in flood:
        assert await client.reader.readexactly(5)  # each gets its ServerHello


@in_lab
async def test_what_is_no_hello_at_all_ends_the_connection(lab: Lab):
    lab.certificates["lb/shop"] = pair("shop.test")
    serve(lab, await lab.origin(), tls={})
    client = await lab.client()
    client.send(b"\x16\x03\x01\x00\x05hello")
    with contextlib.suppress(ConnectionError):
        await client.ended()
    await until(lambda: lab.web["connections"] == 0)
    assert lab.web["handshakes_failed"] == 1


def talk(context: ssl.SSLContext, port: int, session: ssl.SSLSession | None) -> tuple[bytes, bool, ssl.SSLSession | None]:
    """One request, with a session of before: the answer, whether the session was resumed, and the one to resume the next time."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as sock,
        context.wrap_socket(sock, server_hostname="shop.test", session=session) as wrapped,
    ):
        wrapped.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        return wrapped.recv(4096), bool(wrapped.session_reused), wrapped.session


@in_lab
async def test_a_session_is_resumed_at_another_worker_that_has_the_same_ticket_keys(lab: Lab):
    lab.certificates["lb/shop"] = pair("shop.test")
    serve(lab, await lab.origin(), tls={})
    context = client_side()
    _answer, first, session = await in_thread(talk, context, lab.port, None)
    other = Lab()
    try:
        other.certificates = lab.certificates
        serve(other, await other.origin(), tls={})
        _answer, again, _session = await in_thread(talk, context, other.port, session)
        assert (first, again) == (False, True)
        assert other.web["handshakes_resumed"] == 1
    finally:
        await other.close()
    assert not other.broken


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"client_auth": "required", "client_ca": None}),
        ({}, {"client_auth": "optional", "client_ca": None}),
        ({"client_auth": "optional", "client_ca": None}, {"client_auth": "required", "client_ca": None}),
        ({"client_auth": "required", "client_ca": None}, {"client_auth": "required", "client_ca": "another"}),
        ({"client_auth": "required", "client_ca": None}, {"client_auth": "required", "client_ca": None, "client_crl": "revoked"}),
    ],
)
@in_lab
async def test_a_session_that_was_begun_on_other_terms_is_not_resumed(lab: Lab, tmp_path, version, before, after):
    """Or who has shown no certificate, or one that is revoked or of another authority, would be taken for one who has."""
    mine = pair("client.test")
    another = trustme.CA()

    def terms(stated: dict[str, str | None]) -> dict[str, str]:
        texts = {None: authority_pem(), "another": another.cert_pem.bytes().decode(), "revoked": revoked(mine)}
        return {option: texts.get(value, value) for option, value in stated.items()}

    lab.certificates["lb/shop"] = pair("shop.test")
    origin = await lab.origin()
    serve(lab, origin, tls=terms(before))
    context = client_side(mine if before.get("client_auth") == "required" else None, tmp_path)
    context.maximum_version = version
    answer, _resumed, session = await in_thread(talk, context, lab.port, None)
    assert answer.startswith(b"HTTP/1.1 200")
    answer, resumed, session = await in_thread(talk, context, lab.port, session)
    assert resumed
    serve(lab, origin, tls=terms(after))
    if after["client_auth"] == "optional":
        answer, resumed, _session = await in_thread(talk, context, lab.port, session)
        assert answer.startswith(b"HTTP/1.1 200")
        assert not resumed
    else:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            answer, resumed, _session = await in_thread(talk, context, lab.port, session)
            assert answer, "the connection has ended"
            raise AssertionError(f"answered, resumed: {resumed}")


@in_lab
async def test_a_certificate_is_renewed_without_closing_a_connection(lab: Lab):
    lab.certificates["lb/shop"] = pair("shop.test")
    origin = await lab.origin()
    serve(lab, origin, tls={})
    kept = await lab.client(tls=client_side(), name="shop.test")
    await kept.get()
    lab.certificates["lb/shop"] = pair("shop.test", "new.test")
    serve(lab, origin, tls={})
    assert (await kept.get()).status == 200
    fresh = await lab.client(tls=client_side(), name="new.test")
    assert certificate_of(fresh) == {"shop.test", "new.test"}
    assert lab.web["connections"] == 2


@in_lab
async def test_hsts_is_said_with_every_answer_unless_the_server_says_it(lab: Lab):
    answers = [ok(), ok(b"ok", b"Strict-Transport-Security: max-age=1")]
    lab.certificates["lb/shop"] = pair("shop.test")
    serve(lab, await lab.origin(lambda _request: answers.pop(0)), tls={"hsts_ms": 86_400_000, "hsts_subdomains": True})
    client = await lab.client(tls=client_side(), name="shop.test")
    assert (await client.get())["strict-transport-security"] == b"max-age=86400; includeSubDomains"
    assert (await client.get())["strict-transport-security"] == b"max-age=1"


@in_lab
async def test_a_plain_frontend_sends_its_clients_to_https_but_for_what_is_excepted(lab: Lab):
    origin = await lab.origin()
    await lab.serve(origin, frontend={"redirect_to_https": True, "redirect_except": ("/.well-known/acme-challenge/",)})
    client = await lab.client()
    for method in ("GET", "POST"):
        response = await client.get("/a?b=c", host="Shop.test:8080", method=method, body=b"x" if method == "POST" else b"")
        assert (response.status, response["location"]) == (308, b"https://shop.test/a?b=c")
    assert (await client.get("/.well-known/acme-challenge/token")).status == 200
    (request,) = origin.requests
    assert request.method == b"GET"  # the body of the request before is not taken for a part of it
    assert lab.web["responses_3xx"] == 2


@pytest.mark.parametrize("mode", ["optional", "required"])
@in_lab
async def test_servers_are_told_whose_certificate_a_client_has_shown_and_nobody_can_forge_it(lab: Lab, tmp_path, mode: str):
    mine, strangers = pair("client.test"), pair("stranger.test", ca=trustme.CA())
    lab.certificates["lb/shop"] = pair("shop.test")
    origin = await lab.origin()
    serve(lab, origin, tls={"client_auth": mode, "client_ca": authority_pem()})
    forged = ("Client-Cert: :AAAA:", "Client-Cert-Subject: CN=root", "Client-Cert-Chain: :AAAA:")
    client = await lab.client(tls=client_side(mine, tmp_path), name="shop.test")
    await client.get("/", *forged)
    request = origin.requests[0]
    assert request["client-cert-subject"].startswith(b"CN=client.test")
    assert base64.b64decode(request["client-cert"].strip(b":")) == ssl.PEM_cert_to_DER_cert(mine.chain[: mine.chain.index("-----END") + 25])
    assert request["client-cert-chain"] == b""
    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
        await (await lab.client(tls=client_side(strangers, tmp_path), name="shop.test")).get()
    if mode == "required":
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            await (await lab.client(tls=client_side(), name="shop.test")).get()
    else:
        assert (await (await lab.client(tls=client_side(), name="shop.test")).get("/", *forged)).status == 200
        assert origin.requests[-1]["client-cert"] == origin.requests[-1]["client-cert-subject"] == b""


@in_lab
async def test_tcp_sessions_end_their_tls_here_and_pass_as_they_are(lab: Lab):
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data.upper())

    lab.certificates["lb/db"] = pair("db.test")
    serve(lab, await lab.origin(raw=echo), tls={}, frontend={"protocol": "tcp"}, protocol="tcp")
    client = await lab.client(tls=client_side(), name="db.test")
    client.send(b"hello")
    assert await client.reader.readexactly(5) == b"HELLO"
    big = b"x" * 5_000_000
    client.send(big)
    assert await client.reader.readexactly(len(big)) == big.upper()


@in_lab
async def test_the_end_of_an_answer_is_told_in_tls_too_so_that_a_body_without_a_length_is_known_to_be_whole(lab: Lab):
    async def old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nbody")

    lab.certificates["lb/shop"] = pair("shop.test")
    serve(lab, await lab.origin(raw=old), tls={})

    def read() -> bytes:
        context = client_side()
        with (
            socket.create_connection(("127.0.0.1", lab.port), timeout=5) as sock,
            context.wrap_socket(sock, server_hostname="shop.test", suppress_ragged_eofs=False) as secret,
        ):
            secret.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            got = b""
            while piece := secret.recv(4096):  # an end without close_notify raises
                got += piece
            return got

    assert (await asyncio.get_running_loop().run_in_executor(None, read)).endswith(b"\r\n\r\nbody")
