"""Who is active: the election of one load balancer as a state machine, seen from one node. Pure: events and times in, actions out.

The rules are those of VRRP version 3 (RFC 9568 6.4), with four additions:

- *fault*: a node whose proxy does not work takes no part; an active one resigns first.
- *failback*: whether a more preferred node takes over from one that is active (RFC 9568 calls it Preempt_Mode; here it can also wait).
- *stalls*: a process can be stopped for a while and not know it (SIGSTOP, a suspended machine, a swapped-out host). An active node that has sent
  nothing for as long as its peers wait has probably been replaced: it steps down before it sends anything. A standby node that was not
  listening must not take the silence for a death.
- *start*: a node that has just started gives the more preferred ones a moment to start as well, so that the master is the first to be active.

Everything that changes the state lives in this file. Times are seconds of a clock that counts while the machine is suspended (CLOCK_BOOTTIME).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Union

RESIGNATION = 0  # RFC 9568 5.2.4: priority 0 says that the active node gives up
_PRIORITY_FIRST, _PRIORITY_STEP = 200, 100


class State(str, Enum):
    FAULT = "fault"
    STANDBY = "standby"
    ACTIVE = "active"


@dataclass(frozen=True)
class Config:
    """``rank`` breaks ties of priority as RFC 9568 6.4.3 does: the higher address, as bytes, wins.

    ``start_wait_s`` is added to the first wait only.
    """

    priority: int
    interval_s: float
    dead_after: int
    failback: str = "never"
    failback_delay_s: float = 60.0
    rank: bytes = b""
    start_wait_s: float = 0.0


@dataclass(frozen=True)
class Heard:
    """An advertisement of an active peer: its priority (0: it resigns), its interval, and its address as bytes."""

    priority: int
    interval_s: float
    rank: bytes = b""


@dataclass(frozen=True)
class Healthy:
    """Whether this node could carry the traffic: its proxy works."""

    healthy: bool
    reason: str = ""


@dataclass(frozen=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True)
class Stop:
    """This node leaves in order: it is being stopped, or the load balancer removed."""


@dataclass(frozen=True)
class Send:
    """Send an advertisement with this priority."""

    priority: int


@dataclass(frozen=True)
class Acquire:
    """Take the floating IPs and announce them."""


@dataclass(frozen=True)
class Announce:
    """Announce the floating IPs again: a peer believed to hold them too."""


@dataclass(frozen=True)
class Release:
    """Give the floating IPs up."""


Event = Union[Heard, Healthy, Tick, Stop]
Action = Union[Send, Acquire, Announce, Release]


def priority_of(position: int) -> int:
    """The priority of the node at this place of the load balancer's list: 200, 100, 99, 98, ... never 0 nor 255 (RFC 9568 5.2.4)."""
    return _PRIORITY_FIRST if position == 0 else max(1, _PRIORITY_STEP - (position - 1))


class Election:
    """One node's part. ``step`` takes one event and returns what has to be done, in order; ``due`` says when to step at the latest."""

    def __init__(self, config: Config, now: float) -> None:
        self.config = config
        self.state = State.FAULT
        self.reason = "the proxy has not reported yet"
        self.since = now
        self.transitions = 0
        self._starting = True  # until an active node was heard, or the first wait began
        self._active_interval_s = config.interval_s
        self._active_down_at = now
        self._healthy_since = now
        self._last_sent = now
        self._last_step = now

    @property
    def skew_s(self) -> float:
        """RFC 9568 6.1 Skew_Time: the more preferred node is the quicker one."""
        return (256 - self.config.priority) * self._active_interval_s / 256

    @property
    def down_interval_s(self) -> float:
        """RFC 9568 6.1 Active_Down_Interval, where ``dead_after`` stands for its 3."""
        return self.config.dead_after * self._active_interval_s + self.skew_s

    def due(self) -> float:
        """When ``step(Tick())`` is to be called at the latest."""
        if self.state is State.ACTIVE:
            return self._last_sent + self.config.interval_s
        if self.state is State.STANDBY:
            return min(self._active_down_at, self._last_step + self.config.interval_s)
        return self._last_step + self.config.interval_s

    def reconfigure(self, config: Config) -> None:
        """Other settings from now on; the state stays what it is."""
        self.config = config
        if self.state is State.ACTIVE:
            self._active_interval_s = config.interval_s

    def step(self, now: float, event: Event) -> list[Action]:
        actions = self._after_a_stall(now)
        self._last_step = now
        if isinstance(event, Healthy):
            return actions + self._health(now, event)
        if isinstance(event, Stop):
            return actions + self._leave(now, "stopped")
        if isinstance(event, Heard):
            return actions + self._heard(now, event)
        return actions + self._time_passed(now)

    def _after_a_stall(self, now: float) -> list[Action]:
        if self.state is State.ACTIVE and now - self._last_sent > self.config.dead_after * self.config.interval_s:
            stalled_s = now - self._last_sent
            return [Release(), *self._become_standby(now, f"was stalled for {stalled_s:.1f} s")]
        if self.state is State.STANDBY and now - self._last_step > 2 * self.config.interval_s:
            # What the active node sent meanwhile lies in the socket's queue and is read next.
            self._active_down_at = max(self._active_down_at, now + self._active_interval_s + self.skew_s)
        return []

    def _health(self, now: float, event: Healthy) -> list[Action]:
        if not event.healthy:
            return self._leave(now, event.reason or "not healthy")
        if self.state is State.FAULT:
            self._healthy_since = now
            actions = self._become_standby(now, "")
            if self._starting:
                self._starting = False
                self._active_down_at += self.config.start_wait_s
            return actions
        return []

    def _leave(self, now: float, reason: str) -> list[Action]:
        actions: list[Action] = [Send(RESIGNATION), Release()] if self.state is State.ACTIVE else []
        if self.state is not State.FAULT:
            self._enter(State.FAULT, now, reason)
        self.reason = reason
        return actions

    def _heard(self, now: float, event: Heard) -> list[Action]:
        self._starting = False
        if self.state is State.STANDBY:
            self._heard_in_standby(now, event)
            return []
        if self.state is State.ACTIVE:
            return self._heard_while_active(now, event)
        return []

    def _heard_in_standby(self, now: float, event: Heard) -> None:
        if event.priority == RESIGNATION:
            self._active_down_at = min(self._active_down_at, now + self.skew_s)
            return
        if self._takes_over(now) and event.priority < self.config.priority:
            return  # its advertisements are let pass, so that the down interval ends (RFC 9568 6.4.2)
        self._active_interval_s = event.interval_s
        self._active_down_at = now + self.down_interval_s

    def _takes_over(self, now: float) -> bool:
        if self.config.failback == "delayed":
            return now - self._healthy_since >= self.config.failback_delay_s
        return self.config.failback == "immediate"

    def _heard_while_active(self, now: float, event: Heard) -> list[Action]:
        if event.priority == RESIGNATION:
            return self._advertise(now)
        if (event.priority, event.rank) > (self.config.priority, self.config.rank):
            self._active_interval_s = event.interval_s
            return [Release(), *self._become_standby(now, "a more preferred node is active")]
        # A conflict that we win: assert ourselves at once, and correct the neighbours' caches.
        return [*self._advertise(now), Announce()]

    def _time_passed(self, now: float) -> list[Action]:
        if self.state is State.STANDBY and now >= self._active_down_at:
            self._enter(State.ACTIVE, now, "")
            self._active_interval_s = self.config.interval_s
            return [*self._advertise(now), Acquire()]
        if self.state is State.ACTIVE and now >= self._last_sent + self.config.interval_s:
            return self._advertise(now)
        return []

    def _advertise(self, now: float) -> list[Action]:
        self._last_sent = now
        return [Send(self.config.priority)]

    def _become_standby(self, now: float, reason: str) -> list[Action]:
        self._enter(State.STANDBY, now, reason)
        self._active_down_at = now + self.down_interval_s
        return []

    def _enter(self, state: State, now: float, reason: str) -> None:
        self.state, self.since, self.reason = state, now, reason
        self.transitions += 1
