"""A check of type http: asks once, and reads the answer as leniently as it can be understood. Pure.

Nobody can be smuggled past a check, so this reader takes what the proxy's own refuses: bare line feeds, lengths that contradict each other, answers
of a script that end where the connection ends. It reads no more than it needs, and remembers how far it has searched, so that an answer that comes
byte by byte costs no more than one that comes whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Optional

from .._model import HealthCheck, status_ranges
from .body import wanted
from .conversation import Unreadable, Verdict, shown

HEAD_BYTES_MAX = 65536
BODY_BYTES_MAX = 65536
_CHUNKED_BYTES_MAX = 4 * BODY_BYTES_MAX  # the sizes of the chunks included
_OWN_FIELDS = (("User-Agent", "tandem-health-check"), ("Connection", "close"))

_BEGINNING = b"HTTP/"
_STATUS_LINE = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]+(\d{3})(?:[ \t].*)?", re.DOTALL)
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?", re.DOTALL)
_NO_BODY = (204, 304)  # RFC 9110 6.4.1
_REDIRECTS = (301, 302, 303, 307, 308)  # RFC 9110 15.4


_Step = Callable[["Answer"], Optional[Verdict]]


def request(check: HealthCheck, authority: str) -> bytes:
    lines = [f"{check.method} {check.path} HTTP/{check.http_version}", f"Host: {authority}"]
    given = {name.lower() for name in check.headers}
    lines += [f"{name}: {value}" for name, value in _OWN_FIELDS if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in check.headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Answer:
    """Asks for ``authority`` and reads one answer: ``feed`` gives the verdict as soon as it is known, and ``end`` when the connection has ended."""

    farewell = b""

    def __init__(self, check: HealthCheck, authority: str = "") -> None:
        self.opening = request(check, authority)
        self._check = check
        self._wanted = wanted(check.expect_body, check.expect_body_regex)
        self._buffer = bytearray()
        self._at = 0  # where the line begins that is being read
        self._searched = 0  # up to where there is no end of it
        self._status = 0
        self._chunked = False
        self._left: Optional[int] = None  # bytes of the body, or of the chunk, that are missing; None: until the connection ends
        self._raw = 0
        self._body_bytes = 0  # that were looked at
        self._step: _Step = Answer._status_line  # a bound method would make a circle, and work for the garbage collector

    def feed(self, data: bytes) -> Optional[Verdict]:
        """Takes what has come. None: the verdict depends on what follows."""
        self._buffer += data
        return self._read(self._step_on)

    def end(self) -> Verdict:
        """The verdict when nothing more comes."""
        verdict = self._read(self._at_end)
        assert verdict is not None
        return verdict

    def _read(self, step: Callable[[], Optional[Verdict]]) -> Optional[Verdict]:
        try:
            return step()
        except Unreadable as error:
            return False, f"no valid HTTP answer ({error})"

    def _step_on(self) -> Optional[Verdict]:
        while True:
            step = self._step
            verdict = step(self)
            if verdict is not None or self._step == step:
                return verdict

    def _at_end(self) -> Verdict:
        if self._step not in (Answer._status_line, Answer._fields):
            return self._body_ended() if self._step == Answer._plain and self._left is None else self._not_there("is not in the body")
        begun = bytes(self._buffer[self._at :])
        if self._step == Answer._fields and not begun:  # a script's whole answer may be its first line
            verdict = self._after_head()
            if verdict is not None:
                return verdict
            if self._step != Answer._status_line:
                return self._body_ended()
        if not begun:
            raise Unreadable("the connection was closed without one")
        if self._step == Answer._status_line:
            self._refuse_what_is_no_status_line(begun)
        raise Unreadable("the connection was closed in the middle of its head")

    # The head

    def _line(self) -> Optional[bytes]:
        """The next line, without what ends it: a line feed, with carriage returns before it or not. None while it is not whole."""
        end = self._buffer.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._buffer)
            return None
        line = bytes(self._buffer[self._at : end]).rstrip(b"\r")
        self._at = self._searched = end + 1
        return line

    def _head_line(self) -> Optional[bytes]:
        line = self._line()
        if (self._at if line is not None else len(self._buffer)) > HEAD_BYTES_MAX:
            raise Unreadable(f"its head has more than {HEAD_BYTES_MAX // 1024} KiB")
        return line

    def _status_line(self) -> Optional[Verdict]:
        line: Optional[bytes] = b""
        while line == b"":  # empty ones before it mean nothing
            line = self._head_line()
        if line is None:
            if len(self._buffer) - self._at >= len(_BEGINNING):
                self._refuse_what_is_no_status_line(bytes(self._buffer[self._at :]))
            return None
        self._refuse_what_is_no_status_line(line)
        match = _STATUS_LINE.fullmatch(line)
        if match is None:
            raise Unreadable(f"its first line is {shown(line)}, which has no status of three digits")
        self._status = int(match[1])
        self._step = Answer._fields
        return None

    def _refuse_what_is_no_status_line(self, line: bytes) -> None:
        if not line.startswith(_BEGINNING):
            raise Unreadable(f"it begins with {shown(line)} instead of HTTP and a status")
        if line.startswith(b"HTTP/0"):
            raise Unreadable(f"it begins with {shown(line)}, and HTTP before 1.0 tells no status")

    def _fields(self) -> Optional[Verdict]:
        while True:
            line = self._head_line()
            if line is None:
                return None
            if not line:
                return self._after_head()
            name, _colon, value = line.partition(b":")
            name, value = name.strip().lower(), value.strip()
            if name == b"transfer-encoding":
                self._chunked = value.lower().endswith(b"chunked")
            elif name == b"content-length" and value.isdigit() and len(value) < 20:
                self._left = int(value)

    def _after_head(self) -> Optional[Verdict]:
        if self._status < 200 and self._status != 101:  # an interim one; the answer follows (RFC 9110 15.2)
            self._chunked, self._left, self._step = False, None, Answer._status_line
            return None
        check = self._check
        if not any(low <= self._status <= high for low, high in status_ranges(check.expect_status)):
            what = " (a redirect)" if self._status in _REDIRECTS else ""
            return False, f"status {self._status}{what}, expected {check.expect_status}"
        if self._wanted is None:
            return True, f"status {self._status}"
        if check.method == "HEAD" or self._status in _NO_BODY:
            return self._not_there("cannot come, as this answer has no body")
        del self._buffer[: self._at]
        self._at = self._searched = 0
        self._step = Answer._chunk_size if self._chunked else Answer._plain
        return None

    # The body

    def _plain(self) -> Optional[Verdict]:
        taken = len(self._buffer) if self._left is None else min(self._left, len(self._buffer))
        verdict = self._search(taken)
        if self._left is not None:
            self._left -= taken
        return self._body_ended() if verdict is None and self._left == 0 else verdict

    def _chunk_size(self) -> Optional[Verdict]:
        line: Optional[bytes] = b""
        while line == b"":  # what ends the chunk before
            line = self._line()
        if self._raw + (len(self._buffer) if line is None else self._at) > _CHUNKED_BYTES_MAX:
            return self._too_long()
        if line is None:
            return None
        match = _CHUNK_SIZE.fullmatch(line)
        if match is None:
            raise Unreadable(f"a chunk's size is {shown(line)}, which is no hexadecimal number")
        self._left = int(match[1], 16)
        self._raw += self._at
        del self._buffer[: self._at]
        self._at = self._searched = 0
        self._step = Answer._chunk
        return self._body_ended() if self._left == 0 else None

    def _chunk(self) -> Optional[Verdict]:
        taken = min(self._left or 0, len(self._buffer))
        verdict = self._search(taken)
        self._raw += taken
        self._left = (self._left or 0) - taken
        if verdict is None and not self._left:
            self._step = Answer._chunk_size
        return verdict

    def _search(self, taken: int) -> Optional[Verdict]:
        """Takes so many bytes of the body, and tells whether what is wanted has become whole."""
        assert self._wanted is not None
        piece = bytes(self._buffer[: min(taken, BODY_BYTES_MAX - self._body_bytes)])
        del self._buffer[:taken]
        self._body_bytes += len(piece)
        is_there = self._wanted.feed(piece)
        if is_there is not None:
            return (True, f"status {self._status}") if is_there else self._not_there("is not in the body")
        return self._too_long() if self._body_bytes >= BODY_BYTES_MAX else None

    def _body_ended(self) -> Verdict:
        assert self._wanted is not None
        return (True, f"status {self._status}") if self._wanted.end() else self._not_there("is not in the body")

    def _too_long(self) -> Verdict:
        return self._not_there(f"is not in the first {BODY_BYTES_MAX // 1024} KiB of the body")

    def _not_there(self, how: str) -> Verdict:
        assert self._wanted is not None
        return False, f"status {self._status}, but {self._wanted.words} {how}"
