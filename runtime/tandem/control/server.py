"""Serves one control socket. Trusted local clients, few requests: asyncio's streams serve well here."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any, Optional, Union

from .. import json_slices
from .._paths import socket_address
from ..log import say
from .answers import send

_HEAD_BYTES_MAX = 16384
_BODY_BYTES_MAX = 1024 * 1024
_REQUEST_S_MAX = 10.0
_CLIENTS_MAX = 256

Answer = Union[dict[str, Any], AsyncGenerator[dict[str, Any], None]]
Handler = Callable[[dict[str, Any]], Awaitable[Answer]]


class Refusal(Exception):
    """The request is understood and refused (409): ``str()`` is the reason, ``problems`` the list behind it."""

    def __init__(self, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class _Unreadable(Exception):
    """What came is no request: ``status`` and the reason."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


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
        except OSError as error:
            say("warning", f"control socket: a client left before its answer ({error})")
        except asyncio.CancelledError:
            pass  # by stop(): this task ends here, and asyncio's streams would log a traceback for one that is cancelled
        finally:
            if task is not None:
                self._clients.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if len(self._clients) > _CLIENTS_MAX:
                raise _Unreadable(503, f"{_CLIENTS_MAX} clients are connected already")
            request = await asyncio.wait_for(_read_request(reader), _REQUEST_S_MAX)
        except asyncio.TimeoutError:
            await _send_error(writer, 408, f"no whole request within {_REQUEST_S_MAX:g} s")
            return
        except _Unreadable as error:
            await _send_error(writer, error.status, str(error))
            return
        if request is None:
            return  # somebody only looked whether we answer
        handler = self._routes.get(request[0])
        if handler is None:
            await _send_error(writer, 404, f"no such request; known are {', '.join(sorted(self._routes))}")
            return
        try:
            answer = await handler(request[1])
        except Refusal as refusal:
            await _send_error(writer, 409, str(refusal), refusal.problems)
            return
        except Exception as error:  # noqa: BLE001 - an error of the program: the log gets all of it, the client gets an answer
            say("error", f"control socket: {request[0]}: {traceback.format_exc()}")
            await _send_error(writer, 500, f"an error of the program ({error!r}); its log has the details")
            return
        if isinstance(answer, dict):
            await _send(writer, 200, answer)
        else:
            await _stream(reader, writer, answer)


async def _read_request(reader: asyncio.StreamReader) -> Optional[tuple[str, dict[str, Any]]]:
    """("METHOD /target", body); None when the client leaves without a word. Raises _Unreadable."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        parts = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise _Unreadable(400, "this is no HTTP/1.1 request")
        return f"{parts[0]} {parts[1]}", await _read_body(reader, head)
    except asyncio.LimitOverrunError:
        raise _Unreadable(413, f"a request head is at most {_HEAD_BYTES_MAX} bytes") from None
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise _Unreadable(400, "the request ends before it is complete") from None
        return None


async def _read_body(reader: asyncio.StreamReader, head: bytes) -> dict[str, Any]:
    for line in head.split(b"\r\n")[1:]:
        name, _colon, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            if not value.strip().isdigit():
                raise _Unreadable(400, "Content-Length is no number")
            if len(value) > 20 or int(value) > _BODY_BYTES_MAX:
                raise _Unreadable(413, f"a body is at most {_BODY_BYTES_MAX} bytes")
            return _object(await reader.readexactly(int(value)))
    return {}


def _object(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise _Unreadable(400, "the body is not a JSON object")
    return body


async def _send_error(writer: asyncio.StreamWriter, status: int, message: str, problems: tuple[str, ...] = ()) -> None:
    await _send(writer, status, {"error": {"message": message, "problems": list(problems)}})


async def _send(writer: asyncio.StreamWriter, status: int, answer: dict[str, Any]) -> None:
    # An answer may be megabytes: it is written in a thread.
    await send(writer, status, "application/json", await asyncio.get_running_loop().run_in_executor(None, json_slices.dumps, answer))


async def _stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: AsyncGenerator[dict[str, Any], None]) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/jsonl\r\nConnection: close\r\n\r\n")
    left = asyncio.ensure_future(reader.read(1))  # the client sends nothing more: this ends when it leaves
    following: Optional[asyncio.Future[dict[str, Any]]] = None
    try:
        while True:
            following = asyncio.ensure_future(answer.__anext__())
            await asyncio.wait({left, following}, return_when=asyncio.FIRST_COMPLETED)
            if left.done():
                left.exception()  # how it left does not matter
                return
            writer.write(json.dumps(following.result()).encode() + b"\n")
            await writer.drain()
    except StopAsyncIteration:
        return
    finally:
        left.cancel()
        if following is not None:
            following.cancel()
            await asyncio.wait({following})
        await answer.aclose()  # now, and not when it is collected: its end may mean something


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
