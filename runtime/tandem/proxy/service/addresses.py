"""Where the servers are that a document states by name: what the resolver knows, as addresses of servers. Nobody waits here for a name server, but
for a moment when a document brings a name that is not known yet."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Optional

from ..._model import Backend, Document, OwnPlaces, Server, describe, endpoints
from ..._store import Store
from ...checks.health import Health
from ...names.resolver import System, find
from ...names.slots import assigned
from ...names.watch import Name, Watch
from ...pace import Pace
from ...supervised import supervise
from .known_addresses import KnownAddresses

_FILES_S = 5.0  # between two looks at the node's own files

Told = dict[str, dict[str, str]]  # addresses by backend's key and server's name, as workers are told: of servers by name that have one
_Slot = tuple[str, str, str]  # a backend's key, a server's name, and the host that it is stated by


class _Group(NamedTuple):
    """The servers of a backend that are stated by one name and port: (name, whether nobody else may have its address, slot) of each."""

    name: Name
    port: int
    servers: list[tuple[str, bool, _Slot]]


class Addresses:
    """``changed`` is set when ``due`` names backends. ``on_failure()`` is called when the program itself has failed."""

    def __init__(self, store: Store, on_failure: Callable[[], None], *, system: Optional[System] = None) -> None:
        self.changed = asyncio.Event()
        self._kept = KnownAddresses(store)
        self._system = system or System()
        self.watch = Watch(lambda host, resolver: find(host, resolver, self._system), self._learnt, on_failure)
        self._on_failure = on_failure
        self._unsettled: set[Name] = set()  # of those that ``follow`` waits for
        self._all_settled = asyncio.Event()
        self._due: set[str] = set()  # backends of which something may have changed
        self._used: dict[_Slot, str] = {}
        self._groups: dict[str, list[_Group]] = {}  # of the backends of the newest document that have servers by name
        self._users: dict[Name, list[str]] = {}  # those backends by the names that they have
        self._listening: dict[tuple[str, int], list[OwnPlaces]] = {}  # of its frontends, by load balancer and port
        self._refused: dict[tuple[str, str, int], str] = {}  # why an address of a name is not used, by backend, host and port

    async def start(self) -> None:
        self.watch.former = await self._kept.read()
        supervise(self._look_at_files(), "the watch over hosts and resolv.conf", self._on_failure)

    def stop(self) -> None:
        self.watch.stop()

    def _learnt(self, name: Name) -> None:
        self._due.update(self._users.get(name, ()))
        self.changed.set()
        self._unsettled.discard(name)
        if not self._unsettled:
            self._all_settled.set()

    async def _look_at_files(self) -> None:
        while True:
            await asyncio.sleep(_FILES_S)
            if self._groups and await self._system.has_changed():
                await self.watch.ask_again()

    # Documents

    async def follow(self, document: Document, within_s: float) -> None:
        """Begins to look for the names of a document, and gives servers that come with it the addresses that are known by then."""
        await self._read(document)
        deadline = time.monotonic() + within_s
        await self.watch.begin(self._users)
        self._unsettled = {name for name in self._users if not self.watch.known(name).settled}
        self._all_settled = asyncio.Event()
        if self._unsettled:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._all_settled.wait(), max(0.0, deadline - time.monotonic()))
        pace = Pace()
        for key, groups in self._groups.items():
            addresses = self._assigned(key)
            for group in groups:
                for name, _alone, slot in group.servers:
                    if name in addresses:
                        self._used.setdefault(slot, addresses[name])
            await pace.rest()

    async def keep_only(self, document: Document) -> None:
        """This document is in force: what others had is forgotten."""
        await self._read(document)
        self.watch.keep_only(self._users)
        pace = Pace()
        used: dict[_Slot, str] = {}
        for groups in self._groups.values():
            used.update({slot: self._used[slot] for group in groups for _name, _alone, slot in group.servers if slot in self._used})
            await pace.rest()
        self._used = used
        self._refused = {key: why for key, why in self._refused.items() if key[0] in self._groups}
        self._due = set(self._groups)  # something may have come meanwhile
        self.changed.set()

    async def _read(self, document: Document) -> None:
        pace = Pace()
        groups: dict[str, list[_Group]] = {}
        for key, backend in document.backends.items():
            found = _groups_of(backend)
            if found:
                groups[key] = found
            await pace.rest()
        wanted = {(key.partition("/")[0], group.port) for key, several in groups.items() for group in several}
        listening: dict[tuple[str, int], list[OwnPlaces]] = {}
        for frontend in document.frontends.values():
            if (frontend.load_balancer, frontend.port) in wanted:
                listening.setdefault((frontend.load_balancer, frontend.port), []).append(OwnPlaces(document, frontend))
                await pace.rest()
        users: dict[Name, list[str]] = {}
        for key, several in groups.items():
            for group in several:
                users.setdefault(group.name, []).append(key)
        self._groups, self._users, self._listening = groups, users, listening

    # What is in use

    def of(self, backend: Backend, server: Server) -> str:
        """The address that a server is used at; "" while it has none."""
        return self._used.get((backend.key, server.name, server.address), "") if server.host else server.address

    def told(self, keys: Optional[Iterable[str]] = None) -> Told:
        """Of these backends, or all."""
        return {key: self._in_use(key) for key in (self._groups if keys is None else keys)}

    def _in_use(self, key: str) -> dict[str, str]:
        used = self._used
        return {name: used[slot] for group in self._groups.get(key, ()) for name, _alone, slot in group.servers if slot in used}

    def due(self) -> list[str]:
        """The backends whose servers may be elsewhere by now than where they are used, each once."""
        due, self._due = sorted(self._due & self._groups.keys()), set()
        return due

    def coming(self, key: str) -> Optional[dict[str, str]]:
        """The addresses that the servers of a backend should have, of those that have one; None where they have them."""
        now = self._assigned(key)
        return now if now != self._in_use(key) else None

    def use(self, key: str, addresses: Mapping[str, str]) -> None:
        """What ``coming`` has said."""
        for group in self._groups.get(key, ()):
            for name, _alone, slot in group.servers:
                self._used.pop(slot, None)
                if name in addresses:
                    self._used[slot] = addresses[name]

    async def remember(self) -> None:
        """For the next start of the service."""
        known = [(name[0], self.watch.known(name).addresses) for name in self._users]
        await self._kept.keep(dict(sorted(known, key=lambda pair: bool(pair[1]))))

    # What is told

    def missing(self) -> dict[tuple[str, str], Health]:
        """What takes the place of a check where a server has no address."""
        found = {}
        for key, groups in self._groups.items():
            for group in groups:
                lost = [name for name, _alone, slot in group.servers if slot not in self._used]
                if lost:
                    known = self.watch.known(group.name)
                    why = known.problem or self._refused.get((key, group.name[0], group.port), "")
                    why = why or f"{group.name[0]} has {len(known.addresses)} addresses, which other servers of the backend have"
                    health = Health(False, last=f"no address: {why}") if known.settled else Health(last="its name is looked up")
                    found.update({(key, name): health for name in lost})
        return found

    def problems(self) -> dict[tuple[str, str], str]:
        """Why servers may not be where their name says, of those of which something is wrong."""
        found = {}
        for key, groups in self._groups.items():
            for group in groups:
                problem = self.watch.known(group.name).problem or self._refused.get((key, group.name[0], group.port), "")
                if problem:
                    found.update({(key, name): problem for name, _alone, _slot in group.servers})
        return found

    # Choosing

    def _assigned(self, key: str) -> dict[str, str]:
        """The addresses that the servers of a backend have by what is known now; those that have none are left out."""
        found: dict[str, str] = {}
        for group in self._groups.get(key, ()):
            have = {name: self._used.get(slot, "") for name, _alone, slot in group.servers}
            found.update(assigned([(name, alone) for name, alone, _slot in group.servers], have, self._not_looping(key, group)))
        return found

    def _not_looping(self, key: str, group: _Group) -> list[str]:
        self._refused.pop((key, group.name[0], group.port), None)
        listening = self._listening.get((key.partition("/")[0], group.port), ())
        usable = []
        for address in self.watch.known(group.name).addresses:
            own = next((places for places in listening if places.port and places.holds(address)), None)
            if own is None:
                usable.append(address)
            else:
                place = f"{endpoints([address], group.port)[0]} is where {describe('frontends', own.frontend.key)}"
                self._refused[key, group.name[0], group.port] = f"{place} of the same load balancer listens"
        return usable


def _groups_of(backend: Backend) -> list[_Group]:
    groups: dict[tuple[str, int], _Group] = {}
    for server in backend.servers:
        if server.host:
            place = (server.host, server.port or backend.port)
            group = groups.setdefault(place, _Group((server.host, backend.resolver), place[1], []))
            group.servers.extend((member.name, bool(server.expand), (backend.key, member.name, member.address)) for member in server.members)
    return list(groups.values())
