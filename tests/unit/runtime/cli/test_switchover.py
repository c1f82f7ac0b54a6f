"""`tandem switchover` as an operator types it. With real nodes: tests/loopback and tests/namespaces."""

from __future__ import annotations

import json

import pytest

from tests.support.fake_keepalive import FakeKeepalive


def test_the_active_node_hands_over_and_says_who_is_active_then(node):
    with FakeKeepalive(node.prefix) as keepalive:
        moved = node.run("switchover", "edge", "--force")
        assert (moved.returncode, moved.stdout, moved.stderr) == (0, "edge: lb-b is active, connections are kept\n", "")
        again = node.run("switchover", "edge", "--to", "lb-b")
        assert (again.returncode, again.stdout) == (0, "edge: lb-b is active already\n")
        assert [(asked["to"], asked["force"], asked["grace_ms"]) for asked in keepalive.asked] == [("", True, 300_000)]
        keepalive.active, keepalive.kept = "lb-a", {"kept": False, "kept_reason": "nft is not installed"}
        answer = node.run("switchover", "edge", "--to", "lb-b", "--grace", "0", "--json")
        kept = {"kept": False, "kept_reason": "nft is not installed"}
        assert (answer.returncode, json.loads(answer.stdout)) == (0, {"active": "lb-b", "changed": True, "state": "standby", **kept})
        assert keepalive.asked[-1]["grace_ms"] == 0


def test_a_keepalive_of_an_earlier_release_keeps_no_connections_and_a_grace_that_is_no_time_is_refused(node):
    with FakeKeepalive(node.prefix) as keepalive:
        keepalive.kept = {}
        moved = node.run("switchover", "edge")
        assert moved.stdout == "edge: lb-b is active, connections are not kept: keepalive is of an earlier release\n"
        refused = node.run("switchover", "edge", "--grace", "soon")
        assert (refused.returncode, '--grace is "soon"' in refused.stderr) == (1, True)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"active": "lb-b"}, "lb-b is active, not lb-a. Ask there: it is the active node that hands over."),
        ({"refusal": 'load balancer "edge" stays on lb-a: lb-b is silent.'}, 'load balancer "edge" stays on lb-a: lb-b is silent.'),
        (None, "keepalive does not run on this node, so it neither hands over nor takes over"),
    ],
    ids=["another one is active", "keepalive refuses", "keepalive does not run"],
)
def test_when_it_is_not_moved_the_exit_status_is_1_and_the_reason_is_told_at_once(node, how, words):
    if how is None:
        failed = node.run("switchover", "edge", "--to", "lb-a")
    else:
        with FakeKeepalive(node.prefix, **how):
            failed = node.run("switchover", "edge", "--to", "lb-a")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert words in failed.stderr


def test_a_peer_that_does_not_come_is_told_with_who_is_active_instead(node):
    with FakeKeepalive(node.prefix, successor="lb-a"):
        failed = node.run("switchover", "edge", "--to", "lb-b")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "lb-b has not taken over within 5 s; lb-a is active." in failed.stderr
