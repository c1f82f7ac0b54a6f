"""Paths as rules compare them."""

from __future__ import annotations

import re

_ENCODED = re.compile(rb"%([0-9A-Fa-f]{2})")


def normal(path: bytes) -> bytes:
    """A path as a server is likely to read it: percent-decoded, but for control characters, and without empty and dot segments (RFC 3986 6.2.2).

    Else ``/%61dmin`` or ``//x/../admin`` would pass a rule for ``/admin`` unseen. What is passed on is the path as it came.
    """
    if not (b"%" in path or b"//" in path or b"/." in path) or not path.startswith(b"/"):
        return path
    decoded = _ENCODED.sub(_decoded, path) if b"%" in path else path
    kept: list[bytes] = []
    segments = decoded.split(b"/")[1:]
    for segment in segments:
        if segment == b"..":
            if kept:
                kept.pop()
        elif segment not in (b"", b"."):
            kept.append(segment)
    if kept and segments[-1] not in (b"", b".", b".."):
        return b"/" + b"/".join(kept)
    return b"/" + b"/".join(kept) + (b"/" if kept else b"")


def lies_under(path: bytes, prefix: bytes) -> bool:
    """Whether a path lies under a prefix, by whole segments: "/api" holds "/api" and "/api/x", not "/apix"."""
    if not path.startswith(prefix):
        return False
    return not prefix or prefix.endswith(b"/") or len(path) == len(prefix) or path[len(prefix) : len(prefix) + 1] == b"/"


def _decoded(match: re.Match[bytes]) -> bytes:
    number = int(match[1], 16)
    return match[0] if number < 32 or number == 127 else bytes((number,))
