# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether another machine answers for an address that a load balancer is about to take: ARP probes (RFC 5227) and, for IPv6, the Neighbour
Solicitations of duplicate address detection (RFC 4862 5.4). Both carry no sender address, so asking disturbs nobody's cache.

The other nodes of the load balancer may hold it by right: they are known by the hardware address that answers for their own addresses.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import ipaddress
import select
import socket
import struct
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Optional

from ._checksum import checksum, ipv6_pseudo_header
from ._hardware import link_digest
from ._interfaces import Address, Link, holding_network
from ._model import FloatingIP, Problem, describe
from ._netlink import Netlink

# RFC 5227 1.1 has 3 probes over several seconds, for hosts that boot. A host that is up answers at once, and a task should not take longer.
_PROBES_AT_S = (0.0, 0.3, 0.6)
_LISTEN_S = 1.0
_ETHERTYPE_ARP, _ETHERTYPE_IPV6 = 0x0806, 0x86DD
_SIOCGIFFLAGS, _SIOCGIFHWADDR, _ARPHRD_ETHER = 0x8913, 0x8927, 1
_IFF_UP, _IFF_LOOPBACK, _IFF_NOARP = 0x1, 0x8, 0x80
_SO_ATTACH_FILTER = 26
# Classic BPF: only ICMPv6 (next header 58) of type 136, so that the traffic of a busy link does not reach us.
_ADVERTISEMENTS = ((0x30, 0, 0, 20), (0x15, 0, 3, 58), (0x30, 0, 0, 54), (0x15, 0, 1, 136), (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0))
_ICMPV6 = 58
_BROADCAST = b"\xff" * 6

Answers = dict[str, set[str]]


@dataclass(frozen=True)
class Claim:
    """A floating IP that this node is about to take part in holding; ``peers`` are the own addresses of the other nodes that may hold it,
    ``peer_links`` digests of hardware addresses known to be theirs."""

    floating_ip: FloatingIP
    peers: tuple[str, ...] = ()
    peer_links: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Found:
    """What probing brought: problems to refuse for, and sentences about addresses that could not be probed."""

    problems: list[Problem]
    unprobed: list[str]


def probe(claims: Iterable[Claim]) -> Found:
    """Asks on all interfaces at once who answers for the addresses that this node does not hold, for one second in all."""
    unprobed: list[str] = []
    by_interface: dict[str, list[Claim]] = {}
    wanted = [claim for claim in claims if claim.floating_ip.attach == "interface"]
    links, addresses = _known() if wanted else ([], [])
    held = {address.ip for address in addresses}
    for claim in wanted:
        floating_ip = claim.floating_ip
        if floating_ip.ip in held:
            continue
        interface = floating_ip.interface or _name_of(holding_network(floating_ip.ip, links, addresses))
        reason = _unfit(interface)
        if reason:
            unprobed.append(f"{describe('floating_ips', floating_ip.key)}: {floating_ip.ip} was not probed for another holder: {reason}.")
        else:
            by_interface.setdefault(interface, []).append(claim)
    try:
        answers = _ask({interface: {ip for one in members for ip in (one.floating_ip.ip, *one.peers)} for interface, members in by_interface.items()})
    except PermissionError:
        names = ", ".join(one.floating_ip.ip for members in by_interface.values() for one in members)
        return Found([], [*unprobed, f"{names} was not probed for another holder: that needs root (become: true) or CAP_NET_RAW."])
    found = [_conflict(one, interface, answers[interface]) for interface, members in by_interface.items() for one in members]
    return Found([problem for problem in found if problem], unprobed)


def _conflict(claim: Claim, interface: str, answers: Answers) -> Optional[Problem]:
    """The problem of an address that others than its peers answer for; None without one."""
    known = {answer for peer in claim.peers for answer in answers.get(peer, ())}
    strangers = sorted(answer for answer in answers.get(claim.floating_ip.ip, set()) - known if link_digest(answer) not in claim.peer_links)
    if not strangers:
        return None
    rule = f"but another machine answers for it already: {', '.join(strangers)} on {interface}; nothing was changed"
    way_out = "Take the address off that machine, or give a free one."
    return Problem(describe("floating_ips", claim.floating_ip.key), "address", claim.floating_ip.ip, rule, way_out)


# Where


def _known() -> tuple[list[Link], list[Address]]:
    """This node's interfaces and their addresses, read where the runtime reads them. Raises OSError."""
    netlink = Netlink()
    try:
        return netlink.links(), netlink.addresses()
    finally:
        netlink.close()


def _name_of(link: Optional[Link]) -> str:
    return link.name if link else ""


def _unfit(interface: str) -> str:
    """Why nobody can be asked on an interface; "" when somebody can."""
    if not interface:
        return "no interface's network holds it"
    try:
        flags = struct.unpack_from("=H", _ioctl(interface, _SIOCGIFFLAGS), 16)[0]
        kind = struct.unpack_from("=H", _ioctl(interface, _SIOCGIFHWADDR), 16)[0]
    except OSError as error:
        return f"{interface}: {error.strerror}"
    if not flags & _IFF_UP:
        return f"{interface} is down"
    return f"{interface} has no neighbours that are asked by broadcast" if flags & (_IFF_LOOPBACK | _IFF_NOARP) or kind != _ARPHRD_ETHER else ""


def _ioctl(interface: str, request: int) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        return fcntl.ioctl(asked, request, struct.pack("=16s24x", interface.encode()[:15]))


# Asking


def _ask(asked: Mapping[str, Collection[str]]) -> dict[str, Answers]:
    """Who answers on each interface for its addresses: address to hardware addresses."""
    answers: dict[str, Answers] = {interface: {} for interface in asked}
    with contextlib.ExitStack() as stack:
        links = [_Listeners(stack, interface) for interface in asked]
        began = time.monotonic()
        due = list(_PROBES_AT_S)
        while links and (now := time.monotonic() - began) < _LISTEN_S:
            if due and now >= due[0]:
                due.pop(0)
                for link in links:
                    link.send(asked[link.interface])
            until = due[0] if due else _LISTEN_S
            heard = {listener: link for link in links for listener in (link.arp, link.nd)}
            for ready in select.select(list(heard), [], [], max(0.0, until - now))[0]:
                link = heard[ready]
                address, answered = link.receive(ready)
                if address in asked[link.interface] and answered != _text(link.hardware):
                    answers[link.interface].setdefault(address, set()).add(answered)
    return answers


class _Listeners:
    """Both listeners of one interface, closed by ``stack``. Raises PermissionError without CAP_NET_RAW."""

    def __init__(self, stack: contextlib.ExitStack, interface: str) -> None:
        self.interface = interface
        self.hardware = _ioctl(interface, _SIOCGIFHWADDR)[18:24]
        self.arp = stack.enter_context(_listener(interface, _ETHERTYPE_ARP))
        self.nd = stack.enter_context(_listener(interface, _ETHERTYPE_IPV6))

    def send(self, addresses: Iterable[str]) -> None:
        for address in sorted(addresses):
            if ":" in address:
                self.nd.send(neighbour_solicitation(address, self.hardware))
            else:
                self.arp.send(arp_probe(address, self.hardware))

    def receive(self, ready: socket.socket) -> tuple[str, str]:
        frame = ready.recv(2048)
        return arp_answer(frame) if ready is self.arp else advertisement(frame)


def _listener(interface: str, ethertype: int) -> socket.socket:
    """A raw socket for one ethertype on one interface. Raises PermissionError without CAP_NET_RAW."""
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    if ethertype == _ETHERTYPE_IPV6:
        code = b"".join(struct.pack("=HBBI", *instruction) for instruction in _ADVERTISEMENTS)
        held = ctypes.create_string_buffer(code)
        made.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(_ADVERTISEMENTS), ctypes.addressof(held)))
    made.bind((interface, ethertype))
    return made


def arp_probe(address: str, hardware: bytes) -> bytes:
    """RFC 5227 2.1.1: a request for the address whose sender address is all zero."""
    target = ipaddress.IPv4Address(address).packed
    arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + hardware + bytes(4) + bytes(6) + target
    return _BROADCAST + hardware + struct.pack("!H", _ETHERTYPE_ARP) + arp


def arp_answer(frame: bytes) -> tuple[str, str]:
    """(address, hardware address) of who says in an ARP packet that an address is its own; both "" for probes of others and for other packets."""
    if len(frame) < 42 or frame[14:20] != struct.pack("!HHBB", 1, 0x0800, 6, 4) or frame[28:32] == bytes(4):
        return "", ""
    return str(ipaddress.IPv4Address(frame[28:32])), _text(frame[22:28])


def neighbour_solicitation(address: str, hardware: bytes) -> bytes:
    """RFC 4862 5.4.2: from the unspecified address to the target's solicited-node group."""
    target = ipaddress.IPv6Address(address).packed
    group = ipaddress.IPv6Address("ff02::1:ff00:0").packed[:13] + target[13:]
    body = struct.pack("!BBHI", 135, 0, 0, 0) + target
    total = checksum(ipv6_pseudo_header(bytes(16), group, len(body), _ICMPV6) + body)
    packet = struct.pack("!IHBB", 6 << 28, len(body), _ICMPV6, 255) + bytes(16) + group + body[:2] + struct.pack("!H", total) + body[4:]
    return b"\x33\x33" + group[12:] + hardware + struct.pack("!H", _ETHERTYPE_IPV6) + packet


def advertisement(frame: bytes) -> tuple[str, str]:
    """(address, hardware address) of a Neighbour Advertisement (RFC 4861 4.4); both "" for other packets."""
    if len(frame) < 78 or frame[20] != 58 or frame[21] != 255 or frame[54] != 136:
        return "", ""
    option = frame[78:86]
    answered = option[2:8] if len(option) == 8 and option[:2] == b"\x02\x01" else frame[6:12]
    return str(ipaddress.IPv6Address(frame[62:78])), _text(answered)


def _text(hardware: bytes) -> str:
    return ":".join(f"{byte:02x}" for byte in hardware)
