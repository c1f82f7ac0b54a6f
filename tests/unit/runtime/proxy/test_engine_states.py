"""Server states in the engine: who a drained server still serves, who one in maintenance does not, and that what is under way goes on."""

from __future__ import annotations

import asyncio

import pytest

from tandem._model import HealthCheck, Server, Sticky
from tests.support.proxy_lab import Lab, in_lab, named, ok, seen, until

COOKIE = Sticky(type="cookie", cookie_name="LB")


def states(lab, **said):
    lab.engine.set_states({"lb/app": said})


@in_lab
async def test_a_drained_server_takes_no_new_client_until_it_is_ready(lab: Lab):
    await lab.serve(*await named(lab, "a", "b", "c"))
    for word in ("drain", "move", "maint"):
        states(lab, a=word)
        assert await seen(await lab.client(), 6) == {b"b", b"c"}, word
    states(lab)
    assert await seen(await lab.client(), 6) == {b"a", b"b", b"c"}


@pytest.mark.parametrize(("word", "served"), [("drain", b"a"), ("move", b"b"), ("maint", b"b")])
@pytest.mark.parametrize("by", ["cookie", "source"])
def test_a_client_that_is_bound_to_a_drained_server_is_kept_unless_it_is_to_move(by, word, served):
    @in_lab
    async def scenario(lab: Lab):
        await lab.serve(*await named(lab, "a", "b"), balance="first", sticky=COOKIE if by == "cookie" else Sticky(type="source"))
        states(lab, b="drain")
        first = await (await lab.client()).get()
        assert first.body == b"a"
        states(lab, a=word)
        cookie = first["set-cookie"].partition(b";")[0].decode()
        fields = [f"Cookie: {cookie}"] if by == "cookie" else []
        assert await seen(await lab.client(), 4, *fields) == {served}
        stranger = await lab.client("127.0.0.9")
        assert await seen(stranger, 4) == {b"b"}

    scenario()


@in_lab
async def test_what_is_under_way_at_a_server_is_finished_in_every_state_and_counted_until_then(lab: Lab):
    for word in ("drain", "move", "maint"):
        go_on = asyncio.Event()

        async def slow(_request, go_on=go_on):
            await go_on.wait()
            return ok(b"slow")

        origin = await lab.origin(slow)
        (other,) = await named(lab, "other")
        await lab.serve(Server("slow", "127.0.0.1", origin.port), other, balance="first")
        waiting = asyncio.ensure_future((await lab.client()).get())
        await until(lambda origin=origin: origin.requests)
        states(lab, slow=word)
        assert lab.server("slow")["sessions"] == 1
        assert await seen(await lab.client(), 3) == {b"other"}
        go_on.set()
        assert (await waiting).body == b"slow"
        await until(lambda: not lab.server("slow")["sessions"])
        states(lab)


@in_lab
async def test_maintenance_breaks_off_what_is_under_way_only_where_a_server_that_is_marked_down_would(lab: Lab):
    async def never(_request):
        await asyncio.sleep(20)

    origin = await lab.origin(never)
    await lab.serve(origin, on_marked_down="shutdown_sessions")
    client = await lab.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: origin.requests)
    states(lab, s1="drain")
    assert lab.server()["sessions"] == 1
    states(lab, s1="maint")
    await until(lambda: not lab.server()["sessions"])


@in_lab
async def test_a_drained_server_that_is_down_keeps_nobody(lab: Lab):
    a, b = await named(lab, "a", "b")
    await lab.serve(a, b, balance="first", sticky=COOKIE, health_check=HealthCheck())
    lab.engine.set_health({"lb/app": {"a": True, "b": True}})
    cookie = (await (await lab.client()).get())["set-cookie"].partition(b";")[0].decode()
    states(lab, a="drain")
    assert await seen(await lab.client(), 2, f"Cookie: {cookie}") == {b"a"}
    lab.engine.set_health({"lb/app": {"a": False, "b": True}})
    assert await seen(await lab.client(), 2, f"Cookie: {cookie}") == {b"b"}


@in_lab
async def test_a_drained_server_lends_no_idle_connection_that_nobody_could_use(lab: Lab):
    for sticky, left in ((Sticky(), 0), (COOKIE, 1)):
        await lab.serve(*await named(lab, "a", "b"), balance="first", sticky=sticky)
        await (await lab.client()).get()
        assert lab.server("a")["idle"] == 1
        states(lab, a="drain")
        assert lab.server("a")["idle"] == left
        states(lab, a="move")
        assert lab.server("a")["idle"] == 0
        states(lab)


@in_lab
async def test_states_hold_for_backends_that_a_document_brings_and_servers_of_a_new_document(lab: Lab):
    a, b, c = await named(lab, "a", "b", "c")
    states(lab, a="drain", c="maint")
    await lab.serve(a, b)
    assert await seen(await lab.client(), 4) == {b"b"}
    await lab.serve(a, b, c, max_retries=7)
    assert await seen(await lab.client(), 4) == {b"b"}
    document = lab.document(lab.frontend(), lab.backend("app", a, b, c))
    lab.engine.apply(document, {("lb/web", "127.0.0.1", lab.port): lab.listener}, states={"lb/app": {"b": "drain"}})
    assert await seen(await lab.client(), 4) == {b"a", b"c"}


@in_lab
async def test_servers_of_last_resort_serve_when_all_others_are_drained(lab: Lab):
    a, b = await named(lab, "a", "b")
    await lab.serve(a, Server("b", "127.0.0.1", b.port, backup=True))
    assert await seen(await lab.client(), 3) == {b"a"}
    states(lab, a="drain")
    assert await seen(await lab.client(), 3) == {b"b"}


@in_lab
async def test_who_waits_for_a_full_server_that_lets_its_clients_go_is_served_elsewhere(lab: Lab):
    go_on = asyncio.Event()

    async def slow(request):
        if request.target == b"/slow":
            await go_on.wait()
        return ok(b"a")

    origin = await lab.origin(slow)
    (b,) = await named(lab, "b")
    await lab.serve(Server("a", "127.0.0.1", origin.port, max_connections=1), b, balance="first", sticky=COOKIE)
    cookie = (await (await lab.client()).get())["set-cookie"].partition(b";")[0].decode()
    first = asyncio.ensure_future((await lab.client()).get("/slow", f"Cookie: {cookie}"))
    await until(lambda: lab.server("a")["sessions"])
    second = asyncio.ensure_future((await lab.client()).get("/", f"Cookie: {cookie}"))
    await until(lambda: lab.app["queue"])
    states(lab, a="move")
    assert (await second).body == b"b"
    go_on.set()
    assert (await first).body == b"a"


@in_lab
async def test_who_waits_is_not_sent_to_the_server_whose_sessions_are_just_shut_down(lab: Lab):
    never = asyncio.Event()

    async def silent(_request):
        await never.wait()

    first, second = await lab.origin(silent), await lab.origin()
    servers = [Server("first", "127.0.0.1", first.port, max_connections=1), Server("second", "127.0.0.1", second.port, backup=True)]
    await lab.serve(*servers, on_marked_down="shutdown_sessions")
    busy, waits = await lab.client(), await lab.client()
    busy.send(b"GET /busy HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: first.requests)
    waits.send(b"GET /waits HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: lab.app["queue"] == 1)
    states(lab, first="maint")
    assert (await waits.response()).body == b"GET /waits"
    assert [request.target for request in first.requests] == [b"/busy"]
