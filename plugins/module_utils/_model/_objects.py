# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words of Tandem as frozen dataclasses: every option, its default and its limits, declared once.

Rules that concern one option stand beside it; rules between options and between objects are in ``_rules``.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from . import _values as values
from ._options import option

_DAY_MS = 86_400_000


@dataclass(frozen=True)
class FloatingIP:
    """The highly available address: held by the active node; it outlives load balancers."""

    KIND: ClassVar[str] = "floating_ips"
    WORD: ClassVar[str] = "floating IP"

    name: str = option("str", read=values.name)
    address: str = option("str", read=values.address_with_prefix)
    pool: str = option("str", "", read=values.pool)
    interface: str = option("str", "")
    attach: str = option("str", "interface", choices=("interface", "none"))
    labels: dict[str, str] = option("labels", dict)

    @property
    def key(self) -> str:
        return self.name

    @property
    def ip(self) -> str:
        """The address without its prefix length."""
        return self.address.partition("/")[0]


@dataclass(frozen=True)
class Node:
    """A host that runs the runtime, as one load balancer names it. ``address`` is where its peers reach it."""

    node: str = option("str", read=values.name)
    address: str = option("str", read=values.address)
    fault_domain: str = option("str", "", read=values.text)


@dataclass(frozen=True)
class Heartbeat:
    """How the nodes of a load balancer hear each other. ``key`` holds the shared secret's fingerprint."""

    transport: str = option("str", "vrrp", choices=("vrrp", "udp"))
    mode: str = option("str", "unicast", choices=("unicast", "multicast"))
    interval_ms: int = option("duration", 300, minimum=50, maximum=40_000)
    dead_after: int = option("int", 3, minimum=2, maximum=20)
    virtual_router_id: int = option("int", 51, minimum=1, maximum=255)
    port: int = option("int", 7694, minimum=1, maximum=65535)
    key: str = option("str", "", read=values.heartbeat_key, secret=True)


@dataclass(frozen=True)
class LoadBalancer:
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
    failback_delay_ms: int = option("duration", 60_000, minimum=1000, maximum=_DAY_MS)
    deletion_protection: bool = option("bool", False)

    @property
    def key(self) -> str:
        return self.name

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Its nodes, the most preferred first. Nothing may assume that they are two."""
        return (self.master, self.backup)


@dataclass(frozen=True)
class Server:
    """One member of a backend. Port 0 is the backend's; ``max_connections`` 0 is no limit; weight 0 takes no new clients."""

    name: str = option("str", read=values.name)
    address: str = option("str", read=values.address)
    port: int = option("int", 0, maximum=65535)
    weight: int = option("int", 1, maximum=256)
    max_connections: int = option("int", 0, maximum=1_000_000)
    backup: bool = option("bool", False)


@dataclass(frozen=True)
class Sticky:
    """The binding of a client to a server. ``ttl_ms`` ends an idle one; a cookie of 0 ends with the browser, one without a name has its backend's."""

    type: str = option("str", "none", choices=("none", "cookie", "source"))
    cookie_name: str = option("str", "", read=values.cookie_name)
    ttl_ms: int = option("duration", 1_800_000, maximum=30 * _DAY_MS)


@dataclass(frozen=True)
class HealthCheck:
    """The repeated probe that decides whether a server is up. Port 0 is the server's own; an empty host is its address.

    While a state is about to change (some checks failed, or passed again), the shorter of both intervals counts.
    """

    type: str = option("str", "tcp", choices=("tcp", "http", "none"))
    port: int = option("int", 0, maximum=65535)
    interval_ms: int = option("duration", 3000, minimum=50, maximum=3_600_000)
    timeout_ms: int = option("duration", 1000, minimum=10, maximum=3_600_000)
    fast_interval_ms: int = option("duration", 500, minimum=50, maximum=3_600_000)
    rise: int = option("int", 2, minimum=1, maximum=100)
    fall: int = option("int", 3, minimum=1, maximum=100)
    method: str = option("str", "GET", choices=("GET", "HEAD", "OPTIONS"))
    path: str = option("str", "/", read=values.path)
    host: str = option("str", "", read=values.host)
    expect_status: str = option("str", "200-399", read=values.statuses)
    expect_body: str = option("str", "")


@dataclass(frozen=True)
class BackendTimeouts:
    """HAProxy's words: establishing, the server's silence (HTTP only), waiting for a free server, silence of a tunnel or TCP session."""

    connect_ms: int = option("duration", 5000, minimum=10, maximum=600_000)
    server_ms: int = option("duration", 30_000, minimum=10, maximum=_DAY_MS)
    queue_ms: int = option("duration", 5000, minimum=10, maximum=600_000)
    tunnel_ms: int = option("duration", 3_600_000, minimum=10, maximum=30 * _DAY_MS)


@dataclass(frozen=True)
class Backend:
    """A set of servers that take the forwarded requests: how they are balanced, checked and kept sticky."""

    KIND: ClassVar[str] = "backends"
    WORD: ClassVar[str] = "backend"

    load_balancer: str = option("str", read=values.name)
    name: str = option("str", read=values.name)
    protocol: str = option("str", "http", choices=("http", "tcp"))
    port: int = option("int", 0, maximum=65535)
    servers: tuple[Server, ...] = option("objects", tuple, of=Server, key="name", ordered=True)
    balance: str = option("str", "roundrobin", choices=("roundrobin", "leastconn", "first", "source"))
    sticky: Sticky = option("object", Sticky, of=Sticky)
    health_check: HealthCheck = option("object", HealthCheck, of=HealthCheck)
    timeouts: BackendTimeouts = option("object", BackendTimeouts, of=BackendTimeouts)
    max_retries: int = option("int", 3, maximum=20)
    redispatch: bool = option("bool", True)
    max_connections: int = option("int", 0, maximum=1_000_000)
    max_queue: int = option("int", 1024, maximum=100_000)
    on_marked_down: str = option("str", "none", choices=("none", "shutdown_sessions"))

    @property
    def key(self) -> str:
        return f"{self.load_balancer}/{self.name}"

    def canonical(self) -> Backend:
        """The order of servers has a meaning for ``first`` only; else they are sorted, so that equal sets are equal."""
        if self.balance == "first":
            return self
        return dataclasses.replace(self, servers=tuple(sorted(self.servers, key=lambda server: server.name)))


@dataclass(frozen=True)
class Route:
    """Sends the requests that match all of its conditions to a backend. An empty condition matches everything."""

    backend: str = option("str", read=values.name)
    host: str = option("str", "", read=values.host)
    path_prefix: str = option("str", "", read=values.path_prefix)


@dataclass(frozen=True)
class FrontendTimeouts:
    """HAProxy's words: the client's silence, the time until a request's head is complete, the idle time between requests. HTTP only."""

    client_ms: int = option("duration", 30_000, minimum=10, maximum=_DAY_MS)
    request_ms: int = option("duration", 10_000, minimum=10, maximum=600_000)
    keepalive_ms: int = option("duration", 60_000, minimum=10, maximum=_DAY_MS)


@dataclass(frozen=True)
class Frontend:
    """An address and port the load balancer listens on, its rules, and the backends it may choose."""

    KIND: ClassVar[str] = "frontends"
    WORD: ClassVar[str] = "frontend"

    load_balancer: str = option("str", read=values.name)
    name: str = option("str", read=values.name)
    port: int = option("int", minimum=1, maximum=65535)
    addresses: tuple[str, ...] = option("strings", tuple, read=values.listen_address)
    protocol: str = option("str", "http", choices=("http", "tcp"))
    default_backend: str = option("str", "", read=values.optional_name)
    routes: tuple[Route, ...] = option("objects", tuple, of=Route, ordered=True)
    forwarded_for: str = option("str", "append", choices=("append", "replace", "none"))
    timeouts: FrontendTimeouts = option("object", FrontendTimeouts, of=FrontendTimeouts)
    max_connections: int = option("int", 10_000, minimum=1, maximum=1_000_000)
    access_log: str = option("str", "none", choices=("none", "json", "common"))
    enabled: bool = option("bool", True)

    @property
    def key(self) -> str:
        return f"{self.load_balancer}/{self.name}"
