# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words of backends: servers, how they are balanced, checked and kept sticky."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import ClassVar

from . import _names as names
from . import _pem as pem
from . import _values as values
from ._headers import AllDown, HeaderRule, PathRewrite
from ._health import ALWAYS_OVER_TLS, HealthCheck
from ._objects import DAY_MS, KeepaliveProbes, Object
from ._options import option

EXPAND_MAX = 256  # servers that one name may stand for


# What a request may be sent again after, beside answers with some statuses.
RETRY_ON = ("connect_failure", "empty_response")
_RETRY_STATUSES = frozenset(("404", "408", "425", "429", "500", "502", "503", "504"))


def retry_reason(given: str) -> str:
    if given not in RETRY_ON and given not in _RETRY_STATUSES:
        way_out = f"Give {', '.join(RETRY_ON)}, or a status of {', '.join(sorted(_RETRY_STATUSES))}."
        raise ValueError("which is no reason to send a request again", way_out)
    return given


@dataclass(frozen=True)
class Server:
    """One member of a backend. Port 0 is the backend's; ``max_connections`` 0 is no limit; weight 0 takes no new clients. With ``expand`` it stands
    for so many servers, at different addresses of the one name.
    """

    name: str = option("str", read=values.name)
    address: str = option("str", read=names.server_address)
    port: int = option("int", 0, maximum=65535)
    weight: int = option("int", 1, maximum=256)
    max_connections: int = option("int", 0, maximum=1_000_000)
    backup: bool = option("bool", False)
    expand: int = option("int", 0, maximum=EXPAND_MAX)

    @property
    def host(self) -> str:
        """The host name that its address is found by, as it stands before the search list; "" where the address itself is stated."""
        return self.address if names.is_name(self.address) else ""

    @property
    def members(self) -> tuple[Server, ...]:
        """The servers that it stands for: itself, or with ``expand`` NAME-1, NAME-2..."""
        if not self.expand:
            return (self,)
        return tuple(dataclasses.replace(self, name=f"{self.name}-{number}", expand=0) for number in range(1, self.expand + 1))


@dataclass(frozen=True)
class Resolver:
    """Who is asked for the addresses of servers that are stated by name, and for how long an answer counts. Without ``name_servers`` that is as the
    node's own files say (hosts, resolv.conf).
    """

    name_servers: tuple[str, ...] = option("strings", tuple, read=names.name_server, ordered=True)
    prefer: str = option("str", "ipv4", choices=("ipv4", "ipv6"))
    min_ttl_ms: int = option("duration", 5000, minimum=100, maximum=DAY_MS)
    max_ttl_ms: int = option("duration", 300_000, minimum=100, maximum=DAY_MS)
    hold_ms: int = option("duration", 30_000, maximum=DAY_MS)


@dataclass(frozen=True)
class Sticky:
    """The binding of a client to a server. ``ttl_ms`` ends an idle one; a cookie of 0 ends with the browser, one without a name has its backend's.
    The cookie is ours, or with ``cookie_mode`` prefix or rewrite the application's, which then says all else of it.
    """

    type: str = option("str", "none", choices=("none", "cookie", "source"))
    cookie_name: str = option("str", "", read=values.cookie_name)
    ttl_ms: int = option("duration", 1_800_000, maximum=30 * DAY_MS)
    cookie_mode: str = option("str", "insert", choices=("insert", "prefix", "rewrite"))
    cookie_domain: str = option("str", "", read=values.server_name)
    cookie_path: str = option("str", "/", read=values.cookie_path)
    cookie_same_site: str = option("str", "lax", choices=("lax", "strict", "none", "unset"))
    cookie_secure: str = option("str", "auto", choices=("auto", "always", "never"))


@dataclass(frozen=True)
class BackendTls:
    """TLS to the servers. Without ``sni`` a server is asked by the host name of its address, or by its own name where that is a host name with a
    domain, else without one. Without ``verify_name`` its certificate must be for the name that it is asked by, or for its address. Without ``ca``
    the system's authorities count.
    """

    enabled: bool = option("bool", False)
    verify: bool = option("bool", True)
    ca: str = option("str", "", read=pem.authorities, shown=pem.authorities_shown, file=True)
    sni: str = option("str", "", read=values.server_name)
    verify_name: str = option("str", "", read=values.verified_name)
    client_certificate: str = option("str", "", read=values.optional_name)

    def sni_of(self, server: Server) -> str:
        """The name that a server is asked by; "" for none."""
        return self.sni or server.host.rstrip(".") or (server.name.lower() if values.is_host_name(server.name) else "")

    def name_of(self, server: Server) -> str:
        """The host name or address that a server's certificate must be for."""
        return self.verify_name or self.sni_of(server) or server.address


@dataclass(frozen=True)
class BackendTimeouts:
    """HAProxy's words: establishing, the server's silence (HTTP only), waiting for a free server, silence of a tunnel or TCP session."""

    connect_ms: int = option("duration", 5000, minimum=10, maximum=600_000)
    server_ms: int = option("duration", 30_000, minimum=10, maximum=DAY_MS)
    queue_ms: int = option("duration", 5000, minimum=10, maximum=600_000)
    tunnel_ms: int = option("duration", 3_600_000, minimum=10, maximum=30 * DAY_MS)


@dataclass(frozen=True)
class Observe:
    """A server that fails so many requests of clients within a time is down until its checks pass again. ``errors`` 0 does not look at requests."""

    errors: int = option("int", 0, maximum=10_000)
    window_ms: int = option("duration", 10_000, minimum=1000, maximum=3_600_000)
    count_5xx: bool = option("bool", False)


@dataclass(frozen=True)
class Backend(Object):
    """A set of servers that take the forwarded requests: how they are balanced, checked and kept sticky. With port 0 every server gives its own."""

    KIND: ClassVar[str] = "backends"
    WORD: ClassVar[str] = "backend"
    KEY: ClassVar[tuple[str, ...]] = ("load_balancer", "name")

    load_balancer: str = option("str", read=values.name)
    name: str = option("str", read=values.name)
    protocol: str = option("str", "http", choices=("http", "tcp", "udp"))
    port: int = option("int", 0, maximum=65535)
    servers: tuple[Server, ...] = option("objects", tuple, of=Server, key="name", ordered=True)
    resolver: Resolver = option("object", Resolver, of=Resolver)
    balance: str = option("str", "roundrobin", choices=("roundrobin", "leastconn", "first", "source", "random"))
    use_all_backups: bool = option("bool", True)
    slow_start_ms: int = option("duration", 0, maximum=3_600_000)
    sticky: Sticky = option("object", Sticky, of=Sticky)
    health_check: HealthCheck = option("object", HealthCheck, of=HealthCheck)
    tls: BackendTls = option("object", BackendTls, of=BackendTls)
    timeouts: BackendTimeouts = option("object", BackendTimeouts, of=BackendTimeouts)
    max_retries: int = option("int", 3, maximum=20)
    redispatch: bool = option("bool", True)
    retry_on: tuple[str, ...] = option("strings", RETRY_ON, read=retry_reason)
    max_connections: int = option("int", 0, maximum=1_000_000)
    max_queue: int = option("int", 1024, maximum=100_000)
    observe: Observe = option("object", Observe, of=Observe)
    keepalive_probes: KeepaliveProbes = option("object", KeepaliveProbes, of=KeepaliveProbes)
    proxy_protocol: str = option("str", "none", choices=("none", "v1", "v2"))
    on_marked_down: str = option("str", "none", choices=("none", "shutdown_sessions"))
    on_all_down: AllDown = option("object", AllDown, of=AllDown)
    request_headers: tuple[HeaderRule, ...] = option("objects", tuple, of=HeaderRule, ordered=True)
    response_headers: tuple[HeaderRule, ...] = option("objects", tuple, of=HeaderRule, ordered=True)
    path_rewrite: PathRewrite = option("object", PathRewrite, of=PathRewrite)

    @property
    def checked_with_header(self) -> str:
        """The version of the PROXY protocol that health checks begin with, or "none": that of the forwarded requests, unless they say it."""
        own = self.health_check.proxy_protocol
        return self.proxy_protocol if own == "auto" else own

    @property
    def checked_over_tls(self) -> bool:
        """Whether health checks speak TLS: as the forwarded requests do, unless they say it themselves."""
        check = self.health_check
        return check.type in ALWAYS_OVER_TLS or check.tls == "always" or (check.tls == "auto" and self.tls.enabled)

    @property
    def certificates(self) -> frozenset[str]:
        """The keys of the certificates it names."""
        return frozenset(f"{self.load_balancer}/{name}" for name in {self.tls.client_certificate} - {""})

    @property
    def references(self) -> frozenset[tuple[str, str]]:
        named = [("certificates", key) for key in self.certificates]
        if self.on_all_down.backend:
            named.append(("backends", f"{self.load_balancer}/{self.on_all_down.backend}"))
        return frozenset((("load_balancers", self.load_balancer), *named))

    @property
    def known_addresses(self) -> frozenset[str]:
        return frozenset(server.address for server in self.servers if not server.host)

    @functools.cached_property
    def members(self) -> tuple[Server, ...]:
        """The servers that run: those that are stated, each with ``expand`` as many as that says."""
        if not any(server.expand for server in self.servers):
            return self.servers
        return tuple(member for server in self.servers for member in server.members)

    def canonical(self) -> Backend:
        """The order of servers has a meaning for ``first``, and where one backup follows another; else they are sorted, and equal sets are equal."""
        if self.balance == "first" or not self.use_all_backups:
            return self
        return dataclasses.replace(self, servers=tuple(sorted(self.servers, key=lambda server: server.name)))
