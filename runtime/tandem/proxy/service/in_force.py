"""What is in force on this node: a document, the roles, the listeners that both ask for, and who is up; and that the workers have all of it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Optional

from ..._model import Backend, Document, ModelError, describe
from ..._states import ServerKey, found, same, signed, wanted
from ..._store import Store, StoreError
from ...checks.agents import Agents
from ...checks.health import Health
from ...checks.probe import Result, Target, probe
from ...checks.scheduler import Scheduler
from ...checks.script import Scripts
from ...events import note
from ...log import say
from ...pace import Pace, in_thread
from ...supervised import supervise
from ...tls.materials import can_serve
from .addresses import Addresses
from .certificates import CheckTls
from .document import LoadedDocument, loaded, read, renewed
from .forwarded import Forwarded, told
from .instructions import Instructions, Said
from .listening import Listening, NotBound
from .moving import Moving
from .observing import Observed
from .server_news import ServerNews
from .server_states import ServerStates
from .status import Known
from .wanted import Place, Wanted, wanted_listeners
from .workers import WorkerRefused, Workers

_REBIND_S = 0.05
_REBIND_SHARE = 10  # of the time, at most one part in so many is spent on trying again
_FORESEE_S = 5.0
_PRECHECK_S = 2.0
_RESOLVE_S = 1.0  # a document waits so long for the names that it brings; those that take longer are known when they are known
_MOVE_S = 2.0
_WATCH_S = 20.0  # between two looks at certificates that may be renewed on the node
_BACKENDS_TOGETHER = 50


class NotUsed(Exception):
    """The document on disk is not used: ``str()`` says why, ``reasons`` is the list behind it."""

    def __init__(self, message: str, reasons: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.reasons = reasons


class InForce:
    """One change at a time; what goes over all objects rests in between. ``on_failure()`` is called when the program itself has failed."""

    def __init__(self, store: Store, workers: Workers, on_failure: Callable[[], None]) -> None:
        self.active: set[str] = set()  # the load balancers for which this node is active
        self.failure = ""  # why the document on disk is not in use
        self.loaded = loaded(Document())
        self.listening = Listening()
        self._check_tls = CheckTls()
        self._scripts = Scripts()
        self.look_at_certificates = asyncio.Event()  # set by who has renewed one and does not want to wait
        self.news = ServerNews()
        self.addresses = Addresses(store, on_failure)
        self.scheduler = Scheduler(self._health_changed, on_failure, probing=self._probe, address_of=self.addresses.of)
        self.agents = Agents(self._agents_changed, on_failure, address_of=self.addresses.of)
        self.states = ServerStates(store)
        self.forwarded = Forwarded(store.paths.forward_wanted)
        self._observed = Observed()
        self._store = store
        self._workers = workers
        self._on_failure = on_failure
        self._turn = asyncio.Lock()
        self.moving = Moving(self.addresses, self.scheduler, self._turn, lambda: self.document, self._tell_moved)
        self._active_since: dict[str, float] = {}
        self._changed_backends: set[str] = set()
        self._agents_wait = False  # to be told to the workers

    @property
    def document(self) -> Document:
        return self.loaded.document

    # Documents

    async def start(self) -> None:
        """Uses what lies on disk, as far as it can be used, and starts the checks."""
        self.scheduler.start()
        await self.addresses.start()
        async with self._turn:
            await self.states.start()
            try:
                lost: list[str] = []
                new = await self._read(lost)
                for why in lost:  # the other frontends are served all the same
                    say("error", f"not used until it is mended: {why}")
                if new.document.generation:
                    await self._use(new, strict=False)
            except (ModelError, StoreError) as error:
                self.failure = str(error)
                say("error", f"the document is not used: {error}")
            self.forwarded.follow(self.document)
            await self.listening.close_unwanted(self._wanted())  # kept from a former life, and no longer asked for

    def stop(self) -> None:
        self.scheduler.stop()
        self.addresses.stop()
        self.forwarded.close()
        self.agents.stop()
        self.listening.close_all()

    async def load(self, generation: object = None) -> LoadedDocument:
        """Uses what lies on disk, if it is of that generation (None: of any). Raises NotUsed; what was in force is in force then."""
        async with self._turn:
            try:
                new = await self._read()
                if generation not in (None, new.document.generation):
                    raise NotUsed(f"generation {generation} was asked for, but {self._store.paths.desired} holds {new.document.generation}")
                await self._use(new, strict=True)
            except ModelError as error:
                raise NotUsed(str(error), tuple(str(problem) for problem in error.problems)) from None
            except NotBound as error:
                raise NotUsed(str(error), error.reasons) from None
            except (StoreError, WorkerRefused) as error:
                raise NotUsed(str(error)) from None
            self.failure = ""
            return new

    async def _read(self, lost: Optional[list[str]] = None) -> LoadedDocument:
        return await in_thread(read, self._store, lost)

    async def _use(self, new: LoadedDocument, *, strict: bool) -> None:
        """Puts a document in force, all of it or nothing. ``strict``: a listener that cannot be bound is a refusal, not a problem to retry."""
        wanted = self._wanted(new)
        await self.listening.open(wanted, self._may_be_freed if strict else _always)
        self._check_tls.use({**self.loaded.pairs, **new.pairs})
        await self.addresses.follow(new.document, _RESOLVE_S)
        await self.scheduler.precheck(new.document, _PRECHECK_S)
        try:
            await self._tell_workers(new, wanted)
        except WorkerRefused as error:
            if strict:
                await self._back_to_former()
                raise
            say("error", str(error))  # the worker that takes its place gets the document too
        self.loaded = new
        await self.addresses.keep_only(new.document)
        self._observed.keep_only(new.document)
        await self.states.follow(new.document)
        self._check_tls.use(new.pairs)
        await self.scheduler.follow(new.document)
        await self.agents.follow(new.document)
        await self._tell_health()
        self.forwarded.follow(new.document)
        await self.listening.close_unwanted(wanted)
        await self._foresee()

    async def _back_to_former(self) -> None:
        """After a worker did not take a document: the others go back to the former one, and what could not be bound for it is tried again."""
        wanted = self._wanted()
        await self.listening.open(wanted, _always)
        await self.listening.close_unwanted(wanted)
        self._check_tls.use(self.loaded.pairs)
        await self.addresses.keep_only(self.document)
        await self.scheduler.follow(self.document)
        await self._tell_workers_again()

    async def _probe(self, target: Target) -> Result:
        return await probe(target, self._check_tls.of, self._scripts)

    async def watch_certificates(self) -> None:
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.look_at_certificates.wait(), _WATCH_S)
            self.look_at_certificates.clear()
            await self.take_up_renewed()

    async def take_up_renewed(self) -> None:
        """Looks for certificates that were renewed on the node, and has them used; of a bad one it is told, and what was in use stays."""
        if not any(certificate.watch for certificate in self.document.certificates.values()):
            return
        async with self._turn:
            lost: list[str] = []
            new = await in_thread(renewed, self.loaded, self._store.paths.keys, lost)
            for why in lost:
                say("error", f"not used as it is on this node now, what was in use before stays in use: {why}")
            keys = sorted(key for key, pair in new.pairs.items() if self.loaded.pairs.get(key) != pair)
            self.loaded = new
            if not keys:
                return
            self._check_tls.use(new.pairs)
            await self.listening.open(self._wanted(), _always)
            await self._tell_workers_again()
            say("info", f"taken up as it was renewed on this node: certificate {', '.join(keys)}")
            note("certificate", "" if keys[1:] else keys[0], f"taken up as it was renewed on this node: {', '.join(keys)}")

    # Workers

    async def tell_again(self) -> None:
        """A worker has replaced one that died: it gets what the others have."""
        async with self._turn:
            await self._tell_workers_again()

    async def _tell_workers_again(self) -> None:
        """What is in force. Who does not take it ends, and who takes its place is told again."""
        try:
            await self._tell_workers(self.loaded, self._wanted())
        except WorkerRefused as error:
            say("error", str(error))
        await self._tell_health()

    async def _tell_workers(self, what: LoadedDocument, wanted: Sequence[Wanted]) -> None:
        """Raises WorkerRefused."""
        pace = Pace()
        health = {}
        for key, backend in what.document.backends.items():
            health[key] = self._up(backend)
            await pace.rest()
        said, addresses = self._said(what.document), self.addresses.told()
        held, rows = self.listening.held(wanted), self._workers.rows(what.document)
        await self._workers.load(Instructions(what.encoded, held, health, what.certificates, what.passwords, said, addresses, rows))

    async def _tell_health(self) -> None:
        """Who is up by now, in slices of which each is true at its moment: between them, and before, changes have gone to the workers too."""
        backends = list(self.document.backends.items())
        for at in range(0, len(backends), _BACKENDS_TOGETHER):
            self._workers.health({key: self._up(backend) for key, backend in backends[at : at + _BACKENDS_TOGETHER]})
            await asyncio.sleep(0)

    def _health_changed(self, backend_key: str) -> None:
        """Told to the workers once for all that change in one turn of the loop: when a network breaks, hundreds of checks end at a time."""
        if not self._changed_backends:
            supervise(self._tell_changes(), "telling workers who is up", self._on_failure)
        self._changed_backends.add(backend_key)

    async def _tell_changes(self) -> None:
        changed, self._changed_backends = self._changed_backends, set()
        backends = self.document.backends
        health = {key: self._up(backends[key]) for key in changed if key in backends}
        self._workers.health(health)
        self.forwarded.news()
        self.news.take(health)
        self.news.forget_all_but(backends)

    def _up(self, backend: Backend) -> dict[str, bool]:
        return self.agents.up(backend, self.scheduler.up(backend))

    def _said(self, document: Document) -> Said:
        """What operators and agents have said of its servers."""
        return {"states": self.agents.states(document, self.states.told(document)), "shares": self.agents.shares(document)}

    def told_to_forward(self) -> dict[str, Any]:
        """What tandem-forward is to know."""
        document = self.document
        return told(document, self.active, self._up, self.agents.states(document, self.states.told(document)))

    def _agents_changed(self, backend_key: str) -> None:
        """Told to the workers once for all that change while others are told."""
        self._health_changed(backend_key)
        if not self._agents_wait:
            self._agents_wait = True
            supervise(self._tell_what_agents_say(), "telling workers what agents say", self._on_failure)

    async def _tell_what_agents_say(self) -> None:
        async with self._turn:
            self._agents_wait = False
            self.forwarded.news()
            try:
                await self._workers.states(self._said(self.document))
            except WorkerRefused as error:
                say("error", str(error))  # who takes its place is told with the document

    # Servers by name

    async def _tell_moved(self, keys: Sequence[str]) -> None:
        backends = self.document.backends
        self._workers.addresses(self.addresses.told(keys), {key: self._up(backends[key]) for key in keys})
        await self.agents.follow(self.document)

    def observe(self, errors: Sequence[tuple[str, str, int]]) -> None:
        """Servers that have failed too many requests are down, but for the last one of its backend, which is better than none."""
        for (key, name), said in self._observed.add(self.document, errors, time.monotonic()).items():
            up = self.scheduler.up(self.document.backends[key])
            if up.get(name) and sum(up.values()) > 1:
                self.scheduler.fail((key, name), said)

    def health(self) -> dict[ServerKey, Health]:
        """What is known of each server."""
        return {**self.scheduler.all_health(), **self.addresses.missing()}

    def known(self) -> Known:
        """The same for status, with what else is known of servers now."""
        addresses, problems = self.addresses.told(), self.addresses.problems()
        return Known(self.health(), self.states.now, time.monotonic(), time.time(), self.agents.views(), addresses, problems)

    # What operators say of servers

    def server(self, named: Mapping[str, object]) -> ServerKey:
        """The server that a request names (``load_balancer``, ``backend``, ``name``). Raises ModelError."""
        return found(self.document, named.get("load_balancer"), named.get("backend"), named.get("name"))

    async def set_state(self, named: Mapping[str, object], state: Optional[str], drain_sticky: Optional[str], by: str, check: bool) -> bool:
        """A server is as wanted, in all workers, when this returns; None: as it is. Returns whether that is new. Raises ModelError, StoreError.

        A server that comes back is checked first: it may have been stopped and started again, and what was known before says nothing. One that is
        not ready is so only where ``check`` asks for it.
        """
        async with self._turn:
            key = self.server(named)
            have = self.states.now.get(key)
            want = wanted(have, state, drain_sticky)
            changed = not same(have, want)
            if changed if want.state == "ready" else check:
                await self.scheduler.check_anew(key, _PRECHECK_S)
                self._workers.health({key[0]: self._up(self.document.backends[key[0]])})
            if not changed:
                return False
            await self.states.put(key, signed(want, by, time.time()))
            say("info", f"server {key[0]}/{key[1]} is set to {want.state} by {by}")
            self.forwarded.news()
            try:
                await self._workers.states(self._said(self.document))
            except WorkerRefused as error:
                say("error", str(error))  # who takes its place is told with the document
            return True

    # Roles and listeners

    async def set_role(self, load_balancer: str, active: bool) -> list[str]:
        """This node becomes active for a load balancer, or is so no longer. Returns why listeners are missing that it should have now."""
        async with self._turn:
            if active != (load_balancer in self.active):
                (self.active.add if active else self.active.discard)(load_balancer)
                self._active_since[load_balancer] = time.monotonic()
                say("info", f"load balancer {load_balancer}: this node is {'active' if active else 'not active'}")
                note("role", load_balancer, "clients are served here" if active else "clients are no longer served here")
                self.forwarded.news()
                await self._settle_listeners()
        return self.listening.problems_of(load_balancer)

    async def _settle_listeners(self) -> None:
        """Opens and closes what the roles ask for, with the document as it is."""
        wanted = self._wanted()
        opened = await self.listening.open(wanted, _always)
        if opened or len(self.listening.sockets) > len(self.listening.held(wanted)):
            await self._tell_workers_again()
        await self.listening.close_unwanted(wanted)

    def _wanted(self, new: Optional[LoadedDocument] = None) -> list[Wanted]:
        """Where this node is to listen now."""
        what = new or self.loaded
        return wanted_listeners(what.document, self.active, what.pairs)

    def problems(self) -> dict[Place, str]:
        """Why there are no listeners where the document wants some, or will be none when they are wanted."""
        frontends, pairs = self.document.frontends, self.loaded.pairs
        unserved = {key for key, frontend in frontends.items() if frontend.enabled and not can_serve(frontend, pairs)}
        problems = self.listening.problems()
        for want in wanted_listeners(self.document, self.document.load_balancers) if unserved else ():
            if want.frontend in unserved:
                problems[want.place] = f"{describe('frontends', want.frontend)}: none of its certificates can be used; the log of the proxy says why"
        return problems

    def _may_be_freed(self, want: Wanted) -> bool:
        """Whether the address is probably held elsewhere for a moment longer, just after a move: then the document is not at fault."""
        return want.only_active and time.monotonic() - self._active_since.get(want.load_balancer, 0.0) < _MOVE_S

    async def rebind(self) -> None:
        """Tries again, for ever, what could not be bound: an address that another process, or the other node of a test, still holds."""
        took_s = 0.0
        while True:
            await asyncio.sleep(max(_REBIND_S, _REBIND_SHARE * took_s))
            if self.listening.is_missing:
                async with self._turn:
                    began = time.monotonic()
                    if await self.listening.retry():
                        await self._tell_workers_again()
                    took_s = time.monotonic() - began

    async def foresee_again(self) -> None:
        """Looks again, for ever, where something was foreseen or a role has changed."""
        active: set[str] = set()
        while True:
            await asyncio.sleep(_FORESEE_S)
            if self.listening.is_foreseen or active != self.active:
                active = set(self.active)
                async with self._turn:
                    await self._foresee()

    async def _foresee(self) -> None:
        """Looks, while this node is not active, whether it could listen if it were."""
        everywhere = wanted_listeners(self.document, self.document.load_balancers, self.loaded.pairs)
        await self.listening.foresee([want for want in everywhere if want.only_active and want.load_balancer not in self.active])


def _always(_want: Wanted) -> bool:
    return True
