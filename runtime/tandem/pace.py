"""Long work in an event loop, so that it serves others meanwhile: what goes over all objects of a document rests in between, or is in a thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

_SLICE_S = 0.005

T = TypeVar("T")


class Pace:
    """Of one piece of work. ``await pace.rest()`` after each step lets the loop turn as soon as the work has held it for 5 ms."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    async def rest(self) -> None:
        if time.monotonic() - self._since > _SLICE_S:
            await asyncio.sleep(0)
            self._since = time.monotonic()


async def in_thread(work: Callable[..., T], *arguments: Any) -> T:
    """What ``work(*arguments)`` returns, or raises: for what waits on the disk, or takes long in one piece."""
    return await asyncio.get_running_loop().run_in_executor(None, work, *arguments)
