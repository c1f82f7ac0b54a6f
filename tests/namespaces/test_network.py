"""The election on a real network: what is on the wire, what neighbours learn, and what happens when hosts stall, part, or meet keepalived."""

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

from tandem._client import Client
from tandem.keepalive import vrrp
from tests.namespaces.test_failover import outage_s
from tests.namespaces.topology import NODES, PROGRAM, VIP, VIP6, address, document, eventually, run

HERE = Path(__file__).parent
KEEPALIVED = """
global_defs {{
  vrrp_garp_master_delay 1
}}
vrrp_instance edge {{
  state BACKUP
  interface eth0
  virtual_router_id 51
  version 3
  priority {priority}
  advert_int 0.3
  nopreempt
  unicast_src_ip {source}
  unicast_peer {{
    {peer}
  }}
  virtual_ipaddress {{
    {vip}/24 dev eth0
  }}
}}
"""


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


def other_than(node):
    return next(one for one in NODES if one != node)


@pytest.mark.parametrize("mode", ["unicast", "multicast"])
def test_rfc_9568_5_what_is_on_the_wire(hosts, pair, captured, mode):
    pair(heartbeat={"transport": "vrrp", "mode": mode})
    active = eventually(hosts.active)
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
    [("peer", 64, 0, "hop limit 64"), ("peer", 255, 1, "checksum"), ("client", 255, 0, "its sender is none of this load balancer's nodes")],
    ids=["passed a router", "spoiled", "from a stranger"],
)
def test_rfc_9568_7_1_advertisements_that_must_not_count_change_nothing(hosts, pair, case):
    sender, hops, broken, said = case
    pair()
    active = eventually(hosts.active)
    before = hosts.view(active)["transitions"]
    source = other_than(active) if sender == "peer" else sender
    hosts.on(source, sys.executable, str(HERE / "send_vrrp.py"), address(source), address(active), str(hops), str(broken))
    eventually(lambda: said in (hosts.paths(active).log / "keepalive.log").read_text())
    assert (hosts.state(active), hosts.view(active)["transitions"]) == ("active", before)


def test_a_takeover_corrects_the_neighbours_caches_of_both_families_before_they_ask(hosts, pair, captured):
    pair()
    active = eventually(hosts.active)
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


@pytest.mark.parametrize("clients", ["probe", "busy"])
def test_an_order_to_stop_hands_over_without_waiting_and_without_a_failed_request(hosts, pair, traffic, clients, figure):
    pair()
    active = eventually(hosts.active)
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


def test_a_node_that_stalls_loses_its_lease_and_says_nothing_when_it_wakes(hosts, pair, captured):
    pair()
    active = eventually(hosts.active)
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
    assert sent == [], "neither an advertisement nor an announcement"
    assert (holders(hosts), hosts.state(standby)) == ([standby], "active")


def test_a_lease_follows_the_interval_of_the_heartbeats(hosts, pair):
    pair()
    active = eventually(hosts.active)
    for generation, interval, shortest, longest in ((2, "4s", 6, 13), (3, "300ms", 1, 2)):
        hosts.apply(document(generation, heartbeat={"interval": interval}))
        lease = eventually(lambda: lifetime_s(hosts, active))
        assert shortest <= lease <= longest, f"{interval}: who takes over must not meet an address that a dead node still has"
        assert hosts.active() == active


@pytest.fixture
def unplugged(hosts):
    """Takes a host's interface away until the test plugs it in again, or has ended."""
    out = []

    def take(host):
        hosts.unplug(host)
        out.append(host)

    yield take
    for host in out:
        if not os.path.exists(f"/sys/class/net/{hosts.port(host)}"):
            hosts.plug_in(host)


def test_a_node_that_boots_before_its_network_takes_part_once_that_is_there(hosts, pair, unplugged):
    pair()
    standby = other_than(eventually(hosts.active))
    hosts.kill(standby)
    unplugged(standby)
    hosts.boot(standby)
    keepalive = Client(hosts.paths(standby).keepalive_socket, 2.0)
    assert "outside every interface's network" in keepalive.status()["failure"]
    hosts.plug_in(standby)
    eventually(lambda: hosts.state(standby) == "standby")
    assert keepalive.status()["failure"] == ""


def test_a_node_whose_interface_was_replaced_holds_its_addresses_on_the_new_one(hosts, pair, unplugged):
    pair()
    assert eventually(hosts.active) == "lb-a", "the preferred node, which stays active when both meet again"
    unplugged("lb-a")
    eventually(lambda: hosts.state("lb-b") == "active")
    hosts.plug_in("lb-a")
    eventually(lambda: holders(hosts) == ["lb-a"])
    assert hosts.holds("lb-a", VIP6)


@pytest.mark.parametrize("loss", ["both ways", "one way"])
def test_nodes_that_lost_each_other_agree_as_soon_as_they_meet_again(hosts, pair, loss):
    pair()
    active = eventually(hosts.active)
    standby = other_than(active)
    if loss == "both ways":
        run("ip", "link", "set", hosts.port(standby), "down")
    else:
        hosts.on(
            standby,
            "nft",
            "add table inet loss; add chain inet loss in { type filter hook input priority 0; }; add rule inet loss in meta l4proto 112 drop",
        )
    eventually(lambda: [hosts.state(node) for node in NODES] == ["active", "active"])
    if loss == "both ways":
        run("ip", "link", "set", hosts.port(standby), "up")
    else:
        hosts.on(standby, "nft", "delete", "table", "inet", "loss")
    moment = time.monotonic()
    eventually(lambda: hosts.active() == "lb-a", within=5)
    assert time.monotonic() - moment < 3
    eventually(lambda: holders(hosts) == ["lb-a"], within=3)
    # a conflict that was won is announced, so neighbours do not stay with the loser
    eventually(lambda: (reach(hosts, VIP), neighbour(hosts, VIP) == mac(hosts, "lb-a"))[1], within=3)


@pytest.mark.parametrize(("failback", "returns"), [("never", False), ("immediate", True), ("delayed", True)])
def test_whether_the_master_takes_over_when_it_returns_is_the_users_choice(hosts, pair, failback, returns):
    pair(failback=failback, failback_delay="1s")
    assert eventually(hosts.active) == "lb-a"
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


def test_it_pairs_with_keepalived_in_both_roles(hosts, pair, tmp_path):
    """Ours on lb-a, the distribution's keepalived on lb-b (RFC 9568 on both sides, checksums as keepalived makes them)."""
    pair()
    hosts.kill("lb-b")
    eventually(lambda: holders(hosts) == ["lb-a"])
    config = tmp_path / "keepalived.conf"
    config.write_text(KEEPALIVED.format(priority=150, source=address("lb-b"), peer=address("lb-a"), vip=VIP))
    pids = [f"--pid={tmp_path}/k.pid", f"--vrrp_pid={tmp_path}/v.pid", f"--checkers_pid={tmp_path}/c.pid"]
    with open(tmp_path / "log", "w") as log:
        keepalived = hosts.start(
            "lb-b", "keepalived", "--dont-fork", "--log-console", "--vrrp", f"--use-file={config}", *pids, stderr=log, stdout=log
        )
    try:
        eventually(lambda: "Entering BACKUP STATE" in (tmp_path / "log").read_text())
        assert (hosts.state("lb-a"), holders(hosts)) == ("active", ["lb-a"])
        hosts.kill("lb-a")
        eventually(lambda: "Entering MASTER STATE" in (tmp_path / "log").read_text())
        eventually(lambda: holders(hosts) == ["lb-b"], within=6)  # the killed one's lease runs out
        hosts.boot("lb-a")
        eventually(lambda: hosts.state("lb-a") == "standby" and hosts.view("lb-a")["peers"]["lb-b"]["last_heard_ms"] is not None)
        assert holders(hosts) == ["lb-b"]
        keepalived.terminate()  # it resigns
        moment = time.monotonic()
        eventually(lambda: hosts.state("lb-a") == "active")
        assert time.monotonic() - moment < 0.9, "a resignation is not waited out"
        assert holders(hosts) == ["lb-a"]
    finally:
        keepalived.terminate()
        keepalived.wait(timeout=10)
