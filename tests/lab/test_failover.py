"""What a client on its own host sees when services die, hosts lose their power and hosts reboot: over ssh, systemd and VRRP as users have them."""

from __future__ import annotations

import statistics

import pytest

from tests.lab.lab_pair import answered, outage_s
from tests.lab.layout import NODES
from tests.support.waiting import until


def other_than(node):
    return next(other for other in NODES if other != node)


def settled(pair):
    """The active node, once the other one stands by."""
    until(lambda: sorted(map(pair.node_state, NODES)) == ["active", "standby"], 30, "one node active, one standing by")
    return pair.active()


def holders(pair):
    """The nodes on whose link the floating IP is."""
    return [node for node in NODES if pair.lab.is_on(node) and f" {pair.address}/" in pair.hosts.run(node, "ip -br address show host0").stdout]


def kill_service(name):
    def kill(pair, node):
        pair.hosts.run(node, f"systemctl kill -s KILL {name}", sudo=True)

    return kill


@pytest.fixture
def measuring(figure, repeats):
    return figure, repeats


def pull_the_plug(pair, node):
    pair.kill_node(node)


def shut_down(pair, node):
    pair.hosts.run(node, "systemctl poweroff", sudo=True, check=False)
    pair.hosts.forget(node)


@pytest.mark.parametrize(
    ("what", "die", "p50_max_s"),
    [
        ("systemctl kill -s KILL tandem-proxy", kill_service("tandem-proxy"), 0.5),
        ("systemctl kill -s KILL tandem-keepalive", kill_service("tandem-keepalive"), 1.2),
        ("pulling the plug", pull_the_plug, 1.2),
        ("poweroff", shut_down, 1.2),
    ],
    ids=["proxy", "keepalive", "plug", "poweroff"],
)
def test_the_floating_ip_moves_and_the_node_comes_back_as_standby(pair, measuring, what, die, p50_max_s):
    figure, repeats = measuring
    outages, failures = [], []
    for _turn in range(repeats):
        active = settled(pair)
        other = other_than(active)
        with pair.stream() as stream:
            until(lambda stream=stream: len(stream.outcomes) >= 20, 10, "requests beginning")
            moment = stream.outcomes[-1].ended_s
            die(pair, active)
            until(lambda other=other: pair.node_state(other) == "active", 15, f"{other} becoming active")
            seen = len(answered(stream.outcomes))
            until(lambda stream=stream, seen=seen: len(answered(stream.outcomes)) >= seen + 50, 15, "answers going on")
        outages.append(outage_s(stream.outcomes, moment))
        failures.append(sum(outcome.server is None for outcome in stream.outcomes))
        if die in (pull_the_plug, shut_down):
            until(lambda active=active: not pair.lab.is_on(active), 30, f"{active} being off")
            pair.boot_node(active)
        assert settled(pair) == other
        assert holders(pair) == [other]
    shown = " ".join(f"{outage * 1000:.0f}" for outage in sorted(outages))
    figure(f"lab, {what} on the active node, {repeats} times: p50 {statistics.median(outages) * 1000:.0f} ms (all, ms: {shown})")
    figure(f"lab, {what} on the active node, {repeats} times: requests failed {' '.join(map(str, failures))}")
    assert statistics.median(outages) <= p50_max_s
    assert not any(failures) or die is not shut_down


def test_a_node_that_is_rebooted_comes_back_into_the_pair_by_itself(pair, figure):
    for role in ("standby", "active"):
        active = settled(pair)
        node = active if role == "active" else other_than(active)
        generation = pair.status(node)["generation"]
        boot = pair.hosts.run(node, "cat /proc/sys/kernel/random/boot_id").stdout
        with pair.stream() as stream:
            until(lambda stream=stream: len(stream.outcomes) >= 20, 10, "requests beginning")
            moment = stream.outcomes[-1].ended_s
            pair.hosts.run(node, "systemctl reboot", sudo=True, check=False)
            until(
                lambda node=node, boot=boot: (
                    pair.hosts.reachable(node) and pair.hosts.run(node, "cat /proc/sys/kernel/random/boot_id").stdout != boot
                ),
                60,
                "booting again",
            )
            now = settled(pair)
            seen = len(answered(stream.outcomes))
            until(lambda stream=stream, seen=seen: len(answered(stream.outcomes)) >= seen + 50, 15, "answers going on")
        outage = outage_s(stream.outcomes, moment)
        failed = sum(outcome.server is None for outcome in stream.outcomes)
        figure(f"lab, reboot of the {role} node: longest time without an answer {outage * 1000:.0f} ms, {failed} requests failed")
        assert now == other_than(node)
        assert pair.status(node)["generation"] == generation
        assert pair.hosts.run(node, "systemctl is-active tandem-proxy tandem-keepalive").stdout.split() == ["active", "active"]
        assert failed == 0
