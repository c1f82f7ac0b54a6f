"""A check of type redis: PING, and where clients are to reach the one that takes writes, whether it is the master. Pure."""

from __future__ import annotations

import re
from typing import Optional

from .conversation import ANSWER_BYTES_MAX, Dialogue, Step, Unreadable, shown

_PING = b"*1\r\n$4\r\nPING\r\n"
_INFO = b"*2\r\n$4\r\nINFO\r\n$11\r\nreplication\r\n"
_LENGTH = re.compile(rb"\$(\d{1,9})")
_ROLE = re.compile(rb"^role:([a-z]{1,20})\r?$", re.MULTILINE)


class RedisCheck(Dialogue):
    """``role``: "any", or the one that it must have."""

    PROTOCOL = "Redis"

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role
        self._is_alive = False
        self._size: Optional[int] = None  # of what INFO says

    @property
    def opening(self) -> bytes:
        return _PING if self._role == "any" else _PING + _INFO

    def _read(self) -> Step:
        if not self._is_alive:
            line = self._line()
            if line is None:
                return None
            if line.startswith(b"-"):  # as while it loads its data, and where it wants a password
                return False, f"Redis says {shown(line[1:])}"
            if line != b"+PONG":
                raise Unreadable(f"it begins with {shown(line)} instead of PONG")
            self._is_alive = True
        return (True, "Redis answered PONG") if self._role == "any" else self._has_role()

    def _has_role(self) -> Step:
        if self._size is None:
            line = self._line()
            if line is None:
                return None
            if line.startswith(b"-"):
                return False, f"Redis says {shown(line[1:])}"
            match = _LENGTH.fullmatch(line)
            if match is None or int(match[1]) > ANSWER_BYTES_MAX - 2:
                raise Unreadable(f"INFO is answered with {shown(line)}")
            self._size = int(match[1])
        if len(self._buffer) < self._size:
            return None
        match = _ROLE.search(bytes(self._buffer[: self._size]))
        role = match[1].decode() if match else "none"
        return (True, f"Redis is {role}") if role == self._role else (False, f"Redis has role {role}, expected {self._role}")
