"""A chunked body (RFC 9112 7.1) followed as it arrives, in whatever pieces; strict as ``http1``, and as free of sockets."""

from __future__ import annotations

import re

from .http1 import TOKEN, BadMessage

_CHUNK_LINE_BYTES_MAX = 1024
_TRAILER_BYTES_MAX = 8192
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})([ \t]*;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_TRAILERS = re.compile(rb"(?:" + TOKEN + rb":[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n")
_SIZE, _DATA, _DATA_END, _TRAILER, _DONE = range(5)


class ChunkedBody:
    """Follows a chunked body (RFC 9112 7.1) as it arrives and gives what to pass on.

    ``framed``: as chunks again, without extensions and trailers (RFC 9110 6.5.1 lets us drop them); else the bare content.
    """

    __slots__ = ("_framed", "_left", "_pending", "_state")

    def __init__(self, framed: bool = True) -> None:
        self._framed = framed
        self._pending = b""  # a line that has not arrived whole
        self._left = 0  # bytes of the current chunk still to come
        self._state = _SIZE

    def feed(self, data: bytes) -> tuple[list[bytes], int]:
        """(what to pass on, bytes of ``data`` used or -1 while the body goes on). Raises BadMessage 400."""
        kept = len(self._pending)
        if kept:
            data, self._pending = self._pending + data, b""
        out: list[bytes] = []
        at, size = 0, len(data)
        while at < size:
            if self._state == _DATA:
                take = min(self._left, size - at)
                out.append(data[at : at + take])
                at += take
                self._left -= take
                if not self._left:
                    self._state = _DATA_END
                continue
            end = self._line(data, at, out)
            if not end:
                self._pending = data[at:]
                return out, -1
            at = end
            if self._state == _DONE:
                return out, at - kept
        return out, -1

    def _line(self, data: bytes, at: int, out: list[bytes]) -> int:
        """Reads the line at ``at`` and returns where it ends; 0 while it is incomplete."""
        if self._state == _DATA_END:
            if len(data) - at < 2:
                if data[at : at + 1] not in (b"", b"\r"):
                    raise BadMessage(400, "a chunk that is longer than it says (RFC 9112 7.1)")
                return 0
            if data[at : at + 2] != b"\r\n":
                raise BadMessage(400, "a chunk that is longer than it says (RFC 9112 7.1)")
            self._state = _SIZE
            if self._framed:
                out.append(b"\r\n")
            return at + 2
        if self._state == _SIZE:
            return self._size_line(data, at, out)
        return self._trailer_section(data, at, out)

    def _size_line(self, data: bytes, at: int, out: list[bytes]) -> int:
        end = data.find(b"\n", at, at + _CHUNK_LINE_BYTES_MAX) + 1
        if not end:
            if len(data) - at >= _CHUNK_LINE_BYTES_MAX:
                raise BadMessage(400, "a chunk size line that is too long")
            return 0
        match = _CHUNK_SIZE.fullmatch(data, at, end)
        if match is None:
            raise BadMessage(400, "a chunk size that is not hexadecimal (RFC 9112 7.1)")
        self._left = int(match[1], 16)
        if self._left:
            self._state = _DATA
            if self._framed:
                out.append(match[1] + b"\r\n")
        else:
            self._state = _TRAILER
        return end

    def _trailer_section(self, data: bytes, at: int, out: list[bytes]) -> int:
        empty = data.startswith(b"\r\n", at)
        found = at if empty else data.find(b"\r\n\r\n", at)
        end = found + (2 if empty else 4) if found >= 0 else 0
        if (end or len(data)) - at > _TRAILER_BYTES_MAX:
            raise BadMessage(400, "a trailer section that is too long")
        if not end:
            return 0
        if _TRAILERS.fullmatch(data, at, end) is None:
            raise BadMessage(400, "a trailer section that is malformed (RFC 9112 7.1.2)")
        if self._framed:
            out.append(b"0\r\n\r\n")
        self._state = _DONE
        return end
