"""The reactor, turn by turn with a clock of the test's own: what is called when, and that one mistake costs nobody else anything."""

from __future__ import annotations

import gc
import os
import socket
import threading

import pytest

from tandem.proxy.reactor import READ, WRITE, Handler, Reactor
from tandem.proxy.wheel import TICK_S, Timed


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Ear(Handler):
    """Writes down what it is told, and raises what it is given to raise."""

    def __init__(self, sock, told, raises=None):
        super().__init__(sock.fileno())
        self.sock, self.told, self.raises = sock, told, raises

    def readable(self):
        self.told.append(("readable", self.fd))
        if self.raises is not None:
            raise self.raises
        self.sock.recv(100)

    def writable(self):
        self.told.append(("writable", self.fd))

    def expired(self, now):
        self.told.append(("expired", now))

    def failed(self, error):
        self.told.append(("failed", str(error)))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def errors():
    return []


@pytest.fixture
def reactor(clock, errors):
    made = Reactor(clock, errors.append)
    yield made
    made.dispose()


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    yield ours, theirs
    ours.close()
    theirs.close()


def test_a_handler_is_told_what_it_watches_for_and_nothing_else(reactor, pair):
    ours, theirs = pair
    told = []
    ear = Ear(ours, told)
    theirs.send(b"x")
    reactor.turn(0)
    assert told == []
    reactor.watch(ear, READ)
    reactor.turn(0)
    assert told == [("readable", ear.fd)]
    reactor.watch(ear, READ | WRITE)
    theirs.send(b"x")
    reactor.turn(0)
    assert told[1:] == [("writable", ear.fd), ("readable", ear.fd)]
    reactor.watch(ear, 0)
    theirs.close()
    reactor.turn(0)
    assert len(told) == 3


def test_a_mistake_of_one_handler_is_reported_and_ends_that_one_alone(reactor, errors):
    told, pairs = [], [socket.socketpair() for _number in range(3)]
    for number, (ours, theirs) in enumerate(pairs):
        reactor.watch(Ear(ours, told, ValueError("mine") if number == 1 else None), READ)
        theirs.send(b"x")
    reactor.turn(0)
    assert sorted(what for what, _which in told) == ["failed", "readable", "readable", "readable"]
    assert [str(error) for error in errors] == ["mine"]
    for ours, theirs in pairs:
        ours.close()
        theirs.close()


def test_a_mistake_in_a_deadline_loses_no_other_deadline(reactor, clock, errors):
    fired = []

    class Bad(Timed):
        def expired(self, now):
            raise ValueError("in a deadline")

    class Good(Timed):
        def expired(self, now):
            fired.append(self)

    entries = [Good(), Bad(), Good(), Bad(), Good()]
    for entry in entries:
        reactor.wheel.set(entry, clock.now + 1)
    clock.now += 1 + 2 * TICK_S
    reactor.turn(0)
    assert fired == [entries[0], entries[2], entries[4]]
    assert [str(error) for error in errors] == ["in a deadline"] * 2


def test_a_mistake_in_what_is_done_soon_keeps_nothing_else_from_being_done(reactor, errors):
    done = []
    reactor.soon(lambda: 1 // 0)
    reactor.soon(lambda: done.append(1))
    reactor.turn(0)
    assert done == [1]
    assert isinstance(errors[0], ZeroDivisionError)


def test_a_mistake_in_the_end_of_a_failed_handler_is_reported_too(reactor, pair, errors):
    class Hopeless(Ear):
        def failed(self, error):
            raise KeyError("again")

    reactor.watch(Hopeless(pair[0], [], ValueError("first")), READ)
    pair[1].send(b"x")
    reactor.turn(0)
    assert [type(error) for error in errors] == [ValueError, KeyError]


def test_a_closed_socket_keeps_its_number_until_the_turn_ends(reactor, pair):
    """Or a new one could have it, and get the events of the one before."""
    ours, theirs = pair
    numbers = []

    class Closing(Ear):
        def readable(self):
            reactor.close(self, self.sock)
            numbers.append(self.sock.fileno())

    reactor.watch(Closing(ours, []), READ)
    theirs.send(b"x")
    reactor.turn(0)
    assert numbers[0] >= 0
    assert ours.fileno() == -1


def test_what_is_done_soon_is_done_once_in_the_next_turn_and_what_it_adds_in_the_one_after(reactor):
    done = []

    def first():
        done.append("first")
        reactor.soon(lambda: done.append("second"))

    reactor.soon(first)
    reactor.turn(5)  # does not wait
    assert done == ["first"]
    reactor.turn(5)
    assert done == ["first", "second"]


def test_a_call_for_later_comes_when_its_time_is_up_and_not_before(reactor, clock):
    done = []
    reactor.later(1.0, lambda: done.append(clock.now))
    cancelled = reactor.later(1.0, lambda: done.append("cancelled"))
    clock.now += 0.9
    reactor.turn(0)
    assert done == []
    reactor.wheel.clear(cancelled)
    clock.now += 0.2
    reactor.turn(0)
    assert done == [clock.now]


def test_now_is_the_time_at_which_the_turn_began(reactor, clock):
    clock.now += 7
    reactor.turn(0)
    assert reactor.now == clock.now


def test_other_threads_wake_it_and_their_work_is_done_in_its_own(errors):
    reactor, where = Reactor(on_error=errors.append), []
    thread = threading.Thread(target=reactor.run)
    thread.start()
    done = threading.Event()

    def work():
        where.append(threading.current_thread())
        done.set()

    reactor.wake(work)
    assert done.wait(5)
    assert where == [thread]
    reactor.wake(reactor.stop)
    thread.join(5)
    assert not thread.is_alive()
    reactor.dispose()


def test_an_idle_reactor_waits_for_the_next_deadline_instead_of_ticking(clock):
    waits = []
    reactor = Reactor(clock)
    poll = reactor._poll

    class Poll:
        def __getattr__(self, name):
            return getattr(poll, name)

        def poll(self, seconds, most):
            waits.append(round(seconds, 3))
            return []

    reactor._poll = Poll()
    reactor.later(0.5, lambda: None)
    for _turn in range(3):
        reactor.turn(TICK_S)
    assert waits[0] == TICK_S
    assert waits[1] >= 0.5
    reactor._poll = poll
    reactor.dispose()


def test_thousands_of_wake_ups_at_once_lose_none(reactor):
    done = []
    for number in range(70_000):  # more than the pipe holds
        reactor.wake(lambda number=number: done.append(number))
    for _turn in range(3):
        reactor.turn(0)
    assert done == list(range(70_000))


def test_a_disposed_reactor_gives_back_its_descriptors():
    gc.collect()  # what other tests have left
    before = len(os.listdir("/proc/self/fd"))
    Reactor().dispose()
    assert len(os.listdir("/proc/self/fd")) == before
