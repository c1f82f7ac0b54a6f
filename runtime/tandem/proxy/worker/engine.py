"""The inside of a worker: accepts clients on the listeners it is given and passes their traffic to servers as the document says.

It knows nothing of the supervisor; ``process`` feeds it documents, listeners and health, and asks for its counters.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Optional

from ..._model import Document, KeepaliveProbes
from ...tls.materials import Pairs
from ..context import Context
from ..flow.keepalives import set_probes
from ..flow.preface import Entrance
from ..hops import take_new_clients
from ..places import PlacesMemory, Rows
from ..pool.backends import Announce, BackendState
from ..pool.frontends import FrontendState
from ..pool.interfaces import Client
from ..pool.limits import counts_clients
from ..pool.peer import plain
from ..pool.servers import Seeker
from ..reactor import READ, Handler
from .rates import Rates
from .tls import Contexts

_ACCEPTS_AT_ONCE = 32
_REST_S = 0.1  # how long nothing is accepted after that failed
_ANNOUNCE_S = 1.0
_REPORT_S = 0.25
_SHOWN_AT_ONCE = 50  # frontends or backends

Report = Callable[[Mapping[str, Mapping[str, int]]], None]
ListenKey = tuple[str, str, int]  # (frontend key, address, port)
Health = Mapping[str, Mapping[str, bool]]  # up, by backend key and server name
Addresses = Mapping[str, Mapping[str, str]]  # by backend key and server name
States = Mapping[str, Mapping[str, str]]  # as ``BackendState.set_states`` has them, by backend key and server name
Shares = Mapping[str, Mapping[str, Sequence[int]]]  # likewise


class Listener(Handler):
    """A listening socket of one frontend; ``paused`` while the frontend takes no clients, who then wait in the kernel's queue."""

    __slots__ = ("_accept", "frontend", "probes", "sock")

    def __init__(self, sock: socket.socket, frontend: FrontendState, accept: Callable[[Listener], None]) -> None:
        Handler.__init__(self, sock.fileno())
        self.sock = sock
        self.frontend = frontend
        self.probes: Optional[KeepaliveProbes] = None  # as they are set on it, where that is known
        self._accept = accept

    def readable(self) -> None:
        self._accept(self)


class Engine:
    """One worker's traffic. All methods are called in its reactor's thread. ``announce`` takes bindings by source address, for the other workers;
    ``report`` how many requests servers have failed, by backend and server, where that is observed."""

    def __init__(self, context: Context, announce: Optional[Announce] = None, report: Optional[Report] = None) -> None:
        self.context = context
        self._reactor = context.reactor
        self._announce: Announce = announce or (lambda _backend, _bindings: None)
        self._report: Report = report or (lambda _errors: None)
        self._frontends: dict[str, FrontendState] = {}
        self._leaving: set[FrontendState] = set()
        self._listeners: dict[FrontendState, dict[tuple[str, int], Listener]] = {}
        self._paused: set[FrontendState] = set()
        self._backends: dict[str, BackendState] = {}
        self._observing: list[BackendState] = []
        self._states: States = {}
        self.places: Optional[PlacesMemory] = None  # where there are several workers
        self._shares: Shares = {}
        self._contexts = Contexts(self._wall_clock)
        self._entrance = Entrance(context)
        self._rates = Rates()
        self._on_drained: Optional[Callable[[], None]] = None
        self._announcing = self._reactor.later(_ANNOUNCE_S, self._announce_bindings)
        self._reporting = self._reactor.later(_REPORT_S, self._report_errors)

    def share_rates(self, memory: memoryview, column: int, columns: int) -> None:
        """Where clients are counted together with the other workers of the node. To be said before the first document."""
        self._rates = Rates(memory, column, columns)

    def _wall_clock(self) -> float:
        return self.context.wall_clock()

    def apply(
        self,
        document: Document,
        listeners: Mapping[ListenKey, socket.socket],
        *,
        workers: int = 1,
        health: Optional[Health] = None,
        certificates: Optional[Pairs] = None,
        passwords: Optional[Mapping[str, str]] = None,
        ticket_keys: bytes = b"",
        states: Optional[States] = None,
        shares: Optional[Shares] = None,
        addresses: Optional[Addresses] = None,
        rows: Optional[Rows] = None,
    ) -> None:
        """The new state, from the next request on. Connections, pools, counters and bindings survive as far as their server does.

        Takes over the listeners, and closes those it had that are no longer named. ``workers``: how many share the node's limits.
        ``health`` is as for ``set_health``, ``states`` and ``shares`` as for ``set_states`` (None: as they are): of the servers as the document has
        them. ``passwords`` are the hashes of users', by fingerprint. ``ticket_keys`` are those of all workers. ``addresses``: of servers
        by name. ``rows``: of the limits that are counted in ``places``.
        """
        self._contexts.begin(document, certificates or {}, ticket_keys)
        # Before, so that a server that stays is not taken for down; after, for those that come.
        self.set_health(health or {})
        waiting = self._apply_backends(document, workers, addresses or {}, rows or {})
        self.set_states(self._states if states is None else states, shares)
        self.set_health(health or {})
        kept = set(listeners.values())
        enabled = {key: frontend for key, frontend in document.frontends.items() if frontend.enabled and self._contexts.can_serve(frontend)}
        for key in [key for key in self._frontends if key not in enabled]:
            self._retire_frontend(self._frontends.pop(key), kept)
        for key, config in enabled.items():
            if key in self._frontends and self._frontends[key].config.protocol != config.protocol:
                self._retire_frontend(self._frontends.pop(key), kept)
            if key not in self._frontends:
                frontend = self._frontends[key] = FrontendState(key, config, self._client_left)
                self._listeners[frontend] = {}
            self._frontends[key].configure(config, self._backends, workers, passwords)
            self._frontends[key].tls = self._contexts.of_frontend(config)
            self._frontends[key].limit_by(self._rates.table() if counts_clients(config) else None)
        self._observing = [backend for backend in self._backends.values() if backend.config.observe.errors]
        self._contexts.end()
        self._apply_listeners({key: sock for key, sock in listeners.items() if key[0] in self._frontends})
        for seeker in waiting:
            seeker.choose_again()

    def _apply_backends(self, document: Document, workers: int, addresses: Addresses, rows: Rows) -> list[Seeker]:
        """Returns who waited for a backend that is no longer stated; they choose again once the new routes are in force."""
        waiting: list[Seeker] = []
        for key in [key for key in self._backends if key not in document.backends]:
            waiting += self._backends.pop(key).retire()
        now, index = self._reactor.now, self.places.index if self.places is not None else 0
        for key, config in document.backends.items():
            tls, at = self._contexts.of_backend(config), addresses.get(key, {})
            places = self.places.of(config, rows.get(key, {})) if self.places is not None else {}
            if key in self._backends:
                self._backends[key].configure(config, workers, now, tls, addresses=at, places=places, index=index)
            else:
                self._backends[key] = BackendState(key, config, workers, self._tell, tls, addresses=at, places=places, index=index)
        return waiting

    def _apply_listeners(self, wanted: Mapping[ListenKey, socket.socket]) -> None:
        # First all give up what they lose: a place may go from one frontend to another, and with it the socket.
        kept = set(wanted.values())
        for key, frontend in self._frontends.items():
            listeners = self._listeners[frontend]
            for place, listener in list(listeners.items()):
                if wanted.get((key, *place)) is not listener.sock:
                    self._give_up(listeners.pop(place), kept)
        for (key, address, port), sock in wanted.items():
            frontend = self._frontends[key]
            listeners = self._listeners[frontend]
            if (address, port) not in listeners:
                sock.setblocking(False)
                # Connections inherit it; without it the last small piece of an answer waits for a delayed ACK.
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                listener = listeners[address, port] = Listener(sock, frontend, self._accept)
                if frontend not in self._paused:
                    self._reactor.watch(listener, READ)
            listener = listeners[address, port]
            if listener.probes != frontend.config.keepalive_probes:  # connections inherit these too
                listener.probes = frontend.config.keepalive_probes
                set_probes(sock, listener.probes)
        for frontend in self._frontends.values():
            self._pause_or_resume(frontend)

    def set_health(self, servers: Health) -> None:
        """Who is up, by backend and server; backends that are not named keep what they have."""
        for key, health in servers.items():
            if key in self._backends:
                self._backends[key].set_health(health, self._reactor.now)

    def set_addresses(self, addresses: Addresses, health: Health) -> None:
        """Where the servers by name of these backends are, of those that have an address, and who is up there."""
        for key, places in addresses.items():
            if key in self._backends:
                self._backends[key].set_addresses(places, health.get(key, {}), self._reactor.now)

    def serve_queues(self) -> None:
        """Another worker has given a place back, or waits no longer."""
        for backend in self._backends.values():
            if backend.queues.waiting:
                backend.serve_queue(self._reactor.now)

    def set_states(self, states: States, shares: Optional[Shares] = None) -> None:
        """What operators and agents have said, of all servers at once: who is not named is ready, and takes what the document says. ``shares``: None
        leaves them as they are."""
        self._states = states
        self._shares = self._shares if shares is None else shares
        for key, backend in self._backends.items():
            backend.set_states(states.get(key, {}), self._reactor.now, self._shares.get(key, {}))

    def learn_bindings(self, bindings: Mapping[str, Iterable[Sequence[str]]]) -> None:
        """(client, server name) of sessions by source address that other workers have, by backend."""
        for key, pairs in bindings.items():
            if key in self._backends:
                self._backends[key].learn_bindings(pairs, self._reactor.now)

    def bindings(self) -> dict[str, list[tuple[str, str]]]:
        """All that a worker that comes later should learn."""
        return {key: list(backend.table.entries()) for key, backend in self._backends.items() if backend.table is not None}

    def stats(self) -> Iterator[dict[str, Any]]:
        """Counters since the start and gauges of now, as plain integers by their declared names: in parts, so that many objects do not hold up the
        traffic; one part at least."""
        frontends, backends = list(self._frontends.items()), list(self._backends.items())
        for at in range(0, max(len(frontends), len(backends), 1), _SHOWN_AT_ONCE):
            yield {
                "frontends": {key: frontend.shown() for key, frontend in frontends[at : at + _SHOWN_AT_ONCE]},
                "backends": {key: backend.shown() for key, backend in backends[at : at + _SHOWN_AT_ONCE]},
            }

    # Ends

    def drain(self, on_drained: Callable[[], None]) -> None:
        """No new connections; those that stand end with their next answer. ``on_drained`` is called when all have ended."""
        self.context.draining = True
        for listeners in self._listeners.values():
            for listener in listeners.values():
                self._give_up(listener)
            listeners.clear()
        for client in self._clients():
            client.drain()
        for backend in self._backends.values():
            for server in backend.servers.values():
                server.close_idle()
        self._on_drained = on_drained
        self._tell_if_drained()

    def quiesce(self, step: str, of: str = "") -> None:
        """As the address moves to another node: ``last_answers`` ends connections with their next answer, ``idle`` those without a request.

        ``cut`` resets what still stands, and ``off`` takes all that back. ``of`` is the load balancer whose clients ``idle`` and ``cut`` are for, or
        "". The listeners stay, for those who wait in them.
        """
        self.context.draining = step != "off"
        clients = self._clients(f"{of}/" if of else "") if step in ("idle", "cut") else []
        for client in clients:
            if step == "cut":
                client.abort("the address moves to another node")
            else:
                client.drain()

    def close(self) -> None:
        """Ends everything at once."""
        self.context.wheel.clear(self._announcing)
        self.context.wheel.clear(self._reporting)
        for listeners in self._listeners.values():
            for listener in listeners.values():
                self._give_up(listener)
            listeners.clear()
        for client in self._clients():
            client.abort("the worker ends")
        for backend in self._backends.values():
            backend.retire()
        self.context.pipe.close()
        self.context.verifier.close()

    def _clients(self, begins: str = "") -> list[Client]:
        """Those of all frontends, or of those whose keys begin so."""
        frontends = (frontend for frontend in (*self._frontends.values(), *self._leaving) if frontend.key.startswith(begins))
        return [client for frontend in frontends for client in frontend.clients]

    def _tell(self, backend: str, bindings: Sequence[tuple[str, str]]) -> None:
        self._announce(backend, bindings)

    def _announce_bindings(self) -> None:
        self._announcing = self._reactor.later(_ANNOUNCE_S, self._announce_bindings)
        for backend in self._backends.values():
            backend.announce_bindings(self._reactor.now)
            backend.rise(self._reactor.now)

    def _report_errors(self) -> None:
        self._reporting = self._reactor.later(_REPORT_S, self._report_errors)
        found = {backend.key: backend.new_errors() for backend in self._observing}
        errors = {key: servers for key, servers in found.items() if servers}
        if errors:
            self._report(errors)

    # Accepting

    def _accept(self, listener: Listener) -> None:
        frontend = listener.frontend
        for _turn in range(_ACCEPTS_AT_ONCE):
            if len(frontend.clients) >= frontend.limit and self._pause_or_resume(frontend):
                return
            if frontend.rate is not None and self._rests(frontend, frontend.rate.wait_s(self._reactor.now)):
                return
            try:
                sock, address = listener.sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                # Out of descriptors or memory: what stands goes on; new clients wait in the kernel's queue until some have left.
                self.context.warn(f"frontend {frontend.key}: cannot accept: {error.strerror}")
                self._rests(frontend, _REST_S)
                return
            if frontend.rate is not None:
                frontend.rate.accepted(self._reactor.now)
            sock.setblocking(False)
            if self.context.draining:
                take_new_clients(sock)
            frontend.counters.connections_total += 1
            self._entrance.accepted(frontend, sock, plain(address[0]), address[1])

    def _rests(self, frontend: FrontendState, seconds: float) -> bool:
        """Accepts nothing for so long; False where that is 0."""
        if seconds:
            self._pause(frontend)
            self._reactor.later(seconds, lambda: self._resume(frontend))
        return seconds > 0

    def _pause_or_resume(self, frontend: FrontendState) -> bool:
        """Leaves new clients in the kernel's queue while max_connections are here; returns whether it does."""
        full = len(frontend.clients) >= frontend.limit
        if full:
            self._pause(frontend)
        else:
            self._resume(frontend)
        return full

    def _pause(self, frontend: FrontendState) -> None:
        if frontend not in self._paused:
            self._paused.add(frontend)
            for listener in self._listeners.get(frontend, {}).values():
                self._reactor.watch(listener, 0)

    def _resume(self, frontend: FrontendState) -> None:
        if frontend in self._paused and len(frontend.clients) < frontend.limit:
            self._paused.discard(frontend)
            for listener in self._listeners.get(frontend, {}).values():
                self._reactor.watch(listener, READ)

    def _client_left(self, frontend: FrontendState) -> None:
        if frontend in self._paused:
            self._resume(frontend)
        if frontend.gone and not frontend.clients:
            self._leaving.discard(frontend)
        if self._on_drained is not None:
            self._tell_if_drained()

    def _tell_if_drained(self) -> None:
        if self._on_drained is not None and not any(frontend.clients for frontend in (*self._frontends.values(), *self._leaving)):
            on_drained, self._on_drained = self._on_drained, None
            on_drained()

    def _retire_frontend(self, frontend: FrontendState, kept: Collection[socket.socket]) -> None:
        """``kept``: listeners that another frontend takes over."""
        frontend.gone = True
        for listener in self._listeners.pop(frontend).values():
            self._give_up(listener, kept)
        self._paused.discard(frontend)
        if frontend.clients:
            self._leaving.add(frontend)
        for client in list(frontend.clients):
            client.drain()

    def _give_up(self, listener: Listener, kept: Collection[socket.socket] = ()) -> None:
        if listener.sock in kept:
            self._reactor.watch(listener, 0)
        else:
            self._reactor.close(listener, listener.sock)
