"""The module server against a node whose proxy runs, and one whose proxy does not: what it changes, waits for, and says when that does not come."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading

import pytest

from tandem._model import HealthCheck
from tests.support.collection import Host
from tests.support.node import ADDRESS, Node, Shop, backend, free_port, frontend, get, until
from tests.support.objects import ALL, BACKEND

NAMED = {"load_balancer": "edge", "backend": "shop"}
QUICK = HealthCheck(interval_ms=200, timeout_ms=150, fast_interval_ms=50)


@pytest.fixture
def running(collections, tmp_path):
    """A proxy with two shops: (how the module is run there, the node, the port, the shops)."""
    node, shops, port = Node(tmp_path / "node"), [Shop("one"), Shop("two")], free_port()
    node.start_proxy()
    node.load(backend(*shops, check=QUICK), frontend(port))
    yield Host(collections, node.prefix), node, port, shops
    node.close()
    for shop in shops:
        with contextlib.suppress(OSError):
            shop.close()


def answered(port, count=8):
    return {get(port)[1] for _turn in range(count)}


def test_drained_updated_healthy_and_ready_again_on_a_running_node(running):
    host, node, port, shops = running
    shops[0].released.clear()
    client = http.client.HTTPConnection(ADDRESS, port, timeout=10)
    name = _name_of_who_is_asked(client, shops)
    slow = next(shop for shop in shops if shop.asked.is_set())
    late = host.run("server", **NAMED, name=name, state="drain", wait="drained", timeout="200ms").result
    assert late["failed"] is True
    assert late["changed"] is True
    assert f'server "edge/shop/{name}" is not drained after 200ms; requests and sessions under way at it on this node: 1.' in late["msg"]
    assert "on_timeout: continue" in late["msg"]
    going_on = host.run("server", **NAMED, name=name, state="drain", wait="drained", timeout="200ms", on_timeout="continue").result
    assert (going_on.get("failed", False), going_on["changed"], going_on["reached"]) == (False, False, False)
    assert "is not drained" in json.dumps(going_on["warnings"])
    threading.Timer(0.3, slow.released.set).start()
    done = host.run("server", **NAMED, name=name, state="drain", wait="drained").result
    assert (done["changed"], done["reached"], done["server"]["sessions"], done["server"]["admin_state"]) == (False, True, 0, "drain")
    assert client.getresponse().read() == slow.name.encode()
    client.close()
    assert answered(port) == {shop.name for shop in shops if shop is not slow}

    back = host.run("server", **NAMED, name=name, state="ready", wait="healthy").result
    assert (back["changed"], back["reached"], back["server"]["state"], back["object"]["state"]) == (True, True, "up", "ready")
    assert back["diff"] == {
        "before": f'server "edge/shop/{name}" drain_sticky: "keep"\nserver "edge/shop/{name}" state: "drain"\n',
        "after": f'server "edge/shop/{name}" state: "ready"\n',
    }
    assert answered(port) == {"one", "two"}
    assert json.loads(node.paths.states.read_text())["servers"] == {}


def _name_of_who_is_asked(client, shops):
    client.request("GET", "/slow")
    until(lambda: any(shop.asked.is_set() for shop in shops))
    return next(f"s{number}" for number, shop in enumerate(shops, 1) if shop.asked.is_set())


def test_who_waits_for_a_server_that_stays_down_is_told_what_its_checks_say(running):
    host, _node, _port, shops = running
    shops[1].close()
    late = host.run("server", **NAMED, name="s2", state="maint", wait="healthy", timeout="700ms").result
    assert late["failed"] is True
    assert "is not healthy after 700ms: it is down (" in late["msg"], late["msg"]


def test_left_out_states_stay_and_only_what_is_asked_is_waited_for(running):
    host, _node, _port, _shops = running
    assert host.run("server", **NAMED, name="s1", state="drain", drain_sticky="move").result["changed"] is True
    looked = host.run("server", **NAMED, name="s1", wait="healthy").result
    assert (looked["changed"], looked["object"]["state"], looked["object"]["drain_sticky"]) == (False, "drain", "move")
    kept = host.run("server", **NAMED, name="s1", drain_sticky="keep").result
    assert (kept["changed"], kept["object"]["drain_sticky"]) == (True, "keep")
    told = host.run("load_balancer_info").result["load_balancers"][0]["backends"][0]["health"]["s1"]
    assert (told["admin_state"], told["drain_sticky"], told["sessions"], told["state"]) == ("drain", "keep", 0, "up")
    assert told["set_by"]


def test_in_check_mode_nothing_is_set_and_nothing_waited_for(running):
    host, node, port, _shops = running
    foretold = host.run("server", check=True, **NAMED, name="s1", state="maint", wait="drained", timeout="0s").result
    assert (foretold["changed"], foretold["object"]["state"], foretold["reached"]) == (True, "maint", True)
    shown = foretold["server"]
    assert (shown["admin_state"], shown["state"], shown["sessions"], shown["drained"]) == ("maint", "up", 0, True)
    assert shown["set_since_ms"] < 60_000
    assert "proxy does not run" not in shown["last_check"]
    assert answered(port) == {"one", "two"}
    assert not node.paths.states.exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"load_balancer": "egde"}, ['load_balancer is "egde"', 'known are "edge"; nearest is "edge"']),
        ({"backend": "shpo"}, ['backend is "shpo"', 'load balancer "edge" has no such backend', 'nearest is "shop"']),
        ({"name": "app-9"}, ['name is "app-9"', 'backend "edge/shop" has no such server', '"app-1", "app-2"', "State it first"]),
        ({"wait": "drained", "state": "ready"}, ['wait is "drained"', "goes on taking clients", "state: drain"]),
        ({"wait": "drained"}, ['wait is "drained"', "goes on taking clients"]),
        ({"wait": "healthy"}, ['wait is "healthy"', "the proxy does not run on this node", "tandem.lb.runtime"]),
        ({"drain_sticky": "move"}, ['drain_sticky is "move"', 'state is "ready"', "Leave it out"]),
        ({"timeout": "soon"}, ['timeout is "soon"', "which is not a duration"]),
        ({"timeout": "2d"}, ['timeout is "2d"', "which is outside 0 to 1d"]),
    ],
)
def test_what_cannot_be_is_refused_in_words_and_leaves_no_trace(host, seed, given, words):
    seed(host, ALL)
    tree = host.tree()
    for check in (True, False):
        options = {**NAMED, "name": "app-1", **given}
        if check and options.get("wait") == "healthy":
            continue  # an earlier task of the play may be about to start it
        refused = host.run("server", check=check, **options).result
        assert refused["failed"] is True
        assert all(word in refused["msg"] for word in words), refused["msg"]
    assert host.tree() == tree


def test_on_a_bare_host_it_says_what_is_missing_and_in_check_mode_assumes_what_earlier_tasks_would_have_made(host):
    bare = host.tree()
    refused = host.run("server", **NAMED, name="app-1", state="drain").result
    assert "this node has no such load balancer; there are none yet" in refused["msg"]
    assumed = host.run("config", check=True, **ALL).result["tandem_assumed"]
    assert host.run("server", check=True, tandem_assumed=assumed, **NAMED, name="app-1", state="drain").result["changed"] is True
    assert host.tree() == bare


def test_where_no_proxy_runs_the_state_is_written_for_the_one_that_starts(collections, tmp_path):
    node, shops, port = Node(tmp_path / "node"), [Shop("one"), Shop("two")], free_port()
    host = Host(collections, node.prefix)
    try:
        node.write(backend(*shops), frontend(port))
        done = host.run("server", **NAMED, name="s1", state="drain", wait="drained").result
        assert (done["changed"], done["reached"], done["server"]["state"]) == (True, True, "unknown")
        assert host.run("server", **NAMED, name="s1", state="drain").result["changed"] is False
        node.start_proxy()
        assert answered(port) == {"two"}
        assert host.run("server", **NAMED, name="s1", state="drain").result["changed"] is False
    finally:
        node.close()
        for shop in shops:
            shop.close()


def test_stating_the_backend_again_leaves_the_state_alone(host, seed):
    seed(host, ALL)
    host.run("server", **NAMED, name="app-1", state="maint")
    assert host.run("backend", **BACKEND).result["changed"] is False
    assert host.run("server", **NAMED, name="app-1", state="maint").result["changed"] is False


def test_states_go_with_the_runtime_when_that_is_taken_off_the_node(host, seed):
    seed(host, ALL)
    host.run("server", **NAMED, name="app-1", state="maint")
    host.run("config", state="overridden", allow_empty=True)
    removed = host.run("runtime", state="absent").result
    assert f"{host.prefix}/var/lib/tandem removed" in removed["done"], removed
    assert not (host.prefix / "var/lib/tandem").exists()
