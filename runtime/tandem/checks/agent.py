"""What an agent on a server says, in HAProxy's agent protocol (its configuration manual, "agent-check"). Pure.

One line of words between blanks or commas: a share of the weight ("75%"), "maxconn:30", what an operator would say ("ready", "drain", "maint"), what
a check would ("up", "down", "fail", "stopped"; after "#" the reason). What it does not mention stays as it said before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Optional, Union

from .conversation import Dialogue, Step, Verdict, shown

_LINE_BYTES_MAX = 1024
_PERCENT_MAX = 25600  # of a weight of 1, the greatest that there is
_CONNECTIONS_MAX = 1_000_000
_BETWEEN = re.compile(r"[ \t,]+")
_SHARE = re.compile(r"(\d{1,9})%")
_CONNECTIONS = re.compile(r"maxconn:(\d{1,9})", re.IGNORECASE)
_DOWN = ("down", "fail", "failed", "stopped")
_STATES = ("ready", "drain", "maint")


@dataclass(frozen=True)
class Advice:
    """What an agent has said of its server so far. ``share``: percent of the server's weight. ``max_connections``: -1 is the server's own, 0 no
    limit. ``state`` is ready, drain or maint. ``why``: the reason for being down, in its words."""

    share: int = 100
    max_connections: int = -1
    state: str = "ready"
    up: bool = True
    why: str = ""

    @property
    def words(self) -> str:
        """As status shows it."""
        down = [] if self.up else [f"down{f' ({self.why})' if self.why else ''}"]
        limit = [f"maxconn:{self.max_connections}"] if self.max_connections >= 0 else []
        return " ".join([*down, self.state, f"{self.share}%", *limit])


class AgentQuestion(Dialogue):
    """Asks for one line. What it comes to is ``line``."""

    PROTOCOL = "agent's"

    def __init__(self, send: str) -> None:
        super().__init__()
        self._send = send.encode()
        self.line = ""

    @property
    def opening(self) -> bytes:
        return self._send + b"\n" if self._send else b""

    def _read(self) -> Step:
        ends = [at for at in (self._buffer.find(b"\n"), self._buffer.find(b"\r")) if at >= 0]
        if ends:
            return self._told(self._buffer[: min(ends)])
        return self._invalid(f"it says {shown(self._buffer)} without an end") if len(self._buffer) > _LINE_BYTES_MAX else None

    def end(self) -> Verdict:
        """An agent may say its words and leave."""
        return self._told(self._buffer) if self._buffer else super().end()

    def _told(self, line: Union[bytes, bytearray]) -> Verdict:
        if not line.strip():
            return self._invalid("it is an empty line")
        if len(line) > _LINE_BYTES_MAX:
            return self._invalid(f"it says {shown(line)}, more than {_LINE_BYTES_MAX} bytes")
        self.line = line.decode("latin-1")
        return True, shown(line)


def advised(before: Advice, line: str) -> tuple[Advice, Optional[str]]:
    """What an agent's line makes of what it said before; and the words in it that mean nothing, None where all do."""
    words, sharp, why = line.partition("#")
    now, odd = before, []
    for word in filter(None, _BETWEEN.split(words)):
        told = _advised(now, word, ascii(why.strip())[1:-1][:80] if sharp else "")
        if told is None:
            odd.append(word)
        else:
            now = told
    return now, " ".join(odd) or None


def _advised(now: Advice, word: str, why: str) -> Optional[Advice]:
    lowered = word.lower()
    if share := _SHARE.fullmatch(word):
        return replace(now, share=min(int(share[1]), _PERCENT_MAX))
    if limit := _CONNECTIONS.fullmatch(word):
        return replace(now, max_connections=min(int(limit[1]), _CONNECTIONS_MAX))
    if lowered in _STATES:
        return replace(now, state=lowered)
    if lowered == "up":
        return replace(now, up=True, why="")
    return replace(now, up=False, why=why) if lowered in _DOWN else None
