# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Internet checksum (RFC 1071). Pure. Used by the modules' probes and, as ``wire/checksum.py``, by the runtime."""

from __future__ import annotations

import struct


def checksum(data: bytes) -> int:
    """The checksum over ``data``, whose own field in it is zero; 0 over data that holds its checksum."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv6_pseudo_header(source: bytes, destination: bytes, length: int, next_header: int) -> bytes:
    """What goes before a message of ``length`` bytes when it is summed (RFC 8200 8.1); the addresses are packed."""
    return source + destination + struct.pack("!IHBB", length, 0, 0, next_header)
