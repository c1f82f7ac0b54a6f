"""tandem-keepalive: the daemon. Keeps one ``Instance`` per load balancer of the document, and serves the control socket."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

from .. import __version__, notify
from .._model import Document, ModelError, check_document
from .._paths import Paths
from .._store import Store, StoreError
from ..cli.status import node_name
from ..control import ControlServer, Refusal
from ..log import said_aside, say
from ..release import release_digest
from .addresses import Addresses, NoInterface
from .instance import Instance, Settings
from .proxy_link import ProxyLink
from .transport import CannotOpen

_SETTLE_S = 1.0
_BEGIN_AGAIN_S = 1.0
_CANNOT_BEGIN = (CannotOpen, NoInterface, StoreError, OSError, Refusal)


def main(paths: Paths) -> int:
    """Runs the service until SIGTERM or SIGINT."""
    with said_aside():
        return asyncio.run(Service(paths).run())


def let_go(paths: Paths) -> int:
    """Takes the node's floating IPs off its interfaces: for the service manager to run when the service has ended, however it did."""
    try:
        floating_ips = Store(paths).read().floating_ips.values()
    except (ModelError, StoreError) as error:
        say("error", f"the floating IPs are not known, so their leases run out by themselves: {error}")
        return 1
    for floating_ip in floating_ips:
        addresses = Addresses(0.0)
        try:
            addresses.plan([floating_ip])
            addresses.remove_leftovers()
        except NoInterface:
            continue  # it has no interface here, so no interface has it
        finally:
            addresses.close()
    return 0


class Service:
    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._store = Store(paths)
        self._document = Document()
        self._instances: dict[str, Instance] = {}
        self._healthy = False
        self._reason = "the proxy has not reported yet"
        self._unread = ""  # why the document on disk is not in use
        self._idle: dict[str, str] = {}  # why load balancers of the document take no part

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        self._link = ProxyLink(self._paths.proxy_socket, self._proxy_changed)
        control = ControlServer(self._paths.keepalive_socket, {"GET /v1/status": self._status, "POST /v1/load": self._load})
        try:
            await control.start()
        except OSError as error:
            say("error", str(error))
            return 1
        self._load_at_start()
        say("info", f"tandem-keepalive {__version__} is ready, generation {self._document.generation}")
        watchdog = loop.create_task(notify.tend_watchdog())
        beginning = loop.create_task(self._begin_until_all_run())
        notify.notify("READY=1")
        await stopping.wait()
        say("info", "stopping")
        notify.notify("STOPPING=1")
        watchdog.cancel()
        beginning.cancel()
        moves = any(instance.active for instance in self._instances.values())
        if moves:
            await self._link.quiesce(True)
        for instance in self._instances.values():
            instance.leave()
        await self._link.settle(_SETTLE_S)
        if moves:
            await self._link.quiesce(False)
        for instance in self._instances.values():
            instance.close()
        self._link.close()
        await control.stop()
        return 0

    def _load_at_start(self) -> None:
        try:
            self._document = self._read()
        except (ModelError, StoreError) as error:
            self._unread = str(error)
            say("error", f"the document is not used: {error}")
        self._begin()

    def _read(self) -> Document:
        document = self._store.read()
        problems = check_document(document)
        if problems:
            raise ModelError(*problems)
        return document

    def _begin(self) -> None:
        """Begins with the load balancers of the document that do not run yet, as far as they can."""
        for name in self._document.load_balancers:
            if name in self._instances:
                continue
            try:
                self._add(name, self._settings(self._document, name))
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
        try:
            document = self._read()
            wanted = body.get("generation", document.generation)
            if document.generation != wanted:
                raise Refusal(f"generation {wanted} was asked for, but {self._paths.desired} holds {document.generation}")
            self._use(document)
        except ModelError as error:
            raise Refusal(str(error), tuple(str(problem) for problem in error.problems)) from None
        except StoreError as error:
            raise Refusal(str(error)) from None
        self._unread, self._idle = "", {}
        return {"generation": document.generation, "digest": document.digest}

    def _use(self, document: Document) -> None:
        """Puts a document in force, or raises Refusal with the former one in force."""
        wanted = {name: self._settings(document, name) for name in document.load_balancers}
        # Those that go make room first: a load balancer that is renamed keeps its port and its virtual router.
        # If the document is refused they come back, standing by: the one refusal that can be noticed from outside.
        gone = [name for name in self._instances if name not in wanted]
        for name in gone:
            self._remove(name)
        changed: list[str] = []
        try:
            for name, settings in wanted.items():
                changed.append(name)
                if name in self._instances:
                    self._instances[name].apply(settings)
                else:
                    self._add(name, settings)
        except _CANNOT_BEGIN as error:
            self._undo(changed)
            for name in gone:
                self._add(name, self._settings(self._document, name))
            raise Refusal(f'load balancer "{changed[-1]}": {error}') from None
        self._document = document

    def _undo(self, changed: list[str]) -> None:
        for name in changed:
            if name in self._document.load_balancers and name in self._instances:
                self._instances[name].apply(self._settings(self._document, name))
            elif name in self._instances:
                self._remove(name)

    def _add(self, name: str, settings: Settings) -> None:
        def tell_proxy(active: bool) -> None:
            self._link.set_active(name, active)

        self._instances[name] = Instance(settings, tell_proxy)
        self._instances[name].set_health(self._healthy, self._reason)

    def _remove(self, name: str) -> None:
        instance = self._instances.pop(name)
        instance.leave()
        instance.close()

    def _settings(self, document: Document, name: str) -> Settings:
        load_balancer = document.load_balancers[name]
        mine = node_name(self._paths)
        me = next((node for node in load_balancer.nodes if node.node == mine), None)
        if me is None:
            names = " and ".join(node.node for node in load_balancer.nodes)
            raise Refusal(
                f'load balancer "{name}": this node is "{mine}", but its nodes are {names}. '
                "Run the play on those hosts alone, or correct master.node and backup.node."
            )
        key = load_balancer.heartbeat.key
        secret = self._store.read_secret(key).encode() if key else b""
        floating_ips = tuple(document.floating_ips[name] for name in load_balancer.floating_ips)
        return Settings(load_balancer, floating_ips, me, secret, document.digest)

    def _proxy_changed(self, ready: bool, reason: str) -> None:
        self._healthy, self._reason = ready, reason
        if reason:
            say("warning", reason)
        for instance in self._instances.values():
            instance.set_health(ready, reason)

    async def _status(self, _body: dict[str, Any]) -> dict[str, Any]:
        return {
            "service": "keepalive",
            "version": __version__,
            "release": release_digest(),
            "pid": os.getpid(),
            "generation": self._document.generation,
            "digest": self._document.digest,
            "failure": "; ".join([*filter(None, [self._unread]), *(f'load balancer "{name}": {why}' for name, why in self._idle.items())]),
            "load_balancers": {name: instance.view() for name, instance in self._instances.items()},
        }
