"""What a probe says to a server and hears from it: over a socket as it is, or over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Protocol

from ..tls.contexts import ServerTls
from ..tls.stream import TlsStream
from .conversation import Conversation, Verdict

_READ_BYTES = 65536


class Talk(Protocol):
    """A connection that is made. Both raise OSError."""

    async def send(self, data: bytes) -> None: ...

    async def hear(self, size: int) -> bytes:
        """Up to ``size`` bytes; b"" once the server has ended its side."""


class PlainTalk:
    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._sock, data)

    async def hear(self, size: int) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self._sock, size)

    def close(self) -> None:
        """The socket is closed by whoever made it."""


class SecretTalk:
    """Over TLS; ``begin`` shakes hands."""

    def __init__(self, stream: TlsStream) -> None:
        self._stream = stream

    @classmethod
    async def begin(cls, sock: socket.socket, tls: ServerTls) -> SecretTalk:
        """Takes over the connected socket, which is closed with the talk. Raises OSError, also where the certificate is not the server's."""
        stream = TlsStream.to_server(sock, tls.shared.context, tls.sni, None)
        talk = cls(stream)
        try:
            while True:
                try:
                    if stream.handshake():
                        break
                    await talk._ready(writing=False)
                except BlockingIOError:
                    await talk._ready(writing=True)
            why = tls.why_not(stream.tls)
            if why:
                raise ConnectionError(why)
        except BaseException:
            talk.close()
            raise
        return talk

    async def send(self, data: bytes) -> None:
        while True:
            try:
                self._stream.send(data)
            except BlockingIOError:
                await self._ready(writing=True)
            else:
                return

    async def hear(self, size: int) -> bytes:
        while True:
            try:
                return self._stream.recv(size)
            except BlockingIOError:
                await self._ready(writing=False)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.close()

    async def _ready(self, *, writing: bool) -> None:
        """Waits until the kernel has bytes, or takes some."""
        loop, descriptor = asyncio.get_running_loop(), self._stream.fileno()
        ready: asyncio.Future[None] = loop.create_future()

        def tell() -> None:
            if not ready.done():
                ready.set_result(None)

        (loop.add_writer if writing else loop.add_reader)(descriptor, tell)
        try:
            await ready
        finally:
            (loop.remove_writer if writing else loop.remove_reader)(descriptor)


async def converse(talk: Talk, conversation: Conversation) -> Verdict:
    """Holds a conversation up to its verdict. Raises OSError. How long it may take is the caller's to say."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # a server may have answered and left without reading; what it said is there
        if conversation.opening:
            await talk.send(conversation.opening)
    while True:
        data = await talk.hear(_READ_BYTES)
        step = conversation.feed(data) if data else conversation.end()
        while isinstance(step, bytes):
            await talk.send(step)
            step = conversation.feed(b"")
        if step is not None:
            if step[0] and conversation.farewell:
                with contextlib.suppress(OSError):  # it has passed; what becomes of the farewell is of no interest
                    await talk.send(conversation.farewell)
            return step
