"""The roles and playbooks as users run them, on two nodes of this machine: stated from variables, rolled out under load, removed without a trace."""

from __future__ import annotations

import json
import threading
import urllib.request

import pytest

from tests.loopback import test_play
from tests.loopback.test_play import NODES, Site, changed
from tests.support.next_release import another_release

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


def running(results, task):
    return {host: set(result["running_release"].values()) for (name, host), result in results.items() if name == task}


def test_a_release_is_rolled_out_to_the_standby_node_first_and_removal_leaves_nothing(site, roles, eventually, figure):
    roles()
    eventually(site.answered, within=15)
    first = site.play("tandem.lb.rollout")
    assert not any(name.startswith("Restart the services") for name, _host in first), "nothing new, so nothing is restarted"
    site.collections = another_release(site.folder.parent / "next")
    client = Client(site.port)
    client.start()
    try:
        rolled = site.play("tandem.lb.rollout")
    finally:
        client.ends.set()
        client.join(10)
    restarted = [host for name, host in rolled if name.startswith("Restart the services")]
    assert sorted(restarted) == sorted(NODES)
    states = {host: result["load_balancers"][0]["nodes"] for (name, host), result in rolled.items() if name == "Ask each node what it does"}
    was = {host: next(node["state"] for node in nodes if node["node"] == host) for host, nodes in states.items()}
    assert [was[host] for host in restarted] == ["standby", "active"]
    new = {result["release"] for (name, _host), result in rolled.items() if name.startswith("Restart the services")}
    assert running(rolled, "Restart the services; an active node finishes with its clients and hands over first") == dict.fromkeys(NODES, new)
    failed = [outcome for outcome in client.outcomes if outcome != 200]
    # On one machine an address that nobody listens on refuses clients; in a network their packets would be sent again.
    figure(f"roll-out on loopback: {len(failed)} of {len(client.outcomes)} requests failed")
    assert set(changed(site.play("tandem.lb.rollout"))) == {False}

    site.play("tandem.lb.remove")
    for node in NODES:
        assert [path for path in site.prefix(node).rglob("*") if not path.is_dir()] == []
    again = site.play("tandem.lb.remove")
    assert {result.get("changed", False) for result in again.values()} == {False}, again
