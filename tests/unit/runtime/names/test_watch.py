"""For how long an answer counts, what happens without one, and when the next question is asked; with a clock of the test's own."""

from __future__ import annotations

import asyncio

import pytest

from tandem._model import Resolver
from tandem.names.client import Unanswered
from tandem.names.resolver import Found
from tandem.names.watch import Known, Watch, after_answer, wait_after
from tests.support.origin import run

RESOLVER = Resolver(min_ttl_ms=5000, max_ttl_ms=300_000, hold_ms=30_000)
GOOD = Found(("192.0.2.1",), 60)
GONE = Found((), 0, "NXDOMAIN from 192.0.2.53 for app.test")


def after(*answers):
    """What is known after (when, answer) one after the other; None is a failure of all name servers."""
    known = Known()
    for now_s, found in answers:
        known = after_answer(known, found, found.why if found else "no answer", RESOLVER, now_s)
    return known


def test_the_last_good_addresses_outlast_any_failure_of_name_servers():
    known = after((0, GOOD), (60, None), (100_000, None))
    assert (known.addresses, known.problem, known.failures) == (("192.0.2.1",), "no answer", 2)
    assert after((0, GOOD), (60, None), (70, GOOD)) == after((0, GOOD))


def test_a_name_that_is_said_to_be_gone_has_no_address_once_that_has_been_said_for_as_long_as_hold():
    assert after((0, GOOD), (60, GONE)).addresses == after((0, GOOD), (60, GONE), (89, GONE)).addresses == ("192.0.2.1",)
    assert after((0, GOOD), (60, GONE), (91, GONE)).addresses == ()
    assert after((0, GOOD), (60, GONE), (80, None), (91, GONE)).addresses == (), "a failure in between is no answer to the contrary"
    assert after((0, GOOD), (60, GONE), (80, GOOD), (91, GONE)).addresses == ("192.0.2.1",), "an answer is"


def test_a_name_that_never_was_there_has_no_address_from_the_first_word_on():
    assert (after((0, GONE)).addresses, after((0, GONE)).settled, after((0, None)).settled) == ((), True, True)


@pytest.mark.parametrize(("ttl_s", "wait_s"), [(0, 5), (5, 5), (60, 60), (86_400, 300)])
def test_an_answer_counts_for_its_time_within_floor_and_ceiling(ttl_s, wait_s):
    found = Found(("192.0.2.1",), ttl_s)
    assert wait_after(after((0, found)), found, RESOLVER, 0) == wait_s


def test_a_name_that_is_not_there_is_looked_for_again_soon_and_at_the_moment_at_which_it_stops_counting():
    late = Found((), 3600, "NXDOMAIN")
    assert wait_after(after((0, late)), late, RESOLVER, 0) == 30
    assert wait_after(after((0, GONE)), GONE, RESOLVER, 0) == 5
    assert wait_after(after((0, GOOD), (60, late)), late, RESOLVER, 80) == 10


def test_after_failures_the_next_question_comes_later_each_time_and_after_half_a_minute_at_most():
    answers, waits = [], []
    for _failure in range(6):
        answers.append((0, None))
        waits.append(wait_after(after(*answers), None, RESOLVER, 0))
    assert waits == [5, 10, 20, 30, 30, 30]


class Watching:
    """A watch whose answers come when the test says so."""

    def __init__(self):
        self.asked, self.changes, self.failures, self.now_s = [], 0, 0, 0.0
        self._answers = asyncio.Queue()
        self.watch = Watch(self._find, self._change, self._fail, clock=lambda: self.now_s, chance=lambda: 0.0)

    def _change(self, _name):
        self.changes += 1

    def _fail(self):
        self.failures += 1

    async def _find(self, host, resolver):
        self.asked.append(host)
        answer = await self._answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def answer(self, answer):
        self._answers.put_nowait(answer)
        for _turn in range(10):
            await asyncio.sleep(0)

    async def end(self):
        self.watch.stop()
        await asyncio.sleep(0)
        assert self.failures == 0


@run
async def test_changes_are_told_and_nothing_else_is_and_the_log_has_each_once(capsys):
    watching, name = Watching(), ("app.test", RESOLVER)
    await watching.watch.begin([name])
    await watching.watch.begin([name])
    for answer, changes, said in (
        (Unanswered("no answer from 192.0.2.53"), 1, "app.test: no answer from 192.0.2.53; it has no address"),
        (Unanswered("no answer from 192.0.2.53"), 1, ""),
        (GOOD, 2, "app.test is at 192.0.2.1"),
        (GOOD, 2, ""),
        (Unanswered("SERVFAIL"), 2, "app.test: SERVFAIL; 192.0.2.1 stays in use"),
        (GOOD, 2, "app.test is found again"),
        (Found(("192.0.2.2", "192.0.2.1"), 5), 3, "app.test is at 192.0.2.2, 192.0.2.1"),
    ):
        await watching.answer(answer)
        assert watching.changes == changes
        heard = capsys.readouterr().err.strip()
        assert heard.endswith(said) if said else not heard
        await watching.watch.ask_again()
        await asyncio.sleep(0.001)
    assert watching.watch.known(name).addresses == ("192.0.2.2", "192.0.2.1")
    await watching.end()


@run
async def test_what_was_known_in_a_former_life_or_with_other_settings_counts_until_there_is_an_answer():
    watching, other = Watching(), Resolver(prefer="ipv6")
    watching.watch.former = {"app.test": ["192.0.2.7"], "old.test": ["192.0.2.8"]}
    await watching.watch.begin([("app.test", RESOLVER)])
    assert watching.watch.known(("app.test", RESOLVER)) == Known(("192.0.2.7",))
    await watching.answer(GOOD)
    await watching.watch.begin([("app.test", other)])
    assert watching.watch.known(("app.test", other)).addresses == ("192.0.2.1",)
    watching.watch.keep_only([("app.test", other)])
    assert watching.watch.known(("app.test", RESOLVER)) == Known()
    await watching.end()


@run
async def test_no_more_names_than_a_few_are_asked_for_at_once():
    watching = Watching()
    await watching.watch.begin([(f"a{number}.test", RESOLVER) for number in range(200)])
    await asyncio.sleep(0.01)
    assert len(watching.asked) == 64
    for _answer in range(200):
        await watching.answer(GOOD)
    assert len(set(watching.asked)) == 200
    await watching.end()
