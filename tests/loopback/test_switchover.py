"""A load balancer is moved on purpose: plays of two real nodes with UDP heartbeats on this machine's loopback, and the command on one of them."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.loopback.test_play import NODES, Site
from tests.support.collection import link_collection

STATING = """
- hosts: lb
  gather_facts: false
  tasks:
    - tandem.lb.load_balancer:
        name: edge
        master: {{node: lb-a, address: 127.0.0.11}}
        backup: {{node: lb-b, address: 127.0.0.12}}
        allow_same_hardware: true
        floating_ips: [{{name: shop-ip, address: 127.0.0.100/8, attach: none}}]
        # Calm ones: on a machine that stands still for a moment nothing but the plays is to move it.
        heartbeat: {{transport: udp, port: {port}, key: a key of this test alone, interval: 1s, dead_after: 5}}
"""
MOVING = """
- hosts: lb
  gather_facts: false
  tasks:
    - name: Move
      tandem.lb.switchover: {load_balancer: edge, to: "{{ to }}", timeout: 20s}

    - name: Look
      tandem.lb.load_balancer_info: {name: edge}
"""


class Pair:
    def __init__(self, site):
        self.site = site
        began = self.play(STATING.format(port=site.port) + MOVING, "lb-a")  # whoever has become active first
        assert [began["Move", node]["active"] for node in NODES] == ["lb-a", "lb-a"], site.output

    def play(self, playbook, to, *arguments):
        path = self.site.folder / "move.yml"
        path.write_text(playbook)
        return self.site.play(path, "-e", json.dumps({"to": to}), "--diff", *arguments)

    def move(self, to, *arguments):
        """What each node says of the move, and who was active after it, as both nodes know it."""
        results = self.play(MOVING, to, *arguments)
        views = [results["Look", node]["load_balancers"][0]["nodes"] for node in NODES]
        active = [[node["node"] for node in view if node["state"] == "active"] for view in views]
        assert active[0] == active[1]
        return [results["Move", node] for node in NODES], active[0]

    def run(self, node, *words):
        program = [str(self.site.prefix(node) / "opt/tandem/current/bin/tandem"), "--prefix", str(self.site.prefix(node)), "switchover", "edge"]
        return subprocess.run([*program, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def pair(tmp_path):
    site = Site(tmp_path / "site", link_collection(tmp_path / "collections"))
    site.folder.mkdir()
    try:
        yield Pair(site)
    finally:
        site.stop()


def fields(results, name):
    return [result[name] for result in results]


def test_a_play_moves_it_there_and_back_and_changes_nothing_where_it_is_already(pair):
    foretold, active = pair.move("lb-b", "--check")
    assert (fields(foretold, "changed"), active) == ([True, False], ["lb-a"])
    for to, changed in (("lb-b", [True, False]), ("lb-a", [False, True])):
        moved, active = pair.move(to)
        assert (fields(moved, "changed"), fields(moved, "active"), active) == (changed, [to, to], [to])
        assert sorted(zip(fields(moved, "state"), NODES)) == [("active", to), ("standby", next(node for node in NODES if node != to))]
        if to == "lb-b":
            for name in ("changed", "diff", "active", "state"):
                assert fields(foretold, name) == fields(moved, name)
            for arguments in ([], ["--check"]):
                again, active = pair.move(to, *arguments)
                assert (fields(again, "changed"), fields(again, "active"), active) == ([False, False], [to, to], [to])


def test_the_command_moves_it_on_the_active_node_alone_and_is_refused_when_the_other_one_is_gone(pair):
    elsewhere = pair.run("lb-b", "--to", "lb-b")
    assert (elsewhere.returncode, elsewhere.stdout) == (1, "")
    assert "lb-a is active, not lb-b. Ask there" in elsewhere.stderr
    assert pair.run("lb-a").stdout == (
        "edge: lb-b is active, connections are not kept: a floating IP is on no interface of the nodes (attach: none)\n"
    )
    for node in NODES:
        again = pair.run(node, "--to", "lb-b")
        assert (again.returncode, again.stdout) == (0, "edge: lb-b is active already\n")
    program = str(pair.site.prefix("lb-a") / "opt/tandem/current/bin/tandem")
    subprocess.run([program, "--prefix", str(pair.site.prefix("lb-a")), "manager", "stop"], timeout=60, check=True)
    refused = pair.run("lb-b", "--to", "lb-a")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert 'load balancer "edge" stays on lb-b: lb-a is fault. Mend that, or use force.' in refused.stderr
    assert "keepalive does not run on this node" in pair.run("lb-a", "--to", "lb-b").stderr
