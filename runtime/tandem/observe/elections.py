"""Pure: what has changed between two of keepalive's views of itself, as events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Optional

Event = tuple[str, str, str]  # kind, about, text


def changes(before: Optional[dict[str, Any]], after: Optional[dict[str, Any]]) -> Iterator[Event]:
    """None: it did not answer."""
    if before is None or after is None:
        if (before is None) != (after is None):
            yield "service", "keepalive", "answers" if before is None else "does not answer"
        return
    for name, now in after["load_balancers"].items():
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
