"""Heads as they are sent on, to servers and to clients, and the answers of our own. Fields that concern one connection only stay behind."""

from __future__ import annotations

from datetime import datetime, timezone

from . import fields as grammar
from .cookies import unmarked, without_cookie
from .passing import Passing
from .request import Request, RequestFields
from .response import Response

REASONS = {
    200: b"OK",
    301: b"Moved Permanently",
    302: b"Found",
    303: b"See Other",
    307: b"Temporary Redirect",
    308: b"Permanent Redirect",
    400: b"Bad Request",
    401: b"Unauthorized",
    402: b"Payment Required",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    406: b"Not Acceptable",
    408: b"Request Timeout",
    409: b"Conflict",
    410: b"Gone",
    413: b"Content Too Large",
    414: b"URI Too Long",
    415: b"Unsupported Media Type",
    417: b"Expectation Failed",
    418: b"I'm a Teapot",
    421: b"Misdirected Request",
    422: b"Unprocessable Content",
    425: b"Too Early",
    426: b"Upgrade Required",
    428: b"Precondition Required",
    429: b"Too Many Requests",
    431: b"Request Header Fields Too Large",
    451: b"Unavailable For Legal Reasons",
    500: b"Internal Server Error",
    501: b"Not Implemented",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
    505: b"HTTP Version Not Supported",
}
_VIA = (b"Via: 1.0 tandem", b"Via: 1.1 tandem")
_COUNTED = (b"TRACE", b"OPTIONS")  # the methods that Max-Forwards is for (RFC 9110 7.6.2)
_UNSAID = {b"authorization", b"proxy-authorization", b"cookie"}  # of a TRACE (RFC 9110 9.3.8)
_DAYS = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")


def request_head(request: Request, passing: Passing, drop_cookie: bytes = b"", local: bytes = b"") -> bytes:
    """The head to send to a server: hop-by-hop fields gone (RFC 9110 7.6.1), Via (7.6.3) and what names the client added, as ``passing`` says.

    ``drop_cookie`` names the sticky cookie, which servers do not see. ``local`` is where the client reached us: the Host of a request of
    HTTP/1.0 that has none, as HTTP/1.1 has to have one.
    """
    fields = request.fields
    if fields.written_passing is not passing or fields.written_drop_cookie != drop_cookie or fields.written_local != local:
        fields.written = _request_fields(request, passing, drop_cookie, local)
        fields.written_passing, fields.written_drop_cookie, fields.written_local = passing, drop_cookie, local
    return b" ".join((request.method, request.target, fields.written))


def _request_fields(request: Request, passing: Passing, drop_cookie: bytes, local: bytes) -> bytes:
    """The version, and the fields up to the empty line."""
    fields = request.fields
    cuts, lines = changes_of(request, passing, drop_cookie)
    start = b"HTTP/1.1\r\n"
    if fields.lacks_host:
        start = b"HTTP/1.1\r\nHost: %b\r\n" % (fields.host or local)
    lines.append(b"\r\n")
    return start + grammar.without(fields.raw, fields.fields_start, cuts) + (b"\r\n".join(lines) if len(lines) > 1 else b"\r\n")


def changes_of(request: Request, passing: Passing, drop_cookie: bytes = b"", unmark_cookie: bytes = b"") -> tuple[list[tuple[int, int]], list[bytes]]:
    """(where what does not pass lies in a request's head, the lines to add, without their ends). ``unmark_cookie`` names the application's own cookie
    that is sent on without its server's mark."""
    fields = request.fields
    cuts, lines = fields.cuts, []
    if fields.cookie:
        cookie, anew = _cookie_for_server(fields, drop_cookie, unmark_cookie)
        if anew:
            cuts = cuts + fields.cookie_cuts
            if cookie:
                lines.append(b"Cookie: " + cookie)
    if passing.client_cert:
        lines.append(passing.client_cert)
    cuts = cuts + _unbelieved(fields, passing)
    if fields.expect or fields.trailer or fields.max_forwards >= 0:
        lines += _written_anew(request)
    if passing.mode == "replace":
        cuts = cuts + fields.forwarded_cuts + fields.forwarded_other_cuts
        if passing.replaced:
            lines.append(passing.replaced)
        if passing.tells_more:
            lines += _told_anew(fields, passing)
    elif passing.mode == "append":
        cuts = cuts + fields.forwarded_cuts
        lines += _appended(fields, passing)
    if passing.via:
        lines.append(_VIA[fields.minor])
    if fields.upgrade or fields.takes_trailers:
        lines += _connection_lines(passed_upgrade(request, passing), fields.takes_trailers)
    return cuts, lines


def _cookie_for_server(fields: RequestFields, drop: bytes, unmark: bytes) -> tuple[bytes, bool]:
    """(the client's cookies as the server gets them, whether they are written anew)."""
    cookie = fields.cookie
    if drop and cookie.find(drop) >= 0:
        return without_cookie(cookie, drop), True
    if unmark and cookie.find(unmark) >= 0:
        return unmarked(cookie, unmark), True
    return cookie, len(fields.cookie_cuts) > 1


def _unbelieved(fields: RequestFields, passing: Passing) -> list[tuple[int, int]]:
    """Where lines lie that could be taken for what we say, or for other fields."""
    cuts: list[tuple[int, int]] = []
    if fields.client_cert_cuts and (passing.client_cert or passing.mode != "append"):
        cuts += fields.client_cert_cuts
    if fields.look_alike_cuts and not passing.underscores:
        cuts += fields.look_alike_cuts
    return cuts


def _written_anew(request: Request) -> list[bytes]:
    """Fields that pass, but not as they came."""
    fields = request.fields
    lines = []
    if fields.expect:
        lines.append(b"Expect: " + fields.expect)
    if fields.trailer:
        lines.append(b"Trailer: " + fields.trailer)
    if fields.max_forwards >= 0:
        lines.append(b"Max-Forwards: %d" % (max(fields.max_forwards - 1, 0) if request.method in _COUNTED else fields.max_forwards))
    return lines


def _appended(fields: RequestFields, passing: Passing) -> list[bytes]:
    """What a proxy adds that believes what came."""
    client, chain, told = passing.client, fields.forwarded_for, passing.forwarded
    lines = []
    if "X-Forwarded-For" in told:
        lines.append(b"X-Forwarded-For: " + (chain + b", " + client if chain else client))
    elif chain:
        lines.append(b"X-Forwarded-For: " + chain)
    if "X-Forwarded-Proto" in told or fields.forwarded_proto:
        lines.append(b"X-Forwarded-Proto: " + (fields.forwarded_proto or passing.scheme))
    if fields.forwarded:
        # Without an element of our own its last one would be taken for what we know (RFC 7239 4).
        lines.append(b"Forwarded: %b, %b" % (fields.forwarded, passing.element))
    elif "Forwarded" in told:
        lines.append(_forwarded(fields, passing))
    # These are not added to: what came is the first proxy's word.
    came = fields.raw.lower() if fields.forwarded_other_cuts else b""
    if "X-Forwarded-Host" in told and fields.host and b"\nx-forwarded-host:" not in came:
        lines.append(b"X-Forwarded-Host: " + fields.host)
    if "X-Forwarded-Port" in told and b"\nx-forwarded-port:" not in came:
        lines.append(b"X-Forwarded-Port: " + passing.port)
    return lines


def _told_anew(fields: RequestFields, passing: Passing) -> list[bytes]:
    """What of all that names the client depends on the request."""
    lines = []
    if "X-Forwarded-Host" in passing.forwarded and fields.host:
        lines.append(b"X-Forwarded-Host: " + fields.host)
    if "Forwarded" in passing.forwarded:
        lines.append(_forwarded(fields, passing))
    return lines


def _forwarded(fields: RequestFields, passing: Passing) -> bytes:
    host = b';host="%b"' % fields.host if fields.host else b""
    return b"Forwarded: %b%b" % (passing.element, host)


def _connection_lines(upgrade: bytes, takes_trailers: bool) -> list[bytes]:
    lines = []
    if upgrade:
        lines.append(b"Connection: upgrade, TE" if takes_trailers else b"Connection: upgrade")
        lines.append(b"Upgrade: " + upgrade)
    elif takes_trailers:
        lines.append(b"Connection: TE")
    if takes_trailers:
        lines.append(b"TE: trailers")
    return lines


def passed_upgrade(request: Request, passing: Passing) -> bytes:
    """What of the client's Upgrade goes to the server (RFC 9110 7.8): the protocols that may pass, b"" for none."""
    upgrade = request.fields.upgrade
    if not upgrade:
        return b""
    return b", ".join(protocol for protocol in grammar.list_of(upgrade) if protocol.lower() in passing.upgrades)


def switches_to_what_was_asked(asked: bytes, switched: bytes) -> bool:
    """Whether a 101 with ``switched`` as its Upgrade answers a request that went out with ``asked`` as its (RFC 9110 7.8, 15.2.2)."""
    protocols = grammar.list_of(switched.lower())
    return protocols != [] and set(protocols) <= set(grammar.list_of(asked.lower()))


def response_head(response: Response, connection: bytes, extra: bytes = b"") -> bytes:
    """The head to send to the client. ``connection`` is the value of Connection, b"" for none; ``extra`` whole further fields."""
    if not response.written or response.written_connection != connection or response.written_extra != extra:
        response.written = _response_head(response, connection, extra)
        response.written_connection, response.written_extra = connection, extra
    return response.written


def _response_head(response: Response, connection: bytes, extra: bytes) -> bytes:
    start = response.raw[8 : response.fields_start]
    if len(start) == 6:
        start = start[:4] + b" \r\n"  # RFC 9112 4: the space stays when the reason is missing
    tail = extra
    if response.trailer:
        tail += b"Trailer: %b\r\n" % response.trailer
    if response.upgrade:
        tail += b"Upgrade: %b\r\n" % response.upgrade
        if response.status == 426:  # RFC 9110 15.5.22: it says what to ask for
            connection = connection + b", upgrade" if connection else b"upgrade"
    if connection:
        tail += b"Connection: %b\r\n" % connection
    return b"HTTP/1.1%b%b%b\r\n" % (start, grammar.without(response.raw, response.fields_start, response.cuts), tail)


def error_response(status: int, head_only: bool, date: bytes, extra: bytes = b"") -> bytes:
    """A short page of our own; the connection ends with it. ``date`` as of ``http_date``, ``extra`` whole further fields."""
    reason = REASONS.get(status, b"Error")
    page = b"<!doctype html><title>%d %b</title><h1>%d %b</h1>\n" % (status, reason, status, reason)
    fields = b"Content-Type: text/html\r\nCache-Control: no-cache\r\n"
    return own_response(status, fields + extra, date, page, head_only=head_only)


def last_recipient(request: Request, date: bytes) -> bytes:
    """Our answer to a TRACE or OPTIONS that no further recipient shall have (Max-Forwards: 0, RFC 9110 7.6.2); the connection ends with it.

    b"" for every other request.
    """
    fields = request.fields
    if fields.max_forwards != 0 or request.method not in _COUNTED:
        return b""
    if request.method == b"OPTIONS":
        return own_response(200, b"", date, b"")
    raw, at = request.raw, fields.fields_start
    reflected = raw[:at] + grammar.without(raw, at, grammar.spans_of(raw, at, _UNSAID)) + b"\r\n"
    return own_response(200, b"Content-Type: message/http\r\n", date, reflected)


def own_response(status: int, fields: bytes, date: bytes, content: bytes, *, head_only: bool = False, keep_alive: bool = False) -> bytes:
    """An answer of ours, ``fields`` whole lines of it."""
    start = b"HTTP/1.1 %d %b\r\nDate: %b\r\n" % (status, REASONS.get(status, b"Error"), date)
    end = b"Content-Length: %d\r\nConnection: %b\r\n\r\n" % (len(content), b"keep-alive" if keep_alive else b"close")
    head = start + fields + end
    return head if head_only else head + content


def redirect(status: int, location: bytes, date: bytes, keep_alive: bool, extra: bytes = b"") -> bytes:
    """An answer of ours that sends the client elsewhere (RFC 9110 15.4); ``extra`` whole further fields."""
    connection = b"keep-alive" if keep_alive else b"close"
    return b"HTTP/1.1 %d %b\r\nDate: %b\r\nLocation: %b\r\n%bContent-Length: 0\r\nConnection: %b\r\n\r\n" % (
        status,
        REASONS[status],
        date,
        location,
        extra,
        connection,
    )


def http_date(unix_seconds: float) -> bytes:
    """A time as Date has it, in whole seconds and English whatever the locale (IMF-fixdate, RFC 9110 5.6.7)."""
    at = datetime.fromtimestamp(int(unix_seconds), timezone.utc)
    day, month = _DAYS[at.weekday()], _MONTHS[at.month - 1]
    return b"%b, %02d %b %04d %02d:%02d:%02d GMT" % (day, at.day, month, at.year, at.hour, at.minute, at.second)
