"""Responses read from their heads, strictly: their status, how their body is framed, and which of their fields are passed on."""

from __future__ import annotations

import re
from typing import Optional

from . import fields as grammar
from .fields import BLANKS
from .head import FIELDS_MAX, BadMessage

_RESPONSE = re.compile(
    rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ("
    + grammar.VALUE
    + rb"))?\r\n((?:"
    + grammar.TOKEN
    + rb":"
    + grammar.VALUE
    + rb"\r\n){0,%d})\r\n" % FIELDS_MAX
)
# Searched in the head in lower case; the offsets hold for the head as it came.
_CONCERNS = re.compile(rb"\n(connection|content-length|transfer-encoding|keep-alive|upgrade|trailer|proxy-connection):[ \t]*([^\r]*)")
_FRAMES = frozenset((b"content-length", b"transfer-encoding"))


class Response:
    """What a response's head says. Not changed once it is read, but by ``cut_fields`` and for what is remembered in it.

    ``length`` is the body's bytes, 0 for none, for ``chunked`` and for ``until_close``; ``method`` that of the request it answers.
    """

    __slots__ = (
        "chunked",
        "cuts",
        "fields_start",
        "has_date",
        "keep_alive",
        "length",
        "method",
        "minor",
        "raw",
        "rewritten",
        "status",
        "trailer",
        "until_close",
        "upgrade",
        "written",
        "written_connection",
        "written_extra",
    )

    def __init__(self, raw: bytes, minor: int, status: int, method: bytes, fields_start: int) -> None:
        self.raw = raw
        self.minor = minor
        self.status = status
        self.method = method
        self.fields_start = fields_start
        self.keep_alive: bool = minor == 1
        self.length: int = 0
        self.chunked: bool = False
        self.until_close: bool = False
        self.upgrade: bytes = b""  # of a 101, what is switched to; of a 426, what the client should ask for
        self.has_date: bool = False
        self.trailer: bytes = b""  # as it is sent on
        self.cuts: list[tuple[int, int]] = []  # where lines lie that do not pass
        # What was written for a client, and for what
        self.written: bytes = b""
        self.written_connection: bytes = b""
        self.written_extra: bytes = b""
        # By which rules, and this response as they have it; None where they leave it as it is
        self.rewritten: Optional[tuple[object, Optional[Response]]] = None

    def without(self, spans: list[tuple[int, int]]) -> Response:
        """The same without these lines."""
        made = Response(self.raw, self.minor, self.status, self.method, self.fields_start)
        made.keep_alive, made.length, made.chunked, made.until_close = self.keep_alive, self.length, self.chunked, self.until_close
        made.upgrade, made.has_date, made.trailer = self.upgrade, self.has_date, self.trailer
        made.cuts = self.cuts + spans
        return made

    def has_field(self, name: bytes) -> bool:
        """Whether there is a field of this name (in lower case)."""
        return self.raw.lower().find(b"\n" + name + b":", self.fields_start - 1) >= 0

    def cut_fields(self, names: set[bytes]) -> None:
        """Leaves out every field of these names (in lower case) when the head is written; with Transfer-Encoding goes Trailer.

        Not for a response that is handed on as ``former``: the next client would miss them too.
        """
        if b"transfer-encoding" in names:
            self.trailer = b""
        self.cuts += grammar.spans_of(self.raw, self.fields_start, names)
        self.written = b""


def read_response(raw: bytes, request_method: bytes, former: Optional[Response] = None) -> Response:
    """The response whose head is ``raw``, to a request of that method. Raises BadMessage with status 502.

    ``former``: the response before on this connection; it is returned itself if the heads and the methods are equal.
    """
    if former is not None and raw == former.raw and request_method == former.method:
        return former
    match = _RESPONSE.fullmatch(raw)
    if match is None:
        raise BadMessage(502, f"a response head that is not HTTP/1.1 (RFC 9112 4), or has more than {FIELDS_MAX} fields")
    at = match.start(4)
    version, status = match.group(1, 2)
    response = Response(raw, 0 if version == b"0" else 1, int(status), request_method, at)
    lowered = raw.lower()
    response.has_date = lowered.find(b"\ndate:", at - 1) >= 0
    seen: dict[bytes, bytes] = {}
    for concern in _CONCERNS.finditer(lowered, at - 1):
        name = concern[1]
        start, end = concern.span(2)
        value = raw[start:end].rstrip(BLANKS)
        if name in seen:
            if name in _FRAMES:
                raise BadMessage(502, f"more than one {name.decode()} in a response (RFC 9112 6.3)")
            value = seen[name] + b", " + value
        seen[name] = value
        if name not in _FRAMES:
            response.cuts.append((concern.start(1), end + 2))
    connection = seen.get(b"connection")
    if connection is not None:
        if connection in (b"keep-alive", b"close"):  # nearly always, so it is worth a shorter way
            response.keep_alive = connection == b"keep-alive"
        else:
            _settle_connection(response, seen, connection)
    if response.status in (101, 426):
        response.upgrade = seen.get(b"upgrade", b"")
    _settle_body(response, seen.get(b"transfer-encoding"), seen.get(b"content-length"))
    if response.chunked:
        response.trailer = seen.get(b"trailer", b"")
    return response


def _settle_connection(response: Response, seen: dict[bytes, bytes], connection: bytes) -> None:
    """Connection's options, and away with the fields it names (RFC 9110 7.6.1)."""
    options = grammar.connection_options(connection)
    if b"close" in options:
        response.keep_alive = False
    elif b"keep-alive" in options:
        response.keep_alive = True
    names = grammar.nominated(options)
    if names:
        response.cut_fields(names)
        for name in names:
            seen.pop(name, None)
        if b"date" in names:
            response.has_date = False


def _settle_body(response: Response, coding: Optional[bytes], length: Optional[bytes]) -> None:
    """RFC 9112 6.3 for responses."""
    if coding is not None and length is not None:
        raise BadMessage(502, "both Transfer-Encoding and Content-Length in a response (RFC 9112 6.3)")
    stated = -1 if length is None else grammar.content_length(length, 502, 502)
    status = response.status
    if status < 200 or status in (204, 304) or response.method == b"HEAD":
        if (status < 200 or status == 204) and (coding is not None or length is not None):
            response.cut_fields({b"content-length", b"transfer-encoding"})  # RFC 9110 8.6, RFC 9112 6.1: not in these
    elif coding is not None:
        if coding.lower() != b"chunked" or response.minor == 0:
            raise BadMessage(502, "a transfer coding other than chunked in a response (RFC 9112 6.1)")
        response.chunked = True
    elif stated >= 0:
        response.length = stated
    else:
        response.until_close = True
        response.keep_alive = False
