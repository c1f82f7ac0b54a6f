"""What the pool needs of those who use it, stated here so that it imports none of them."""

from __future__ import annotations

from typing import Protocol


class Idle(Protocol):
    """A connection to a server that nobody uses now. ``idle_since``: since when (seconds of the reactor's clock)."""

    idle_since: float

    @property
    def usable(self) -> bool:
        """Whether it may carry another request: neither side has ended it."""

    def close(self) -> None: ...


class Places(Protocol):
    """A limit that all workers count together."""

    def free(self) -> bool:
        """Whether there seems to be a place."""

    def take(self, held: int, since: float) -> bool:
        """Takes one, beside the ``held`` ones of this worker, for who waits since then; False where there is none, or others have waited longer."""

    def hold(self, held: int) -> None:
        """This worker holds so many from now on."""

    def wait(self, count: int, since: float) -> None:
        """So many of this worker's wait, the first of them since then."""


class Client(Protocol):
    """A client's connection, as a frontend knows it."""

    def drain(self) -> None:
        """Nothing new is wanted from this client; what is under way goes on."""

    def abort(self, why: str) -> None:
        """Ends the connection at once, with a reset."""
