"""What the body of an answer is wanted to hold: a text, or what an expression matches. Read as it comes, each byte once. Pure."""

from __future__ import annotations

from typing import Optional, Protocol

from .._model import Automaton, automaton

_NEVER, _FOUND = 0, 1  # states of an automaton that are not left again


class Wanted(Protocol):
    """``feed`` gives whether it is there, or never will be, None while that depends on what follows; ``end`` whether it is there in all."""

    words: str

    def feed(self, data: bytes) -> Optional[bool]: ...

    def end(self) -> bool: ...


class Text:
    """A text in it."""

    words = "the expected text"

    def __init__(self, text: str) -> None:
        self._text = text.encode()
        self.body = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> Optional[bool]:
        self.body += data
        if self.body.find(self._text, self._searched) >= 0:
            return True
        self._searched = max(0, len(self.body) - len(self._text) + 1)
        return None

    def end(self) -> bool:
        return False


class Expression:
    """What a regular expression matches anywhere in it; its ``^`` and ``$`` are the body's beginning and end."""

    words = "what the expression matches"

    def __init__(self, expression: str) -> None:
        self._automaton: Automaton = automaton(expression)
        self._state = self._automaton.start

    def feed(self, data: bytes) -> Optional[bool]:
        rows, state = self._automaton.rows, self._state
        for number in data.translate(self._automaton.classes):
            if state <= _FOUND:
                break
            state = rows[state][number]
        self._state = state
        return {_NEVER: False, _FOUND: True}.get(state)

    def end(self) -> bool:
        return self._automaton.ends[self._state]


def wanted(text: str, expression: str) -> Optional[Wanted]:
    """None where any body will do."""
    return Text(text) if text else Expression(expression) if expression else None
