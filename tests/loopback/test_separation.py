"""Separate hardware in whole plays: two nodes of this one machine are refused by default, by either node, before either changes anything."""

from __future__ import annotations

import json

import pytest

from tests.loopback.test_play import NODES, Site, changed, link_collection

PLAY = """
- hosts: lb
  gather_facts: false
  serial: {serial}
  tasks:
    - name: The pair
      tandem.lb.load_balancer:
        name: edge
        master: {{node: lb-a, address: 127.0.0.11}}
        backup: {{node: lb-b, address: 127.0.0.12}}
        allow_same_hardware: {allowed}
        heartbeat: {{transport: udp, port: {port}, key: a key of this test alone}}
"""


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path / "site", link_collection(tmp_path / "collections"))
    made.folder.mkdir()
    yield made
    made.stop()


def play(site, *arguments, allowed=False, serial=2):
    playbook = site.folder / "pair.yml"
    playbook.write_text(PLAY.format(allowed=json.dumps(allowed), serial=serial, port=site.port))
    return {host: result for (_task, host), result in site.play(playbook, *arguments).items()}


def files(site):
    return {path.name for node in NODES for path in site.prefix(node).rglob("*")}


@pytest.mark.parametrize("arguments", [["--check"], []], ids=["checked", "applied"])
def test_both_nodes_meet_at_their_first_task_and_refuse(site, arguments):
    results = play(site, *arguments)
    assert set(results) == set(NODES)
    for result in results.values():
        assert "object" not in result
        assert "run on one kernel" in result["msg"]
        assert "allow_same_hardware: true" in result["msg"]
    assert files(site) == set(), "not even a lock"


def test_it_is_let_pass_where_it_is_stated_and_said_in_every_result(site):
    for expected in (True, False):
        results = play(site, allowed=True)
        assert changed(results) == [expected, expected]
        assert {(one["separation"]["edge"]["result"], one["separation"]["edge"]["allowed"]) for one in results.values()} == {("violated", True)}
        assert not any({"needs_peers", "tandem_hardware"} & set(one) for one in results.values())


def test_nodes_that_come_one_after_the_other_do_not_wait_and_the_second_refuses(site):
    results = play(site, "--check", serial=1)
    assert results["lb-a"]["separation"]["edge"]["result"] == "unproved"
    assert any("lb-b is not known to lb-a" in str(warning) for warning in results["lb-a"]["warnings"])
    assert "run on one kernel" in results["lb-b"]["msg"]
