"""Elections among themselves: pairs and triples on a network that loses, delays, doubles and cuts, on machines that stall and restart.

Everything random comes from the seed that a failure names; time is counted, not waited for.
"""

from __future__ import annotations

import heapq
import random

import pytest

from tandem.keepalive.election import Acquire, Config, Election, Healthy, Heard, Release, Send, State, Stop, Tick, priority_of

INTERVAL = 0.3
DEAD_AFTER = 3
DOWN = DEAD_AFTER * INTERVAL + INTERVAL  # an upper bound of the down interval, skew and all
STEP = 0.05


class World:
    """Machines with one election each, and the network between them. ``now`` moves in small steps."""

    def __init__(self, seed, nodes, failback="never"):
        self.random = random.Random(seed)
        self.now = 0.0
        self.loss = self.delay = self.doubling = 0.0
        self.cut: set[tuple[int, int]] = set()  # one-way: (from, to)
        self.stalled_until = [0.0] * nodes
        self.holding = [False] * nodes
        self.moves = 0
        self._mail: list[tuple[float, int, int, Heard]] = []
        self._posted = 0
        self.configs = [Config(priority_of(place), INTERVAL, DEAD_AFTER, failback, 5.0, bytes([place])) for place in range(nodes)]
        self.machines = [Election(config, 0.0) for config in self.configs]
        for place in range(nodes):
            self.give(place, Healthy(True))

    @property
    def active(self):
        return [place for place, machine in enumerate(self.machines) if machine.state is State.ACTIVE]

    def give(self, place, event):
        before = self.holding[place]
        for action in self.machines[place].step(self.now, event):
            if isinstance(action, Send):
                self.post(place, action.priority)
            elif isinstance(action, Acquire):
                self.holding[place] = True
            elif isinstance(action, Release):
                self.holding[place] = False
        assert self.holding[place] == (self.machines[place].state is State.ACTIVE)
        self.moves += self.holding[place] and not before

    def post(self, place, priority):
        for other in range(len(self.machines)):
            copies = 1 + (self.random.random() < self.doubling)
            for _copy in range(copies if other != place and (place, other) not in self.cut else 0):
                if self.random.random() >= self.loss:
                    self._posted += 1
                    due = self.now + 0.001 + self.random.random() * self.delay
                    heapq.heappush(self._mail, (due, self._posted, other, Heard(priority, INTERVAL, self.configs[place].rank)))

    def run(self, seconds, check=lambda: None):
        end = self.now + seconds
        while self.now < end:
            self.now += STEP * (0.5 + self.random.random())
            waiting = []
            while self._mail and self._mail[0][0] <= self.now:
                _due, number, place, heard = heapq.heappop(self._mail)
                if self.stalled_until[place] > self.now:
                    waiting.append((self.stalled_until[place] + 0.001, number, place, heard))  # it lies in the socket until then
                else:
                    self.give(place, heard)
            for letter in waiting:
                heapq.heappush(self._mail, letter)
            for place, machine in enumerate(self.machines):
                if self.stalled_until[place] <= self.now and machine.due() <= self.now:
                    self.give(place, Tick())
            check()

    def awake(self, places):
        return [place for place in places if self.stalled_until[place] <= self.now]

    def restart(self, place):
        """The process is killed and starts again: it knows nothing, and says nothing of having been active."""
        self.machines[place] = Election(self.configs[place], self.now)
        self.holding[place] = False
        self.give(place, Healthy(True))

    def trouble(self):
        """One thing that goes wrong for a while, or changes."""
        kind, place = self.random.randrange(6), self.random.randrange(len(self.machines))
        other = (place + 1 + self.random.randrange(len(self.machines) - 1)) % len(self.machines)
        if kind == 0:
            self.loss = self.random.choice((0.0, 0.1, 0.3))
        elif kind == 1:
            self.delay, self.doubling = self.random.random() * 0.2, self.random.random() * 0.5
        elif kind == 2:
            self.cut ^= {(place, other)}
        elif kind == 3:
            self.stalled_until[place] = self.now + self.random.random() * 6
        elif kind == 4:
            self.restart(place)
        else:
            self.give(place, Healthy(self.random.random() < 0.5, "its proxy"))

    def heal(self):
        self.loss = self.delay = self.doubling = 0.0
        self.cut.clear()
        self.stalled_until = [min(until, self.now) for until in self.stalled_until]
        for place in range(len(self.machines)):
            self.give(place, Healthy(True))


@pytest.mark.parametrize("nodes", [2, 3])
@pytest.mark.parametrize("failback", ["never", "immediate", "delayed"])
def test_whatever_happened_one_node_is_active_soon_after_it_is_over_and_it_stays_so(nodes, failback):
    for seed in range(80):
        world = World(seed, nodes, failback)
        for _trouble in range(25):
            world.trouble()
            world.run(world.random.random() * 3)
            assert all(world.machines[place].state is not State.ACTIVE or world.holding[place] for place in range(nodes)), f"seed {seed}"
        world.heal()
        world.run(3 * DOWN + (8 if failback == "delayed" else 0))
        assert len(world.active) == 1, f"seed {seed}: active {world.active}"
        moves, holder = world.moves, world.active
        world.run(10)
        assert (world.active, world.moves) == (holder, moves), f"seed {seed}: it moved without a reason"
        if failback != "never":
            assert holder == [0], f"seed {seed}"


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
            kind, place = world.random.randrange(3), world.random.randrange(2)
            if kind == 0:
                world.restart(place)
            elif kind == 1:
                world.stalled_until[place] = world.now + world.random.random() * 6
            else:
                world.give(place, Healthy(world.random.random() < 0.7, "its proxy"))
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


def test_a_death_is_answered_within_the_down_interval_and_a_resignation_within_the_skew():
    for seed in range(150):
        world = World(seed, 2)
        world.run(3 * DOWN + world.random.random())
        (first,) = world.active
        resigns = world.random.random() < 0.5
        began = world.now
        if resigns:
            world.give(first, Stop())
        else:
            world.stalled_until[first] = float("inf")
        while not [place for place in world.active if place != first]:
            world.run(STEP)
            assert world.now < began + 2 * DOWN, f"seed {seed}"
        bound = INTERVAL + 3 * STEP if resigns else DOWN + 3 * STEP
        assert world.now - began <= bound, f"seed {seed}: {world.now - began:.2f} s"


def test_a_node_in_fault_is_never_active():
    for seed in range(60):
        world = World(seed, 3)
        for _trouble in range(30):
            place = world.random.randrange(3)
            world.give(place, Healthy(world.random.random() < 0.5, "its proxy"))
            world.run(world.random.random())
            assert not [p for p, machine in enumerate(world.machines) if machine.state is State.FAULT and world.holding[p]], f"seed {seed}"
