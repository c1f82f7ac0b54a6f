"""One backend while a worker runs: choosing among its servers, queueing, binding clients. A new document changes it in place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Optional

from ..._model import Backend, Server
from ...balance.methods import Balancer, Candidate, rendezvous
from ...balance.rising import rising_weight
from ...balance.sticky import SourceTable, mark_in, renewal_due, set_cookie
from ...http.cookies import cookie_value
from ...http.request import Request
from ...metrics.latency import Latency
from ...tls.contexts import ClientTls, ServerTls
from .interfaces import Places
from .queues import Queues
from .servers import Seeker, ServerState, exact_share_of
from .shared import SharedLimits
from .writings import BackendWriting

Announce = Callable[[str, Sequence[tuple[str, str]]], None]  # a backend's key, and (client, server name) of its bindings by source


class BackendState:
    """One backend as this worker sees it. Times are seconds of the reactor's clock.

    Who waits, waits in the backend's queue for any server that may be chosen, or in one server's own queue if it is bound to that. A place that
    becomes free goes to whoever of those who may use it came first; how many wait does not make that dearer.
    """

    def __init__(
        self,
        key: str,
        config: Backend,
        workers: int,
        announce: Announce,
        tls: Optional[ClientTls] = None,
        *,
        addresses: Optional[Mapping[str, str]] = None,
        places: Optional[Mapping[str, Places]] = None,
        index: int = 0,
    ) -> None:
        self.key = key
        self.config = config
        self.shared = SharedLimits()
        self.gone = False
        self.active = 0
        self.queues = Queues()
        self.queue_timeouts = 0
        self.latency = Latency()
        self.servers: dict[str, ServerState] = {}
        self.writing = BackendWriting(key, config)
        self.health: Mapping[str, bool] = {}
        self.states: Mapping[str, str] = {}
        self._serving = self._served_anew = self._counts = self._rising = False
        self.shares: Mapping[str, Sequence[int]] = {}
        self._order: list[ServerState] = []
        self._announce = announce
        self.configure(config, workers, 0.0, tls, addresses=addresses, places=places, index=index)

    def configure(
        self,
        config: Backend,
        workers: int,
        now: float,
        tls: Optional[ClientTls] = None,
        *,
        addresses: Optional[Mapping[str, str]] = None,
        places: Optional[Mapping[str, Places]] = None,
        index: int = 0,
    ) -> None:
        """Takes the options of a new document; servers are the same as long as their name is. ``tls``: how they are spoken to; ``addresses``: where
        those are that are stated by a host name, as far as that is known. ``places``: the limits that all workers count together, by server's name,
        or "" for the backend's; of the others this worker, which is the one of this ``index``, has a share."""
        table_kept = bool(self.servers) and config.sticky == self.config.sticky
        method_kept = bool(self.servers) and config.balance == self.config.balance
        observed, self.config, self.workers = self.config.observe, config, workers
        places = places or {}
        self.limit = 0 if "" in places else exact_share_of(config.max_connections, workers, index)
        self.queue_limit = max(1, config.max_queue // workers)
        self._addresses = addresses or {}
        members = config.members
        names = {server.name for server in members}
        header = "" if config.proxy_protocol == "none" else config.proxy_protocol
        for name in [name for name in self.servers if name not in names]:
            self.servers.pop(name).retire()
        for server in members:
            place = (self._address_of(server), server.port or config.port, _tls_of(config, server, tls), header)
            limit = 0 if server.name in places else exact_share_of(server.max_connections, workers, index)
            if server.name in self.servers:
                self.servers[server.name].configure(server, place, limit)
            else:
                self.servers[server.name] = ServerState(self.key, server, place, limit)
        self._order = [self.servers[server.name] for server in members]
        for state in self._order:
            state.probes = config.keepalive_probes if config.keepalive_probes.idle_ms else None
        self.shared.use(places, self._order, self.active)
        self._counts = self.shared.any
        self._by_mark = {server.mark: server for server in self._order}
        if not table_kept:
            self.table = SourceTable(config.sticky.ttl_ms / 1000) if config.sticky.type == "source" else None
        self.writing = BackendWriting(self.key, config, self.writing)
        self._binds = self.table is not None or bool(self.writing.cookie_name)
        if not method_kept:
            self.balancer = Balancer(config.balance)
        self.retries_connecting = "connect_failure" in config.retry_on
        self.retries_unanswered = "empty_response" in config.retry_on
        self.retry_statuses = frozenset(int(reason) for reason in config.retry_on if reason.isdigit())
        self.connect_s = config.timeouts.connect_ms / 1000
        self.server_s = config.timeouts.server_ms / 1000
        self.queue_s = config.timeouts.queue_ms / 1000
        self.tunnel_s = config.timeouts.tunnel_ms / 1000
        if config.observe != observed:
            self.new_errors()  # those of before do not count
        self._settle(now)

    def set_health(self, health: Mapping[str, bool], now: float) -> None:
        """Who is up. A server that is not named has not passed a check yet and counts as down; without checks all are up."""
        self.health = health
        self._settle(now)

    def set_addresses(self, addresses: Mapping[str, str], health: Mapping[str, bool], now: float) -> None:
        """Where servers by name are from now on, and who is up there. What is under way at a former address goes on, and no more begins there."""
        self._addresses, self.health = addresses, health
        moved = [server for server in self._order if server.move_to((self._address_of(server.config), *server.place[1:]))]
        self._settle(now)
        if self.config.on_marked_down == "shutdown_sessions":
            for server in moved:
                if server.up:  # else that has been done
                    self._down(server, "has another address")

    def _address_of(self, server: Server) -> str:
        return self._addresses.get(server.name, "") if server.host else server.address

    def set_states(self, states: Mapping[str, str], now: float, shares: Optional[Mapping[str, Sequence[int]]] = None) -> None:
        """What operators and agents have said of servers, by name: ``drain`` takes no new clients, ``move`` neither those that are bound to it,
        ``maint`` is as down. What is under way goes on. A server that is not named is ready.

        ``shares``: percent of the server's weight, and its limit of connections, -1 for its own; who is not named has 100 and its own.
        """
        shares = shares or {}
        if states != self.states or shares != self.shares:
            self.states, self.shares = states, shares
            self._settle(now)

    def _settle(self, now: float) -> None:
        """Who may be chosen now, by health, by what operators have said, and by weight."""
        unchecked = self.config.health_check.type == "none"
        went_down = []
        for server in self._order:
            server.follow_agent(self.shares.get(server.name), bool(self.shares), self.workers)
            state = self.states.get(server.name)
            server.takes_new = state is None
            server.keeps_bound = state is None or (state == "drain" and self._binds)
            was_up, server.up = server.up, state != "maint" and bool(server.address) and self.health.get(server.name, unchecked)
            server.note(now, known=unchecked or server.name in self.health or state == "maint")
            if was_up and not server.up:
                went_down.append((server, "is in maintenance" if state == "maint" else "was marked down" if server.address else "has no address"))
            elif not server.keeps_bound:
                server.close_idle()
        self._use_servers(now)
        for server, why in went_down:  # not before: the places that this frees must not go to those who wait
            self._down(server, why)
        self._queue_anew(now)
        self.serve_queue(now)

    def _use_servers(self, now: float) -> None:
        """Chooses among those that are up from now on, by their weights of now."""
        slow_s = self.config.slow_start_ms / 1000
        self._rising = False
        if slow_s:
            for server in self._order:
                server.weight = rising_weight(server.own_weight, now - server.up_since, slow_s)
                self._rising = self._rising or (server.up and now - server.up_since < slow_s)
        usable = [server for server in self._order if server.up and server.takes_new and server.weight]
        backups = usable if self.config.use_all_backups else usable[:1]
        self.balancer.use([server for server in usable if not server.config.backup] or backups)

    def rise(self, now: float) -> None:
        """To be called again and again: servers that came up a short time ago get more of their share."""
        if self._rising:
            self._use_servers(now)

    def retire(self) -> list[Seeker]:
        """The backend is no longer stated: what runs goes on, nothing new begins. Returns who waited for it, in order, for them to choose again."""
        self.gone = True
        waiting = self.queues.take_all()
        self._publish()
        for server in self._order:
            server.retire()
        self._order, self._by_mark = [], {}
        self.balancer.use([])
        return waiting

    def choose(self, seeker: Seeker, now: float) -> Optional[ServerState]:
        """The server for a seeker, taken for it; None when it has to wait (``may_wait`` tells whether that makes sense)."""
        if self.limit and self.active >= self.limit:
            return None
        bound = self._bound(seeker, now) if self._binds else None
        server = self._balanced(seeker) if bound is None else (None if bound.full else bound)
        if self._counts and server is not None:
            server = self._counted(server, seeker, now, may_change=bound is None and self.table is None)
        if server is not None:
            self._take(server, seeker, now)
        return server

    def _counted(self, server: ServerState, seeker: Seeker, now: float, *, may_change: bool) -> Optional[ServerState]:
        """The chosen server, or another one if that may be, with its place among those that all workers count; None where there is none."""
        since, refused = seeker.since or now, seeker.tried
        while not self.shared.take(server, self.active, since):
            refused = (*refused, server)
            other = self.balancer.choose(seeker.client, refused) if may_change and server.places is not None else None
            if not isinstance(other, ServerState) or other in refused:
                return None
            server = other
        seeker.since = 0.0
        return server

    def may_wait(self, seeker: Seeker, now: float) -> bool:
        """Whether a place can become free for this seeker."""
        return bool(self.balancer.usable()) or self._bound(seeker, now) is not None

    def binds(self, request: Request, client: str, now: float) -> bool:
        """Whether a request, or its client, is bound to a server of this backend that can serve it."""
        if self.writing.cookie_name:
            cookie = request.fields.cookie
            server = self._by_mark.get(mark_in(cookie_value(cookie, self.writing.cookie_name))) if cookie else None
        else:
            server = self.servers.get(self.table.bound(client, now)) if self.table is not None else None
        return server is not None and server.up and server.keeps_bound

    def release(self, server: ServerState, seeker: Seeker, now: float) -> None:
        """The seeker no longer uses the server; who has waited longest gets the place."""
        server.active -= 1
        self.active -= 1
        server.seekers.discard(seeker)
        if self.table is not None:
            self.table.leave(seeker.client, server.name, now)
        if server.places is not None:
            server.places.hold(server.active)
        if self.shared.whole is not None:
            self.shared.whole.hold(self.active)
        if self.queues.waiting:
            self.serve_queue(now)

    def enqueue(self, seeker: Seeker, now: float) -> bool:
        """Puts a seeker in a queue; False when as many wait as may."""
        if self.queues.waiting >= self.queue_limit:
            return False
        seeker.since = seeker.since or now
        self.queues.come(seeker, self._awaited(seeker, now))
        self._publish()
        return True

    def leave_queue(self, seeker: Seeker) -> None:
        if self.queues.leave(seeker) and not self._serving:
            self._publish()

    def serve_queue(self, now: float) -> None:
        """Gives free places to those who wait, in order; one that is bound to a full server does not hold up the others.

        A seeker may give its place back while it is being served, if its request turns out to be bad: then the queues are gone through again, from
        here and not from there, or as many bad requests as wait would nest as many calls.
        """
        self._served_anew = True
        if self._serving:
            return
        self._serving = True
        try:
            while self._served_anew:
                self._served_anew = False
                self._serve_in_order(now)
        finally:
            self._serving = False
            self._publish()

    def _publish(self) -> None:
        """Others learn who waits here."""
        if self._counts:
            usable = self.balancer.usable() if not self.limit or self.active < self.limit else []
            self.shared.publish(self.queues.general, list(self.queues.own), usable)

    def cookie_to_set(self, server: ServerState, cookie: bytes, wall_clock: float, scheme: bytes = b"http") -> bytes:
        """The field that binds a client who came with this cookie's content to the server it was served by; b"" when it is bound for long enough."""
        ttl_s = self.config.sticky.ttl_ms // 1000
        if mark_in(cookie) == server.mark and not renewal_due(cookie, ttl_s, wall_clock):
            return b""
        return set_cookie(self.writing.own_cookie, server.mark, ttl_s, wall_clock, self.writing.cookie_attributes(scheme))

    def announce_bindings(self, now: float) -> None:
        """Tells the other workers of sessions that last, by whose bindings they should not forget."""
        due = list(self.table.due(now)) if self.table is not None else []
        if due:
            self._announce(self.key, due)

    def new_errors(self) -> dict[str, int]:
        """Failed requests since this was asked last, by server; of a backend that observes them."""
        found = {name: server.new_errors(count_5xx=self.config.observe.count_5xx) for name, server in self.servers.items()}
        return {name: errors for name, errors in found.items() if errors}

    def learn_bindings(self, bindings: Iterable[Sequence[str]], now: float) -> None:
        """(client, server name) of sessions at other workers."""
        if self.table is not None:
            for client, name in bindings:
                if name in self.servers:
                    self.table.learn(client, name, now)

    def shown(self) -> dict[str, Any]:
        """Counters and gauges of now, by their declared names."""
        return {
            "servers": {name: server.counters.shown(server.active, len(server.idle)) for name, server in self.servers.items()},
            "sessions": self.active,
            "queue": self.queues.waiting,
            "queue_max_seen": self.queues.most,
            "queue_timeouts": self.queue_timeouts,
            "latency": self.latency.shown(),
        }

    # Waiting

    def _awaited(self, seeker: Seeker, now: float) -> Optional[ServerState]:
        """The one server that the seeker can only wait for; None when any will do."""
        bound = self._bound(seeker, now) if self._binds else None
        if bound is None and self.table is not None:
            chosen = rendezvous(seeker.client, self._untried(seeker))
            return chosen if isinstance(chosen, ServerState) else None
        return bound

    def _queue_anew(self, now: float) -> None:
        """Other servers may be chosen than before, so other ones are waited for."""
        if self.queues.waiting:
            for seeker in self.queues.take_all():
                self.queues.come(seeker, self._awaited(seeker, now))

    def _serve_in_order(self, now: float) -> None:
        refused: list[dict[Seeker, int]] = []
        moved = 0
        while moved < self.queues.waiting and not (self.limit and self.active >= self.limit):
            seeker = self.queues.first(refused, has_room=bool(self.queues.general) and self.balancer.has_room())
            if seeker is None:
                return
            queue = seeker.waits_in
            server = self.choose(seeker, now)
            if server is not None:
                self.queues.leave(seeker)
                seeker.take_place(server)
            elif self.queues.move(seeker, self._awaited(seeker, now)):
                moved += 1  # it is bound otherwise than when it came
            elif queue is not None:
                refused.append(queue)  # another worker has that place, or somebody there who came before; we are woken when that changes

    # Choosing

    def _bound(self, seeker: Seeker, now: float) -> Optional[ServerState]:
        """The usable server this client is bound to; weight 0 keeps its own clients, as a drained server does unless it is to let them go."""
        server: Optional[ServerState] = None
        if self.writing.cookie_name:
            server = self._by_mark.get(mark_in(seeker.cookie))
        elif self.table is not None:
            server = self.servers.get(self.table.bound(seeker.client, now))
        if server is None or not server.up or not server.keeps_bound or server in seeker.tried:
            return None
        return server

    def _balanced(self, seeker: Seeker) -> Optional[ServerState]:
        chosen: Optional[Candidate]
        if self.table is not None:
            chosen = rendezvous(seeker.client, self._untried(seeker))
            if chosen is not None and chosen.full:
                return None
        else:
            chosen = self.balancer.choose(seeker.client, seeker.tried)
        return chosen if isinstance(chosen, ServerState) else None

    def _untried(self, seeker: Seeker) -> Sequence[Candidate]:
        usable = self.balancer.usable()
        return [server for server in usable if server not in seeker.tried] or usable

    def _take(self, server: ServerState, seeker: Seeker, now: float) -> None:
        server.active += 1
        self.active += 1
        server.seekers.add(seeker)
        server.counters.sessions_total += 1
        if self.table is not None and self.table.use(seeker.client, server.name, now):
            self._announce(self.key, [(seeker.client, server.name)])

    def _down(self, server: ServerState, why: str) -> None:
        server.close_idle()
        if self.config.on_marked_down == "shutdown_sessions":
            for seeker in list(server.seekers):
                seeker.break_off(f"its server {why}")


def _tls_of(config: Backend, server: Server, tls: Optional[ClientTls]) -> Optional[ServerTls]:
    return ServerTls(tls, config.tls.sni_of(server), config.tls.name_of(server)) if tls is not None else None
