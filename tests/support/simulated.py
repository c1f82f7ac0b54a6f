"""Machines with the real election and the real keeping of addresses, on a made-up network among each other and to one client. Time is counted.

The client's cache says which machine has the address: the one that announced it last; and while several have it, any of them may answer.
"""

from __future__ import annotations

import heapq
import random

from tandem.keepalive.addresses import Addresses
from tandem.keepalive.election import Config, Election, priority_of
from tandem.keepalive.events import Acquire, Announce, Healthy, Heard, Release, Send, Servers, Silent, State, Tick, Tracked
from tests.support.keepalive_fakes import VIP, FakeKernel

INTERVAL = 0.3
DEAD_AFTER = 3
DOWN = DEAD_AFTER * INTERVAL + INTERVAL  # an upper bound of the down interval, skew and all
LATE_S = 0.01  # what a timer may be late
MUTED_S = 0.03  # until nobody is answered any more for an address that is kept


class _Machine:
    def __init__(self, place, config, announced):
        self.config, self.announced, self.place = config, announced, place
        self.stalled_until, self.wakes_at = 0.0, 0.0
        self.carrier = self.healthy = True
        self.silent_at = None  # while it still answers for an address that it only keeps
        self.sent, self.kernel = [], FakeKernel()
        self.start(0.0)

    def start(self, now):
        """A process that knows nothing: it takes off what a former one left."""
        self.silent_at = None
        self.election = Election(self.config, now)
        self.addresses = Addresses(DEAD_AFTER * INTERVAL, self.kernel, lambda _link, _frames: self.announced(self.place))
        self.addresses.use(self.addresses.find([VIP], usable=True))
        self.addresses.remove_leftovers()

    @property
    def holds(self):
        """Whether who asks for the address is answered by it."""
        return self.carrier and (bool(self.kernel.leases()) or self.silent_at is not None)

    @property
    def active(self):
        return self.election.state is State.ACTIVE


class World:
    """``step`` of a machine does what an ``Instance`` does with the election's actions."""

    def __init__(self, seed, nodes, failback="never"):
        self.random = random.Random(seed)
        self.now = 0.0
        self.loss = self.delay = self.doubling = 0.0
        self.cut: set[tuple[int, int]] = set()  # one-way: (from, to)
        self.moves = self._posted = 0
        self.cache = None  # which machine the client believes to have the address
        self.announcements = []  # (when, by whom)
        self._mail: list[tuple[float, int, int, Heard]] = []
        configs = [Config(priority_of(place), INTERVAL, DEAD_AFTER, failback, 5.0, bytes([place]), one_peer=nodes == 2) for place in range(nodes)]
        self.machines = [_Machine(place, config, self._announced) for place, config in enumerate(configs)]
        for machine in self.machines:
            self.give(machine, Healthy(True))

    @property
    def active(self):
        return [machine.place for machine in self.machines if machine.active]

    @property
    def holders(self):
        return [machine.place for machine in self.machines if machine.holds]

    def _announced(self, place):
        self.announcements.append((self.now, place))
        if self.machines[place].carrier:
            self.cache = place

    def give(self, machine, event):
        machine = self.machines[machine] if isinstance(machine, int) else machine
        held, late = bool(machine.kernel.leases()), self.now - machine.election._last_step > DEAD_AFTER * INTERVAL + LATE_S
        for action in machine.election.step(self.now, event):
            if isinstance(action, Send):
                assert not (late and held and machine.kernel.leases()), "it has slept, and sends before it has stepped down"
                machine.election.sent(machine.carrier)
                machine.sent.append(self.now)
                self._post(machine, action.priority)
            elif isinstance(action, Acquire):
                machine.addresses.acquire(self.now)
                machine.silent_at = None
            elif isinstance(action, Announce):
                machine.addresses.announce(self.now)
            elif isinstance(action, Release):
                machine.addresses.release()
                machine.silent_at = self.now + self.random.random() * MUTED_S if action.keep else None
        machine.addresses.tend(self.now)
        assert bool(machine.kernel.leases()) == (machine.active or machine.election.handing_over)
        self.moves += machine.active and not held
        machine.wakes_at = max(self.now + 0.001, min(machine.election.due(), machine.addresses.due())) + self.random.random() * LATE_S
        if machine.silent_at is not None:
            machine.wakes_at = min(machine.wakes_at, machine.silent_at)

    def _post(self, sender, priority):
        for other in self.machines:
            if other is sender or (sender.place, other.place) in self.cut or not (sender.carrier and other.carrier):
                continue
            for _copy in range(1 + (self.random.random() < self.doubling)):
                if self.random.random() >= self.loss:
                    self._posted += 1
                    due = self.now + 0.0005 + self.random.random() * self.delay  # each takes its own time: they overtake each other
                    heapq.heappush(self._mail, (due, self._posted, other.place, Heard(priority, INTERVAL, sender.config.rank)))

    def run(self, seconds, check=lambda: None):
        end = self.now + seconds
        while True:
            waking = min(self.machines, key=lambda machine: max(machine.wakes_at, machine.stalled_until))
            wakes_at = max(waking.wakes_at, waking.stalled_until)
            posted = bool(self._mail) and self._mail[0][0] <= wakes_at
            happens = self._mail[0][0] if posted else wakes_at
            if happens > end:
                self.now = end
                return
            self.now = max(self.now, happens)
            if len(self.holders) > 1 and self.random.random() < 0.5:
                self.cache = self.random.choice(self.holders)  # somebody has asked, and the quicker answer counts
            if posted:
                self._deliver()
            elif waking.silent_at is not None and waking.silent_at <= self.now:
                waking.silent_at = None
                self.give(waking, Silent())
            else:
                self.give(waking, Tick())
            check()

    def _deliver(self):
        _due, number, place, heard = heapq.heappop(self._mail)
        machine = self.machines[place]
        if machine.stalled_until > self.now:
            heapq.heappush(self._mail, (machine.stalled_until + 0.001, number, place, heard))  # it lies in the socket until then
        else:
            self.give(machine, heard)

    def awake(self, places):
        return [place for place in places if self.machines[place].stalled_until <= self.now]

    def restart(self, place):
        """The process is killed and starts again: it says nothing of having been active."""
        machine = self.machines[place]
        machine.start(self.now)
        machine.stalled_until = 0.0
        self.give(machine, Servers(True))
        self._tell_health(machine)

    def _tell_health(self, machine):
        self.give(machine, Healthy(machine.healthy and machine.carrier, "its proxy, or its cable"))

    def trouble(self, kinds=range(8)):
        """One thing that goes wrong for a while, or changes."""
        kind, place = self.random.choice(list(kinds)), self.random.randrange(len(self.machines))
        machine = self.machines[place]
        other = (place + 1 + self.random.randrange(len(self.machines) - 1)) % len(self.machines)
        if kind == 0:
            self.loss = self.random.choice((0.0, 0.1, 0.3))
        elif kind == 1:
            self.delay, self.doubling = self.random.random() * 0.2, self.random.random() * 0.5
        elif kind == 2:
            self.cut ^= {(place, other)}
        elif kind == 3:
            machine.stalled_until = self.now + self.random.random() * 6
        elif kind == 4:
            self.restart(place)
        elif kind == 7:
            self.give(machine, Tracked(self.random.choice(("", "the gateway"))))
        elif machine.stalled_until <= self.now:
            if kind == 5:
                machine.healthy = self.random.random() < 0.5
            else:
                machine.carrier = not machine.carrier
            self._tell_health(machine)

    def heal(self, delay=0.0, doubling=0.0):
        """All is well again, but for messages that still take their time, and come twice."""
        self.loss, self.delay, self.doubling = 0.0, delay, doubling
        self.cut.clear()
        for machine in self.machines:
            machine.stalled_until = min(machine.stalled_until, self.now)
            machine.carrier = machine.healthy = True
            self.give(machine, Tracked(""))
            self.give(machine, Tick())  # what was asleep finds out first
            self._tell_health(machine)
