"""What an operator reads of tracking and of a planned move."""

from __future__ import annotations

from tandem.cli.move_lines import history_lines, move_lines, tracked_lines


def test_what_is_tracked_is_told_with_what_was_said_last():
    tracked = [{"what": "gateway", "up": False, "last": "192.0.2.1 does not answer"}, {"what": "interface eth1", "up": True, "last": ""}]
    assert tracked_lines(tracked) == ["  tracks gateway: LOST (192.0.2.1 does not answer)", "  tracks interface eth1: there"]
    assert tracked_lines([{"what": "script disk", "up": None, "last": "not checked yet"}]) == [
        "  tracks script disk: not known yet (not checked yet)"
    ]


def test_what_is_left_of_a_planned_move_is_told_on_both_nodes():
    assert move_lines(None) == []
    keeps = {"part": "keeps", "peer": "lb-b", "connections": 3, "ends_ms": 240_000}
    assert move_lines(keeps) == ["  keeps 3 connections from before lb-b took over, 4m at most"]
    assert move_lines({**keeps, "connections": None}) == ["  keeps an unknown number of connections from before lb-b took over, 4m at most"]
    passes = {"part": "passes on", "peer": "lb-a", "connections": None, "ends_ms": 240_000}
    assert move_lines(passes) == ["  passes packets of older connections on to lb-a, 4m at most"]


def test_the_last_moves_are_told_with_their_reasons_the_latest_first():
    moves = [
        {"at_s": 10_000, "from": "active", "to": "standby", "why": "handed over"},
        {"at_s": 3040, "from": "standby", "to": "active", "why": "no active node was heard"},
    ]
    assert history_lines(moves, 10_240.5) == [
        "  moved 4m ago, active -> standby: handed over",
        "  moved 2h ago, standby -> active: no active node was heard",
    ]
    assert history_lines([], 0.0) == []
