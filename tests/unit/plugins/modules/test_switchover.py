"""The module switchover on either node of a pair: who hands over, who waits, and what is said when nobody comes. Real nodes: tests/loopback."""

from __future__ import annotations

import dataclasses
import threading

import pytest

from tests.support.fake_keepalive import FakeKeepalive
from tests.support.objects import ALL

TO_B = {"load_balancer": "edge", "to": "lb-b"}
TO_A = {"load_balancer": "edge", "to": "lb-a"}
NO_CHANGE = {"before": "", "after": ""}


@pytest.fixture
def pair(host, seed):
    seed(host, ALL)
    return host


def told(answer):
    return [answer.result.get(name) for name in ("changed", "active", "state")]


def test_the_active_node_hands_over_once_and_check_mode_says_so_before(pair):
    with FakeKeepalive(pair.prefix) as keepalive:
        foretold = pair.run("switchover", check=True, **TO_B)
        assert (told(foretold), keepalive.asked, keepalive.active) == ([True, "lb-b", "standby"], [], "lb-a")
        done = pair.run("switchover", force=True, **TO_B)
        assert told(done) == told(foretold)
        assert done.result["diff"] == foretold.result["diff"]
        assert done.result["diff"] == {"before": 'load balancer "edge" active: "lb-a"\n', "after": 'load balancer "edge" active: "lb-b"\n'}
        again = pair.run("switchover", **TO_B)
        assert (told(again), again.result["diff"]) == ([False, "lb-b", "standby"], NO_CHANGE)
        assert [(asked["to"], asked["force"]) for asked in keepalive.asked] == [("lb-b", True)]


def test_the_node_that_is_to_be_active_waits_for_the_other_one_and_has_changed_nothing(pair):
    with FakeKeepalive(pair.prefix, active="lb-b") as keepalive:
        foretold = pair.run("switchover", check=True, **TO_A)
        assert (told(foretold), foretold.result["diff"], keepalive.active) == ([False, "lb-a", "active"], NO_CHANGE, "lb-b")
        threading.Timer(0.5, lambda: setattr(keepalive, "active", "lb-a")).start()
        done = pair.run("switchover", **TO_A)
        assert (told(done), done.result["diff"], keepalive.asked) == ([False, "lb-a", "active"], NO_CHANGE, [])


def test_a_node_that_becomes_active_while_it_waits_hands_over_then(pair):
    with FakeKeepalive(pair.prefix, active="") as keepalive:
        threading.Timer(0.5, lambda: setattr(keepalive, "active", "lb-a")).start()
        assert told(pair.run("switchover", **TO_B)) == [True, "lb-b", "standby"]
        assert len(keepalive.asked) == 1


@pytest.mark.parametrize(
    ("how", "to", "result", "words"),
    [
        ({"active": "lb-b"}, TO_A, [False, "lb-b", "standby"], ["lb-a has not taken over", "lb-b is active, and this node, lb-a, is in state"]),
        ({"active": ""}, TO_A, [False, "", "standby"], ["no node is known to be active"]),
        ({"successor": "lb-a"}, TO_B, [True, "lb-a", "active"], ["lb-b has not taken over", "lb-a is active. It is the active node that hands"]),
    ],
    ids=["the other one keeps it", "nobody is active", "nobody takes it"],
)
def test_when_the_node_has_not_taken_over_in_time_it_is_told_who_is_active_and_where_to_look(pair, how, to, result, words):
    with FakeKeepalive(pair.prefix, **how):
        late = pair.run("switchover", timeout="200ms", **to)
    assert (late.result["failed"], told(late)) == (True, result)
    for word in ['load balancer "edge"', "within 0.2 s", "tandem status", *words]:
        assert word in late.result["msg"], late.result["msg"]


@pytest.mark.parametrize("check", [True, False], ids=["checked", "applied"])
def test_what_keepalive_refuses_is_told_and_not_waited_for(pair, check):
    with FakeKeepalive(pair.prefix, refusal='load balancer "edge" stays on lb-a: lb-b is silent. Mend that, or use force.'):
        refused = pair.run("switchover", check=check, timeout="1h", **TO_B).result
    assert refused["failed"] is True
    assert "lb-b is silent. Mend that, or use force." in refused["msg"]


def test_without_keepalive_it_is_told_how_to_start_it_and_check_mode_leaves_that_to_the_tasks_before(pair):
    tree = pair.tree()
    refused = pair.run("switchover", **TO_B).result
    assert refused["failed"] is True
    words = ['load balancer "edge"', "keepalive does not run on this node", "tandem.lb.runtime"]
    assert [word for word in words if word not in refused["msg"]] == [], refused["msg"]
    assert told(pair.run("switchover", check=True, **TO_B)) == [False, "", "unknown"]
    assert pair.tree() == tree


def test_in_check_mode_a_load_balancer_may_be_one_that_only_earlier_tasks_would_have_made(host):
    assumed = host.run("config", check=True, **ALL).result["tandem_assumed"]
    with FakeKeepalive(host.prefix) as keepalive:
        keepalive.load_balancers = ["another"]
        assert told(host.run("switchover", check=True, tandem_assumed=assumed, **TO_B)) == [False, "", "unknown"]
    assert "there are none yet" in host.run("switchover", **TO_B).result["msg"]


def test_both_nodes_asked_at_once_agree_and_one_has_changed(pair, tmp_path, seed):
    other = dataclasses.replace(pair, prefix=tmp_path / "other", node="lb-b")
    other.prefix.mkdir()
    seed(other, ALL)
    with FakeKeepalive(pair.prefix) as here, FakeKeepalive(other.prefix, me="lb-b") as there:
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(other.run("switchover", **TO_B)))
        waiting.start()
        done = pair.run("switchover", **TO_B)
        there.active = here.active
        waiting.join()
    assert [told(done), told(answers[0])] == [[True, "lb-b", "standby"], [False, "lb-b", "active"]]
