# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Moves a load balancer on purpose: keepalive of the active node is asked to hand it over, and everybody sees to it that the other one takes it.

Used by the modules and by the runtime (the bundle carries this file), so: standard library only, Python 3.9.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ._client import Client, NotRunning
from ._paths import Paths

_ANSWER_S = 15.0
_LOOK_S = 0.05


@dataclass(frozen=True)
class Standing:
    """Who is active, as this node knows it: ``active`` is that node, or "". ``node`` is this one, ``state`` its state, and ``reason`` why."""

    node: str
    state: str
    active: str
    reason: str = ""


@dataclass(frozen=True)
class Moved:
    """``changed``: whether this node has handed the load balancer over; in a forecast, whether it would. ``kept``: whether its connections go on
    there, if it has, and why not."""

    changed: bool
    standing: Standing
    kept: bool = False
    kept_reason: str = ""


class NotMoved(Exception):
    """The load balancer is not where it was wanted; ``str()`` says where it is, and why; ``moved`` what was done, and how it is now."""

    def __init__(self, message: str, moved: Moved) -> None:
        super().__init__(message)
        self.moved = moved


class Switchover:
    """One load balancer, to be active on the node ``to``, or with "" on another one than now. All methods raise NotRunning and Refused."""

    def __init__(
        self,
        paths: Paths,
        load_balancer: str,
        *,
        to: str = "",
        force: bool = False,
        grace_ms: int = 300_000,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """``force``: whether or not a peer is known to be able to take over. ``grace_ms``: how long connections that stand are kept where they can
        be."""
        self._client = Client(paths.keepalive_socket, _ANSWER_S)
        self._asked = {"load_balancer": load_balancer, "to": to, "force": force, "grace_ms": grace_ms}
        self._words, self._to = f'load balancer "{load_balancer}"', to
        self._clock, self._sleep = clock, sleep

    def foreseen(self) -> Moved:
        """What ``carry_out`` would begin with; changes nothing. A load balancer that takes no part here yet is not moved."""
        now = self.look()
        return Moved(bool(now.node) and bool(self._ask(check=True)["moved"]), now)

    def carry_out(self, within_s: float, *, elsewhere: bool) -> Moved:
        """Hands over where this node is active and should not be, and returns once the load balancer is where it is wanted, as this node knows it.

        ``elsewhere``: it is asked of the other nodes as well, so that this one waits for the one that is active. Raises NotMoved.
        """
        deadline = self._clock() + within_s
        answer = self._ask()
        while True:
            now, changed = self.look(), bool(answer["moved"])
            # A keepalive of an earlier release says nothing of connections, and keeps none.
            reason = answer.get("kept_reason", "keepalive is of an earlier release") if changed else ""
            moved = Moved(changed, now, bool(answer.get("kept")), str(reason))
            away = now.active != now.node or not changed
            if now.active and away and self._to in ("", now.active):
                return moved
            if not changed and now.active == now.node:
                answer = self._ask()  # it has become active since
            elif not changed and now.active and not elsewhere:
                raise NotMoved(f"{self._words}: {now.active} is active, not {self._to}. Ask there: it is the active node that hands over.", moved)
            if self._clock() >= deadline:
                raise NotMoved(self._too_late(now, within_s), moved)
            self._sleep(_LOOK_S)

    def look(self) -> Standing:
        """How it is now. Where the load balancer takes no part on this node, nobody is known to be active."""
        status = self._answer("GET", "/v1/status")
        view: dict[str, Any] = status["load_balancers"].get(self._asked["load_balancer"], {})
        me, state = str(view.get("node", "")), str(view.get("state", "unknown"))
        others = (str(node) for node, peer in view.get("peers", {}).items() if peer["state"] == "active")
        return Standing(me, state, me if state == "active" else next(others, ""), str(view.get("reason", "")))

    def _ask(self, *, check: bool = False) -> dict[str, Any]:
        """``moved``: whether this node was active, and has handed over; with ``check``, whether it would."""
        return self._answer("POST", "/v1/switchover", {**self._asked, "check": check})

    def _answer(self, method: str, target: str, body: Any = None) -> dict[str, Any]:
        try:
            return self._client.request(method, target, body)
        except NotRunning as error:
            why = f"keepalive does not run on this node, so it neither hands over nor takes over ({error})"
            raise NotRunning(f"{self._words}: {why}. Start it (tandem.lb.runtime does), then run again.") from error

    def _too_late(self, now: Standing, within_s: float) -> str:
        found = f"{now.active} is active" if now.active else "no node is known to be active"
        here = f", and this node, {now.node}, is in state {now.state}{f' ({now.reason})' if now.reason else ''}" if now.node != now.active else ""
        way_out = "It is the active node that hands over: ask there too, and see what tandem status says on both."
        return f"{self._words}: {self._to or 'the other node'} has not taken over within {within_s:g} s; {found}{here}. {way_out}"
