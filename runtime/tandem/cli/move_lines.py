"""Lines of `tandem status` about what a node tracks and what is left of a planned move."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

from ..observe.problems import ago

_UP = {True: "there", False: "LOST", None: "not known yet"}


def tracked_lines(tracked: Iterable[dict[str, Any]]) -> list[str]:
    return [f"  tracks {one['what']}: {_UP[one['up']]}" + (f" ({one['last']})" if one["last"] else "") for one in tracked]


def move_lines(move: Optional[dict[str, Any]]) -> list[str]:
    if move is None:
        return []
    left = f", {ago(move['ends_ms'])} at most"
    if move["part"] == "keeps":
        count = "an unknown number of" if move["connections"] is None else move["connections"]
        return [f"  keeps {count} connections from before {move['peer']} took over{left}"]
    return [f"  passes packets of older connections on to {move['peer']}{left}"]


def history_lines(moves: Iterable[dict[str, Any]], now_s: float) -> list[str]:
    """``now_s`` is the time of day, which may have been set since."""
    return [f"  moved {ago(max(0, int(now_s - one['at_s'])) * 1000)} ago, {one['from']} -> {one['to']}: {one['why']}" for one in moves]
