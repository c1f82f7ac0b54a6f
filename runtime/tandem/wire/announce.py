"""Frames that tell the neighbours where an address lives now: gratuitous ARP and unsolicited Neighbour Advertisements. Pure."""

from __future__ import annotations

import ipaddress
import struct

from .checksum import checksum, ipv6_pseudo_header

_BROADCAST = b"\xff" * 6
_ETHERTYPE_ARP, _ETHERTYPE_IPV6 = 0x0806, 0x86DD
_ICMPV6 = 58
_ALL_NODES = ipaddress.IPv6Address("ff02::1")


def frames(address: str, hardware: bytes) -> list[bytes]:
    """Ethernet frames that announce ``address`` at the hardware address; ARP in both forms, as some neighbours heed only one (RFC 5227 3)."""
    if ":" in address:
        return [neighbour_advertisement(address, hardware)]
    return [gratuitous_arp(address, hardware, operation) for operation in (1, 2)]


def gratuitous_arp(address: str, hardware: bytes, operation: int) -> bytes:
    """RFC 826's packet with sender and target the same; operation 1 is a request (RFC 5227's announcement), 2 a reply."""
    packed = ipaddress.IPv4Address(address).packed
    target = b"\0" * 6 if operation == 1 else _BROADCAST
    arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + hardware + packed + target + packed
    return _BROADCAST + hardware + struct.pack("!H", _ETHERTYPE_ARP) + arp


def neighbour_advertisement(address: str, hardware: bytes) -> bytes:
    """RFC 4861 7.2.6: unsolicited, with the Override flag, to all nodes of the link."""
    source = ipaddress.IPv6Address(address)
    override = 0x20000000
    body = struct.pack("!BBHI", 136, 0, 0, override) + source.packed + struct.pack("!BB", 2, 1) + hardware
    total = checksum(ipv6_pseudo_header(source.packed, _ALL_NODES.packed, len(body), _ICMPV6) + body)
    body = body[:2] + struct.pack("!H", total) + body[4:]
    packet = struct.pack("!IHBB", 6 << 28, len(body), _ICMPV6, 255) + source.packed + _ALL_NODES.packed + body
    return b"\x33\x33\x00\x00\x00\x01" + hardware + struct.pack("!H", _ETHERTYPE_IPV6) + packet
