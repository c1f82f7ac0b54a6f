"""An address that another machine answers for is not taken: modules on real nodes, a stranger on the link, and the other node, which is none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time

import pytest

from plugins.module_utils._hardware import link_digest
from tests.namespaces.topology import NODES, VIP, VIP6, address, eventually
from tests.support.collection import link_collection, packed_bundle

IN_PLACE = [{"name": "vip", "address": f"{VIP}/24"}, {"name": "vip6", "address": f"{VIP6}/64"}]
STRANGER = "client"
MOVED = "10.99.0.101"
SECOND = "10.98.0"


@pytest.fixture(scope="module")
def collections(tmp_path_factory):
    return link_collection(tmp_path_factory.mktemp("collections"))


@pytest.fixture
def state(hosts, collections):
    """Runs the module config on a node with a pair of in-place floating IPs, or a ``module`` as it is, as Ansible would run it there."""

    def run(node, check=False, limits=(), peers=None, module="", **options):
        nodes = {role: {"node": name, "address": address(name)} for role, name in zip(("master", "backup"), NODES)}
        edge = {"name": "edge", **nodes, "allow_same_hardware": True, "floating_ips": IN_PLACE, "heartbeat": {"virtual_router_id": 77}, **options}
        arguments = {
            "node": node,
            "prefix": hosts.paths(node).prefix,
            "bundle": packed_bundle(),
            **(options if module else {"load_balancers": [edge]}),
            "_ansible_check_mode": check,
        }
        arguments["tandem_peers"] = {"known": peers or {}}
        name = f"ansible_collections.tandem.lb.plugins.modules.{module or 'config'}"
        code = f"import runpy; runpy.run_module({name!r}, run_name='__main__')"
        hosts.paths(node).below(".").mkdir(exist_ok=True)
        ran = subprocess.run(
            ["ip", "netns", "exec", hosts.namespace(node), *limits, sys.executable, "-c", code],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
            env={**os.environ, "PYTHONPATH": str(collections), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in ran.stdout + ran.stderr, ran.stdout + ran.stderr
        return json.loads(ran.stdout)

    # systemd is not what these nodes were booted by, whatever the machine was.
    for node in NODES:
        hosts.paths(node).etc.mkdir(parents=True, exist_ok=True)
        hosts.paths(node).node.write_text(json.dumps({"node": node, "service_manager": "process", "python": sys.executable}))
    yield run
    for node in NODES:
        hosts.kill(node)
        for ip in (f"{VIP}/24", f"{MOVED}/24", f"{VIP6}/64"):
            hosts.on(node, "ip", "addr", "del", ip, "dev", "eth0", check=False)
        shutil.rmtree(hosts.folder / node, ignore_errors=True)


@pytest.fixture
def stranger(hosts):
    held = []

    def hold(cidr):
        hosts.on(STRANGER, "ip", "addr", "add", cidr, "dev", "eth0", *(["nodad"] if ":" in cidr else []))
        held.append(cidr)
        return hosts.on(STRANGER, "cat", "/sys/class/net/eth0/address").stdout.strip()

    yield hold
    for cidr in held:
        hosts.on(STRANGER, "ip", "addr", "del", cidr, "dev", "eth0")


@pytest.mark.parametrize("cidr", [f"{VIP}/24", f"{VIP6}/64"], ids=["IPv4", "IPv6"])
def test_an_address_that_a_stranger_holds_is_refused_and_nothing_is_changed(hosts, state, stranger, cidr):
    hardware = stranger(cidr)
    ip = cidr.partition("/")[0]
    for check in (True, False):
        began = time.monotonic()
        answer = state("lb-a", check=check)
        assert answer.get("failed") is True, answer
        for word in (f'address is "{ip}"', hardware, "on eth0", "nothing was changed", "Take the address off that machine"):
            assert word in answer["msg"]
        assert time.monotonic() - began < 20
    assert not hosts.paths("lb-a").desired.exists()
    assert not hosts.paths("lb-a").releases.exists()


def test_an_address_in_use_is_not_moved_to_one_that_a_stranger_holds(hosts, state, stranger):
    assert [state(node).get("changed") for node in NODES] == [True, True]
    eventually(lambda: hosts.holds("lb-a"))
    hardware = stranger(f"{MOVED}/24")
    before = hosts.paths("lb-a").desired.read_bytes()
    for check in (True, False):
        refused = state("lb-a", check=check, module="floating_ip", name="vip", address=f"{MOVED}/24")
        assert refused.get("failed") is True, refused
        assert f'address is "{MOVED}"' in refused["msg"]
        assert hardware in refused["msg"]
    assert hosts.paths("lb-a").desired.read_bytes() == before
    assert hosts.holds("lb-a")


def test_an_address_in_use_is_moved_to_a_free_one_on_both_nodes(hosts, state):
    assert [state(node).get("changed") for node in NODES] == [True, True]
    eventually(lambda: hosts.holds("lb-a"))
    for node in NODES:
        moved = state(node, module="floating_ip", name="vip", address=f"{MOVED}/24")
        assert moved.get("changed") is True, moved
        eventually(lambda: hosts.holds("lb-a", MOVED) and not hosts.holds("lb-a"))


ASK_TWO = f"""
import sys, time
from ansible_collections.tandem.lb.plugins.module_utils import _conflict
from ansible_collections.tandem.lb.plugins.module_utils._model import FloatingIP

_conflict._LISTEN_S = 3.0
began = time.monotonic()
found = _conflict.probe([_conflict.Claim(FloatingIP("one", "{VIP}/24")), _conflict.Claim(FloatingIP("two", "{SECOND}.100/24"))])
print(time.monotonic() - began, *(f"{{problem.value}}={{problem.rule.split()[7]}}" for problem in found.problems))
"""


def test_the_addresses_of_all_interfaces_are_asked_for_at_once_and_each_on_its_own(hosts, collections, stranger):
    hardware = stranger(f"{VIP}/24")
    made = ("ip", "link", "add", "second", "type", "veth", "peer", "name", "second", "netns", hosts.namespace(STRANGER))
    hosts.on("lb-a", *made)
    try:
        for host, last in (("lb-a", 11), (STRANGER, 100)):
            hosts.on(host, "ip", "link", "set", "second", "up")
            hosts.on(host, "ip", "addr", "add", f"{SECOND}.{last}/24", "dev", "second")
        other = hosts.on(STRANGER, "cat", "/sys/class/net/second/address").stdout.strip()
        took, *answers = hosts.on("lb-a", "env", f"PYTHONPATH={collections}", sys.executable, "-B", "-c", ASK_TWO).stdout.split()
    finally:
        hosts.on("lb-a", "ip", "link", "del", "second")
    assert answers == [f"{VIP}={hardware}", f"{SECOND}.100={other}"]
    assert float(took) < 5, "one interface after the other takes 6 s"


ASK_WHERE = f"""
from ansible_collections.tandem.lb.plugins.module_utils import _conflict
from ansible_collections.tandem.lb.plugins.module_utils._model import FloatingIP

asked = []
_conflict._ask = lambda interfaces: asked.extend(interfaces) or {{interface: {{}} for interface in interfaces}}
_conflict.probe([_conflict.Claim(FloatingIP("one", "{MOVED}/24"))])
print(*asked)
"""


@pytest.mark.parametrize("name", ["aaa", "zzz"])
def test_of_two_interfaces_on_one_network_that_is_probed_which_then_holds_the_address(hosts, collections, state, name):
    hosts.on("lb-a", "ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}-end")
    try:
        for link in (name, f"{name}-end"):
            hosts.on("lb-a", "ip", "link", "set", link, "up")
        hosts.on("lb-a", "ip", "addr", "add", "10.99.0.77/24", "dev", name)
        probed = hosts.on("lb-a", "env", f"PYTHONPATH={collections}", sys.executable, "-B", "-c", ASK_WHERE).stdout.split()
        assert [state(node).get("changed") for node in NODES] == [True, True]
        moved = [{**IN_PLACE[0], "address": f"{MOVED}/24"}]
        assert state("lb-a", floating_ips=moved).get("changed") is True
        there = f" {MOVED}/"
        eventually(lambda: there in hosts.on("lb-a", "ip", "addr").stdout)
        holding = [link for link in (name, "eth0") if there in hosts.on("lb-a", "ip", "addr", "show", "dev", link).stdout]
    finally:
        hosts.on("lb-a", "ip", "link", "del", name)
    assert probed == holding


def test_a_peer_is_known_by_its_interfaces_where_its_own_address_is_in_another_network(state, stranger):
    hardware = stranger(f"{VIP}/24")
    known = {"lb-b": {"boot": "another", "links": f"{link_digest('02:00:00:00:00:01')} {link_digest(hardware)}"}}
    assert state("lb-a", check=True, peers=known).get("changed") is True


def test_without_the_right_to_ask_it_is_said_that_nobody_was_asked(state, stranger):
    stranger(f"{VIP}/24")
    answer = state("lb-a", check=True, limits=("setpriv", "--bounding-set", "-net_raw"))
    assert answer.get("changed") is True, answer
    assert any(VIP in str(warning) and "CAP_NET_RAW" in str(warning) for warning in answer["warnings"]), answer


def test_the_other_node_holds_the_addresses_by_right_and_both_families_move_together(hosts, state):
    assert state("lb-a").get("changed") is True
    eventually(lambda: hosts.holds("lb-a") and hosts.holds("lb-a", VIP6))
    checked, applied = state("lb-b", check=True), state("lb-b")
    assert (checked.get("changed"), applied.get("changed")) == (True, True), applied
    assert not [warning for warning in applied.get("warnings", []) if "not probed" in str(warning)]
    assert (state("lb-a").get("changed"), state("lb-b").get("changed")) == (False, False)
    eventually(lambda: hosts.active() == "lb-a")
    hosts.kill("lb-a")
    eventually(lambda: hosts.holds("lb-b") and hosts.holds("lb-b", VIP6))
    eventually(lambda: not hosts.holds("lb-a") and not hosts.holds("lb-a", VIP6), within=15)
