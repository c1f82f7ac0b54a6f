"""Clients that a trusted proxy names: what is decided by the client's address is decided by theirs, request by request."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tandem._model import Acl, ClientLimits, HeaderRule, Route, Server, Sticky
from tests.support.proxy_lab import Client, Lab, in_lab, named, ok

PROXY, STRANGER = "127.0.0.2", "127.0.0.9"


def naming(**options: Any) -> dict[str, Any]:
    return {"trusted_proxies": (f"{PROXY}/32",), "client_from": "X-Forwarded-For", **options}


def of(client: str) -> str:
    return f"X-Forwarded-For: {client}"


async def status(client: Client, *fields: str, target: str = "/") -> int:
    return (await client.get(target, *fields)).status


@in_lab
async def test_an_acl_asks_whose_each_request_is_that_a_trusted_proxy_passes_on(lab: Lab):
    await lab.serve(await lab.origin(), frontend=naming(acls=(Acl(sources=("203.0.113.0/24",)),)))
    proxy = await lab.client(PROXY)
    for _turn in range(2):
        assert await status(proxy, of("198.51.100.1")) == 200
        assert await status(proxy) == 200, "the proxy itself"
    assert await status(proxy, of("203.0.113.5")) == 403
    proxy = await lab.client(PROXY)
    assert await status(proxy, of("203.0.113.5, 198.51.100.1")) == 200, "what the client wrote itself does not count"
    assert await status(await lab.client(STRANGER), of("203.0.113.5")) == 200, "nor what a stranger says"


@in_lab
async def test_routes_limits_and_the_log_are_by_the_client_that_is_named(lab: Lab):
    moment = time.monotonic()
    lab.reactor.clock = lambda: moment + lab._skipped_s
    limits = ClientLimits(requests_per_second=1)
    await lab.serve(await lab.origin(), frontend=naming(client_limits=limits, access_log="json"))
    proxy = await lab.client(PROXY)
    assert [await status(proxy, of(f"203.0.113.{n}")) for n in (1, 1, 2, 2, 1)] == [200, 429, 200, 429, 429]
    logged = [json.loads(line) for line in lab.lines]
    assert [(line["client"], line["status"]) for line in logged[:3]] == [("203.0.113.1", 200), ("203.0.113.1", 429), ("203.0.113.2", 200)]
    a, b = await named(lab, "a", "b")
    routes = (Route(sources=("203.0.113.0/24",), backend="b"),)
    lab.apply(lab.document(lab.frontend(**naming(routes=routes, default_backend="a")), lab.backend("a", a), lab.backend("b", b)))
    assert [(await proxy.get("/", of(client))).body for client in ("198.51.100.1", "203.0.113.1", "198.51.100.1")] == [b"a", b"b", b"a"]


@in_lab
@pytest.mark.parametrize("backend", [{"balance": "source"}, {"sticky": Sticky(type="source")}])
async def test_clients_stay_at_their_servers_though_all_come_by_one_connection(lab: Lab, backend: dict[str, Any]):
    servers = await named(lab, *"abcd")
    await lab.serve(*servers, frontend=naming(), **backend)
    proxy = await lab.client(PROXY)
    clients = [of(f"203.0.113.{n}") for n in range(40)]
    first = [(await proxy.get("/", client)).body for client in clients]
    assert set(first) == {b"a", b"b", b"c", b"d"}
    assert [(await proxy.get("/", client)).body for client in clients] == first


@in_lab
async def test_servers_are_told_of_them_by_rules_and_by_the_proxy_protocol_and_the_chain_is_kept(lab: Lab):
    seen: list[tuple[bytes, bytes, bytes]] = []

    async def origin(reader: Any, writer: Any) -> None:
        header = await reader.readuntil(b"\r\n")
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
            said = {line.partition(b": ")[0].lower(): line.partition(b": ")[2] for line in head[1:]}
            seen.append((header.split(b" ")[2], said[b"x-real-ip"], said[b"x-forwarded-for"]))
            writer.write(ok())

    rules = (HeaderRule(action="set", name="X-Real-IP", value="%{client_address}"),)
    server = Server("s1", "127.0.0.1", (await lab.origin(raw=origin)).port)
    await lab.serve(server, frontend=naming(request_headers=rules), proxy_protocol="v1")
    proxy = await lab.client(PROXY)
    for client in ("203.0.113.1", "203.0.113.1", "203.0.113.2", "203.0.113.1"):
        assert await status(proxy, of(client)) == 200
    assert await status(proxy) == 200
    one, two, own = (
        (b"203.0.113.1", b"203.0.113.1", b"203.0.113.1, 127.0.0.2"),
        (b"203.0.113.2", b"203.0.113.2", b"203.0.113.2, 127.0.0.2"),
        (b"127.0.0.2", b"127.0.0.2", b"127.0.0.2"),
    )
    assert seen == [one, one, two, one, own]


@in_lab
async def test_a_new_document_changes_who_is_believed_on_connections_that_stand(lab: Lab):
    origin = await lab.origin()
    acls = {"acls": (Acl(sources=("203.0.113.0/24",)),)}
    await lab.serve(origin, frontend={**naming(**acls), "client_from": ""})
    proxy = await lab.client(PROXY)
    assert await status(proxy, of("203.0.113.5")) == 200
    await lab.serve(origin, frontend=naming(**acls))
    assert await status(proxy, of("198.51.100.1")) == 200
    await lab.serve(origin, frontend={**naming(**acls), "client_from": "X-Client"})
    assert await status(proxy, of("203.0.113.5")) == 200
    assert await status(proxy, "X-Client: 203.0.113.5") == 403
