"""What check mode hands from task to task lives for one run: with facts cached or not, a check tells what an apply would do."""

from __future__ import annotations

import json
import os

from tests.loopback import test_play
from tests.loopback.test_play import NODES, TOP, changed

site = test_play.site  # the fixture


def test_checks_tell_the_same_again_and_the_truth_after_an_apply_where_facts_are_cached(site):
    cache = site.folder / "facts"
    site.environment = {"ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(cache), "ANSIBLE_GATHERING": "smart"}
    playbook = TOP / "demo" / "site.yml"
    checks = [site.play(playbook, "--check") for _time in range(2)]
    assert [set(changed(results)) for results in checks] == [{True}, {True}]
    assert not any({"tandem_assumed", "ansible_facts"} & set(result) for results in checks for result in results.values())
    assert set(changed(site.play(playbook))) == {True}
    less = site.folder / "less.yml"
    less.write_text("- {hosts: lb, gather_facts: false, tasks: [{tandem.lb.frontend: {load_balancer: edge, name: web, state: absent}}]}")
    assert set(changed(site.play(less, "--check"))) == {True}
    assert set(changed(site.play(playbook, "--check"))) == {False}, "what is in force needs no change"
    kept = {path.name: json.loads(path.read_bytes()) for path in cache.rglob("*") if path.is_file()} if cache.exists() else {}
    assert "tandem" not in json.dumps(kept).replace("tandem.lb", "")
    assert {os.path.exists(site.prefix(node) / "etc/tandem/desired.json") for node in NODES} == {True}
