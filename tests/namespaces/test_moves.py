"""Moves that are asked for: a node that is stopped in order, and a switchover."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tandem import _model as model
from tandem._client import Client
from tests.namespaces.test_failover import answered_since, outage_s
from tests.namespaces.test_network import other_than
from tests.namespaces.topology import NODES, VIP, VIP6, address, eventually

LONG_LIVED = Path(__file__).with_name("long_lived.py")
SLOW = [{"path_prefix": "/slow", "backend": "slow"}]


@pytest.mark.parametrize("clients", ["probe", "busy"])
def test_an_order_to_stop_hands_over_without_waiting_and_without_a_failed_request(hosts, pair, traffic, clients, figure):
    pair()
    active = eventually(hosts.settled)
    with traffic(clients) as outcomes:
        moment = time.monotonic()
        hosts.stop(active)
        eventually(lambda: hosts.state(other_than(active)) == "active")
        eventually(lambda: sum(1 for outcome in list(outcomes) if outcome["server"] and outcome["began"] > moment + 1) > 20)
    slowest = max(outcome["ended"] - outcome["began"] for outcome in outcomes)
    failed = [outcome for outcome in outcomes if not outcome["server"]]
    figure(
        f"the active node stopped in order ({clients}): {len(failed)} of {len(outcomes)} requests failed, "
        f"{outage_s(outcomes, moment) * 1000:.0f} ms without an answer, the slowest request took {slowest * 1000:.0f} ms"
    )
    assert failed == []
    # Eight clients that all connect in the very moment of the move wait until they try again, which is after a second (RFC 6298 2.1).
    assert outage_s(outcomes, moment) <= (0.5 if clients == "probe" else 1.5)


def test_a_switchover_there_and_back_fails_no_request_and_a_second_one_changes_nothing(hosts, pair, traffic, figure):
    pair()
    first = eventually(hosts.settled)
    second = other_than(first)
    waited = []
    with traffic("probe") as outcomes:
        for node, to in ((first, second), (second, first)):
            moment = time.monotonic()
            assert hosts.tandem(node, "switchover", "edge", "--to", to).stdout == f"edge: {to} is active, connections are kept\n"
            assert hosts.tandem(to, "switchover", "edge", "--to", to).stdout == f"edge: {to} is active already\n"
            assert (hosts.state(node), hosts.holds(node), hosts.holds(to)) == ("standby", False, True)
            eventually(lambda moment=moment: sum(1 for outcome in list(outcomes) if outcome["server"] and outcome["began"] > moment + 1) > 20)
            waited.append(outage_s(outcomes, moment))
    failed = [outcome for outcome in outcomes if not outcome["server"]]
    shown = " and ".join(f"{seconds * 1000:.0f} ms" for seconds in waited)
    figure(f"switchover there and back: {len(failed)} of {len(outcomes)} requests failed, {shown} without an answer")
    assert failed == []
    assert hosts.state(second) == "standby"


def are_up(hosts, node, *backends):
    shown = Client(hosts.paths(node).proxy_socket, 2.0).status()["backends"]
    return all(server["state"] == "up" for name in backends for server in shown[name]["servers"].values())


@pytest.fixture
def long_lived(hosts, pair):
    """``with long_lived(VIP, 3) as outcome``: a download and an echo through the pair for that many seconds, and what became of them."""
    stated = pair()
    tcp, http = {"load_balancer": "edge", "protocol": "tcp"}, {"load_balancer": "edge"}
    app = [{"name": "app-1", "address": address("app-1")}]
    for thing in (
        model.from_options(model.Backend, {**http, "name": "slow", "port": 8090, "servers": app}),
        model.from_options(model.Backend, {**tcp, "name": "raw", "port": 8090, "servers": app}),
        model.from_options(model.Frontend, {**http, "name": "web", "port": 80, "default_backend": "shop", "routes": SLOW}),
        model.from_options(model.Frontend, {**tcp, "name": "stream", "port": 81, "default_backend": "raw"}),
    ):
        stated = stated.with_object(thing)
    server = hosts.start("app-1", sys.executable, LONG_LIVED, "serve", 8090)
    hosts.apply(dataclasses.replace(stated, generation=stated.generation + 1))
    eventually(lambda: all(are_up(hosts, node, "edge/slow", "edge/raw") for node in NODES))

    @contextlib.contextmanager
    def begin(ip, seconds):
        command = ["ip", "netns", "exec", hosts.namespace("client"), sys.executable, str(LONG_LIVED), "use", ip, str(seconds)]
        client, outcome = subprocess.Popen(command, stdout=subprocess.PIPE, text=True), {}
        try:
            assert client.stdout.readline() == "begun\n"
            time.sleep(0.3)  # of what takes a tenth of a second a line
            yield outcome
            outcome.update(json.loads(client.stdout.readline()))
        finally:
            client.kill()
            client.wait(timeout=10)

    yield begin
    server.kill()
    server.wait(timeout=10)


@pytest.mark.parametrize("ip", [VIP, VIP6], ids=["IPv4", "IPv6"])
def test_a_download_and_a_stream_outlive_a_switchover_and_no_request_fails(hosts, long_lived, traffic, figure, ip):
    first = eventually(hosts.settled)
    second = other_than(first)
    with long_lived(ip, 6) as outcome, traffic("probe", ip) as outcomes:
        moment = time.monotonic()
        assert hosts.tandem(first, "switchover", "edge").stdout == f"edge: {second} is active, connections are kept\n"
        assert (hosts.view(first)["move"]["part"], hosts.view(second)["move"]["part"]) == ("keeps", "passes on")
        assert (hosts.holds(first, ip), hosts.holds(second, ip)) == (False, True)
        eventually(lambda: answered_since(outcomes, moment + 1, 20))
    failed = [(f"{one['began'] - moment:.3f} s after it began", one["reason"]) for one in outcomes if not one["server"]]
    slowest = max(one["ended"] - one["began"] for one in outcomes)
    figure(
        f"switchover with a download and an echo stream open ({'IPv6' if ':' in ip else 'IPv4'}): {len(failed)} of {len(outcomes)} requests failed, "
        f"{outage_s(outcomes, moment) * 1000:.0f} ms without an answer, the slowest request took {slowest * 1000:.0f} ms, "
        f"the longest silence of the echo {outcome['echo']['longest_s'] * 1000:.0f} ms"
    )
    assert failed == []
    assert (outcome["download"]["whole"], outcome["echo"]["whole"]) == (True, True), outcome
    eventually(lambda: [hosts.view(node)["move"] for node in (first, second)] == [None, None])
    for node in (first, second):
        assert "tandem-move" not in hosts.on(node, "nft", "list", "ruleset").stdout
    assert ip not in hosts.on(first, "ip", "addr", "show", "dev", "lo").stdout


def test_a_node_that_has_lost_its_gateway_makes_way_for_one_that_has_it(hosts, pair, traffic):
    pair(track={"gateway": address("client")})
    first = eventually(hosts.settled)
    second = other_than(first)
    eventually(lambda: all(hosts.view(node)["tracked"][0]["up"] for node in NODES))
    table = "add table inet cut; add chain inet cut out { type filter hook output priority 0; }; add rule inet cut out icmp type echo-request drop"
    with traffic("probe") as outcomes:
        hosts.on(first, "nft", table)
        eventually(lambda: [hosts.state(node) for node in (first, second)] == ["fault", "active"])
        count = len(outcomes)
        eventually(lambda: len(outcomes) > count + 20)
        view = hosts.view(first)
        assert (view["state"], view["reason"].startswith("gateway: ")) == ("fault", True)
        assert hosts.view(second)["moves"][0]["why"] == "the active node has lost what it tracks"
    hosts.on(first, "nft", "delete", "table", "inet", "cut")
