"""Before an address moves to another node in order: no new clients here, and those that are here end with their answers, so that none is cut off."""

from __future__ import annotations

import array
import asyncio
import errno
import socket
import struct
import time
from collections.abc import Collection

from .crew import Crew

# How long clients may take to send a last request on a connection that is kept; and then, to get their last answer.
_STEP_S = 0.5
_POLL_S = 0.02
# asm-generic/socket.h
_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27
# Classic BPF (linux/filter.h) on a packet from its TCP header on: drop it if its flags have SYN, else take it whole.
_DROP_SYN = ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))


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


def refuse_new_clients(listener: socket.socket) -> None:
    """Has the kernel drop the first packet of every new connection to this listener (socket(7), SO_ATTACH_FILTER).

    Those who connect meanwhile send it again after a second (RFC 6298 2.1), by when the address leads to another node; a closed listener would
    refuse them. Connections that are being made, or wait to be accepted, are not concerned.
    """
    code = array.array("Q", b"".join(struct.pack("@HBBI", *instruction) for instruction in _DROP_SYN))
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(code), code.buffer_info()[0]))


def take_new_clients(listener: socket.socket) -> None:
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
    except OSError as error:
        if error.errno != errno.ENOENT:  # it had no filter
            raise


async def _connections(crew: Crew) -> int:
    stats = await crew.stats()
    return sum(frontend["connections"] for frontend in stats.get("frontends", {}).values())
