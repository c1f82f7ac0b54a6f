"""Floating IPs on real interfaces: leases, interfaces that come and go or take no IPv6, and what status says of all that."""

from __future__ import annotations

import dataclasses
import os
import signal
import time

import pytest

from tandem._client import Client, Refused
from tests.namespaces.test_network import holders, lifetime_s, other_than, status
from tests.namespaces.topology import VIP, VIP6, address6, document, eventually, run


def test_a_lease_follows_the_interval_of_the_heartbeats(hosts, pair):
    pair()
    active = eventually(hosts.settled)
    for generation, interval, shortest, longest in ((2, "4s", 6, 14), (3, "300ms", 1, 2)):
        hosts.apply(document(generation, heartbeat={"interval": interval}))
        lease = eventually(lambda: lifetime_s(hosts, active))
        assert shortest <= lease <= longest, f"{interval}: who takes over must not meet an address that a dead node still has"
        assert hosts.active() == active


def test_a_lease_of_a_second_does_not_end_while_it_is_renewed_and_ends_soon_when_it_is_not(hosts, pair):
    pair(heartbeat={"interval": "100ms"})
    active = eventually(hosts.settled)
    assert lifetime_s(hosts, active) <= 1
    since = hosts.view(active)["since_ms"]
    while hosts.view(active)["since_ms"] < since + 4000:
        assert hosts.holds(active)
        assert hosts.holds(active, VIP6)
    stopped = hosts.service_pid(active, "keepalive")
    os.kill(stopped, signal.SIGSTOP)
    try:
        moment = time.monotonic()
        eventually(lambda: not hosts.holds(active), within=3)
        assert time.monotonic() - moment < 1.6
        eventually(lambda: not hosts.holds(active, VIP6), within=2)
    finally:
        os.kill(stopped, signal.SIGCONT)


@pytest.fixture
def unplugged(hosts):
    """Takes a host's interface away until the test plugs it in again, or has ended."""
    out = []

    def take(host):
        hosts.unplug(host)
        out.append(host)

    yield take
    for host in out:
        if run("ip", "link", "show", hosts.port(host), check=False).returncode:  # /sys may be that of another network
            hosts.plug_in(host)


def test_a_node_that_boots_before_its_network_takes_part_once_that_is_there(hosts, pair, unplugged):
    pair()
    standby = other_than(eventually(hosts.settled))
    hosts.kill(standby)
    unplugged(standby)
    hosts.boot(standby)
    keepalive = Client(hosts.paths(standby).keepalive_socket, 2.0)
    eventually(lambda: "outside every interface's network" in keepalive.status()["failure"])
    hosts.plug_in(standby)
    eventually(lambda: hosts.state(standby) == "standby")
    assert keepalive.status()["failure"] == ""


@pytest.mark.parametrize("mode", ["unicast", "multicast"])
def test_a_node_whose_interface_was_replaced_holds_its_addresses_and_is_heard_on_the_new_one(hosts, pair, unplugged, mode):
    pair(heartbeat={"transport": "vrrp", "mode": mode})
    assert eventually(hosts.settled) == "lb-a"
    unplugged("lb-a")
    eventually(lambda: hosts.state("lb-b") == "active")
    hosts.plug_in("lb-a")
    eventually(lambda: hosts.active() == "lb-b" and hosts.state("lb-a") == "standby", within=15)
    before = hosts.view("lb-a")["transitions"]
    hosts.kill("lb-b")
    eventually(lambda: holders(hosts) == ["lb-a"], within=15)
    assert hosts.holds("lb-a", VIP6)
    hosts.boot("lb-b")
    assert eventually(hosts.settled) == "lb-a"
    assert hosts.view("lb-a")["transitions"] == before + 1, "it heard the other one all the time"


def held(hosts, node):
    return {entry["name"]: entry["held"] for entry in hosts.view(node)["floating_ips"]}


@pytest.fixture
def without_ipv6(hosts):
    """Switches IPv6 off on hosts' interfaces until the test has ended; their own IPv6 addresses are put back then."""
    off = []

    def switch(host):
        off.append(host)
        hosts.on(host, "sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6")

    yield switch
    for host in off:
        hosts.on(host, "sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6")
        hosts.on(host, "ip", "addr", "add", f"{address6(host)}/64", "dev", "eth0", "nodad", check=False)


def test_status_says_which_addresses_the_kernel_has_and_why_one_is_missing(hosts, pair, without_ipv6):
    pair()
    active = eventually(hosts.settled)
    assert held(hosts, active) == {"vip": True, "vip6": True}
    without_ipv6(active)
    eventually(lambda: held(hosts, active) == {"vip": True, "vip6": False})
    (problem,) = status(hosts, active)["problems"]
    assert f'floating IP "vip6": address is "{VIP6}/64", but IPv6 is disabled on eth0' in problem
    assert hosts.active() == active, "IPv4 is served as before"
    standby = other_than(active)
    hosts.on(standby, "ip", "addr", "add", f"{VIP}/32", "dev", "eth0")
    assert held(hosts, standby) == {"vip": False, "vip6": False}, "it is there with another prefix length, put there by somebody else"
    hosts.on(standby, "ip", "addr", "del", f"{VIP}/32", "dev", "eth0")
    hosts.on(standby, "ip", "addr", "add", f"{VIP}/24", "dev", "eth0")
    assert held(hosts, standby) == {"vip": True, "vip6": False}
    assert any("this node is not active, but eth0 has" in problem for problem in status(hosts, standby)["problems"])


def test_a_document_with_an_address_that_no_interface_takes_is_refused_and_changes_nothing(hosts, pair, without_ipv6):
    stated = pair(floating_ips=["vip"])
    active = eventually(hosts.settled)
    without_ipv6(active)
    before = hosts.view(active)["transitions"]
    new = document(stated.generation + 1)
    hosts.write(new.with_object(dataclasses.replace(new.floating_ips["vip6"], interface="eth0")), nodes=[active])
    with pytest.raises(Refused, match="IPv6 is disabled on eth0"):
        Client(hosts.paths(active).keepalive_socket).load(stated.generation + 1)
    assert (hosts.active(), hosts.view(active)["transitions"], held(hosts, active)) == (active, before, {"vip": True})
