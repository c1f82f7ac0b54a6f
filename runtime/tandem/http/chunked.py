"""A chunked body (RFC 9112 7.1) followed as it arrives, in whatever pieces; strict as all that reads messages here, and as free of sockets."""

from __future__ import annotations

import re

from .body import Data
from .fields import TOKEN
from .head import BadMessage

_LINE_BYTES_MAX = 1024
_TRAILER_BYTES_MAX = 8192
_QUOTED = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
_EXTENSIONS = rb"(?:[ \t]*;[ \t]*" + TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + TOKEN + rb"|" + _QUOTED + rb"))?)*"  # RFC 9112 7.1.1
_SIZE_LINE = re.compile(rb"([0-9a-fA-F]{1,15})" + _EXTENSIONS + rb"\r\n")
_PADDED_SIZE_LINE = re.compile(rb"([0-9a-fA-F]{1,15})" + _EXTENSIONS + rb"[ \t]*\r\n")
_TRAILER_LINE = re.compile(rb"(" + TOKEN + rb"):[\t\x20-\x7e\x80-\xff]*\r\n")
_ANY = 1 << 62  # bytes of content
_CR, _LF = b"\r\n"
_NOTHING = bytearray()  # never added to
_SIZE, _TRAILER, _DATA, _DATA_CR, _DATA_LF, _DONE = range(6)

# What a trailer may not say, since it comes too late to be heeded, or would be heeded by some only (RFC 9110 6.5.1): framing, routing,
# conditions and control, authentication, how content is to be read, what concerns one connection, and who the client is.
_NOT_IN_TRAILERS = frozenset(
    (
        b"content-length transfer-encoding trailer te host max-forwards expect range if-match if-none-match if-modified-since if-unmodified-since"
        b" if-range cache-control pragma age date expires location retry-after vary warning authorization proxy-authorization www-authenticate"
        b" proxy-authenticate authentication-info proxy-authentication-info cookie set-cookie content-encoding content-type content-range"
        b" connection keep-alive proxy-connection upgrade http2-settings via forwarded x-real-ip"
    ).split()
)


class ChunkedBody:
    """Follows a chunked body as it arrives and gives what to pass on, of which only those parts are made anew that may not pass as they came.

    ``framed``: as chunks again, without their extensions; else the bare content. ``trailers``: whether trailer fields pass, of those that may
    (RFC 9110 6.5.1). ``padded``: whether blanks after a chunk's size are read, as some servers write them; from clients they are refused.
    ``most``: the bytes of content that it may have, 0 for any number.
    """

    __slots__ = ("_framed", "_left", "_line", "_most", "_run", "_size_line", "_state", "_trailer_bytes", "_trailers", "_written")

    def __init__(self, framed: bool = True, trailers: bool = True, padded: bool = False, most: int = 0) -> None:
        self._framed = framed
        self._most = most or _ANY
        self._trailers = trailers
        self._size_line = _PADDED_SIZE_LINE if padded else _SIZE_LINE
        self._state = _SIZE
        self._left = 0  # bytes of the current chunk still to come
        self._run = 0  # where in what is fed the bytes begin that pass as they came
        self._line = _NOTHING  # a line that has not arrived whole
        self._trailer_bytes = 0
        self._written = _NOTHING  # the last chunk and the trailers that pass: they go on when all has ended well

    def feed(self, content: Data) -> tuple[list[Data], int]:
        """(what to pass on, bytes of ``content`` used or -1 while the body goes on). Raises BadMessage 400, or 413."""
        size = len(content)
        if self._state == _DATA and size < self._left:
            self._left -= size
            return [content], -1
        data = bytes(content)
        out: list[Data] = []
        self._run = at = 0
        while at < size:
            if self._state == _DATA:
                step = min(self._left, size - at)
                at += step
                self._left -= step
                if not self._left:
                    self._state = _DATA_CR
                    if not self._framed:
                        self._flush(data, at, out)
            elif self._state > _DATA:
                at = self._end_of_data(data, at)
                if not self._framed:
                    self._run = at
            else:
                end = self._line_end(data, at)
                if not end:
                    self._flush(data, at, out)
                    if self._line:
                        self._line += data[at:]
                    else:
                        self._line = bytearray(data[at:])
                    return out, -1
                at = self._read_line(data, at, end, out)
                if self._state == _DONE:
                    return out, at
        self._flush(data, size, out)
        return out, -1

    def _flush(self, data: bytes, at: int, out: list[Data]) -> None:
        if self._run < at:
            whole = self._run == 0 and at == len(data)
            out.append(data if whole else data[self._run : at])  # a slice of all is a copy in compiled code
        self._run = at

    def _end_of_data(self, data: bytes, at: int) -> int:
        """Reads what of a chunk's own CR LF has come, and returns where it ends."""
        if self._state == _DATA_CR:
            if data.startswith(b"\r\n", at):
                self._state = _SIZE
                return at + 2
            if data[at] == _CR and at + 1 == len(data):
                self._state = _DATA_LF
                return at + 1
        elif data[at] == _LF:
            self._state = _SIZE
            return at + 1
        raise BadMessage(400, "a chunk that is longer than it says (RFC 9112 7.1)")

    def _line_end(self, data: bytes, at: int) -> int:
        """Where the line ends that goes on at ``at``; 0 while it is not whole."""
        if self._state == _SIZE:
            left = _LINE_BYTES_MAX - len(self._line)
            why = "a chunk size line that is too long"
        else:
            left = _TRAILER_BYTES_MAX - len(self._line) - self._trailer_bytes
            why = "a trailer section that is too long"
        end = data.find(b"\n", at, at + left) + 1
        if not end and len(data) - at >= left:
            raise BadMessage(400, why)
        return end

    def _read_line(self, data: bytes, at: int, end: int, out: list[Data]) -> int:
        """Reads a whole line, of which the last part lies from ``at`` to ``end``, and returns how far the body has been read."""
        held = len(self._line) > 0
        line = data[at:end]
        if held:
            self._line += line
            line = bytes(self._line)
            self._line = _NOTHING
        if self._state == _TRAILER:
            self._read_trailer(line)
            if self._state == _DONE and self._framed:
                out.append(bytes(self._written))
            self._run = end
            return end
        digits = self._read_size(line)
        if self._state == _DATA:
            if not self._framed:
                self._run = end
            elif held or len(digits) + 2 != len(line):
                self._flush(data, at, out)
                out.append(digits + b"\r\n")
                self._run = end
            return end
        if line == b"0\r\n" and not held and self._framed and data.startswith(b"\r\n", end):
            self._state = _DONE  # no trailers, as nearly always
            self._flush(data, end + 2, out)
            return end + 2
        self._flush(data, at, out)
        self._run = end
        self._written = bytearray(b"0\r\n")
        return end

    def _read_size(self, line: bytes) -> bytes:
        match = self._size_line.fullmatch(line)
        if match is None:
            raise BadMessage(400, "a chunk size that is not hexadecimal, or an extension that is none (RFC 9112 7.1)")
        digits = match[1]
        self._left = int(digits, 16)
        self._most -= self._left
        if self._most < 0:
            raise BadMessage(413, "a body that is longer than max_body")
        self._state = _DATA if self._left else _TRAILER
        return digits

    def _read_trailer(self, line: bytes) -> None:
        if line == b"\r\n":
            self._written += line
            self._state = _DONE
            return
        match = _TRAILER_LINE.fullmatch(line)
        if match is None:
            raise BadMessage(400, "a trailer section that is malformed (RFC 9112 7.1.2)")
        self._trailer_bytes += len(line)
        if self._trailers and _passes(match[1].lower()):
            self._written += line


def _passes(name: bytes) -> bool:
    """Whether a trailer field may pass; those with an underscore may be another's look-alike."""
    return name not in _NOT_IN_TRAILERS and b"_" not in name and not name.startswith(b"x-forwarded-")
