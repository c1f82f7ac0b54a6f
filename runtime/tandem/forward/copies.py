"""The tables that copy packets of clients to the peers, so that these know whom a server's packets are for when they take over. Pure.

Copying (``dup``) is not to be had in a table of both families, so each family has one of the same name. The first packet of a connection is copied,
and of one that goes on a packet every 15 s: a peer that was started later, or missed one, hears of it too. No process sees any of it. The
peers know a copy by the hardware address that it comes from; it goes nowhere from there, and whoever copies takes none of a peer's packets for a
client's. The tables stand on nodes that hold no address as well, so that they are there in the moment of a takeover.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping

from .._model import Document, listen_addresses
from .rules import ADDRESS, IP, place
from .target import REVERSED, TAG_MASK, kernel_frontends

_ONE_IN = 8  # packets of an established connection is looked up whether it was copied lately, so that short ones seldom are

_COPIED = ("flags dynamic, timeout", "timeout 15s", "size 65536")


def copies(name: str, document: Document, active: Collection[str], gateways: Mapping[str, Collection[str]], peers: Collection[str]) -> str:
    """The text that puts both tables in force, or takes them away. ``gateways``: by load balancer, the addresses of its other nodes; ``peers``: their
    hardware addresses, as far as they are known. What comes for an address that is there whether or not the node is ``active`` is copied only while
    it is; and all only to peers of the packet's own family."""
    words = []
    for version in (4, 6):
        ip = IP[version]
        rules = _rules(version, document, active, gateways) if peers else []
        words.append(f"table {ip} {name}\ndelete table {ip} {name}\n")
        if rules:
            who = f"{ip} saddr . th sport . th dport"
            spared = [
                # Of one that was met from the server's side, no packet of the client has been a first one.
                f"ct state established ct mark & {TAG_MASK:#010x} != {REVERSED:#010x} numgen random mod {_ONE_IN} != 0 accept",
                f"ct state established {who} @copied accept",
                f"ether saddr {{ {', '.join(sorted(peers))} }} accept",
                "fib daddr type != local accept",
            ]
            known = ["\tset copied {", f"\t\ttype {ADDRESS[version]} . inet_service . inet_service", *(f"\t\t{part}" for part in _COPIED), "\t}"]
            # After conntrack (-200), and before anything may change the packet.
            lines = [
                "\tchain copies {",
                "\t\ttype filter hook prerouting priority -199; policy accept;",
                *(f"\t\t{rule}" for rule in (*spared, *rules)),
            ]
            words.append("\n".join([f"table {ip} {name} {{", *known, *lines, "\t}", "}", ""]))
    return "".join(words)


def _rules(version: int, document: Document, active: Collection[str], gateways: Mapping[str, Collection[str]]) -> list[str]:
    places: dict[str, set[str]] = {}
    always_there = {one.ip for one in document.floating_ips.values() if one.attach == "none"}
    for frontend in kernel_frontends(document).values():
        if frontend.client_address == "snat":
            there = always_there if frontend.load_balancer not in active else ()
            mine = [one for one in listen_addresses(document, frontend) if ipaddress.ip_address(one).version == version and one not in there]
            places.setdefault(frontend.load_balancer, set()).update(place(one, frontend.protocol, frontend.port) for one in mine)
    rules = []
    for load_balancer, every in sorted(places.items()):
        for gateway in sorted(gateways.get(load_balancer, ())):
            if every and ipaddress.ip_address(gateway).version == version:
                ours = f"{IP[version]} daddr . meta l4proto . th dport {{ {', '.join(sorted(every))} }}"
                rules += [f"{ours} dup to {gateway}", f"{ours} ct state established add @copied {{ {IP[version]} saddr . th sport . th dport }}"]
    return rules
