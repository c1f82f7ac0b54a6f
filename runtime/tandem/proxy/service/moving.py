"""Servers by name that are elsewhere by now: used there, with their checks, without a new document."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from ..._model import Document
from ..._states import ServerKey
from ...checks.probe import Target
from ...checks.scheduler import Scheduler
from ...pace import Pace
from .addresses import Addresses

_PRECHECK_S = 2.0
_BACKENDS_TOGETHER = 50

Tell = Callable[[Sequence[str]], Awaitable[None]]  # of these backends, by their keys, who is where


class Moving:
    """``turn`` is taken while something changes; ``document`` gives the one in force."""

    def __init__(self, addresses: Addresses, scheduler: Scheduler, turn: asyncio.Lock, document: Callable[[], Document], tell: Tell) -> None:
        self._addresses = addresses
        self._scheduler = scheduler
        self._turn = turn
        self._document = document
        self._tell = tell

    async def follow(self) -> None:
        """Uses, for ever, what name servers say."""
        while True:
            await self._addresses.changed.wait()
            self._addresses.changed.clear()
            await self._move()
            await self._addresses.remember()

    async def _move(self) -> None:
        """Servers serve under their old addresses until the new ones have been looked at."""
        pace = Pace()
        due = self._addresses.due()
        fresh: list[tuple[ServerKey, Target]] = []
        for key in due:
            coming, backend = self._addresses.coming(key), self._document().backends.get(key)
            if coming is not None and backend is not None:
                fresh += self._scheduler.moving(backend, coming)
            await pace.rest()
        looked = await self._scheduler.look_ahead(fresh, _PRECHECK_S)
        async with self._turn:  # a document may have come meanwhile: what is done now is as it says
            moved: list[str] = []
            for key in due:
                coming, backend = self._addresses.coming(key), self._document().backends.get(key)
                if coming is not None and backend is not None:
                    self._addresses.use(key, coming)
                    self._scheduler.moved(backend, looked)
                    moved.append(key)
                if len(moved) >= _BACKENDS_TOGETHER:
                    await self._tell(moved)
                    moved = []
                await pace.rest()
            if moved:
                await self._tell(moved)
