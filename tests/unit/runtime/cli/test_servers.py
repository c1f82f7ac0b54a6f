"""Servers on the command line: listed, drained, in maintenance and back, as an operator types it."""

from __future__ import annotations

import http.client
import json
import re

import pytest

from tests.support.node import backend, free_port, frontend, get, until


@pytest.fixture
def two(node, shops):
    """A proxy with two shops: (node, port, the shops by the servers' names)."""
    port, behind = free_port(), {"s1": shops("one"), "s2": shops("two")}
    node.start_proxy()
    node.load(backend(*behind.values()), frontend(port))
    return node, port, behind


def answered(port):
    return {get(port)[1] for _turn in range(6)}


def test_a_server_is_drained_listed_and_taken_back(two):
    node, port, _behind = two
    drained = node.run("drain", "edge/shop/s1", "--move", "--wait")
    assert (drained.returncode, drained.stderr) == (0, "")
    assert re.fullmatch(r"edge/shop/s1  127.0.0.1:\d+ +up +0 sessions; drain for \d+ms, set by \S+, bound clients move\n", drained.stdout)
    assert answered(port) == {"two"}
    listed = node.run("servers")
    assert listed.returncode == 0
    assert re.fullmatch(r"edge/shop/s1  .*; drain for .*\nedge/shop/s2  127.0.0.1:\d+ +up +0 sessions; ready\n", listed.stdout)
    told = json.loads(node.run("servers", "--json").stdout)
    assert [(key, view["admin_state"]) for key, view in told.items()] == [("edge/shop/s1", "drain"), ("edge/shop/s2", "ready")]
    assert re.search(r"^    s1 .*; 0 sessions; drain for .*, set by ", node.run("status").stdout, re.MULTILINE)
    back = node.run("ready", "edge/shop/s1", "--json", "--wait")
    assert (back.returncode, json.loads(back.stdout)["changed"]) == (0, True)
    assert json.loads(node.run("ready", "edge/shop/s1", "--json").stdout)["changed"] is False
    assert answered(port) == {"one", "two"}


def test_when_it_is_not_drained_in_time_that_is_said_and_the_state_stays(two):
    node, port, behind = two
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    client.request("GET", "/slow")
    until(lambda: any(shop.asked.is_set() for shop in behind.values()))
    busy = next(name for name, shop in behind.items() if shop.asked.is_set())
    late = node.run("maint", f"edge/shop/{busy}", "--wait", "--timeout", "200ms")
    assert late.returncode == 1
    assert "is not drained after 200ms; requests and sessions under way at it on this node: 1." in late.stderr
    assert answered(port) == {shop.name for name, shop in behind.items() if name != busy}
    behind[busy].released.set()
    assert client.getresponse().status == 200
    client.close()
    assert node.run("maint", f"edge/shop/{busy}", "--wait").returncode == 0


def test_a_backend_whose_servers_all_take_nobody_is_a_problem_in_status(two):
    node, _port, _behind = two
    for name in ("s1", "s2"):
        assert node.run("drain", f"edge/shop/{name}").returncode == 0
    problem = 'backend "edge/shop": no server takes new clients, as all that are up are drained or in maintenance'
    assert problem in json.loads(node.run("status", "--json").stdout)["problems"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["drain", "edge/shop/s9"], 'name is "s9", but backend "edge/shop" has no such server; known are "s1", "s2"'),
        (["maint", "edge"], 'SERVER is "edge", which names no server. Give LOAD_BALANCER/BACKEND/SERVER; tandem servers lists them.'),
        (["ready", "edge/shop/s1/x"], "which names no server"),
        (["ready", "edge/shop/s1", "--timeout", "soon"], '--timeout is "soon", which is not a duration'),
    ],
)
def test_what_cannot_be_set_is_told_in_words(two, words, said):
    node, port, _behind = two
    refused = node.run(*words)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert said in refused.stderr
    assert answered(port) == {"one", "two"}


def test_without_a_proxy_states_are_set_for_the_one_that_starts_and_none_are_listed(node, shops):
    port = free_port()
    node.write(backend(shops("one"), shops("two")), frontend(port))
    assert node.run("servers").returncode == 1
    assert "the proxy is not running" in node.run("servers").stderr
    assert node.run("maint", "edge/shop/s2", "--wait").returncode == 0
    node.start_proxy()
    assert answered(port) == {"one"}
