"""Who waits for a server, with the pool alone: places go in order, and how many wait does not make a place dearer."""

from __future__ import annotations

from typing import Optional

import pytest

from tandem._model import Backend, HealthCheck, Server, Sticky
from tandem.proxy.pool.backends import BackendState
from tandem.proxy.pool.servers import Seeker, ServerState

NOW = 1000.0


class Waiter(Seeker):
    """Notes where it is placed; with ``leaves``, gives the place back at once."""

    def __init__(self, client: str, backend: BackendState, leaves: bool = False) -> None:
        super().__init__(client)
        self.backend, self.leaves = backend, leaves
        self.placed: Optional[ServerState] = None
        self.again = 0

    def take_place(self, server: ServerState) -> None:
        self.placed = server
        if self.leaves:
            self.backend.release(server, self, NOW)

    def choose_again(self) -> None:
        self.again += 1

    def break_off(self, why: str) -> None:
        raise AssertionError(why)


class Counting(BackendState):
    """Counts how often a server is looked for."""

    chosen = 0

    def choose(self, seeker: Seeker, now: float) -> Optional[ServerState]:
        self.chosen += 1
        return super().choose(seeker, now)


def backend(*servers: Server, **options) -> Counting:
    options.setdefault("health_check", HealthCheck(type="none"))
    return Counting("lb/app", Backend("lb", "app", port=80, servers=servers, **options), 1, lambda _key, _bindings: None)


def waiting(state: BackendState, count: int, leaves: bool = False) -> list[Waiter]:
    waiters = [Waiter(f"192.0.2.{number % 250}", state, leaves) for number in range(count)]
    for waiter in waiters:
        assert state.choose(waiter, NOW) is None
        assert state.enqueue(waiter, NOW)
    return waiters


def holder(state: BackendState) -> tuple[Waiter, ServerState]:
    held = Waiter("198.51.100.1", state)
    server = state.choose(held, NOW)
    assert server is not None
    return held, server


@pytest.mark.parametrize(
    "spare",
    [
        Server("spare", "127.0.0.2", backup=True, max_connections=1),
        Server("spare", "127.0.0.2", weight=0),
        Server("spare", "127.0.0.2", weight=0, max_connections=9),
    ],
    ids=["a backup", "weight 0", "weight 0 with a limit"],
)
def test_a_place_that_becomes_free_costs_one_look_however_many_wait_and_whatever_servers_stand_by(spare: Server):
    state = backend(Server("s1", "127.0.0.1", max_connections=1), spare, max_queue=2000)
    held, server = holder(state)
    waiters = waiting(state, 800)
    state.chosen = 0
    state.release(server, held, NOW)
    assert state.chosen == 1
    assert [waiter.placed is not None for waiter in waiters] == [True] + [False] * 799
    assert state.queues.waiting == 799


def test_places_go_to_those_who_wait_in_the_order_of_their_coming():
    state = backend(Server("s1", "127.0.0.1", max_connections=1))
    held, server = holder(state)
    waiters = waiting(state, 5)
    for number, waiter in enumerate(waiters):
        state.release(server, held, NOW)
        assert [one.placed is not None for one in waiters] == [True] * (number + 1) + [False] * (4 - number)
        held = waiter
    assert state.queues.waiting == 0


def test_those_who_give_their_place_back_at_once_do_not_nest_and_do_not_stop_the_others():
    state = backend(Server("s1", "127.0.0.1", max_connections=1), max_queue=5000)
    held, server = holder(state)
    waiters = waiting(state, 3000, leaves=True)
    state.release(server, held, NOW)
    assert all(waiter.placed for waiter in waiters)
    assert (state.queues.waiting, state.active, server.active) == (0, 0, 0)


def test_one_who_is_bound_waits_for_its_server_and_comes_in_its_turn():
    state = backend(
        Server("a", "127.0.0.1", max_connections=1), Server("b", "127.0.0.2", max_connections=1), sticky=Sticky(type="cookie", cookie_name="k")
    )
    (first, at_first), (second, at_second) = holder(state), holder(state)
    bound = Waiter("192.0.2.1", state)
    bound.cookie = at_first.mark
    assert state.choose(bound, NOW) is None
    state.enqueue(bound, NOW)
    others = waiting(state, 2)
    state.release(at_second, second, NOW)
    assert (bound.placed, others[0].placed, others[1].placed) == (None, at_second, None)
    state.release(at_first, first, NOW)
    assert (bound.placed, others[1].placed) == (at_first, None)


def test_when_its_server_goes_down_one_who_was_bound_takes_any_other():
    state = backend(
        Server("a", "127.0.0.1", max_connections=1),
        Server("b", "127.0.0.2", max_connections=1),
        sticky=Sticky(type="cookie", cookie_name="k"),
        health_check=HealthCheck(type="tcp"),
    )
    state.set_health({"a": True, "b": True}, NOW)
    (_first, at_first), (second, at_second) = holder(state), holder(state)
    bound = Waiter("192.0.2.1", state)
    bound.cookie = at_first.mark
    state.enqueue(bound, NOW)
    state.release(at_second, second, NOW)
    assert bound.placed is None
    state.set_health({at_second.name: True}, NOW)
    assert bound.placed is at_second


def test_one_who_leaves_a_queue_is_forgotten_whichever_it_was():
    state = backend(Server("a", "127.0.0.1", max_connections=1), sticky=Sticky(type="source"))
    held, server = holder(state)
    waiters = waiting(state, 3)
    assert state.shown()["queue"] == 3
    for waiter in waiters:
        state.leave_queue(waiter)
        state.leave_queue(waiter)
    assert state.shown()["queue"] == 0
    state.release(server, held, NOW)
    assert all(waiter.placed is None for waiter in waiters)


def test_a_backend_that_is_no_longer_stated_hands_back_who_waited_in_order():
    state = backend(Server("a", "127.0.0.1", max_connections=1), sticky=Sticky(type="source"))
    holder(state)
    waiters = waiting(state, 4)
    assert state.retire() == waiters
    assert state.queues.waiting == 0
