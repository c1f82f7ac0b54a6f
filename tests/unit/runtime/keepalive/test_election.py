"""The election by its rules; the requirement each test holds is in its name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tandem.keepalive.election import Config, Election, priority_of
from tandem.keepalive.events import (
    RESIGNATION,
    Acquire,
    Announce,
    Healthy,
    Heard,
    Release,
    Send,
    Servers,
    State,
    Stop,
    Tick,
)
from tests.support.elections import BACKUP, INTERVAL, MASTER, active, heard_from, standby


def test_priorities_are_1_to_254_and_fall_with_the_place_in_the_list():
    assert [priority_of(position) for position in range(4)] == [200, 100, 99, 98]
    assert priority_of(500) == 3, "below that are those who have lost what they track"


@pytest.mark.parametrize(("config", "expected"), [(MASTER, 0.9 + 0.3 * 56 / 256), (BACKUP, 0.9 + 0.3 * 156 / 256)])
def test_rfc_9568_6_1_the_down_interval_is_that_many_intervals_and_the_skew(config, expected):
    _election, won_at = active(config)
    assert won_at == pytest.approx(expected, abs=1e-6)


def test_after_a_start_the_backup_leaves_the_master_time_to_be_first_but_waits_no_longer_in_a_failover():
    slow = replace(BACKUP, start_wait_s=3.0)
    election, won_at = active(slow)
    assert won_at == pytest.approx(3.0 + election.down_interval_s, abs=1e-6)
    election = standby(slow)
    election.step(1.0, heard_from(MASTER))
    assert election.due() <= 1.0 + election.down_interval_s
    election.step(1.1, Healthy(False, "the proxy died"))
    election.step(1.2, Healthy(True))
    while election.state is not State.ACTIVE:
        now = election.due()
        election.step(now, Tick())
    assert now == pytest.approx(1.2 + election.down_interval_s, abs=1e-6), "only the first wait is longer"
    election = Election(slow, 0.0)
    election.step(0.1, heard_from(MASTER))
    election.step(0.2, Healthy(True))
    assert election.due() <= 0.2 + election.down_interval_s, "who was heard before the proxy was ready needs no time to start"


def test_rfc_9568_6_4_2_a_standby_node_hears_the_active_one_and_waits_anew():
    election = standby(BACKUP)
    for beat in range(1, 40):
        now = beat * INTERVAL
        assert election.step(now, heard_from(MASTER)) == []
        assert election.step(now + 0.01, Tick()) == []
    assert election.state is State.STANDBY


def test_rfc_9568_6_4_2_a_resignation_is_answered_after_the_skew():
    election = standby(BACKUP)
    election.step(1.0, heard_from(MASTER))
    election.step(1.1, heard_from(MASTER, RESIGNATION))
    assert election.due() == pytest.approx(1.1 + election.skew_s)
    assert election.step(election.due(), Tick()) == [Send(100), Acquire()]


def test_a_resignation_is_answered_at_once_where_nobody_else_could():
    election = standby(replace(BACKUP, one_peer=True))
    election.step(1.0, heard_from(MASTER))
    election.step(1.1, heard_from(MASTER, RESIGNATION))
    assert election.due() == pytest.approx(1.1)
    assert election.step(1.1, Tick()) == [Send(100), Acquire()]


def test_rfc_9568_6_4_2_the_interval_of_the_active_node_counts():
    election = standby(BACKUP)
    election.step(0.1, Heard(200, 1.0, MASTER.rank))
    assert election.down_interval_s == pytest.approx(3 + 156 / 256)
    for tenth in range(2, 36):
        assert election.step(tenth / 10, Tick()) == []


def test_rfc_9568_6_4_3_an_active_node_advertises_every_interval():
    election, now = active(MASTER)
    for _beat in range(5):
        assert election.due() == pytest.approx(now + INTERVAL)
        now = election.due()
        assert election.step(now, Tick()) == [Send(200)]


def test_rfc_9568_6_4_3_a_more_preferred_active_node_wins_a_conflict():
    election, now = active(BACKUP)
    # The other one is to know of it, also a keepalived: so it is told before, and once the addresses are off, after which its announcement lasts.
    assert election.step(now + 0.1, heard_from(MASTER)) == [Send(100), Release(), Send(RESIGNATION)]
    assert election.state is State.STANDBY
    assert (election.conflicts.count, election.conflicts.last.won, election.conflicts.last.priority) == (1, False, 200)


def test_rfc_9568_6_4_3_a_less_preferred_active_node_is_answered_at_once_and_announced_over():
    election, now = active(MASTER)
    assert election.step(now + 0.1, heard_from(BACKUP)) == [Send(200), Announce()]
    assert election.state is State.ACTIVE


@pytest.mark.parametrize(("rank", "stays"), [(b"\x0a\x00\x00\x0a", True), (b"\x0a\x00\x00\x0c", False)])
def test_rfc_9568_6_4_3_equal_priorities_are_decided_by_address(rank, stays):
    election, now = active(MASTER)
    election.step(now + 0.1, Heard(200, INTERVAL, rank))
    assert (election.state is State.ACTIVE) is stays


def test_rfc_9568_6_4_3_a_resignation_heard_while_active_is_answered_with_an_advertisement_and_announced_over():
    election, now = active(MASTER)
    assert election.step(now + 0.1, heard_from(BACKUP, RESIGNATION)) == [Send(200), Announce()]


def test_a_conflict_is_counted_from_the_first_advertisement_to_the_resignation_or_the_silence_of_the_other():
    election, now = active(MASTER)
    for beat in range(10):
        election.step(now + beat * INTERVAL, heard_from(BACKUP))
    assert (election.conflicts.count, election.conflicts.last.ended_at) == (1, None)
    end = now + 9 * INTERVAL + 0.1
    election.step(end, heard_from(BACKUP, RESIGNATION))
    last = election.conflicts.last
    assert (last.began_at, last.ended_at, last.won) == (now, end, True)
    election.step(end + 0.2, heard_from(BACKUP))
    for tick in range(10):
        assert (Announce() in election.step(end + 0.3 + tick * 0.2, Tick())) == (tick == 5), "the end is announced once"
    last = election.conflicts.last
    assert (election.conflicts.count, last.ended_at, last.ending) == (2, end + 0.2, "the other node fell silent")


@pytest.mark.parametrize(("priority", "at_most"), [(100, 35), (RESIGNATION, 75)], ids=["goes on", "steps down again and again"])
def test_a_peer_that_keeps_losing_makes_no_storm(priority, at_most):
    election, now = active(MASTER)
    sent = announced = 0
    for tick in range(60 * 500):  # 500 a second, for a minute
        actions = election.step(now + tick / 500, heard_from(BACKUP, priority))
        sent, announced = sent + (Send(200) in actions), announced + (Announce() in actions)
    assert 28 <= announced <= at_most
    assert sent <= 60 * 100 + 1


def test_whoever_steps_down_of_two_that_were_active_does_not_move_the_third_one():
    third = standby(Config(99, INTERVAL, 3, rank=b"\x0a\x00\x00\x0d"))
    third.step(1.0, heard_from(BACKUP))
    third.step(1.1, heard_from(MASTER))
    third.step(1.101, heard_from(BACKUP))
    third.step(1.102, heard_from(BACKUP, RESIGNATION))
    assert third.step(1.102 + third.skew_s + 0.01, Tick()) == []
    third.step(1.3, heard_from(MASTER, RESIGNATION))
    while third.state is not State.ACTIVE:
        now = third.due()
        third.step(now, Tick())
    assert now == pytest.approx(1.3 + third.skew_s)


def tick(election, now, seconds, leaves=False):
    """Lets time pass while what is sent leaves the node or does not; who was active, moment by moment."""
    states = []
    for step in range(round(seconds * 20)):
        for action in election.step(now + step / 20, Tick()):
            if isinstance(action, Send):
                election.sent(leaves)
        states.append(election.state)
    return now + seconds, states


def test_an_active_node_whose_advertisements_do_not_leave_steps_down_once_and_stays_active_where_nobody_else_is():
    election, now = active(MASTER)
    now, states = tick(election, now, 1.5)
    assert (states[0], states[-1]) == (State.ACTIVE, State.STANDBY)
    assert "could send nothing for" in election.reason
    now, states = tick(election, now, 20)
    assert states[-1] is State.ACTIVE
    assert election.transitions == 4, "fault, standby, active, and once more"
    election.step(now, heard_from(BACKUP))
    assert election.state is State.STANDBY, "it is not heard, and the other one is"
    now, _states = tick(election, now, 10, leaves=True)
    election.step(now, heard_from(BACKUP))
    assert election.state is State.ACTIVE, "what it sends leaves again"


def test_a_node_whose_advertisements_do_not_leave_does_not_take_over_from_one_that_is_heard():
    election, now = active(replace(MASTER, failback="immediate"))
    now, _states = tick(election, now, 1.5)
    for beat in range(100):
        election.step(now + beat * INTERVAL, heard_from(BACKUP))
        election.step(now + beat * INTERVAL + 0.1, Tick())
        assert election.state is State.STANDBY


def test_a_returning_master_waits_for_its_servers_but_not_for_ever_and_not_where_nobody_is_active():
    config = Config(200, INTERVAL, 3, "immediate", rank=MASTER.rank)
    for ready_at, expected in ((3.0, 3.0), (500.0, 60.0)):
        election, now = Election(config, 0.0), 0.0
        election.step(0.0, Servers(False))
        election.step(0.0, Healthy(True))
        while election.state is State.STANDBY:
            now += 0.1
            election.step(now, Servers(now >= ready_at))
            election.step(now, heard_from(BACKUP))
            election.step(now, Tick())
        assert expected <= now <= expected + election.down_interval_s + 0.2
    election = Election(config, 0.0)
    election.step(0.0, Servers(False))
    election.step(0.0, Healthy(True))
    while election.state is State.STANDBY:
        now = election.due()
        election.step(now, Tick())
    assert now == pytest.approx(election.down_interval_s)


def test_a_stopped_active_node_resigns_before_it_lets_go():
    election, now = active(MASTER)
    assert election.step(now + 0.1, Stop()) == [Send(RESIGNATION), Release()]
    assert election.state is State.FAULT


def test_a_node_whose_proxy_died_resigns_and_takes_no_part_until_it_is_back():
    election, now = active(MASTER)
    assert election.step(now + 0.1, Healthy(False, "the proxy has died")) == [Send(RESIGNATION), Release()]
    assert (election.state, election.reason) == (State.FAULT, "the proxy has died")
    for beat in range(1, 50):
        assert election.step(now + 0.1 + beat * INTERVAL, Tick()) == []
    election.step(now + 20, Healthy(True))
    assert election.state is State.STANDBY


def test_never_leaves_the_backup_active_when_the_master_returns():
    election = standby(MASTER)
    for beat in range(1, 400):
        election.step(beat * INTERVAL, heard_from(BACKUP))
        assert election.step(beat * INTERVAL + 0.01, Tick()) == []
    assert election.state is State.STANDBY


def test_immediate_takes_over_from_a_less_preferred_node_after_one_down_interval():
    config = Config(200, INTERVAL, 3, "immediate", rank=MASTER.rank)
    election = standby(config)
    now = 0.0
    while election.state is State.STANDBY and now < 5:
        now += 0.1
        election.step(now, heard_from(BACKUP))
        election.step(now, Tick())
    assert now == pytest.approx(election.down_interval_s, abs=0.11)


def test_delayed_takes_over_once_it_has_been_healthy_for_so_long():
    config = Config(200, INTERVAL, 3, "delayed", 10.0, MASTER.rank)
    election = standby(config)
    now = 0.0
    while election.state is State.STANDBY and now < 30:
        now += 0.1
        election.step(now, heard_from(BACKUP))
        election.step(now, Tick())
    assert 10 < now < 10 + election.down_interval_s + 0.2


def test_an_active_node_that_was_stalled_steps_down_before_it_sends_anything():
    election, now = active(MASTER)
    actions = election.step(now + 5, Tick())
    assert actions == [Release(), Send(RESIGNATION)], "whoever took over announces itself once more"
    assert election.state is State.STANDBY
    assert "stalled for 5.0 s" in election.reason


def test_a_standby_node_that_was_stalled_does_not_take_the_silence_for_a_death():
    election = standby(BACKUP)
    election.step(0.1, heard_from(MASTER))
    assert election.step(60.0, Tick()) == []
    election.step(60.01, heard_from(MASTER))
    assert election.state is State.STANDBY
    assert election.due() > 60.2


def test_other_settings_change_nothing_of_who_is_active():
    election, now = active(MASTER)
    election.reconfigure(Config(200, 1.0, 2, "immediate", rank=MASTER.rank))
    assert election.state is State.ACTIVE
    assert election.due() == pytest.approx(now + 1.0)


def test_a_resignation_that_did_not_leave_is_sent_when_the_node_is_back():
    election, now = active(MASTER)
    assert election.step(now + 0.1, Healthy(False, "eth0 has no carrier"))[0] == Send(RESIGNATION)
    election.sent(False)
    election.sent(True)  # a transport that has words for it tells of the fault
    assert election.step(now + 5, Healthy(True)) == [Send(RESIGNATION)], "whoever took over announces itself, as caches may still have this node"
    assert election.step(now + 6, Healthy(False)) + election.step(now + 7, Healthy(True)) == []
