"""ICMP and ICMPv6 echo as bytes (RFC 792, RFC 4443 4). Pure."""

from __future__ import annotations

import struct

from .checksum import checksum

_REQUEST, _REPLY = 8, 0
_REQUEST_V6, _REPLY_V6 = 128, 129


def request(v6: bool, identifier: int, number: int) -> bytes:
    """The message; of ICMPv6 the kernel makes the checksum (RFC 3542 3.1)."""
    if v6:
        return struct.pack("!BBHHH", _REQUEST_V6, 0, 0, identifier, number)
    total = checksum(struct.pack("!BBHHH", _REQUEST, 0, 0, identifier, number))
    return struct.pack("!BBHHH", _REQUEST, 0, total, identifier, number)


def answered(v6: bool, message: bytes, identifier: int) -> int:
    """The number of the request that a message answers; -1 for any other message. Of IPv4 it comes with the head of its packet (raw(7))."""
    if not v6:
        message = message[(message[0] & 15) * 4 :] if message else b""
    if len(message) < 8:
        return -1
    kind, _code, _sum, found, number = struct.unpack_from("!BBHHH", message)
    return int(number) if kind == (_REPLY_V6 if v6 else _REPLY) and found == identifier else -1
