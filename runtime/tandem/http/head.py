"""Heads found in what arrives: ``HeadBuffer`` gives whole heads, refuses early what cannot become one, and looks at each byte once.

What could be understood in two ways is refused, never repaired: that is how requests are smuggled past a proxy (RFC 9112 11.2).
"""

from __future__ import annotations

import re

# Tokens and cookies are long, and a line may be as long as the head: RFC 9112 3 asks for 8000 bytes of a request line at least.
HEAD_BYTES_MAX = 65536
FIELDS_MAX = 100

_CR = 13
_EMPTY_LINES = re.compile(rb"(?:\r\n)+")
_RESPONSE_BEGINS = b"HTTP/1."
# What can be told of a request whose head is not whole, or not right: for the log, never for a decision.
_METHOD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}) ([\x21-\x7e]{0,8192})(?: HTTP/1\.([01])\r?\n)?")
_HOST = re.compile(rb"\nhost:[ \t]*([\x21-\x7e]{0,255})[ \t]*\r?\n", re.IGNORECASE)


class BadMessage(Exception):
    """A message that is not passed on. ``status`` is what the client is told; ``str()`` says why, for the log.

    The other attributes are what of a request could be read, for the log and for the form of the answer: b"" and 1 where nothing could.
    """

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status: int = status
        self.method: bytes = b""
        self.target: bytes = b""
        self.host: bytes = b""
        self.minor: int = 1

    def note_request(self, raw: bytes) -> None:
        """Takes down what can be read of the request that begins with ``raw``."""
        start = _METHOD.match(raw)
        if start is None:
            return
        self.method, self.target = start[1], start[2]
        if start[3] is not None:
            self.minor = 0 if start[3] == b"0" else 1
        host = _HOST.search(raw)
        if host is not None:
            self.host = host[1]


class HeadBuffer:
    """The bytes of a head until it is whole; one for each side of a connection, used for one head after the other.

    It remembers how far it has looked, so that a head costs the same in whatever pieces it comes. ``requests``: skips empty lines before a head
    (RFC 9112 2.2) and refuses with what a client is told; else every refusal is a 502. ``most``: the bytes of a head.
    """

    __slots__ = ("_fields", "_held", "_line", "_requests", "_searched", "most", "rest")

    def __init__(self, requests: bool, most: int = HEAD_BYTES_MAX) -> None:
        self.most = most
        self.rest: bytes = b""  # what came after the head that was returned; the caller takes it away
        self._requests = requests
        self._held = bytearray()
        self._line = 0  # where the line begins that has not ended yet
        self._searched = 0  # how far its end has been looked for
        self._fields = -1  # lines that have ended, without the start line

    @property
    def size(self) -> int:
        """Bytes held of a head that is not whole."""
        return len(self._held)

    def take(self, data: bytes) -> bytes:
        """Adds ``data`` and returns the next head, from the start line to the empty line, or b"" while it is not whole.

        Raises BadMessage (400, 414, 431; 502 of a server) as soon as it cannot become one. Bytes after the head are in ``rest``.
        """
        if not self._held:
            end = data.find(b"\r\n\r\n", 0, self.most) + 4
            # Such a head is not too long, and its reader looks for everything else.
            if end > 3 and data[0] != _CR:
                if end == len(data):
                    return data
                self.rest = data[end:]
                return data[:end]
        return self._gather(data)

    def refusal(self, status: int, why: str) -> BadMessage:
        """The refusal of what is held, say since its time is up, with what could be read of it."""
        bad = BadMessage(status if self._requests else 502, why)
        if self._requests:
            bad.note_request(bytes(self._held))
        return bad

    def _gather(self, data: bytes) -> bytes:
        held = self._held
        held += data
        if not self._line:
            self._require_a_beginning()
        while True:
            end = held.find(b"\n", self._searched) + 1
            if not end:
                break
            if held[end - 2 : end] != b"\r\n":
                raise self.refusal(400, "a line that ends with a bare LF (RFC 9112 2.2)")
            if end - self._line == 2:
                return self._whole(end)
            if end > self.most:
                raise self._too_long()
            self._searched = self._line = end
            self._fields += 1
            if self._fields > FIELDS_MAX:
                raise self.refusal(431, f"more than {FIELDS_MAX} fields")
        self._searched = len(held)
        if len(held) >= self.most:
            raise self._too_long()
        return b""

    def _whole(self, end: int) -> bytes:
        if end > self.most:
            raise self._too_long()
        held = self._held
        head = bytes(held[:end])
        self.rest = bytes(held[end:]) if end < len(held) else b""
        self._held = bytearray()
        self._line = self._searched = 0
        self._fields = -1
        return head

    def _require_a_beginning(self) -> None:
        """Skips empty lines, and refuses what is held if no head begins so."""
        held = self._held
        if not self._requests:
            if not _RESPONSE_BEGINS.startswith(held[: len(_RESPONSE_BEGINS)]):
                raise self.refusal(502, "a response head that is not HTTP/1.1 (RFC 9112 4)")
            return
        empty = _EMPTY_LINES.match(held)
        if empty is not None:
            del held[: empty.end()]
            self._searched = 0
        if held and not b"!" <= held[:1] <= b"~" and held != b"\r":
            raise self.refusal(400, "something that is not HTTP")  # TLS on a plain port, most often

    def _too_long(self) -> BadMessage:
        return self.refusal(431 if self._line else 414, f"a {'head' if self._line else 'request line'} longer than {self.most} bytes")
