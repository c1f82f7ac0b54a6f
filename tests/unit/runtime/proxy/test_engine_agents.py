"""What agents say of servers, in the engine: shares of weights, also of a weight of 1, and limits of connections."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tandem._model import Server
from tests.support.proxy_lab import Lab, in_lab, named, ok, seen, until


def say(lab, states=None, **shares):
    lab.engine.set_states({"lb/app": states or {}}, {"lb/app": shares})


@pytest.mark.parametrize("balance", ["roundrobin", "leastconn"])
@in_lab
async def test_a_share_of_a_weight_of_1_is_a_share_and_100_percent_is_all(lab: Lab, balance: str):
    await lab.serve(*await named(lab, "a", "b"), balance=balance)
    client = await lab.client()

    async def shares(count):
        return Counter([(await client.get()).body for _turn in range(count)])

    if balance == "roundrobin":
        say(lab, a=(25, -1))
        assert await shares(50) == {b"a": 10, b"b": 40}
        say(lab, a=(200, -1))
        assert await shares(30) == {b"a": 20, b"b": 10}
    say(lab, a=(0, -1))
    assert await shares(6) == {b"b": 6}
    say(lab, a=(0, -1), b=(0, -1))
    assert (await client.get()).status == 503
    client = await lab.client()
    say(lab)
    assert await shares(6) == {b"a": 3, b"b": 3}


@in_lab
async def test_a_limit_that_an_agent_says_holds_until_it_says_another(lab: Lab):
    go_on = asyncio.Event()

    async def slow(_request):
        await go_on.wait()
        return ok(b"slow")

    origin = await lab.origin(slow)
    (other,) = await named(lab, "other")
    await lab.serve(Server("slow", "127.0.0.1", origin.port), other, balance="first")
    say(lab, slow=(100, 1))
    waiting = asyncio.ensure_future((await lab.client()).get())
    await until(lambda: origin.requests)
    assert await seen(await lab.client(), 3) == {b"other"}
    say(lab)
    second = asyncio.ensure_future((await lab.client()).get())
    await until(lambda: len(origin.requests) == 2)
    go_on.set()
    assert [(await one).body for one in (waiting, second)] == [b"slow", b"slow"]


@in_lab
async def test_what_agents_have_said_outlives_a_document_that_does_not_tell(lab: Lab):
    servers = await named(lab, "a", "b")
    await lab.serve(*servers)
    say(lab, a=(0, -1))
    await lab.serve(*servers, max_retries=1)
    assert await seen(await lab.client(), 6) == {b"b"}
