"""Paths of requests rewritten by prefix, as they came but for that prefix, and by the same reading that routes have of them (``paths.normal``)."""

from __future__ import annotations

import re
from typing import Optional

from .paths import lies_under, normal

# Segments that a server takes as "here" and "up", encoded or not (RFC 3986 5.2.4, 6.2.2.2), also where a backslash stands for a slash.
_DOTS = re.compile(rb"(?:[/\\]|%2f|%5c)(?:\.|%2e){1,2}(?:[/\\;]|%2f|%5c|$)", re.IGNORECASE)
_MAYBE_DOTS = re.compile(rb"(?:[/\\]|%2[fF]|%5[cC])(?:\.|%2[eE])")
_SEGMENT = re.compile(rb"/+([^/]*)")


class Rewrite:
    """Takes a prefix away and puts another one before what is left. Without one to take away every path is rewritten."""

    __slots__ = ("_add", "_normal", "_segments", "_strip")

    def __init__(self, strip: bytes, add: bytes) -> None:
        self._strip = strip.rstrip(b"/")
        self._add = add.rstrip(b"/")
        self._normal = normal(strip)
        self._segments = [segment for segment in self._normal.split(b"/") if segment]

    def target(self, target: bytes) -> Optional[bytes]:
        """The target to send, its query untouched; None for one that must not be rewritten.

        A path with dot segments could climb out of the new prefix at the server, past what routes were asked about, and one in which the prefix is
        written so that it cannot be told from the rest (``/api%2Fx``) would be read otherwise there; browsers send neither. What is left of a path
        never begins with two slashes, as some servers read a host there (RFC 3986 3.3).
        """
        if not target.startswith(b"/"):
            return target  # OPTIONS *
        path, mark, query = target.partition(b"?")
        rest = path
        if self._normal:
            if not lies_under(normal(path), self._normal) and not lies_under(path, self._normal):
                return target
            left = path[len(self._strip) :] if lies_under(path, self._strip) else self._without_segments(path)
            if left is None:
                return None
            rest = left if self._add and left else b"/" + left.lstrip(b"/")
        if _MAYBE_DOTS.search(path) is not None and _DOTS.search(path) is not None:
            return None
        return b"%b%b%b%b" % (self._add, rest, mark, query)

    def _without_segments(self, path: bytes) -> Optional[bytes]:
        """What is left of a path whose prefix is written in another way; None where it cannot be told."""
        at = 0
        for wanted in self._segments:
            found = _SEGMENT.match(path, at)
            if found is None or normal(b"/" + found[1]) != b"/" + wanted:
                return None
            at = found.end()
        return path[at:]
