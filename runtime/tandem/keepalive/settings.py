"""What a document says about one load balancer, as its election and its heartbeats on this node need it."""

from __future__ import annotations

from dataclasses import dataclass

from .._model import Document, FloatingIP, LoadBalancer, Node, listen_addresses
from .._paths import Paths
from .._store import Store
from .._this_node import node_name
from ..control import Refusal
from .election import Config, priority_of
from .transport import rank_of

# How much later each less preferred node may be the first to become active after a start: about as long as a play needs to reach all nodes.
_START_WAIT_S = 3.0


@dataclass(frozen=True)
class Settings:
    """What a document says about one load balancer, seen from this node."""

    load_balancer: LoadBalancer
    floating_ips: tuple[FloatingIP, ...]
    me: Node
    key: bytes
    digest: str
    prefix: str = "/"
    in_kernel: tuple[tuple[str, int], ...] = ()  # where TCP is not a process's but the kernel's to take

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
            one_peer=len(self.peers) == 1,
        )

    def heard_like(self, other: Settings) -> bool:
        """Whether the same sockets serve both."""
        return (self.load_balancer.heartbeat, self.me, self.peers, self.key) == (other.load_balancer.heartbeat, other.me, other.peers, other.key)


def settings_of(paths: Paths, document: Document, digest: str, name: str) -> Settings:
    """What a document says about a load balancer, seen from the node below that prefix. Raises Refusal, StoreError."""
    load_balancer = document.load_balancers[name]
    mine = node_name(paths)
    me = next((node for node in load_balancer.nodes if node.node == mine), None)
    if me is None:
        names = " and ".join(node.node for node in load_balancer.nodes)
        raise Refusal(
            f'load balancer "{name}": this node is "{mine}", but its nodes are {names}. '
            "Run the play on those hosts alone, or correct master.node and backup.node."
        )
    key = load_balancer.heartbeat.key
    secret = Store(paths).read_secret(key).encode() if key else b""
    floating_ips = tuple(document.floating_ips[one] for one in load_balancer.floating_ips)
    mine_in_kernel = (
        one for one in document.frontends.values() if one.load_balancer == name and one.forwarding == "kernel" and one.protocol == "tcp"
    )
    in_kernel = tuple(sorted((address, one.port) for one in mine_in_kernel for address in listen_addresses(document, one)))
    return Settings(load_balancer, floating_ips, me, secret, digest, paths.prefix, in_kernel)
