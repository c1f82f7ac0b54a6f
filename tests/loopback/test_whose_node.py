"""Whose node a task is run for: delegated, looped, run once, over a local connection or under an alias, each node keeps its own name and prefix."""

from __future__ import annotations

import json
import sys

import pytest

from tests.loopback import test_play
from tests.loopback.test_play import NODES, changed

site = test_play.site  # the fixture
HEAD = """
- hosts: {hosts}
  gather_facts: false
  tasks:
"""
RUNTIME = """
    - name: The runtime
      tandem.lb.runtime:
"""
PAIR = """
    - name: The pair
      tandem.lb.load_balancer:
        name: edge
        master: {{node: lb-a, address: 127.0.0.11}}
        backup: {{node: lb-b, address: 127.0.0.12}}
        allow_same_hardware: true
        heartbeat: {{transport: udp, port: {port}, key: a key of this test alone}}
"""
EVERY_NODE = """
      loop: [lb-a, lb-b]
      delegate_to: "{{ item }}"
"""


@pytest.fixture
def play(site):
    """``play(tasks, *arguments)``: the results by host."""

    def run(tasks, *arguments, hosts="lb"):
        playbook = site.folder / "play.yml"
        playbook.write_text(HEAD.format(hosts=hosts) + tasks)
        return {host: result for (_task, host), result in site.play(playbook, *arguments).items()}

    return run


def names(site):
    """What each node is called by its own file; nothing where there is none."""
    found = {}
    for node in NODES:
        path = site.prefix(node) / "etc/tandem/node.json"
        found[node] = json.loads(path.read_bytes())["node"] if path.exists() else ""
    return found


DELEGATED = {
    "once over all nodes": f"{RUNTIME}{EVERY_NODE}      run_once: true\n      delegate_facts: true\n",
    "crosswise": RUNTIME + "      delegate_to: \"{{ 'lb-b' if inventory_hostname == 'lb-a' else 'lb-a' }}\"\n",
}


@pytest.mark.parametrize("case", DELEGATED)
def test_a_delegated_task_is_for_the_node_of_the_host_that_it_is_delegated_to(site, play, case):
    results = play(DELEGATED[case])
    assert {result.get("msg") for result in results.values()} <= {None, "All items completed"}, results
    assert names(site) == {"lb-a": "lb-a", "lb-b": "lb-b"}
    assert set(changed(play(RUNTIME))) == {False}, "it is what each of them would have got by itself"


def test_a_name_made_of_the_inventorys_is_made_of_the_right_ones(site, play):
    play(DELEGATED["once over all nodes"], "-e", "tandem_node=node-of-{{ inventory_hostname }}")
    assert names(site) == {node: f"node-of-{node}" for node in NODES}


def test_check_mode_follows_a_delegated_task_to_its_node(site, play):
    pair = PAIR.format(port=site.port)
    server = "\n    - tandem.lb.backend: {load_balancer: edge, name: shop, port: 80}\n"
    results = play(pair + EVERY_NODE + server + EVERY_NODE, "--check", hosts="lb-a")
    assert [item["changed"] for item in results["lb-a"]["results"]] == [True, True], results


def test_a_delegated_task_is_refused_where_it_is_not_certain_which_node_is_meant(site, play):
    results = play(RUNTIME + "      delegate_to: localhost\n")
    for result in results.values():
        assert 'delegate_to is "localhost", which has no tandem_prefix, while "lb-' in result["msg"]
        assert "give the task node and prefix" in result["msg"]
    results = play(RUNTIME + f"        prefix: {site.folder}/other\n      delegate_to: localhost\n")
    assert {result["msg"].partition(". ")[0] for result in results.values()} == {
        'delegate_to is "localhost", which is no host of the inventory, so the name of its node is not known'
    }
    assert not (site.folder / "other").exists()


def test_a_node_keeps_its_name_whoever_calls_it_by_another(site, play):
    play(RUNTIME, hosts="lb-a")
    inventory = site.folder / "alias.yml"
    alias = {"tandem_prefix": str(site.prefix("lb-a")), "ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory.write_text(json.dumps({"all": {"hosts": {"alias": alias}}}))
    before = site.tree()
    for hosts, added, other in (("alias", "", "alias"), ("lb-a", "        node: lb-b\n", "lb-b")):
        (result,) = play(RUNTIME + added, "-i", str(inventory), hosts=hosts).values()
        for words in (f'node is "{other}"', 'this host is node "lb-a"', "etc/tandem/node.json", "tandem_node"):
            assert words in result["msg"]
    (result,) = play(RUNTIME + "      delegate_to: lb-a\n", "-i", str(inventory), hosts="alias").values()
    assert result["changed"] is False, result
    assert site.tree() == before


def test_two_hosts_that_are_one_node_by_mistake_are_told_and_the_first_stays_what_it_is(site, play):
    one = ("-e", json.dumps({"tandem_prefix": str(site.prefix("lb-a"))}))
    results = play(PAIR.format(port=site.port), *one)
    refused = [host for host, result in results.items() if result.get("failed")]
    assert len(refused) == 1, results
    assert 'this host is node "' in results[refused[0]]["msg"]
    assert {names(site)["lb-a"], *refused} == set(NODES)


def test_a_background_task_is_refused_in_words(site, play):
    for result in play(RUNTIME + "      async: 30\n      poll: 0\n").values():
        assert "async is 30, but a task of tandem.lb may need the controller more than once" in result["msg"]
        assert "Leave async and poll out" in result["msg"]
    assert names(site) == {"lb-a": "", "lb-b": ""}
