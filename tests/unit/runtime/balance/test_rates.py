"""How much each client may: what a rate allows, that workers count together, and that nobody gets more by coming from many addresses."""

from __future__ import annotations

import random
import time

import pytest

from tandem.balance.rates import SEED_BYTES, RateTable, bytes_for, network_of

SECRET = b"s" * SEED_BYTES


def tables(columns: int = 1, clients: int = 1024) -> list[RateTable]:
    memory = memoryview(bytearray(SECRET + bytes(bytes_for(columns, clients) - SEED_BYTES)))
    return [RateTable(memory, column, columns, clients) for column in range(columns)]


def allowed(accounts: list, rate: float, burst: int, seconds: float, per_second: int) -> int:
    """How many pass of so many a second, spread over the accounts that one client has at the workers."""
    taken = 0
    for number in range(int(seconds * per_second)):
        taken += not accounts[number % len(accounts)].take(1 / rate, burst / rate, 1000.0 + number / per_second)
    return taken


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize(("rate", "burst"), [(20, 20), (20, 1), (5, 100), (1, 1)])
def test_a_client_gets_the_rate_and_once_the_burst_however_its_requests_are_spread(workers, rate, burst):
    accounts = [table.counted("lb/web", b"\xc0\0\2\7") for table in tables(workers)]
    assert allowed(accounts, rate, burst, 30, 400) in (rate * 30 + burst - 1, rate * 30 + burst)


def test_who_waits_as_long_as_is_said_is_let_in():
    (table,) = tables()
    account = table.counted("lb/web", b"a")
    assert [account.take(0.05, 0.1, 50.0) for _turn in range(2)] == [0.0, 0.0]
    wait_s = account.take(0.05, 0.1, 50.0)
    assert wait_s == pytest.approx(0.05)
    assert account.wait_s(0.05, 0.1, 50.0) == pytest.approx(0.05)
    assert account.take(0.05, 0.1, 50.0 + wait_s) == 0.0
    assert account.take(0.05, 0.1, 50.0 + wait_s) > 0


def test_what_was_used_of_another_limit_is_no_debt_that_lasts():
    (table,) = tables()
    account = table.counted("lb/web", b"a")
    for _turn in range(100):
        account.take(60.0, 6000.0, 0.0)
    assert account.take(0.05, 1.0, 0.0) == pytest.approx(0.05)
    assert account.take(0.05, 1.0, 0.06) == 0.0


def test_clients_and_scopes_are_counted_apart():
    (table,) = tables()
    accounts = [table.counted(scope, network) for scope in ("lb/web", "lb/api") for network in (b"a", b"b")]
    for account in accounts:
        assert account.take(1.0, 1.0, 0.0) == 0.0
        assert account.take(1.0, 1.0, 0.0) > 0


def test_a_site_with_ipv6_is_one_client():
    assert network_of("2001:db8:0:1::5") == network_of("2001:db8:0:1:ffff::9%eth0") != network_of("2001:db8:0:2::5")
    assert network_of("192.0.2.7") != network_of("192.0.2.8")


def test_who_is_over_the_limit_stays_so_however_many_others_come():
    """An attacker with many addresses must not push out what is known of one of them."""
    (table,) = tables(clients=1024)
    worst = table.counted("lb/web", b"worst")
    while not worst.take(0.05, 1.0, 0.0):
        pass
    for number in range(100_000):
        table.counted("lb/web", number.to_bytes(4, "big")).take(0.05, 1.0, 0.0)
        if number % 1000 == 0:
            assert table.counted("lb/web", b"worst").take(0.05, 1.0, 0.0) > 0


def test_many_addresses_get_no_more_than_the_table_holds_at_the_limit():
    """Who makes room leaves what was used to who comes: 100 bursts of 8 clients with a room for 8."""
    (table,) = tables(clients=8)
    taken = sum(not table.counted("lb/web", number.to_bytes(4, "big")).take(0.05, 1.0, 0.0) for number in range(100_000))
    assert taken <= 8 * 20


def test_a_newcomer_is_let_in_while_others_rest():
    (table,) = tables(clients=64)
    for number in range(64):
        account = table.counted("lb/web", number.to_bytes(4, "big"))
        while not account.take(0.05, 1.0, 0.0):
            pass
    later = [table.counted("lb/web", (1000 + number).to_bytes(4, "big")).take(0.05, 1.0, 2.0) for number in range(64)]
    assert not any(later)


# Connections


def test_connections_are_counted_over_all_workers():
    ours = tables(3)
    accounts = [ours[number % 3].counted("lb/web", b"a") for number in range(7)]
    assert [account.enter(5) for account in accounts] == [True] * 5 + [False] * 2
    accounts[0].leave()
    assert accounts[6].enter(5)
    assert not accounts[5].enter(5)
    for account in (*accounts[1:5], accounts[6]):
        account.leave()
        account.leave()  # says it once
    assert [ours[0].counted("lb/web", b"a").enter(5) for _turn in range(6)] == [True] * 5 + [False]


def test_a_worker_that_died_leaves_nothing_behind():
    memory = memoryview(bytearray(SECRET + bytes(bytes_for(2, 64) - SEED_BYTES)))
    first, second = (RateTable(memory, column, 2, 64) for column in range(2))
    assert first.counted("lb/web", b"a").enter(2)
    assert second.counted("lb/web", b"a").enter(2)
    assert not second.counted("lb/web", b"a").enter(2)
    heir = RateTable(memory, 0, 2, 64)
    assert heir.counted("lb/web", b"a").enter(2)
    assert not heir.counted("lb/web", b"a").enter(2)


def test_who_is_connected_is_not_forgotten_for_who_is_not():
    (table,) = tables(clients=1024)
    held = table.counted("lb/web", b"held")
    assert held.enter(1)
    for number in range(20_000):
        table.counted("lb/web", number.to_bytes(4, "big")).take(0.05, 1.0, 0.0)
    assert not table.counted("lb/web", b"held").enter(1)
    held.leave()
    assert table.counted("lb/web", b"held").enter(1)


def test_what_comes_and_goes_at_random_is_counted_exactly():
    chance = random.Random(7)
    ours = tables(4)
    here: dict[bytes, list] = {bytes((number,)): [] for number in range(20)}
    for _turn in range(20_000):
        name = bytes((chance.randrange(20),))
        if here[name] and chance.random() < 0.5:
            here[name].pop(chance.randrange(len(here[name]))).leave()
        else:
            account = chance.choice(ours).counted("lb/web", name)
            assert account.enter(6) == (len(here[name]) < 6)
            if len(here[name]) < 6:
                here[name].append(account)


def test_counting_a_request_costs_no_more_than_a_few_calls():
    """As a ratio, on whatever machine: six calls of nothing where it was measured, and twenty would be a microsecond."""

    def nothing(one, two, three):
        return one

    (table,) = tables()
    account = table.counted("lb/web", b"a")
    ratios = []
    for _try in range(5):
        began = time.process_time()
        for turn in range(20_000):
            nothing(0.0001, 1.0, turn)
        between = time.process_time()
        for turn in range(20_000):
            account.take(0.0001, 1.0, turn)
        ratios.append((time.process_time() - between) / (between - began))
    assert min(ratios) < 15
