"""Slots: each server has its share, and little moves when little happens."""

from __future__ import annotations

import random

import pytest

from tandem.forward.slots import SLOTS, homes, preferred, slots

EQUAL = {f"app-{number}": 1 for number in range(5)}


def weighted(seed, count):
    chance = random.Random(seed)
    return {f"s{seed}-{number}": chance.choice((1, 1, 2, 3, 10)) for number in range(count)}


def share(weights, name):
    return weights[name] / sum(weights.values())


def moved(before, after):
    return sum(one != other for one, other in zip(before, after)) / SLOTS


@pytest.mark.parametrize("weights", [EQUAL, {"only": 7}, *(weighted(seed, count) for seed, count in enumerate((2, 3, 8, 40)))])
def test_each_server_has_its_share_of_the_slots_to_one_slot(weights):
    chosen = slots(weights, set(weights), {})
    assert len(chosen) == SLOTS
    for name in weights:
        assert abs(chosen.count(name) - SLOTS * share(weights, name)) < 1


@pytest.mark.parametrize("seed", range(6))
def test_a_server_that_goes_down_or_comes_back_moves_its_own_share_alone(seed):
    weights = weighted(seed, 2 + seed * 2)
    before = slots(weights, set(weights), {})
    for name in weights:
        after = slots(weights, set(weights) - {name}, {})
        assert moved(before, after) <= share(weights, name) + 0.02
        assert all(one == other for one, other in zip(before, after) if one != name)
        assert name not in after


def test_what_a_server_leaves_is_spread_over_all_others():
    left = [after for before, after in zip(slots(EQUAL, set(EQUAL), {}), slots(EQUAL, set(EQUAL) - {"app-0"}, {})) if before == "app-0"]
    assert {left.count(name) > 5 for name in EQUAL if name != "app-0"} == {True}


@pytest.mark.parametrize("seed", range(6))
def test_a_server_that_is_stated_anew_or_no_more_moves_little_beyond_its_share(seed):
    weights = weighted(seed, 3 + seed * 3)
    before = slots(weights, set(weights), {})
    for name in weights:
        rest = {other: weight for other, weight in weights.items() if other != name}
        assert moved(before, slots(rest, set(rest), {})) <= share(weights, name) + 0.08


def test_the_order_in_which_servers_are_stated_does_not_matter():
    assert slots(dict(reversed(EQUAL.items())), set(EQUAL), {}) == slots(EQUAL, set(EQUAL), {})


def test_a_server_of_weight_0_gets_no_slot_and_two_without_any_are_no_choice():
    assert set(slots({"a": 1, "b": 0}, {"a", "b"}, {})) == {"a"}
    assert slots({"a": 0}, {"a"}, {}) == ()
    assert slots({"a": 1}, set(), {}) == slots({}, set(), {}) == ()


def test_backups_stand_in_when_no_other_server_is_left():
    assert set(slots({"a": 1}, {"a", "z"}, {"z": 1})) == {"a"}
    assert set(slots({"a": 1}, {"z"}, {"z": 1})) == {"z"}
    assert set(slots({}, {"z"}, {"z": 1})) == {"z"}


def test_the_choice_is_the_same_on_every_machine_and_release():
    """Two nodes compute it apart, also while one of them runs another release: this must never change."""
    assert [preferred(slot, {"a": 1, "b": 2})[0] for slot in range(12)] == list(WEIGHTED)
    assert homes((("a", 1), ("b", 1), ("c", 1)))[:12] == tuple(EQUAL_HOMES)


WEIGHTED = "baaabbbabbbb"
EQUAL_HOMES = "ccaabccccbcc"
