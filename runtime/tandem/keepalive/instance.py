"""One load balancer on this node: its election, fed by heartbeats, time and the proxy's health, and carried out on addresses and proxy."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Optional

from .._model import FloatingIP, LoadBalancer, Node
from ..log import say
from .addresses import Addresses
from .election import Acquire, Action, Announce, Config, Election, Event, Healthy, Release, Send, State, Stop, Tick, priority_of
from .transport import Outgoing, Received, Transport, UdpTransport, VrrpTransport, rank_of

# How much later each less preferred node may be the first to become active after a start: about as long as a play needs to reach all nodes.
_START_WAIT_S = 3.0


def now_s() -> float:
    """Seconds that go on while the machine is suspended, so that a suspended node knows that it has slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True)
class Settings:
    """What a document says about one load balancer, seen from this node."""

    load_balancer: LoadBalancer
    floating_ips: tuple[FloatingIP, ...]
    me: Node
    key: bytes
    digest: str

    @property
    def peers(self) -> tuple[Node, ...]:
        return tuple(node for node in self.load_balancer.nodes if node != self.me)

    @property
    def position(self) -> int:
        return self.load_balancer.nodes.index(self.me)

    @property
    def dead_after_s(self) -> float:
        """How long a node may be silent before another one takes its addresses."""
        return self.load_balancer.heartbeat.dead_after * self.load_balancer.heartbeat.interval_ms / 1000

    def election_config(self) -> Config:
        heartbeat = self.load_balancer.heartbeat
        return Config(
            priority_of(self.position),
            heartbeat.interval_ms / 1000,
            heartbeat.dead_after,
            self.load_balancer.failback,
            self.load_balancer.failback_delay_ms / 1000,
            rank_of(self.me.address),
            _START_WAIT_S * self.position,
        )


@dataclass
class _Peer:
    state: str = "unknown"
    heard_at: Optional[float] = None
    digest: str = ""


class Instance:
    """``set_active`` tells the proxy. Everything happens in the service's loop."""

    def __init__(self, settings: Settings, set_active: Callable[[bool], None]) -> None:
        """Raises CannotOpen, NoInterface, and has then opened nothing."""
        self.settings = settings
        self._set_active = set_active
        self._addresses = Addresses(settings.dead_after_s)
        try:
            self._addresses.plan(list(settings.floating_ips))
            self._transport: Transport = self._open_transport(settings)
        except BaseException:
            self._addresses.close()
            raise
        self._addresses.remove_leftovers()
        self._election = Election(settings.election_config(), now_s())
        self._peers = {peer.node: _Peer() for peer in settings.peers}
        self._timer: Optional[asyncio.TimerHandle] = None
        self._said_at = 0.0
        self._arm()

    def apply(self, settings: Settings) -> None:
        """The same load balancer as a new document states it; who is active does not change by that. Raises CannotOpen, NoInterface."""
        before = self.settings
        reopen = (before.load_balancer.heartbeat, before.me, before.peers, before.key) != (
            settings.load_balancer.heartbeat,
            settings.me,
            settings.peers,
            settings.key,
        )
        if before.floating_ips != settings.floating_ips:
            self._addresses.plan(list(settings.floating_ips))
        if reopen:
            self._transport.close()
            try:
                self._transport = self._open_transport(settings)
            except BaseException:
                self._transport = self._open_transport(before)
                self._addresses.plan(list(before.floating_ips))
                raise
        self.settings = settings
        self._addresses.lease_for(settings.dead_after_s)
        self._peers = {peer.node: self._peers.get(peer.node, _Peer()) for peer in settings.peers}
        self._election.reconfigure(settings.election_config())
        if self._election.state is State.ACTIVE:
            self._addresses.acquire(now_s())
        self._arm()

    @property
    def active(self) -> bool:
        return self._election.state is State.ACTIVE

    def set_health(self, healthy: bool, reason: str) -> None:
        self._step(Healthy(healthy, reason))

    def leave(self) -> None:
        """Resigns in order; the addresses are off when this returns."""
        self._step(Stop())

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._addresses.close()
        self._transport.close()

    def view(self) -> dict[str, Any]:
        """What status shows."""
        now = now_s()
        election = self._election
        peers = {}
        for node, peer in self._peers.items():
            silent_ms = None if peer.heard_at is None else int((now - peer.heard_at) * 1000)
            long_ago = silent_ms is not None and silent_ms > 2000 * election.down_interval_s
            # Over VRRP nobody but the active node speaks: while that is us, silence says nothing of the peer.
            silent = "silent" if self._transport.chatty or election.state is not State.ACTIVE else "unknown"
            peers[node] = {"state": silent if long_ago else peer.state, "last_heard_ms": silent_ms, "digest": peer.digest}
        return {
            "node": self.settings.me.node,
            "role": "master" if self.settings.position == 0 else "backup",
            "state": election.state.value,
            "since_ms": int((now - election.since) * 1000),
            "reason": election.reason,
            "priority": election.config.priority,
            "transitions": election.transitions,
            "peers": peers,
            "floating_ips": self._addresses.view(),
        }

    def _open_transport(self, settings: Settings) -> Transport:
        heartbeat = settings.load_balancer.heartbeat
        if heartbeat.transport == "vrrp":
            return VrrpTransport(settings.me, settings.peers, heartbeat, self._received)
        return UdpTransport(settings.me, settings.peers, heartbeat, self._received, load_balancer=settings.load_balancer.name, key=settings.key)

    def _received(self, received: Received) -> None:
        peer = self._peers.get(received.node)
        if peer is not None:
            peer.state, peer.heard_at, peer.digest = received.state, now_s(), received.digest
        if received.heard is not None:
            self._step(received.heard)

    def _tick(self) -> None:
        self._timer = None
        self._step(Tick())

    def _step(self, event: Event) -> None:
        now = now_s()
        before = self._election.state
        for action in self._election.step(now, event):
            self._carry_out(action, now)
        after = self._election.state
        if after is not before:
            reason = f" ({self._election.reason})" if self._election.reason else ""
            say("info", f"load balancer {self.settings.load_balancer.name}: {before.value} -> {after.value}{reason}")
        self._addresses.tend(now)
        self._say_hello(now, changed=after is not before)
        self._arm()

    def _carry_out(self, action: Action, now: float) -> None:
        if isinstance(action, Send):
            # A resignation is an active node's, whatever the state is by now.
            self._send(action.priority, State.ACTIVE)
            self._said_at = now
        elif isinstance(action, Acquire):
            self._addresses.acquire(now)
            self._set_active(True)
        elif isinstance(action, Release):
            self._set_active(False)
            self._addresses.release()
        elif isinstance(action, Announce):
            self._addresses.announce(now)

    def _say_hello(self, now: float, changed: bool) -> None:
        """Nodes that are not active say so too, where the transport has words for it."""
        if (
            self._transport.chatty
            and self._election.state is not State.ACTIVE
            and (changed or now >= self._said_at + self._election.config.interval_s)
        ):
            self._send(self._election.config.priority, self._election.state)
            self._said_at = now

    def _send(self, priority: int, state: State) -> None:
        addresses = tuple(floating_ip.ip for floating_ip in self.settings.floating_ips)
        self._transport.send(Outgoing(priority, state, self.settings.digest, addresses))

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        due = min(
            self._election.due(), self._addresses.due(), self._said_at + self._election.config.interval_s if self._transport.chatty else math.inf
        )
        self._timer = asyncio.get_running_loop().call_later(max(0.001, due - now_s()), self._tick)
