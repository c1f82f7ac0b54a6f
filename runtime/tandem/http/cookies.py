"""Cookies as fields hold them: the value of one, one left out, and the application's own cookie with the mark of its server in it.

The mark stands before the value and a ``~``, as HAProxy has it (``cookie ... prefix``), or in place of it (``rewrite``).
"""

from __future__ import annotations

import re

_MARKED = re.compile(rb"[0-9a-f]{16}~")
_SET_COOKIE = re.compile(rb"\n(set-cookie):[ \t]*([^\r;]*)([^\r]*)", re.IGNORECASE)


def cookie_value(cookie: bytes, name: bytes) -> bytes:
    """The value of the named cookie in a Cookie field (RFC 6265 5.4); b"" where it is missing."""
    for pair in cookie_pairs(cookie):
        key, _equals, value = pair.partition(b"=")
        if key.strip() == name:
            return value.strip()
    return b""


def cookie_pairs(cookie: bytes) -> list[bytes]:
    return [pair.strip() for pair in cookie.split(b";") if pair.strip()]


def without_cookie(cookie: bytes, name: bytes) -> bytes:
    """A Cookie field's value without the cookies of this name."""
    return b"; ".join([pair for pair in cookie_pairs(cookie) if pair.partition(b"=")[0].strip() != name])


def unmarked(cookie: bytes, name: bytes) -> bytes:
    """A Cookie field's value as the server knows it: the cookies of this name without the mark before their values."""
    pairs = []
    for pair in cookie_pairs(cookie):
        key, _equals, value = pair.partition(b"=")
        is_marked = key.strip() == name and _MARKED.match(value.strip()) is not None
        pairs.append(b"%b=%b" % (name, value.strip()[17:]) if is_marked else pair)
    return b"; ".join(pairs)


def marked(raw: bytes, fields_start: int, name: bytes, mark: bytes, keep: bool) -> tuple[list[tuple[int, int]], bytes]:
    """(where the Set-Cookie lines of this cookie lie in a head, the same lines with the mark: before the value with ``keep``, else in its place).

    A cookie without a value, as one that is taken back, has no mark either.
    """
    cuts, lines = [], b""
    for found in _SET_COOKIE.finditer(raw, fields_start - 1):
        key, equals, value = found[2].partition(b"=")
        if key.strip() == name and equals:
            value = value.strip()
            if value:
                value = b"%b~%b" % (mark, value) if keep else mark
            cuts.append((found.start(1), found.end() + 2))
            lines += b"Set-Cookie: %b=%b%b\r\n" % (name, value, found[3])
    return cuts, lines
