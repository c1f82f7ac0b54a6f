"""The election on a real network: what is on the wire, what neighbours learn, and what happens when hosts stall or part."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tandem.wire import vrrp
from tests.namespaces.topology import NODES, PROGRAM, VIP, VIP6, address, address6, eventually, run

HERE = Path(__file__).parent


@pytest.fixture
def captured(hosts):
    """``with captured("client") as frames``: a list that grows with what the host's interface sees."""

    @contextlib.contextmanager
    def begin(host):
        frames: list[dict] = []
        command = ["ip", "netns", "exec", hosts.namespace(host), sys.executable, str(HERE / "capture.py"), "eth0"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        reader = threading.Thread(target=lambda: frames.extend(json.loads(line) for line in process.stdout), daemon=True)
        reader.start()
        try:
            eventually(lambda: frames)
            yield frames
        finally:
            process.stdin.close()
            process.wait(timeout=10)
            reader.join(timeout=10)

    return begin


def mac(hosts, host):
    return json.loads(hosts.on(host, "ip", "-json", "link", "show", "dev", "eth0").stdout)[0]["address"]


def neighbour(hosts, ip):
    """Where the client believes that ``ip`` is."""
    known = json.loads(hosts.on("client", "ip", "-json", "neigh", "show", ip, "dev", "eth0").stdout or "[]")
    return known[0].get("lladdr", "") if known else ""


def reach(hosts, ip):
    """Has the client look the address up by asking there."""
    code = f"import urllib.request; print(urllib.request.urlopen('http://{ip}/', timeout=3).status)"
    assert hosts.on("client", sys.executable, "-c", code).stdout.strip() == "200"


def lifetime_s(hosts, node, ip=VIP):
    shown = json.loads(hosts.on(node, "ip", "-json", "addr", "show", "dev", "eth0").stdout)[0]["addr_info"]
    return next((entry["valid_life_time"] for entry in shown if entry["local"] == ip), None)


def holders(hosts):
    return [node for node in NODES if hosts.holds(node)]


def status(hosts, node):
    return json.loads(hosts.on(node, *PROGRAM, "--prefix", hosts.paths(node).prefix, "status", "--json", check=False).stdout)


def other_than(node):
    return next(one for one in NODES if one != node)


@pytest.mark.parametrize("mode", ["unicast", "multicast"])
def test_rfc_9568_5_what_is_on_the_wire(hosts, pair, captured, mode):
    pair(heartbeat={"transport": "vrrp", "mode": mode})
    active = eventually(hosts.settled)
    with captured(other_than(active)) as frames:
        eventually(lambda: sum(frame["kind"] == "vrrp" for frame in frames) >= 5)
        hosts.stop(active)
    adverts = [frame for frame in frames if frame["kind"] == "vrrp" and frame["from"] == address(active)]
    assert adverts.pop()["priority"] == 0, "it resigned"
    group = mode == "multicast"
    others = [frame["at"] for frame in frames if frame["kind"] == "vrrp" and frame["from"] != address(active)]
    assert all(at > adverts[-1]["at"] for at in others), "a standby node says nothing (6.4.2)"
    assert {frame["to"] for frame in adverts} == {"224.0.0.18" if group else address(other_than(active))}
    assert {frame["hops"] for frame in adverts} == {255}
    if group:
        assert {frame["to_mac"] for frame in adverts} == {"01:00:5e:00:00:12"}
    decoded = vrrp.decode(bytes.fromhex(adverts[0]["message"]), adverts[0]["from"], adverts[0]["to"])
    assert (decoded.virtual_router_id, decoded.priority, decoded.interval_s, decoded.addresses) == (51, 200 if active == "lb-a" else 100, 0.3, (VIP,))
    gaps = [after["at"] - before["at"] for before, after in zip(adverts, adverts[1:])]
    assert 0.15 < sorted(gaps)[len(gaps) // 2] < 0.45


@pytest.mark.parametrize(
    "case",
    [("peer", 64, 0, "hop limit 64"), ("peer", 255, 1, "checksum"), ("client", 255, 0, "none of this load balancer's nodes")],
    ids=["passed a router", "spoiled", "from a stranger"],
)
def test_rfc_9568_7_1_advertisements_that_must_not_count_change_nothing(hosts, pair, case):
    sender, hops, broken, said = case
    pair()
    active = eventually(hosts.settled)
    before = hosts.view(active)["transitions"]
    source = other_than(active) if sender == "peer" else sender
    hosts.on(source, sys.executable, str(HERE / "send_vrrp.py"), address(source), address(active), str(hops), str(broken))
    eventually(lambda: said in (hosts.paths(active).log / "keepalive.log").read_text())
    assert (hosts.state(active), hosts.view(active)["transitions"]) == ("active", before)


@pytest.mark.parametrize("mode", ["unicast", "multicast"])
def test_a_strangers_advertisements_are_never_obeyed_and_are_named_as_a_problem(hosts, pair, mode):
    pair(heartbeat={"transport": "vrrp", "mode": mode})
    active = eventually(hosts.settled)
    before = [hosts.view(node)["transitions"] for node in NODES]
    asked = active if mode == "unicast" else other_than(active)
    destination = "224.0.0.18" if mode == "multicast" else address(asked)
    hosts.on("client", sys.executable, str(HERE / "send_vrrp.py"), address("client"), destination, "255", "0")
    shown = eventually(lambda: [said for said in status(hosts, asked)["problems"] if "virtual router 51" in said])
    assert f'load balancer "edge": advertisements of virtual router 51 come from {address("client")}' in shown[0]
    # Whoever had obeyed the highest priority would not be active now, nor for three of its intervals.
    assert (hosts.active(), [hosts.view(node)["transitions"] for node in NODES]) == (active, before)


def test_a_takeover_corrects_the_neighbours_caches_of_both_families_before_they_ask(hosts, pair, captured):
    pair()
    active = eventually(hosts.settled)
    standby = other_than(active)
    for ip in (VIP, f"[{VIP6}]"):
        reach(hosts, ip)
    assert [neighbour(hosts, ip) for ip in (VIP, VIP6)] == [mac(hosts, active)] * 2
    with captured("client") as frames:
        hosts.kill(active)
        eventually(lambda: [neighbour(hosts, ip) for ip in (VIP, VIP6)] == [mac(hosts, standby)] * 2, within=5)
    told = [frame for frame in frames if frame.get("mac") == mac(hosts, standby)]
    assert any(frame["kind"] == "arp" and frame["address"] == frame["target"] == VIP for frame in told), "gratuitous ARP (RFC 5227 3)"
    advertisements = [frame for frame in told if frame["kind"] == "na" and frame["address"] == VIP6]
    assert advertisements, "unsolicited neighbour advertisement (RFC 4861 7.2.6)"
    assert all(frame["hops"] == 255 and frame["flags"] & 0x20 for frame in advertisements), "with the override flag"
    assert {VIP, VIP6} <= {entry["address"].partition("/")[0] for entry in hosts.view(standby)["floating_ips"] if entry["held"]}


def test_a_node_that_stalls_loses_its_lease_and_says_only_that_it_is_not_active_when_it_wakes(hosts, pair, captured):
    pair()
    active = eventually(hosts.settled)
    standby = other_than(active)
    lease = lifetime_s(hosts, active)
    assert 0 < lease <= 5, "the kernel ends it by itself"
    stopped = hosts.service_pid(active, "keepalive")
    os.kill(stopped, signal.SIGSTOP)
    try:
        eventually(lambda: holders(hosts) == [standby], within=lease + 3)
        with captured(active) as frames:
            os.kill(stopped, signal.SIGCONT)
            eventually(lambda: hosts.state(active) == "standby")
            eventually(lambda: sum(frame["kind"] == "vrrp" for frame in frames) >= 5)
    finally:
        os.kill(stopped, signal.SIGCONT)
    sent = [frame for frame in frames if frame.get("sent") and (frame["kind"] == "vrrp" or frame.get("address") in (VIP, VIP6))]
    assert [frame.get("priority") for frame in sent] == [0], "neither an advertisement nor an announcement, but that it is no longer active"
    assert (holders(hosts), hosts.state(standby)) == ([standby], "active")


@pytest.mark.parametrize("loss", ["both ways", "one way"])
def test_nodes_that_lost_each_other_agree_as_soon_as_they_meet_again(hosts, pair, loss):
    pair()
    active = eventually(hosts.settled)
    standby = other_than(active)
    if loss == "both ways":
        between_the_nodes(hosts, "lost")
    else:
        hosts.on(
            standby,
            "nft",
            "add table inet loss; add chain inet loss in { type filter hook input priority 0; }; add rule inet loss in meta l4proto 112 drop",
        )
    eventually(lambda: [hosts.state(node) for node in NODES] == ["active", "active"])
    if loss == "both ways":
        between_the_nodes(hosts)
    else:
        hosts.on(standby, "nft", "delete", "table", "inet", "loss")
    moment = time.monotonic()
    eventually(lambda: hosts.active() == "lb-a", within=5)
    assert time.monotonic() - moment < 3
    eventually(lambda: holders(hosts) == ["lb-a"], within=3)
    # a conflict that was won is announced, so neighbours do not stay with the loser
    eventually(lambda: (reach(hosts, VIP), neighbour(hosts, VIP) == mac(hosts, "lb-a"))[1], within=3)


def between_the_nodes(hosts, *words):
    """A rule of the bridge that loses what passes from one node to the other, while the client hears and reaches both; without words it goes."""
    run("nft", "delete", "table", "bridge", hosts.mark, check=False)
    if words:
        ports = "{ " + ", ".join(hosts.port(node) for node in NODES) + " }"
        rule = f"iifname {ports} oifname {ports} drop"
        run("nft", f"add table bridge {hosts.mark}; add chain bridge {hosts.mark} f {{ type filter hook forward priority 0; }}")
        run("nft", f"add rule bridge {hosts.mark} f {rule}")


def test_a_client_that_believed_the_loser_of_a_conflict_is_corrected_when_it_ends(hosts, pair, captured):
    pair()
    assert eventually(hosts.settled) == "lb-a"
    try:
        for _heal in range(3):
            between_the_nodes(hosts, "lost")
            eventually(lambda: [hosts.state(node) for node in NODES] == ["active", "active"])
            reach(hosts, VIP)
            eventually(lambda: neighbour(hosts, VIP) == mac(hosts, "lb-b"), within=2)  # the last that announced itself
            with captured("client") as frames:
                between_the_nodes(hosts)
                eventually(lambda: hosts.active() == "lb-a")
                eventually(lambda: neighbour(hosts, VIP) == mac(hosts, "lb-a"), within=0.5)
            assert [frame for frame in frames if frame["kind"] == "arp" and frame["mac"] == mac(hosts, "lb-a") and frame["address"] == VIP]
            eventually(lambda: any(hosts.view("lb-a")["floating_ips"]))
        assert [hosts.view(node)["conflicts"]["count"] for node in NODES] == [3, 3]
        assert hosts.view("lb-a")["conflicts"]["last"]["won"] is True
        assert "both nodes were active 3 times" in hosts.on("lb-a", *PROGRAM, "--prefix", hosts.paths("lb-a").prefix, "status", check=False).stdout
    finally:
        between_the_nodes(hosts)


def test_a_pulled_cable_moves_the_addresses_and_leaves_none_behind(hosts, pair, traffic):
    pair()
    active = eventually(hosts.settled)
    standby = other_than(active)
    run("ip", "link", "set", hosts.port(active), "down")
    try:
        moment = time.monotonic()
        eventually(lambda: not hosts.holds(active), within=3)
        assert time.monotonic() - moment < 0.9, "before the other one takes them"
        assert "has no carrier" in hosts.view(active)["reason"]
        eventually(lambda: holders(hosts) == [standby])
    finally:
        run("ip", "link", "set", hosts.port(active), "up")
    eventually(lambda: hosts.active() == standby and hosts.state(active) == "standby")
    assert holders(hosts) == [standby]
    assert hosts.view(standby)["transitions"] == 2, "it was active once, and stayed so"


def test_what_is_run_when_keepalive_was_killed_hands_over_without_a_moment_in_which_nobody_holds(hosts, pair, captured):
    pair()
    active = eventually(hosts.settled)
    standby = other_than(active)
    with captured(active) as frames:
        hosts.kill(active)
        hosts.on(active, *PROGRAM, "--prefix", hosts.paths(active).prefix, "keepalive-ended")
        held = [hosts.holds(standby), hosts.holds(active)]  # in this order: who let go first would be seen to
    assert held == [True, False]
    sent = [frame for frame in frames if frame["kind"] == "vrrp"]
    resigned = next(at for at, frame in enumerate(sent) if frame["priority"] == 0)
    assert [frame["from"] for frame in sent[resigned : resigned + 2]] == [address(active), address(standby)]
    assert sent[resigned + 1]["at"] - sent[resigned]["at"] < 0.5, "the skew, and no down interval"


@pytest.mark.parametrize(("failback", "returns"), [("never", False), ("immediate", True), ("delayed", True)])
def test_whether_the_master_takes_over_when_it_returns_is_the_users_choice(hosts, pair, failback, returns):
    pair(failback=failback, failback_delay="1s")
    assert eventually(hosts.settled) == "lb-a"
    hosts.kill("lb-a")
    eventually(lambda: hosts.state("lb-b") == "active")
    hosts.boot("lb-a")
    if returns:
        eventually(lambda: hosts.active() == "lb-a")
    else:
        eventually(lambda: hosts.active() == "lb-b")
        heard = hosts.view("lb-b")["since_ms"]
        eventually(lambda: hosts.view("lb-b")["since_ms"] > heard + 2500)
        assert hosts.active() == "lb-b"


def test_a_returning_master_takes_over_only_once_it_has_servers(hosts, pair, traffic):
    pair(failback="immediate")
    assert eventually(hosts.settled) == "lb-a"
    hosts.kill("lb-a")
    eventually(lambda: hosts.state("lb-b") == "active")
    table = "add table inet cut; add chain inet cut out { type filter hook output priority 0; }; add rule inet cut out tcp dport 8080 drop"
    hosts.on("lb-a", "nft", table)
    with traffic("probe") as outcomes:
        hosts.boot("lb-a")
        eventually(lambda: hosts.state("lb-a") == "standby")
        eventually(lambda: hosts.view("lb-a")["since_ms"] > 3000)
        assert [hosts.state(node) for node in NODES] == ["standby", "active"]
        hosts.on("lb-a", "nft", "delete", "table", "inet", "cut")
        eventually(lambda: hosts.active() == "lb-a")
        count = len(outcomes)
        eventually(lambda: len(outcomes) > count + 50)
    assert [outcome for outcome in outcomes if outcome["reason"].startswith("status")] == []


def test_a_service_without_the_privilege_for_raw_sockets_says_so_and_takes_no_part(hosts, pair):
    pair()
    for node in NODES:
        hosts.stop(node)
    command = ["setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw", *PROGRAM, "--prefix", hosts.paths("lb-a").prefix, "keepalive"]
    process = hosts.start("lb-a", *command, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stderr.readline()
        assert "needs a raw socket" in line
        assert "CAP_NET_RAW" in line
    finally:
        process.terminate()
        process.wait(timeout=10)


def test_rfc_9568_5_1_2_pairs_of_ipv6_addresses_hear_each_other_by_multicast(hosts, pair):
    nodes = {role: {"node": node, "address": address6(node)} for role, node in zip(("master", "backup"), NODES)}
    pair(heartbeat={"transport": "vrrp", "mode": "multicast"}, **nodes)
    active = eventually(hosts.settled)
    assert hosts.view(other_than(active))["peers"][active]["state"] == "active"
    assert holders(hosts) == [active]
