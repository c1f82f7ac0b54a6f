"""One frontend while a worker runs: which backend a request goes to, who is connected, how requests are passed on. Changed in place by a document."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Optional

from ..._model import Frontend, Route
from ...balance.rates import RateTable
from ...http.named_client import NamedClient
from ...http.networks import Networks
from ...http.passing import Passing
from ...http.paths import lies_under, normal
from ...http.request import Request
from ...http.rules import NONE, Rules
from ...metrics.counters import FrontendCounters
from ...tls.client_cert import client_cert_lines
from ...tls.stream import TlsStream
from .backends import BackendState
from .entry import Entry
from .interfaces import Client
from .limits import ConnectionRate, Limits, limits_of
from .servers import share_of
from .targets import Target
from .writings import Writings


class FrontendState:
    """One frontend as this worker sees it. ``clients`` are the connections that stand; ``on_left(frontend)`` is called when one has ended."""

    def __init__(self, key: str, config: Frontend, on_left: Callable[[FrontendState], None]) -> None:
        self.key = key
        self._on_left = on_left
        self.clients: set[Client] = set()
        self.gone = False
        self.counters = FrontendCounters()
        self.writings = Writings(config)
        self.default: Optional[BackendState] = None
        self.tls: Optional[ssl.SSLContext] = None  # what handshakes with new clients begin with; None: there are none
        self.configured = 0  # how often, for who keeps what follows from the options
        self.limits: Optional[Limits] = None  # of its requests and clients; None: there are none
        self.rate: Optional[ConnectionRate] = None
        self.hsts = b""  # the whole field, where it is to be added (RFC 6797)
        self._routes_of: tuple[Route, ...] = ()
        self._rules: Optional[Rules] = None
        self._targets: list[Target] = []
        self.entry = Entry()
        self.configure(config, {}, 1)

    def configure(self, config: Frontend, backends: Mapping[str, BackendState], workers: int, passwords: Optional[Mapping[str, str]] = None) -> None:
        """``passwords``: the hashes of users' passwords, by fingerprint."""
        self.config = config
        self.configured += 1
        self.limit = share_of(config.max_connections, workers)
        self.writings = Writings(config, self.writings)
        self._backends = backends
        self.default = backends.get(f"{config.load_balancer}/{config.default_backend}")
        self._configure_routes(config, backends)
        self.entry.configure(config, self.limit, passwords or {})
        self.client_s = config.timeouts.client_ms / 1000
        self.request_s = config.timeouts.request_ms / 1000
        self.keepalive_s = config.timeouts.keepalive_ms / 1000
        self._not_redirected = [normal(prefix.encode()) for prefix in config.redirect_except]
        hsts_s = config.tls.hsts_ms // 1000
        subdomains = b"; includeSubDomains" if config.tls.hsts_subdomains else b""
        self.hsts = b"Strict-Transport-Security: max-age=%d%b\r\n" % (hsts_s, subdomains) if hsts_s else b""
        self._trusted = Networks(config.trusted_proxies)
        self._named_client = NamedClient(config.client_from, self._trusted) if config.client_from else None
        self.header_from = Networks(config.accept_proxy_protocol) if config.accept_proxy_protocol else None
        self._upgrades = frozenset(name.encode() for name in config.upgrades)
        self._forwarded = frozenset(config.forwarded_fields)
        self.gated = config.redirect_to_https or self.entry.asks

    def _configure_routes(self, config: Frontend, backends: Mapping[str, BackendState]) -> None:
        """What was compiled of the same routes before is used again, since that takes long for many."""
        routes = config.routes if backends else ()
        if routes != self._routes_of:
            self._rules = Rules([(route, False) for route in routes]) if routes and config.protocol == "http" else None
            self._routes_of = routes
        prefix = f"{config.load_balancer}/"
        self._targets = [Target.of_route(route, prefix, backends) for route in routes]
        self.by_name = [(route.sni, backends[prefix + route.backend]) for route in routes if route.sni]

    def backend_for_name(self, name: str) -> Optional[BackendState]:
        """The backend for TLS that is passed on as it comes, by the name that its client asks for; "" where it asks for none."""
        for wanted, backend in self.by_name:
            if wanted == name or (wanted.startswith("*.") and name.partition(".")[2] == wanted[2:]):
                return backend
        return self.default

    def https_location(self, request: Request) -> bytes:
        """Where the same is to be had over TLS, if the frontend sends its clients there; b"" otherwise (RFC 9110 4.2.2)."""
        config = self.config
        host = request.fields.route_host
        if not config.redirect_to_https or not host or any(lies_under(request.normal_path, prefix) for prefix in self._not_redirected):
            return b""
        port = b"" if config.redirect_to_https_port == 443 else b":%d" % config.redirect_to_https_port
        return b"https://%b%b%b" % (host, port, request.target if request.target.startswith(b"/") else b"/")

    def fallback_of(self, backend: BackendState) -> Optional[BackendState]:
        """Who takes what is for a backend of which all is down; None where nobody does."""
        return self._backends.get(f"{self.config.load_balancer}/{backend.config.on_all_down.backend}") if backend.writing.falls_back else None

    def client_named_by(self, address: str) -> Optional[NamedClient]:
        """Who says whose the requests of a connection from this address are; None: they are its own."""
        return self._named_client if self._named_client is not None and self._trusted.holds(address) else None

    def passing_for(self, client: str, tls: Optional[TlsStream], client_port: int = 0, *, over_tls: bool = False, whose: str = "") -> Passing:
        """How the requests of a client at this address are passed on. ``tls``: its connection, if that is over TLS; ``over_tls``: a proxy in front
        says that the client's connection to it is; ``whose``: or whose a request is that it passes on."""
        config = self.config
        scheme = b"https" if over_tls or tls is not None else b"http"
        client_cert = b"" if tls is None else client_cert_lines(tls.tls)
        mode = config.forwarded_for
        if mode == "replace" and self._trusted.holds(client):
            mode = "append"
        underscores = config.header_underscores == "pass"
        return Passing(
            client.encode(),
            scheme,
            mode,
            via=config.via,
            underscores=underscores,
            upgrades=self._upgrades,
            client_cert=client_cert,
            forwarded=self._forwarded,
            port=config.port,
            client_port=b"%d" % client_port if client_port else b"",
            tls_sni=tls.server_name.encode() if tls is not None else b"",
            whose=whose.encode(),
        )

    def limit_by(self, table: Optional[RateTable]) -> None:
        """Makes its limits; ``table`` is where clients are counted, if they are."""
        rate = self.config.connection_rate_limit
        self.limits = limits_of(self.config, self.key, table)
        self.gated = self.gated or self.limits is not None
        self.rate = ConnectionRate(rate, self.key, table) if rate and table is not None else None

    def left(self, client: Client) -> None:
        """A client's connection has ended."""
        self.clients.discard(client)
        self._on_left(self)

    def backend_for(self, request: Request, client: str, now: float) -> Optional[BackendState]:
        """The backend of the first route that matches a request of the client at this address, else the default one."""
        if self._rules is not None:
            place = self._rules.first(request, client)
            if place != NONE:
                target = self._targets[place]
                return target.backend or target.choose(request, client, now)
        return self.default

    def route_of(self, request: Request, client: str) -> int:
        """Which route that is, counted from 0; NONE where no one matches."""
        return self._rules.first(request, client) if self._rules is not None else NONE

    def shown(self) -> dict[str, int]:
        return self.counters.shown(len(self.clients))
