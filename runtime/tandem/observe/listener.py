"""One listening socket, and one request on each of its connections: read strictly, answered within bounds of number, size and time."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Optional

from ..control.answers import REASONS, send
from ..http.head import BadMessage, HeadBuffer
from ..http.request import Request, read_request
from ..log import say
from .access import Access, Denied

_CLIENTS_MAX = 64  # further ones are closed at once
_HANDSHAKE_S, _REQUEST_S, _SENDING_S = 5.0, 5.0, 60.0
_REST_S = 0.1  # after accepting has failed: descriptors are scarce
_READ_BYTES = _HEAD_BYTES_MAX = 16384
_BACKLOG = 64
_FREEBIND = {socket.AF_INET: (socket.IPPROTO_IP, 15), socket.AF_INET6: (socket.IPPROTO_IPV6, 78)}  # linux/in.h, linux/in6.h
# What is shown is of this moment, for whoever asked, and for no other page.
_ALWAYS = (
    "Cache-Control: no-store",
    "X-Content-Type-Options: nosniff",
    "Referrer-Policy: no-referrer",
    "Cross-Origin-Resource-Policy: same-origin",
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
)


@dataclass(frozen=True)
class Answer:
    status: int
    kind: str
    content: bytes


Resource = Callable[[Request], Awaitable[Answer]]


@dataclass(frozen=True)
class Terms:
    """Where it listens, whom it serves, and what: by path. ``public``: paths that tell nothing that needs a password."""

    address: str
    port: int
    access: Access
    resources: dict[str, Resource]
    public: frozenset[str] = frozenset()
    context: Optional[ssl.SSLContext] = None


class Listener:
    """``start`` raises OSError where it cannot listen."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._sock: Optional[socket.socket] = None
        self._accepting: Optional[asyncio.Task[None]] = None
        self._clients: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        family = socket.AF_INET6 if ":" in self._terms.address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(*_FREEBIND[family], 1)  # an address may come later, as floating IPs do
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((self._terms.address, self._terms.port))
            sock.listen(_BACKLOG)
        except OSError:
            sock.close()
            raise
        self._sock = sock
        self._accepting = asyncio.get_running_loop().create_task(self._accept(sock), name="the observe listener")

    async def stop(self) -> None:
        tasks = [task for task in (self._accepting, *self._clients) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._sock is not None:
            self._sock.close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, address = await loop.sock_accept(listening)
            except OSError:
                await asyncio.sleep(_REST_S)
                continue
            # Before a handshake, which costs us more than the client.
            if len(self._clients) >= _CLIENTS_MAX or not self._terms.access.admits(address[0]):
                sock.close()
                continue
            task = loop.create_task(self._serve(sock))
            self._clients.add(task)
            task.add_done_callback(self._clients.discard)

    async def _serve(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        context = self._terms.context
        try:
            transport, _protocol = await loop.connect_accepted_socket(
                lambda: protocol, sock, ssl=context, ssl_handshake_timeout=_HANDSHAKE_S if context else None
            )
        except (OSError, asyncio.TimeoutError):
            sock.close()
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            with contextlib.suppress(OSError):
                await self._exchange(reader, writer)
        except asyncio.TimeoutError:
            transport.abort()  # it does not take its answer
        except Exception:  # noqa: BLE001 - an error of the program costs this connection
            say("error", f"observe: {traceback.format_exc()}")
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await asyncio.wait_for(_read(reader), _REQUEST_S)
        except asyncio.TimeoutError:
            await _say(writer, 408, f"No whole request within {_REQUEST_S:g} s.")
            return
        except BadMessage as bad:
            await _say(writer, bad.status if bad.status in REASONS else 400, f"This is no request: {bad}.")
            return
        if request is None:
            return
        path = request.path.decode("latin-1")
        denied = self._terms.access.denies(request, public=path in self._terms.public)
        resource = self._terms.resources.get(path)
        if denied is None and resource is None:
            denied = Denied(404, f"There are {', '.join(sorted(self._terms.resources))}.")
        body = request.method != b"HEAD"
        if denied is not None or resource is None:
            if denied is not None:
                await _say(writer, denied.status, denied.why, denied.fields, body=body)
            return
        answer = await self._answer(resource, request)
        await asyncio.wait_for(send(writer, answer.status, answer.kind, answer.content, _ALWAYS, body=body), _SENDING_S)

    async def _answer(self, resource: Resource, request: Request) -> Answer:
        try:
            return await resource(request)
        except Exception:  # noqa: BLE001 - the log gets all of it, the client gets an answer
            say("error", f"observe: {request.path!r}: {traceback.format_exc()}")
            return text(500, "An error of the program; the log of the proxy has the details.")


def text(status: int, words: str) -> Answer:
    return Answer(status, "text/plain; charset=utf-8", f"{words}\n".encode())


async def _say(writer: asyncio.StreamWriter, status: int, words: str, fields: tuple[str, ...] = (), *, body: bool = True) -> None:
    answer = text(status, words)
    await asyncio.wait_for(send(writer, status, answer.kind, answer.content, (*_ALWAYS, *fields), body=body), _SENDING_S)


async def _read(reader: asyncio.StreamReader) -> Optional[Request]:
    """One request's head; None where the client leaves without a word. Raises BadMessage."""
    buffer = HeadBuffer(True, _HEAD_BYTES_MAX)
    while True:
        data = await reader.read(_READ_BYTES)
        if not data:
            if buffer.size:
                raise BadMessage(400, "it ends before it is complete")
            return None
        head = buffer.take(data)
        if head:
            return read_request(head)
