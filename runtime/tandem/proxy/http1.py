"""HTTP/1.1 messages as bytes: reads heads, strictly, and settles how bodies are framed. No sockets, no clock.

One compiled expression validates and splits a whole head, a second finds the few fields that concern a proxy; everything else passes as it
came. What could be understood in two ways is refused, never repaired: that is how requests are smuggled (RFC 9112 11.2).

On a kept connection most heads repeat the fields of the head before. Equal bytes mean the same, so what was found out about them is used again.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Optional

HEAD_BYTES_MAX = 65536
LINE_BYTES_MAX = 8192  # RFC 9112 3 asks for 8000 at least
FIELDS_MAX = 100

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_FIELDS = rb"((?:" + TOKEN + rb":[\t\x20-\x7e\x80-\xff]*\r\n)*)\r\n"
_REQUEST = re.compile(rb"(" + TOKEN + rb") ([\x21-\x7e]+) HTTP/1\.([01])\r\n" + _FIELDS)
_RESPONSE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n" + _FIELDS)
# Searched in the head in lower case; the offsets hold for the head as it came.
_REQUEST_CONCERNS = re.compile(
    rb"\n(host|connection|content-length|transfer-encoding|expect|upgrade|cookie|x-forwarded-for|x-forwarded-proto"
    rb"|keep-alive|te|trailer|proxy-connection):[ \t]*([^\r]*)"
)
_RESPONSE_CONCERNS = re.compile(rb"\n(connection|content-length|transfer-encoding|keep-alive|upgrade|trailer|proxy-connection):[ \t]*([^\r]*)")
_ORIGIN_FORM = re.compile(rb"(" + TOKEN + rb") (/[\x21\x22\x24-\x7e]*) HTTP/1\.[01]\r\n")
_REQUEST_START = re.compile(rb"(" + TOKEN + rb") ([\x21-\x7e]+) HTTP/(\d)\.(\d)\r\n")
_LENGTH_DIGITS_MAX = 18
_HOST = re.compile(rb"(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._~%!$&'()*+;=-]*)(?::[0-9]{0,5})?")
_FIELD_LINE = re.compile(rb"([^:\r\n]+):[^\r\n]*\r\n")
_ABSOLUTE = re.compile(rb"https?://([^/?#@]+)([/?].*)?", re.IGNORECASE)

# Connection's own words; and fields for framing and routing, which are never hop-by-hop, whatever Connection says. Others that this module
# looks at (in ``seen``) are settled already.
_NEVER_NOMINATED = frozenset((b"", b"close", b"keep-alive", b"upgrade", b"host", b"content-length", b"transfer-encoding", b"expect"))
_IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"))  # RFC 9110 9.2.2


class BadMessage(Exception):
    """A message that is not passed on. ``status`` is what the client is told; ``str()`` says why, for the log."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Head:
    """What a request's or response's head says about itself. ``length`` is the body's bytes; None with ``chunked`` or ``until_close``."""

    # Defaults of the class, not set for each message: two heads are made for every request.
    method = b""
    target = b""
    status = 0
    host = b""
    lacks_host = False  # no Host field that could be sent on
    length: Optional[int] = 0
    chunked = False
    until_close = False
    upgrade = b""
    cookie = b""
    forwarded_for = b""
    forwarded_proto = b""
    tail = b""  # a request's head after its target; b"" where the target says something about the fields
    # What ``http1_write`` made of the fields, and for what
    written = b""
    written_for: tuple[object, ...] = ()

    def __init__(self, raw: bytes, minor: int, fields_start: int) -> None:
        self.raw = raw
        self.minor = minor
        self.fields_start = fields_start
        self.keep_alive = minor == 1
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

    def cut_fields(self, names: Collection[bytes]) -> None:
        """Leaves out every field of these names (in lower case) when the head is written."""
        for match in _FIELD_LINE.finditer(self.raw, self.fields_start):
            if match[1].lower() in names:
                self.cuts.append(match.span())


def head_end(buffer: bytes) -> int:
    """Where the head in ``buffer`` ends, or 0 while it is incomplete. Raises BadMessage (400, 414, 431) as soon as it cannot become one."""
    end = buffer.find(b"\r\n\r\n", 0, HEAD_BYTES_MAX) + 4
    if end > 3:
        if end > LINE_BYTES_MAX:
            _require_short_lines(buffer[:end])
        return end
    if buffer.count(b"\n") != buffer.count(b"\r\n"):
        raise BadMessage(400, "a line that ends with a bare LF (RFC 9112 2.2)")
    if not b"!" <= buffer[:1] <= b"~" and buffer not in (b"", b"\r"):
        raise BadMessage(400, "something that is not HTTP")  # TLS on a plain port, most often
    if len(buffer) > LINE_BYTES_MAX:
        _require_short_lines(buffer)
        if len(buffer) >= HEAD_BYTES_MAX:
            raise BadMessage(431, f"a head longer than {HEAD_BYTES_MAX} bytes")
    return 0


def read_request(raw: bytes, former: Optional[Head] = None) -> Head:
    """The request whose head is ``raw`` (from the start line to the empty line). ``former``: the one before on this connection. Raises BadMessage."""
    if former is not None and former.tail:
        again = _same_fields(raw, former)
        if again is not None:
            return again
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
    if match[2].startswith(b"/"):
        head.tail = raw[match.end(2) :]
    return head


def _same_fields(raw: bytes, former: Head) -> Optional[Head]:
    """The request, if all but its method and target is as in ``former``; offsets in it are those of the former one."""
    start = _ORIGIN_FORM.match(raw)
    if start is None or raw[start.end(2) :] != former.tail or start[1] == b"CONNECT":
        return None
    head = Head.__new__(Head)
    head.__dict__.update(former.__dict__)
    head.method, head.target = start[1], start[2]
    return head


def read_response(raw: bytes, request_method: bytes, former: Optional[Head] = None) -> Head:
    """The response whose head is ``raw``, to a request of that method. Raises BadMessage with status 502.

    ``former``: the response before on this connection, to a request of any method.
    """
    if former is not None and raw == former.raw and request_method == former.method:
        return former
    match = _RESPONSE.fullmatch(raw)
    if match is None:
        raise BadMessage(502, "a response head that is not HTTP/1.1 (RFC 9112 4)")
    if raw.count(b"\n", match.start(4)) > FIELDS_MAX + 1:
        raise BadMessage(502, f"a response of more than {FIELDS_MAX} fields")
    head = Head(raw, 0 if match[1] == b"0" else 1, match.start(4))
    head.status, head.method = int(match[2]), request_method
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
        if head.minor == 1:
            return  # the server's 100 is passed on; HTTP/1.0 does not know it
    head.cuts.append((concern.start() + 1, concern.end() + 2))
    if name == b"cookie":
        head.cookie = value
    elif name == b"x-forwarded-for":
        head.forwarded_for = value
    elif name == b"x-forwarded-proto":
        head.forwarded_proto = value


def _settle_target(head: Head, has_host: bool) -> None:
    """Brings the target into origin-form (RFC 9112 3.2), or ``*``."""
    if not has_host and head.minor == 1:
        raise BadMessage(400, "no Host (RFC 9112 3.2)")
    head.lacks_host = not has_host
    if head.method == b"CONNECT":
        raise BadMessage(501, "CONNECT, which a reverse proxy does not serve")
    if b"#" in head.target:
        raise BadMessage(400, "a request target with a fragment (RFC 9112 3.2)")
    if head.target.startswith(b"/") or (head.target == b"*" and head.method == b"OPTIONS"):
        return
    absolute = _ABSOLUTE.fullmatch(head.target)
    if absolute is None or absolute[1].startswith(b":") or _HOST.fullmatch(absolute[1]) is None:
        raise BadMessage(400, "a request target in none of the forms of RFC 9112 3.2")
    # RFC 9112 3.2.2: the authority of an absolute-form target replaces Host.
    rest = absolute[2] or b""
    if head.method == b"OPTIONS" and not rest:
        head.target = b"*"  # RFC 9112 3.2.4
    else:
        head.target = rest if rest.startswith(b"/") else b"/" + rest
    if head.host != absolute[1]:
        head.cut_fields((b"host",))
        head.host, head.lacks_host = absolute[1], True


def _settle_connection(head: Head, seen: dict[bytes, bytes]) -> None:
    """Connection's options, and away with the fields it names (RFC 9110 7.6.1)."""
    connection = seen.get(b"connection")
    if connection is None:
        return
    if connection in (b"keep-alive", b"close"):  # nearly always, so it is worth a shorter way
        head.keep_alive = connection == b"keep-alive"
        return
    options = {option.strip() for option in connection.lower().split(b",")}
    if b"close" in options:
        head.keep_alive = False
    elif b"keep-alive" in options:
        head.keep_alive = True
    if b"upgrade" in options and head.minor == 1:
        head.upgrade = seen.get(b"upgrade", b"")
    nominated = options - _NEVER_NOMINATED - seen.keys()
    if nominated:
        head.cut_fields(nominated)


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
            codings = [name.strip() for name in coding.lower().split(b",")]
            if codings[-1] != b"chunked" or codings.count(b"chunked") > 1:
                raise BadMessage(400, "a body whose end is not marked by chunked, once and last (RFC 9112 6.3)")
            raise BadMessage(501, "a transfer coding besides chunked (RFC 9112 6.1)")
        head.chunked, head.length = True, None
    elif length is not None:
        head.length = _length(length, 400, 413)
    if head.upgrade and (head.chunked or head.length):
        head.upgrade = b""  # no protocol is switched with a body under way; RFC 9110 7.8 lets us ignore it


def _length(value: bytes, malformed: int, too_large: int) -> int:
    if not value.isdigit():  # of bytes: ASCII digits only, one at least
        raise BadMessage(malformed, "a Content-Length that is not a number (RFC 9112 6.3)")
    if len(value) > _LENGTH_DIGITS_MAX:
        raise BadMessage(too_large, f"a Content-Length of more than {_LENGTH_DIGITS_MAX} digits")
    return int(value)


def _frame_response(head: Head, seen: dict[bytes, bytes], request_method: bytes) -> None:
    """RFC 9112 6.3 for responses."""
    coding, length = seen.get(b"transfer-encoding"), seen.get(b"content-length")
    if coding is not None and length is not None:
        raise BadMessage(502, "both Transfer-Encoding and Content-Length in a response (RFC 9112 6.3)")
    stated = None if length is None else _length(length, 502, 502)
    if head.status == 101:
        head.upgrade = seen.get(b"upgrade", b"")
    if request_method == b"HEAD" or head.status < 200 or head.status in (204, 304):
        head.length = 0
        if head.status < 200 or head.status == 204:
            head.cut_fields((b"content-length", b"transfer-encoding"))  # RFC 9110 8.6, RFC 9112 6.1: not in these
    elif coding is not None:
        if coding.lower() != b"chunked" or head.minor == 0:
            raise BadMessage(502, "a transfer coding other than chunked in a response (RFC 9112 6.1)")
        head.chunked, head.length = True, None
    elif stated is not None:
        head.length = stated
    else:
        head.until_close, head.length, head.keep_alive = True, None, False
