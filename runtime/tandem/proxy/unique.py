"""Names that are given once: 128 random bits in hexadecimal, from the kernel's generator, drawn many at a time."""

from __future__ import annotations

import os

_BYTES = 16
_AT_ONCE = 256


class Unique:
    """One per worker."""

    def __init__(self) -> None:
        self._names: list[bytes] = []

    def take(self) -> bytes:
        """32 hexadecimal digits."""
        if not self._names:
            drawn = os.urandom(_BYTES * _AT_ONCE).hex().encode()
            self._names = [drawn[at : at + 2 * _BYTES] for at in range(0, len(drawn), 2 * _BYTES)]
        return self._names.pop()
