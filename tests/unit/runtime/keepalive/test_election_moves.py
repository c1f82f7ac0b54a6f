"""Elections that move because somebody wants it, or because a node has lost what it tracks; and that it is known why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tandem.keepalive.events import (
    RESIGNATION,
    Acquire,
    Announce,
    HandOver,
    Healthy,
    Release,
    Send,
    Servers,
    Silent,
    State,
    Stop,
    Tick,
    Tracked,
)
from tests.support.elections import BACKUP, INTERVAL, MASTER, active, heard_from, standby


def test_who_hands_over_resigns_and_keeps_the_addresses_until_another_node_is_active():
    election, now = active(MASTER)
    assert election.step(now + 0.1, HandOver()) == [Send(RESIGNATION)]
    assert (election.state, election.reason, election.handing_over) == (State.STANDBY, "handed over", True)
    assert election.step(now + 0.11, heard_from(BACKUP, RESIGNATION)) == []
    assert election.step(now + 0.12, heard_from(BACKUP)) == [Release(), Send(RESIGNATION)]
    assert not election.handing_over
    assert election.step(now + 0.13, HandOver()) == [], "it is active no longer"


def test_who_keeps_the_addresses_for_its_connections_resigns_once_more_when_nobody_asks_for_them_any_more():
    election, now = active(MASTER)
    assert election.step(now, Silent()) == [], "it is active"
    assert election.step(now + 0.1, HandOver(keep=True)) == [Send(RESIGNATION)]
    assert election.step(now + 0.12, heard_from(BACKUP)) == [Release(keep=True)]
    assert election.step(now + 0.13, Silent()) == [Send(RESIGNATION)]
    assert election.step(now + 0.14, heard_from(BACKUP)) == []


def test_addresses_that_nobody_has_taken_are_not_kept():
    election, now = active(MASTER)
    election.step(now, HandOver(keep=True))
    assert election.step(now + 0.1, Tick()) == [Release(), Send(RESIGNATION)]


@pytest.mark.parametrize("end", [Tick(), Stop(), Healthy(False, "its proxy")], ids=["nobody comes", "it is stopped", "it cannot serve"])
def test_who_hands_over_gives_the_addresses_up_in_any_case(end):
    election, now = active(MASTER)
    election.step(now, HandOver())
    assert election.due() == pytest.approx(now + 0.1)
    assert election.step(now + 0.1, end) == [Release(), Send(RESIGNATION)]
    assert election.due() > now + 0.1


def test_failback_does_not_undo_a_handing_over_until_the_node_was_in_fault_or_active_again():
    for between, comes_back in (((), False), ((Healthy(False, "its proxy"), Healthy(True)), True)):
        election, now = active(replace(MASTER, failback="immediate"))
        election.step(now, HandOver())
        for event in between:
            election.step(now + 0.2, event)
        for beat in range(1, 40):
            election.step(now + 0.2 + beat * INTERVAL, heard_from(BACKUP))
            election.step(now + 0.21 + beat * INTERVAL, Tick())
        assert (election.state is State.ACTIVE) is comes_back


def test_an_active_node_that_has_lost_what_it_tracks_says_so_at_once_and_makes_way_for_one_that_has_it():
    election, now = active(MASTER)
    assert election.step(now + 0.1, Tracked("the gateway")) == [Send(2)]
    assert election.step(now + 0.11, Tracked("the gateway, again")) == []
    assert (election.state, election.shown_state) == (State.ACTIVE, State.ACTIVE)
    assert election.step(now + 0.2, heard_from(BACKUP, 1)) == [Send(2), Announce()], "it has lost it too"
    assert election.step(now + 0.3, heard_from(BACKUP)) == [Release(), Send(RESIGNATION)]
    assert (election.state, election.shown_state, election.conflicts.count) == (State.STANDBY, State.FAULT, 1)
    assert "the gateway, again" in election.reason


@pytest.mark.parametrize("failback", ["never", "delayed", "immediate"])
def test_who_has_what_it_tracks_takes_over_at_once_from_who_has_not_and_counts_no_conflict(failback):
    election = standby(replace(BACKUP, one_peer=True, failback=failback))
    election.step(1.0, heard_from(MASTER))
    election.step(1.1, heard_from(MASTER, 2))
    assert election.step(election.due(), Tick()) == [Send(100), Acquire()]
    assert election.due() < 1.5
    assert election.step(1.2, heard_from(MASTER, 2)) == [Send(100)]
    assert election.conflicts.count == 0


def test_why_a_node_is_active_is_known():
    for heard, cause in (
        ((), "no active node was heard"),
        ((heard_from(MASTER), heard_from(MASTER, RESIGNATION)), "the active node resigned"),
        ((heard_from(MASTER), heard_from(MASTER, 2)), "the active node has lost what it tracks"),
        ((heard_from(MASTER, 50), heard_from(MASTER, 50)), "this node is more preferred (failback: immediate)"),
    ):
        election = standby(replace(BACKUP, failback="immediate"))
        for at, event in zip((0.2, 0.4), heard):
            election.step(at, event)
        while election.state is not State.ACTIVE:
            now = election.due()
            election.step(now, Tick())
        assert (election.reason, election.cause) == ("", cause)
        election.step(now + 0.1, HandOver())
        assert election.cause == "handed over"


def test_who_has_lost_it_too_or_has_no_servers_does_not_take_over():
    for event in (Tracked("the gateway"), Servers(False)):
        election = standby(replace(BACKUP, one_peer=True, failback="immediate"))
        election.step(0.9, event)
        for beat in range(20):
            election.step(1.0 + beat * INTERVAL, heard_from(MASTER, 2))
            assert election.step(1.01 + beat * INTERVAL, Tick()) == []
        election.step(8.0, Tracked(""))
