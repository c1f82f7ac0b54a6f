"""What the proxy tells tandem-forward, when it has it started, and what waits for its word."""

from __future__ import annotations

import asyncio

import pytest

from tandem.proxy.service.forwarded import Forwarded, told
from tandem.proxy.service.wanted import wanted_listeners
from tests.support.forwarding import kernel_document
from tests.support.timeless import timeless

PROXIED = kernel_document({"forwarding": "proxy"})
KERNEL = kernel_document(generation=3)


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def forwarded(tmp_path):
    """To be made in a loop, which its events belong to (until Python 3.10)."""
    return Forwarded(tmp_path / "forward.wanted", Clock())


@timeless
async def test_the_service_is_wanted_while_the_kernel_has_something_to_serve(tmp_path):
    made = forwarded(tmp_path)
    seen = []
    for document in (PROXIED, KERNEL, kernel_document({"enabled": False}), KERNEL):
        made.follow(document)
        seen.append((tmp_path / "forward.wanted").exists())
    made.close()
    assert [*seen, (tmp_path / "forward.wanted").exists()] == [False, True, False, True, False]


@timeless
async def test_a_node_waits_for_its_table_before_it_may_be_active_but_not_for_ever(tmp_path):
    made = forwarded(tmp_path)
    assert made.settled
    made.follow(KERNEL)
    assert not made.settled
    made._clock.now += 6
    assert made.settled
    made._clock.now -= 6
    assert made.hear({"generation": 2, "problem": ""})
    assert made.settled


@timeless
async def test_what_is_not_in_force_is_a_problem_of_each_frontend(tmp_path):
    made = forwarded(tmp_path)
    assert made.problems() == {}
    made.follow(KERNEL)
    assert made.problems() == {"edge/flows": 'frontend "edge/flows": tandem-forward has not put it in force; its log says why'}
    made.hear({"generation": 3, "problem": "nft is missing"})
    assert made.problems() == {"edge/flows": 'frontend "edge/flows": nft is missing'}
    assert [made.hear({"generation": 3, "problem": ""}) for _time in (1, 2)] == [True, False]
    assert made.problems() == {}


@pytest.mark.parametrize("body", [{}, {"generation": "3", "problem": ""}, {"generation": 3}, {"generation": 3, "problem": None}])
@timeless
async def test_a_report_that_is_none_is_refused(tmp_path, body):
    made = forwarded(tmp_path)
    with pytest.raises(ValueError, match="a report is"):
        made.hear(body)


@timeless
async def test_a_change_of_the_document_waits_until_the_service_has_spoken_of_it(tmp_path):
    made = forwarded(tmp_path)
    made.follow(KERNEL)
    waiting = asyncio.ensure_future(made.settle())
    await asyncio.sleep(0)
    made.hear({"generation": 2, "problem": ""})
    for _turn in range(3):
        await asyncio.sleep(0)
    assert not waiting.done()
    made.hear({"generation": 3, "problem": ""})
    await asyncio.wait_for(waiting, 5)


@timeless
async def test_the_service_is_told_at_once_and_of_each_change(tmp_path):
    made = forwarded(tmp_path)
    said = [{"n": 1}, {"n": 2}]
    lines = made.lines(lambda: said.pop(0))
    assert await lines.__anext__() == {"n": 1}
    following = asyncio.ensure_future(lines.__anext__())
    await asyncio.sleep(0)
    made.news()
    assert await asyncio.wait_for(following, 0.9) == {"n": 2}
    await lines.aclose()


def test_states_are_what_checks_and_operators_say_together():
    up = {"app-1": True, "app-2": True, "six-1": False}
    said = told(KERNEL, {"edge"}, lambda _backend: up, {"edge/pool": {"app-2": "move", "six-1": "drain"}})
    assert said == {"generation": 3, "active": ["edge"], "states": {"edge/pool": {"app-1": "up", "app-2": "drain", "six-1": "down"}}}
    assert told(KERNEL, set(), lambda _backend: up, {"edge/pool": {"app-1": "maint"}})["states"]["edge/pool"]["app-1"] == "maint"
    unchecked = kernel_document(backend={"health_check": {"type": "none"}})
    assert set(told(unchecked, set(), lambda _backend: {}, {})["states"]["edge/pool"].values()) == {"up"}
    assert told(PROXIED, set(), lambda _backend: up, {})["states"] == {}


def test_the_proxy_listens_nowhere_for_what_the_kernel_serves():
    assert wanted_listeners(KERNEL, {"edge"}) == []
    assert len(wanted_listeners(PROXIED, {"edge"})) == 2
