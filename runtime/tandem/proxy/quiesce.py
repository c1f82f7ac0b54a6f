"""Before an address moves to another node in order: no new clients here, and those that are here end with their answers, so that none is cut off."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Collection
from typing import Optional

from ..log import say
from .crew import Crew
from .listeners import refuse_new_clients, take_new_clients

# How long clients may take to send a last request on a connection that is kept; and then, to get their last answer.
_STEP_S = 0.5
_POLL_S = 0.02
_WHOLE_S = 10.0  # the move itself included


class Quiescence:
    """Begun by who moves the address, and taken back by the same, or for them: a node that only ever refuses clients must not become active.

    ``listeners`` gives those there are now.
    """

    def __init__(self, crew: Crew, listeners: Callable[[], Collection[socket.socket]]) -> None:
        self._crew = crew
        self._listeners = listeners
        self._work: Optional[asyncio.Task[int]] = None
        self._too_long: Optional[asyncio.TimerHandle] = None

    async def begin(self) -> Optional[int]:
        """Returns when all clients have ended, or after a second: how many are left. None when it was taken back meanwhile."""
        self.end()
        work = self._work = asyncio.ensure_future(self._finish())
        self._too_long = asyncio.get_running_loop().call_later(_WHOLE_S, self._end_too_long)
        await asyncio.wait({work})
        return None if work.cancelled() else work.result()

    def end(self) -> None:
        """All is as before; nothing happens when nothing was begun."""
        work, self._work = self._work, None
        if work is None:
            return
        work.cancel()
        if self._too_long is not None:
            self._too_long.cancel()
        for sock in self._listeners():
            take_new_clients(sock)
        self._crew.quiesce("off")

    def _end_too_long(self) -> None:
        say("warning", f"a move of the addresses has not ended within {_WHOLE_S:g} s; clients are taken again")
        self.end()

    async def _finish(self) -> int:
        for sock in self._listeners():
            refuse_new_clients(sock)
        left = 0
        for step in ("last_answers", "idle"):
            self._crew.quiesce(step)
            deadline = time.monotonic() + _STEP_S
            left = await _connections(self._crew)
            while left and time.monotonic() < deadline:
                await asyncio.sleep(_POLL_S)
                left = await _connections(self._crew)
        return left


async def _connections(crew: Crew) -> int:
    stats = await crew.stats()
    return sum(frontend["connections"] for frontend in stats.get("frontends", {}).values())
