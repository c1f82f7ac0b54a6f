# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words of Tandem as frozen dataclasses: every option, its default and its limits, declared once. Here is what they have in common, and
load balancers, floating IPs and certificates; the others are in ``_backend`` and ``_frontend``.

Rules that concern one option stand beside it; rules between options and between objects are in ``_rules``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from . import _observe_values as observed
from . import _pem as pem
from . import _values as values
from ._options import option

PRIVATE_KEY = "key-"  # begins the fingerprints of what is the proxy's: private keys, hashes of passwords
DAY_MS = 86_400_000
OWN_ADDRESS = "node"  # in place of an address: that of each node


class Object:
    """What every kind of object has: its kind, its key, and what it needs of others. The rules ask here what differs by kind."""

    KIND: ClassVar[str]  # as the document and ``config`` name the kind
    WORD: ClassVar[str]  # as people name one of them
    KEY: ClassVar[tuple[str, ...]] = ("name",)  # the options that tell one from the others, joined by "/"

    @classmethod
    def key_of(cls, options: Mapping[str, Any]) -> str:
        """The key of the object that a user's options name."""
        return "/".join(str(options[name]) for name in cls.KEY)

    @property
    def key(self) -> str:
        return "/".join(str(getattr(self, name)) for name in self.KEY)

    @property
    def references(self) -> frozenset[tuple[str, str]]:
        """(kind, key) of every object that must be there for this one to be."""
        return frozenset()

    @property
    def known_addresses(self) -> frozenset[str]:
        """Every address that the object has or names, without prefix lengths."""
        return frozenset()


@dataclass(frozen=True)
class KeepaliveProbes:
    """What the kernel asks a silent peer of a TCP connection: for the first time after ``idle``, then ``count`` times, until the connection ends."""

    idle_ms: int = option("duration", 0, maximum=32_767_000)
    interval_ms: int = option("duration", 10_000, minimum=1000, maximum=32_767_000)
    count: int = option("int", 3, minimum=1, maximum=127)


@dataclass(frozen=True)
class FloatingIP(Object):
    """The highly available address: held by the active node; it outlives load balancers. Without an interface it is on the one whose network
    holds it. ``pool`` is where the address was taken from.
    """

    KIND: ClassVar[str] = "floating_ips"
    WORD: ClassVar[str] = "floating IP"

    name: str = option("str", read=values.name)
    address: str = option("str", read=values.address_with_prefix)
    pool: str = option("str", "", read=values.pool)
    interface: str = option("str", "")
    attach: str = option("str", "interface", choices=("interface", "none"))
    labels: dict[str, str] = option("labels", dict)

    @property
    def known_addresses(self) -> frozenset[str]:
        return frozenset((self.ip,))

    @property
    def ip(self) -> str:
        """The address without its prefix length."""
        return self.address.partition("/")[0]


@dataclass(frozen=True)
class Node:
    """A host that runs the runtime, as one load balancer names it. ``address``, without prefix length, is where its peers reach it."""

    node: str = option("str", read=values.node_name)
    address: str = option("str", read=values.address)
    fault_domain: str = option("str", "", read=values.text)


@dataclass(frozen=True)
class Heartbeat:
    """How the nodes of a load balancer hear each other. ``port`` is that of UDP; ``key`` holds the shared secret's fingerprint."""

    transport: str = option("str", "vrrp", choices=("vrrp", "udp"))
    mode: str = option("str", "unicast", choices=("unicast", "multicast"))
    interval_ms: int = option("duration", 300, minimum=50, maximum=40_000)
    dead_after: int = option("int", 3, minimum=2, maximum=20)
    virtual_router_id: int = option("int", 51, minimum=1, maximum=255)
    port: int = option("int", 7694, minimum=1, maximum=65535)
    key: str = option("str", "", read=values.heartbeat_key, secret=True)


@dataclass(frozen=True)
class ObservingUser:
    """Who may ask for what is observed, by a password (RFC 7617). The field holds its fingerprint."""

    name: str = option("str", read=observed.user_name)
    password: str = option("str", "", read=observed.password, secret=True, mark=PRIVATE_KEY)


@dataclass(frozen=True)
class Observing:
    """Where metrics and the dashboard are to be had; with port 0 nowhere. The address ``node`` is each node's own. Without ``allow`` everybody may
    ask who gets there. With a certificate they are asked for over TLS, with ``client_ca`` by who shows one of its certificates.
    """

    port: int = option("int", 0, minimum=0, maximum=65535)
    address: str = option("str", "127.0.0.1", read=observed.observe_address)
    allow: tuple[str, ...] = option("strings", tuple, read=values.network)
    users: tuple[ObservingUser, ...] = option("objects", tuple, of=ObservingUser, key="name")
    certificate: str = option("str", "", read=values.optional_name)
    client_ca: str = option("str", "", read=pem.authorities, shown=pem.authorities_shown, file=True)


@dataclass(frozen=True)
class TrackScript:
    """A command on the node that says by its exit status, 0 for yes, whether the node has what it needs; one that does not end in time says no."""

    name: str = option("str", read=values.name)
    command: str = option("str", read=values.command)
    interval_ms: int = option("duration", 5000, minimum=500, maximum=3_600_000)
    timeout_ms: int = option("duration", 3000, minimum=100, maximum=3_600_000)
    rise: int = option("int", 2, minimum=1, maximum=100)
    fall: int = option("int", 2, minimum=1, maximum=100)


@dataclass(frozen=True)
class Track:
    """What a node needs beside its proxy and the interfaces of its floating IPs. ``gateway`` is asked by ICMP echo."""

    interfaces: tuple[str, ...] = option("strings", tuple, read=values.interface)
    gateway: str = option("str", "", read=values.optional_address)
    scripts: tuple[TrackScript, ...] = option("objects", tuple, of=TrackScript, key="name")


@dataclass(frozen=True)
class Notify:
    """A command on the node that is told what has happened: that the node's state has changed, or that a server went up or down."""

    name: str = option("str", read=values.name)
    command: str = option("str", read=values.command)
    events: tuple[str, ...] = option("strings", ("state", "server"), read=values.notified_event)
    timeout_ms: int = option("duration", 10_000, minimum=100, maximum=600_000)


@dataclass(frozen=True)
class LoadBalancer(Object):
    """The declared thing: a set of nodes and the floating IPs they hold."""

    KIND: ClassVar[str] = "load_balancers"
    WORD: ClassVar[str] = "load balancer"

    name: str = option("str", read=values.name)
    master: Node = option("object", of=Node)
    backup: Node = option("object", of=Node)
    description: str = option("str", "")
    labels: dict[str, str] = option("labels", dict)
    floating_ips: tuple[str, ...] = option("strings", tuple, read=values.name, inline=True)
    keep_ips: bool = option("bool", True)
    allow_same_hardware: bool = option("bool", False)
    heartbeat: Heartbeat = option("object", Heartbeat, of=Heartbeat)
    failback: str = option("str", "never", choices=("never", "delayed", "immediate"))
    failback_delay_ms: int = option("duration", 60_000, minimum=1000, maximum=DAY_MS)
    track: Track = option("object", Track, of=Track)
    notify: tuple[Notify, ...] = option("objects", tuple, of=Notify, key="name")
    tls_profile: str = option("str", "intermediate", choices=("intermediate", "modern"))
    observe: Observing = option("object", Observing, of=Observing)
    deletion_protection: bool = option("bool", False)

    @property
    def references(self) -> frozenset[tuple[str, str]]:
        return frozenset(("floating_ips", name) for name in self.floating_ips)

    @property
    def known_addresses(self) -> frozenset[str]:
        return frozenset(node.address for node in self.nodes)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Its nodes, the most preferred first. Nothing may assume that they are two."""
        return (self.master, self.backup)

    def observed_at(self, node: str) -> str:
        """The address at which a node shows what is observed; "" where it does not."""
        observe = self.observe
        if not observe.port:
            return ""
        if observe.address != OWN_ADDRESS:
            return observe.address
        return next((one.address for one in self.nodes if one.node == node), "")


@dataclass(frozen=True)
class Certificate(Object):
    """A certificate and its private key: their texts, or where they lie on the node, and with ``watch`` are taken up again when they are renewed
    there. ``certificate`` is the chain in PEM, the server's own first; ``private_key`` holds the key's fingerprint.
    """

    KIND: ClassVar[str] = "certificates"
    WORD: ClassVar[str] = "certificate"
    KEY: ClassVar[tuple[str, ...]] = ("load_balancer", "name")

    load_balancer: str = option("str", read=values.name)
    name: str = option("str", read=values.name)
    certificate: str = option("str", "", read=pem.chain, shown=pem.chain_shown, file=True)
    private_key: str = option("str", "", read=pem.private_key, secret=True, mark=PRIVATE_KEY, file=True)
    certificate_path: str = option("str", "", read=values.file_path)
    private_key_path: str = option("str", "", read=values.file_path)
    watch: bool = option("bool", False)

    @property
    def references(self) -> frozenset[tuple[str, str]]:
        return frozenset((("load_balancers", self.load_balancer),))
