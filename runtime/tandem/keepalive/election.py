"""Who is active: the election of one load balancer as a state machine, seen from one node. Pure: events and times in, actions out.

The rules are those of VRRP version 3 (RFC 9568 6.4), with seven additions:

- *fault*: a node that could not serve takes no part; an active one resigns first.
- *failback*: whether a more preferred node takes over from one that is active (RFC 9568 calls it Preempt_Mode; here it can also wait).
- *stalls*: a process can be stopped for a while and not know it (SIGSTOP, a suspended machine, a swapped-out host), or send what does not leave. An
  active node of which nothing has left for as long as its peers wait has probably been replaced: it steps down before it sends anything. A standby
  node that was not listening must not take the silence for a death.
- *conflicts*: an active node that steps down before a more preferred one says so, before and after, so that the other announces the addresses once
  nobody else answers for them. In RFC 9568 it falls silent, and whoever stays may never know (keepalived: ``vrrp_higher_prio_send_advert``).
- *handing over*: an active node that is asked to resigns, and keeps the addresses until it hears that another node is active, so that no packet that
  comes meanwhile is lost. A node that has one peer only takes over from it without the skew: nobody else could. What it is said to ``keep`` then, for
  the connections that it has, no longer answers for the addresses a moment later only, and is resigned from once more then.
- *tracking*: a node that has lost what it is told to track (a gateway, say) is the least preferred one, rather than none: it advertises a
  priority that says so, and whoever has not lost it takes over from it at once. Where all have, the active one stays.
- *start*: a node that has just started gives the more preferred ones a moment to start as well, so that the master is the first to be active.

Everything that changes the state lives in this file. Times are seconds of a clock that counts while the machine is suspended (CLOCK_BOOTTIME).
"""

from __future__ import annotations

from dataclasses import dataclass

from .conflicts import Conflicts
from .events import (
    RESIGNATION,
    Acquire,
    Action,
    Announce,
    Event,
    HandOver,
    Healthy,
    Heard,
    Release,
    Send,
    Servers,
    Silent,
    State,
    Stop,
    Tracked,
)

_PRIORITY_FIRST, _PRIORITY_STEP = 200, 100
_IMPAIRED_FIRST, _IMPAIRED = 2, 1  # of nodes that have lost what they track
_ANSWER_GAP_S = 0.01  # who is asserted against ever more often is not answered each time
_HAND_OVER_S = 0.1  # so long who hands over keeps the addresses for a peer that does not come
_SERVERS_WAIT_S = 60.0  # so long a node that returns waits for servers that do not come: the active one may have no more of them


@dataclass(frozen=True)
class Config:
    """``rank`` breaks ties of priority as RFC 9568 6.4.3 does: the higher address, as bytes, wins.

    ``start_wait_s`` is added to the first wait only. ``one_peer``: there are two nodes in all.
    """

    priority: int
    interval_s: float
    dead_after: int
    failback: str = "never"
    failback_delay_s: float = 60.0
    rank: bytes = b""
    start_wait_s: float = 0.0
    one_peer: bool = False


def priority_of(position: int) -> int:
    """The priority of the node at this place of the load balancer's list: 200, 100, 99, 98, ... never 0 nor 255 (RFC 9568 5.2.4)."""
    return _PRIORITY_FIRST if position == 0 else max(_IMPAIRED_FIRST + 1, _PRIORITY_STEP - (position - 1))


class Election:
    """One node's part. ``step`` takes one event and returns what has to be done, in order; ``due`` says when to step at the latest."""

    def __init__(self, config: Config, now: float) -> None:
        self.config = config
        self.state = State.FAULT
        self.reason = "the proxy has not reported yet"
        self.cause = ""  # why it is in this state, also where that is no trouble
        self._because = ""  # why it is about to be active
        self.since = now
        self.transitions = 0
        self.conflicts = Conflicts()
        self._starting = True  # until an active node was heard, or the first wait began
        self._active_interval_s = config.interval_s
        self._active_down_at = now
        self._healthy_since = now
        self._last_sent = self._sent_before = now  # what has left
        self._advertised_at = now
        self._last_step = now
        self._resigning = self._owes_resignation = False  # owed: it did not leave, as when the cable was pulled
        self._keeps_until = 0.0  # while it hands over: when it gives the addresses up at the latest
        self._handed_over = self._keep = False
        self._mute = False  # nothing left for so long that another node has taken over, or would have
        self._servers_ready = True
        self.lost = ""  # what it has lost of what it tracks
        self._heard_active: dict[bytes, float] = {}  # when each active node was heard last, by rank

    @property
    def priority(self) -> int:
        if not self.lost:
            return self.config.priority
        return _IMPAIRED_FIRST if self.config.priority == _PRIORITY_FIRST else _IMPAIRED

    @property
    def shown_state(self) -> State:
        """What peers and people are told: who has lost what it tracks, and is not active all the same, is in fault."""
        return State.FAULT if self.lost and self.state is State.STANDBY else self.state

    @property
    def shown_reason(self) -> str:
        return self.reason if self.state is State.FAULT else self.lost or self.reason

    @property
    def skew_s(self) -> float:
        """RFC 9568 6.1 Skew_Time: the more preferred node is the quicker one."""
        return (256 - self.priority) * self._active_interval_s / 256

    @property
    def down_interval_s(self) -> float:
        """RFC 9568 6.1 Active_Down_Interval, where ``dead_after`` stands for its 3."""
        return self.config.dead_after * self._active_interval_s + self.skew_s

    @property
    def handing_over(self) -> bool:
        """Whether the addresses are still here for a peer that is about to take them."""
        return self._keeps_until > 0.0

    def due(self) -> float:
        """When ``step(Tick())`` is to be called at the latest."""
        if self._keeps_until:
            return self._keeps_until
        if self.state is State.ACTIVE:
            return self._advertised_at + self.config.interval_s
        if self.state is State.STANDBY:
            return min(self._active_down_at, self._last_step + self.config.interval_s)
        return self._last_step + self.config.interval_s

    def reconfigure(self, config: Config) -> None:
        """Other settings from now on; the state stays what it is."""
        self.config = config
        if self.state is State.ACTIVE:
            self._active_interval_s = config.interval_s

    def sent(self, left: bool) -> None:
        """What became of the last ``Send``; without a word it has left."""
        if self._resigning:
            self._resigning, self._owes_resignation = False, not left
        if left:
            self._mute = False
        else:
            self._last_sent = self._sent_before

    def step(self, now: float, event: Event) -> list[Action]:
        actions = self._after_a_stall(now)
        self._last_step = now
        if self.conflicts.forget_silent(now, self.down_interval_s):
            actions.append(Announce())
        if isinstance(event, Healthy):
            return actions + self._health(now, event)
        if isinstance(event, Servers):
            self._servers_ready = event.ready
            return actions
        if isinstance(event, Tracked):
            return actions + self._track(now, event.lost)
        if isinstance(event, Stop):
            return actions + self._leave(now, "stopped")
        if isinstance(event, HandOver):
            return actions + self._hand_over(now, event.keep)
        if isinstance(event, Silent):
            return actions + ([Send(RESIGNATION)] if self.state is State.STANDBY and self._handed_over else [])
        if isinstance(event, Heard):
            return actions + self._heard(now, event)
        return actions + self._time_passed(now)

    def _after_a_stall(self, now: float) -> list[Action]:
        if self.state is State.ACTIVE and now - self._last_sent > self.config.dead_after * self.config.interval_s:
            silent_s = now - self._last_sent
            if now - self._last_step > 2 * self.config.interval_s:
                return self._step_down(now, f"was stalled for {silent_s:.1f} s")
            if not self._mute:  # after that nobody was heard: better an active node that cannot say so than none
                self._mute = True
                return self._step_down(now, f"could send nothing for {silent_s:.1f} s")
        if self.state is State.STANDBY and now - self._last_step > 2 * self.config.interval_s:
            # What the active node sent meanwhile lies in the socket's queue and is read next.
            self._active_down_at = max(self._active_down_at, now + self._active_interval_s + self.skew_s)
        return []

    def _track(self, now: float, lost: str) -> list[Action]:
        changed, self.lost = bool(lost) != bool(self.lost), lost
        if changed and not lost:
            self._healthy_since = now  # for ``delayed``
        return self._advertise(now) if changed and self.state is State.ACTIVE else []

    def _step_down(self, now: float, reason: str) -> list[Action]:
        """Makes way for an active node that there is, or may be. The resignation comes after the release: when it is heard, nobody else answers for
        the addresses any more, and what is announced then lasts."""
        self._become_standby(now, reason)
        return [Release(), Send(RESIGNATION)]

    def _health(self, now: float, event: Healthy) -> list[Action]:
        if not event.healthy:
            return self._leave(now, event.reason or "not healthy")
        if self.state is State.FAULT:
            self._healthy_since = now
            self._mute = self._handed_over = False
            self._become_standby(now, "")
            if self._starting:
                self._starting = False
                self._active_down_at += self.config.start_wait_s
            if self._owes_resignation:  # late, but whoever was active meanwhile hears that nobody else is any more, and announces itself
                self._owes_resignation = False
                return [Send(RESIGNATION)]
        return []

    def _leave(self, now: float, reason: str) -> list[Action]:
        self._resigning = self.state is State.ACTIVE
        actions: list[Action] = [Send(RESIGNATION), Release()] if self._resigning else self._let_go()
        if self.state is not State.FAULT:
            self._enter(State.FAULT, now, reason)
        self.reason = self.cause = reason
        return actions

    def _hand_over(self, now: float, keep: bool) -> list[Action]:
        if self.state is not State.ACTIVE:
            return []
        self._resigning = self._handed_over = True
        self._keep = keep
        self._become_standby(now, "handed over")
        self._keeps_until = now + _HAND_OVER_S
        return [Send(RESIGNATION)]

    def _let_go(self, *, taken: bool = False) -> list[Action]:
        """The end of handing over. Who is active now announces itself once more: until here two have answered for the addresses."""
        if not self._keeps_until:
            return []
        self._keeps_until = 0.0
        return [Release(keep=True)] if taken and self._keep else [Release(), Send(RESIGNATION)]

    def _heard(self, now: float, event: Heard) -> list[Action]:
        self._starting = False
        if event.priority == RESIGNATION:
            self._heard_active.pop(event.rank, None)
        else:
            self._heard_active[event.rank] = now
        if self.state is State.STANDBY:
            self._heard_in_standby(now, event)
            return self._let_go(taken=True) if event.priority != RESIGNATION else []
        if self.state is State.ACTIVE:
            return self._heard_while_active(now, event)
        return []

    def _heard_in_standby(self, now: float, event: Heard) -> None:
        if event.priority == RESIGNATION:
            # Of two that were active, the one that stepped down says so too.
            if not any(now - heard_at <= self.down_interval_s for heard_at in self._heard_active.values()):
                # RFC 9568 6.4.2 waits for the skew, as of several nodes the most preferred is to be the first.
                self._active_down_at = min(self._active_down_at, now + (0.0 if self.config.one_peer else self.skew_s))
                self._because = "the active node resigned"
            return
        if event.priority <= _IMPAIRED_FIRST and not (self.lost or self._mute) and self._servers_ready:
            self._active_down_at = min(self._active_down_at, now + (0.0 if self.config.one_peer else self.skew_s))
            self._because = "the active node has lost what it tracks"
            return
        self._because = ""
        if self._takes_over(now) and event.priority < self.priority:
            self._because = f"this node is more preferred (failback: {self.config.failback})"
            return  # its advertisements are let pass, so that the down interval ends (RFC 9568 6.4.2)
        self._active_interval_s = event.interval_s
        self._active_down_at = now + self.down_interval_s

    def _takes_over(self, now: float) -> bool:
        if self.lost or self._mute or self._handed_over or not (self._servers_ready or now - self._healthy_since >= _SERVERS_WAIT_S):
            return False
        if self.config.failback == "delayed":
            return now - self._healthy_since >= self.config.failback_delay_s
        return self.config.failback == "immediate"

    def _heard_while_active(self, now: float, event: Heard) -> list[Action]:
        if event.priority == RESIGNATION:
            announces = self.conflicts.resigned(now, event.rank)
            return [*self._answer(now), *([Announce()] if announces else [])]
        if event.priority <= _IMPAIRED_FIRST < self.priority:
            return self._answer(now)  # it makes way, and no conflict comes of it
        if self.priority <= _IMPAIRED_FIRST < event.priority:
            self._active_interval_s = event.interval_s
            return self._step_down(now, f"a node that has what this one lacks is active: {self.lost}")
        announces = self.conflicts.heard(now, event.rank, event.priority, self.since)
        if self._mute or (event.priority, event.rank) > (self.priority, self.config.rank):
            self.conflicts.lost(now, event.rank)
            self._active_interval_s = event.interval_s
            # Its own advertisement first: by that, keepalived and FRR see the conflict too.
            return [Send(self.priority), *self._step_down(now, "a more preferred node is active")]
        # A conflict that we win: assert ourselves at once, and correct the neighbours' caches.
        return [*self._answer(now), *([Announce()] if announces else [])]

    def _answer(self, now: float) -> list[Action]:
        return self._advertise(now) if now - self._advertised_at >= _ANSWER_GAP_S else []

    def _time_passed(self, now: float) -> list[Action]:
        if self._keeps_until and now >= self._keeps_until:
            return self._let_go()
        if self.state is State.STANDBY and now >= self._active_down_at:
            self._enter(State.ACTIVE, now, "")
            self.cause, self._because = self._because or "no active node was heard", ""
            self._handed_over = False
            self._active_interval_s = self.config.interval_s
            self._last_sent = now  # from here on it is counted
            return [*self._advertise(now), Acquire()]
        if self.state is State.ACTIVE and now >= self._advertised_at + self.config.interval_s:
            return self._advertise(now)
        return []

    def _advertise(self, now: float) -> list[Action]:
        self._sent_before, self._last_sent, self._advertised_at = self._last_sent, now, now
        return [Send(self.priority)]

    def _become_standby(self, now: float, reason: str) -> None:
        self._enter(State.STANDBY, now, reason)
        self._active_down_at = now + self.down_interval_s

    def _enter(self, state: State, now: float, reason: str) -> None:
        self.state, self.since, self.reason, self.cause = state, now, reason, reason
        self.transitions += 1
        self.conflicts.over(now)
