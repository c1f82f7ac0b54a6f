"""Serves one control socket. Trusted local clients, few requests: asyncio's streams serve well here."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Union

from .._paths import socket_address
from ..log import say

_HEAD_BYTES_MAX = 16384
_BODY_BYTES_MAX = 1024 * 1024
_REQUEST_S_MAX = 10.0

Answer = Union[dict[str, Any], AsyncIterator[dict[str, Any]]]
Handler = Callable[[dict[str, Any]], Awaitable[Answer]]


class Refusal(Exception):
    """The request is understood and refused (409): ``str()`` is the reason, ``problems`` the list behind it."""

    def __init__(self, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class ControlServer:
    """``routes`` maps "METHOD /target" to a coroutine function that takes the JSON body (an empty dict without one).

    It returns a dict, the answer; or an async iterator of dicts, sent as lines until the client leaves; or raises ``Refusal``.
    Use: ``server = ControlServer(path, routes); await server.start(); ...; await server.stop()``.
    """

    def __init__(self, path: Path, routes: dict[str, Handler]) -> None:
        self._path = path
        self._routes = routes
        self._server: asyncio.AbstractServer | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Raises OSError when another process answers on the socket."""
        self._path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        _remove_stale(self._path)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o117)  # 0660 from the first moment on
        try:
            with socket_address(self._path) as address:
                sock.bind(address)
        finally:
            os.umask(before)
        sock.setblocking(False)
        self._server = await asyncio.start_unix_server(self._serve, sock=sock, limit=_HEAD_BYTES_MAX)

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for task in list(self._clients):
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._clients.add(task)
        try:
            await self._exchange(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.TimeoutError, ValueError) as error:
            say("warning", f"control socket: a request broke off ({error!r})")
        finally:
            if task is not None:
                self._clients.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _REQUEST_S_MAX)
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise
            return  # somebody only looked whether we answer
        method, target, *_version = head.split(b" ", 2)
        body = await asyncio.wait_for(_read_body(reader, head), _REQUEST_S_MAX)
        handler = self._routes.get(f"{method.decode('latin-1')} {target.decode('latin-1')}")
        if handler is None:
            await _send(writer, 404, {"error": {"message": f"no such request; known are {', '.join(sorted(self._routes))}"}})
            return
        try:
            answer = await handler(body)
        except Refusal as refusal:
            await _send(writer, 409, {"error": {"message": str(refusal), "problems": list(refusal.problems)}})
            return
        if isinstance(answer, dict):
            await _send(writer, 200, answer)
        else:
            await _stream(reader, writer, answer)


async def _read_body(reader: asyncio.StreamReader, head: bytes) -> dict[str, Any]:
    for line in head.split(b"\r\n")[1:]:
        name, _colon, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            length = int(value)
            if not 0 <= length <= _BODY_BYTES_MAX:
                raise ValueError(f"a body of {length} bytes")
            body = json.loads(await reader.readexactly(length) or b"{}")
            if not isinstance(body, dict):
                raise ValueError("a body that is no object")
            return body
    return {}


async def _send(writer: asyncio.StreamWriter, status: int, answer: dict[str, Any]) -> None:
    content = json.dumps(answer, sort_keys=True).encode()
    reason = {200: "OK", 404: "Not Found", 409: "Conflict"}[status]
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + content)
    await writer.drain()


async def _stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: AsyncIterator[dict[str, Any]]) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/jsonl\r\nConnection: close\r\n\r\n")
    left = asyncio.ensure_future(reader.read(1))  # the client sends nothing more: this ends when it leaves
    lines = answer.__aiter__()
    try:
        while True:
            following = asyncio.ensure_future(lines.__anext__())
            await asyncio.wait({left, following}, return_when=asyncio.FIRST_COMPLETED)
            if left.done():
                following.cancel()
                return
            writer.write(json.dumps(following.result()).encode() + b"\n")
            await writer.drain()
    except StopAsyncIteration:
        return
    finally:
        left.cancel()


def _remove_stale(path: Path) -> None:
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    probe.settimeout(1.0)
    try:
        with socket_address(path) as address:
            probe.connect(address)
    except FileNotFoundError:
        return
    except ConnectionRefusedError:
        path.unlink()  # its owner died without tidying up
        return
    finally:
        probe.close()
    raise OSError(f"{path}: another process answers there already; stop it first (tandem manager stop, or systemctl stop)")
