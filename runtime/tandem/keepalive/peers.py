"""The other nodes of a load balancer, as this one has heard of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Optional

from .._model import Node
from .events import State
from .jitter import Jitter
from .moves import DIGEST_SHOWN, Offered
from .transport import Received


@dataclass
class _Peer:
    state: str = "unknown"
    heard_at: Optional[float] = None
    digest: str = ""
    jitter: Jitter = field(default_factory=Jitter)

    def state_at(self, now: float, forgotten_s: float, silent: str) -> str:
        """What it said of itself; ``silent`` where that is long ago."""
        return silent if self.heard_at is not None and now - self.heard_at > forgotten_s else self.state


class Peers:
    """Times are seconds of the election's clock; who has not been heard for ``forgotten_s`` is silent."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._peers = {node.node: _Peer() for node in nodes}

    @property
    def names(self) -> list[str]:
        return list(self._peers)

    def become(self, nodes: Iterable[Node]) -> None:
        self._peers = {node.node: self._peers.get(node.node, _Peer()) for node in nodes}

    def heard(self, received: Received, now: float, interval_s: float, silence_s: float) -> None:
        """``interval_s``: between two heartbeats of theirs; ``silence_s``: from when on one that is missing is a silence."""
        peer = self._peers.get(received.node)
        if peer is not None:
            if peer.heard_at is not None:
                peer.jitter.add(now - peer.heard_at, interval_s, silence_s)
            peer.state, peer.heard_at, peer.digest = received.state, now, received.digest

    def view(self, now: float, forgotten_s: float, *, silence_counts: bool) -> dict[str, Any]:
        """What status shows. ``silence_counts``: over VRRP nobody but the active node speaks; while that is us, silence says nothing of a peer."""
        silent = "silent" if silence_counts else "unknown"
        return {
            node: {
                "state": peer.state_at(now, forgotten_s, silent),
                "last_heard_ms": None if peer.heard_at is None else int((now - peer.heard_at) * 1000),
                "digest": peer.digest,
                "jitter_us": None if peer.jitter.seconds is None else int(peer.jitter.seconds * 1_000_000),
            }
            for node, peer in self._peers.items()
        }

    def why_no_successor(self, now: float, forgotten_s: float, digest: str) -> str:
        """Why it is not known that one could take over, by their heartbeats; "" where one could."""
        states = {node: peer.state_at(now, forgotten_s, "silent") for node, peer in self._peers.items()}
        ready = [self._peers[node] for node, state in states.items() if state == State.STANDBY.value]
        if not ready:
            return " and ".join(f"{node} is {state}" for node, state in states.items())
        if not any(peer.digest and digest.startswith(peer.digest) for peer in ready):
            return f"{next(iter(states))} has another document in force"
        return ""


def why_not(offered: Offered, digest: str, servers: bool) -> str:
    """The same, by what one has answered; ``servers``: whether this node has some that could answer."""
    answer = offered.answer
    if answer is None:
        return f"{offered.node or 'the other node'} has not answered"
    if answer.state != State.STANDBY.value:
        return f"{offered.node} is {answer.state}{f' ({answer.why})' if answer.why else ''}"
    if answer.digest != digest[:DIGEST_SHOWN]:
        return f"{offered.node} has another document in force"
    if servers and not answer.servers:
        return f"{offered.node} has a backend without a server that is up, or has not checked all of them yet"
    return ""
