"""Clients that abuse handshakes: hellos that are cut, too long or strange, and such as stop half way."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tandem.pace import in_thread
from tandem.tls.contexts import ServerTerms, server_context
from tests.support import client_hellos as made
from tests.support.proxy_lab import Client, Lab, in_lab, until
from tests.support.tls import authority_pem, client_side, pair
from tests.support.tls_records import shake_hands
from tests.unit.runtime.proxy.test_engine_tls import certificate_of, hello_of, serve

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HANDSHAKE = b"\x16"
X25519 = 0x1D


async def site(lab: Lab, tls: dict[str, Any] | None = None, **frontend: Any) -> None:
    lab.certificates["lb/shop"] = pair("shop.test")
    serve(lab, await lab.origin(), tls=tls or {}, frontend=frontend)


async def others_are_served(lab: Lab) -> None:
    assert (await (await lab.client(tls=client_side(), name="shop.test")).get()).status == 200


async def refused(client: Client) -> bytes:
    """What still comes until the connection ends, in order or not."""
    got = b""
    with contextlib.suppress(ConnectionError):
        while piece := await asyncio.wait_for(client.reader.read(65536), 5):
            got += piece
    return got


def x25519_key() -> bytes:
    return X25519PrivateKey.generate().public_key().public_bytes_raw()


# The first message


@in_lab
async def test_a_hello_is_answered_wherever_it_is_cut(lab: Lab):
    await site(lab)
    hello = hello_of("shop.test")
    clients = [await lab.client() for _at in hello]
    for at, client in enumerate(clients):
        client.send(hello[:at])
    await until(lambda: lab.web["connections"] == len(hello))
    for _turn in range(3):
        lab.engine.call(lambda: None)
    for at, client in enumerate(clients):
        client.send(hello[at:])
    for client in clients:
        assert await client.reader.readexactly(1) == HANDSHAKE
    assert lab.web["handshakes_failed"] == 0


@pytest.mark.parametrize("piece", [1, 100])
@in_lab
async def test_a_hello_in_records_of_a_byte_is_answered(lab: Lab, piece: int):
    await site(lab)
    client = await lab.client()
    client.send(made.records(hello_of("shop.test")[5:], piece))
    assert await client.reader.readexactly(1) == HANDSHAKE


@in_lab
async def test_a_hello_of_200_kib_is_refused_before_it_has_all_come(lab: Lab):
    await site(lab)
    client = await lab.client()
    stream = made.records(made.message(made.body(made.extension(made.PADDING, bytes(65_000))) + bytes(140_000)))
    client.send(stream[:140_000])
    await refused(client)
    await until(lambda: lab.web["connections"] == 0)
    assert lab.web["handshakes_failed"] == 1
    await others_are_served(lab)


@in_lab
async def test_a_hello_with_a_ticket_of_somebody_else_begins_anew(lab: Lab):
    await site(lab)
    context = client_side()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    elsewhere = server_context(ServerTerms((pair("shop.test"),)), b"x" * 80, lambda: 0.0)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours, theirs = context.wrap_bio(down, up, server_hostname="shop.test"), elsewhere.wrap_bio(up, down, server_side=True)
    for step in (ours.do_handshake, theirs.do_handshake, ours.do_handshake, theirs.do_handshake, ours.do_handshake):
        with contextlib.suppress(ssl.SSLWantReadError):
            step()
    assert ours.session is not None and ours.session.has_ticket

    def talk() -> tuple[bytes, bool]:
        with (
            socket.create_connection(("127.0.0.1", lab.port), timeout=10) as sock,
            context.wrap_socket(sock, server_hostname="shop.test", session=ours.session) as secret,
        ):
            secret.sendall(REQUEST)
            return secret.recv(4096), bool(secret.session_reused)

    answer, resumed = await in_thread(talk)
    assert answer.startswith(b"HTTP/1.1 200")
    assert not resumed


@pytest.mark.parametrize(
    "extensions",
    [(), (made.ech_grease(),), (made.psk(),), (made.extension(made.GREASE), made.ech_grease(), made.psk(b"x" * 1000))],
    ids=["nothing strange", "ECH GREASE", "a ticket that is none", "all of it"],
)
@in_lab
async def test_what_a_hello_has_that_we_do_not_know_is_passed_over(lab: Lab, extensions: tuple[bytes, ...]):
    await site(lab)
    client = await lab.client()
    client.send(made.of_one_group(X25519, x25519_key(), *extensions))
    record = await client.reader.readexactly(6)
    assert (record[:1], record[5]) == (HANDSHAKE, 2)  # a ServerHello


@in_lab
async def test_who_names_no_host_gets_the_first_certificate(lab: Lab):
    lab.certificates["lb/other"] = pair("first.test")
    await site(lab)
    context = client_side()
    context.check_hostname = False
    client = await lab.client(tls=context)
    assert certificate_of(client) == {"first.test"}
    assert (await client.get()).status == 200


ALERTS = {
    "a fatal alert": b"\x15\x03\x01\0\2\2\x28",
    "warnings": b"\x15\x03\x01\0\2\1\0" * 1000,
    "empty records": b"\x16\x03\x01\0\0" * 1000,
    "changes of cipher spec": b"\x14\x03\x01\0\1\1" * 1000,
}


@pytest.mark.parametrize("what", ALERTS.values(), ids=ALERTS)
@in_lab
async def test_alerts_and_empty_records_in_place_of_a_hello_end_the_connection(lab: Lab, what: bytes):
    await site(lab)
    client = await lab.client()
    client.send(what)
    assert len(await refused(client)) < 20
    await until(lambda: lab.web["connections"] == 0)
    assert lab.web["handshakes_failed"] == 1


@in_lab
async def test_compression_is_never_agreed_on(lab: Lab):
    await site(lab)
    client = await lab.client()
    groups, signatures = made.extension(10, made.sized(2, b"\0\x17")), made.extension(13, made.sized(2, bytes.fromhex("04030804")))
    client.send(made.hello(made.server_name(b"shop.test") + groups + signatures, ciphers=b"\xc0\x2b", methods=b"\1\0"))
    record = await client.reader.readexactly(5 + 4 + 2 + 32 + 1)
    session_id = await client.reader.readexactly(record[-1])
    cipher_and_method = await client.reader.readexactly(3)
    assert (record[5], cipher_and_method) == (2, b"\xc0\x2b\0"), session_id


@in_lab
async def test_early_data_is_neither_used_nor_read_for_ever(lab: Lab):
    await site(lab)
    client = await lab.client()
    client.send(made.of_one_group(X25519, x25519_key(), made.extension(made.EARLY_DATA), made.psk()))
    early = made.records(bytes(16_000), kind=23, version=0x0303)
    client.send(early * 10)
    await refused(client)
    await until(lambda: lab.web["connections"] == 0)
    assert (lab.web["handshakes"], lab.web["handshakes_failed"], lab.web["requests"]) == (0, 1, 0)


# Handshakes that stop half way


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("client_auth", ["none", "required"])
@in_lab
async def test_a_handshake_that_stops_after_any_flight_ends_with_timeouts_request(lab: Lab, tmp_path, version, client_auth: str):
    await site(lab, {"client_auth": client_auth, "client_ca": authority_pem()}, timeouts={"request_ms": 10_000})
    mine = pair("client.test")
    context = client_side(mine, tmp_path)
    context.maximum_version = version
    hello = hello_of("shop.test")
    stopped = [await lab.client() for _turn in range(4)]
    stopped[1].send(hello[:5])
    await shake_hands(stopped[2].reader, stopped[2].writer, context, flights=1)
    stopped[3].send(made.of_one_group(X25519))  # is asked for another hello
    assert await stopped[2].reader.readexactly(1) == await stopped[3].reader.readexactly(1) == HANDSHAKE
    last = await lab.client(tls=context, name="shop.test")
    assert (await last.get()).status == 200
    await lab.skip(9)
    assert lab.web["connections"] == 5
    await lab.skip(2)
    for client in stopped:
        await refused(client)
    await until(lambda: lab.web["connections"] == 1)
    assert (lab.web["handshakes"], lab.web["handshakes_failed"]) == (1, 4)


@in_lab
async def test_the_last_flight_cut_anywhere_is_waited_for_and_no_longer_than_the_rest(lab: Lab):
    """Of TLS 1.2: ClientKeyExchange, ChangeCipherSpec and Finished."""
    await site(lab, timeouts={"request_ms": 10_000})
    context = client_side()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    sizes = range(1, 90, 8)
    clients = [await lab.client() for _size in sizes]
    for size, client in zip(sizes, clients):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        secret = context.wrap_bio(incoming, outgoing, server_hostname="shop.test")
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                secret.do_handshake()
            flight = outgoing.read()
            if flight[:1] == HANDSHAKE and flight[5] == 16:
                client.send(flight[:size])
                break
            client.send(flight)
            incoming.write(await client.reader.read(65536))
    await lab.skip(9)
    assert lab.web["connections"] == len(clients)
    await lab.skip(2)
    await until(lambda: lab.web["connections"] == 0)
    assert lab.web["handshakes_failed"] == len(clients)


@in_lab
async def test_a_handshake_that_drips_gets_no_more_time(lab: Lab):
    await site(lab, timeouts={"request_ms": 10_000})
    client = await lab.client()
    for byte in hello_of("shop.test")[:9]:
        client.send(bytes((byte,)))
        await lab.skip(1)
    assert lab.web["connections"] == 1
    client.send(b"\0")
    await lab.skip(2)
    await refused(client)
    assert (lab.web["connections"], lab.web["handshakes_failed"]) == (0, 1)


@in_lab
async def test_a_flood_of_handshakes_that_stop_counts_towards_max_connections_and_is_over_in_time(lab: Lab):
    await site(lab, max_connections=50, timeouts={"request_ms": 10_000})
    hello = hello_of("shop.test")
    flood = [await lab.client() for _turn in range(50)]
    for number, client in enumerate(flood):
        client.send(hello[: number * 5])
    await until(lambda: lab.web["connections"] == 50)
    waiting = asyncio.ensure_future(lab.client(tls=client_side(), name="shop.test"))
    await asyncio.sleep(0.05)
    assert lab.web["connections"] == 50
    assert not waiting.done()
    await lab.skip(11)
    assert (await (await waiting).get()).status == 200
    assert (lab.web["connections"], lab.web["handshakes_failed"]) == (1, 50)
