"""The states of an HTTP/1 client connection: every way through them that there is, and that there is no other."""

from __future__ import annotations

import itertools

import pytest

from tandem.http import states
from tandem.http.states import EVENTS, STATES, IllegalMove, move

LEGAL = {
    ("IDLE", "BYTES"): "HEAD",
    ("HEAD", "WHOLE"): "ANSWER",
    ("HEAD", "PARTIAL"): "BODY",
    ("HEAD", "LAST"): "LINGER",
    ("BODY", "BODY_END"): "ANSWER",
    ("BODY", "ANSWERED"): "REST",
    ("BODY", "LAST"): "LINGER",
    ("ANSWER", "ANSWERED"): "IDLE",
    ("ANSWER", "LAST"): "LINGER",
    ("ANSWER", "SWITCHED"): "TUNNEL",
    ("REST", "BODY_END"): "IDLE",
    ("REST", "LAST"): "LINGER",
    **{(state, "CLOSE"): "CLOSED" for state in STATES},
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(STATES, EVENTS)))
def test_each_event_leads_where_the_table_says_or_is_illegal(state, event):
    wanted = LEGAL.get((state, event))
    if wanted is None:
        with pytest.raises(IllegalMove, match=f"{event} in {state}"):
            move(STATES.index(state), EVENTS.index(event))
    else:
        assert STATES[move(STATES.index(state), EVENTS.index(event))] == wanted


def test_the_names_are_those_of_the_numbers():
    assert [getattr(states, name) for name in STATES] == list(range(len(STATES)))
    assert [getattr(states, name) for name in EVENTS] == list(range(len(EVENTS)))


def test_every_state_can_be_reached_and_every_way_ends():
    reached, ahead = {"IDLE"}, ["IDLE"]
    while ahead:
        here = ahead.pop()
        following = {after for (state, _event), after in LEGAL.items() if state == here} - reached
        reached |= following
        ahead += following
    assert reached == set(STATES)
