"""When a server counts as up or down, and how soon it is looked at again: the rules alone, without a socket or a clock."""

from __future__ import annotations

import random

import pytest

from tandem._model import HealthCheck
from tandem.checks.health import Health, after_check, next_check_ms


def follow(results, check, health=None):
    """The states and waits after each of a row of results: "+" passed, "-" failed."""
    health, seen = health or Health(), []
    for second, result in enumerate(results, 1):
        health = after_check(health, check, result == "+", f"check {second}", float(second))
        seen.append((health.state, next_check_ms(health, check)))
    return health, seen


CHECK = HealthCheck(interval_ms=3000, fast_interval_ms=500, rise=2, fall=3)


def test_a_server_that_nobody_has_looked_at_is_neither_up_nor_down_and_the_first_look_decides():
    assert (Health().state, Health().up) == ("checking", None)
    assert follow("+", CHECK)[1] == [("up", 3000)]
    assert follow("-", CHECK)[1] == [("down", 3000)]


def test_so_many_failures_in_a_row_take_it_down_and_so_many_passes_bring_it_up():
    _health, seen = follow("+--+---++-++", CHECK)
    up, wavering, down, rising = ("up", 3000), ("up", 500), ("down", 3000), ("down", 500)
    assert seen == [up, wavering, wavering, up, wavering, wavering, down, rising, up, wavering, up, up]


def test_since_is_the_time_of_the_last_change_and_last_what_was_seen_last():
    health, _seen = follow("+--", CHECK)
    assert (health.since_s, health.last, health.streak) == (1.0, "check 3", 2)
    health, _seen = follow("+---", CHECK)
    assert (health.state, health.since_s, health.last, health.streak) == ("down", 4.0, "check 4", 0)


@pytest.mark.parametrize("seed", range(20))
def test_in_every_history_a_change_has_exactly_the_row_it_needs_behind_it(seed):
    chance = random.Random(seed)
    check = HealthCheck(interval_ms=1000, fast_interval_ms=chance.choice((100, 5000)), rise=chance.randint(1, 5), fall=chance.randint(1, 5))
    results = "".join(chance.choice("+++-") if chance.random() < 0.5 else chance.choice("---+") for _result in range(300))
    _health, seen = follow(results, check)
    state = "up" if results[0] == "+" else "down"
    for number in range(1, len(results)):
        needed = check.fall if state == "up" else check.rise
        against = "-" if state == "up" else "+"
        row = len(results[: number + 1]) - len(results[: number + 1].rstrip(against))
        if row >= needed:
            state = "down" if state == "up" else "up"
        assert seen[number][0] == state, (number, results[: number + 1])
        wavering = row and seen[number][0] == seen[number - 1][0]
        assert seen[number][1] == (min(check.fast_interval_ms, 1000) if wavering else 1000)
