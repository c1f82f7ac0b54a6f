"""Where a secret is after each kind of run: below the node's folder of secrets, for its owner alone, and nowhere else on node or controller."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from pathlib import Path

import pytest

from tests.loopback import test_play
from tests.loopback.test_play import NODES, changed

site = test_play.site  # the fixture
KEYS = ("the first key, which nobody may see", "the other key, which nobody may see", "the key of a run that fails")
PLAY = """
- hosts: lb
  gather_facts: false
  tasks:
    - name: All at once
      tandem.lb.config:
        floating_ips: [{{name: shop-ip, address: {address}, attach: {attach}}}]
        load_balancers:
          - name: edge
            master: {{node: lb-a, address: 127.0.0.11}}
            backup: {{node: lb-b, address: 127.0.0.12}}
            allow_same_hardware: {allowed}
            floating_ips: [shop-ip]
            heartbeat: {{transport: udp, port: {port}, key: "{key}"}}
            description: "{description}"
"""
# What may be seen is not what may be kept, so the most talkative output is looked at too. What -vvvv says more is of the connection.
TALK = "-vvv"


class Places:
    """Everywhere that a run could leave something, each a folder of this test's own."""

    def __init__(self, site):
        self.site = site
        self.remote, self.local, self.temporary = (site.folder / name for name in ("remote", "local", "temporary"))
        for folder in (self.remote, self.local, self.temporary):
            folder.mkdir()
        site.environment = {
            "ANSIBLE_CONNECTION_PLUGINS": str(Path(__file__).with_name("connections")),
            "ANSIBLE_LOCAL_TEMP": str(self.local),
            "ANSIBLE_LOG_PATH": str(site.folder / "ansible.log"),
            "ANSIBLE_CACHE_PLUGIN": "jsonfile",
            "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(site.folder / "facts"),
            "TMPDIR": str(self.temporary),
            "HOME": str(site.folder / "home"),
        }

    def play(self, *arguments, pipelining=False, **stated):
        given = {"address": "127.0.0.100/8", "attach": "none", "allowed": "true", "port": self.site.port, "key": KEYS[0], "description": ""}
        # Below the site's folder, whose files are all looked at; the play itself names the key.
        handle, name = tempfile.mkstemp(suffix=".yml", dir=self.site.folder.parent)
        with os.fdopen(handle, "w") as playbook:
            playbook.write(PLAY.format(**{**given, **stated}))
        self.site.environment["ANSIBLE_PIPELINING"] = str(pipelining)
        remote = {"ansible_connection": "tandem_test_remote", "ansible_remote_tmp": str(self.remote)}
        return self.site.play(name, TALK, "-e", json.dumps(remote), *arguments)

    def left(self):
        """Files and folders that are somebody's temporary ones."""
        return [path for folder in (self.remote, self.local, self.temporary) for path in folder.rglob("*")]

    def holding(self, *keys):
        """Where one of the keys is found, besides the output of the last run."""
        found = []
        for path in self.site.folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                content = path.read_bytes()
                found += [path for key in keys if key.encode() in content]
        return found


@pytest.fixture
def places(site):
    return Places(site)


def kept(places, *keys):
    """The keys lie in the folder of secrets of each node, and nowhere else; nothing temporary is left."""
    assert places.left() == []
    assert not any(key in places.site.output for key in KEYS)
    assert {path.parent for path in places.holding(*KEYS)} == {places.site.prefix(node) / "etc/tandem/secrets" for node in NODES if keys}
    for path in places.holding(*keys):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert places.holding(*set(KEYS) - set(keys)) == []


def test_a_secret_is_in_its_place_alone_after_every_kind_of_run(places):
    assert set(changed(places.play("--check", "--diff"))) == {True}
    kept(places)
    refused = places.play(allowed="false")  # the nodes ask for each other first, then run once more
    assert all("run on one kernel" in result["msg"] for result in refused.values())
    kept(places)
    assert set(changed(places.play("--diff"))) == {True}  # the first deployment asks for the bundle
    kept(places, KEYS[0])
    assert set(changed(places.play())) == {False}
    assert set(changed(places.play("--diff", key=KEYS[1], pipelining=True))) == {True}
    kept(places, KEYS[1])
    failed = places.play(key=KEYS[2], address="203.0.113.9/24", attach="interface")  # the runtime refuses it
    assert all("outside every interface's network" in result["msg"] for result in failed.values()), failed
    kept(places, KEYS[1])
    wrong = places.play(key="short", description="x")
    assert all("16 characters" in result["msg"] for result in wrong.values())
    assert '"short"' not in places.site.output
    kept(places, KEYS[1])
