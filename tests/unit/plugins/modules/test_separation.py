"""Separate hardware as the modules hold it: compared before anything is changed, kept for later runs, told by info."""

from __future__ import annotations

import fcntl
import json

import pytest

from plugins.module_utils._hardware import from_plain, kept_of, read_identity
from tests.support.objects import ALL, FLOATING_IP, LOAD_BALANCER

OTHER = {"boot": "b" * 32, "machine": "c" * 32, "dmi": "d" * 32, "kind": "virtual", "links": ""}
SAME = kept_of(read_identity()).plain()
APART = {"master": {"fault_domain": "rack-1"}, "backup": {"fault_domain": "rack-2"}}


def peers(identity, **more):
    return {"tandem_peers": {"known": {"lb-b": identity} if identity else {}, **more}}


@pytest.fixture
def ready(host, seed):
    seed(host, {"floating_ips": [FLOATING_IP]})
    return host


def as_config(options):
    return {key: ALL[key] for key in ("floating_ips",)} | {"load_balancers": [options]}


@pytest.mark.parametrize("check", [True, False], ids=["checked", "applied"])
@pytest.mark.parametrize("module", ["load_balancer", "config"])
def test_nodes_on_one_machine_are_refused_before_anything_is_changed(ready, module, check):
    before = ready.tree()
    options = LOAD_BALANCER if module == "load_balancer" else as_config(LOAD_BALANCER)
    answer = ready.run(module, check=check, **options, **peers(SAME))
    assert answer.result.get("failed") is True, answer.output
    for word in (
        'load balancer "edge"',
        "allow_same_hardware",
        "lb-a and lb-b run on one kernel",
        "nothing was changed",
        "allow_same_hardware: true",
    ):
        assert word in answer.result["msg"]
    assert ready.tree() == before, "not even a lock is left"


def test_a_host_that_has_a_lock_is_compared_under_it_and_warns_once(ready):
    options = {**LOAD_BALANCER, "lock_timeout": "0s"}
    for _run in range(2):
        told = ready.run("load_balancer", **options, **peers(OTHER)).result
        assert len([warning for warning in told["warnings"] if "separate hardware is unproved" in str(warning)]) == 1
    with (ready.prefix / "etc/tandem/lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "is held by another run" in ready.run("load_balancer", **options, **peers(SAME)).result["msg"]
    assert "run on one kernel" in ready.run("load_balancer", **options, **peers(SAME)).result["msg"]


@pytest.mark.parametrize(
    ("identity", "options", "result"),
    [(SAME, {"allow_same_hardware": True}, "violated"), (OTHER, APART, "declared"), (OTHER, {}, "unproved"), (None, {}, "unproved")],
    ids=["allowed", "declared", "virtual", "unknown"],
)
def test_the_result_holds_over_check_apply_check_apply_and_in_info(ready, identity, options, result):
    stated = {**LOAD_BALANCER, **{name: {**LOAD_BALANCER[name], **value} if isinstance(value, dict) else value for name, value in options.items()}}
    answers = []
    for check in (True, False, True, False):
        given = peers(identity) if len(answers) < 2 else peers(None)
        answers.append(ready.run("load_balancer", check=check, **stated, **given))
    assert [answer.result.get("changed") for answer in answers] == [True, True, False, False], [a.output for a in answers]
    told = [answer.result["separation"]["edge"] for answer in answers]
    assert {one["result"] for one in told} == {result}
    assert told[0] == told[1]
    assert {one["allowed"] for one in told} == {bool(options.get("allow_same_hardware"))}
    warned = [any("separate hardware is unproved" in str(warning) for warning in answer.result.get("warnings", [])) for answer in answers]
    assert warned == [result == "unproved"] * 4
    (edge,) = ready.run("load_balancer_info").result["load_balancers"]
    assert edge["separation"] == told[3]


def test_a_new_pair_asks_for_its_peer_once_and_changes_nothing_before(ready):
    before = ready.tree()
    asked = ready.run("load_balancer", check=True, **LOAD_BALANCER, **peers(None, ask=True))
    assert asked.result["needs_peers"] == ["lb-b"]
    assert kept_of(from_plain(asked.result["tandem_hardware"])).plain() == SAME
    assert ready.tree() == before
    assert ready.run("load_balancer", **LOAD_BALANCER, **peers(OTHER)).result["changed"] is True
    again = ready.run("load_balancer", **LOAD_BALANCER, **peers(None, ask=True))
    assert again.result["changed"] is False, "what was compared is kept"
    moved = ready.run("load_balancer", name="edge", backup={"node": "lb-c"}, **peers(None, ask=True))
    assert moved.result["needs_peers"] == ["lb-c"]


def test_the_record_names_digests_of_present_peers_alone(ready):
    ready.run("load_balancer", **LOAD_BALANCER, **peers(OTHER))
    record = ready.prefix / "etc/tandem/hardware.json"
    assert json.loads(record.read_bytes()) == {"lb-b": {"own": SAME, "peer": OTHER}}
    assert record.stat().st_mode & 0o777 == 0o640
    ready.run("load_balancer", name="edge", backup={"node": "lb-c"}, **peers(None))
    assert json.loads(record.read_bytes()) == {}
    ready.run("load_balancer", name="edge", state="absent")
    ready.run("runtime", state="absent")
    assert not record.exists()


def test_a_pair_that_turns_out_to_be_on_one_machine_is_refused_also_when_nothing_else_changes(ready):
    ready.run("load_balancer", **LOAD_BALANCER, **peers(None))
    assert ready.run("load_balancer", **LOAD_BALANCER, **peers(SAME)).result.get("failed") is True
