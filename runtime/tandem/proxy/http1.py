"""HTTP/1.1 messages as bytes: reads heads and body framing, strictly, and writes heads for the other side. No sockets, no clock.

One compiled expression validates and splits a whole head, a second finds the few fields that concern a proxy; everything else passes as it
came. What could be understood in two ways is refused, never repaired: that is how requests are smuggled (RFC 9112 11.2).
"""

from __future__ import annotations

import re
from typing import Optional

HEAD_BYTES_MAX = 65536
LINE_BYTES_MAX = 8192  # RFC 9112 3 asks for 8000 at least
FIELDS_MAX = 100
_CHUNK_LINE_BYTES_MAX = 1024
_TRAILER_BYTES_MAX = 8192

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_FIELDS = rb"((?:" + _TOKEN + rb":[\t\x20-\x7e\x80-\xff]*\r\n)*)\r\n"
_REQUEST = re.compile(rb"(" + _TOKEN + rb") ([\x21-\x7e]+) HTTP/1\.([01])\r\n" + _FIELDS)
_RESPONSE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n" + _FIELDS)
# Searched in the head in lower case; the offsets hold for the head as it came.
_REQUEST_CONCERNS = re.compile(
    rb"\n(host|connection|content-length|transfer-encoding|expect|upgrade|cookie|x-forwarded-for|x-forwarded-proto"
    rb"|keep-alive|te|trailer|proxy-connection):[ \t]*([^\r]*)"
)
_RESPONSE_CONCERNS = re.compile(rb"\n(connection|content-length|transfer-encoding|keep-alive|upgrade|trailer|proxy-connection):[ \t]*([^\r]*)")
_REQUEST_START = re.compile(rb"(" + _TOKEN + rb") ([\x21-\x7e]+) HTTP/(\d)\.(\d)\r\n")
_CONTENT_LENGTH = re.compile(rb"[0-9]{1,18}")
_HOST = re.compile(rb"(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._~%!$&'()*+;=-]*)(?::[0-9]{0,5})?")
_ABSOLUTE = re.compile(rb"https?://([^/?#@]+)(.*)", re.IGNORECASE)
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})([ \t]*;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_TRAILERS = re.compile(rb"(?:" + _TOKEN + rb":[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n")

_IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"))  # RFC 9110 9.2.2

REASONS = {
    400: b"Bad Request",
    408: b"Request Timeout",
    413: b"Content Too Large",
    414: b"URI Too Long",
    417: b"Expectation Failed",
    431: b"Request Header Fields Too Large",
    501: b"Not Implemented",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
    505: b"HTTP Version Not Supported",
}


class BadMessage(Exception):
    """A message that is not passed on. ``status`` is what the client is told; ``str()`` says why, for the log."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Head:
    """What a request's or response's head says about itself. ``length`` is the body's bytes; None with ``chunked`` or ``until_close``."""

    __slots__ = (
        "chunked",
        "cookie",
        "cuts",
        "expects_continue",
        "fields_start",
        "forwarded_for",
        "host",
        "keep_alive",
        "length",
        "method",
        "minor",
        "raw",
        "status",
        "target",
        "until_close",
        "upgrade",
    )

    def __init__(self, raw: bytes, minor: int, fields_start: int) -> None:
        self.raw = raw
        self.minor = minor
        self.fields_start = fields_start
        self.method = b""
        self.target = b""
        self.status = 0
        self.host = b""
        self.length: Optional[int] = 0
        self.chunked = False
        self.until_close = False
        self.keep_alive = minor == 1
        self.upgrade = b""
        self.expects_continue = False
        self.cookie = b""
        self.forwarded_for = b""
        self.cuts: list[tuple[int, int]] = []

    @property
    def idempotent(self) -> bool:
        return self.method in _IDEMPOTENT

    @property
    def path(self) -> bytes:
        """The target without its query."""
        return self.target.partition(b"?")[0]

    @property
    def route_host(self) -> bytes:
        """The host in lower case without port, as routes compare it (RFC 9110 4.2.3)."""
        host = self.host.lower()
        if host.startswith(b"["):
            return host.partition(b"]")[0] + b"]"
        return host.partition(b":")[0].rstrip(b".")

    def field(self, name: bytes) -> bytes:
        """The first value of any field, for logs; b"" where it is missing."""
        match = re.search(rb"\n" + re.escape(name) + rb":[ \t]*([^\r]*)", self.raw, re.IGNORECASE)
        return match[1].rstrip(b" \t") if match else b""

    def cut_field(self, name: bytes) -> None:
        """Leaves out every field of that name when the head is written."""
        for match in re.finditer(rb"\n(" + re.escape(name) + rb":[^\r]*\r\n)", self.raw, re.IGNORECASE):
            self.cuts.append((match.start(1), match.end(1)))


def head_end(buffer: bytes) -> int:
    """Where the head in ``buffer`` ends, or 0 while it is incomplete. Raises BadMessage (431, 414) past the limits."""
    end = buffer.find(b"\r\n\r\n", 0, HEAD_BYTES_MAX) + 4
    if end > 3:
        if end > LINE_BYTES_MAX:
            _require_short_lines(buffer[:end])
        return end
    if len(buffer) > LINE_BYTES_MAX:
        _require_short_lines(buffer)
        if len(buffer) >= HEAD_BYTES_MAX:
            raise BadMessage(431, f"a head longer than {HEAD_BYTES_MAX} bytes")
    return 0


def read_request(raw: bytes) -> Head:
    """The request whose head is ``raw`` (from the start line to the empty line). Raises BadMessage."""
    match = _REQUEST.fullmatch(raw)
    if match is None:
        raise _why_not_a_request(raw)
    head = Head(raw, 0 if match[3] == b"0" else 1, match.start(4))
    head.method, head.target = match[1], match[2]
    if raw.count(b"\n", match.start(4)) > FIELDS_MAX + 1:
        raise BadMessage(431, f"more than {FIELDS_MAX} fields")
    seen: dict[bytes, bytes] = {}
    for concern in _REQUEST_CONCERNS.finditer(raw.lower(), match.start(4) - 1):
        _note_request_field(head, seen, concern[1], raw[concern.start(2) : concern.end(2)].rstrip(b" \t"), concern)
    _settle_target(head, b"host" in seen)
    _frame_request(head, seen)
    return head


def read_response(raw: bytes, request_method: bytes) -> Head:
    """The response whose head is ``raw``, to a request of that method. Raises BadMessage with status 502."""
    match = _RESPONSE.fullmatch(raw)
    if match is None:
        raise BadMessage(502, "a response head that is not HTTP/1.1 (RFC 9112 4)")
    head = Head(raw, 0 if match[1] == b"0" else 1, match.start(4))
    head.status = int(match[2])
    seen: dict[bytes, bytes] = {}
    for concern in _RESPONSE_CONCERNS.finditer(raw.lower(), match.start(4) - 1):
        name, value = concern[1], raw[concern.start(2) : concern.end(2)].rstrip(b" \t")
        if name in seen and name in (b"content-length", b"transfer-encoding"):
            raise BadMessage(502, f"more than one {name.decode()} in a response (RFC 9112 6.3)")
        seen[name] = seen[name] + b"," + value if name in seen else value
        if name not in (b"content-length", b"transfer-encoding"):
            head.cuts.append((concern.start() + 1, concern.end() + 2))
    _settle_connection(head, seen)
    _frame_response(head, seen, request_method)
    return head


def request_head(head: Head, client: bytes, forwarded_for: str, drop_cookie: bytes = b"") -> bytes:
    """The head to send to a server: hop-by-hop fields gone, X-Forwarded-For, X-Forwarded-Proto and Via as RFC 9110 7.6 and custom ask.

    ``drop_cookie`` names the sticky cookie, which servers do not see.
    """
    parts = [b"%b %b HTTP/1.1\r\n" % (head.method, head.target), _kept_fields(head)]
    if drop_cookie and head.cookie:
        rest = b"; ".join(pair for pair in _cookie_pairs(head.cookie) if pair.partition(b"=")[0].strip() != drop_cookie)
        parts.append(b"Cookie: %b\r\n" % rest if rest else b"")
    elif head.cookie:
        parts.append(b"Cookie: %b\r\n" % head.cookie)
    if forwarded_for == "append" and head.forwarded_for:
        parts.append(b"X-Forwarded-For: %b, %b\r\nX-Forwarded-Proto: http\r\n" % (head.forwarded_for, client))
    elif forwarded_for != "none":
        parts.append(b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: http\r\n" % client)
    elif head.forwarded_for:
        parts.append(b"X-Forwarded-For: %b\r\n" % head.forwarded_for)
    parts.append(b"Via: 1.%d tandem\r\n" % head.minor)
    if head.upgrade:
        parts.append(b"Connection: upgrade\r\nUpgrade: %b\r\n" % head.upgrade)
    parts.append(b"\r\n")
    return b"".join(parts)


def response_head(head: Head, connection: bytes, extra: bytes = b"") -> bytes:
    """The head to send to the client. ``connection`` is the value of Connection, b"" for none; ``extra`` whole further fields."""
    end = head.raw.index(b"\r\n")
    tail = b"Connection: %b\r\n" % connection if connection else b""
    if head.upgrade and head.status == 101:
        tail += b"Upgrade: %b\r\n" % head.upgrade
    return b"HTTP/1.1%b\r\n%b%b%b\r\n" % (head.raw[8:end], _kept_fields(head), extra, tail)


def cookie_value(cookie: bytes, name: bytes) -> bytes:
    """The value of the named cookie in a Cookie field (RFC 6265 5.4); b"" where it is missing."""
    for pair in _cookie_pairs(cookie):
        key, _equals, value = pair.partition(b"=")
        if key.strip() == name:
            return value.strip()
    return b""


def error_response(status: int, head_only: bool = False) -> bytes:
    """A short page of our own; the connection ends with it."""
    reason = REASONS[status]
    page = b"<!doctype html><title>%d %b</title><h1>%d %b</h1>\n" % (status, reason, status, reason)
    return (
        b"HTTP/1.1 %d %b\r\nContent-Type: text/html\r\nContent-Length: %d\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n"
        % (status, reason, len(page))
    ) + (b"" if head_only else page)


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
                if len(self._pending) > _TRAILER_BYTES_MAX:
                    raise BadMessage(400, "a chunk line or trailer section that is too long")
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
        if found < 0:
            return 0
        end = found + (2 if empty else 4)
        if _TRAILERS.fullmatch(data, at, end) is None:
            raise BadMessage(400, "a trailer section that is malformed (RFC 9112 7.1.2)")
        if self._framed:
            out.append(b"0\r\n\r\n")
        self._state = _DONE
        return end


_SIZE, _DATA, _DATA_END, _TRAILER, _DONE = range(5)


def _require_short_lines(raw: bytes) -> None:
    for number, line in enumerate(raw.split(b"\n")):
        if len(line) > LINE_BYTES_MAX:
            raise BadMessage(414 if number == 0 else 431, f"a line longer than {LINE_BYTES_MAX} bytes")


def _why_not_a_request(raw: bytes) -> BadMessage:
    start = _REQUEST_START.match(raw)
    if start is None:
        return BadMessage(400, "a request line that is malformed (RFC 9112 3)")
    if (start[3], start[4]) not in ((b"1", b"0"), (b"1", b"1")):
        return BadMessage(505, "a version that is not HTTP/1.0 or 1.1")
    return BadMessage(400, "a field line that is malformed (RFC 9112 5)")


def _note_request_field(head: Head, seen: dict[bytes, bytes], name: bytes, value: bytes, concern: re.Match[bytes]) -> None:
    if name in seen:
        # Two of these could be read by two parties as two different messages (RFC 9112 3.2, 6.3).
        if name in (b"host", b"content-length", b"transfer-encoding"):
            raise BadMessage(400, f"more than one {name.decode()}")
        value = seen[name] + (b"; " if name == b"cookie" else b", ") + value
    seen[name] = value
    if name == b"host":
        if _HOST.fullmatch(value) is None:
            raise BadMessage(400, "a Host that is malformed (RFC 9112 3.2)")
        head.host = value
        return
    if name in (b"content-length", b"transfer-encoding"):
        return
    if name == b"expect":
        if value.lower() != b"100-continue":
            raise BadMessage(417, "an expectation other than 100-continue (RFC 9110 10.1.1)")
        head.expects_continue = True
        return
    head.cuts.append((concern.start() + 1, concern.end() + 2))
    if name == b"cookie":
        head.cookie = value
    elif name == b"x-forwarded-for":
        head.forwarded_for = value


def _settle_target(head: Head, has_host: bool) -> None:
    if head.method == b"CONNECT":
        raise BadMessage(501, "CONNECT, which a reverse proxy does not serve")
    if not head.target.startswith(b"/"):
        absolute = _ABSOLUTE.fullmatch(head.target)
        if absolute and _HOST.fullmatch(absolute[1]):
            # RFC 9112 3.2.2: the authority of an absolute-form target replaces Host.
            head.target = absolute[2] if absolute[2].startswith(b"/") else b"/" + absolute[2]
            if head.host != absolute[1] and has_host:
                head.cut_field(b"host")
                has_host = False
            head.host = absolute[1]
            if not has_host:
                head.raw = head.raw[: head.fields_start] + b"Host: %b\r\n" % head.host + head.raw[head.fields_start :]
                shift = len(head.host) + 8
                head.cuts = [(start + shift, end + shift) for start, end in head.cuts]
            return
        if not (head.method == b"OPTIONS" and head.target == b"*"):
            raise BadMessage(400, "a request target in none of the forms of RFC 9112 3.2")
    if not has_host and head.minor == 1:
        raise BadMessage(400, "no Host (RFC 9112 3.2)")


def _settle_connection(head: Head, seen: dict[bytes, bytes]) -> None:
    """Connection's options, and away with the fields it names (RFC 9110 7.6.1)."""
    connection = seen.get(b"connection")
    if connection is None:
        return
    options = {option.strip() for option in connection.lower().split(b",")}
    if b"close" in options:
        head.keep_alive = False
    elif b"keep-alive" in options:
        head.keep_alive = True
    if b"upgrade" in options and head.minor == 1:
        head.upgrade = seen.get(b"upgrade", b"")
    for name in options - {b"close", b"keep-alive", b"upgrade", b""}:
        # Framing and routing fields are never hop-by-hop, whatever Connection says: dropping them would change the message.
        if name not in seen and name not in (b"host", b"content-length", b"transfer-encoding", b"expect"):
            head.cut_field(name)


def _frame_request(head: Head, seen: dict[bytes, bytes]) -> None:
    """RFC 9112 6.3, the strict reading."""
    _settle_connection(head, seen)
    coding, length = seen.get(b"transfer-encoding"), seen.get(b"content-length")
    if coding is not None:
        if length is not None:
            raise BadMessage(400, "both Transfer-Encoding and Content-Length (RFC 9112 6.1)")
        if head.minor == 0:
            raise BadMessage(400, "Transfer-Encoding in HTTP/1.0 (RFC 9112 6.1)")
        if coding.lower() != b"chunked":
            status = 501 if b"chunked" not in coding.lower() else 400
            raise BadMessage(status, "a transfer coding other than chunked (RFC 9112 6.1)")
        head.chunked, head.length = True, None
    elif length is not None:
        if _CONTENT_LENGTH.fullmatch(length) is None:
            raise BadMessage(400, "a Content-Length that is not a number (RFC 9112 6.3)")
        head.length = int(length)
    if head.upgrade and (head.chunked or head.length):
        head.upgrade = b""  # no protocol is switched with a body under way; RFC 9110 7.8 lets us ignore it
    if head.minor == 0:
        head.expects_continue = False


def _frame_response(head: Head, seen: dict[bytes, bytes], request_method: bytes) -> None:
    """RFC 9112 6.3 for responses."""
    coding, length = seen.get(b"transfer-encoding"), seen.get(b"content-length")
    if coding is not None and length is not None:
        raise BadMessage(502, "both Transfer-Encoding and Content-Length in a response (RFC 9112 6.3)")
    if length is not None and _CONTENT_LENGTH.fullmatch(length) is None:
        raise BadMessage(502, "a Content-Length that is not a number in a response (RFC 9112 6.3)")
    if head.status == 101:
        head.upgrade = seen.get(b"upgrade", b"")
    if request_method == b"HEAD" or head.status < 200 or head.status in (204, 304):
        head.length = 0
    elif coding is not None:
        if coding.lower() != b"chunked" or head.minor == 0:
            raise BadMessage(502, "a transfer coding other than chunked in a response (RFC 9112 6.1)")
        head.chunked, head.length = True, None
    elif length is not None:
        head.length = int(length)
    else:
        head.until_close, head.length, head.keep_alive = True, None, False


def _kept_fields(head: Head) -> bytes:
    raw, at = head.raw, head.fields_start
    if not head.cuts:
        return raw[at:-2]
    kept = []
    for start, end in sorted(head.cuts):
        if start > at:
            kept.append(raw[at:start])
        at = max(at, end)
    kept.append(raw[at:-2])
    return b"".join(kept)


def _cookie_pairs(cookie: bytes) -> list[bytes]:
    return [pair.strip() for pair in cookie.split(b";") if pair.strip()]
