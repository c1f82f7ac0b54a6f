"""The end of an engine: what runs is finished, who has just come is answered, and nobody else."""

from __future__ import annotations

import asyncio
import os

import pytest

from tests.support.proxy_lab import Lab, Request, in_lab, ok, until


@in_lab
async def test_draining_finishes_what_runs_and_then_returns(lab: Lab):
    go_on = asyncio.Event()

    async def answer(_request: Request) -> bytes:
        await go_on.wait()
        return ok()

    origin = await lab.origin(answer)
    await lab.serve(origin)
    idle, busy = await lab.client(), await lab.client()
    go_on.set()
    await idle.get()
    go_on.clear()
    origin.requests.clear()
    waiting = asyncio.ensure_future(busy.get())
    await until(lambda: origin.requests and lab.web["connections"] == 2)
    draining = asyncio.ensure_future(lab.engine.drained())
    assert await idle.ended() == b""
    assert not draining.done()
    with pytest.raises(ConnectionRefusedError):
        await lab.client()
    go_on.set()
    assert (await waiting)["connection"] == b"close"
    await asyncio.wait_for(draining, 5)


@in_lab
async def test_draining_answers_who_has_just_connected_and_what_has_just_come(lab: Lab):
    await lab.serve(await lab.origin())
    new, kept, silent = [await lab.client() for _turn in range(3)]
    assert (await kept.get()).status == 200
    await until(lambda: lab.web["connections"] == 3)
    drained = asyncio.Event()
    loop = asyncio.get_running_loop()

    def drain_as_a_request_arrives() -> None:
        os.write(kept.writer.get_extra_info("socket").fileno(), b"GET /kept HTTP/1.1\r\nHost: a\r\n\r\n")
        lab.engine._engine.drain(lambda: loop.call_soon_threadsafe(drained.set))

    lab.engine.call(drain_as_a_request_arrives)
    answers = [await kept.response(), await new.get("/new")]
    assert [(answer.body, answer["connection"]) for answer in answers] == [(b"GET /kept", b"close"), (b"GET /new", b"close")]
    assert not drained.is_set()
    await asyncio.wait_for(drained.wait(), 5)  # and does not wait long for one that never asks
    assert await silent.ended() == b""


@in_lab
async def test_draining_an_idle_engine_returns_at_once(lab: Lab):
    await lab.serve()
    await lab.engine.drained(1)
