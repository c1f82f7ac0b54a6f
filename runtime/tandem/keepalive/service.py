"""tandem-keepalive: the daemon. Keeps one ``Instance`` per load balancer of the document, and serves the control socket."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import traceback
from typing import Any, Optional

from .. import __version__, notify
from .._model import Document, LoadBalancer, ModelError, check_document
from .._paths import Paths
from .._store import Store, StoreError
from .._this_node import node_name
from ..control import ControlServer, Refusal
from ..core_dumps import forbid_core_dumps
from ..log import said_aside, say
from ..release import release_digest
from ..supervised import say_uncaught, supervise
from .addresses import NoInterface, look
from .events import State
from .history import History
from .instance import Instance, Outside
from .leftovers import clear_leftovers
from .notifier import SERVER, STATE, Notifier
from .proxy_link import ProxyLink
from .settings import Settings, settings_of
from .transport import CannotOpen

_SETTLE_S, _NOTIFIED_S = 1.0, 0.5
_STOP_GRACE_S = 2.0  # what connections get that stand when the service is stopped; the process manager waits for 5 s in all
_GRACE_MS, _GRACE_MS_MAX = 300_000, 86_400_000
_BEGIN_AGAIN_S = 1.0
_LOOK_S = 1.0
_HANDED_OVER_S, _HANDED_OVER_LOOKS = 0.002, 500  # looks whether the peer has taken over: an election ends its waiting long before the last one
_CANNOT_BEGIN = (CannotOpen, NoInterface, StoreError, OSError, Refusal)


def main(paths: Paths) -> int:
    """Runs the service until SIGTERM or SIGINT, or until it fails; then the exit status is 1, and the service manager starts it again."""
    forbid_core_dumps()
    with said_aside():
        return asyncio.run(Service(paths).run())


class Service:
    """``outside`` is the world of its instances; the rest, a prefix and two sockets below it, tests have for real."""

    def __init__(self, paths: Paths, outside: Optional[Outside] = None) -> None:
        self._paths = paths
        self._outside = outside or Outside()
        self._store = Store(paths)
        self._document = Document()  # without what only the proxy uses
        self._digest = self._document.digest
        self._instances: dict[str, Instance] = {}
        self._healthy = False
        self._servers_ready = True
        self._reason = "the proxy has not reported yet"
        self._unread = ""  # why the document on disk is not in use
        self._idle: dict[str, str] = {}  # why load balancers of the document take no part
        self._failed = False

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(say_uncaught)
        self._ending = asyncio.Event()
        self._history = History(self._paths, self._fail)
        self._notifier = Notifier(self._outside.means.commands, self._fail)
        self._turn = asyncio.Lock()  # one document after the other
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ending.set)
        self._link = ProxyLink(self._paths.proxy_socket, self._proxy_changed, self._servers_changed, self._fail, self._server_changed)
        control = ControlServer(
            self._paths.keepalive_socket, {"GET /v1/status": self._status, "POST /v1/load": self._load, "POST /v1/switchover": self._switchover}
        )
        try:
            await control.start()
        except OSError as error:
            say("error", str(error))
            return 1
        await asyncio.to_thread(self._history.read)
        await self._load_at_start()
        links = self._outside.watch_links(self._look_at_links)
        say("info", f"tandem-keepalive {__version__} is ready, generation {self._document.generation}")
        tasks = [
            supervise(notify.tend_watchdog(), "the watchdog", self._fail),
            supervise(self._begin_until_all_run(), "beginning with what could not begin yet", self._fail),
            supervise(self._watch_elections(), "the watch over the elections", self._fail),
        ]
        notify.notify("READY=1")
        await self._ending.wait()
        say("info", "stopping")
        notify.notify("STOPPING=1")
        for task in tasks:
            task.cancel()
        await self._leave()
        links.close()
        await self._history.settle(_SETTLE_S)
        await self._notifier.settle(_NOTIFIED_S)
        self._link.close()
        await control.stop()
        return 1 if self._failed else 0

    def _fail(self) -> None:
        """Ends the service, in as good an order as it still can."""
        self._failed = True
        self._ending.set()

    async def _leave(self) -> None:
        """Gives everything up: peers take over, clients come to their end here, addresses are off."""
        active = [] if self._failed else [instance for instance in self._instances.values() if instance.active]
        kept = False
        if active:
            try:
                kept, _why = await self._hand_over(active, _STOP_GRACE_S)
            except Exception:  # noqa: BLE001 - the addresses are to be given up all the same
                self._failed = True
                say("error", f"what is active could not be handed over: {traceback.format_exc()}")
        await asyncio.gather(*(instance.moves.finish(_STOP_GRACE_S) for instance in self._instances.values()))
        for name, instance in self._instances.items():
            try:
                instance.leave()
            except Exception:  # noqa: BLE001 - the others, and the addresses of this one, are to be given up all the same
                self._failed = True
                say("error", f'load balancer "{name}": it could not resign: {traceback.format_exc()}')
        await self._link.settle(_SETTLE_S)
        if active and not kept:
            await self._link.quiesce(False)
        await asyncio.gather(*(instance.moves.end() for instance in self._instances.values()))
        for instance in self._instances.values():
            instance.close()

    async def _hand_over(self, instances: list[Instance], grace_s: float) -> tuple[bool, str]:
        """Has peers take over: whether connections that stand are kept, and why not. Where they are not, the proxy finishes with its clients before,
        and ``quiesce(False)`` is to follow."""
        offers = await asyncio.gather(*(instance.moves.offer(grace_s) for instance in instances))
        why = next((offered.why for offered in offers if offered.why), "")
        if why:
            for instance in instances:
                instance.moves.withdraw()
            await self._link.quiesce(True, cut=any(instance.on_interfaces for instance in instances))
        for instance in instances:
            instance.hand_over(keep=not why)
        for _look in range(_HANDED_OVER_LOOKS):
            if not any(instance.handing_over for instance in instances):
                break
            await asyncio.sleep(_HANDED_OVER_S)
        if not why and not all(instance.moves.keeping for instance in instances):
            why = "the other node has not taken over at once"
        return not why, why

    async def _switchover(self, body: dict[str, Any]) -> dict[str, Any]:
        """Has the peer take over ``load_balancer``, if this node is active and not ``to``; ``force``: whether or not the peer could. Connections that
        stand are kept for ``grace_ms`` where that can be had. With ``check`` it is only said whether that would be done, or refused."""
        async with self._turn:
            name, to, grace_ms = body.get("load_balancer"), body.get("to", ""), body.get("grace_ms", _GRACE_MS)
            instance = self._instances.get(name) if isinstance(name, str) else None
            if instance is None:
                known = ", ".join(sorted(self._instances)) or "none"
                raise Refusal(f'load balancer "{name}" takes no part in an election on this node. Known here: {known}. tandem status says why.')
            nodes = [node.node for node in instance.settings.load_balancer.nodes]
            if to and to not in nodes:
                raise Refusal(f'load balancer "{name}": to is "{to}", but its nodes are {" and ".join(nodes)}.')
            if not isinstance(grace_ms, int) or not 0 <= grace_ms <= _GRACE_MS_MAX:
                raise Refusal(f"grace_ms is {grace_ms!r}, but it is a number of milliseconds, up to a day.")
            moved = instance.active and to != instance.settings.me.node
            answer = {"moved": moved, "node": instance.settings.me.node}
            if not moved:
                return answer
            why = instance.why_no_successor(await instance.moves.ask())
            if why and not body.get("force"):
                raise Refusal(f'load balancer "{name}" stays on {instance.settings.me.node}: {why}. Mend that, or use force.')
            if body.get("check"):
                return answer
            return {**answer, **await self._move(instance, grace_ms / 1000)}

    async def _move(self, instance: Instance, grace_s: float) -> dict[str, Any]:
        say("info", f"load balancer {instance.settings.load_balancer.name}: it is handed over, as an operator asks for it")
        kept = False
        try:
            kept, why = await self._hand_over([instance], grace_s)
            await self._link.settle(_SETTLE_S)
        finally:
            if not kept:
                await self._link.quiesce(False)
        say("info", f"load balancer {instance.settings.load_balancer.name}: {f'connections are not kept: {why}' if why else 'connections are kept'}")
        return {"kept": kept, "kept_reason": why}

    async def _watch_elections(self) -> None:
        """A daemon whose election stands still looks well to a service manager, and holds its addresses for ever or never."""
        while True:
            await asyncio.sleep(_LOOK_S)
            self._look_at_links()
            stuck = [name for name, instance in self._instances.items() if instance.stuck(_LOOK_S)]
            if stuck:
                say("error", f"the election of {', '.join(stuck)} stands still, so this service ends, to be started afresh")
                self._fail()
                return

    def _look_at_links(self) -> None:
        if self._instances:
            seen = look(self._outside.kernel)
            for instance in self._instances.values():
                instance.look_at_links(seen)

    async def _load_at_start(self) -> None:
        try:
            self._document, self._digest = await asyncio.to_thread(self._read)
        except (ModelError, StoreError) as error:
            self._unread = str(error)
            say("error", f"the document is not used: {error}")
        await clear_leftovers(self._paths, self._document, self._outside.kernel, self._outside.nft)
        self._begin()

    def _read(self) -> tuple[Document, str]:
        """The document on disk, held against all rules, and its digest. To be called in a thread: where there are a thousand backends it takes
        seconds, after which an active node would have been replaced by its peer."""
        document = self._store.read()
        problems = check_document(document)
        if problems:
            raise ModelError(*problems)
        kernel = {key: one for key, one in document.frontends.items() if one.enabled and one.forwarding == "kernel"}  # which moves have to spare
        return dataclasses.replace(document, backends={}, frontends=kernel), document.digest

    def _begin(self) -> None:
        """Begins with the load balancers of the document that do not run yet, as far as they can."""
        for name in self._document.load_balancers:
            if name in self._instances:
                continue
            try:
                self._add(name, settings_of(self._paths, self._document, self._digest, name))
                self._idle.pop(name, None)
            except _CANNOT_BEGIN as error:
                if self._idle.get(name) != str(error):
                    say("error", f'load balancer "{name}" takes no part yet: {error}')
                self._idle[name] = str(error)

    async def _begin_until_all_run(self) -> None:
        """A node may boot quicker than its network comes: what is missing then is tried again, for as long as it takes."""
        while True:
            await asyncio.sleep(_BEGIN_AGAIN_S)
            self._begin()

    async def _load(self, body: dict[str, Any]) -> dict[str, Any]:
        async with self._turn:
            return await self._load_in_turn(body)

    async def _load_in_turn(self, body: dict[str, Any]) -> dict[str, Any]:
        try:
            document, digest = await asyncio.to_thread(self._read)
            wanted = body.get("generation", document.generation)
            if document.generation != wanted:
                raise Refusal(f"generation {wanted} was asked for, but {self._paths.desired} holds {document.generation}")
            self._use(document, digest)
        except ModelError as error:
            raise Refusal(str(error), tuple(str(problem) for problem in error.problems)) from None
        except StoreError as error:
            raise Refusal(str(error)) from None
        self._unread, self._idle = "", {}
        return {"generation": document.generation, "digest": digest}

    def _use(self, document: Document, digest: str) -> None:
        """Puts a document in force, or raises Refusal with everything as it was."""
        wanted = {name: settings_of(self._paths, document, digest, name) for name in document.load_balancers}
        former, fresh = dict(self._instances), {}
        name = ""
        try:
            # Ports are given up first: a load balancer that is renamed keeps its own, and two may change theirs with each other.
            for name, instance in former.items():
                instance.park(wanted.get(name))
            for name, settings in wanted.items():
                if name in former:
                    former[name].prepare(settings)
                else:
                    fresh[name] = self._made(settings, usable=True)
        except BaseException as error:
            self._take_back(former, fresh)
            if isinstance(error, _CANNOT_BEGIN):
                raise Refusal(f'load balancer "{name}": {error}') from None
            raise
        self._document, self._digest = document, digest
        # From here on nothing can be refused. Whoever loses an address lets go of it before another one takes it.
        for name, instance in former.items():
            if name in wanted:
                instance.commit()
            else:
                self._remove(name)
        for name, instance in fresh.items():
            self._begin_with(name, instance)
        for name in wanted:
            self._instances[name].resume()

    def _take_back(self, former: dict[str, Instance], fresh: dict[str, Instance]) -> None:
        """As before a document that is refused. Nothing was sent or taken off meanwhile, so nobody has noticed."""
        for instance in fresh.values():
            instance.close()
        for name, instance in former.items():
            try:
                instance.take_back()
            except CannotOpen as error:
                say("error", f'load balancer "{name}" takes no part for now: {error}')
                self._idle[name] = str(error)
                self._remove(name)

    def _add(self, name: str, settings: Settings) -> None:
        self._begin_with(name, self._made(settings, usable=False))

    def _made(self, settings: Settings, *, usable: bool) -> Instance:
        """Raises CannotOpen, NoInterface, OSError."""
        return Instance(settings, self._outside, self._link, usable=usable, changed=self._state_changed)

    def _state_changed(self, load_balancer: LoadBalancer, before: str, after: str, why: str) -> None:
        if State.ACTIVE.value in (before, after):
            self._history.note(load_balancer.name, before, after, why)
        told = {"TANDEM_STATE": after, "TANDEM_FORMER_STATE": before, "TANDEM_REASON": why}
        self._notifier.tell(load_balancer.notify, STATE, {**self._named(load_balancer), **told})

    def _server_changed(self, backend: str, server: str, up: bool) -> None:
        name, _slash, backend_name = backend.partition("/")
        load_balancer = self._document.load_balancers.get(name)
        if load_balancer is not None:
            told = {"TANDEM_BACKEND": backend_name, "TANDEM_SERVER": server, "TANDEM_UP": "1" if up else "0"}
            self._notifier.tell(load_balancer.notify, SERVER, {**self._named(load_balancer), **told})

    def _named(self, load_balancer: LoadBalancer) -> dict[str, str]:
        return {"TANDEM_LOAD_BALANCER": load_balancer.name, "TANDEM_NODE": node_name(self._paths)}

    def _begin_with(self, name: str, instance: Instance) -> None:
        self._instances[name] = instance
        instance.begin()
        instance.look_at_links(look(self._outside.kernel))
        instance.set_servers(self._servers_ready)
        instance.set_health(self._healthy, self._reason)

    def _remove(self, name: str) -> None:
        instance = self._instances.pop(name)
        instance.leave()
        instance.close()

    def _proxy_changed(self, ready: bool, reason: str) -> None:
        self._healthy, self._reason = ready, reason
        if reason:
            say("warning", reason)
        for instance in self._instances.values():
            instance.set_health(ready, reason)

    def _servers_changed(self, ready: bool) -> None:
        self._servers_ready = ready
        for instance in self._instances.values():
            instance.set_servers(ready)

    async def _status(self, _body: dict[str, Any]) -> dict[str, Any]:
        seen = look(self._outside.kernel)
        return {
            "service": "keepalive",
            "version": __version__,
            "release": release_digest(),
            "pid": os.getpid(),
            "generation": self._document.generation,
            "digest": self._digest,
            "failure": "; ".join([*filter(None, [self._unread]), *(f'load balancer "{name}": {why}' for name, why in self._idle.items())]),
            "load_balancers": {name: {**instance.view(seen), "moves": self._history.view(name)} for name, instance in self._instances.items()},
        }
