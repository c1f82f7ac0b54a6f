"""Background tasks: an error of one is logged, and whoever started it is told."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from tandem import supervised
from tandem.supervised import say_uncaught, supervise
from tests.support.timeless import timeless


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(supervised, "say", lambda level, text: lines.append(f"{level}: {text}"))
    return lines


@timeless
async def test_a_task_that_raises_is_logged_with_its_traceback_and_told_once(said):
    failures = []

    async def breaks():
        await asyncio.sleep(1)
        raise KeyError("something unforeseen")

    task = supervise(breaks(), "what breaks", lambda: failures.append(True))
    await asyncio.wait({task})
    assert failures == [True]
    assert said[0].startswith("error: what breaks ended unexpectedly: Traceback")
    assert "something unforeseen" in said[0]


@timeless
async def test_a_task_that_returns_or_is_cancelled_has_not_failed(said):
    failures = []
    done = supervise(asyncio.sleep(1), "what is done", lambda: failures.append("done"))
    cancelled = supervise(asyncio.sleep(1000), "what is cancelled", lambda: failures.append("cancelled"))
    await asyncio.wait({done})
    cancelled.cancel()
    await asyncio.wait({cancelled})
    assert (failures, said, cancelled.cancelled()) == ([], [], True)


@timeless
async def test_a_task_that_nobody_keeps_is_not_collected(said):
    async def waits():
        await asyncio.get_running_loop().create_future()  # only this task knows it

    task = weakref.ref(supervise(waits(), "what nobody keeps", lambda: None))
    await asyncio.sleep(1)
    gc.collect()
    assert task() is not None


@timeless
async def test_what_a_callback_raises_goes_to_the_log_and_the_loop_goes_on(said):
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(say_uncaught)
    loop.call_later(1, lambda: 1 / 0)
    await asyncio.sleep(2)
    assert len(said) == 1
    assert "ZeroDivisionError" in said[0]
    loop.call_exception_handler({"message": "without an exception"})
    assert said[1] == "error: without an exception"
