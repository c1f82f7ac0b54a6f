"""What clients get where no server answers them: pages of the user's own, and what a backend of which all is down does instead."""

from __future__ import annotations

import asyncio
import json

import pytest

from tandem._model import AllDown, ErrorPage, HeaderRule, HealthCheck, Server
from tests.support.proxy_lab import Lab, in_lab, named, ok, until

CHECKED = {"health_check": HealthCheck(type="tcp")}
MAINTENANCE = ErrorPage(503, '{"error": "maintenance \u00e4"}', "application/json")


@in_lab
async def test_a_page_of_the_users_own_is_shown_for_its_status(lab: Lab):
    await lab.serve(frontend={"error_pages": (MAINTENANCE, ErrorPage(400, "<h1>What?</h1>"))})
    answer = await (await lab.client()).get()
    assert (answer.status, answer["content-type"], answer["cache-control"]) == (503, b"application/json", b"no-store")
    assert json.loads(answer.body) == {"error": "maintenance \u00e4"}
    client = await lab.client()
    client.send(b"NONSENSE\r\n\r\n")
    answer = await client.response()
    assert (answer.status, answer.body, answer["content-type"]) == (400, b"<h1>What?</h1>", b"text/html; charset=utf-8")
    answer = await (await lab.client()).get(method="HEAD")
    assert (answer.status, answer["content-length"], answer.body) == (503, b"27", b"")


@in_lab
async def test_a_status_without_a_page_of_the_users_has_ours(lab: Lab):
    await lab.serve(frontend={"error_pages": (ErrorPage(502, "x"),)})
    answer = await (await lab.client()).get()
    assert b"503 Service Unavailable" in answer.body


def down(lab: Lab, fallback: Server, **all_down: object):
    """A backend of which no server has passed a check yet, and one that works."""
    backend = lab.backend("app", Server("s1", "127.0.0.1", 1), **CHECKED, on_all_down=AllDown(**all_down))  # type: ignore[arg-type]
    return lab.document(lab.frontend(access_log="json"), backend, lab.backend("spare", fallback))


@in_lab
async def test_a_backend_that_is_down_has_its_own_answer(lab: Lab):
    (spare,) = await named(lab, "spare")
    lab.apply(down(lab, spare, action="error", status=500, content="closed", content_type="text/plain"))
    answer = await (await lab.client()).get()
    assert (answer.status, answer.body, answer["content-type"]) == (500, b"closed", b"text/plain")
    lab.apply(down(lab, spare, action="error"))
    assert (await (await lab.client()).get()).status == 503


@in_lab
async def test_clients_of_a_backend_that_is_down_are_sent_elsewhere(lab: Lab):
    (spare,) = await named(lab, "spare")
    lab.apply(down(lab, spare, action="redirect", location="https://status.example/?from=%{host}%{path}"))
    answer = await (await lab.client()).get("/shop?x", host="SHOP.example")
    assert (answer.status, answer["location"]) == (302, b"https://status.example/?from=shop.example/shop")
    assert answer["cache-control"] == b"no-store"
    lab.apply(down(lab, spare, action="redirect", location="/sorry", status=307))
    assert (await (await lab.client()).get(body=b"x" * 100, method="POST")).status == 307


@in_lab
async def test_a_backend_that_is_down_may_end_connections_without_an_answer(lab: Lab):
    (spare,) = await named(lab, "spare")
    lab.apply(down(lab, spare, action="close"))
    client = await lab.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert await client.reset() == b""
    assert json.loads(lab.lines[0])["problem"] == "no server is up"


@in_lab
async def test_another_backend_takes_the_requests_until_a_server_is_up_again(lab: Lab):
    spare, app = await named(lab, "spare", "app")
    fallback = AllDown("fallback", backend="second")
    last = AllDown("fallback", backend="spare")
    lab.apply(
        lab.document(
            lab.frontend(),
            lab.backend("app", app, **CHECKED, on_all_down=fallback),
            lab.backend("second", Server("s1", "127.0.0.1", 1), **CHECKED, on_all_down=last),
            lab.backend("spare", spare),
        )
    )
    client = await lab.client()
    assert (await client.get()).body == b"spare"
    lab.engine.set_health({"lb/app": {"app": True}})
    assert (await client.get()).body == b"app"
    lab.engine.set_health({"lb/app": {"app": False}})
    assert (await client.get()).body == b"spare"


@in_lab
async def test_who_waits_for_a_server_goes_to_the_other_backend_when_all_are_down(lab: Lab):
    stands_in = await lab.origin(lambda _request: ok(b"spare"))
    spare = Server("spare", "127.0.0.1", stands_in.port)
    release = asyncio.Event()

    async def answer(_request):
        await release.wait()

    slow = Server("s1", "127.0.0.1", (await lab.origin(answer)).port, max_connections=1)
    fallback = AllDown("fallback", backend="spare")
    app = lab.backend("app", slow, **CHECKED, on_all_down=fallback, timeouts={"queue_ms": 2000}, request_headers=(HeaderRule("set", "X-App", "1"),))
    lab.apply(lab.document(lab.frontend(), app, lab.backend("spare", spare)))
    lab.engine.set_health({"lb/app": {"s1": True}})
    first, second = await lab.client(), await lab.client()
    first.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: lab.app["sessions"] == 1)
    second.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: lab.app["queue"] == 1)
    lab.engine.set_health({"lb/app": {"s1": False}})
    await lab.skip(2.1)
    assert (await second.response()).body == b"spare"
    release.set()
    assert (await first.response()).body == b"spare"  # its server left without an answer, and there is no other
    assert [request["x-app"] for request in stands_in.requests] == [b"", b""]


@pytest.mark.parametrize("up", [True, False])
@in_lab
async def test_a_tcp_session_goes_to_the_other_backend_while_all_is_down(lab: Lab, up: bool):
    async def name(label: bytes) -> Server:
        async def say(_reader, writer):
            writer.write(label)

        return Server(label.decode(), "127.0.0.1", (await lab.origin(raw=say)).port)

    app = lab.backend("app", await name(b"app"), protocol="tcp", **CHECKED, on_all_down=AllDown("fallback", backend="spare"))
    lab.apply(lab.document(lab.frontend(protocol="tcp"), app, lab.backend("spare", await name(b"spare"), protocol="tcp")))
    lab.engine.set_health({"lb/app": {"app": up}})
    client = await lab.client()
    assert await client.ended() == (b"app" if up else b"spare")
