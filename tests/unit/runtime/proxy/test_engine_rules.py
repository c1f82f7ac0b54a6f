"""Routes in the engine: by each condition, in order, and shared among backends by weight."""

from __future__ import annotations

import collections

import pytest

from tandem._model import Comparison, HealthCheck, Route, Sticky, WeightedBackend
from tests.support.proxy_lab import Lab, in_lab, named


async def serve(lab, *routes, **backends):
    """Each backend has one server that answers with the backend's name; ``backends``: the options of those that have any."""
    names = sorted({name for route in routes for name in route.names} | {"other"})
    servers = await named(lab, *names)
    made = [lab.backend(name, server, **backends.get(name, {})) for name, server in zip(names, servers)]
    lab.apply(lab.document(lab.frontend(routes=routes, default_backend="other"), *made))


@pytest.mark.parametrize(
    ("conditions", "yes", "no"),
    [
        ({"host": "a.test"}, {"host": "A.test:81"}, {"host": "b.a.test"}),
        ({"subdomains": "a.test"}, {"host": "b.a.test"}, {"host": "a.test"}),
        ({"host_prefix": "app-"}, {"host": "app-1.test"}, {"host": "my-app-1.test"}),
        ({"host_label": "shop"}, {"host": "eu.shop.test"}, {"host": "eu-shop.test"}),
        ({"host_regex": "^[a-z]{2}[.]test$"}, {"host": "de.test"}, {"host": "deu.test"}),
        ({"path": "/a"}, {"target": "/a?b"}, {"target": "/a/b"}),
        ({"path_prefix": "/a"}, {"target": "/a/b"}, {"target": "/ab"}),
        ({"path_prefix": "/A", "ignore_case": True}, {"target": "/a/b"}, {"target": "/b"}),
        ({"path_regex": "[.]php$"}, {"target": "/x/y.php?z"}, {"target": "/x.php/y"}),
        ({"headers": (Comparison("X-Kind", value="mobile"),)}, {"fields": ("x-kind: mobile",)}, {"fields": ("x-kind: desk",)}),
        ({"cookies": (Comparison("beta", value="1"),)}, {"fields": ("Cookie: a=b; beta=1",)}, {"fields": ("Cookie: beta=0",)}),
        ({"query": (Comparison("v", prefix="2."),)}, {"target": "/?u=1&v=2.5"}, {"target": "/?v=1"}),
        ({"methods": ("PUT", "DELETE")}, {"method": "PUT"}, {"method": "GET"}),
        ({"sources": ("127.0.0.9/32",)}, {"address": "127.0.0.9"}, {"address": "127.0.0.8"}),
    ],
)
@in_lab
async def test_a_route_takes_the_requests_that_its_condition_holds_for(lab: Lab, conditions, yes, no):
    await serve(lab, Route(backend="wanted", **conditions))
    for asked, answer in ((yes, b"wanted"), (no, b"other")):
        client = await lab.client(asked.get("address", "127.0.0.1"))
        response = await client.get(
            asked.get("target", "/"), *asked.get("fields", ()), method=asked.get("method", "GET"), host=asked.get("host", "a")
        )
        assert response.body == answer


@in_lab
async def test_the_first_route_that_matches_counts_whatever_it_asks_about(lab: Lab):
    await serve(
        lab,
        Route(path_prefix="/static", backend="files"),
        Route(host="shop.test", methods=("POST",), backend="orders"),
        Route(host="shop.test", backend="shop"),
        Route(subdomains="test", backend="wild"),
        Route(host="late.test", backend="late"),
    )
    client = await lab.client()
    wanted = {
        ("GET", "shop.test", "/static/x"): b"files",
        ("POST", "shop.test", "/"): b"orders",
        ("GET", "shop.test", "/"): b"shop",
        ("GET", "late.test", "/"): b"wild",
        ("GET", "elsewhere", "/"): b"other",
    }
    for (method, host, target), answer in wanted.items():
        assert (await client.get(target, method=method, host=host)).body == answer


@in_lab
async def test_what_was_compiled_of_routes_that_stay_is_used_again(lab: Lab):
    (server,) = await named(lab, "a")
    options = {"routes": (Route(host="a.test", backend="app"),), "default_backend": ""}
    lab.apply(lab.document(lab.frontend(**options), lab.backend("app", server)))
    frontend = lab.engine._frontends["lb/web"]
    before = frontend._rules
    lab.apply(lab.document(lab.frontend(**options, max_connections=5), lab.backend("app", server)))
    assert frontend._rules is before
    assert (await (await lab.client()).get(host="a.test")).body == b"a"
    lab.apply(lab.document(lab.frontend(routes=(Route(host="b.test", backend="app"),), default_backend=""), lab.backend("app", server)))
    assert (await (await lab.client()).get(host="a.test")).status == 503


def shares(**weights):
    return Route(backends=tuple(WeightedBackend(name, weight) for name, weight in weights.items()))


@in_lab
async def test_a_canary_gets_its_share_exactly_and_evenly(lab: Lab):
    await serve(lab, shares(stable=95, canary=5))
    client = await lab.client()
    answers = [(await client.get()).body for _turn in range(200)]
    assert collections.Counter(answers) == {b"stable": 190, b"canary": 10}
    places = [number for number, answer in enumerate(answers) if answer == b"canary"]
    assert {after - before for before, after in zip(places, places[1:])} == {20}


@in_lab
async def test_who_is_bound_to_a_server_of_a_shared_route_stays_with_it(lab: Lab):
    sticky = {"sticky": Sticky(type="cookie")}
    await serve(lab, shares(stable=3, canary=1), stable=sticky, canary=sticky)
    for _client in range(8):
        client = await lab.client()
        first = await client.get()
        cookie = first["set-cookie"].partition(b";")[0].decode()
        assert {(await client.get("/", f"Cookie: {cookie}")).body for _turn in range(8)} == {first.body}
    answers = collections.Counter([(await (await lab.client()).get()).body for _turn in range(8)])
    assert answers == {b"stable": 6, b"canary": 2}  # new clients are shared as before


@in_lab
async def test_clients_are_bound_to_a_share_by_their_address_too(lab: Lab):
    sticky = {"sticky": Sticky(type="source")}
    await serve(lab, shares(stable=1, canary=1), stable=sticky, canary=sticky)
    for address in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
        client = await lab.client(address)
        assert len({(await client.get()).body for _turn in range(4)}) == 1


@in_lab
async def test_a_share_of_weight_0_keeps_its_own_clients_and_takes_no_others(lab: Lab):
    sticky = {"sticky": Sticky(type="cookie", cookie_name="OLD")}
    await serve(lab, shares(old=1, new=0), old=sticky)
    cookie = (await (await lab.client()).get())["set-cookie"].partition(b";")[0].decode()
    names = [lab.engine._backends[f"lb/{name}"].config for name in ("new", "old", "other")]
    lab.apply(lab.document(lab.frontend(routes=(shares(old=0, new=1),), default_backend="other"), *names))
    client = await lab.client()
    assert {(await client.get()).body for _turn in range(4)} == {b"new"}
    assert (await client.get("/", f"Cookie: {cookie}")).body == b"old"


@in_lab
async def test_a_share_whose_servers_are_down_goes_to_the_others(lab: Lab):
    await serve(lab, shares(stable=1, canary=1), canary={"health_check": HealthCheck(type="tcp")})
    client = await lab.client()
    assert {(await client.get()).body for _turn in range(6)} == {b"stable"}
    lab.engine.set_health({"lb/canary": {"canary": True}})
    assert {(await client.get()).body for _turn in range(6)} == {b"stable", b"canary"}


@in_lab
async def test_who_is_bound_to_a_server_that_is_down_goes_to_another_share(lab: Lab):
    options = {"sticky": Sticky(type="cookie"), "health_check": HealthCheck(type="tcp")}
    await serve(lab, shares(old=1, new=0), old=options)
    lab.engine.set_health({"lb/old": {"old": True}})
    cookie = (await (await lab.client()).get())["set-cookie"].partition(b";")[0].decode()
    configs = [lab.engine._backends[f"lb/{name}"].config for name in ("new", "old", "other")]
    lab.apply(lab.document(lab.frontend(routes=(shares(old=0, new=1),), default_backend="other"), *configs))
    client = await lab.client()
    assert (await client.get("/", f"Cookie: {cookie}")).body == b"old"
    lab.engine.set_health({"lb/old": {"old": False}})
    assert (await client.get("/", f"Cookie: {cookie}")).body == b"new"


@in_lab
async def test_a_share_of_weight_0_does_not_take_the_place_of_those_that_are_down(lab: Lab):
    await serve(lab, shares(off=0, on=1), on={"health_check": HealthCheck(type="tcp")})
    assert (await (await lab.client()).get()).status == 503
