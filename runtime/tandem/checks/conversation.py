"""What a check says to a server and hears from it, as bytes: the form that all kinds share. Pure.

A kind reads as leniently as its protocol can be understood, and hears no more than ``ANSWER_BYTES_MAX`` bytes. Whatever pieces an answer comes
in, the verdict is the same.
"""

from __future__ import annotations

from typing import ClassVar, Optional, Protocol, Union

ANSWER_BYTES_MAX = 65536
_SHOWN_BYTES_MAX = 120

Verdict = tuple[bool, str]  # whether the check is passed, and what was seen
Step = Union[bytes, Verdict, None]  # what is to be said next, or the verdict; None: it depends on what follows


class Unreadable(Exception):
    """What came is no answer; the reason in words."""


class Conversation(Protocol):
    """One check. ``opening`` is said first ("b''" where the server speaks first), and ``farewell`` to a server that has passed, without waiting."""

    farewell: bytes

    @property
    def opening(self) -> bytes: ...

    def feed(self, data: bytes) -> Step:
        """Takes what has come. After a step that is to be said it is called again, with nothing: more may lie there already."""

    def end(self) -> Verdict:
        """The verdict when nothing more comes."""


class Dialogue:
    """A ``Conversation`` whose answers are few and short. A subclass says what it takes ``_buffer`` for, in ``_read``."""

    PROTOCOL: ClassVar[str] = ""
    farewell: bytes = b""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._heard = 0

    @property
    def opening(self) -> bytes:
        return b""

    def feed(self, data: bytes) -> Step:
        self._buffer += data
        self._heard += len(data)
        try:
            step = self._read()
            if step is None and self._heard > ANSWER_BYTES_MAX:
                raise Unreadable(f"more than {ANSWER_BYTES_MAX // 1024} KiB of it are not enough")
        except Unreadable as error:
            return self._invalid(str(error))
        return step

    def end(self) -> Verdict:
        begun = f"after {shown(self._buffer)}" if self._buffer else "without one"
        return self._invalid(f"the connection was closed {begun}")

    def _read(self) -> Step:
        """Goes on with what is there. Raises Unreadable."""
        raise NotImplementedError

    def _invalid(self, why: str) -> Verdict:
        return False, f"no valid {self.PROTOCOL} answer ({why})"

    def _line(self) -> Optional[bytes]:
        """The next line, taken, without what ends it. None while it is not whole."""
        end = self._buffer.find(b"\n")
        if end < 0:
            return None
        line = bytes(self._buffer[:end]).rstrip(b"\r")
        del self._buffer[: end + 1]
        return line


def shown(said: Union[bytes, bytearray]) -> str:
    """The beginning of what a server sent, in quotes, as a line of a log may hold it."""
    text = ascii(bytes(said[:_SHOWN_BYTES_MAX]).decode("latin-1"))[1:-1]
    return f'"{text}{"..." if len(said) > _SHOWN_BYTES_MAX else ""}"'
