# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words of frontends: where they listen, their rules, and the backends they may choose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from . import _pem as pem
from . import _values as values
from ._acl import Acl, BasicAuth
from ._conditions import Conditions
from ._headers import Compression, ErrorPage, HeaderRule, PathRewrite, RequestId, forwarded_field, named_client_field
from ._objects import DAY_MS, KeepaliveProbes, Object
from ._options import option


@dataclass(frozen=True)
class WeightedBackend:
    """A backend's share of a route's requests. Weight 0 takes none but those of clients that are bound to a server of it."""

    backend: str = option("str", read=values.name)
    weight: int = option("int", 1, maximum=256)


@dataclass(frozen=True)
class Route(Conditions):
    """Sends the requests that match all of its conditions to a backend, or shares them among ``backends`` by their weights. ``sni`` is for TCP
    sessions of TLS that pass as they are, the conditions are for HTTP.
    """

    backend: str = option("str", "", read=values.optional_name)
    backends: tuple[WeightedBackend, ...] = option("objects", tuple, of=WeightedBackend, key="backend", ordered=True)
    sni: str = option("str", "", read=values.server_name_pattern)
    path_rewrite: PathRewrite = option("object", PathRewrite, of=PathRewrite)

    @property
    def names(self) -> tuple[str, ...]:
        """The backends that it may choose."""
        return (*((self.backend,) if self.backend else ()), *(one.backend for one in self.backends))


@dataclass(frozen=True)
class FrontendTls:
    """TLS that ends here; without certificates there is none. They are chosen by the name that the client asks for, and the first is for all other
    names, or with ``sni_strict`` none. An empty profile is the load balancer's.
    """

    certificates: tuple[str, ...] = option("strings", tuple, read=values.name, ordered=True)
    profile: str = option("str", "", choices=("", "intermediate", "modern"))
    alpn: tuple[str, ...] = option("strings", ("http/1.1",), read=values.application_protocol, ordered=True)
    sni_strict: bool = option("bool", False)
    client_auth: str = option("str", "none", choices=("none", "optional", "required"))
    client_ca: str = option("str", "", read=pem.authorities, shown=pem.authorities_shown, file=True)
    client_crl: str = option("str", "", read=pem.revocations, shown=pem.revocations_shown, file=True)
    hsts_ms: int = option("duration", 0, maximum=3650 * DAY_MS)
    hsts_subdomains: bool = option("bool", False)


@dataclass(frozen=True)
class FrontendTimeouts:
    """HAProxy's words: the client's silence, the time until a request's head, or before it a TLS handshake, is complete, the idle time between
    requests, the time that an ACL's tarpit holds a request. HTTP only, but for handshakes.
    """

    client_ms: int = option("duration", 30_000, minimum=10, maximum=DAY_MS)
    request_ms: int = option("duration", 10_000, minimum=10, maximum=600_000)
    keepalive_ms: int = option("duration", 60_000, minimum=10, maximum=DAY_MS)
    tarpit_ms: int = option("duration", 10_000, minimum=10, maximum=60_000)


@dataclass(frozen=True)
class ClientLimits:
    """What one client may do: an IPv4 address, or an IPv6 network of 64 bits. 0 is no limit; a ``burst`` of 0 is what comes in a second."""

    requests_per_second: int = option("int", 0, maximum=1_000_000)
    burst: int = option("int", 0, maximum=1_000_000)
    connections: int = option("int", 0, maximum=60_000)
    exempt: tuple[str, ...] = option("strings", (), read=values.network)


@dataclass(frozen=True)
class Frontend(Object):
    """An address and port the load balancer listens on, its rules, and the backends it may choose, by their names within the load balancer.
    Without addresses it listens on all floating IPs. The first ACL that matches counts, and of what it lets in the first route. With
    ``forwarding: kernel`` no process sees its packets.
    """

    KIND: ClassVar[str] = "frontends"
    WORD: ClassVar[str] = "frontend"
    KEY: ClassVar[tuple[str, ...]] = ("load_balancer", "name")

    load_balancer: str = option("str", read=values.name)
    name: str = option("str", read=values.name)
    port: int = option("int", minimum=1, maximum=65535)
    addresses: tuple[str, ...] = option("strings", tuple, read=values.listen_address)
    protocol: str = option("str", "http", choices=("http", "tcp", "udp"))
    default_backend: str = option("str", "", read=values.optional_name)
    routes: tuple[Route, ...] = option("objects", tuple, of=Route, ordered=True)
    acls: tuple[Acl, ...] = option("objects", tuple, of=Acl, ordered=True)
    acl_default: str = option("str", "allow", choices=("allow", "deny"))
    basic_auth: BasicAuth = option("object", BasicAuth, of=BasicAuth)
    tls: FrontendTls = option("object", FrontendTls, of=FrontendTls)
    accept_proxy_protocol: tuple[str, ...] = option("strings", (), read=values.network)
    redirect_to_https: bool = option("bool", False)
    redirect_to_https_port: int = option("int", 443, minimum=1, maximum=65535)
    redirect_except: tuple[str, ...] = option("strings", tuple, read=values.path_prefix)
    forwarded_for: str = option("str", "replace", choices=("replace", "append", "none"))
    forwarded_fields: tuple[str, ...] = option("strings", ("X-Forwarded-For", "X-Forwarded-Proto"), read=forwarded_field)
    trusted_proxies: tuple[str, ...] = option("strings", (), read=values.network)
    client_from: str = option("str", "", read=named_client_field)
    via: bool = option("bool", True)
    header_underscores: str = option("str", "drop", choices=("drop", "pass"))
    upgrades: tuple[str, ...] = option("strings", ("websocket",), read=values.upgrade)
    request_headers: tuple[HeaderRule, ...] = option("objects", tuple, of=HeaderRule, ordered=True)
    response_headers: tuple[HeaderRule, ...] = option("objects", tuple, of=HeaderRule, ordered=True)
    request_id: RequestId = option("object", RequestId, of=RequestId)
    compression: Compression = option("object", Compression, of=Compression)
    error_pages: tuple[ErrorPage, ...] = option("objects", tuple, of=ErrorPage, key="status")
    timeouts: FrontendTimeouts = option("object", FrontendTimeouts, of=FrontendTimeouts)
    max_connections: int = option("int", 10_000, minimum=1, maximum=1_000_000)
    keepalive_probes: KeepaliveProbes = option("object", KeepaliveProbes, of=KeepaliveProbes)
    connection_rate_limit: int = option("int", 0, maximum=1_000_000)
    client_limits: ClientLimits = option("object", ClientLimits, of=ClientLimits)
    max_head: int = option("int", 65_536, minimum=1024, maximum=1_048_576)
    max_body: int = option("int", 0, maximum=1_000_000_000_000)
    access_log: str = option("str", "none", choices=("none", "json", "common", "combined", "haproxy"))
    forwarding: str = option("str", "proxy", choices=("proxy", "kernel"))
    client_address: str = option("str", "snat", choices=("snat", "keep"))
    enabled: bool = option("bool", True)

    @property
    def backends(self) -> frozenset[str]:
        """The keys of the backends it may choose."""
        names = {name for route in self.routes for name in route.names} | ({self.default_backend} - {""})
        return frozenset(f"{self.load_balancer}/{name}" for name in names)

    @property
    def references(self) -> frozenset[tuple[str, str]]:
        named = [("backends", key) for key in self.backends] + [("certificates", key) for key in self.certificates]
        return frozenset((("load_balancers", self.load_balancer), *named))

    @property
    def certificates(self) -> frozenset[str]:
        """The keys of the certificates it may show."""
        return frozenset(f"{self.load_balancer}/{name}" for name in self.tls.certificates)

    @property
    def known_addresses(self) -> frozenset[str]:
        return frozenset(self.addresses)

    @staticmethod
    def from_former(stored: dict[str, Any]) -> dict[str, Any]:
        """What a release without trusted proxies wrote: its default of ``forwarded_for``, which TCP refuses if it is not today's, was another."""
        if "trusted_proxies" not in stored and stored.get("protocol") == "tcp" and stored.get("forwarded_for") == "append":
            return {**stored, "forwarded_for": "replace"}
        return stored
