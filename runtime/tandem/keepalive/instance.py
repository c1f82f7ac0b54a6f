"""One load balancer on this node: its election, fed by heartbeats, time and the proxy's health, and carried out on addresses and proxy.

A new document reaches it in two steps, so that one that is refused leaves all as it was: ``prepare`` gets all that may fail, ``commit`` uses it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Optional, Protocol

from .._model import LoadBalancer
from .._netlink import Netlink
from ..log import say
from ..wire.notes import Note
from . import conflict_log
from .addresses import Addresses, Kernel, Plan, Seen, SendFrames, send_frames
from .clock import Clock, boottime_s
from .complaints import Complaints, reason
from .election import Election
from .events import RESIGNATION, Acquire, Action, Announce, Event, HandOver, Healthy, Release, Send, Servers, Silent, State, Stop, Tick, Tracked
from .link_watch import LinkWatch
from .move_rules import table_of
from .moves import Moves, Offered, ProxyOfMoves, Standing
from .nft import Nft, NftProgram
from .own_address import OwnAddress
from .peers import Peers, why_not
from .settings import Settings
from .track import Means, Tracker
from .transport import Outgoing, Received, Receiver, Transport
from .udp_transport import UdpTransport
from .vrrp_transport import VrrpTransport

_STUCK_S, _STUCK_INTERVALS = 5.0, 3
_CONFIRMED_S = 2.0  # as long as a proxy may take to bind, or to let go of, what depends on who is active


class Proxy(ProxyOfMoves, Protocol):
    """What is needed of ``ProxyLink``."""

    def set_active(self, load_balancer: str, active: bool) -> None: ...

    def serves(self, load_balancer: str) -> bool: ...


class Watching(Protocol):
    def close(self) -> None: ...


WatchLinks = Callable[[Callable[[], None]], Watching]
OpenTransport = Callable[[Settings, Receiver, Kernel, Clock], Transport]


def open_transport(settings: Settings, receive: Receiver, kernel: Kernel, clock: Clock) -> Transport:
    """The transport that a load balancer's heartbeats ask for. Raises CannotOpen."""
    me, peers, heartbeat, name = settings.me, settings.peers, settings.load_balancer.heartbeat, settings.load_balancer.name
    if heartbeat.transport == "vrrp":
        return VrrpTransport(me, peers, heartbeat, receive, kernel=kernel, complaints=Complaints(clock))
    return UdpTransport(me, peers, heartbeat, receive, load_balancer=name, key=settings.key, clock=clock, complaints=Complaints(clock))


@dataclass(frozen=True)
class Outside:
    """All that instances have of the world, so that tests can give them another one. Timers are the running event loop's."""

    kernel: Kernel = field(default_factory=Netlink)
    clock: Clock = boottime_s
    send_frames: SendFrames = send_frames
    watch_links: WatchLinks = LinkWatch
    open_transport: OpenTransport = open_transport
    nft: Nft = field(default_factory=NftProgram)
    means: Means = field(default_factory=Means)


ToldOfChanges = Callable[[LoadBalancer, str, str, str], None]


def _forgotten(_load_balancer: LoadBalancer, _before: str, _after: str, _why: str) -> None:
    """For who does not ask."""


@dataclass(frozen=True)
class _Prepared:
    settings: Settings
    plan: Plan
    transport: Transport


class Instance:
    """Takes part from ``begin`` to ``close``. Everything happens in the service's loop."""

    def __init__(self, settings: Settings, outside: Outside, proxy: Proxy, *, usable: bool, changed: ToldOfChanges = _forgotten) -> None:
        """``usable``: see ``Addresses.find``. ``changed``: told (load balancer, state before, state after, why) of each change. Raises CannotOpen,
        NoInterface, OSError, and has then opened nothing."""
        self.settings, self._changed = settings, changed
        self._outside, self._proxy = outside, proxy
        self._complaints = Complaints(outside.clock)
        self._addresses = Addresses(settings.dead_after_s, outside.kernel, outside.send_frames)
        self._plan = self._addresses.find(settings.floating_ips, usable=usable)
        self._transport = outside.open_transport(settings, self._received, outside.kernel, outside.clock)
        self._prepared: Optional[_Prepared] = None
        self._parked = False
        self._election = Election(settings.election_config(), outside.clock())
        self._peers = Peers(settings.peers)
        table = table_of(settings.prefix, settings.load_balancer.name)
        self.moves = Moves(self, settings.load_balancer.name, table, kernel=outside.kernel, clock=outside.clock, nft=outside.nft, proxy=proxy)
        self._servers_ready = True
        self._own_address = OwnAddress(outside.send_frames)
        self._tracker = Tracker(settings.load_balancer.name, self._tracked, outside.clock, outside.means)
        self._timer: Optional[asyncio.TimerHandle] = None
        self._said_at = 0.0
        self._proxy_trouble, self._link_trouble = "the proxy has not reported yet", ""
        self._conflict_log = conflict_log.ConflictLog()
        self._steps = self._steps_seen = 0
        self._still_s = 0.0

    def begin(self) -> None:
        self._addresses.use(self._plan)
        self._addresses.remove_leftovers()
        self._tracker.use(self.settings.load_balancer.track)
        self._arm()

    # A new document

    def park(self, settings: Optional[Settings]) -> None:
        """Lets go of a port that the document may give to another load balancer; ``settings``: this one's in it, None where it has none."""
        if settings is None or not settings.heard_like(self.settings):
            self._parked = True
            self._transport.park()

    def prepare(self, settings: Settings) -> None:
        """Gets what the same load balancer needs as a new document states it. Raises CannotOpen, NoInterface, OSError; changes nothing."""
        plan = self._plan
        if settings.floating_ips != self.settings.floating_ips:
            plan = self._addresses.find(settings.floating_ips, usable=True)
        transport = self._transport
        if not settings.heard_like(self.settings):
            transport = self._outside.open_transport(settings, self._received, self._outside.kernel, self._outside.clock)
        self._prepared = _Prepared(settings, plan, transport)

    def commit(self) -> None:
        """Uses what was prepared, and gives up the addresses that are no longer its own; who is active does not change. ``resume`` is to follow."""
        if self._prepared is None:
            return
        prepared, self._prepared, self._parked = self._prepared, None, False
        if prepared.transport is not self._transport:
            self._transport.close()
        self.settings, self._plan, self._transport = prepared.settings, prepared.plan, prepared.transport
        self._addresses.use(self._plan)
        self._addresses.lease_for(self.settings.dead_after_s)
        self._peers.become(self.settings.peers)
        self._election.reconfigure(self.settings.election_config())
        self._tracker.use(self.settings.load_balancer.track)

    def resume(self) -> None:
        """Takes the addresses that came with a document, which another load balancer may have given up meanwhile."""
        if self.active:
            self._addresses.acquire(self._outside.clock())
        self._arm()

    def take_back(self) -> None:
        """As before ``park``, for a document that was refused. Raises CannotOpen where somebody else took its port within that moment."""
        prepared, self._prepared = self._prepared, None
        if prepared is not None and prepared.transport is not self._transport:
            prepared.transport.close()
        if self._parked:
            self._parked = False
            self._transport.unpark()

    # What happens

    @property
    def active(self) -> bool:
        return self._election.state is State.ACTIVE

    @property
    def on_interfaces(self) -> bool:
        """Whether floating IPs leave this machine when it is no longer active."""
        return bool(self._plan.links)

    def set_health(self, healthy: bool, reason: str) -> None:
        """What the proxy says of itself."""
        self._proxy_trouble = "" if healthy else reason or "the proxy is not ready"
        self._judge()

    def set_servers(self, ready: bool) -> None:
        self._servers_ready = ready
        self._step(Servers(ready))

    def look_at_links(self, seen: Seen) -> None:
        """To be called whenever something may have happened to an interface. A node that clients do not reach gives up at once, before its peer could
        have missed it; whether they reach the peer cannot be known, if that was by the same switch."""
        self._addresses.follow(seen, self._outside.clock())
        self._own_address.look(self.settings.me.address, seen)
        self._tracker.look(seen)
        trouble = self._addresses.unreachable(seen) or self._transport.deaf(seen)
        if trouble != self._link_trouble:
            self._link_trouble = trouble
            say("warning" if trouble else "info", f"load balancer {self.settings.load_balancer.name}: {trouble or 'its interfaces work again'}")
            self._judge()

    def _judge(self) -> None:
        trouble = self._link_trouble or self._proxy_trouble
        self._step(Healthy(not trouble, trouble))

    def _tracked(self, lost: str) -> None:
        say(
            "warning" if lost else "info",
            f"load balancer {self.settings.load_balancer.name}: {f'lost: {lost}' if lost else 'it has all that it tracks'}",
        )
        self._step(Tracked(lost))

    def hand_over(self, *, keep: bool = False) -> None:
        """Has a peer take over. The addresses are off once it has, or a tenth of a second later: as soon as this is not ``handing_over`` any more.
        ``keep``: it has said that it would pass on what belongs to connections that stand here (``moves``)."""
        self._step(HandOver(keep))

    @property
    def handing_over(self) -> bool:
        return self._election.handing_over

    # What planned moves need to know, and say

    @property
    def plan(self) -> Plan:
        return self._plan

    @property
    def in_kernel(self) -> tuple[tuple[str, int], ...]:
        return self.settings.in_kernel

    def standing(self) -> Standing:
        election = self._election
        return Standing(election.shown_state, self.settings.digest, self._servers_ready, election.shown_reason)

    def peers(self) -> list[str]:
        return self._peers.names

    def send_note(self, node: str, note: Note) -> None:
        self._transport.send_note(node, note)

    def silent(self) -> None:
        self._step(Silent())

    def why_no_successor(self, offered: Offered) -> str:
        """Why it is not known that a peer could take over; "" where one could. ``offered``: what was answered to a question just now."""
        if offered.answer is not None:
            return why_not(offered, self.settings.digest, self._servers_ready)
        if not self._transport.chatty:
            return f"{' and '.join(self._peers.names)} has not answered, so whether it could take over is known only there (tandem status)"
        return self._peers.why_no_successor(self._outside.clock(), 2 * self._election.down_interval_s, self.settings.digest)

    def leave(self) -> None:
        """Resigns in order; the addresses are off when this returns."""
        self._step(Stop())

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._tracker.close()
        self.moves.stop_keeping()
        self.moves.no_longer_active()
        self._addresses.release()
        self._transport.close()

    def stuck(self, passed_s: float) -> bool:
        """Whether time no longer reaches the election, whatever keeps it from it. To be asked every ``passed_s`` seconds of the loop's time, which
        stands still when the process does."""
        self._still_s = self._still_s + passed_s if self._steps == self._steps_seen else 0.0
        self._steps_seen = self._steps
        return self._still_s > max(_STUCK_S, _STUCK_INTERVALS * self._election.config.interval_s)

    def view(self, seen: Seen) -> dict[str, Any]:
        """What status shows; ``seen`` is the kernel's part."""
        now = self._outside.clock()
        election = self._election
        served = self._proxy.serves(self.settings.load_balancer.name)
        unknown = self.active and not served and now - election.since > _CONFIRMED_S
        return {
            "node": self.settings.me.node,
            "role": "master" if self.settings.position == 0 else "backup",
            "state": election.shown_state.value,
            "since_ms": int((now - election.since) * 1000),
            "reason": election.shown_reason,
            "priority": election.priority,
            "tracked": self._tracker.view(),
            "transitions": election.transitions,
            "conflicts": conflict_log.view(self._election.conflicts, self.settings, now),
            "move": self.moves.view(),
            "peers": self._peers.view(now, 2 * election.down_interval_s, silence_counts=self._transport.chatty or election.state is not State.ACTIVE),
            "floating_ips": self._addresses.view(seen, served),
            "problems": [
                *([f"what this node tracks is lost: {election.lost}"] if election.lost else []),
                *(["this node is active, but its proxy has not confirmed that it knows: see the log of keepalive"] if unknown else []),
                *self._addresses.problems(seen),
                *self._transport.problems(),
            ],
        }

    def _received(self, received: Received) -> None:
        if received.note is not None:
            self.moves.heard(received.node, received.note)
            return
        self._peers.heard(received, self._outside.clock(), self._election.config.interval_s, self.settings.dead_after_s)
        if received.heard is not None:
            self._step(received.heard)

    def _tick(self) -> None:
        self._timer = None
        self._step(Tick())

    def _step(self, event: Event) -> None:
        # First of all, so that the election goes on whatever goes wrong below.
        self._arm_in(self._election.config.interval_s)
        now = self._outside.clock()
        before, shown = self._election.state, self._election.shown_state
        for action in self._election.step(now, event):
            self._attempt(self._carry_out, action, now)
        after = self._election.state
        if self._election.shown_state is not shown:
            self._changed(self.settings.load_balancer, shown.value, self._election.shown_state.value, self._election.lost or self._election.cause)
        if after is State.FAULT:
            self.moves.stop_keeping()
        if after is not before:
            why = f" ({self._election.reason})" if self._election.reason else ""
            say("info", f"load balancer {self.settings.load_balancer.name}: {before.value} -> {after.value}{why}")
        self._conflict_log.say_news(self._election.conflicts, self.settings, self._election.priority, now)
        self._attempt(self._addresses.tend, now)
        self._attempt(self._say_hello, now, after is not before)
        self._steps += 1
        self._arm()

    def _attempt(self, effect: Callable[..., None], *arguments: object) -> None:
        """What the system refuses one effect keeps no other from happening."""
        try:
            effect(*arguments)
        except OSError as error:
            self._complaints.about(f"load balancer {self.settings.load_balancer.name}: {effect.__name__.strip('_')}: {reason(error)}", "error")

    def _carry_out(self, action: Action, now: float) -> None:
        if isinstance(action, Send):
            # A resignation is an active node's, whatever the state is by now; which that is, is said at once where there are words for it.
            self._said_at = now if action.priority != RESIGNATION else -math.inf
            self._send(action.priority, State.ACTIVE)
        elif isinstance(action, Acquire):
            self._addresses.acquire(now)
            self._proxy.set_active(self.settings.load_balancer.name, True)
            self.moves.became_active()
        elif isinstance(action, Release):
            self._proxy.set_active(self.settings.load_balancer.name, False)
            if not (action.keep and self.moves.keep()):
                self.moves.withdraw()
            self.moves.no_longer_active()
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
            self._said_at = now
            self._send(self._election.priority, self._election.shown_state)

    def _send(self, priority: int, state: State) -> None:
        addresses = tuple(floating_ip.ip for floating_ip in self.settings.floating_ips)
        left = False
        try:
            left = self._transport.send(Outgoing(priority, state, self.settings.digest, addresses))
        finally:
            self._election.sent(left)

    def _arm(self) -> None:
        due = min(
            self._election.due(), self._addresses.due(), self._said_at + self._election.config.interval_s if self._transport.chatty else math.inf
        )
        self._arm_in(due - self._outside.clock())

    def _arm_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(max(0.001, seconds), self._tick)
