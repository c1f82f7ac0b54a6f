"""What is done around a planned move of the floating IPs to another node.

Where the other node hands packets of connections that it does not know to this one (``KeptClients``), clients notice nothing: they end with their
answers, and go on until they have, or the time that keepalive gives them is over. Elsewhere (``PlannedMove``) there are no new clients here before
the move, and those that are here end with their answers. TCP sessions cannot be asked to end, and nobody knows when they will; the move does not wait
for them. What stands when the address goes is reset: from then on nothing could be said to it, and who only receives would wait for ever."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Optional, Protocol

from ...log import say
from ..hops import refuse_new_clients, take_new_clients

# How long clients may take to send a last request on a connection that is kept; and then, to get their last answer.
_STEP_S = 0.5
_POLL_S = 0.02
_CUT_S = 0.1
_WHOLE_S = 10.0  # the move itself included


class Clients(Protocol):
    """Who has the clients: the workers."""

    def quiesce(self, step: str, of: str = "") -> None:
        """``last_answers``, then ``idle``, then ``cut``; ``off`` takes it back. ``of``: clients of one load balancer only, but for
        ``last_answers``."""

    def connections(self, within_s: float, of: Optional[Collection[str]] = None) -> Awaitable[tuple[int, bool]]:
        """How many clients of these frontends, or of all, are connected to the workers that answer in time, and whether all have answered. It is
        answered after what they were told before."""


class PlannedMove:
    """Begun by who moves the address, and taken back by the same, or for them: a node that only ever refuses clients must not become active.

    ``listeners`` gives those there are now, and ``awaited`` the keys of the frontends whose clients end with an answer.
    """

    def __init__(self, clients: Clients, listeners: Callable[[], Collection[socket.socket]], awaited: Callable[[], Collection[str]]) -> None:
        self._clients = clients
        self._listeners = listeners
        self._awaited = awaited
        self._work: Optional[asyncio.Task[int]] = None
        self._too_long: Optional[asyncio.TimerHandle] = None

    async def begin(self, cut: bool) -> Optional[int]:
        """Returns when all clients that are awaited have ended, or after a second: how many were left. They are reset if ``cut``: the addresses leave
        this machine. None when it was taken back meanwhile."""
        self.end()
        work = self._work = asyncio.ensure_future(self._finish(cut))
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
        self._clients.quiesce("off")

    def _end_too_long(self) -> None:
        say("warning", f"a move of the addresses has not ended within {_WHOLE_S:g} s; clients are taken again")
        self.end()

    async def _finish(self, cut: bool) -> int:
        for sock in self._listeners():
            refuse_new_clients(sock)
        awaited = self._awaited()
        for step in ("last_answers", "idle"):
            self._clients.quiesce(step)
            deadline = time.monotonic() + _STEP_S
            # A worker that does not answer gets no time beyond what was promised for all.
            while (remaining_s := deadline - time.monotonic()) > 0:
                left, all_answered = await self._clients.connections(remaining_s, awaited)
                if all_answered and not left:
                    break
                await asyncio.sleep(min(_POLL_S, remaining_s))
        left, _all_answered = await self._clients.connections(_CUT_S)
        if cut:
            self._clients.quiesce("cut")
            await self._clients.connections(_CUT_S)
        return left


class KeptClients:
    """Those of load balancers that were handed over. Asked for again and again by who does that: when it no longer asks, all is as before.

    ``frontends`` gives the keys of a load balancer's, and with ``awaited`` of those whose clients end with an answer.
    """

    def __init__(self, clients: Clients, frontends: Callable[[str, bool], Collection[str]]) -> None:
        self._clients = clients
        self._frontends = frontends
        self._kept: dict[str, asyncio.TimerHandle] = {}

    async def left(self, load_balancer: str) -> int:
        """How many there are still; from the first time on they end with their answers."""
        if not self._kept:
            self._clients.quiesce("last_answers")
        self._remember(load_balancer)
        left, all_answered = await self._clients.connections(_STEP_S, self._frontends(load_balancer, False))
        return left if all_answered else max(1, left)

    async def finish(self, load_balancer: str) -> int:
        """Ends those that do not ask for anything, and after half a second resets the others: how many."""
        if not self._kept:
            self._clients.quiesce("last_answers")
        self._remember(load_balancer)
        self._clients.quiesce("idle", load_balancer)
        deadline = time.monotonic() + _STEP_S
        while (remaining_s := deadline - time.monotonic()) > 0:
            left, all_answered = await self._clients.connections(remaining_s, self._frontends(load_balancer, True))
            if all_answered and not left:
                break
            await asyncio.sleep(min(_POLL_S, remaining_s))
        left, _all_answered = await self._clients.connections(_CUT_S, self._frontends(load_balancer, False))
        self._clients.quiesce("cut", load_balancer)
        await self._clients.connections(_CUT_S)
        self._forget(load_balancer)
        return left

    def end(self) -> None:
        for load_balancer in list(self._kept):
            self._forget(load_balancer)

    def _remember(self, load_balancer: str) -> None:
        if load_balancer in self._kept:
            self._kept[load_balancer].cancel()
        self._kept[load_balancer] = asyncio.get_running_loop().call_later(_WHOLE_S, self._forget, load_balancer)

    def _forget(self, load_balancer: str) -> None:
        timer = self._kept.pop(load_balancer, None)
        if timer is not None:
            timer.cancel()
            if not self._kept:
                self._clients.quiesce("off")
