"""Bodies that are framed otherwise than by chunks (RFC 9112 6.2, 6.3): by their length, or by the end of the connection."""

from __future__ import annotations

from typing import Protocol, Union

Bytes = Union[bytes, memoryview]


class Spliced:
    """Bytes that lie in the kernel, to be passed on as they are: their number is known. ``bytes()`` gives themselves, once."""

    def __len__(self) -> int:
        raise NotImplementedError

    def send_to(self, fd: int) -> int:
        """How many of them a socket has taken; the others are still there. Raises OSError as send does."""
        raise NotImplementedError

    def __bytes__(self) -> bytes:
        raise NotImplementedError


Data = Union[Bytes, Spliced]


class Body(Protocol):
    """Follows a body as it arrives."""

    def feed(self, data: Data) -> tuple[list[Data], int]:
        """(what to pass on, bytes of ``data`` used or -1 while the body goes on). Raises BadMessage."""


class SizedBody:
    """``left`` is how many bytes are to come, 1 at least."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left

    def feed(self, data: Data) -> tuple[list[Data], int]:
        size = len(data)
        if size < self.left:
            self.left -= size
            return [data], -1
        used, self.left = self.left, 0
        return [data if used == size else part(data, 0, used)], used


class OpenBody:
    """Of an answer that ends with its connection."""

    __slots__ = ()

    def feed(self, data: Data) -> tuple[list[Data], int]:
        return [data], -1


def joined(pieces: list[Data]) -> Data:
    """The pieces as one; without a copy where there is one only."""
    return pieces[0] if len(pieces) == 1 else b"".join([bytes(piece) if isinstance(piece, Spliced) else piece for piece in pieces])


def part(data: Data, first: int, end: int) -> Data:
    """The bytes from ``first`` on and before ``end``."""
    return bytes(data)[first:end] if isinstance(data, Spliced) else data[first:end]
