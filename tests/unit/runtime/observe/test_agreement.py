"""Metrics, page and command line of a pair agree with what a client counted itself, through a reload and a failover; and tell of the failover."""

from __future__ import annotations

import dataclasses
import json
import socket
import threading

import pytest

from tandem._model import HealthCheck, Observing
from tests.support.node import FLOATING, PAIR_KEY, backend, free_port, frontend, get, pair, until
from tests.support.observed import ask, metrics, value

ANSWERS = "tandem_frontend_responses_total"
QUICK = HealthCheck(interval_ms=200, timeout_ms=200)
FLOATS_AT, ADDRESSES = "127.0.0.100", {"lb-a": "127.0.0.11", "lb-b": "127.0.0.12"}


@pytest.fixture
def two(nodes, shops):
    """Both nodes of a pair that runs: (nodes by name, port of the site, port of what is observed, what they hold)."""
    port, place = free_port(address=FLOATS_AT), free_port(address=ADDRESSES["lb-a"])
    balancer = dataclasses.replace(pair(free_port(socket.SOCK_DGRAM)), observe=Observing(port=place, address="node"))
    things = [FLOATING, balancer, backend(shops("one"), shops("two"), check=QUICK), frontend(port, addresses=())]
    made = {name: nodes(name) for name in ADDRESSES}
    for node in made.values():
        node.store.write_secret(PAIR_KEY, "a-key-that-both-share")
        node.write(*things)
        assert node.run("manager", "start").returncode == 0
    until(lambda: all(node.run("status").returncode == 0 for node in made.values()), 30)
    return made, port, place, things


class Client:
    """Asks one time after the other, and counts what it got."""

    def __init__(self, port):
        self.port, self.answered, self.failed = port, 0, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self):
        while not self._stop.is_set():
            try:
                self.answered += get(self.port, address=FLOATS_AT)[0] == 200
            except OSError:
                self.failed += 1

    def stop(self):
        self._stop.set()
        self._thread.join(20)


def test_all_that_shows_figures_agrees_with_the_client_through_a_reload_and_a_failover(two):
    nodes, port, place, things = two
    first = next(name for name, node in nodes.items() if node.keepalive.status()["load_balancers"]["edge"]["state"] == "active")
    (second,) = set(nodes) - {first}
    client = Client(port)
    try:
        until(lambda: client.answered > 20)
        changed = dataclasses.replace(things[2], balance="leastconn")
        for node in nodes.values():
            node.proxy.load(node.write(FLOATING, things[1], changed, things[3]))
            node.keepalive.load(node.generation)
        before = client.answered
        until(lambda: client.answered > before + 20)
        moved = nodes[first].run("switchover", "edge", "--to", second, "--force")
        assert moved.returncode == 0, moved.stderr
        until(lambda: value(metrics(place, at=ADDRESSES[second]), ANSWERS, **{"class": "2xx"}) > 20, 30)
    finally:
        client.stop()
    assert client.failed == 0
    # A view may be a second old.
    until(lambda: sum(value(metrics(place, at=address), ANSWERS, **{"class": "2xx"}) for address in ADDRESSES.values()) == client.answered)
    found = {name: metrics(place, at=address) for name, address in ADDRESSES.items()}
    by_metrics = {name: value(shown, ANSWERS, **{"class": "2xx"}) for name, shown in found.items()}
    assert min(by_metrics.values()) > 20
    assert sum(by_metrics.values()) == client.answered
    for name, shown in found.items():
        assert value(shown, "tandem_backend_whole_seconds_count") == by_metrics[name]
        page = json.loads(ask(place, "/v1/overview", at=ADDRESSES[name])[2])
        status = json.loads(nodes[name].run("status", "--json").stdout)["proxy"]["frontends"]["edge/web"]
        assert page["frontends"][0]["requests"] == status["requests"] == by_metrics[name]
        assert value(shown, "tandem_node_state", node=name, state="active") == (name == second)
        assert value(shown, "tandem_peer_heartbeat_jitter_seconds", node=name) < 1
        assert value(shown, "tandem_floating_ip_held", floating_ip="ip") == (name == second)
        assert [one["state"] for one in page["nodes"]] == (["active", "standby"] if name == second else ["standby", "active"])
        assert page["problems"] == []

    def texts(name):
        """What both followed of the election, and did not have to see both of."""
        events = json.loads(nodes[name].run("events", "edge", "--json").stdout)["events"]
        return [event["text"] for event in events if event["kind"] in ("state", "role")]

    until(lambda: any("-> active" in text for text in texts(second)), what=f"{second} tells that it became active, of {texts(second)}")
    until(lambda: any("-> standby" in text for text in texts(first)), what=f"{first} tells that it gave way, of {texts(first)}")
    assert "clients are served here" in texts(second)
    assert texts(first)[-1] != "clients are served here"
