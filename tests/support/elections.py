"""Elections of a pair as tests begin with them: one that stands by, one that has just won, and what it hears."""

from __future__ import annotations

from tandem.keepalive.election import Config, Election
from tandem.keepalive.events import Acquire, Healthy, Heard, Send, State, Tick

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
