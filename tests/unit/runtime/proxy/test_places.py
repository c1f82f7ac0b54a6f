"""Places that several workers count together: several of them here, in one process, each with its own map of the memory and its own record."""

from __future__ import annotations

import os

import pytest

from tandem._model import Backend, Document, HealthCheck, Server, Sticky
from tandem.proxy.places import PlacesMemory
from tandem.proxy.pool.backends import BackendState
from tandem.proxy.reactor import Reactor
from tandem.proxy.service.places import Places
from tests.unit.runtime.proxy.pool.test_waiting import Waiter

UNCHECKED = HealthCheck(type="none")


class Worker:
    """The backend "lb/app" as one worker has it, on a reactor that turns when the test says so."""

    def __init__(self, index, places):
        self.now = 1000.0
        self.reactor = Reactor(lambda: self.now)
        self.index, self.places = index, places
        ends = [os.dup(end) for end in places.ends(index)]
        self.memory = PlacesMemory(index, ends, self.reactor, self.woken) if ends else None
        self.backend, self.wakes = None, 0

    def use(self, config, rows, workers):
        made = {}
        if self.memory is not None:
            self.memory.use(os.dup(self.places.memory))
            made = self.memory.of(config, rows.get("lb/app", {}))
        if self.backend is None:
            self.backend = BackendState("lb/app", config, workers, lambda _key, _bindings: None, places=made, index=self.index)
        else:
            self.backend.configure(config, workers, self.now, places=made, index=self.index)

    def woken(self):
        self.wakes += 1
        self.backend.serve_queue(self.now)

    def come(self):
        """Somebody new: who is placed, or waits, or is sent away."""
        waiter = Waiter("192.0.2.9", self.backend)
        server = self.backend.choose(waiter, self.now)
        if server is None:
            assert self.backend.enqueue(waiter, self.now)
        else:
            waiter.take_place(server)
        return waiter

    def leave(self, waiter):
        self.backend.release(waiter.placed, waiter, self.now)

    def turn(self):
        for _turn in range(3):
            self.reactor.soon(lambda: None)  # or it would wait
            self.reactor.turn(0.0)


class Team:
    def __init__(self, size):
        self.places = Places(size)
        self.workers = [Worker(index, self.places) for index in range(size)]

    def use(self, *servers, **options):
        config = Backend("lb", "app", port=80, servers=servers, health_check=UNCHECKED, **options)
        rows = self.places.rows(Document().with_object(config))
        for worker in self.workers:
            worker.use(config, rows, len(self.workers))
        return rows

    def at(self, now):
        for worker in self.workers:
            worker.now = now

    def turn(self):
        for worker in self.workers:
            worker.turn()


@pytest.fixture
def team():
    made = []

    def make(size=2):
        made.append(Team(size))
        return made[-1]

    yield make
    for one in made:
        for worker in one.workers:
            if worker.memory is not None:
                worker.memory.close()
            worker.reactor.dispose()
        one.places.close()


def limited(name="s1", limit=1, **options):
    return Server(name, "192.0.2.1", max_connections=limit, **options)


def test_a_place_that_one_worker_has_is_nobody_elses_and_goes_to_who_has_waited_longest_wherever_he_came(team):
    both = team()
    one, other = both.workers
    both.use(limited())
    first = one.come()
    assert first.placed is not None
    both.at(1001.0)
    second = other.come()
    both.at(1002.0)
    third = one.come()
    assert (second.placed, third.placed) == (None, None)
    one.leave(first)
    assert third.placed is None, "who waits at the other worker came before"
    both.turn()
    assert (second.placed is not None, third.placed) == (True, None)
    other.leave(second)
    both.turn()
    assert third.placed is not None
    one.leave(third)
    assert (one.wakes, other.wakes) == (1, 1), "nobody is woken who does not wait"


def test_who_has_just_come_does_not_pass_those_who_wait_elsewhere(team):
    both = team()
    one, other = both.workers
    both.use(limited())
    first = one.come()
    both.at(1001.0)
    waits = other.come()
    both.at(1002.0)
    one.leave(first)
    late = one.come()
    assert late.placed is None
    both.turn()
    assert waits.placed is not None
    other.leave(waits)
    both.turn()
    assert late.placed is not None


def test_who_stops_waiting_lets_the_others_go_on(team):
    both = team()
    one, other = both.workers
    both.use(limited())
    first = one.come()
    both.at(1001.0)
    waits = other.come()
    both.at(1002.0)
    one.leave(first)
    late = one.come()
    other.backend.leave_queue(waits)
    both.turn()
    assert late.placed is not None


@pytest.mark.parametrize("sticky", ["none", "source"])
def test_those_who_wait_are_served_in_the_order_of_their_coming_over_all_workers(team, sticky):
    three = team(3)
    three.use(limited(), sticky=Sticky(sticky))
    holder = three.workers[0].come()
    waits = []
    for number in range(12):
        three.at(1001.0 + number)
        waits.append(three.workers[number * 7 % 3].come())
    served = []
    for _place in range(12):
        three.at(three.workers[0].now + 1)
        next(worker for worker in three.workers if worker.backend is holder.backend).leave(holder)
        three.turn()
        three.turn()
        (holder,) = [waiter for waiter in waits if waiter.placed and waiter not in served]
        served.append(holder)
    assert served == waits


def test_who_cannot_use_a_place_does_not_keep_it_from_others(team):
    """Those who wait at one worker for any server do not wait for one that is drained there."""
    both = team()
    one, other = both.workers
    both.use(limited(), limited("s2"), sticky=Sticky("cookie"))
    held = [one.come(), one.come()]
    at_s2 = next(waiter for waiter in held if waiter.placed.name == "s2")
    for worker in both.workers:
        worker.backend.set_states({"s2": "drain"}, worker.now)
    both.at(1001.0)
    assert one.come().placed is None
    both.at(1002.0)
    bound = Waiter("192.0.2.7", other.backend)
    bound.cookie = other.backend.servers["s2"].mark
    assert other.backend.choose(bound, other.now) is None
    assert other.backend.enqueue(bound, other.now)
    one.leave(at_s2)
    both.turn()
    assert bound.placed is other.backend.servers["s2"]


def test_a_limit_of_the_backend_and_those_of_servers_hold_together(team):
    both = team(3)
    both.use(limited(limit=2), limited("s2", limit=2), max_connections=3)
    came = [worker.come() for worker in both.workers for _client in range(2)]
    placed = [waiter for waiter in came if waiter.placed]
    assert len(placed) == 3
    assert max(sum(waiter.placed.name == name for waiter in placed) for name in ("s1", "s2")) == 2
    for _left in range(20):
        for worker in both.workers:
            for waiter in [waiter for waiter in came if waiter.placed and waiter.backend is worker.backend]:
                worker.leave(waiter)
                came.remove(waiter)
                both.turn()
                assert len([waiter for waiter in came if waiter.placed]) <= 3
    assert came == [], "all have been served"
    assert not any(os.pread(both.places.memory, 4096, 0)), "and nobody holds or waits for anything"


def test_another_server_is_taken_where_the_chosen_one_went_to_another_worker_in_this_very_moment(team, monkeypatch):
    both = team()
    one, other = both.workers
    both.use(limited(), limited("s2"))
    assert one.come().placed.name == "s1"
    monkeypatch.setattr("tandem.proxy.places.SharedPlaces.free", lambda _places: True)  # as it was when it was looked at
    assert other.come().placed.name == "s2"
    assert one.come().placed is None


def test_what_a_worker_held_that_has_ended_is_free_again(team):
    both = team()
    one, other = both.workers
    both.use(limited())
    assert one.come().placed is not None
    waits = other.come()
    both.places.forget(0)
    both.turn()
    assert waits.placed is not None


def test_limits_that_come_and_go_count_who_is_there_already(team):
    both = team()
    one, other = both.workers
    assert both.use(limited(limit=0)) == {}
    held = [one.come() for _client in range(3)]
    assert both.use(limited(limit=3)) == {"lb/app": {"s1": 0}}
    waits = other.come()
    assert waits.placed is None
    one.leave(held.pop())
    both.turn()
    assert waits.placed is not None
    both.use(limited(limit=4))
    assert one.come().placed is not None
    assert other.come().placed is None
    assert both.use(limited(limit=0)) == {}
    assert all(worker.come().placed for worker in both.workers)


def test_a_row_is_used_again_only_when_nobody_is_counted_there_any_more(team):
    both = team()
    one = both.workers[0]
    both.use(limited())
    held = one.come()
    assert both.use(limited("s2")) == {"lb/app": {"s2": 1}}, "somebody is at the former one still"
    one.leave(held)
    assert both.use(limited("s2"), limited("s3")) == {"lb/app": {"s2": 1, "s3": 0}}
    many = [limited(f"m{number}") for number in range(200)]
    rows = both.use(*many)["lb/app"]
    assert len(set(rows.values())) == 200
    assert os.fstat(both.places.memory).st_size >= 200 * 2 * 16
    assert one.come().placed is not None


def test_larger_limits_are_cut_into_shares_that_make_up_the_limit(team):
    three = team(3)
    assert three.use(limited(limit=101), max_connections=200) == {}
    assert [worker.backend.servers["s1"].limit for worker in three.workers] == [34, 34, 33]
    assert [worker.backend.limit for worker in three.workers] == [67, 67, 66]


def test_one_worker_counts_alone(team):
    alone = team(1)
    assert alone.use(limited()) == {}
    assert alone.workers[0].backend.servers["s1"].limit == 1
