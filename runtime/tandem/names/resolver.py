"""From a host name to its addresses: hosts(5), the search list, both families, aliases that lead further, one name server after the other."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Optional

from .._model import Resolver, is_localhost, name_server_place, server_address
from ..pace import in_thread
from ..wire.dns import AAAA, NXDOMAIN, A, Reply, name_to_text, name_to_wire
from .client import Unanswered, ask
from .system import Asking, names_to_ask, read_hosts, read_resolv_conf

_RESTARTS_MAX = 8  # questions for what a name is an alias of, where a server does not follow that itself
_FILE_BYTES_MAX = 16 * 1024 * 1024
_STATIC_S = 86_400  # an answer that no name server gave counts until a file changes

Ask = Callable[[tuple[str, int], bytes, int, float], Awaitable[Reply]]
_LOOPBACK = {"ipv4": ("127.0.0.1", "::1"), "ipv6": ("::1", "127.0.0.1")}


@dataclass(frozen=True)
class Found:
    """The addresses of a name, of one family, in order; none where it is certain that there are none, and ``why`` then. They count for ``ttl_s``."""

    addresses: tuple[str, ...]
    ttl_s: int
    why: str = ""


@dataclass(frozen=True)
class SystemFiles:
    """What the node's own files say, and what they were when that was read."""

    seen: tuple[tuple[int, ...], ...] = ()
    hosts: Optional[dict[str, tuple[str, ...]]] = None
    asking: Asking = Asking((("127.0.0.1", 53),))


class System:
    """The node's files, read again when they have changed."""

    def __init__(self, hosts: str = "/etc/hosts", resolv_conf: str = "/etc/resolv.conf") -> None:
        self._paths = (hosts, resolv_conf)
        self._files = SystemFiles()
        self._reading: Optional[asyncio.Lock] = None

    async def files(self) -> SystemFiles:
        await self.has_changed()
        return self._files

    async def has_changed(self) -> bool:
        """Whether they say something else than when it was asked last."""
        if self._seen() == self._files.seen:
            return False
        self._reading = self._reading or asyncio.Lock()
        async with self._reading:  # many ask at once
            return await self._read()

    def _seen(self) -> tuple[tuple[int, ...], ...]:
        return tuple(_mark(path) for path in self._paths)

    async def _read(self) -> bool:
        seen = self._seen()
        if seen == self._files.seen:
            return False
        hosts, asking = await in_thread(lambda: (read_hosts(_text(self._paths[0])), read_resolv_conf(_text(self._paths[1]))))
        before, self._files = self._files, SystemFiles(seen, hosts, asking)
        return (before.hosts, before.asking) != (hosts, asking)


async def find(host: str, resolver: Resolver, system: System, asking_one: Ask = ask) -> Found:
    """The addresses of a host name, asked for now. Raises Unanswered: nobody could say."""
    if is_localhost(host):
        return Found(_LOOPBACK[resolver.prefer][:1], _STATIC_S)
    if resolver.name_servers:
        asking = Asking(tuple(name_server_place(one) for one in resolver.name_servers))
    else:
        files = await system.files()
        asking = files.asking
        stated = _usable(((files.hosts or {}).get(host.rstrip("."), ())), resolver.prefer)
        if stated:
            return Found(stated, _STATIC_S)
    denied: list[Found] = []
    for name in names_to_ask(host, asking):
        try:
            wire = name_to_wire(name)
        except ValueError:  # too long, below a domain of the search list
            continue
        found = await _both_families(wire, resolver.prefer, asking, asking_one)
        if found.addresses:
            return found
        denied.append(found)
    # What is said of the name as it was stated is what its owner understands.
    return min(denied, key=lambda found: len(found.why)) if denied else Found((), _STATIC_S, "no host name")


async def _both_families(name: bytes, prefer: str, asking: Asking, asking_one: Ask) -> Found:
    """The addresses of the preferred family; those of the other one where there are none."""
    found = Found((), 0)
    for kind in (A, AAAA) if prefer == "ipv4" else (AAAA, A):
        before, found = found, await _one_family(name, kind, asking, asking_one)
        if found.addresses:
            return found
        if found.why.startswith("NXDOMAIN"):  # of the name itself, whatever is asked (RFC 8020)
            return found
        if before.why:
            found = Found((), min(before.ttl_s, found.ttl_s), found.why)
    return found


async def _one_family(name: bytes, kind: int, asking: Asking, asking_one: Ask) -> Found:
    ttl_s, now_asked = _STATIC_S, name
    for _restart in range(_RESTARTS_MAX):
        place, reply = await _any_server(now_asked, kind, asking, asking_one)
        usable = _usable(reply.addresses, "")
        if usable:
            return Found(usable, min(ttl_s, reply.ttl_s))
        if reply.alias and reply.code != NXDOMAIN and reply.denied_s is None:
            now_asked = reply.alias
            continue
        denied_s = min(ttl_s, reply.denied_s or 0)
        who = f"{place[0]}{'' if place[1] == 53 else f' port {place[1]}'}"
        if reply.code == NXDOMAIN:
            return Found((), denied_s, f"NXDOMAIN from {who} for {name_to_text(now_asked)}")
        if reply.addresses:
            return Found((), denied_s, f"{name_to_text(now_asked)} has only addresses that no host can hold, says {who}")
        return Found((), denied_s, f"{name_to_text(now_asked)} has no address, says {who}")
    raise Unanswered(f"{name_to_text(name)} is an alias of an alias, and so on without an end")


async def _any_server(name: bytes, kind: int, asking: Asking, asking_one: Ask) -> tuple[tuple[str, int], Reply]:
    """Who answers first of those that are asked in turn, and what. Raises Unanswered with what each of them did last."""
    why: dict[tuple[str, int], str] = {}
    for _attempt in range(asking.attempts):
        for place in asking.servers:
            try:
                return place, await asking_one(place, name, kind, asking.timeout_s)
            except Unanswered as error:
                why[place] = str(error)
    raise Unanswered("; ".join(why.values()))


def _usable(addresses: Iterable[str], prefer: str) -> tuple[str, ...]:
    """Those that a server can have, in their normal form; with ``prefer`` of that family, or of the other where there are none."""
    usable: list[str] = []
    for address in addresses:
        try:
            usable.append(server_address(address))
        except ValueError:
            continue
    if prefer:
        wanted = [address for address in usable if (":" in address) == (prefer == "ipv6")]
        usable = wanted or usable
    return tuple(dict.fromkeys(usable))


def _mark(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(_FILE_BYTES_MAX)
    except OSError:
        return ""
