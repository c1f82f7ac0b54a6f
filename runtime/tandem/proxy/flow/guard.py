"""A stranger on a TCP frontend where others are trusted to say whose their connections are: if it says so too, its connection breaks, so that no
server behind takes its word.
"""

from __future__ import annotations

import socket
from typing import Optional

from ...http.body import Bytes
from ...wire.proxy_protocol import BEGINNINGS


class HeaderGuard:
    """A plain socket; its first bytes are looked at as they pass."""

    __slots__ = ("_first", "_sock")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._first: Optional[bytes] = b""  # while it may still become the beginning of a header

    def _look(self, data: bytes) -> None:
        first = (self._first or b"") + data
        if first.startswith(BEGINNINGS):
            raise ConnectionAbortedError("a header of the PROXY protocol from one that is not trusted")
        self._first = first if any(beginning.startswith(first) for beginning in BEGINNINGS) else None

    def recv(self, size: int) -> bytes:
        data = self._sock.recv(size)
        if self._first is not None:
            self._look(data[:12])
        return data

    def recv_into(self, buffer: memoryview, most: int) -> int:
        size = self._sock.recv_into(buffer, most)
        if self._first is not None:
            self._look(bytes(buffer[:size])[:12])
        return size

    def send(self, data: Bytes) -> int:
        return self._sock.send(data)

    def shutdown(self, how: int) -> None:
        self._sock.shutdown(how)

    def setsockopt(self, level: int, option: int, value: bytes) -> None:
        self._sock.setsockopt(level, option, value)

    def getsockname(self) -> tuple[str, int]:
        address: tuple[str, int] = self._sock.getsockname()
        return address

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()
