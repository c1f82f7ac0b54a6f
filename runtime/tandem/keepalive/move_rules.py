"""What a planned move asks of nftables, as its program reads it. Pure.

On the node that takes over: TCP packets to the floating IPs that belong to connections it does not know go on to the node that handed over. Not by
conntrack, as in most recipes: an entry for every new connection would fill its table on a busy node, and ``nf_conntrack_tcp_loose`` would decide what
is known. The kernel says itself what it does not know, by a reset without ACK, which it sends for nothing else (RFC 9293 3.10.7.1); that is not let
out, and from then on its connection's packets are passed on. So only old connections take room. One packet of each would be lost by that; so in the
first seconds, in which most of them show themselves, those that begin are noted, and whatever did not begin is old.

Passed on is a copy, by ``dup``: it needs no forwarding in the kernel, no routes and no rules, which would be others' too.

On the node that hands over: the addresses are local still, and must not be answered for. IPv6 asks the interface that has an address (RFC 4861
7.2.3), and ``lo`` has no neighbours; of IPv4 the kernel answers for any local address on any interface, and asks with it as well (arp_ignore and
arp_announce in ip-sysctl), which only ARP's own tables keep from it without changing the host's settings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_LEARNING_S = 3
_FRESH_S, _FRESH_MAX = 10, 65536
_HANDED_MAX = 262144
_AFTER_S = 60
_PRIORITY = -310  # before NF_IP_PRI_RAW, and so before conntrack


@dataclass(frozen=True)
class Towards:
    """A floating IP, and where its old connections are: a neighbour's address and hardware address on this node's interface ``link``."""

    ip: str
    link: str
    next_hop: str
    hardware: str


def table_of(prefix: str, load_balancer: str) -> str:
    """The name of a load balancer's tables: of no other node's on the same machine, and of nobody else's."""
    return f"tandem-move-{hashlib.sha256(prefix.encode()).hexdigest()[:6]}-{load_balancer}"


def passing_on(table: str, towards: Sequence[Towards], grace_s: float, *, learns: bool, spared: Iterable[tuple[str, int]] = ()) -> str:
    """The rules of the node that takes over, in place of former ones. ``learns``: it has no old connections of its own. ``spared``: addresses and
    ports whose connections this node takes up by itself."""
    text = nothing_passed_on(table)
    for version, family in (("4", "ip"), ("6", "ip6")):
        there = [one for one in towards if (":" in one.ip) == (version == "6")]
        if there:
            places = sorted(f"{ip} . {port}" for ip, port in spared if (":" in ip) == (version == "6"))
            text += _family(table, family, there, grace_s, learns, places=places)
    return text


def nothing_passed_on(table: str) -> str:
    return _without(table, ("ip", "ip6"))


def unanswered(table: str, own: Mapping[str, str]) -> str:
    """The rules of the node that has handed over: floating IPs (of IPv4) to an address of its own to ask neighbours with."""
    text = all_answered(table)
    if not own:
        return text
    asks = "".join(f"  arp saddr ip {ip} arp saddr ip set {address}\n" for ip, address in sorted(own.items()))
    return text + (
        f"table arp {table} {{\n"
        " chain asked {\n  type filter hook input priority 0; policy accept;\n"
        f"  arp operation request arp daddr ip {_listed(own)} drop\n }}\n"
        f" chain asks {{\n  type filter hook output priority 0; policy accept;\n{asks} }}\n"
        "}\n"
    )


def all_answered(table: str) -> str:
    return _without(table, ("arp",))


def _without(table: str, families: Iterable[str]) -> str:
    """Removes tables, whether or not they are there."""
    return "".join(f"add table {family} {table}\ndelete table {family} {table}\n" for family in families)


def _family(table: str, family: str, towards: Sequence[Towards], grace_s: float, learns: bool, *, places: Sequence[str]) -> str:
    kind = "ipv4_addr" if family == "ip" else "ipv6_addr"
    connection = f"type {kind} . inet_service . {kind} . inet_service"
    coming = f"{family} saddr . tcp sport . {family} daddr . tcp dport"
    going = f"{family} daddr . tcp dport . {family} saddr . tcp sport"
    ips = _listed(one.ip for one in towards)
    learning = f"elements = {{ tcp timeout {_LEARNING_S}s }}; " if learns else ""
    spared = f"  {family} daddr . tcp dport {{ {', '.join(places)} }} accept\n" if places else ""
    onward = "".join(f'  {family} daddr {one.ip} dup to {one.next_hop} device "{one.link}" drop\n' for one in towards)
    return (
        f"table {family} {table} {{\n"
        f" set learning {{ type inet_proto; flags timeout; {learning}}}\n"
        f" set fresh {{ {connection}; flags dynamic,timeout; timeout {_FRESH_S}s; size {_FRESH_MAX}; }}\n"
        f" set handed {{ {connection}; flags dynamic,timeout; timeout {int(grace_s) + _AFTER_S}s; size {_HANDED_MAX}; }}\n"
        f" chain onward {{\n{onward} }}\n"
        # A client that uses a port again has a new connection. One that cannot be noted is not let begin: it would be taken for an old one.
        f" chain first {{\n  delete @handed {{ {coming} }}\n  meta l4proto != @learning accept\n  add @fresh {{ {coming} }} accept\n  drop\n }}\n"
        " chain moved {\n"
        f"  ether saddr {_listed(one.hardware for one in towards)} accept\n"  # what the other node sends back would come again and again
        "  tcp flags & (fin | syn | rst | ack) == syn goto first\n"
        f"  {coming} @handed goto onward\n"
        "  meta l4proto != @learning accept\n"
        f"  {coming} @fresh accept\n"
        f"  add @handed {{ {coming} }} goto onward\n"
        " }\n"
        f" chain arriving {{\n  type filter hook prerouting priority {_PRIORITY}; policy accept;\n{spared}"
        f"  {family} daddr {ips} meta l4proto tcp goto moved\n }}\n"
        f" chain leaving {{\n  type filter hook output priority {_PRIORITY}; policy accept;\n"
        f"  {family} saddr {ips} tcp flags & (rst | ack) == rst add @handed {{ {going} }} drop\n }}\n"
        "}\n"
    )


def _listed(values: Iterable[str]) -> str:
    return f"{{ {', '.join(sorted(set(values)))} }}"
