"""The roles and playbooks as users run them, on two nodes of this machine: stated from variables, rolled out under load, removed without a trace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import urllib.request

import pytest

from tests.loopback import test_play
from tests.loopback.test_play import NODES, Site, changed
from tests.support.next_release import another_release
from tests.support.node import recorded

site = test_play.site  # the fixture
ROLES_PLAY = """
- hosts: lb
  gather_facts: false
  roles:
    - role: tandem.lb.node
    - role: tandem.lb.balancer
"""


def variables(site: Site):
    heartbeat = {"transport": "udp", "port": site.port + 2, "key": "a key of this test alone"}
    nodes = {"master": {"node": "lb-a", "address": "127.0.0.11"}, "backup": {"node": "lb-b", "address": "127.0.0.12"}}
    servers = [{"name": "shop-1", "address": "127.0.0.21"}]
    check = {"interval": "200ms", "timeout": "100ms"}
    return {
        "balancer_floating_ips": [{"name": "shop-ip", "address": "127.0.0.100/8", "attach": "none"}],
        "balancer_load_balancers": [{"name": "edge", **nodes, "floating_ips": ["shop-ip"], "heartbeat": heartbeat, "allow_same_hardware": True}],
        "balancer_backends": [{"load_balancer": "edge", "name": "shop", "port": site.port + 1, "servers": servers, "health_check": check}],
        "balancer_frontends": [{"load_balancer": "edge", "name": "web", "port": site.port, "default_backend": "shop"}],
    }


@pytest.fixture
def roles(site):
    """Runs the roles with the variables, changed as given."""
    playbook = site.folder / "roles.yml"
    playbook.write_text(ROLES_PLAY)

    def run(*arguments, **given):
        return site.play(playbook, *arguments, "-e", json.dumps({**variables(site), **given}))

    return run


def of_ours(results):
    """The results of tasks that change nodes, without the check of arguments that Ansible adds."""
    return {place: result for place, result in results.items() if "validate_args_context" not in result}


def test_the_roles_check_apply_and_repeat_like_every_module_and_state_all_from_variables(site, roles, eventually):
    bare = site.tree()
    assert set(changed(of_ours(roles("--check", "--diff")))) == {True, False}
    assert site.tree() == bare
    assert True in changed(of_ours(roles()))
    assert eventually(site.answered, within=15) == "shop-1"
    again = of_ours(roles())
    assert set(changed(again)) == {False}
    wrong = roles(balancer_frontends=[{"load_balancer": "edge", "name": "web", "prot": 80}])
    assert any("prot" in str(result.get("msg", "")) + str(result.get("argument_errors", "")) for result in wrong.values())
    assert "a key of this test alone" not in json.dumps([list(again.values()), list(wrong.values())])
    pruned = of_ours(roles(balancer_frontends=[]))
    assert {change["action"] for result in pruned.values() for change in result.get("changes", [])} == {"removed"}


class Client(threading.Thread):
    """Asks at the floating IP, one request after the other, until it is told to stop."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.target, self.ends, self.outcomes = f"http://127.0.0.100:{port}/", threading.Event(), []

    def run(self):
        while not self.ends.is_set():
            try:
                with urllib.request.urlopen(self.target, timeout=5) as answer:
                    self.outcomes.append(answer.status)
            except OSError as error:
                self.outcomes.append(repr(error))
            self.ends.wait(0.02)


DEPLOY = "Deploy the release and restart the services; an active node finishes with its clients and hands over first"


def deployed(results):
    """The hosts that were given the release, in order, with what runs there."""
    return {host: set(result.get("running_release", {}).values()) for (name, host), result in results.items() if name == DEPLOY}


def failures(results):
    return {name: result for (name, _host), result in results.items() if result.get("failed")}


def in_use(site, node):
    return os.readlink(site.prefix(node) / "opt/tandem/current")


def status(site, node):
    program = site.prefix(node) / "opt/tandem/current/bin/tandem"
    run = subprocess.run([program, "--prefix", site.prefix(node), "status", "--json"], capture_output=True, timeout=30, check=False)
    return json.loads(run.stdout)


def state(site, node):
    return status(site, node)["keepalive"]["load_balancers"]["edge"]["state"]


def test_a_release_is_rolled_out_to_the_standby_node_first_and_removal_leaves_nothing(site, roles, eventually, figure):
    roles()
    eventually(site.answered, within=15)
    assert deployed(site.play("tandem.lb.rollout")) == {}, "nothing new, so nothing is restarted"
    site.collections = another_release(site.folder.parent / "next")
    checked = site.play("tandem.lb.rollout", "--check")
    assert sorted(deployed(checked)) == sorted(NODES)
    client = Client(site.port)
    client.start()
    try:
        rolled = site.play("tandem.lb.rollout")
    finally:
        client.ends.set()
        client.join(10)
    restarted = deployed(rolled)
    assert sorted(restarted) == sorted(NODES)
    states = {host: result["load_balancers"][0]["nodes"] for (name, host), result in rolled.items() if name == "Ask each node what it does"}
    was = {host: next(node["state"] for node in nodes if node["node"] == host) for host, nodes in states.items()}
    assert [was[host] for host in restarted] == ["standby", "active"]
    new = {result["release"] for (name, _host), result in rolled.items() if name == DEPLOY}
    assert restarted == dict.fromkeys(NODES, new)
    failed = [outcome for outcome in client.outcomes if outcome != 200]
    # On one machine an address that nobody listens on refuses clients; in a network their packets would be sent again.
    figure(f"roll-out on loopback: {len(failed)} of {len(client.outcomes)} requests failed")
    assert set(changed(site.play("tandem.lb.rollout"))) == {False}

    before = site.tree()
    checked = site.play("tandem.lb.remove", "--check")
    assert failures(checked) == {}
    assert site.tree() == before
    site.play("tandem.lb.remove")
    for node in NODES:
        assert [path for path in site.prefix(node).rglob("*") if not path.is_dir()] == []
    again = site.play("tandem.lb.remove")
    assert {result.get("changed", False) for result in again.values()} == {False}, again


@pytest.fixture
def serving(site, roles, eventually):
    """(the active node, the standby one) of a pair that serves."""
    roles()
    eventually(site.answered, within=15)

    def settled():
        states = {state(site, node): node for node in NODES}
        return states.get("active"), states.get("standby")

    eventually(lambda: all(settled()))
    return settled()


def test_a_release_that_does_not_start_on_the_standby_node_never_comes_to_the_active_one(site, roles, serving):
    active, standby = serving
    former, this_release = in_use(site, active), site.collections
    site.collections = another_release(site.folder.parent / "next")
    supervisor = site.collections / "ansible_collections/tandem/lb/runtime/tandem/proxy/service/supervisor.py"
    supervisor.write_text(supervisor.read_text() + "\nraise SystemExit('this release does not start')\n")
    rolled = site.play("tandem.lb.rollout")
    assert list(deployed(rolled)) == [standby]
    assert list(failures(rolled)) == [DEPLOY]
    assert "this release does not start" in failures(rolled)[DEPLOY]["msg"]
    assert in_use(site, active) == former
    assert state(site, active) == "active"
    assert site.answered() == "shop-1"
    site.collections = this_release
    assert failures(roles(node_restart=True)) == {}, "the former release brings it back"
    assert in_use(site, standby) == former
    assert (state(site, active), state(site, standby)) == ("active", "standby")


def test_a_node_that_no_longer_finds_its_servers_up_ends_the_roll_out_before_the_active_one(site, serving):
    active, standby = serving
    former = in_use(site, active)
    site.collections = another_release(site.folder.parent / "next")
    probe = site.collections / "ansible_collections/tandem/lb/runtime/tandem/checks/probe.py"
    probe.write_text(probe.read_text() + "\n\nasync def _probe(target):\n    return False, 'nothing is good enough'\n")
    rolled = site.play("tandem.lb.rollout", "-e", "tandem_wait=3")
    assert list(deployed(rolled)) == [standby]
    assert [name.partition(" ")[0] for name in failures(rolled)] == ["Wait"]
    assert in_use(site, active) == former
    assert site.answered() == "shop-1"


def test_nothing_is_rolled_out_while_a_node_is_in_fault(site, serving, eventually):
    _active, standby = serving
    former = in_use(site, standby)
    for name in ("manager", "proxy"):  # nobody is left who would start the proxy again
        os.kill(recorded(site.prefix(standby) / f"run/tandem/{name}.pid"), signal.SIGKILL)
    eventually(lambda: state(site, standby) == "fault")
    site.collections = another_release(site.folder.parent / "next")
    rolled = site.play("tandem.lb.rollout")
    assert list(failures(rolled)) == ["Stop here unless every node can take over"]
    assert f"{standby} is fault for edge" in failures(rolled)["Stop here unless every node can take over"]["msg"]
    assert [in_use(site, node) for node in NODES] == [former, former]
    assert site.answered() == "shop-1"


def test_nodes_whose_inventory_names_differ_are_named_by_a_variable_and_refused_without_it(site, roles, eventually):
    named = "tandem_node=node-of-{{ inventory_hostname }}"
    given = variables(site)["balancer_load_balancers"][0]
    for role in ("master", "backup"):
        given[role]["node"] = f"node-of-{given[role]['node']}"
    assert failures(roles("-e", named, balancer_load_balancers=[given])) == {}
    assert eventually(site.answered, within=15) == "shop-1"
    assert set(changed(of_ours(roles("-e", named, balancer_load_balancers=[given])))) == {False}
    assert failures(site.play("tandem.lb.rollout", "-e", named)) == {}
    before = site.tree()
    refused = site.play("tandem.lb.rollout")
    assert list(failures(refused)) == ["Stop here unless its load balancers know every node by its name"]
    assert 'goes by the name "lb-' in str(failures(refused))
    assert any('node is "lb-' in result["msg"] for result in failures(roles(balancer_load_balancers=[given])).values())
    assert site.tree() == before
