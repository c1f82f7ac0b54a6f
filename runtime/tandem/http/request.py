"""Requests read from their heads, strictly: what they ask, how their body is framed, and which of their fields are passed on.

On a kept connection most heads repeat the fields of the head before. Equal bytes mean the same, so what was found out about them is used again.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Optional

from . import fields as grammar
from .fields import BLANKS
from .head import FIELDS_MAX, BadMessage
from .paths import normal
from .remembered import Rewritten

_START = rb"(" + grammar.TOKEN + rb") ([\x21-\x7e]+) HTTP/1\.([01])\r\n"
# One expression validates and splits a whole head. Nearly no head has an underscore in a field's name, so that is found out by the way.
_REQUEST = re.compile(_START + rb"((?:" + grammar.TOKEN.replace(b"_", b"") + rb":" + grammar.VALUE + rb"\r\n){0,%d})\r\n" % FIELDS_MAX)
_REQUEST_WITH_UNDERSCORES = re.compile(_START + rb"((?:" + grammar.TOKEN + rb":" + grammar.VALUE + rb"\r\n){0,%d})\r\n" % FIELDS_MAX)
_LOOK_ALIKE = re.compile(rb"\n[^:\r\n_]*_[^:\r\n]*:[^\r]*")
# Searched in the head in lower case; the offsets hold for the head as it came. (Looking at every line instead took a third longer, since of
# most fields nothing is to be found out.)
_CONCERNS = re.compile(
    rb"\n(host|c(?:o(?:nnection|okie|ntent-length)|lient-cert(?:-chain|-subject)?)|t(?:ransfer-encoding|e|railer)|expect|upgrade"
    rb"|x-(?:forwarded-[^:\r\n]*|real-ip)|forwarded"
    rb"|keep-alive|proxy-connection|max-forwards|http2-settings):[ \t]*([^\r]*)"
)
_ANY_VERSION = re.compile(rb"(" + grammar.TOKEN + rb") ([\x21-\x7e]+) HTTP/(\d)\.(\d)\r\n")
_ORIGIN_FORM = re.compile(rb"(" + grammar.TOKEN + rb") (/[\x21\x22\x24-\x7e]*)")
_ABSOLUTE = re.compile(rb"https?://([^/?#@]+)([/?].*)?", re.IGNORECASE)
_AUTHORITY = re.compile(
    rb"(?=[^:])(?:\[([0-9a-fA-F:.]+)\]|[A-Za-z0-9._~!$&'()*+;=-]*(?:%[0-9A-Fa-f]{2}[A-Za-z0-9._~!$&'()*+;=-]*)*)(?::([0-9]{0,5}))?"
)
_NUMBER_SIGN = ord("#")  # asked for as a number, ``in`` takes a tenth of the time
_PORT_MAX = 65535
_MAX_FORWARDS_DIGITS = 9
_IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"))  # RFC 9110 9.2.2

_ONCE = frozenset((b"host", b"content-length", b"transfer-encoding"))
_PASSES = frozenset((*_ONCE, b"max-forwards"))  # as it came, unless something is found out about it
_NEVER_PASSES = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"http2-settings", b"upgrade", b"te", b"trailer", b"expect"))
_FORWARDED = frozenset((b"x-forwarded-for", b"x-forwarded-proto", b"forwarded"))
_CLIENT_CERT = frozenset((b"client-cert", b"client-cert-chain", b"client-cert-subject"))  # RFC 9440, and the subject in words
_NO_CUTS: list[tuple[int, int]] = []  # never added to
_NO_VALUES: list[bytes] = []  # likewise


class RequestFields:
    """What the fields of a request say, for all requests that have just these. Not changed once it is read, but for what is remembered in it.

    ``length`` is the body's bytes, 0 for none and for ``chunked``.
    """

    __slots__ = (
        "_by_name",
        "_route_host",
        "chunked",
        "client_cert_cuts",
        "cookie",
        "cookie_cuts",
        "cuts",
        "expect",
        "expects_continue",
        "fields_start",
        "forwarded",
        "forwarded_cuts",
        "forwarded_for",
        "forwarded_other_cuts",
        "forwarded_proto",
        "host",
        "keep_alive",
        "lacks_host",
        "length",
        "look_alike_cuts",
        "max_forwards",
        "minor",
        "raw",
        "rewritten",
        "tail",
        "takes_trailers",
        "trailer",
        "upgrade",
        "written",
        "written_drop_cookie",
        "written_local",
        "written_passing",
    )

    def __init__(self, raw: bytes, minor: int, fields_start: int) -> None:
        self.raw = raw
        self.minor = minor
        self.fields_start = fields_start
        self.keep_alive: bool = minor == 1
        self.length: int = 0
        self.chunked: bool = False
        self.upgrade: bytes = b""  # what the client would switch to, as it came
        self.cookie: bytes = b""
        self.host: bytes = b""
        self.lacks_host: bool = False  # no Host field that could be sent on
        self.expects_continue: bool = False
        self.expect: bytes = b""  # as it is sent on
        self.trailer: bytes = b""  # as it is sent on
        self.takes_trailers: bool = False
        self.max_forwards: int = -1  # -1: not stated
        self.forwarded_for: bytes = b""
        self.forwarded_proto: bytes = b""
        self.forwarded: bytes = b""
        self.tail: bytes = b""  # the head after its target; b"" where the target or the method says something about the fields
        # Where lines lie that do not pass: never; if the cookie is written anew; that are written anew where a proxy believes them, and others
        # that name the client; with an underscore in the name
        self.cuts: list[tuple[int, int]] = _NO_CUTS
        self.cookie_cuts: list[tuple[int, int]] = _NO_CUTS
        self.forwarded_cuts: list[tuple[int, int]] = _NO_CUTS
        self.forwarded_other_cuts: list[tuple[int, int]] = _NO_CUTS
        self.look_alike_cuts: list[tuple[int, int]] = _NO_CUTS
        self.client_cert_cuts: list[tuple[int, int]] = _NO_CUTS
        self._route_host: bytes = b""
        self._by_name: Optional[dict[bytes, list[bytes]]] = None
        # What was written for a server, and for what
        self.written: bytes = b""
        self.written_passing: object = None
        self.written_drop_cookie: bytes = b""
        self.written_local: bytes = b""
        self.rewritten: Optional[Rewritten] = None  # the same by rules

    @property
    def route_host(self) -> bytes:
        """The host in lower case without port and last dot, as routes compare it (RFC 9110 4.2.3)."""
        host = self._route_host
        if not host and self.host:
            host = self.host.lower()
            host = host.partition(b"]")[0] + b"]" if host.startswith(b"[") else host.partition(b":")[0].rstrip(b".")
            self._route_host = host
        return host

    def values_of(self, name: bytes) -> list[bytes]:
        """The values of all fields of that name (in lower case), as they came."""
        by_name = self._by_name
        if by_name is None:
            by_name = self._by_name = grammar.values_by_name(self.raw, self.fields_start)
        return by_name.get(name, _NO_VALUES)


class Request:
    """One request: its method, its target in origin-form (or ``*``), and its fields. It is not changed once it is read."""

    __slots__ = ("_normal_path", "fields", "method", "raw", "target")

    def __init__(self, method: bytes, target: bytes, fields: RequestFields, raw: bytes) -> None:
        self.method = method
        self.target = target
        self.fields = fields
        self.raw = raw
        self._normal_path: bytes = b""

    @property
    def idempotent(self) -> bool:
        return self.method in _IDEMPOTENT

    @property
    def path(self) -> bytes:
        """The target without its query."""
        return self.target.partition(b"?")[0]

    @property
    def normal_path(self) -> bytes:
        """The path as rules compare it."""
        path = self._normal_path
        if not path:
            path = self._normal_path = normal(self.target.partition(b"?")[0])
        return path

    def field(self, name: bytes) -> bytes:
        """The first value of any field, for logs; b"" where it is missing."""
        match = re.search(rb"\n" + re.escape(name) + rb":[ \t]*([^\r]*)", self.fields.raw, re.IGNORECASE)
        return match[1].rstrip(BLANKS) if match else b""


def read_request(raw: bytes, former: Optional[Request] = None) -> Request:
    """The request whose head is ``raw`` (from the start line to the empty line). Raises BadMessage.

    ``former``: the one before on this connection; it is returned itself if the heads are equal.
    """
    if former is not None:
        if raw == former.raw:
            return former
        tail = former.fields.tail
        if tail and raw.endswith(tail):
            # Same fields: only the method and the target are read.
            start = _ORIGIN_FORM.fullmatch(raw, 0, len(raw) - len(tail))
            if start is not None and start[1] != b"CONNECT":
                return Request(start[1], start[2], former.fields, raw)
    try:
        return _read(raw)
    except BadMessage as bad:
        bad.note_request(raw)
        raise


def _read(raw: bytes) -> Request:
    match = _REQUEST.fullmatch(raw)
    underscores = False
    if match is None:
        match = _REQUEST_WITH_UNDERSCORES.fullmatch(raw)
        if match is None:
            raise _why_not_a_request(raw)
        underscores = True
    method, target, version = match.group(1, 2, 3)
    at = match.start(4)
    fields = RequestFields(raw, 0 if version == b"0" else 1, at)
    if underscores:
        fields.look_alike_cuts = [(found.start() + 1, found.end() + 2) for found in _LOOK_ALIKE.finditer(raw, at - 1)]
    seen = _read_concerns(fields)
    host = seen.get(b"host")
    if host is not None:
        authority = _AUTHORITY.fullmatch(host)
        if authority is None or (authority.lastindex is not None and not _is_authority(authority)):
            raise BadMessage(400, "a Host that is malformed (RFC 9112 3.2)")
        fields.host = host
    elif fields.minor == 1:
        raise BadMessage(400, "no Host (RFC 9112 3.2)")
    else:
        fields.lacks_host = True
    if len(seen) > 1 or host is None:
        _settle(fields, seen)
    if method == b"CONNECT":
        raise BadMessage(501, "CONNECT, which a reverse proxy does not serve")
    if _NUMBER_SIGN in target:
        raise BadMessage(400, "a request target with a fragment (RFC 9112 3.2)")
    if not target.startswith(b"/"):
        target = _settle_target(fields, method, target)
    elif fields.max_forwards < 0:
        fields.tail = raw[match.end(2) :]
    return Request(method, target, fields, raw)


def _read_concerns(fields: RequestFields) -> dict[bytes, bytes]:
    """The values of the fields that concern a proxy, by their names in lower case; takes down where those lie that do not pass as they came."""
    raw = fields.raw
    seen: dict[bytes, bytes] = {}
    cuts: list[tuple[int, int]] = []
    for concern in _CONCERNS.finditer(raw.lower(), fields.fields_start - 1):
        name = concern[1]
        start, end = concern.span(2)
        value = raw[start:end].rstrip(BLANKS)
        if name in seen:
            # Two of these could be read by two parties as two different messages (RFC 9112 3.2, 6.3).
            if name in _ONCE:
                raise BadMessage(400, f"more than one {name.decode()}")
            value = seen[name] + (b"; " if name == b"cookie" else b", ") + value
        seen[name] = value
        if name in _PASSES:
            continue
        cut = (concern.start(1), end + 2)
        if name in _NEVER_PASSES:  # or is written anew
            cuts.append(cut)
        elif name == b"cookie":
            fields.cookie_cuts = [*fields.cookie_cuts, cut]
        elif name in _FORWARDED:
            fields.forwarded_cuts = [*fields.forwarded_cuts, cut]
        elif name in _CLIENT_CERT:
            fields.client_cert_cuts = [*fields.client_cert_cuts, cut]
        else:
            fields.forwarded_other_cuts = [*fields.forwarded_other_cuts, cut]
    fields.cuts = cuts
    return seen


def _settle(fields: RequestFields, seen: dict[bytes, bytes]) -> None:
    """What the fields other than Host say. Of those that are cut it writes anew which pass after all."""
    connection = seen.get(b"connection")
    if connection is not None:
        if connection in (b"keep-alive", b"close"):  # nearly always, so it is worth a shorter way
            fields.keep_alive = connection == b"keep-alive"
        else:
            _settle_connection(fields, seen, connection)
    _settle_body(fields, seen)
    fields.cookie = seen.get(b"cookie", b"")
    if fields.forwarded_cuts:
        fields.forwarded_for = seen.get(b"x-forwarded-for", b"")
        fields.forwarded_proto = seen.get(b"x-forwarded-proto", b"")
        fields.forwarded = seen.get(b"forwarded", b"")
    if b"expect" in seen:
        _settle_expectation(fields, seen[b"expect"])
    if b"te" in seen and fields.minor == 1:
        codings = [member.partition(b";")[0].strip(BLANKS) for member in grammar.list_of(seen[b"te"].lower())]
        fields.takes_trailers = b"trailers" in codings
    if b"max-forwards" in seen:
        _settle_max_forwards(fields, seen[b"max-forwards"])
    if fields.chunked:
        fields.trailer = seen.get(b"trailer", b"")


def _settle_connection(fields: RequestFields, seen: dict[bytes, bytes], connection: bytes) -> None:
    """Connection's options, and away with the fields it names (RFC 9110 7.6.1)."""
    options = grammar.connection_options(connection)
    if b"close" in options:
        fields.keep_alive = False
    elif b"keep-alive" in options:
        fields.keep_alive = True
    if b"upgrade" in options and fields.minor == 1:
        fields.upgrade = seen.get(b"upgrade", b"")
    names = grammar.nominated(options)
    if names:
        for name in names:
            seen.pop(name, None)
        fields.cuts = fields.cuts + grammar.spans_of(fields.raw, fields.fields_start, names)


def _settle_body(fields: RequestFields, seen: dict[bytes, bytes]) -> None:
    """RFC 9112 6.3, the strict reading."""
    coding, length = seen.get(b"transfer-encoding"), seen.get(b"content-length")
    if coding is not None:
        if length is not None:
            raise BadMessage(400, "both Transfer-Encoding and Content-Length (RFC 9112 6.1)")
        if fields.minor == 0:
            raise BadMessage(400, "Transfer-Encoding in HTTP/1.0 (RFC 9112 6.1)")
        if coding.lower() != b"chunked":
            codings = [name.strip(BLANKS) for name in coding.lower().split(b",")]
            if codings[-1] != b"chunked" or codings.count(b"chunked") > 1:
                raise BadMessage(400, "a body whose end is not marked by chunked, once and last (RFC 9112 6.3)")
            raise BadMessage(501, "a transfer coding besides chunked (RFC 9112 6.1)")
        fields.chunked = True
    elif length is not None:
        fields.length = grammar.content_length(length, 400, 413)
    if fields.chunked or fields.length:
        fields.upgrade = b""  # no protocol is switched with a body under way; RFC 9110 7.8 lets us ignore it


def _settle_expectation(fields: RequestFields, value: bytes) -> None:
    members = grammar.list_of(value)
    if not members or any(member.lower() != b"100-continue" for member in members):
        raise BadMessage(417, "an expectation other than 100-continue (RFC 9110 10.1.1)")
    if fields.minor == 1:  # HTTP/1.0 does not know it
        fields.expects_continue = True
        fields.expect = members[0]


def _settle_max_forwards(fields: RequestFields, value: bytes) -> None:
    """RFC 9110 7.6.2. What is no number is passed on as it came: it limits nothing, and frames nothing."""
    hops = [int(member.lstrip(b"0")[:_MAX_FORWARDS_DIGITS] or b"0") for member in grammar.list_of(value) if member.isdigit()]
    if hops:
        fields.max_forwards = min(hops)
        fields.cuts = fields.cuts + grammar.spans_of(fields.raw, fields.fields_start, {b"max-forwards"})


def _settle_target(fields: RequestFields, method: bytes, target: bytes) -> bytes:
    """A target in absolute-form becomes origin-form (RFC 9112 3.2), or ``*``."""
    if target == b"*" and method == b"OPTIONS":
        return target
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise BadMessage(400, "a request target in none of the forms of RFC 9112 3.2")
    authority, rest = absolute[1], absolute[2] or b""
    match = _AUTHORITY.fullmatch(authority)
    if match is None or not _is_authority(match):
        raise BadMessage(400, "a request target whose host is malformed (RFC 9112 3.2)")
    # RFC 9112 3.2.2: the authority of an absolute-form target replaces Host.
    if fields.host != authority:
        fields.cuts = fields.cuts + grammar.spans_of(fields.raw, fields.fields_start, {b"host"})
        fields.host, fields.lacks_host = authority, True
    if method == b"OPTIONS" and not rest:
        return b"*"  # RFC 9112 3.2.4
    return rest if rest.startswith(b"/") else b"/" + rest


def _is_authority(match: re.Match[bytes]) -> bool:
    """Whether what looks like an address and a port are ones."""
    address, port = match.groups()
    if port and int(port) > _PORT_MAX:
        return False
    if address is not None:
        try:
            ipaddress.IPv6Address(address.decode())
        except ValueError:
            return False
    return True


def _why_not_a_request(raw: bytes) -> BadMessage:
    start = _ANY_VERSION.match(raw)
    if start is None:
        return BadMessage(400, "a request line that is malformed (RFC 9112 3)")
    if (start[3], start[4]) not in ((b"1", b"0"), (b"1", b"1")):
        return BadMessage(505, "a version that is not HTTP/1.0 or 1.1")
    if raw.count(b"\n", start.end()) > FIELDS_MAX + 1:
        return BadMessage(431, f"more than {FIELDS_MAX} fields")
    return BadMessage(400, "a field line that is malformed (RFC 9112 5)")
