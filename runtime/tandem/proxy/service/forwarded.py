"""What tandem-forward is told of the proxy's knowledge, and what it has said: the frontends that the kernel serves are in force where it says so."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from typing import Any

from ..._model import Backend, Document, describe
from ...log import say

_TICK_S = 1.0
_FIRST_S = 5.0  # that a node waits, before it may become active, for the kernel to have what it is to serve
_SETTLE_S = 5.0

Up = Callable[[Backend], Mapping[str, bool]]
Said = Mapping[str, Mapping[str, str]]


class Forwarded:
    """``wanted``: the file that has the service started (see ``_paths``)."""

    def __init__(self, wanted: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._wanted = wanted
        self._clock = clock
        self._frontends: tuple[str, ...] = ()
        self._generation = 0  # of the document that these are of
        self._in_force = -1  # the generation of which the service has spoken last
        self._problem = ""
        self._began_at = clock()
        self._changed = asyncio.Event()
        self._said = asyncio.Event()

    def follow(self, document: Document) -> None:
        """The document is in force. Has the service started where there is something for it to do."""
        self._frontends = tuple(sorted(key for key, one in document.frontends.items() if one.enabled and one.forwarding == "kernel"))
        self._generation = document.generation
        try:
            if self._frontends:
                self._wanted.touch(mode=0o640)
            else:
                self._wanted.unlink(missing_ok=True)
        except OSError as error:
            say("error", f"{self._wanted}: tandem-forward is not started or ended: {error.strerror}")
        self.news()

    def close(self) -> None:
        """The proxy ends; one that comes says anew what is wanted. What runs goes on."""
        with contextlib.suppress(OSError):
            self._wanted.unlink(missing_ok=True)

    def news(self) -> None:
        """Something that the service is told of has changed."""
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def settled(self) -> bool:
        """Whether this node may become active: the kernel has what it is to serve, or has had its time. The address must not be there first, or the
        node itself would answer for frontends, with resets."""
        return not self._frontends or self._in_force >= 0 or self._clock() > self._began_at + _FIRST_S

    async def settle(self) -> None:
        """Waits until the service has spoken of the document in force; not for ever."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._spoken(), _SETTLE_S)

    async def _spoken(self) -> None:
        while self._frontends and self._in_force != self._generation:
            self._said.clear()
            await self._said.wait()

    def hear(self, body: Mapping[str, Any]) -> bool:
        """What the service says; whether it is something new."""
        generation, problem = body.get("generation"), body.get("problem")
        if not isinstance(generation, int) or not isinstance(problem, str):
            raise ValueError('a report is {"generation": N, "problem": TEXT}')
        new = (generation, problem) != (self._in_force, self._problem)
        self._in_force, self._problem = generation, problem
        self._said.set()
        return new

    def problems(self) -> dict[str, str]:
        """Why frontends that the kernel is to serve are not served, by their keys."""
        why = self._problem
        if not why and self._in_force != self._generation:
            why = "tandem-forward has not put it in force; its log says why"
        return {key: f"{describe('frontends', key)}: {why}" for key in self._frontends} if why else {}

    async def lines(self, told: Callable[[], dict[str, Any]]) -> AsyncGenerator[dict[str, Any], None]:
        """What is told: at once, on every change, and every second."""
        while True:
            changed = self._changed
            yield told()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(changed.wait(), _TICK_S)


def told(document: Document, active: set[str], up: Up, said: Said) -> dict[str, Any]:
    """The generation, the roles, and what checks, agents and operators say of the servers behind frontends that the kernel serves."""
    keys = {key for one in document.frontends.values() if one.enabled and one.forwarding == "kernel" for key in one.backends}
    backends = [document.backends[key] for key in sorted(keys) if key in document.backends]
    states = {backend.key: _states(backend, up(backend), said.get(backend.key, {})) for backend in backends}
    return {"generation": document.generation, "active": sorted(active), "states": states}


def _states(backend: Backend, up: Mapping[str, bool], said: Mapping[str, str]) -> dict[str, str]:
    """``said``: of servers that are not ready, as the workers are told: drain, move (drain, and bound clients go too) or maint."""
    words = {}
    for server in backend.servers:
        is_up = up.get(server.name, True if backend.health_check.type == "none" else None)
        if said.get(server.name) == "maint":
            words[server.name] = "maint"
        elif is_up is not None:
            words[server.name] = "down" if not is_up else "drain" if server.name in said else "up"
    return words
