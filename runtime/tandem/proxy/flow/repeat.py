"""What would have to be sent again if a request were repeated, and whether that is still possible."""

from __future__ import annotations

from typing import Optional

from ...http.body import Data

_BYTES_MAX = 65536


class Repeatable:
    """A request as it was sent: ``possible`` while all of it is at hand, and no byte of an answer has been seen."""

    head = b""
    possible = True
    _body: Optional[list[bytes]] = None
    _bytes = 0

    def all(self) -> bytes:
        return self.head if self._body is None else b"".join([self.head, *self._body])

    def add(self, pieces: list[Data]) -> None:
        """Keeps more of the body, up to 64 KiB of it."""
        if self.possible:
            self._bytes += sum(map(len, pieces))
            if self._bytes > _BYTES_MAX:
                self.forget()
            else:
                self._body = [*(self._body or ()), *(bytes(piece) for piece in pieces)]

    def forget(self) -> None:
        self.possible = False
        self._body = None
