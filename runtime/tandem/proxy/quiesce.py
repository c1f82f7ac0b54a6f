"""Before an address moves to another node in order: no new clients here, and those that are here end with their answers, so that none is cut off."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Collection

from .crew import Crew
from .listeners import refuse_new_clients, take_new_clients

# How long clients may take to send a last request on a connection that is kept; and then, to get their last answer.
_STEP_S = 0.5
_POLL_S = 0.02


async def quiesce(crew: Crew, listeners: Collection[socket.socket]) -> int:
    """Returns when all clients have ended, or after a second; how many are left."""
    for sock in listeners:
        refuse_new_clients(sock)
    left = 0
    for step in ("last_answers", "idle"):
        crew.quiesce(step)
        deadline = time.monotonic() + _STEP_S
        left = await _connections(crew)
        while left and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_S)
            left = await _connections(crew)
    return left


def resume(crew: Crew, listeners: Collection[socket.socket]) -> None:
    """All is as before."""
    for sock in listeners:
        take_new_clients(sock)
    crew.quiesce("off")


async def _connections(crew: Crew) -> int:
    stats = await crew.stats()
    return sum(frontend["connections"] for frontend in stats.get("frontends", {}).values())
