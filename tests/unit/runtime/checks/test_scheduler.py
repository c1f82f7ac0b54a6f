"""The scheduler with real servers on loopback, and with a clock of its own: when who is checked, and what is known after a document changes."""

from __future__ import annotations

import asyncio
import time

import pytest

from tandem._model import Document, HealthCheck, Server
from tandem.checks.scheduler import Scheduler
from tests.support.node import backend, document_of, free_port
from tests.support.origin import OK, Origin, run


class Looking:
    """A scheduler, and the document it follows."""

    def __init__(self, **injected):
        self.changes, self.failures = [], 0
        self._told = asyncio.Event()
        self.scheduler = Scheduler(self.change, self.fail, **injected)
        self.document = Document()
        if "clock" not in injected:
            self.scheduler.start()

    def change(self, backend_key):
        self.changes.append(backend_key)
        self._told.set()

    async def told(self):
        """Who is up after the next change."""
        await asyncio.wait_for(self._told.wait(), 5)
        self._told.clear()
        return self.up

    def fail(self):
        self.failures += 1

    async def use(self, *backends, wait_s=2.0):
        document = document_of(*backends)
        await self.scheduler.precheck(document, wait_s)
        ahead = self.scheduler.up(document.backends["edge/shop"])
        await self.scheduler.follow(document)
        self.document = document
        assert self.up == ahead  # what workers are told before is what holds after
        return self.up

    @property
    def up(self):
        return self.scheduler.up(self.document.backends["edge/shop"])

    def health(self, name="s1"):
        return self.scheduler.health("edge/shop", name)


def server(origin, name="s1"):
    return Server(name, "127.0.0.1", origin if isinstance(origin, int) else origin.port)


def check(**options):
    return HealthCheck(**{"interval_ms": 50, "fast_interval_ms": 50, "timeout_ms": 50, "fall": 2, "rise": 2, **options})


@run
async def test_a_server_goes_down_and_up_as_it_answers_and_every_change_is_told():
    looking, origin = Looking(), await Origin().start()
    assert await looking.use(backend(server(origin), check=check(type="http"))) == {"s1": True}
    origin.content = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
    assert await looking.told() == {"s1": False}
    assert looking.health().last.startswith("status 500, expected 200-299")
    origin.content = OK
    assert await looking.told() == {"s1": True}
    assert looking.changes == ["edge/shop"] * 2
    assert time.monotonic() - looking.health().since_s < 5
    looking.scheduler.stop()


@run
async def test_nothing_is_forgotten_by_a_new_document_and_all_of_what_it_no_longer_names():
    looking, up, down = Looking(), await Origin().start(), free_port()
    hourly = check(interval_ms=3_600_000)
    assert await looking.use(backend(server(up), server(down, "s2"), check=hourly)) == {"s1": True, "s2": False}
    since, seen = looking.health("s2").since_s, up.count
    for again in (hourly, check(interval_ms=3_599_000, rise=5), check(interval_ms=3_600_000, type="http", path="/other")):
        assert await looking.use(backend(server(up), server(down, "s2"), check=again)) == {"s1": True, "s2": False}
    assert looking.health("s2").since_s == since
    assert up.count == seen  # nobody had to look again
    assert await looking.use(backend(server(up), check=hourly)) == {"s1": True}
    assert looking.scheduler.health("edge/shop", "s2").state == "checking"
    assert list(looking.scheduler.all_health()) == [("edge/shop", "s1")]
    looking.scheduler.stop()


@run
async def test_a_server_that_moves_serves_under_its_old_address_until_the_new_one_is_looked_at():
    looking, old, new, hanging = Looking(), await Origin().start(), await Origin().start(), await Origin(None).start()
    hourly = check(interval_ms=3_600_000, type="http", timeout_ms=3000)
    assert await looking.use(backend(server(old), check=hourly)) == {"s1": True}
    document = document_of(backend(server(hanging), check=hourly))
    look = asyncio.ensure_future(looking.scheduler.precheck(document, 0.5))
    await hanging.asked.wait()
    assert looking.up == {"s1": True}  # under the old one
    await look
    assert looking.scheduler.up(document.backends["edge/shop"]) == {}  # nobody knows of the new one, and nobody took the old one's state for it
    assert looking.up == {"s1": True}
    assert await looking.use(backend(server(new), check=hourly)) == {"s1": True}
    assert await looking.use(backend(server(free_port()), check=hourly)) == {"s1": False}
    looking.scheduler.stop()


@run
async def test_checks_that_begin_anew_begin_with_a_look_and_not_with_what_was_known_before():
    looking, origin = Looking(), await Origin().start()
    hourly = check(interval_ms=3_600_000)
    unchecked = check(type="none")
    assert await looking.use(backend(server(origin), check=unchecked)) == {}
    assert await looking.use(backend(server(origin), check=hourly)) == {"s1": True}
    await looking.use(backend(server(origin), check=unchecked))
    origin.server.close()
    await origin.server.wait_closed()
    assert await looking.use(backend(server(origin), check=hourly)) == {"s1": False}
    looking.scheduler.stop()


@pytest.mark.parametrize("document_port", [True, False], ids=["its own port", "the server's port"])
def test_a_check_goes_to_the_servers_port_unless_it_has_its_own(document_port):
    async def scenario():
        looking, serving, checked = Looking(), await Origin().start(), await Origin().start()
        options = check(interval_ms=3_600_000, port=checked.port if document_port else 0)
        assert await looking.use(backend(server(serving), check=options)) == {"s1": True}
        assert (serving.count, checked.count) == ((0, 1) if document_port else (1, 0))
        looking.scheduler.stop()

    asyncio.run(scenario())


class Clock:
    """Stands still until it is moved; chance gives its middle."""

    def __init__(self):
        self.now_s, self.probed, self.results = 1000.0, [], {}

    async def probe(self, target):
        self.probed.append((self.now_s, target.port))
        result = self.results.get(target.port, True)
        if isinstance(result, Exception):
            raise result
        return result, "seen"

    def looking(self):
        return Looking(probing=self.probe, clock=lambda: self.now_s, chance=lambda: 0.5)

    async def on_to_the_next(self, looking):
        """Moves the clock to the next check, and has it done."""
        wait_s = looking.scheduler.begin_due()
        assert wait_s is not None
        self.now_s += wait_s
        assert looking.scheduler.begin_due() is None or self.probed
        for _turn in range(5):  # the tasks that were begun have nothing to wait for
            await asyncio.sleep(0)


@run
async def test_a_check_comes_after_each_interval_and_sooner_while_the_state_is_about_to_change():
    clock = Clock()
    looking = clock.looking()
    await looking.use(backend(server(1001), check=HealthCheck(interval_ms=4000, fast_interval_ms=500, fall=3)))
    clock.probed.clear()
    clock.results[1001] = False
    for _check in range(5):
        await clock.on_to_the_next(looking)
    # The first one comes at a random moment of the interval, here in its middle.
    assert [when for when, _port in clock.probed] == [1002.0, 1002.5, 1003.0, 1007.0, 1011.0]
    assert (looking.up, looking.changes) == ({"s1": False}, ["edge/shop"])


@run
async def test_a_check_may_take_longer_than_the_interval_and_the_next_one_begins_an_interval_after_its_end():
    clock, hanging = Clock(), asyncio.Event()
    probing = clock.probe

    async def slow(target):
        result = await probing(target)
        await hanging.wait()
        return result

    looking = clock.looking()
    await looking.use(backend(server(1001), check=HealthCheck(interval_ms=2000, fast_interval_ms=2000, timeout_ms=10_000)))
    clock.probed.clear()
    looking.scheduler._probing = slow
    await clock.on_to_the_next(looking)
    for _interval in range(4):  # it hangs
        clock.now_s += 2
        assert looking.scheduler.begin_due() is None
        await asyncio.sleep(0)
    hanging.set()
    for _turn in range(5):
        await asyncio.sleep(0)
    await clock.on_to_the_next(looking)
    assert [when for when, _port in clock.probed] == [1001.0, 1011.0]


@run
async def test_a_check_that_breaks_is_a_failed_check_and_the_next_one_comes_all_the_same(capsys):
    clock = Clock()
    looking = clock.looking()
    clock.results[1001] = RuntimeError("a mistake of ours")
    assert await looking.use(backend(server(1001), check=HealthCheck(interval_ms=1000, rise=1))) == {"s1": False}
    assert looking.health().last == "the check itself broke (RuntimeError('a mistake of ours'))"
    await clock.on_to_the_next(looking)
    clock.results[1001] = True
    await clock.on_to_the_next(looking)
    assert (looking.up, looking.failures) == ({"s1": True}, 0)
    assert capsys.readouterr().err.count("Traceback") == 1  # it is told once


@run
async def test_a_server_that_nobody_could_look_at_in_time_is_checked_at_once_and_not_at_the_next_interval():
    looking, hanging = Looking(), await Origin(None).start()
    patient = check(type="http", timeout_ms=300, interval_ms=3_600_000)
    assert await looking.use(backend(server(hanging), check=patient), wait_s=0.01) == {}
    assert await looking.told() == {"s1": False}
    looking.scheduler.stop()


@run
async def test_when_who_is_told_of_a_change_fails_that_is_a_failure_of_the_program_and_checks_go_on(capsys):
    clock = Clock()
    looking = clock.looking()
    await looking.use(backend(server(1001), check=HealthCheck(interval_ms=1000, fall=1)))
    clock.results[1001] = False
    looking.scheduler._on_change = None
    await clock.on_to_the_next(looking)
    assert (looking.failures, looking.up) == (1, {"s1": False})
    assert "the check of server edge/shop/s1 ended unexpectedly: Traceback" in capsys.readouterr().err
    before = len(clock.probed)
    await clock.on_to_the_next(looking)
    assert len(clock.probed) == before + 1


@run
async def test_many_servers_are_probed_a_bounded_number_at_a_time_and_every_one_of_them_is():
    under_way, most, seen = 0, 0, set()
    release = asyncio.Event()

    async def slow(target):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == 256:
            release.set()
        await release.wait()
        under_way -= 1
        seen.add(target.port)
        return True, "seen"

    looking = Looking(probing=slow)
    crowd = [Server(f"s{number}", "127.0.0.1", 1000 + number) for number in range(2000)]
    assert len(await looking.use(backend(*crowd, check=HealthCheck(interval_ms=3_600_000)), wait_s=10)) == 2000
    assert (most, len(seen)) == (256, 2000)
    looking.scheduler.stop()


@run
async def test_scripts_that_wait_for_their_turn_keep_no_other_check_from_its_own():
    begun, release = [], asyncio.Event()

    async def probing(target):
        begun.append(target.check.type)
        if target.check.type == "script":
            await release.wait()
        return True, "seen"

    looking = Looking(probing=probing, clock=lambda: 100.0, chance=lambda: 0.0)
    crowd = [Server(f"s{number}", "127.0.0.1", 1000 + number) for number in range(600)]
    scripts = backend(*crowd, check=HealthCheck(type="script", script="/bin/true"))
    await looking.use(scripts, backend(server(1), check=HealthCheck(), name="other"), wait_s=0.01)
    begun.clear()
    assert looking.scheduler.begin_due() is None  # all have begun
    await asyncio.sleep(0)
    assert (begun.count("script"), begun.count("tcp")) == (600, 1)
    release.set()
    looking.scheduler.stop()


@run
async def test_a_check_that_takes_longer_than_its_interval_is_followed_by_the_next_and_never_met_by_it():
    under_way, begun = 0, []
    now = [100.0]

    async def slow(_target):
        nonlocal under_way
        assert under_way == 0
        under_way += 1
        begun.append(now[0])
        now[0] += 9.0
        await asyncio.sleep(0)
        under_way -= 1
        return True, "seen"

    looking = Looking(probing=slow, clock=lambda: now[0], chance=lambda: 0.5)
    await looking.use(backend(server(1001), check=HealthCheck(interval_ms=2000, timeout_ms=10_000)))
    for _check in range(3):
        wait_s = looking.scheduler.begin_due()
        now[0] += wait_s
        looking.scheduler.begin_due()
        for _turn in range(5):
            await asyncio.sleep(0)
    assert [later - before for before, later in zip(begun, begun[1:])] == [10.0, 11.0, 11.0]  # the first after half an interval


@run
async def test_a_server_that_is_checked_anew_is_as_that_one_check_finds_and_unknown_while_it_lasts_too_long():
    """Whatever ``fall`` and ``rise`` say: it was stopped and started again meanwhile."""
    origin, now, results = 80, [100.0], []

    async def probing(_target):
        found = results.pop(0)
        if found is None:
            await asyncio.sleep(20)
        return found, "so it was told"

    looking = Looking(probing=probing, clock=lambda: now[0], chance=lambda: 0.5)
    results.append(True)
    key = ("edge/shop", "s1")
    await looking.use(backend(server(origin), check=HealthCheck(interval_ms=3_600_000, rise=9, fall=9)))
    assert (looking.health().state, looking.health().since_s) == ("up", 100.0)
    for found, state, since_s in ((True, "up", 100.0), (False, "down", 102.0), (True, "up", 103.0), (None, "checking", 0.0), (True, "up", 105.0)):
        now[0] += 1
        results.append(found)
        await looking.scheduler.check_anew(key, 0.0 if found is None else 5.0)
        assert (looking.health().state, looking.health().since_s) == (state, since_s)
        assert looking.up == ({} if found is None else {"s1": found})
    assert looking.scheduler.begin_due() == 3600.0, "its turns go on, and no more than one at a time"
    await looking.scheduler.check_anew(("edge/shop", "gone"), 5.0)
