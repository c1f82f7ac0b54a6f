"""When the network is asked for another holder of an address: before any module makes a node of a load balancer take it, and not again."""

from __future__ import annotations

import dataclasses
import json

import pytest

from tests.support.objects import ALL, BACKEND, FLOATING_IP, LOAD_BALANCER

ELSEWHERE = {**FLOATING_IP, "address": "127.0.0.200/8"}
ATTACHED = {**FLOATING_IP, "attach": "interface"}
SPY = """
import json
from ansible_collections.tandem.lb.plugins.module_utils import _resource
from ansible_collections.tandem.lb.plugins.module_utils._conflict import Found
from ansible_collections.tandem.lb.plugins.module_utils._model import Problem

def spy(claims):
    asked = [claim.floating_ip.ip for claim in claims]
    with open({log!r}, "a") as log:
        log.write(json.dumps(asked) + "\\n")
    return Found([Problem("", "address", ip, "but another machine answers for it", "Give a free one.") for ip in asked if {refuse!r}], [])

_resource.probe = spy
"""


@pytest.fixture
def live(host, seed, tmp_path):
    """A node of a pair, and ``asked()``: the addresses that were asked for since the last call."""
    seed(host, ALL)
    log = tmp_path / "asked"

    def spied(refuse=False):
        return dataclasses.replace(host, before=SPY.format(log=str(log), refuse=refuse))

    def asked():
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [address for line in lines for address in json.loads(line)]

    return spied, asked


MOVES = {
    "floating_ip": ("floating_ip", ELSEWHERE, "127.0.0.200"),
    "config of floating IPs alone": ("config", {"floating_ips": [ELSEWHERE]}, "127.0.0.200"),
    "config": ("config", {"floating_ips": [ELSEWHERE], "load_balancers": [LOAD_BALANCER]}, "127.0.0.200"),
    "load_balancer": ("load_balancer", {**LOAD_BALANCER, "floating_ips": [ELSEWHERE]}, "127.0.0.200"),
    "to an interface": ("floating_ip", ATTACHED, "127.0.0.100"),
}


@pytest.mark.parametrize("case", MOVES)
def test_a_new_address_of_a_floating_ip_in_use_is_asked_for_once_before_anything_is_written(live, case):
    spied, asked = live
    module, options, address = MOVES[case]
    node = spied(refuse=True)
    before = node.tree()
    for check in (True, False):
        refused = node.run(module, check=check, **options)
        assert refused.result.get("failed") is True, refused.output
        assert f'address is "{address}", but another machine answers for it' in refused.result["msg"]
        assert asked() == [address]
    (node.prefix / "etc/tandem/lock").unlink()
    assert node.tree() == before
    assert spied().run(module, **options).result["changed"] is True
    assert asked() == [address]
    assert spied().run(module, **options).result["changed"] is False
    assert asked() == []


def test_nothing_is_asked_for_where_no_address_is_newly_taken(live):
    spied, asked = live
    for module, options in (
        ("backend", {**BACKEND, "max_retries": 5}),
        ("floating_ip", {"name": "shop-ip", "labels": {"site": "north"}}),
        ("floating_ip", {"name": "spare", "address": "127.0.0.201/8"}),
        ("floating_ip", {"name": "spare", "state": "absent"}),
    ):
        assert spied().run(module, **options).result["changed"] is True
    stranger = dataclasses.replace(spied(), node="lb-c")
    assert stranger.run("floating_ip", **ELSEWHERE).result["changed"] is True, "no node of the load balancer"
    assert asked() == []


def test_where_a_stranger_answers_its_peer_is_asked_for_its_interfaces_first(live):
    spied, asked = live
    first = spied(refuse=True).run("floating_ip", **ELSEWHERE, tandem_peers={"known": {}, "ask": True})
    assert (first.result.get("changed"), first.result.get("needs_peers")) == (False, ["lb-b"]), first.output
    again = spied(refuse=True).run("floating_ip", **ELSEWHERE, tandem_peers={"known": {}, "ask": False})
    assert again.result.get("failed") is True
    assert asked() == ["127.0.0.200"] * 2
