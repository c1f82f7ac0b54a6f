"""Balancing, sticky sessions, and the timer wheel: pure, with the time as an argument."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

import pytest

from tandem.balance.methods import Balancer, rendezvous, smooth_turns
from tandem.balance.rising import rising_weight
from tandem.balance.sticky import SourceTable, mark_in, own_cookie_name, renewal_due, server_mark, set_cookie
from tandem.proxy.wheel import NEVER, TICK_S, Timed, Wheel


@dataclass(eq=False)
class Candidate:
    name: str
    weight: int = 1
    active: int = 0
    full: bool = False


def balancer(method: str, *candidates: Candidate) -> Balancer:
    made = Balancer(method)
    made.use(candidates)
    return made


def names(made: Balancer, count: int, client: str = "") -> str:
    chosen = [made.choose(client) for _turn in range(count)]
    return "".join(candidate.name for candidate in chosen if candidate)


def drawing(*numbers: float) -> Balancer:
    """``random``, with what chance gives, again and again."""
    left = iter(numbers * 100)
    return Balancer("random", lambda: next(left))


def test_random_takes_the_one_with_less_to_do_of_two_that_are_drawn_by_their_weights():
    a, b, c = Candidate("a", 2, active=5), Candidate("b", 1, active=2), Candidate("c", 1, active=9)
    for numbers, name in (((0.0, 0.6), "a"), ((0.0, 0.99), "a"), ((0.6, 0.99), "b"), ((0.49, 0.5), "a"), ((0.5, 0.5, 0.75), "b")):
        made = drawing(*numbers)
        made.use([a, b, c])
        assert names(made, 1) == name, numbers


def test_random_finds_the_only_one_that_has_room_whatever_is_drawn_and_none_where_there_is_none():
    a, b, c = Candidate("a", full=True), Candidate("b", full=True), Candidate("c")
    made = drawing(0.0, 0.4)
    made.use([a, b, c])
    assert names(made, 1) == "c"
    c.full = True
    assert made.choose("") is None
    made.use([])
    assert made.choose("") is None
    made = drawing(0.0)
    made.use([a])
    a.full = False
    assert made.choose("", [a]) is a, "one that failed is taken where there is no other"


def test_random_spreads_by_weight_and_far_more_evenly_than_one_draw_would():
    chance = random.Random(3)
    made = Balancer("random", chance.random)
    servers = [Candidate(name, 1) for name in "abcdefgh"]
    made.use(servers)
    for _client in range(8000):
        chosen = made.choose("")
        assert chosen is not None
        chosen.active += 1
    assert max(server.active for server in servers) - min(server.active for server in servers) < 10


def test_a_server_that_has_come_up_rises_to_sixteen_times_its_weight_and_is_never_left_out():
    assert [rising_weight(2, up_s, 60.0) for up_s in (-1.0, 0.0, 30.0, 59.9, 60.0, NEVER)] == [1, 1, 16, 31, 32, 32]
    assert rising_weight(0, 10.0, 60.0) == 0


@pytest.mark.parametrize(
    ("weights", "ring"),
    [([1, 1], [0, 1]), ([5, 1, 1], [0, 0, 1, 0, 2, 0, 0]), ([2, 0, 2], [0, 2]), ([0], []), ([7], [0]), ([256, 128], [0, 1, 0])],
)
def test_a_ring_interleaves_by_weight(weights, ring):
    assert list(smooth_turns(weights)) == ring


def test_a_ring_of_many_heavy_servers_is_bounded_and_forgets_nobody():
    ring = list(smooth_turns([256, 255, 1] * 40))
    assert len(ring) <= 4096 + 40
    assert set(ring) == set(range(120))


def smooth_by_the_book(weights):
    """Each earns its weight, the one with most pays what all earned (nginx's ngx_http_upstream_get_peer)."""
    credit = [0] * len(weights)
    for _turn in range(sum(weights)):
        credit = [have + weight for have, weight in zip(credit, weights)]
        best = credit.index(max(credit))
        credit[best] -= sum(weights)
        yield best


@pytest.mark.parametrize("seed", range(20))
def test_the_turns_are_those_of_smooth_weighted_roundrobin(seed):
    weights = [random.Random(seed * 100 + n).choice([1, 1, 2, 3, 7]) for n in range(1 + seed % 9)]
    assert list(smooth_turns([*weights, 1])) == list(smooth_by_the_book([*weights, 1]))


def test_turns_are_found_as_they_come_and_go_on_where_nothing_has_changed(monkeypatch):
    found = []
    monkeypatch.setattr("tandem.balance.methods.smooth_turns", lambda weights: (found.append(turn) or turn for turn in smooth_turns(weights)))
    servers = [Candidate(chr(ord("a") + n), 100 + n % 3) for n in range(20)]
    made = balancer("roundrobin", *servers)
    assert found == []
    first = names(made, 3)
    made.use(list(servers))
    assert len(found) == 3
    assert first + names(made, 3) == names(balancer("roundrobin", *servers), 6)
    servers[0].weight = 255
    made.use(servers)
    assert Counter(names(made, 2000)).most_common(1)[0][0] == "a"


def test_roundrobin_finds_the_one_that_is_free_and_gives_up_soon_when_there_is_none():
    light, heavy = Candidate("l", 1), Candidate("h", 256, full=True)
    made = balancer("roundrobin", heavy, light)
    assert names(made, 3) == "lll"
    light.full = True
    before = made._turn
    assert made.choose("") is None
    assert made._turn - before < 5


def test_roundrobin_takes_turns_by_weight():
    assert Counter(names(balancer("roundrobin", Candidate("a", 3), Candidate("b", 1)), 400)) == {"a": 300, "b": 100}


@pytest.mark.parametrize("method", ["roundrobin", "leastconn", "first", "source"])
def test_every_method_passes_over_full_tried_and_weightless_servers(method):
    full, tried, idle, free = Candidate("f", full=True), Candidate("t"), Candidate("0", weight=0), Candidate("x")
    made = balancer(method, full, tried, idle, free)
    assert {made.choose(f"c{n}", [tried]) for n in range(50)} == {free}


@pytest.mark.parametrize("method", ["roundrobin", "leastconn", "first", "source"])
def test_every_method_comes_back_to_what_was_tried_rather_than_to_nothing(method):
    only = Candidate("a")
    assert balancer(method, only).choose("c", [only]) is only
    assert balancer(method, Candidate("a", full=True)).choose("c") is None
    assert balancer(method).choose("c") is None


def test_leastconn_weighs_connections_by_weight():
    light, heavy = Candidate("l", 1, active=1), Candidate("h", 4, active=5)
    assert balancer("leastconn", light, heavy).choose("") is heavy


def test_leastconn_gives_equals_their_turns():
    assert Counter(names(balancer("leastconn", Candidate("a"), Candidate("b")), 10)) == {"a": 5, "b": 5}


def test_first_fills_servers_in_their_order():
    first, second = Candidate("a"), Candidate("b")
    made = balancer("first", first, second)
    assert made.choose("") is first
    first.full = True
    assert made.choose("") is second


def test_source_sends_a_client_to_the_same_server_and_moves_only_those_who_must():
    servers = [Candidate("a", 1), Candidate("b", 1), Candidate("c", 2)]
    clients = [f"10.0.{n // 256}.{n % 256}" for n in range(4000)]
    before = {client: rendezvous(client, servers) for client in clients}
    assert before == {client: rendezvous(client, list(reversed(servers))) for client in clients}
    shares = Counter(server.name for server in before.values() if server)
    assert 900 < shares["a"] < 1100
    assert 1900 < shares["c"] < 2100
    after = {client: rendezvous(client, servers[1:]) for client in clients}
    assert all(after[client] is before[client] for client in clients if before[client] is not servers[0])


def test_rendezvous_without_candidates_is_nobody():
    assert rendezvous("c", []) is None
    assert rendezvous("c", [Candidate("a", 0)]) is None


# Sticky sessions


def test_a_binding_lasts_while_it_is_used_and_is_forgotten_after_its_time():
    table = SourceTable(10.0)
    for begins, ends in ((0.0, 1.0), (10.9, 11.0)):
        table.use("c", "a", begins)
        table.leave("c", "a", ends)
    assert table.bound("c", 20.9) == "a"
    assert table.bound("c", 21.1) == ""
    assert len(table) == 0


def test_a_binding_lasts_as_long_as_a_session_however_silent():
    table = SourceTable(10.0)
    table.use("c", "a", 0.0)
    table.use("c", "a", 1.0)
    table.leave("c", "a", 2.0)
    assert table.bound("c", 1000.0) == "a"
    table.leave("c", "a", 1000.0)
    assert table.bound("c", 1009.9) == "a"
    assert table.bound("c", 1010.1) == ""
    table.leave("c", "a", 1011.0)
    table.use("c", "b", 1012.0)
    table.leave("c", "a", 1013.0)  # of a session that began before the client was bound anew
    assert table.bound("c", 2000.0) == "b"


def test_other_workers_are_told_of_a_binding_when_it_is_new_and_before_they_would_forget_it():
    table, other = SourceTable(10.0), SourceTable(10.0)
    told = [when for when in range(40) if table.use("c", "a", float(when))]
    assert told == [0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36, 39]
    assert table.use("c", "b", 39.5)
    for now in range(40, 80):
        for client, server in table.due(float(now)):
            other.learn(client, server, float(now))
    assert other.bound("c", 80.0) == "b"
    assert list(other.due(1000.0)) == []  # no session of its own: whose it is tells the others
    assert list(other.entries()) == [("c", "b")]


def test_a_full_table_forgets_who_was_away_longest(monkeypatch):
    monkeypatch.setattr("tandem.balance.sticky.BINDINGS_MAX", 2)
    table = SourceTable(10.0)
    for client, now in (("a", 0.0), ("b", 0.0), ("a", 1.0), ("c", 2.0)):
        table.use(client, "s", now)
    assert [table.bound(client, 3.0) for client in "abc"] == ["s", "", "s"]


def test_a_mark_is_the_same_everywhere_and_tells_no_name():
    assert server_mark("lb/app", "s1") == server_mark("lb/app", "s1") != server_mark("lb/app", "s2")
    assert b"s1" not in server_mark("lb/app", "s1")


def test_a_cookie_is_kept_from_scripts_and_other_sites():
    assert set_cookie(b"T", b"m", 0, 1e9) == b"Set-Cookie: T=m; Path=/; HttpOnly; SameSite=Lax\r\n"
    assert set_cookie(b"T", b"m", 60, 1e9) == b"Set-Cookie: T=m3b9aca00; Path=/; HttpOnly; SameSite=Lax; Max-Age=60\r\n"


def test_a_cookie_is_renewed_when_a_quarter_of_its_time_has_passed():
    mark = server_mark("lb/app", "s1")
    content = set_cookie(b"T", mark, 60, 1000.0).partition(b"=")[2].partition(b";")[0]
    assert mark_in(content) == mark
    assert [renewal_due(content, 60, now) for now in (990.0, 1000.0, 1015.0, 1016.0, 1061.0)] == [False, False, False, True, True]
    assert renewal_due(mark, 60, 1000.0)
    assert renewal_due(mark + b"no time", 60, 1000.0)
    assert not renewal_due(mark, 0, 1000.0)


def test_each_backend_has_a_cookie_name_of_its_own():
    assert own_cookie_name("lb/app") == own_cookie_name("lb/app") != own_cookie_name("lb/api")
    assert own_cookie_name("lb/app").startswith("TANDEM-")


# The timer wheel


class Entry(Timed):
    def __init__(self, then=None) -> None:
        super().__init__()
        self.fired: list[float] = []
        self._then = then

    def expired(self, now: float) -> None:
        self.fired.append(now)
        if self._then:
            self._then(now)


def turn(wheel: Wheel, start: float, end: float) -> None:
    """Advances tick by tick."""
    for n in range(int((end - start) / TICK_S) + 1):
        wheel.advance(start + n * TICK_S)


def test_a_deadline_fires_once_never_early_and_at_most_two_ticks_late():
    for deadline in (0.001, 0.025, 0.3, 1.01):
        wheel, entry = Wheel(100.0), Entry()
        wheel.set(entry, 100 + deadline)
        turn(wheel, 100.0, 103.0)
        assert len(entry.fired) == 1
        assert 0 <= entry.fired[0] - 100 - deadline <= 2 * TICK_S + 1e-6


def test_a_deadline_can_move_later_and_earlier():
    wheel, later, earlier = Wheel(0.0), Entry(), Entry()
    wheel.set(later, 0.1)
    wheel.set(later, 0.5)
    wheel.set(earlier, 0.5)
    wheel.set(earlier, 0.1)
    turn(wheel, 0.0, 1.0)
    assert [round(when, 1) for when in later.fired + earlier.fired] == [0.5, 0.1]


def test_a_cleared_entry_does_not_fire_and_is_not_kept():
    wheel, entry = Wheel(0.0), Entry()
    wheel.set(entry, 3600.0)
    wheel.clear(entry)
    assert wheel._slots == {}
    turn(wheel, 0.0, 0.2)
    wheel.advance(4000.0)
    assert entry.fired == []
    assert entry.deadline == NEVER


def test_one_that_fires_can_clear_another_of_the_same_moment_and_set_itself_again():
    wheel = Wheel(0.0)
    other = Entry()
    first = Entry(lambda now: (wheel.clear(other), wheel.set(first, now + 0.1) if len(first.fired) < 3 else None))
    wheel.set(first, 0.01)
    wheel.set(other, 0.01)
    turn(wheel, 0.0, 1.0)
    assert other.fired == []
    assert len(first.fired) == 3


def test_after_a_long_stall_everything_due_fires():
    wheel, entries = Wheel(0.0), [Entry() for _turn in range(3)]
    for n, entry in enumerate(entries):
        wheel.set(entry, n * 1000.0 + 1)
    wheel.advance(2500.0)
    assert [len(entry.fired) for entry in entries] == [1, 1, 1]
