"""Checks over TLS: they shake hands as the data path does, and a server with another's certificate is down."""

from __future__ import annotations

import asyncio

import pytest

from tandem._model import Backend, BackendTls, HealthCheck, Server
from tandem.checks.probe import probe, target_of
from tandem.proxy.service.certificates import CheckTls
from tests.support.proxy_lab import Origin, ok
from tests.support.tls import authority_pem, pair, server_side

TLS = BackendTls(enabled=True, ca=authority_pem(), sni="app.test")


async def checked(origin: Origin, check: HealthCheck, tls: BackendTls, pairs=()) -> tuple[bool, str]:
    await origin.start()
    try:
        contexts = CheckTls()
        contexts.use(dict(pairs))
        backend = Backend("lb", "app", servers=(Server("s1", "127.0.0.1", origin.port),), health_check=check, tls=tls)
        return await probe(target_of(backend, backend.servers[0]), contexts.of)
    finally:
        await origin.stop()


@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_a_check_follows_the_data_path_into_tls(tmp_path, kind):
    origin = Origin(tls=server_side(pair("app.test"), tmp_path))
    passed, said = asyncio.run(checked(origin, HealthCheck(type=kind, timeout_ms=2000), TLS))
    assert passed, said
    assert ("shook hands over TLS" in said) == (kind == "tcp")


@pytest.mark.parametrize(("kind", "words"), [("https", "status 200"), ("tls", "shook hands over TLS")])
def test_https_and_handshakes_are_over_tls_also_where_the_data_path_is_not(tmp_path, kind, words):
    origin = Origin(tls=server_side(pair("app.test"), tmp_path))
    passed, said = asyncio.run(checked(origin, HealthCheck(type=kind, timeout_ms=2000, sni="app.test"), BackendTls(ca=authority_pem())))
    assert passed, said
    assert words in said

    async def no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    plain = Origin(raw=no_tls)
    passed, said = asyncio.run(checked(plain, HealthCheck(type=kind, timeout_ms=2000), BackendTls(ca=authority_pem())))
    assert not passed
    assert "TLS: " in said


def test_the_name_of_a_check_is_the_one_that_is_sent_and_compared(tmp_path):
    context, asked = server_side(pair("health.test"), tmp_path), []
    context.sni_callback = lambda _connection, name, _context: asked.append(name)
    origin = Origin(tls=context)
    for sni, name, words in (
        ("health.test", "", "status 200"),
        ("", "", "not for app.test"),
        ("other.test", "", "not for other.test"),
        ("other.test", "health.test", "status 200"),
    ):
        tls = BackendTls(enabled=True, ca=authority_pem(), sni="app.test", verify_name=name)
        passed, said = asyncio.run(checked(origin, HealthCheck(type="http", timeout_ms=2000, sni=sni), tls))
        assert passed == (words == "status 200"), said
        assert words in said
        assert asked.pop() == (sni or "app.test")


def test_a_protocol_is_spoken_over_tls_where_the_data_path_speaks_it(tmp_path):
    async def redis(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readuntil(b"PING\r\n")
        writer.write(b"+PONG\r\n")
        await writer.drain()

    origin = Origin(raw=redis, tls=server_side(pair("app.test"), tmp_path))
    passed, said = asyncio.run(checked(origin, HealthCheck(type="redis", timeout_ms=2000), TLS))
    assert passed, said
    assert said.startswith("Redis answered PONG in ")


def test_a_server_that_speaks_first_is_heard_over_tls_and_answered(tmp_path):
    heard = []

    async def smtps(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail\r\n")
        heard.append(await reader.readline())
        writer.write(b"250 hello\r\n")
        heard.append(await reader.readline())

    origin = Origin(raw=smtps, tls=server_side(pair("app.test"), tmp_path))
    passed, said = asyncio.run(checked(origin, HealthCheck(type="smtp", timeout_ms=2000, tls="always"), TLS))
    assert passed, said
    assert heard[0] == b"EHLO localhost\r\n"


def test_a_large_answer_over_tls_is_read_until_the_text_is_there(tmp_path):
    origin = Origin(lambda _request: ok(b"x" * 50_000 + b"ready"), tls=server_side(pair("app.test"), tmp_path))
    passed, said = asyncio.run(checked(origin, HealthCheck(type="http", expect_body="ready", timeout_ms=2000), TLS))
    assert passed, said


@pytest.mark.parametrize(
    ("tls", "said"),
    [
        (BackendTls(enabled=True, ca=authority_pem(), sni="other.test"), "not for other.test"),
        (BackendTls(enabled=True, sni="app.test"), "unable to get local issuer certificate"),
    ],
)
def test_a_server_with_anothers_certificate_is_down(tmp_path, tls, said):
    origin = Origin(tls=server_side(pair("app.test"), tmp_path))
    passed, told = asyncio.run(checked(origin, HealthCheck(type="tcp", timeout_ms=2000), tls))
    assert not passed
    assert said in told


def test_a_check_shows_the_certificate_that_the_backend_shows(tmp_path):
    origin = Origin(tls=server_side(pair("app.test"), tmp_path, client_ca=authority_pem()))
    tls = BackendTls(enabled=True, ca=authority_pem(), sni="app.test", client_certificate="ours")
    passed, said = asyncio.run(checked(origin, HealthCheck(type="http", timeout_ms=2000), tls, {"lb/ours": pair("proxy.test")}.items()))
    assert passed, said


@pytest.mark.parametrize(
    ("mode", "enabled", "secret"), [("auto", True, True), ("auto", False, False), ("always", False, True), ("never", True, False)]
)
def test_a_check_can_be_pinned_to_tls_or_to_none(mode, enabled, secret):
    backend = Backend(
        "lb", "app", servers=(Server("s1", "127.0.0.1", 1),), health_check=HealthCheck(type="tcp", tls=mode), tls=BackendTls(enabled=enabled)
    )
    assert (target_of(backend, backend.servers[0]).secret is not None) == secret


def test_a_server_that_never_finishes_the_handshake_does_not_answer_in_time(tmp_path):
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    passed, said = asyncio.run(checked(Origin(raw=silent), HealthCheck(type="tcp", timeout_ms=200), TLS))
    assert (passed, said) == (False, "no answer within 200 ms")
