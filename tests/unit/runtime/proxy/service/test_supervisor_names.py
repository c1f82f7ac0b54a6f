"""Servers by name, with real name servers, workers, checks and traffic: what clients and operators see when addresses come, change and go."""

from __future__ import annotations

import http.client
import os
import signal
import time

import pytest

from tandem._model import HealthCheck, Resolver, Server
from tests.support.name_server import NameServer, needs_dnsmasq
from tests.support.node import ADDRESS, UNCHECKED, Shop, backend, free_port, frontend, get, until

pytestmark = needs_dnsmasq
HOURLY = HealthCheck(type="http", path="/check", interval_ms=3_600_000, fast_interval_ms=3_600_000)


@pytest.fixture
def name_server(tmp_path):
    server = NameServer(tmp_path)
    server.knows()
    yield server.start()
    server.stop()


@pytest.fixture
def two_shops():
    """At two addresses, on one port."""
    for _try in range(50):  # the port of the first may be somebody's at the other address
        first = Shop("first")
        try:
            second = Shop("second", ("127.0.0.2", first.port))
            break
        except OSError:
            first.close()
    yield first, second
    first.close()
    second.close()


def quick(*name_servers, **options):
    return Resolver(name_servers=tuple(one.place for one in name_servers), min_ttl_ms=100, hold_ms=300, **options)


def by_name(shop, name_server, *, check=UNCHECKED, **options):
    server = Server("app", options.pop("address", "app.test"), shop.port, expand=options.pop("expand", 0))
    return backend(server, check=check, resolver=quick(name_server), **options)


def servers(node):
    return node.proxy.status()["backends"]["edge/shop"]["servers"]


def test_traffic_follows_the_name_without_a_new_generation_and_what_is_under_way_ends_where_it_began(node, name_server, two_shops):
    first, second = two_shops
    name_server.knows(app=[ADDRESS])
    node.start_proxy(workers=2)
    port = free_port()
    generation = node.load(by_name(first, name_server, check=HOURLY), frontend(port))["generation"]
    assert get(port) == (200, "first"), "the name that came with the document was known before it was in force"
    slow = http.client.HTTPConnection(ADDRESS, port, timeout=10)
    slow.request("GET", "/slow")
    assert first.asked.wait(5)
    name_server.knows(app=["127.0.0.2"])
    until(lambda: get(port) == (200, "second"))
    for _request in range(6):  # whichever worker it meets
        assert get(port) == (200, "second")
    first.released.set()
    assert slow.getresponse().read() == b"first"
    slow.request("GET", "/")
    assert slow.getresponse().read() == b"second", "the client's connection stays, the one to the former address does not"
    slow.close()
    assert "/check" in second.paths, "the new address was looked at first"
    view = servers(node)["app"]
    assert (view["address"], view["host"], view["address_problem"], view["state"]) == (f"127.0.0.2:{first.port}", "app.test", "", "up")
    assert node.proxy.status()["generation"] == generation


def test_the_last_good_address_is_kept_while_name_servers_are_down_and_status_tells(node, name_server, two_shops):
    name_server.knows(app=[ADDRESS])
    node.start_proxy()
    port = free_port()
    node.load(by_name(two_shops[0], name_server), frontend(port))
    name_server.stop()
    problem = until(lambda: servers(node)["app"]["address_problem"])
    assert f"{name_server.place}: Connection refused" in problem
    assert get(port) == (200, "first")
    told = node.run("status").stdout
    assert f'  backend "edge/shop": app.test: {name_server.place}: Connection refused; its last addresses stay in use\n' in told
    node.load(by_name(two_shops[0], name_server, max_retries=1), frontend(port))
    assert get(port) == (200, "first"), "a new document forgets nothing"
    (worker,) = node.proxy.status()["workers"]
    os.kill(worker["pid"], signal.SIGKILL)
    until(lambda: get(port) == (200, "first"), ignoring=(OSError, http.client.HTTPException))
    name_server.knows(app=["127.0.0.2"])
    name_server.start()
    until(lambda: get(port) == (200, "second"))
    assert servers(node)["app"]["address_problem"] == ""


def test_a_proxy_that_starts_while_name_servers_are_down_uses_what_was_known_before(node, name_server, two_shops):
    name_server.knows(app=[ADDRESS])
    process = node.start_proxy()
    port = free_port()
    node.load(by_name(two_shops[0], name_server), frontend(port))
    until(node.paths.known_addresses.exists)
    process.terminate()
    process.wait(10)
    name_server.stop()
    for before in (None, "no JSON"):
        if before is not None:
            node.paths.known_addresses.write_text(before)
        node.log.unlink()
        process = node.start_proxy()
        assert get(port)[0] == (200 if before is None else 503)
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize("check", [HOURLY, UNCHECKED], ids=["checked", "unchecked"])
def test_a_name_that_has_no_address_yet_holds_nothing_up_and_is_used_as_soon_as_it_has_one(node, name_server, two_shops, check):
    node.start_proxy()
    port = free_port()
    node.load(by_name(two_shops[0], name_server, check=check), frontend(port))
    assert get(port)[0] == 503
    view = servers(node)["app"]
    who = f"127.0.0.1 port {name_server.port}"
    assert (view["state"], view["last_check"]) == ("down", f"no address: NXDOMAIN from {who} for app.test")
    assert view["address"] == f"app.test:{two_shops[0].port}"
    name_server.knows(app=[ADDRESS])
    until(lambda: get(port) == (200, "first"))
    name_server.knows()
    until(lambda: get(port)[0] == 503)  # once it has been denied for as long as ``hold``
    assert servers(node)["app"]["state"] == "down"


def test_a_name_server_that_says_nothing_holds_a_document_up_for_a_second_and_no_longer(node, two_shops):
    node.start_proxy()
    silent = Resolver(name_servers=("192.0.2.53",))
    began = time.monotonic()
    named = backend(two_shops[0], Server("app", "app.test", two_shops[0].port), resolver=silent)
    port = free_port()
    node.load(named, frontend(port))
    assert time.monotonic() - began < 10
    assert get(port) == (200, "first"), "the other server serves"
    assert servers(node)["app"]["state"] in ("checking", "down")  # where there is no way to it, that is known at once


def test_one_name_stands_for_as_many_servers_as_it_has_addresses_and_each_keeps_its_own(node, name_server, two_shops):
    name_server.knows(app=["127.0.0.2"])
    node.start_proxy()
    port = free_port()
    node.load(by_name(two_shops[0], name_server, expand=3), frontend(port))
    assert get(port) == (200, "second")
    name_server.knows(app=[ADDRESS, "127.0.0.2"])
    until(lambda: {get(port)[1] for _request in range(4)} == {"first", "second"})
    seen = servers(node)
    assert [seen[f"app-{number}"]["state"] for number in (1, 2, 3)] == ["up", "up", "down"]
    assert seen["app-1"]["address"] == f"127.0.0.2:{two_shops[0].port}", "it stays where it was, though another address comes before its own"
    assert seen["app-3"]["last_check"] == "no address: app.test has 2 addresses, which other servers of the backend have"
    node.proxy.request("PUT", "/v1/server", {"load_balancer": "edge", "backend": "shop", "name": "app-1", "state": "drain"})
    assert {get(port)[1] for _request in range(4)} == {"first"}


def test_an_address_at_which_the_load_balancer_itself_listens_is_not_used(node, name_server):
    port = free_port()
    name_server.knows(app=[ADDRESS])
    node.start_proxy()
    node.load(backend(Server("app", "app.test", port), resolver=quick(name_server)), frontend(port))
    assert get(port)[0] == 503
    said = f'no address: 127.0.0.1:{port} is where frontend "edge/web" of the same load balancer listens'
    assert servers(node)["app"]["last_check"] == said


def test_a_check_asks_for_the_name_unless_it_is_told_another_one(node, name_server, two_shops):
    name_server.knows(app=[ADDRESS])
    heard = []
    handler = two_shops[0].RequestHandlerClass
    two_shops[0].RequestHandlerClass = type("Noting", (handler,), {"do_GET": lambda self: (heard.append(self.headers["Host"]), handler.do_GET(self))})
    node.start_proxy()
    node.load(by_name(two_shops[0], name_server, check=HOURLY), frontend(free_port()))
    assert heard == [f"app.test:{two_shops[0].port}"]
