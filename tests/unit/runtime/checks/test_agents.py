"""The agents of servers: who is asked, what is kept, and what it comes to beside checks and operators."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tandem._model import AgentCheck, HealthCheck, Server
from tandem.checks.agents import Agents, Asked, NotAnswered, ask
from tests.support.node import backend, document_of, free_port
from tests.support.origin import run
from tests.support.timeless import timeless

SHOP = "edge/shop"


def shop(*addresses, port=9000, **check):
    servers = [Server(f"s{number}", address, 80) for number, address in enumerate(addresses, 1)]
    return backend(*servers, check=HealthCheck(agent=AgentCheck(port=port), **check))


class Saying:
    """Agents that say what ``lines`` has by address: a line, or why there is none. ``asked`` counts."""

    def __init__(self):
        self.lines, self.asked, self.changes, self.failures = {}, [], [], 0
        self.agents = Agents(self.changes.append, self.fail, asking=self.answer)

    def fail(self):
        self.failures += 1

    async def answer(self, asked):
        self.asked.append(asked.server)
        line = self.lines.get(asked.server, NotAnswered("Connection refused"))
        if isinstance(line, Exception):
            raise line
        return line

    async def follow(self, *backends):
        """Returns the document once all have been asked."""
        document = document_of(*backends)
        await self.agents.follow(document)
        await asyncio.sleep(0.01)
        return document

    async def again(self):
        """Until all have been asked again."""
        await asyncio.sleep(3.2)


@timeless
async def test_what_agents_say_is_told_by_share_limit_state_and_being_up():
    saying = Saying()
    saying.lines = {"192.0.2.1": "75% maxconn:7", "192.0.2.2": "drain", "192.0.2.3": "down #full"}
    document = await saying.follow(shop("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"))
    agents, one = saying.agents, document.backends[SHOP]
    assert agents.shares(document) == {SHOP: {"s1": (75, 7)}}
    assert agents.states(document, {}) == {SHOP: {"s2": "drain"}}
    assert agents.up(one, {"s1": True, "s2": True, "s3": True, "s4": True}) == {"s1": True, "s2": True, "s3": False, "s4": True}
    assert {key: view.words for key, view in agents.views().items()} == {
        (SHOP, "s1"): "ready 75% maxconn:7",
        (SHOP, "s2"): "drain 100%",
        (SHOP, "s3"): "down (full) ready 100%",
        (SHOP, "s4"): "nothing yet (Connection refused)",
    }
    assert saying.changes == [SHOP] * 3
    # What is said again is no change, and what is not mentioned, or cannot be asked, stays.
    saying.lines = {"192.0.2.1": "up", "192.0.2.2": NotAnswered("no answer within 1000 ms"), "192.0.2.3": "hello 100%"}
    await saying.again()
    assert saying.changes == [SHOP] * 3
    assert agents.shares(document) == {SHOP: {"s1": (75, 7)}}
    assert agents.views()[SHOP, "s2"].words == "drain 100% (no answer within 1000 ms)"
    assert agents.views()[SHOP, "s3"] == ("down (full) ready 100% (not understood: hello)", False)
    saying.lines = {"192.0.2.3": "up 0%"}
    await saying.again()
    assert saying.changes == [SHOP] * 4
    assert agents.up(one, {"s3": True}) == {"s3": True}
    agents.stop()


@timeless
async def test_one_agent_may_speak_for_all_servers_and_is_told_of_which():
    asked = []

    async def answer(question):
        asked.append((question.agent.address, question.agent.port, question.server, question.words))
        return "up"

    agents = Agents(lambda _key: None, lambda: None, asking=answer)
    check = HealthCheck(agent=AgentCheck(9000, "192.0.2.99", send="{backend}/{server}"))
    await agents.follow(document_of(backend(Server("s1", "192.0.2.1", 80), Server("s2", "192.0.2.2", 80), check=check)))
    await asyncio.sleep(0.01)
    assert asked == [("192.0.2.99", 9000, "192.0.2.1", "shop/s1"), ("192.0.2.99", 9000, "192.0.2.2", "shop/s2")]
    agents.stop()


@timeless
async def test_of_an_operator_and_an_agent_the_stricter_holds():
    saying = Saying()
    saying.lines = {"192.0.2.1": "maint", "192.0.2.2": "drain", "192.0.2.3": "ready"}
    document = await saying.follow(shop("192.0.2.1", "192.0.2.2", "192.0.2.3"))
    told = {SHOP: {"s1": "drain", "s2": "move", "s3": "maint"}, "edge/other": {"x": "maint"}}
    assert saying.agents.states(document, told) == {SHOP: {"s1": "maint", "s2": "move", "s3": "maint"}, "edge/other": {"x": "maint"}}
    assert saying.agents.states(document, {SHOP: {"s2": "maint"}}) == {SHOP: {"s1": "maint", "s2": "maint"}}
    assert told[SHOP] == {"s1": "drain", "s2": "move", "s3": "maint"}
    saying.agents.stop()


@timeless
async def test_what_an_agent_has_said_is_kept_as_long_as_its_server_stays_where_it_is():
    saying = Saying()
    saying.lines = {"192.0.2.1": "50%", "192.0.2.2": "20%"}
    await saying.follow(shop("192.0.2.1", "192.0.2.2"))
    saying.lines = {}
    asked = len(saying.asked)
    document = await saying.follow(shop("192.0.2.1", "192.0.2.9"))  # s2 moves
    assert saying.agents.shares(document) == {SHOP: {"s1": (50, -1)}}
    assert saying.asked[asked:] == ["192.0.2.9"]
    document = await saying.follow(shop("192.0.2.1", "192.0.2.9", port=9001))
    assert saying.agents.shares(document) == {SHOP: {"s1": (50, -1)}}
    document = await saying.follow(shop("192.0.2.1", port=0))
    assert (saying.agents.shares(document), saying.agents.views()) == ({}, {})
    tasks = len(asyncio.all_tasks())
    asked = len(saying.asked)
    await saying.again()
    assert (len(saying.asked), len(asyncio.all_tasks())) == (asked, tasks)
    document = await saying.follow(shop("192.0.2.1"))
    assert saying.agents.shares(document) == {}
    saying.agents.stop()


@timeless
async def test_an_answer_that_comes_with_the_end_of_its_agent_is_nobodys():
    asked = []

    async def stubborn(question):
        """As a wait that loses its cancellation."""
        asked.append(question.agent.port)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(1000)
        return "maint"

    agents = Agents(lambda _key: None, lambda: None, asking=stubborn)
    await agents.follow(document_of(shop("192.0.2.1", port=9000)))
    await asyncio.sleep(0.01)
    document = document_of(shop("192.0.2.1", port=9001))
    await agents.follow(document)
    await asyncio.sleep(50)
    assert asked == [9000, 9001]
    assert agents.states(document, {}) == {}
    agents.stop()


@timeless
async def test_no_more_agents_are_asked_at_a_time_than_may_and_a_mistake_of_ours_is_told():
    waiting, most = asyncio.Event(), []
    now = 0

    async def slow(_asked):
        nonlocal now
        now += 1
        most.append(now)
        await waiting.wait()
        now -= 1
        return "up"

    failures = []
    agents = Agents(lambda _key: None, lambda: failures.append(1), asking=slow)
    await agents.follow(document_of(shop(*(f"192.0.2.{number}" for number in range(1, 100)))))
    await asyncio.sleep(0.01)
    assert max(most) == 64
    waiting.set()
    await asyncio.sleep(0.01)
    assert len(most) == 99
    agents.stop()

    async def broken(_asked):
        raise RuntimeError("a mistake")

    agents = Agents(lambda _key: None, lambda: failures.append(1), asking=broken)
    await agents.follow(document_of(shop("192.0.2.1")))
    await asyncio.sleep(0.01)
    assert failures == [1]
    agents.stop()


async def asked(says, send="", timeout_ms=5000):
    """What comes of asking an agent that says so, and what it heard. None: it never says anything."""
    heard = b""

    async def serve(reader, writer):
        nonlocal heard
        with contextlib.suppress(ConnectionError):
            if send:
                heard = await reader.readline()
            if says is None:
                await reader.read(-1)
            else:
                writer.write(says)
                await writer.drain()
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        return await ask(Asked("127.0.0.1", AgentCheck(server.sockets[0].getsockname()[1]), send, timeout_ms)), heard
    except NotAnswered as error:
        return str(error), heard
    finally:
        server.close()


@run
async def test_an_agent_is_asked_over_its_own_port_and_what_is_no_answer_is_told_in_words():
    assert await asked(b"up 50%\r\n") == ("up 50%", b"")
    assert await asked(b"drain", "shop s1") == ("drain", b"shop s1\n")
    assert await asked(b"up\nand more\n" * 9000) == ("up", b"")
    assert await asked(None, timeout_ms=100) == ("no answer within 100 ms", b"")
    assert (await asked(b""))[0] == "no valid agent's answer (the connection was closed without one)"
    assert (await asked(b"x" * 5000))[0].endswith("without an end)")
    with pytest.raises(NotAnswered, match="Connection refused"):
        await ask(Asked("127.0.0.1", AgentCheck(free_port()), "", 5000))
