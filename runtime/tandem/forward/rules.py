"""The rules of the table (nft(8)), gathered frontend by frontend. Pure.

A new connection meets them in this order. ``early`` drops what belongs to nobody here; ``choose`` finds the frontend, whose own chain gives the
connection a mark, which stands for one server of one frontend, and the server's address; ``source`` gives it the floating IP as its source. Later
packets pass ``early`` and ``count`` only: where they go is known to conntrack.

After a takeover packets of connections come that another node began. From a client, such a packet is like a new one: its slot says the server, as
it did there. From a server, it lacks the client's address, which was exchanged for the floating IP. So the active node copies a packet of a client to
its peers now and then (``copies``), and ``copied`` has it noted there whom the server's packets will be for. What nobody has noted waits until the
client speaks; a reset would end it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping

from .._model import Frontend
from .access import access
from .target import OURS_MASK, REVERSED, TAG, TAG_MASK, Target

IP = {4: "ip", 6: "ip6"}
ADDRESS = {4: "ipv4_addr", 6: "ipv6_addr"}
KEY = {version: f"{address} . inet_proto . inet_service" for version, address in ADDRESS.items()}
_MID_STREAM = "tcp flags & (syn | ack) != syn"
_OURS = f"ct mark & {OURS_MASK:#010x} == {TAG:#010x}"
_NOTED = "flags dynamic, timeout; timeout 1h; size 262144;"  # by a node about its peers' connections
NOTED = ("clients", "flows")  # the maps that are

Sets = dict[str, tuple[str, frozenset[str]]]
Chains = dict[str, tuple[str, tuple[str, ...]]]


def place(address: str, protocol: str, port: int) -> str:
    return f"{address} . {protocol} . {port}"


class Rules:
    """``peers``: the hardware addresses of other nodes."""

    def __init__(self, peers: Collection[str]) -> None:
        self._counters: set[str] = set()
        self._sets: dict[str, tuple[str, set[str]]] = {"peers": ("type ether_addr", set(peers)), "sources": ("type mark", set())}
        self._chains: dict[str, tuple[str, list[str]]] = {}
        self._versions: set[int] = set()
        self._origins: dict[tuple[int, str], set[tuple[str, int]]] = {}  # whom a server's answers are of, where it sees the clients' addresses

    def add(self, frontend: Frontend, version: int, served: list[str], own: list[Target], chosen: tuple[str, ...], *, by_address: bool) -> None:
        """A frontend in one family. ``served`` may be empty on this node for now, and so may ``chosen``, the server of each slot: the node itself
        then answers that nobody listens."""
        self._versions.add(version)
        keep, kind = frontend.client_address == "keep", frontend.protocol
        for target in own:
            self._count(target)
            where = place(target.address, kind, target.port)
            self._element(f"servers{version}", f"type {KEY[version]}", where)
            if keep:
                self._add_origins(version, where, served, frontend.port, target)
            else:
                self._element("sources", "type mark", _hex(target.mark))
                self._element(f"placed{version}", f"type {KEY[version]} : mark", f"{where} : {_hex(target.place)}")
                self._element(f"returning{version}", "type mark : verdict", f"{_hex(target.reversed)} : goto b{version}/{frontend.key}")
        what = f"{IP[version]} saddr" if by_address else f"{IP[version]} saddr . {frontend.protocol} sport"
        slot = f"jhash {what} mod {len(chosen)} seed {_seed(frontend):#010x}"
        marks = {target.server: target.mark for target in own}
        serving = f"f{version}/{frontend.key}"
        allowed = access(frontend, IP[version], version, serving)
        entry = f"a{version}/{frontend.key}" if allowed else serving
        if allowed:
            self._chains[entry] = ("", allowed)
        choice = [f"ct mark set {slot} {_by_slot('map', [_hex(marks[name]) for name in chosen])}"] if chosen else []
        for address in served:
            where = place(address, kind, frontend.port)
            self._element(f"services{version}", f"type {KEY[version]}", where)
            self._element(f"addresses{version}", f"type {ADDRESS[version]}", address)
            self._element(f"frontends{version}", f"type {KEY[version]} : verdict", f"{where} : goto {entry}")
            if not keep:
                self._element(f"learn{version}", f"type {KEY[version]} : verdict", f"{where} : goto l{version}/{frontend.key}")
        self._chains[serving] = ("", [*choice, *_directed(frontend, version, own, chosen)])
        if not keep:
            notes = {target.server: f"n{version}/{target.frontend}/{target.server}" for target in own if target.server in chosen}
            self._chains.update({notes[target.server]: ("", _note(target)) for target in own if target.server in notes})
            noting = [f"{slot} {_by_slot('vmap', [f'goto {notes[name]}' for name in chosen])}"] if chosen else []
            self._chains[f"l{version}/{frontend.key}"] = ("", [*noting, "drop"])
            origin = ", ".join(f"{address} : {address} . {frontend.port}" for address in served)
            back = f"meta l4proto {kind} snat {IP[version]} to ct original {IP[version]} daddr map {{ {origin} }}"
            self._chains[f"b{version}/{frontend.key}"] = ("", [back] if served else [])

    def _count(self, target: Target) -> None:
        new, taken, given = target.counters
        self._counters.update(target.counters)
        self._element("new", "type mark : counter", f'{_hex(target.mark)} : "{new}"')
        for mark, there, back in ((target.mark, taken, given), (target.reversed, given, taken)):
            self._element("there", "type mark : counter", f'{_hex(mark)} : "{there}"')
            self._element("back", "type mark : counter", f'{_hex(mark)} : "{back}"')

    def _add_origins(self, version: int, where: str, served: list[str], port: int, target: Target) -> None:
        """A server that answers clients by their own addresses: what it sends mid-stream is given back the address that they know, if there is one
        only; else nobody can tell, and it waits until the client has spoken."""
        known = self._origins.setdefault((version, where), set())
        known.update((address, port) for address in served)
        for name, value, content in (
            ("marks", "mark", _hex(target.reversed)),
            ("origins", f"{ADDRESS[version]} . inet_service", "".join(f"{address} . {port}" for address in served[:1])),
        ):
            of, elements = self._sets.setdefault(f"{name}{version}", (f"type {KEY[version]} : {value}", set()))
            elements.difference_update([one for one in elements if one.startswith(f"{where} : ")])
            if len(known) == 1 and content:
                elements.add(f"{where} : {content}")
            self._sets[f"{name}{version}"] = (of, elements)

    def _element(self, name: str, of: str, element: str) -> None:
        self._sets.setdefault(name, (of, set()))[1].add(element)

    def whole(self) -> tuple[frozenset[str], Sets, Chains]:
        """Counters, sets and maps, chains."""
        for version in sorted(self._versions):
            for name, of in (("services", ""), ("frontends", " : verdict"), ("servers", ""), ("placed", " : mark"), ("learn", " : verdict")):
                self._sets.setdefault(f"{name}{version}", (f"type {KEY[version]}{of}", set()))
            self._sets.setdefault(f"addresses{version}", (f"type {ADDRESS[version]}", set()))
            self._sets.setdefault(f"returning{version}", ("type mark : verdict", set()))
            for name, value in zip(NOTED, (ADDRESS[version], "mark")):
                self._sets[f"{name}{version}"] = (f"type inet_service . mark : {value}; {_NOTED}", set())
        chains = {name: (hook, tuple(rules)) for name, (hook, rules) in self._chains.items()}
        for name, hook, rules in _common(sorted(self._versions), self._sets):
            chains[name] = (hook, tuple(rules))
        return frozenset(self._counters), {name: (of, frozenset(elements)) for name, (of, elements) in self._sets.items()}, chains


def _seed(frontend: Frontend) -> int:
    return int.from_bytes(hashlib.sha256(frontend.key.encode()).digest()[:4], "big")


def _by_slot(word: str, contents: list[str]) -> str:
    return f"{word} {{ {', '.join(f'{slot} : {content}' for slot, content in enumerate(contents))} }}"


def _directed(frontend: Frontend, version: int, own: list[Target], chosen: tuple[str, ...]) -> list[str]:
    """The rules that count it and send it there."""
    used = sorted((target for target in own if target.server in chosen), key=lambda target: target.mark)
    if not used:
        return []
    places = ", ".join(f"{_hex(target.mark)} : {target.address} . {target.port}" for target in used)
    return ["counter name ct mark map @new", f"meta l4proto {frontend.protocol} dnat {IP[version]} to ct mark map {{ {places} }}"]


def _common(versions: list[int], sets: Mapping[str, object]) -> Iterator[tuple[str, str, list[str]]]:
    early, choose, source = ["ct state established,related accept"], [], []
    for version in versions:
        ip = IP[version]
        target, origin = f"{ip} daddr . meta l4proto . th dport", f"{ip} saddr . meta l4proto . th sport"
        from_server = f"{origin} @servers{version} {ip} daddr @addresses{version}"
        early += [
            # Past conntrack's windows, so it would pass untranslated.
            f"{origin} @servers{version} ct state invalid drop",
            f"{target} @services{version} fib daddr type != local drop",
            f"{target} @services{version} ct state invalid drop",
            f"{target} @services{version} accept",
            f"{from_server} {_MID_STREAM} goto known{version}",
            f"{from_server} meta l4proto udp goto known{version}",
        ]
        noted = "th dport . ct mark"
        choose += [f"ct mark & {TAG_MASK:#010x} == {REVERSED:#010x} dnat {ip} to {noted} map @clients{version}", f"{target} vmap @frontends{version}"]
        source += [
            f"meta nfproto ipv{version} ct mark @sources ct status dnat snat {ip} to ct original {ip} daddr",
            f"meta nfproto ipv{version} ct status dnat ct mark vmap @returning{version}",
        ]
        if f"origins{version}" in sets:
            early.append(f"{origin} @servers{version} {origin} != @origins{version} fib daddr type != local {_MID_STREAM} drop")
            source += [
                f"ct status & dnat == 0 {_MID_STREAM} ct mark set {origin} map @marks{version}",
                f"ct status & dnat == 0 {_MID_STREAM} meta l4proto tcp snat {ip} to {origin} map @origins{version}",
            ]
        known = [f"ct mark set {origin} map @placed{version}", f"ct mark set {noted} map @flows{version}", f"{noted} @clients{version} accept"]
        yield f"known{version}", "", ["fib daddr type != local drop", *known, "drop"]
    # Before conntrack: a node that was active a moment ago would take them for packets of its own connections, or for forged ones.
    copied = [f"ether saddr @peers {IP[version]} daddr . meta l4proto . th dport vmap @learn{version}" for version in versions]
    yield "copied", "type filter hook prerouting priority raw; policy accept;", copied
    yield "early", "type filter hook prerouting priority mangle; policy accept;", early
    yield "choose", "type nat hook prerouting priority dstnat; policy accept;", choose
    yield "source", "type nat hook postrouting priority srcnat; policy accept;", source
    counting = [f"ct direction original {_OURS} counter name ct mark map @there", f"ct direction reply {_OURS} counter name ct mark map @back"]
    yield "count", "type filter hook forward priority filter; policy accept;", counting
    # A client on the servers' own network would be told to go there by itself.
    redirects = [f"icmp type redirect {_OURS} drop" if version == 4 else "icmpv6 type nd-redirect drop" for version in versions]
    yield "said", "type filter hook output priority filter; policy accept;", redirects


def _note(target: Target) -> list[str]:
    """Notes whom the server's packets would be for: by the port that it would send them to and its own place, first the connection's mark, then the
    client. The packet itself has done what it came for, so its own mark is free. (With the floating IP among the keys, nft before 1.0.7 ends where
    addresses are IPv6.)"""
    version = target.version
    return [
        f"meta mark set {_hex(target.place)}",
        f"update @flows{version} {{ th sport . meta mark : {_hex(target.reversed)} }}",
        f"meta mark set {_hex(target.reversed)}",
        f"update @clients{version} {{ th sport . meta mark : {IP[version]} saddr }}",
        "drop",
    ]


def _hex(mark: int) -> str:
    return f"{mark:#010x}"
