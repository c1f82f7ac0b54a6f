"""Elections among themselves: pairs and triples on a network that loses, delays, doubles and cuts, on machines that stall, restart
and lose their cable.

Everything random comes from the seed that a failure names; time is counted, not waited for.
"""

from __future__ import annotations

import pytest

from tandem.keepalive.events import HandOver, Healthy, State, Stop, Tracked
from tests.support.simulated import DOWN, INTERVAL, MUTED_S, World

STEP = 0.05
CORRECTED_S = 0.1


@pytest.mark.parametrize("nodes", [2, 3])
@pytest.mark.parametrize("failback", ["never", "immediate", "delayed"])
def test_whatever_happened_one_node_is_active_soon_after_it_is_over_and_it_stays_so(nodes, failback):
    for seed in range(60):
        world = World(seed, nodes, failback)
        for _trouble in range(25):
            world.trouble()
            world.run(world.random.random() * 3)
        world.heal()
        world.run(3 * DOWN + (8 if failback == "delayed" else 0))
        assert len(world.active) == 1, f"seed {seed}: active {world.active}"
        moves, holder = world.moves, world.active
        world.run(10)
        assert (world.active, world.moves) == (holder, moves), f"seed {seed}: it moved without a reason"
        if failback != "never":
            assert holder == [0], f"seed {seed}"


class _Cache:
    """Watches the client's cache from now on: how long it is wrong after two or more held the address, and only one does."""

    def __init__(self, world, seed):
        self.world, self.seed = world, seed
        self.conflict = self.ended_at = None
        self.ends = 0

    def __call__(self):
        holders, now = self.world.holders, self.world.now
        if len(holders) > 1:
            self.conflict, self.ended_at = True, None
        elif self.conflict:
            self.conflict, self.ended_at = False, now
            self.ends += 1
        if self.ended_at is not None and holders and self.world.cache == holders[0]:
            self.ended_at = None
        if self.ended_at is not None:
            assert now - self.ended_at <= CORRECTED_S, f"seed {self.seed}: the client is sent to {self.world.cache}, but {holders} has the address"


@pytest.mark.parametrize("nodes", [2, 3])
@pytest.mark.parametrize(("delay", "doubling"), [(0.0, 0.0), (0.04, 0.5)], ids=["quick", "slow, twice, in any order"])
def test_every_clients_cache_is_right_100_ms_after_the_end_of_any_conflict(nodes, delay, doubling):
    ends = 0
    for seed in range(120):
        world = World(seed, nodes)
        for _round in range(4):
            for _trouble in range(4):
                world.trouble((2, 2, 0, 3, 6))
                world.run(world.random.random() * 3)
            world.heal(delay, doubling)
            cache = _Cache(world, seed)
            world.run(2 * DOWN, cache)
            ends += cache.ends
            assert not cache.ends or world.cache == world.holders[0], f"seed {seed}"
    assert ends > 40, "there were conflicts to end"


def test_no_trouble_makes_a_storm_of_announcements_or_advertisements():
    for seed in range(60):
        world = World(seed, 2 + seed % 2)
        for _trouble in range(40):
            world.trouble()
            world.run(world.random.random() * 2)
        for machine in world.machines:
            announced = [at for at, place in world.announcements if place == machine.place]
            assert _most_within(announced, 10.0) <= 30, f"seed {seed}"
            assert _most_within(machine.sent, 10.0) <= 4 * 10 / INTERVAL, f"seed {seed}"


def test_a_one_way_partition_is_announced_over_once_a_second_and_advertisements_are_answered_one_by_one():
    world = World(1, 2)
    world.run(3 * DOWN)
    world.cut.add((0, 1))
    world.run(2 * DOWN)
    assert world.active == [0, 1]
    began = world.now
    world.run(60)
    announced = [at for at, place in world.announcements if place == 0 and at > began]
    assert 25 <= len(announced) <= 65
    assert len([at for at in world.machines[0].sent if at > began]) <= 60 / INTERVAL * 2 + 2
    world.cut.clear()
    world.run(2 * INTERVAL)
    assert (world.active, world.cache) == ([0], 0)


def _most_within(moments, seconds):
    return max((sum(1 for other in moments if at <= other < at + seconds) for at in moments), default=0)


def test_on_a_whole_network_two_nodes_are_never_active_for_longer_than_a_beat():
    for seed in range(150):
        world = World(seed, 2)
        together = 0.0

        def watch(world=world, seed=seed):
            nonlocal together, last
            both = len(world.awake(world.active)) > 1
            together = together + world.now - last if both else 0.0
            last = world.now
            assert together <= 2 * INTERVAL, f"seed {seed}: both active for {together:.2f} s"

        last = world.now
        for _trouble in range(20):
            world.trouble((3, 4, 5))
            world.run(world.random.random() * 4, watch)


def test_with_failback_never_a_returning_node_does_not_interrupt_the_active_one():
    for seed in range(150):
        world = World(seed, 2)
        world.run(3 * DOWN)
        (first,) = world.active
        world.give(first, Stop())
        world.run(2 * DOWN)
        (second,) = world.active
        assert second != first
        for _return in range(5):
            world.restart(first)
            world.run(world.random.random() * 20)
            assert world.active == [second], f"seed {seed}"


@pytest.mark.parametrize("keep", [False, True], ids=["", "and keeps its connections"])
@pytest.mark.parametrize("failback", ["never", "immediate", "delayed"])
def test_a_node_that_hands_over_leaves_the_address_without_a_holder_at_no_moment_and_does_not_come_back(failback, keep):
    for seed in range(100):
        world = World(seed, 2, failback)
        world.run(3 * DOWN + world.random.random())
        (first,) = world.active

        def watch(world=world, seed=seed):
            assert world.holders, f"seed {seed}: nobody has the address"

        world.give(first, HandOver(keep))
        began = world.now
        while world.holders != [1 - first]:
            world.run(0.002, watch)
            assert world.now <= began + 0.05 + keep * MUTED_S, f"seed {seed}: {world.holders} have the address"
        world.run(0.02, watch)
        assert world.cache == 1 - first, f"seed {seed}"
        world.run(20, watch)
        assert world.active == [1 - first], f"seed {seed}: it has come back"
        world.machines[1 - first].stalled_until = float("inf")
        world.run(2 * DOWN)
        assert first in world.active, f"seed {seed}: it takes over from one that has died"


def test_whatever_happens_to_planned_moves_that_keep_connections_one_node_is_active_and_clients_find_it():
    for seed in range(100):
        world = World(seed, 2)
        for _move in range(15):
            if world.active and world.random.random() < 0.7:
                world.give(world.random.choice(world.active), HandOver(keep=True))
            world.run(world.random.random() * 0.1)
            world.trouble((0, 2, 3, 4, 5))
            world.run(world.random.random() * 2)
        world.heal()
        world.run(3 * DOWN)
        assert len(world.active) == 1, f"seed {seed}"
        world.run(5)  # who was killed before it fell silent may have answered somebody: the last announcement comes after 5 s
        assert (world.holders, world.cache) == (world.active, world.active[0]), f"seed {seed}"


def test_who_has_what_is_tracked_is_active_and_where_nobody_has_it_the_active_one_stays():
    for seed in range(100):
        world = World(seed, 2 + seed % 2, world_failback(seed))
        world.run(3 * DOWN + 6)
        (first,) = world.active
        for machine in world.machines:
            world.give(machine, Tracked("the gateway"))
            world.run(world.random.random())
        lost_all = world.active
        moves = world.moves
        world.run(5)
        assert (len(lost_all), world.active, world.moves) == (1, lost_all, moves), f"seed {seed}"
        better = world.random.randrange(len(world.machines))
        world.give(better, Tracked(""))
        world.run(DOWN)
        assert (world.active, world.holders, world.cache) == ([better], [better], better), f"seed {seed}: {first} was the first"


def world_failback(seed):
    return ("never", "immediate", "delayed")[seed % 3]


def test_a_node_that_hands_over_to_nobody_goes_on_after_the_down_interval():
    for seed in range(30):
        world = World(seed, 2)
        world.run(3 * DOWN)
        (first,) = world.active
        world.give(1 - first, Healthy(False, "its proxy"))
        world.give(first, HandOver())
        world.run(0.2)
        assert (world.active, world.holders) == ([], []), f"seed {seed}"
        world.run(DOWN)
        assert world.active == [first], f"seed {seed}"


def test_a_death_is_answered_within_the_down_interval_and_a_resignation_at_once():
    for seed in range(150):
        world = World(seed, 2)
        world.run(3 * DOWN + world.random.random())
        (first,) = world.active
        resigns = world.random.random() < 0.5
        began = world.now
        if resigns:
            world.give(first, Stop())
        else:
            world.machines[first].stalled_until = float("inf")
        while not [place for place in world.active if place != first]:
            world.run(STEP)
            assert world.now < began + 2 * DOWN, f"seed {seed}"
        bound = 2 * STEP if resigns else DOWN + 3 * STEP
        assert world.now - began <= bound, f"seed {seed}: {world.now - began:.2f} s"


def test_a_node_in_fault_is_never_active_nor_holds_the_address():
    for seed in range(60):
        world = World(seed, 3)
        for _trouble in range(30):
            place = world.random.randrange(3)
            world.give(place, Healthy(world.random.random() < 0.5, "its proxy"))
            world.run(world.random.random())
            faulty = [machine for machine in world.machines if machine.election.state is State.FAULT]
            assert not any(machine.holds for machine in faulty), f"seed {seed}"
