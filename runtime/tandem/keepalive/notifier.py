"""Tells commands of an operator's what has happened: one after the other, without privilege, each within its time, and never too many of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Optional

from .._model import Notify
from ..log import say
from ..supervised import supervise
from .track import RunsCommands

_WAITING_MAX = 100
STATE, SERVER = "state", "server"


class Notifier:
    """Of all load balancers. What is too much pushes out the oldest, which is logged once until all has been told."""

    def __init__(self, commands: RunsCommands, on_failure: Callable[[], None]) -> None:
        self._commands, self._on_failure = commands, on_failure
        self._waiting: deque[tuple[Notify, dict[str, str]]] = deque()
        self._task: Optional[asyncio.Task[None]] = None
        self._dropped = 0

    def tell(self, notified: Iterable[Notify], event: str, told: Mapping[str, str]) -> None:
        """``told`` is what the commands find in their environment."""
        for one in notified:
            if event not in one.events:
                continue
            if len(self._waiting) >= _WAITING_MAX:
                self._waiting.popleft()
                self._dropped += 1
                if self._dropped == 1:
                    say("warning", f"more happens than notify commands keep up with: only the latest {_WAITING_MAX} events are told")
            self._waiting.append((one, {"TANDEM_EVENT": event, **told}))
        if self._waiting and self._task is None:
            self._task = supervise(self._run(), "telling what has happened", self._on_failure)

    async def settle(self, within_s: float) -> None:
        """Waits until all is told, for so long at most; what is left is not told."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=within_s)
            if self._task is not None:
                self._task.cancel()
                await asyncio.wait({self._task})

    async def _run(self) -> None:
        try:
            while self._waiting:
                one, told = self._waiting.popleft()
                passed, said = await self._commands.run(one.command, one.timeout_ms / 1000, told)
                if not passed:
                    say("warning", f"notify command {one.name}: {said}")
        finally:
            self._task, self._dropped = None, 0
