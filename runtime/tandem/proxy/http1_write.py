"""Heads as they are sent on, to servers and to clients: the other side of ``http1``. Fields that concern one connection only stay behind."""

from __future__ import annotations

from .http1 import Head

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


def request_head(head: Head, client: bytes, forwarded_for: str, drop_cookie: bytes = b"", local: bytes = b"") -> bytes:
    """The head to send to a server: hop-by-hop fields gone (RFC 9110 7.6.1), Via (7.6.3), X-Forwarded-For and X-Forwarded-Proto added.

    ``drop_cookie`` names the sticky cookie, which servers do not see. ``local`` is where the client reached us: the Host of a request of
    HTTP/1.0 that has none, as HTTP/1.1 has to have one.
    """
    given = (client, forwarded_for, drop_cookie, local)
    if head.written_for != given:
        head.written, head.written_for = _request_fields(head, client, forwarded_for, drop_cookie, local), given
    return b"%b %b HTTP/1.1\r\n%b" % (head.method, head.target, head.written)


def _request_fields(head: Head, client: bytes, forwarded_for: str, drop_cookie: bytes, local: bytes) -> bytes:
    parts = []
    if head.lacks_host:
        parts.append(b"Host: %b\r\n" % (head.host or local))
    parts.append(_kept_fields(head))
    if head.cookie:
        cookie = head.cookie
        if drop_cookie:
            cookie = b"; ".join(pair for pair in _cookie_pairs(cookie) if pair.partition(b"=")[0].strip() != drop_cookie)
        if cookie:
            parts.append(b"Cookie: %b\r\n" % cookie)
    parts.append(_forwarded(head, client, forwarded_for))
    parts.append(b"Via: 1.%d tandem\r\n" % head.minor)
    if head.upgrade:
        parts.append(b"Connection: upgrade\r\nUpgrade: %b\r\n" % head.upgrade)
    parts.append(b"\r\n")
    return b"".join(parts)


def response_head(head: Head, connection: bytes, extra: bytes = b"") -> bytes:
    """The head to send to the client. ``connection`` is the value of Connection, b"" for none; ``extra`` whole further fields."""
    given = (connection, extra)
    if head.written_for != given:
        head.written, head.written_for = _response_head(head, connection, extra), given
    return head.written


def _response_head(head: Head, connection: bytes, extra: bytes) -> bytes:
    start = head.raw[8 : head.raw.index(b"\r\n")]
    if len(start) == 4:
        start += b" "  # RFC 9112 4: the space stays when the reason is missing
    tail = b"Connection: %b\r\n" % connection if connection else b""
    if head.upgrade and head.status == 101:
        tail += b"Upgrade: %b\r\n" % head.upgrade
    return b"HTTP/1.1%b\r\n%b%b%b\r\n" % (start, _kept_fields(head), extra, tail)


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


def _forwarded(head: Head, client: bytes, mode: str) -> bytes:
    """The X-Forwarded fields. ``append`` trusts what came, ``replace`` does not, ``none`` is not concerned."""
    chain, scheme = head.forwarded_for, head.forwarded_proto
    if mode == "replace":
        chain, scheme = client, b"http"
    elif mode == "append":
        chain, scheme = (chain + b", " + client if chain else client), scheme or b"http"
    return (b"X-Forwarded-For: %b\r\n" % chain if chain else b"") + (b"X-Forwarded-Proto: %b\r\n" % scheme if scheme else b"")
