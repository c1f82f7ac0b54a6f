"""Pure: what has changed between keepalive's views of itself, as events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Optional

Event = tuple[str, str, str]  # kind, about, text


class Followed:
    """``told`` is the first view; None: it did not answer. What changes while it does not is an event of when it does again."""

    def __init__(self, told: Optional[dict[str, Any]]) -> None:
        self._answers = told is not None
        self._last = told

    def changes(self, told: Optional[dict[str, Any]]) -> Iterator[Event]:
        """Since the view before; to be gone through."""
        answers = told is not None
        if answers != self._answers:
            self._answers = answers
            yield "service", "keepalive", "answers" if answers else "does not answer"
        if told is None:
            return
        before, self._last = self._last, told
        if before is None:
            return
        for name, now in told["load_balancers"].items():
            was = before["load_balancers"].get(name)
            if was is not None:
                yield from _of_one(name, was, now)


def _of_one(name: str, was: dict[str, Any], now: dict[str, Any]) -> Iterator[Event]:
    moves = now["transitions"] - was["transitions"]
    if now["state"] != was["state"] or moves > 0:
        between = f", {moves} changes in all" if moves > 1 else ""
        reason = f": {now['reason']}" if now["reason"] else ""
        yield "state", name, f"{now['node']}: {was['state']} -> {now['state']}{between}{reason}"
    counted, before = now.get("conflicts") or {}, was.get("conflicts") or {}  # a keepalive of an earlier release does not count them
    if counted.get("count", 0) > before.get("count", 0):
        last = counted["last"] or {}
        yield "state", name, f"{now['node']} and {last.get('peer') or 'a former peer'} are both active"
    for peer, seen in now["peers"].items():
        former = was["peers"].get(peer)
        if former is not None and former["state"] != seen["state"]:
            yield "peer", name, f"{peer}: {former['state']} -> {seen['state']}"
