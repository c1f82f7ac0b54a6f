"""Servers that are asked over TLS: whose certificate is taken, which sessions are resumed, and what becomes of those that fail."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest
import trustme

from tandem._model import BackendTls
from tests.support.proxy_lab import Lab, Request, in_lab, ok, until
from tests.support.tls import authority, authority_pem, client_side, pair, server_side


@in_lab
async def test_servers_are_asked_over_tls_and_their_connections_are_kept_and_sessions_resumed(lab: Lab, tmp_path):
    secured = await lab.origin(tls=server_side(pair("app.test"), tmp_path))
    tls = BackendTls(enabled=True, ca=authority_pem(), sni="app.test")
    await lab.serve(secured, tls=tls)
    client = await lab.client()
    for _turn in range(3):
        assert (await client.get("/x")).body == b"GET /x"
    assert secured.connections == 1
    server = lab.engine._backends["lb/app"].servers["s1"]
    await until(lambda: server.idle)
    secured.hang_up()
    await until(lambda: not server.idle)
    assert server.session is not None
    assert (await client.get("/y")).body == b"GET /y"
    await until(lambda: [connection._tls.tls.session_reused for connection in server.idle] == [True])


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("other.test", {"sni": "app.test"}, "is for other.test, not for app.test"),
        ("app.test", {"sni": "app.test", "verify_name": "else.test"}, "is for app.test, not for else.test"),
        ("app.test", {}, "is for app.test, not for 127.0.0.1"),
        ("app.test", {"sni": "app.test", "ca": ""}, "unable to get local issuer certificate"),
    ],
)
@in_lab
async def test_a_server_whose_certificate_is_not_its_own_gets_no_request(lab: Lab, tmp_path, name: str, options: dict[str, str], said: str):
    origin = await lab.origin(tls=server_side(pair(name), tmp_path))
    tls = BackendTls(enabled=True, **{"ca": authority_pem(), **options})
    await lab.serve(origin, tls=tls, max_retries=0, frontend={"access_log": "json"})
    assert (await (await lab.client()).get()).status == 503
    await until(lambda: lab.lines)
    assert said in lab.lines[0]
    assert origin.requests == []


@in_lab
async def test_without_verify_any_certificate_will_do(lab: Lab, tmp_path):
    origin = await lab.origin(tls=server_side(pair("whoever.test", ca=trustme.CA()), tmp_path))
    await lab.serve(origin, tls=BackendTls(enabled=True, verify=False))
    assert (await (await lab.client()).get()).status == 200


@in_lab
async def test_we_show_a_certificate_of_our_own_to_servers_that_want_one(lab: Lab, tmp_path):
    origin = await lab.origin(tls=server_side(pair("app.test"), tmp_path, client_ca=authority_pem()))
    lab.certificates["lb/ours"] = pair("proxy.test", ca=authority())
    tls = BackendTls(enabled=True, ca=authority_pem(), sni="app.test", client_certificate="ours")
    await lab.serve(origin, tls=tls)
    assert (await (await lab.client()).get()).status == 200


@in_lab
async def test_a_server_that_does_not_speak_tls_is_told_from_one_that_does_not_answer(lab: Lab):
    origin = await lab.origin(raw=plain_answer)
    await lab.serve(origin, tls=BackendTls(enabled=True, verify=False), max_retries=0, frontend={"access_log": "json"})
    assert (await (await lab.client()).get()).status == 503
    await until(lambda: lab.lines)
    assert "TLS" in lab.lines[0]


async def plain_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(10)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@in_lab
async def test_a_request_that_outlives_a_change_of_tls_leaves_no_session_that_the_new_terms_do_not_take(lab: Lab, tmp_path):
    go_on = asyncio.Event()

    async def slow(_request: Request) -> bytes:
        await go_on.wait()
        return ok()

    secured = await lab.origin(slow, tls=server_side(pair("app.test"), tmp_path))
    await lab.serve(secured, tls=BackendTls(enabled=True, ca=authority_pem(), sni="app.test"))
    waiting = asyncio.ensure_future((await lab.client()).get())
    await until(lambda: secured.requests)
    await lab.serve(secured, tls=BackendTls(enabled=True, verify=False, sni="app.test"))
    go_on.set()
    assert (await waiting).status == 200
    assert [(await (await lab.client()).get()).status for _turn in range(3)] == [200] * 3


@in_lab
async def test_what_openssl_refuses_before_the_handshake_is_a_server_that_cannot_be_reached(lab: Lab, tmp_path):
    secured = await lab.origin(tls=server_side(pair("app.test"), tmp_path))
    await lab.serve(secured, tls=BackendTls(enabled=True, verify=False, sni="app.test"), timeouts={"connect_ms": 60_000})
    server = lab.engine._backends["lb/app"].servers["s1"]

    def foreign() -> ssl.SSLSession:
        with socket.create_connection(("127.0.0.1", secured.port)) as sock, client_side().wrap_socket(sock, server_hostname="app.test") as secret:
            return secret.session

    server.session = await asyncio.get_running_loop().run_in_executor(None, foreign)  # no context but its own takes it
    assert (await (await lab.client()).get()).status == 503
    server.session = None
    assert (await (await lab.client()).get()).status == 200
