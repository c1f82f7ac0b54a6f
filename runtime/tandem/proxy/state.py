"""What a worker knows of frontends, backends and servers while it runs: the current options, who is up, who is connected, who waits, counters.

A new document changes these objects in place, so that connections, pools, sticky bindings and counters survive it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Optional, Union

from .._model import Backend, Frontend, Server
from .balance import Balancer, Candidate, rendezvous
from .http1 import Head
from .sticky import SourceTable, mark_in, own_cookie_name, renewal_due, server_mark, set_cookie

if TYPE_CHECKING:
    import socket

    from .session import Session
    from .upstream import Upstream

IDLE_MAX = 256  # idle connections kept per server and worker
IDLE_S = 30.0

Counters = dict[str, int]
Announce = Callable[[str, Sequence[tuple[str, str]]], None]  # a backend's key, and (client, server name) of its bindings by source
RESPONSES = ("", *(f"responses_{n}xx" for n in range(1, 6)))  # the counter of each class of status
_FRONTEND_COUNTERS = (
    "connections_total",
    "requests",
    "bytes_in",
    "bytes_out",
    "refused",
    "bad_requests",
    *RESPONSES[1:],
)
_SERVER_COUNTERS = ("sessions_total", "connects", "connect_errors", "response_errors", "retries", "responses_5xx")


def share_of(limit: int, workers: int) -> int:
    """One worker's part of a limit of the node; a limit of 0 is none."""
    return max(1, -(-limit // workers)) if limit else 0


class ServerState:
    """One server as this worker sees it."""

    def __init__(self, backend: BackendState, config: Server) -> None:
        self.backend = backend
        self.name = config.name
        self.mark = server_mark(backend.key, config.name)
        self.up = False
        self.gone = False
        self.active = 0
        self.idle: list[Upstream] = []
        self.sessions: set[Session] = set()
        self.counters: Counters = dict.fromkeys(_SERVER_COUNTERS, 0)
        self.weight = 0
        self.limit = 0
        self.address, self.port = "", 0
        self.configure(config)

    def configure(self, config: Server) -> None:
        self.config = config
        self.weight = config.weight
        self.limit = share_of(config.max_connections, self.backend.workers)
        place = (config.address, config.port or self.backend.config.port)
        if place != (self.address, self.port):
            self.address, self.port = place
            self.close_idle()

    @property
    def full(self) -> bool:
        return bool(self.limit) and self.active >= self.limit

    def pooled(self, now: float, idle_s: float) -> Optional[Upstream]:
        """An idle connection that has lain no longer than ``idle_s``: the one used last, since it is the likeliest to be whole."""
        while self.idle:
            upstream = self.idle[-1]
            if not upstream.whole:
                self.idle.pop().close()
            elif now - upstream.idle_since <= idle_s:
                return self.idle.pop()
            else:
                break
        return None

    def close_idle(self) -> None:
        """Ends the connections nobody uses."""
        idle, self.idle = self.idle, []
        for upstream in idle:
            upstream.close()


class BackendState:
    """One backend as this worker sees it: choosing, queueing, binding."""

    def __init__(self, key: str, config: Backend, workers: int) -> None:
        self.key = key
        self.config = config
        self.workers = workers
        self.gone = False
        self.active = 0
        self.queue: dict[Session, None] = {}  # in the order of their coming
        self._serving = self._served_anew = False
        self.queue_max_seen = 0
        self.queue_timeouts = 0
        self.servers: dict[str, ServerState] = {}
        self.health: Mapping[str, bool] = {}
        self._order: list[ServerState] = []
        self.announce: Announce = lambda _backend, _bindings: None
        self.configure(config, workers)

    def configure(self, config: Backend, workers: int) -> None:
        """Takes the options of a new document; servers are the same as long as their name is."""
        table_kept = bool(self.servers) and config.sticky == self.config.sticky
        method_kept = bool(self.servers) and config.balance == self.config.balance
        self.config, self.workers = config, workers
        self.limit = share_of(config.max_connections, workers)
        names = {server.name for server in config.servers}
        for name in [name for name in self.servers if name not in names]:
            self._retire(self.servers.pop(name))
        for server in config.servers:
            if server.name in self.servers:
                self.servers[server.name].configure(server)
            else:
                self.servers[server.name] = ServerState(self, server)
        self._order = [self.servers[server.name] for server in config.servers]
        self.marks = {server.mark: server for server in self._order}
        if not table_kept:
            self.table = SourceTable(config.sticky.ttl_ms / 1000) if config.sticky.type == "source" else None
        self.cookie_name = (config.sticky.cookie_name or own_cookie_name(self.key)).encode() if config.sticky.type == "cookie" else b""
        self._binds = self.table is not None or bool(self.cookie_name)
        if not method_kept:
            self.balancer = Balancer(config.balance)
        self.connect_s = config.timeouts.connect_ms / 1000
        self.server_s = config.timeouts.server_ms / 1000
        self.queue_s = config.timeouts.queue_ms / 1000
        self.tunnel_s = config.timeouts.tunnel_ms / 1000
        self.set_health(self.health)

    def set_health(self, health: Mapping[str, bool]) -> None:
        """Who is up. A server that is not named has not passed a check yet and counts as down; without checks all are up."""
        self.health = health
        unchecked = self.config.health_check.type == "none"
        for server in self._order:
            was_up, server.up = server.up, unchecked or health.get(server.name, False)
            if was_up and not server.up:
                self._down(server)
        usable = [server for server in self._order if server.up and server.weight]
        self.balancer.use([server for server in usable if not server.config.backup] or usable)
        self.serve_queue()

    def retire(self) -> list[Session]:
        """The backend is no longer stated: what runs goes on, nothing new begins. Returns who waited for it, in order, for them to choose again."""
        self.gone = True
        for server in self._order:
            self._retire(server)
        self._order, self.marks = [], {}
        self.balancer.use([])
        waiting, self.queue = list(self.queue), {}
        return waiting

    def choose(self, session: Session, now: float) -> Optional[ServerState]:
        """The server for a session, taken for it; None when it has to wait (``may_wait`` tells whether that makes sense)."""
        if self.limit and self.active >= self.limit:
            return None
        bound = self._bound(session, now) if self._binds else None
        server = self._balanced(session) if bound is None else (None if bound.full else bound)
        if server is not None:
            self.take(server, session, now)
        return server

    def may_wait(self, session: Session, now: float) -> bool:
        """Whether a place can become free for this session."""
        return bool(self.balancer.usable()) or self._bound(session, now) is not None

    def release(self, server: ServerState, session: Session) -> None:
        """The session no longer uses the server; who waits longest gets the place."""
        server.active -= 1
        self.active -= 1
        server.sessions.discard(session)
        if self.table is not None:
            self.table.leave(session.client, server.name, monotonic())
        if self.queue:
            self.serve_queue()

    def enqueue(self, session: Session) -> bool:
        """Puts a session in the queue; False when that is full."""
        if len(self.queue) >= max(1, self.config.max_queue // self.workers):
            return False
        self.queue[session] = None
        self.queue_max_seen = max(self.queue_max_seen, len(self.queue))
        return True

    def leave_queue(self, session: Session) -> None:
        self.queue.pop(session, None)

    def serve_queue(self) -> None:
        """Gives free places to those who wait, in order; one that is bound to a full server does not hold up the others.

        A session may give its place back while it is being served, if its request turns out to be bad: then the queue is gone through again, from
        here and not from there, or as many bad requests as wait would nest as many calls.
        """
        self._served_anew = True
        if self._serving:
            return
        self._serving = True
        try:
            while self._served_anew:
                self._served_anew = False
                self._serve_in_order()
        finally:
            self._serving = False

    def _serve_in_order(self) -> None:
        now = monotonic()
        for session in list(self.queue):
            if (self.limit and self.active >= self.limit) or all(server.full for server in self._order if server.up):
                return
            server = self.choose(session, now) if session in self.queue else None
            if server is not None:
                self.leave_queue(session)
                session.dispatch(server)

    def _bound(self, session: Session, now: float) -> Optional[ServerState]:
        """The usable server this client is bound to; weight 0 keeps its own clients."""
        server: Optional[ServerState] = None
        if self.cookie_name:
            server = self.marks.get(mark_in(session.cookie))
        elif self.table is not None:
            server = self.servers.get(self.table.bound(session.client, now))
        if server is None or not server.up or server in session.tried:
            return None
        return server

    def _balanced(self, session: Session) -> Optional[ServerState]:
        chosen: Optional[Candidate]
        if self.table is not None:
            free = [server for server in self.balancer.usable() if server not in session.tried]
            chosen = rendezvous(session.client, free or self.balancer.usable())
            if chosen is not None and chosen.full:
                return None
        else:
            chosen = self.balancer.choose(session.client, session.tried)
        return chosen if isinstance(chosen, ServerState) else None

    def take(self, server: ServerState, session: Session, now: float) -> None:
        server.active += 1
        self.active += 1
        server.sessions.add(session)
        server.counters["sessions_total"] += 1
        if self.table is not None and self.table.use(session.client, server.name, now):
            self.announce(self.key, [(session.client, server.name)])

    def cookie_to_set(self, server: ServerState, cookie: bytes, wall_clock: float) -> bytes:
        """The field that binds a client who came with this cookie's content to the server it was served by; b"" when it is bound for long enough."""
        ttl_s = self.config.sticky.ttl_ms // 1000
        if mark_in(cookie) == server.mark and not renewal_due(cookie, ttl_s, wall_clock):
            return b""
        return set_cookie(self.cookie_name, server.mark, ttl_s, wall_clock)

    def tell_bindings(self, now: float) -> None:
        """Tells the other workers of sessions that last, by whose bindings they should not forget."""
        due = list(self.table.due(now)) if self.table is not None else []
        if due:
            self.announce(self.key, due)

    def learn_bindings(self, bindings: Iterable[Sequence[str]], now: float) -> None:
        """(client, server name) of sessions at other workers."""
        if self.table is not None:
            for client, name in bindings:
                if name in self.servers:
                    self.table.learn(client, name, now)

    def _down(self, server: ServerState) -> None:
        server.close_idle()
        if self.config.on_marked_down == "shutdown_sessions":
            for session in list(server.sessions):
                session.abort("its server was marked down")

    def _retire(self, server: ServerState) -> None:
        server.gone = True
        server.up = False
        server.close_idle()

    def stats(self) -> dict[str, Union[int, dict[str, Counters]]]:
        servers = {name: {**server.counters, "sessions": server.active, "idle": len(server.idle)} for name, server in self.servers.items()}
        return {
            "servers": servers,
            "sessions": self.active,
            "queue": len(self.queue),
            "queue_max_seen": self.queue_max_seen,
            "queue_timeouts": self.queue_timeouts,
        }


class FrontendState:
    """One frontend as this worker sees it: where requests go, how many clients there are."""

    def __init__(self, key: str, config: Frontend) -> None:
        self.key = key
        self.sessions: set[Session] = set()
        self.listeners: dict[tuple[str, int], socket.socket] = {}
        self.arriving = 0  # accepted, but not yet among the sessions
        self.paused = False
        self.gone = False
        self.counters: Counters = dict.fromkeys(_FRONTEND_COUNTERS, 0)
        self.default: Optional[BackendState] = None
        self.configure(config, {}, 1)

    def configure(self, config: Frontend, backends: Mapping[str, BackendState], workers: int) -> None:
        self.config = config
        self.limit = share_of(config.max_connections, workers)
        self.default = backends.get(f"{config.load_balancer}/{config.default_backend}")
        self._routes = [
            (route.host.encode(), route.path_prefix.encode(), backends[f"{config.load_balancer}/{route.backend}"])
            for route in (config.routes if backends else ())
        ]
        self.client_s = config.timeouts.client_ms / 1000
        self.request_s = config.timeouts.request_ms / 1000
        self.keepalive_s = config.timeouts.keepalive_ms / 1000

    def backend_for(self, head: Head) -> Optional[BackendState]:
        """The backend of the first route that matches, else the default one."""
        if self._routes:
            host, path = head.route_host, head.path
            for wanted, prefix, backend in self._routes:
                if (not wanted or wanted == host) and path_matches(path, prefix):
                    return backend
        return self.default

    def stats(self) -> Counters:
        return {**self.counters, "connections": len(self.sessions)}


def path_matches(path: bytes, prefix: bytes) -> bool:
    """Whether a path lies under a prefix, by whole segments: "/api" holds "/api" and "/api/x", not "/apix"."""
    if not path.startswith(prefix):
        return False
    return not prefix or prefix.endswith(b"/") or len(path) == len(prefix) or path[len(prefix) : len(prefix) + 1] == b"/"
