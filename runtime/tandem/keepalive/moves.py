"""One load balancer's part in planned moves, of which the connections that stand are to notice nothing.

The active node offers the move to its peer, which gets ready to hand over packets of connections that it does not know (``move_rules``), and says so.
Then the election moves the load balancer; the old node keeps its addresses where nobody asks for them (``kept``), until its connections have ended or
the time for them is over. Whatever of this cannot be had is told in the answer to the offer, and the move is one without it.

Nothing of it outlives its reason: who passes on stops when it is not told every now and then that the other node still keeps, and who keeps has the
addresses as leases.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Optional, Protocol

from ..log import say
from ..supervised import supervise
from ..wire.notes import Note
from . import kept, move_rules
from .addresses import Kernel, Plan, look
from .clock import Clock
from .events import State
from .nft import Nft

_ASK_AGAIN_S, _ASKS = 0.1, 5
_LOOK_S = 0.5
_OFTEN_S, _SELDOM_S = 5.0, 3.0  # the proxy is asked who is left each time for so long; then as seldom as that, since it has to count all that it has
_TAKEN_WITHIN_S = 5.0  # of an offer that is not followed by a move
_KEEPS_SILENT_S = 6.0
_NFT_AGAIN_S = 1.0
_MOVE_BITS = 48
_AFTER_S = 2.0
DIGEST_SHOWN = 16


@dataclass(frozen=True)
class Standing:
    """How a node is, as another one needs to know it before a move."""

    state: State
    digest: str
    servers: bool
    why: str = ""


class Part(Protocol):
    """What is needed of the ``Instance``."""

    @property
    def plan(self) -> Plan: ...

    @property
    def in_kernel(self) -> tuple[tuple[str, int], ...]:
        """Addresses and ports of which the kernel knows itself where old connections go on."""

    def standing(self) -> Standing: ...

    def peers(self) -> list[str]: ...

    def send_note(self, node: str, note: Note) -> None: ...

    def silent(self) -> None:
        """Nobody asks for the addresses here any more."""


class ProxyOfMoves(Protocol):
    async def kept(self, load_balancer: str, *, finish: bool = False) -> Optional[int]: ...

    async def quiesce(self, on: bool, *, cut: bool = False) -> None: ...


@dataclass(frozen=True)
class Offered:
    """``answer`` is the peer's, if it is one that answers; ``why`` its connections could not be kept, "" where they can."""

    node: str = ""
    answer: Optional[Note] = None
    why: str = ""


@dataclass
class _Offer:
    node: str
    note: Note
    own: dict[str, str]


@dataclass
class _PassingOn:
    node: str
    note: Note
    text: str
    began: float
    heard_at: float
    was_active: bool = False


@dataclass
class _Keeping:
    node: str
    note: Note
    own: dict[str, str]
    until: float
    left: Optional[int] = None
    task: Optional[asyncio.Task[None]] = None


class Moves:
    """Times are seconds of ``clock``. Everything happens in the service's loop."""

    def __init__(self, part: Part, name: str, table: str, *, kernel: Kernel, clock: Clock, nft: Nft, proxy: ProxyOfMoves) -> None:
        self._part, self._name, self._table = part, name, table
        self._kernel, self._clock, self._nft, self._proxy = kernel, clock, nft, proxy
        self._kept = kept.Kept(kernel)
        self._asked: dict[int, asyncio.Future[tuple[str, Note]]] = {}
        self._offer: Optional[_Offer] = None
        self._keeping: Optional[_Keeping] = None
        self._passing: Optional[_PassingOn] = None
        self._passed_on = self._unanswered = ""  # the rules in force
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()

    # The node that is active, before the move

    async def ask(self) -> Offered:
        """What a peer says of itself; changes nothing."""
        return await self._question(Note("ask", secrets.randbits(_MOVE_BITS)))

    async def offer(self, grace_s: float) -> Offered:
        """The same, and has it get ready, if the connections are to be kept for so long and can be."""
        seen = look(self._kernel)
        own, routes, why = kept.routes(self._part.plan, seen)
        own = {ip: near for ip, near in own.items() if ":" not in ip}
        if not grace_s:
            why = "no time is given for them (grace)"
        if not why:
            why = await self._nft.apply(move_rules.unanswered(self._table, own), check=True)
        note = Note("ask" if why else "offer", secrets.randbits(_MOVE_BITS), int(grace_s * 1000), routes)
        offered = await self._question(note)
        if offered.answer is None:
            why = why or "the other node has not said that it would pass their packets on"
        elif not why and not offered.answer.forwards:
            why = f"{offered.node}: {offered.answer.why or 'it does not pass packets on'}"
        self._offer = None if why else _Offer(offered.node, note, own)
        return Offered(offered.node, offered.answer, why)

    def withdraw(self) -> None:
        """The move that was offered does not take place."""
        offer, self._offer = self._offer, None
        if offer is not None:
            self._part.send_note(offer.node, Note("over", offer.note.move))

    async def _question(self, note: Note) -> Offered:
        future: asyncio.Future[tuple[str, Note]] = asyncio.get_running_loop().create_future()
        self._asked[note.move] = future
        try:
            for _turn in range(_ASKS):
                for node in self._part.peers():
                    self._part.send_note(node, note)
                with contextlib.suppress(asyncio.TimeoutError):
                    return Offered(*await asyncio.wait_for(asyncio.shield(future), _ASK_AGAIN_S))
            return Offered()
        finally:
            del self._asked[note.move]

    # The node that was active

    @property
    def keeping(self) -> bool:
        return self._keeping is not None

    def keep(self) -> bool:
        """To be called as the election lets go of the addresses, and before they are off. Whether they are kept."""
        offer, self._offer = self._offer, None
        if offer is None:
            return False
        self._kept.put([one.ip for one in self._part.plan.wanted.values()])
        keeping = self._keeping = _Keeping(offer.node, offer.note, offer.own, self._clock() + offer.note.grace_ms / 1000)
        keeping.task = self._start(self._keep(keeping), "keeping connections after a move")
        return True

    async def finish(self, within_s: float) -> None:
        """Returns when no connection is kept any more; those that are left after ``within_s`` are ended."""
        keeping = self._keeping
        if keeping is not None and keeping.task is not None:
            keeping.until = min(keeping.until, self._clock() + within_s)
            await asyncio.wait({keeping.task})

    async def _keep(self, keeping: _Keeping) -> None:
        await self._enforce_unanswered()
        if self._keeping is not keeping:
            return
        if not self._unanswered and keeping.own:
            self.stop_keeping()  # this node would still answer for the addresses
            return
        self._part.silent()
        none, began, asked_at = 0, self._clock(), float("-inf")
        while self._clock() < keeping.until and none < 2:
            if self._clock() >= asked_at + (0.0 if none or self._clock() < began + _OFTEN_S else _SELDOM_S):
                asked_at = self._clock()
                keeping.left = await self._proxy.kept(self._name)
                none = none + 1 if keeping.left == 0 else 0
            self._part.send_note(keeping.node, Note("keeps", keeping.note.move))
            self._kept.renew()
            await asyncio.sleep(max(0.01, min(_LOOK_S, keeping.until - self._clock())))
        left = await self._finished(keeping)
        say("info", f"load balancer {self._name}: what {keeping.node} has taken over has ended here, {left or 0} connections were cut off")
        self._end_keeping(keeping)

    async def _finished(self, keeping: _Keeping) -> Optional[int]:
        """Has the proxy finish. Meanwhile the addresses have to stay."""
        finishing = asyncio.ensure_future(self._proxy.kept(self._name, finish=True))
        try:
            while not finishing.done():
                self._kept.renew()
                await asyncio.wait({finishing}, timeout=_LOOK_S)
            return finishing.result()
        finally:
            finishing.cancel()
            keeping.left = 0

    def stop_keeping(self) -> None:
        """At once, whatever still stands: this node is active again, in fault, or leaves."""
        keeping = self._keeping
        if keeping is not None:
            self._end_keeping(keeping)
            if keeping.task is not None:
                keeping.task.cancel()
            self._start(self._proxy.quiesce(False), "taking clients again")

    def _end_keeping(self, keeping: _Keeping) -> None:
        self._keeping = None
        self._kept.remove()
        self._part.send_note(keeping.node, Note("over", keeping.note.move))
        self._start(self._enforce_unanswered(), "answering for addresses again")

    async def _enforce_unanswered(self) -> None:
        async with self._turn:
            while True:
                keeping = self._keeping
                wanted = move_rules.unanswered(self._table, keeping.own) if keeping is not None and keeping.own else ""
                if wanted == self._unanswered:
                    return
                failure = await self._nft.apply(wanted or move_rules.all_answered(self._table))
                if not failure:
                    self._unanswered = wanted
                    continue
                say("error", f"load balancer {self._name}: who answers for its addresses could not be set: {failure}")
                if wanted:
                    return
                await asyncio.sleep(_NFT_AGAIN_S)  # an active node for whose addresses nobody answers

    # The node that takes over

    def heard(self, node: str, note: Note) -> None:
        """A note of a peer."""
        if note.kind == "answer":
            future = self._asked.get(note.move)
            if future is not None and not future.done():
                future.set_result((node, note))
        elif note.kind == "ask":
            self._answer(node, note, forwards=False, why="")
        elif note.kind == "offer":
            self._start(self._get_ready(node, note), "getting ready for a move")
        elif self._passing is not None and self._passing.note.move == note.move:
            self._passing.heard_at = self._clock()
            if note.kind == "over":
                self._stop_passing_on()

    def became_active(self) -> None:
        self.stop_keeping()
        if self._passing is not None:
            self._passing.was_active, self._passing.heard_at = True, self._clock()

    def no_longer_active(self) -> None:
        self._stop_passing_on()

    def _answer(self, node: str, note: Note, *, forwards: bool, why: str) -> None:
        me = self._part.standing()
        shown = me.digest[:DIGEST_SHOWN]
        self._part.send_note(
            node, Note("answer", note.move, state=me.state.value, digest=shown, servers=me.servers, forwards=forwards, why=why or me.why)
        )

    async def _get_ready(self, node: str, note: Note) -> None:
        if self._part.standing().state is not State.STANDBY:
            self._answer(node, note, forwards=False, why="")
            return
        if self._passing is None or self._passing.note.move != note.move:
            towards, why = kept.towards(self._part.plan, look(self._kernel), note.routes)
            if why:
                self._answer(node, note, forwards=False, why=why)
                return
            spared = self._part.in_kernel
            rules = move_rules.passing_on(self._table, towards, note.grace_ms / 1000, learns=self._keeping is None, spared=spared)
            text = f"# {note.move}\n{rules}"  # of each move its own, as what they have learned is
            now = self._clock()
            passing = self._passing = _PassingOn(node, note, text, now, now)
            self._start(self._watch_passing_on(passing), "passing on packets after a move")
        failure = await self._enforce_passing_on()
        self._answer(node, note, forwards=not failure, why=failure)

    async def _watch_passing_on(self, passing: _PassingOn) -> None:
        """Ends it when it has no reason any more."""
        while self._passing is passing:
            await asyncio.sleep(_LOOK_S)
            now = self._clock()
            if passing.was_active:
                ended = now > passing.began + passing.note.grace_ms / 1000 + _AFTER_S or now > passing.heard_at + _KEEPS_SILENT_S
            else:
                ended = now > passing.began + _TAKEN_WITHIN_S
            if ended and self._passing is passing:
                self._stop_passing_on()

    def _stop_passing_on(self) -> None:
        if self._passing is not None:
            self._passing = None
            self._start(self._enforce_passing_on(), "no longer passing packets on")

    async def _enforce_passing_on(self) -> str:
        """ "", or why it is not as it should be."""
        async with self._turn:
            while True:
                wanted = "" if self._passing is None else self._passing.text
                if wanted == self._passed_on:
                    return "" if wanted else "it was taken back"
                failure = await self._nft.apply(wanted or move_rules.nothing_passed_on(self._table))
                if not failure:
                    self._passed_on = wanted
                    continue
                if wanted:
                    self._passing = None
                    return failure
                say("error", f"load balancer {self._name}: packets are still passed on: {failure}")
                await asyncio.sleep(_NFT_AGAIN_S)

    # Both

    async def end(self) -> None:
        """Everything as it was before any move."""
        self.stop_keeping()
        self._stop_passing_on()
        while self._tasks:
            await asyncio.wait(set(self._tasks), timeout=_AFTER_S)
            for task in list(self._tasks):
                task.cancel()
            await asyncio.sleep(0)

    def view(self) -> Optional[dict[str, Any]]:
        """What status shows; None where nothing of a move is left."""
        now = self._clock()
        if self._keeping is not None:
            one = self._keeping
            return {"part": "keeps", "peer": one.node, "connections": one.left, "ends_ms": max(0, int((one.until - now) * 1000))}
        if self._passing is not None and self._passing.was_active:
            ends = self._passing.began + self._passing.note.grace_ms / 1000
            return {"part": "passes on", "peer": self._passing.node, "connections": None, "ends_ms": max(0, int((ends - now) * 1000))}
        return None

    def _start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        task = supervise(work, name, self._failed)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _failed(self) -> None:
        """An error of the program: what can be taken back is."""
        self.stop_keeping()
        self._stop_passing_on()
