"""Conflicts: other nodes that were active while this one was, and how often an active node announces itself because of them. Pure.

A conflict is heard of by both sides or by one, as the network lets through. It begins with the first advertisement that is heard while active, and
ends when this node or the other steps down, or when nothing more is heard of the other.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Optional

# While the other goes on, it may announce itself as well, and each of its announcements is to be corrected. Between two of ours that conflicts cause
# lies the one that each brings with it after a second (``addresses``).
_ONGOING_S = 2.0
# The end of each conflict is announced at once. Who ends ten of them in ten seconds, and goes on, is answered once a second.
_BURST, _REFILL_S = 10, 1.0
_NEWS_MAX = 16


@dataclass(frozen=True)
class Conflict:
    """``rank`` and ``priority`` are the other's; ``mine_since`` is when this node had become active. ``ended_at`` is None while it lasts."""

    rank: bytes
    priority: int
    mine_since: float
    began_at: float
    heard_at: float
    ended_at: Optional[float] = None
    won: bool = True
    ending: str = ""


class Conflicts:
    """Those of one election. Times are seconds of its clock."""

    def __init__(self) -> None:
        self.count = 0
        self.last: Optional[Conflict] = None
        self._open: dict[bytes, Conflict] = {}
        self._news: deque[Conflict] = deque(maxlen=_NEWS_MAX)
        self._tokens, self._filled_at = float(_BURST), 0.0
        self._announced_at = float("-inf")

    def heard(self, now: float, rank: bytes, priority: int, mine_since: float) -> bool:
        """Another node is active too. Whether this node, if it stays active, has to announce itself now."""
        known = self._open.get(rank)
        if known is None:
            self.count += 1
            self._set(Conflict(rank, priority, mine_since, now, now))
            self._news.append(self._open[rank])
            return self._allows(now)
        self._set(Conflict(rank, priority, known.mine_since, known.began_at, now))
        return now >= self._announced_at + _ONGOING_S and self._allows(now)

    def resigned(self, now: float, rank: bytes) -> bool:
        """Another node has let go. Whether this one, which is active, has to announce itself now: the other may have answered for the addresses."""
        if rank in self._open:
            self._end(rank, now, won=True, ending="the other node stepped down")
        return self._allows(now)

    def lost(self, now: float, rank: bytes) -> None:
        """This node steps down before that one; with it end its conflicts with others."""
        for one in list(self._open):
            ending = "this node stepped down" if one == rank else "this node stepped down before a third one"
            self._end(one, now, won=False, ending=ending)

    def forget_silent(self, now: float, silent_s: float) -> bool:
        """Those of whom nothing was heard for so long are no longer in conflict. Whether this node, which is active, has to announce itself now."""
        silent = [rank for rank, conflict in self._open.items() if now - conflict.heard_at > silent_s]
        for rank in silent:
            self._end(rank, self._open[rank].heard_at, won=True, ending="the other node fell silent")
        return bool(silent) and self._allows(now)

    def over(self, now: float) -> None:
        """This node is no longer active, whatever made it so."""
        for rank in list(self._open):
            self._end(rank, now, won=False, ending="this node stepped down")

    def take_news(self) -> list[Conflict]:
        """What has begun and ended since this was asked last, for the log: the latest, if it is much."""
        news = list(self._news)
        self._news.clear()
        return news

    def _set(self, conflict: Conflict) -> None:
        self._open[conflict.rank] = self.last = conflict

    def _end(self, rank: bytes, now: float, *, won: bool, ending: str) -> None:
        one = self._open.pop(rank)
        self.last = Conflict(rank, one.priority, one.mine_since, one.began_at, one.heard_at, now, won, ending)
        self._news.append(self.last)

    def _allows(self, now: float) -> bool:
        """What is not allowed is not lost: the announcement before it, at most a second ago, is repeated after a second."""
        self._tokens = min(_BURST, self._tokens + (now - self._filled_at) / _REFILL_S)
        self._filled_at = now
        if self._tokens < 1 and now < self._announced_at + _REFILL_S:
            return False
        self._tokens = max(0.0, self._tokens - 1)
        self._announced_at = now
        return True
