"""Sticky sessions in the engine: who stays at which server, by cookie and by source, and what other workers and clients are told."""

from __future__ import annotations

import asyncio

from tandem._model import Route, Server, Sticky
from tandem.balance.sticky import own_cookie_name
from tests.support.proxy_lab import Lab, in_lab, named, ok, seen, until


@in_lab
async def test_a_cookie_binds_a_client_to_its_server(lab: Lab):
    origin = await lab.origin(lambda request: ok(request["cookie"]))
    servers = [*await named(lab, "a", "b", "c"), Server("d", "127.0.0.1", origin.port)]
    await lab.serve(*servers, sticky=Sticky(type="cookie", cookie_name="LB", ttl_ms=60_000))
    first = await (await lab.client()).get()
    cookie = first["set-cookie"].partition(b";")[0].decode()
    assert cookie.startswith("LB=")
    assert b"Max-Age=60" in first["set-cookie"]
    client = await lab.client()
    for _turn in range(8):
        response = await client.get("/", f"Cookie: x=y; {cookie}")
        assert response["set-cookie"] == b""
        assert response.body == (first.body or b"x=y")


@in_lab
async def test_a_cookie_of_a_server_that_is_down_is_replaced(lab: Lab):
    a, b = await named(lab, "a", "b")
    await lab.serve(a, b, balance="first", sticky=Sticky(type="cookie"))
    cookie = (await (await lab.client()).get())["set-cookie"].partition(b";")[0].decode()
    await lab.serve(b, sticky=Sticky(type="cookie"))
    client = await lab.client()
    response = await client.get("/", f"Cookie: {cookie}")
    assert response.body == b"b"
    name, _equals, content = response["set-cookie"].partition(b"=")
    assert name.decode() == own_cookie_name("lb/app")
    assert content[:16] != cookie.partition("=")[2][:16]
    for made_up in ("made-up", "", "0" * 24):
        assert (await client.get("/", f"Cookie: {name.decode()}={made_up}")).status == 200


@in_lab
async def test_a_client_that_keeps_coming_gets_its_cookie_anew_before_it_ends(lab: Lab):
    now = 1_000_000.0
    lab.context.wall_clock = lambda: now
    await lab.serve(*await named(lab, "a", "b"), sticky=Sticky(type="cookie", ttl_ms=60_000))
    client, cookie, told = await lab.client(), "", []
    for _turn in range(10):
        response = await client.get("/", *([f"Cookie: {cookie}"] if cookie else []))
        if response["set-cookie"]:
            cookie = response["set-cookie"].partition(b";")[0].decode()
            told.append(int(now - 1_000_000))
        now += 10
    assert told == [0, 20, 40, 60, 80]


@in_lab
async def test_a_client_of_two_backends_is_bound_in_each(lab: Lab):
    app, api = await named(lab, "a", "b"), await named(lab, "c", "d")
    sticky = Sticky(type="cookie")
    routes = (Route(path_prefix="/api", backend="api"),)
    lab.apply(lab.document(lab.frontend(routes=routes), lab.backend("app", *app, sticky=sticky), lab.backend("api", *api, sticky=sticky)))
    client, jar = await lab.client(), {}
    seen_at: dict[str, set[bytes]] = {"/": set(), "/api": set()}
    for turn in range(12):
        path = "/api" if turn % 2 else "/"
        response = await client.get(path, *(["Cookie: " + "; ".join(f"{name}={content}" for name, content in jar.items())] if jar else []))
        seen_at[path].add(response.body)
        if response["set-cookie"]:
            name, _equals, content = response["set-cookie"].partition(b";")[0].decode().partition("=")
            jar[name] = content
    assert [len(bodies) for bodies in seen_at.values()] == [1, 1]
    assert len(jar) == 2


@in_lab
async def test_weight_0_keeps_those_who_are_bound_and_takes_nobody_new(lab: Lab):
    a, b = await named(lab, "a", "b")
    await lab.serve(a, b, balance="first", sticky=Sticky(type="cookie"))
    cookie = (await (await lab.client()).get())["set-cookie"].partition(b";")[0].decode()
    await lab.serve(Server("a", "127.0.0.1", a.port, weight=0), b, balance="first", sticky=Sticky(type="cookie"))
    client = await lab.client()
    assert await seen(client, 5, f"Cookie: {cookie}") == {b"a"}
    assert await seen(client, 5) == {b"b"}


@in_lab
async def test_a_source_stays_at_its_server_and_other_workers_are_told(lab: Lab):
    told: list[tuple[str, str, str]] = []
    lab.announced = lambda backend, bindings: told.extend((backend, *binding) for binding in bindings)
    servers = await named(lab, "a", "b", "c")
    await lab.serve(*servers, sticky=Sticky(type="source"))
    bodies = set()
    for _turn in range(5):
        bodies |= await seen(await lab.client(), 3)
    assert len(bodies) == 1
    name = bodies.pop().decode()
    assert told == [("lb/app", "127.0.0.1", name)]
    other = next(server.name for server in servers if server.name != name)
    lab.engine.learn_bindings({"lb/app": [("127.0.0.1", other), ("192.0.2.1", "nobody")], "lb/gone": [("127.0.0.1", other)]})
    assert await seen(await lab.client(), 3) == {other.encode()}
    assert lab.engine.bindings() == {"lb/app": [("127.0.0.1", other)]}


@in_lab
async def test_a_source_with_an_open_connection_stays_bound_and_other_workers_hear_of_it(lab: Lab):
    told: list[str] = []
    lab.announced = lambda _backend, bindings: told.extend(server for _client, server in bindings)

    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    origin = await lab.origin(raw=raw)
    await lab.serve(origin, frontend={"protocol": "tcp"}, protocol="tcp", sticky=Sticky(type="source", ttl_ms=40))
    await lab.client()
    await until(lambda: len(told) >= 2)
    assert lab.engine._backends["lb/app"].table.bound("127.0.0.1", 1e12) == "s1"


@in_lab
async def test_a_client_that_switches_to_a_websocket_is_bound_as_well(lab: Lab):
    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
    await lab.serve(await lab.origin(lambda _request: answer), sticky=Sticky(type="cookie", cookie_name="k"))
    response = await (await lab.client()).get("/", "Connection: upgrade", "Upgrade: websocket")
    assert (response.status, response["set-cookie"].startswith(b"k=")) == (101, True)
