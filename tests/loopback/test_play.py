"""Whole plays, as users run them: ansible-playbook on two nodes of this machine, checked on bare hosts first."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.collection import link_collection
from tests.support.network import DEMO_ADDRESSES, free_ports

TOP = Path(__file__).resolve().parents[2]
NODES = ("lb-a", "lb-b")
_PLAY_S_MAX = 120

CONFIG_PLAY = """
- hosts: lb
  gather_facts: false
  tasks:
    - name: All at once
      tandem.lb.config:
        state: {state}
        allow_empty: {allow_empty}
        floating_ips: {floating_ips}
        load_balancers: {load_balancers}
        backends: {backends}
        frontends: {frontends}
"""


class Site:
    """Two bare nodes and the playbooks that are run on them."""

    def __init__(self, folder, collections):
        self.folder, self.collections, self.port = folder, collections, free_ports(3, DEMO_ADDRESSES)
        self.output = ""  # of the last play
        self.environment = {}  # what plays are given besides

    def prefix(self, node):
        return self.folder / node

    def play(self, playbook, *arguments):
        """The recap by host, and the result of every task by name and host, as the json callback tells them."""
        command = [str(Path(sys.executable).with_name("ansible-playbook")), str(playbook), "-i", str(TOP / "demo" / "inventory.yml"), *arguments]
        command += ["-e", json.dumps({"demo_state": str(self.folder), "demo_port": self.port})]
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_STDOUT_CALLBACK": "tandem_test_json",
            "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).with_name("callbacks")),
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "LC_ALL": "C.UTF-8",
            **self.environment,
        }
        run = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PLAY_S_MAX, check=False)
        self.output = run.stdout + run.stderr
        told = [json.loads(line.partition(" ")[2]) for line in run.stdout.splitlines() if line.startswith("TOLD ")]
        assert told, run.stdout + run.stderr
        return {(one["task"], one["host"]): one["result"] for one in told}

    def tree(self):
        """A hash of what lies below both prefixes but for the services' own folders."""
        total = hashlib.sha256()
        for node in NODES:
            for path in sorted(self.prefix(node).rglob("*")):
                # The lock notes who held it last.
                if path.relative_to(self.prefix(node)).parts[0] not in ("run", "var") and path.name != "lock":
                    total.update(f"{path}\0".encode() + (path.read_bytes() if path.is_file() else b""))
        return total.hexdigest()

    def stop(self):
        """Ends the services that plays have started."""
        for node in NODES:
            program = self.prefix(node) / "opt/tandem/current/bin/tandem"
            if program.exists():
                subprocess.run([str(program), "--prefix", str(self.prefix(node)), "manager", "stop"], timeout=60, check=True)

    def answered(self):
        with urllib.request.urlopen(f"http://127.0.0.100:{self.port}/", timeout=2) as answer:
            return answer.headers["X-Served-By"]


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path / "site", link_collection(tmp_path / "collections"))
    made.folder.mkdir()
    command = [sys.executable, str(TOP / "demo" / "shop.py"), "shop-1", "127.0.0.21", str(made.port + 1)]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    yield made
    server.kill()
    server.wait()
    made.stop()


def changed(results):
    return [result["changed"] for result in results.values()]


def fields(results, *names):
    return {place: [result.get(name) for name in names] for place, result in results.items()}


def test_the_four_tasks_checked_on_bare_hosts_first_keep_their_contract(site):
    playbook = TOP / "demo" / "site.yml"
    bare = site.tree()
    first = site.play(playbook, "--check", "--diff")
    assert site.tree() == bare
    applied = site.play(playbook, "--diff")
    after = site.tree()
    second = site.play(playbook, "--check", "--diff")
    again = site.play(playbook, "--diff", "-vvv")
    assert site.tree() == after
    assert site.output.count("Using module file") == len(again), "one module run per task and node when nothing changes"
    assert [set(changed(results)) for results in (first, applied, second, again)] == [{True}, {True}, {False}, {False}]
    assert len(first) == len(applied) == 8
    assert fields(first, "diff", "object", "digest") == fields(applied, "diff", "object", "digest")
    assert {result["diff"]["before"] + result["diff"]["after"] for result in again.values()} == {""}
    assert not any("needs_bundle" in result for result in applied.values())


def test_one_task_states_everything_and_prunes_only_when_told(site, eventually):
    floating_ips = [{"name": "shop-ip", "address": "127.0.0.100/8", "attach": "none"}]
    nodes = {"master": {"node": "lb-a", "address": "127.0.0.11"}, "backup": {"node": "lb-b", "address": "127.0.0.12"}}
    heartbeat = {"transport": "udp", "port": site.port + 2, "key": "a key of this test alone"}
    check = {"interval": "200ms", "timeout": "100ms"}
    servers = [{"name": "shop-1", "address": "127.0.0.21"}]
    objects = {
        "floating_ips": floating_ips,
        "load_balancers": [{"name": "edge", **nodes, "allow_same_hardware": True, "floating_ips": ["shop-ip"], "heartbeat": heartbeat}],
        "backends": [{"load_balancer": "edge", "name": "shop", "port": site.port + 1, "servers": servers, "health_check": check}],
        "frontends": [{"load_balancer": "edge", "name": "web", "port": site.port, "default_backend": "shop"}],
    }

    def play(state, stated, *arguments, allow_empty=False):
        playbook = site.folder / "config.yml"
        given = {kind: json.dumps(stated.get(kind, [])) for kind in objects}
        playbook.write_text(CONFIG_PLAY.format(state=state, allow_empty=json.dumps(allow_empty), **given))
        return site.play(playbook, *arguments)

    assert changed(play("overridden", objects, "--check")) == [True, True]
    assert changed(play("overridden", objects)) == [True, True]
    assert eventually(site.answered, within=10) == "shop-1"
    assert changed(play("overridden", objects)) == [False, False]
    without = play("overridden", {kind: objects[kind] for kind in ("floating_ips", "load_balancers", "backends")})
    assert {result["changes"][0]["object"] for result in without.values()} == {'frontend "edge/web"'}
    refused = play("overridden", {})
    assert all("allow_empty: true" in result["msg"] for result in refused.values())
    emptied = play("overridden", {}, allow_empty=True)
    assert [result["objects"] for result in emptied.values()] == [{kind: [] for kind in (*objects, "certificates")}] * 2
    assert "a key of this test alone" not in json.dumps([list(results.values()) for results in (without, refused, emptied)])
