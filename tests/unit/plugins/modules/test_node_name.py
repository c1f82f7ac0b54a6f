"""The name of a node: given with the first deployment, changed where its load balancers name it so too, and as it was after a run that failed."""

from __future__ import annotations

import dataclasses
import json

import pytest

from tests.support.objects import ALL, FLOATING_IP, LOAD_BALANCER

RENAMED = {**LOAD_BALANCER, "master": {"node": "new-a", "address": "127.0.0.11"}}
FAR = {"name": "shop-ip", "address": "203.0.113.9/24", "attach": "interface"}
NOT_STARTED = """
from ansible_collections.tandem.lb.plugins.module_utils import _services, _store

def start(_manager):
    raise _store.StoreError("the services did not start")

_services.ProcessManager.start = start
"""


def node_file(host):
    path = host.prefix / "etc/tandem/node.json"
    return path.read_bytes() if path.exists() else None


def test_a_run_that_fails_leaves_the_name_as_it_was(host):
    assert host.run("config", **ALL).result["changed"] is True
    before = node_file(host)
    renamed = dataclasses.replace(host, node="new-a")
    failed = renamed.run("config", floating_ips=[FAR], load_balancers=[RENAMED]).result
    assert failed.get("failed") is True
    assert "former document is in force again" in failed["msg"]
    assert node_file(host) == before
    assert host.run("config", **ALL).result["changed"] is False, "all is as it was"
    unfinished = dataclasses.replace(renamed, before=NOT_STARTED)
    host.stop()
    assert "did not start" in unfinished.run("config", load_balancers=[RENAMED]).result["msg"]
    assert node_file(host) == before


@pytest.mark.parametrize("module", ["runtime", "load_balancer"])
def test_a_first_run_that_fails_gives_no_name(host, module):
    unfinished = dataclasses.replace(host, before=NOT_STARTED)
    options = {} if module == "runtime" else {**LOAD_BALANCER, "floating_ips": [FLOATING_IP]}
    assert "did not start" in unfinished.run(module, **options).result["msg"]
    assert node_file(host) is None


def test_a_node_is_renamed_with_its_load_balancers_and_that_is_said(host):
    host.run("config", **ALL)
    other = dataclasses.replace(host, node="lb-b")
    for module, options in (("runtime", {}), ("config", ALL)):
        refused = other.run(module, **options).result
        for words in ('node is "lb-b"', 'this host is node "lb-a"', "etc/tandem/node.json", "tandem_node"):
            assert words in refused["msg"]
    renamed = dataclasses.replace(host, node="new-a")
    told = renamed.run("config", load_balancers=[RENAMED]).result
    assert any('This host was node "lb-a" until now and is "new-a"' in str(warning) for warning in told["warnings"])
    assert json.loads(node_file(host))["node"] == "new-a"
    assert renamed.run("config", load_balancers=[RENAMED]).result["changed"] is False
