"""What both services say of themselves now, asked for at most once in a second however many want to know, and never waited for without bound."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Optional

from .._client import Client, NotRunning, Refused
from ..pace import in_thread
from .families import View, Views

_FRESH_S = 1.0
_KEEPALIVE_S = 1.0
_ABSENT_S = 5.0  # how long one that did not answer is not asked again


class Gathered:
    """``proxy`` gives the status of the service that this is in; ``keepalive`` is the other one's socket."""

    def __init__(self, proxy: Callable[[], Awaitable[View]], keepalive: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.node = ""  # this node's name
        self._proxy = proxy
        self._client = Client(keepalive, _KEEPALIVE_S)
        self._clock = clock
        self._turn, self._turn_of_keepalive = asyncio.Lock(), asyncio.Lock()
        self._views: Optional[Views] = None
        self._keepalive: Optional[dict[str, Any]] = None
        self._at = self._keepalive_until = float("-inf")

    async def now(self) -> Views:
        """Both views, no older than a second."""
        async with self._turn:
            if self._views is None or self._clock() - self._at >= _FRESH_S:
                keepalive = await self.keepalive()
                self._views = Views(self.node, await self._proxy(), keepalive, time.time())
                self._at = self._clock()
            return self._views

    async def keepalive(self) -> Optional[dict[str, Any]]:
        """keepalive's view, no older than a second. None where it does not answer in time, or makes no sense: only what it would say is missing."""
        async with self._turn_of_keepalive:
            if self._clock() >= self._keepalive_until:
                try:
                    view = await in_thread(self._client.status)
                except (NotRunning, Refused):
                    view = {}
                self._keepalive = view if isinstance(view.get("load_balancers"), dict) else None
                self._keepalive_until = self._clock() + (_ABSENT_S if self._keepalive is None else _FRESH_S)
            return self._keepalive
