"""A server for tests of health checks: it says the same bytes to everybody, whatever they are."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Optional

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nhealthy"


class Origin:
    """Answers with ``content``; byte by byte where ``pause_s`` is given, without an end where ``hold`` is; never, where it is None."""

    def __init__(self, content: Optional[bytes] = OK, pause_s: float = 0.0, hold: bool = False) -> None:
        self.content, self.pause_s, self.hold = content, pause_s, hold
        self.heads: list[bytes] = []
        self.count = 0
        self.asked = asyncio.Event()

    async def start(self) -> Origin:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self.server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.count += 1
        self.asked.set()
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            if self.content is None:
                await reader.read(-1)
            else:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                for piece in self._pieces(self.content):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(self.pause_s)
                if self.hold:
                    await reader.read(-1)
        writer.close()

    def _pieces(self, content: bytes) -> Sequence[bytes]:
        return [content[at : at + 1] for at in range(len(content))] if self.pause_s else [content]


def run(test: Callable[..., Awaitable[Any]]) -> Callable[..., None]:
    """Makes a test of a coroutine function, which has 20 s."""

    @functools.wraps(test)
    def in_loop(**fixtures: Any) -> None:
        async def bounded() -> None:
            await asyncio.wait_for(test(**fixtures), 20)

        asyncio.run(bounded())

    return in_loop
