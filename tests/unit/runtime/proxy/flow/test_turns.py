"""Whose turn it is, in every state that an exchange can be in: each row is one, and there is no other."""

from __future__ import annotations

import itertools

import pytest

from tandem.proxy.flow.turns import BOTH, CLIENT, NOBODY, SERVER, whose_turn

# request whole, answer begun, answer whole, client blocked, server blocked
TABLE = {
    # The request goes up, there is no answer yet.
    (False, False, False, False, False): CLIENT,  # it sends
    (False, False, False, False, True): SERVER,  # it does not take what was sent
    (False, False, False, True, False): CLIENT,  # it does not read its former answer, or an interim one
    (False, False, False, True, True): BOTH,
    # The request is whole, there is no answer yet.
    (True, False, False, False, False): SERVER,
    (True, False, False, False, True): SERVER,
    (True, False, False, True, False): CLIENT,
    (True, False, False, True, True): BOTH,
    # Both are under way: an upload that is answered early (RFC 9112 9.3).
    (False, True, False, False, False): BOTH,
    (False, True, False, False, True): SERVER,
    (False, True, False, True, False): CLIENT,
    (False, True, False, True, True): BOTH,
    # The answer comes down.
    (True, True, False, False, False): SERVER,
    (True, True, False, False, True): SERVER,
    (True, True, False, True, False): CLIENT,
    (True, True, False, True, True): BOTH,
    # The answer is complete, the request is not (RFC 9112 9.5).
    (False, True, True, False, False): CLIENT,
    (False, True, True, False, True): SERVER,
    (False, True, True, True, False): CLIENT,
    (False, True, True, True, True): BOTH,
    # All is complete: only bytes that are on their way keep it.
    (True, True, True, False, False): NOBODY,
    (True, True, True, False, True): SERVER,
    (True, True, True, True, False): CLIENT,
    (True, True, True, True, True): BOTH,
}


@pytest.mark.parametrize("state", TABLE)
def test_it_is_the_turn_of_whoever_has_to_move_next(state):
    assert whose_turn(*state) == TABLE[state]


def test_the_table_has_every_state_that_there_is():
    states = {state for state in itertools.product((False, True), repeat=5) if state[1] or not state[2]}
    assert states == set(TABLE)
