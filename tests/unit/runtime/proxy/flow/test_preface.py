"""How many handshakes have a turn of the reactor, and that the others have the next ones, in the order in which they came."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tandem.proxy.context import Context
from tandem.proxy.flow.preface import Handshakes
from tandem.proxy.reactor import Reactor


class Turns:
    """Those of a reactor, made by hand; a step is the letter that is noted."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.reactor = Reactor(on_error=self.errors.append)
        self.handshakes = Handshakes(Context(self.reactor, print, print))
        self.made = ""

    def noting(self, letter: str) -> Callable[[], bool]:
        def step() -> bool:
            self.made += letter
            return True

        return step

    def next(self) -> str:
        self.made = ""
        self.reactor.turn(0.0)
        return self.made


@pytest.fixture
def turns():
    made = Turns()
    yield made
    made.reactor.dispose()


def test_a_few_steps_have_one_turn_and_as_many_the_next(turns: Turns):
    assert [turns.handshakes.may_step() for _step in range(100)] == [True] * 4 + [False] * 96
    turns.next()
    assert [turns.handshakes.may_step() for _step in range(6)] == [True] * 4 + [False] * 2


def test_who_has_to_wait_goes_on_in_the_order_of_coming(turns: Turns):
    for letter in "abcdefghij":
        turns.handshakes.wait(turns.noting(letter))
    assert [turns.next() for _turn in range(4)] == ["abcd", "efgh", "ij", ""]


def test_those_who_wait_go_on_before_others_begin(turns: Turns):
    for letter in "abc":
        turns.handshakes.wait(turns.noting(letter))
    assert turns.next() == "abc"
    assert [turns.handshakes.may_step() for _step in range(2)] == [True, False]


def test_a_connection_that_has_ended_takes_nobodys_place(turns: Turns):
    for _count in range(50):
        turns.handshakes.wait(lambda: False)
    for letter in "abcde":
        turns.handshakes.wait(turns.noting(letter))
    assert [turns.next(), turns.next()] == ["abcd", "e"]


def test_an_error_of_one_holds_up_nobody_else(turns: Turns):
    def wrong() -> bool:
        raise ValueError("wrong")

    for step in (wrong, turns.noting("a"), wrong, turns.noting("b")):
        turns.handshakes.wait(step)
    assert "".join(turns.next() for _turn in range(4)) == "ab"
    assert [str(error) for error in turns.errors] == ["wrong", "wrong"]
