"""The election by its rules; the requirement each test holds is in its name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tandem.keepalive.election import (
    RESIGNATION,
    Acquire,
    Announce,
    Config,
    Election,
    Healthy,
    Heard,
    Release,
    Send,
    State,
    Stop,
    Tick,
    priority_of,
)

INTERVAL = 0.3
MASTER = Config(200, INTERVAL, 3, rank=b"\x0a\x00\x00\x0b")
BACKUP = Config(100, INTERVAL, 3, rank=b"\x0a\x00\x00\x0c")


def standby(config, now=0.0):
    election = Election(config, now)
    assert election.step(now, Healthy(True)) == []
    assert election.state is State.STANDBY
    return election


def active(config, now=0.0):
    """An election that has just won, and the time it happened."""
    election = standby(config, now)
    while election.state is not State.ACTIVE:
        now = election.due()
        actions = election.step(now, Tick())
    assert actions == [Send(config.priority), Acquire()]
    return election, now


def heard_from(config, priority=None):
    return Heard(config.priority if priority is None else priority, config.interval_s, config.rank)


def test_priorities_are_1_to_254_and_fall_with_the_place_in_the_list():
    assert [priority_of(position) for position in range(4)] == [200, 100, 99, 98]
    assert priority_of(500) == 1


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
    assert election.step(now + 0.1, heard_from(MASTER)) == [Release()]
    assert election.state is State.STANDBY


def test_rfc_9568_6_4_3_a_less_preferred_active_node_is_answered_at_once_and_announced_over():
    election, now = active(MASTER)
    assert election.step(now + 0.1, heard_from(BACKUP)) == [Send(200), Announce()]
    assert election.state is State.ACTIVE


@pytest.mark.parametrize(("rank", "stays"), [(b"\x0a\x00\x00\x0a", True), (b"\x0a\x00\x00\x0c", False)])
def test_rfc_9568_6_4_3_equal_priorities_are_decided_by_address(rank, stays):
    election, now = active(MASTER)
    election.step(now + 0.1, Heard(200, INTERVAL, rank))
    assert (election.state is State.ACTIVE) is stays


def test_rfc_9568_6_4_3_a_resignation_heard_while_active_is_answered_with_an_advertisement():
    election, now = active(MASTER)
    assert election.step(now + 0.1, heard_from(BACKUP, RESIGNATION)) == [Send(200)]


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
    assert actions == [Release()]
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
