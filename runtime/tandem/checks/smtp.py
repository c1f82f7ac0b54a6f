"""A check of type smtp: the greeting, and EHLO, or HELO where that is all that a server knows (RFC 5321 3.1, 3.2). Pure."""

from __future__ import annotations

import re
from typing import Optional

from .conversation import Dialogue, Step, Unreadable, shown

_LINE = re.compile(rb"(\d{3})(?:([ -])(.*))?", re.DOTALL)
_READY, _DONE = 220, 250


class SmtpCheck(Dialogue):
    """``name``: who we say that we are."""

    PROTOCOL = "SMTP"
    farewell = b"QUIT\r\n"

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name.encode()
        self._greetings = [b"EHLO", b"HELO"]
        self._waits_for = _READY
        self._first: Optional[bytes] = None  # line of the reply that is being read

    def _read(self) -> Step:
        reply = self._reply()
        if reply is None:
            return None
        code, text = reply
        if code == self._waits_for == _DONE:
            return True, f"SMTP says {text}"
        refused_greeting = self._waits_for == _DONE and 500 <= code < 600
        if (code == self._waits_for or refused_greeting) and self._greetings:
            self._waits_for = _DONE
            return self._greetings.pop(0) + b" " + self._name + b"\r\n"
        return False, f"SMTP says {text}, expected {self._waits_for}"

    def _reply(self) -> Optional[tuple[int, str]]:
        """The code of a whole reply, and its first line; the others have its code and a hyphen, but the last (RFC 5321 4.2.1)."""
        while True:
            line = self._line()
            if line is None:
                return None
            match = _LINE.fullmatch(line)
            if match is None:
                raise Unreadable(f"it says {shown(line)}, which has no code of three digits")
            if self._first is None:
                self._first = line
            if match[2] != b"-":
                first, self._first = self._first, None
                return int(match[1]), shown(first)
