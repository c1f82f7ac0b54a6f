"""VRRP version 3 advertisements as bytes (RFC 9568 5). Pure.

The checksum trap: for IPv4, RFC 9568 5.2.8 sums the message alone, while keepalived and FRR put the pseudo-header of RFC 768 before it. Both are
accepted; theirs is sent, so that pairs with them work. For IPv6 the pseudo-header is part of the sum in all of them.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from .checksum import checksum, ipv6_pseudo_header

PROTOCOL = 112
MULTICAST_V4 = "224.0.0.18"
MULTICAST_V6 = "ff02::12"
HOP_LIMIT = 255  # RFC 9568 5.1.1.3: anything less has passed a router
_VERSION_AND_TYPE, _NOTE_TYPE = 0x31, 0x3F  # RFC 9568 5.2.2 defines type 1 alone, and has others dropped: 15 carries notes between nodes of ours
_NOTE_MARK = b"tandem1\n"
_INTERVAL_MAX = 0x0FFF  # centiseconds


class Malformed(Exception):
    """Bytes that are no advertisement for us; ``str()`` says why."""


@dataclass(frozen=True)
class Advertisement:
    """``interval_s`` travels as centiseconds; ``addresses`` are those of one family, without prefix lengths."""

    virtual_router_id: int
    priority: int
    interval_s: float
    addresses: tuple[str, ...] = ()


def encode(advertisement: Advertisement, source: str, destination: str, *, pseudo_header: bool = True) -> bytes:
    """The message, checksum and all. ``pseudo_header=False`` makes RFC 9568's sum for IPv4 instead of keepalived's."""
    packed = b"".join(ipaddress.ip_address(address).packed for address in advertisement.addresses)
    centiseconds = min(_INTERVAL_MAX, max(1, round(advertisement.interval_s * 100)))
    head = struct.pack(
        "!BBBBHH", _VERSION_AND_TYPE, advertisement.virtual_router_id, advertisement.priority, len(advertisement.addresses), centiseconds, 0
    )
    message = head + packed
    with_header = pseudo_header or ":" in source
    total = checksum((_pseudo_header(source, destination, len(message)) if with_header else b"") + message)
    return message[:6] + struct.pack("!H", total) + message[8:]


def decode(message: bytes, source: str, destination: str) -> Advertisement:
    """The advertisement in a message that came from ``source`` to ``destination``. Raises Malformed."""
    if len(message) < 8:
        raise Malformed(f"{len(message)} bytes, fewer than a header has")
    version_and_type, router, priority, count, interval, _checksum = struct.unpack_from("!BBBBHH", message)
    if version_and_type != _VERSION_AND_TYPE:
        raise Malformed(f"version {version_and_type >> 4}, type {version_and_type & 15}; only version 3, type 1 is spoken here")
    if not interval & _INTERVAL_MAX:
        raise Malformed("an interval of 0, after which nobody could ever be heard in time")
    family = ipaddress.ip_address(source).version
    size = 4 if family == 4 else 16
    if len(message) < 8 + count * size:
        raise Malformed(f"{count} addresses in {len(message)} bytes")
    message = message[: 8 + count * size]
    header = _pseudo_header(source, destination, len(message))
    if checksum(header + message) != 0 and (family == 6 or checksum(message) != 0):
        raise Malformed("a wrong checksum")
    addresses = tuple(str(ipaddress.ip_address(message[at : at + size])) for at in range(8, len(message), size))
    return Advertisement(router, priority, (interval & _INTERVAL_MAX) / 100, addresses)


def is_note(message: bytes) -> bool:
    return message[:1] == bytes([_NOTE_TYPE])


def encode_note(virtual_router_id: int, content: bytes, source: str, destination: str) -> bytes:
    """A note (see ``notes``) behind a head like an advertisement's, for a node of ours."""
    message = struct.pack("!BBBBHH", _NOTE_TYPE, virtual_router_id, 0, 0, 0, 0) + _NOTE_MARK + content
    total = checksum(_pseudo_header(source, destination, len(message)) + message)
    return message[:6] + struct.pack("!H", total) + message[8:]


def decode_note(message: bytes, source: str, destination: str) -> bytes:
    """What is in such a message. Raises Malformed."""
    if not message[8:].startswith(_NOTE_MARK):
        raise Malformed("version 3, type 15, and not of ours")
    if checksum(_pseudo_header(source, destination, len(message)) + message) != 0:
        raise Malformed("a wrong checksum")
    return message[8 + len(_NOTE_MARK) :]


def from_ip_packet(packet: bytes) -> tuple[str, str, int, bytes]:
    """(source, destination, time to live, payload) of an IPv4 packet, as raw(7) delivers it. Raises Malformed."""
    length = (packet[0] & 15) * 4 if packet else 0
    if len(packet) < 20 or packet[0] >> 4 != 4 or len(packet) < length:
        raise Malformed("not an IPv4 packet")
    source, destination = ipaddress.IPv4Address(packet[12:16]), ipaddress.IPv4Address(packet[16:20])
    return str(source), str(destination), packet[8], packet[length:]


def of_family(addresses: Sequence[str], like: str) -> tuple[str, ...]:
    """Those addresses that are of the same family as ``like``: one advertisement holds one family."""
    return tuple(address for address in addresses if (":" in address) == (":" in like))


def _pseudo_header(source: str, destination: str, length: int) -> bytes:
    one, two = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    if one.version == 4:
        return one.packed + two.packed + struct.pack("!BBH", 0, PROTOCOL, length)
    return ipv6_pseudo_header(one.packed, two.packed, length, PROTOCOL)
