"""The agents of a document's servers: asks each in turn, and keeps what it has said. What is made of that for the workers is decided here too.

An agent that does not answer changes nothing: whether the server is there is what its check tells. What an operator has said comes first, and of
what both say the stricter holds.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional

from .._model import AgentCheck, Backend, Document, Server
from ..log import say
from ..pace import Pace
from ..supervised import supervise
from . import tcp
from .agent import Advice, AgentQuestion, advised
from .probe import new_socket, words_of
from .talk import PlainTalk, converse

_AT_ONCE = 64
_JITTER = 0.05  # of the interval
_STRICTNESS = ("ready", "drain", "move", "maint")

ServerKey = tuple[str, str]  # (backend key, server name)
States = dict[str, dict[str, str]]  # as workers are told, by backend and server
Shares = dict[str, dict[str, tuple[int, int]]]  # percent of the weight, and limit of connections (-1: the server's own), by backend and server


class Asked(NamedTuple):
    """Of which server its agent is asked, how, and how long to wait for it. ``words`` are said first."""

    server: str
    agent: AgentCheck
    words: str
    timeout_ms: int


class AgentView(NamedTuple):
    """What an agent has said, in words, and whether its server is up as far as it is concerned."""

    words: str
    up: bool


class NotAnswered(Exception):
    """An agent did not say a line; ``str()`` is why."""


async def ask(asked: Asked) -> str:
    """The line that an agent says. Raises NotAnswered."""
    try:
        return await asyncio.wait_for(_ask(asked), asked.timeout_ms / 1000)
    except asyncio.TimeoutError:  # before OSError, of which it is a kind since Python 3.11
        raise NotAnswered(f"no answer within {asked.timeout_ms} ms") from None
    except OSError as error:
        raise NotAnswered(words_of(error)) from None


async def _ask(asked: Asked) -> str:
    question = AgentQuestion(asked.words)
    address = asked.agent.address or asked.server
    with new_socket(address) as sock:
        await tcp.connect(sock, address, asked.agent.port)
        passed, said = await converse(PlainTalk(sock), question)
    if not passed:
        raise NotAnswered(said)
    return question.line


@dataclass
class _Agent:
    asked: Asked
    advice: Optional[Advice]  # None before it has said anything
    trouble: str = ""  # why it has not answered, or what of its last answer means nothing
    watching: Optional[asyncio.Task[Any]] = None

    def leave(self) -> None:
        if self.watching is not None:
            self.watching.cancel()

    @property
    def words(self) -> str:
        said = self.advice.words if self.advice else "nothing yet"
        return f"{said} ({self.trouble})" if self.trouble else said


class Agents:
    """``on_change(backend_key)`` is called when what an agent says means something new, ``on_failure()`` when the program itself has failed.

    ``asking`` is awaited for each answer.
    """

    def __init__(
        self,
        on_change: Callable[[str], None],
        on_failure: Callable[[], None],
        *,
        asking: Callable[[Asked], Awaitable[str]] = ask,
        address_of: Callable[[Backend, Server], str] = lambda _backend, server: server.address,
    ) -> None:
        self._on_change = on_change
        self._on_failure = on_failure
        self._asking = asking
        self._address_of = address_of
        self._agents: dict[ServerKey, _Agent] = {}
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def follow(self, document: Document) -> None:
        """Asks the agents that the document names from now on; what those have said that stay is kept."""
        pace = Pace()
        wanted: dict[ServerKey, Asked] = {}
        for key, backend in document.backends.items():
            wanted.update({(key, server.name): asked for server, asked in self._asked(backend)})
            await pace.rest()
        for place in [place for place, agent in self._agents.items() if wanted.get(place) != agent.asked]:
            gone = self._agents.pop(place)
            gone.leave()
            if place in wanted and wanted[place].server == gone.asked.server:
                self._begin(place, wanted[place], gone.advice)
            await pace.rest()
        for place, asked in wanted.items():
            if place not in self._agents:
                self._begin(place, asked, None)
            await pace.rest()

    def stop(self) -> None:
        for agent in self._agents.values():
            agent.leave()
        self._agents = {}

    def _begin(self, key: ServerKey, asked: Asked, advice: Optional[Advice]) -> None:
        agent = self._agents[key] = _Agent(asked, advice)
        agent.watching = supervise(self._watch(key, agent), f"the agent of server {key[0]}/{key[1]}", self._on_failure)

    async def _watch(self, key: ServerKey, agent: _Agent) -> None:
        """Until it is another's turn: until Python 3.11 ``wait_for`` can lose a cancellation that comes with the answer."""
        while True:
            async with self._turn:
                try:
                    line, trouble = await self._asking(agent.asked), ""
                except NotAnswered as error:
                    line, trouble = "", str(error)
            if self._agents.get(key) is not agent:
                return
            self._said(key, agent, line, trouble)
            await asyncio.sleep(agent.asked.agent.interval_ms / 1000 * (1 + _JITTER * (random.random() - 0.5)))

    def _said(self, key: ServerKey, agent: _Agent, line: str, trouble: str) -> None:
        before = agent.advice or Advice()
        if line:
            agent.advice, odd = advised(before, line)
            trouble = f"not understood: {ascii(odd)[1:-1]}" if odd else ""
        if trouble and trouble != agent.trouble:
            say("warning", f"the agent of server {key[0]}/{key[1]}: {trouble}")
        agent.trouble = trouble
        now = agent.advice or Advice()
        if _effect(now) != _effect(before):
            say("info", f"the agent of server {key[0]}/{key[1]} says: {now.words}")
            self._on_change(key[0])

    # What it comes to

    def views(self) -> dict[ServerKey, AgentView]:
        """What each has said, as status shows it."""
        return {key: AgentView(agent.words, agent.advice is None or agent.advice.up) for key, agent in self._agents.items()}

    def up(self, backend: Backend, checked: dict[str, bool]) -> dict[str, bool]:
        """Who is up, with those down whose agents say so, whatever their checks say."""
        down = {server.name: False for server, advice in self._of(backend) if not advice.up}
        return {**checked, **down} if down else checked

    def states(self, document: Document, told: Mapping[str, Mapping[str, str]]) -> States:
        """The states of servers that are not ready, by what operators have told and what agents say."""
        states = {key: dict(servers) for key, servers in told.items()}
        for key, backend in document.backends.items():
            for server, advice in self._of(backend):
                if advice.state != "ready":
                    servers = states.setdefault(key, {})
                    servers[server.name] = max(servers.get(server.name, "ready"), advice.state, key=_STRICTNESS.index)
        return states

    def shares(self, document: Document) -> Shares:
        """The shares and limits of servers whose agents have said any."""
        shares: Shares = {}
        for key, backend in document.backends.items():
            for server, advice in self._of(backend):
                if (advice.share, advice.max_connections) != (100, -1):
                    shares.setdefault(key, {})[server.name] = (advice.share, advice.max_connections)
        return shares

    def _of(self, backend: Backend) -> list[tuple[Server, Advice]]:
        """Its servers whose agents have said something. One that has moved is another: its agent has not been asked yet."""
        if not backend.health_check.agent.port:
            return []
        found = []
        for server in backend.members:
            agent = self._agents.get((backend.key, server.name))
            if agent is not None and agent.advice is not None and agent.asked.server == self._address_of(backend, server):
                found.append((server, agent.advice))
        return found

    def _asked(self, backend: Backend) -> list[tuple[Server, Asked]]:
        """Whom to ask, of the servers that are anywhere."""
        check = backend.health_check
        if not check.agent.port:
            return []
        places = [(server, self._address_of(backend, server)) for server in backend.members]
        words = check.agent.words_for
        return [(server, Asked(at, check.agent, words(backend.name, server.name), check.timeout_ms)) for server, at in places if at]


def _effect(advice: Advice) -> tuple[int, int, str, bool]:
    return advice.share, advice.max_connections, advice.state, advice.up
