"""Conflicts in words: lines of the log, of which a peer that does nothing else does not fill it, and what status shows."""

from __future__ import annotations

from typing import Any

from ..log import say
from .conflicts import Conflict, Conflicts
from .settings import Settings
from .transport import rank_of

_SAID_S = 1.0


class ConflictLog:
    def __init__(self) -> None:
        self._said_at, self._is_said = float("-inf"), True

    def say_news(self, conflicts: Conflicts, settings: Settings, priority: int, now: float) -> None:
        name = settings.load_balancer.name
        for conflict in conflicts.take_news():
            if conflict.ended_at is None and now < self._said_at + _SAID_S:
                self._is_said = False  # of a peer that does nothing else
                continue
            if conflict.ended_at is not None and not self._is_said:
                continue
            self._said_at, self._is_said = now, True
            me, other = settings.me, _peer_of(conflict, settings)
            if conflict.ended_at is None:
                both = f"this node ({me.address}, priority {priority}) and {other} are both active"
                say("warning", f"load balancer {name}: {both}; this one has been for {now - conflict.mine_since:.1f} s")
            else:
                lasted = f"heard of it for {conflict.ended_at - conflict.began_at:.1f} s, this node was active for {now - conflict.mine_since:.1f} s"
                say("warning", f"load balancer {name}: the conflict with {other} has ended ({lasted}): {conflict.ending}")


def view(conflicts: Conflicts, settings: Settings, now: float) -> dict[str, Any]:
    last = conflicts.last
    return {
        "count": conflicts.count,
        "last": None
        if last is None
        else {
            "peer": next((peer.node for peer in settings.peers if rank_of(peer.address) == last.rank), ""),
            "priority": last.priority,
            "began_ms": int((now - last.began_at) * 1000),
            "lasted_ms": int(((now if last.ended_at is None else last.ended_at) - last.began_at) * 1000),
            "ended": last.ended_at is not None,
            "won": last.won,
            "ending": last.ending,
        },
    }


def _peer_of(conflict: Conflict, settings: Settings) -> str:
    peer = next((peer for peer in settings.peers if rank_of(peer.address) == conflict.rank), None)
    who = "a former peer (" if peer is None else f"{peer.node} ({peer.address}, "
    return f"{who}priority {conflict.priority})"
