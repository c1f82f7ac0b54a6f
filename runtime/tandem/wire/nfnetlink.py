"""Messages to and from the kernel's packet filter (linux/netfilter/nfnetlink.h): connections that conntrack knows, by their mark, and the number of
the rule set's last change. Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_REQUEST, _ACK, _DUMP = 1, 4, 0x300
_ERROR, _DONE = 2, 3
_OF_CONNTRACK, _OF_RULES = 1 << 8, 10 << 8
_CT_NEW, _CT_GET, _CT_DELETE = _OF_CONNTRACK | 0, _OF_CONNTRACK | 1, _OF_CONNTRACK | 2
_NEW_GENERATION, _GET_GENERATION = _OF_RULES | 15, _OF_RULES | 16
_MARK, _MARK_MASK, _PROTOCOL_INFO = 8, 21, 4  # CTA_*
_TCP_INFO, _TCP_STATE = 1, 1  # CTA_PROTOINFO_TCP, CTA_PROTOINFO_TCP_STATE
_GENERATION = 1  # NFTA_GEN_ID
_TIME_WAIT, _CLOSE = 7, 8  # TCP_CONNTRACK_*: over, and only remembered
_NESTED = 0x8000  # NLA_F_NESTED

CHANGES_OF_RULES = 7  # NFNLGRP_NFTABLES: the group whose members hear of every change


@dataclass(frozen=True)
class Part:
    """What one message says: ``error`` of a refusal or acknowledgement, ``done`` at the end of a list, else a connection's mark and whether it is
    open, or the rule set's generation."""

    sequence: int = 0
    error: int = 0
    done: bool = False
    mark: int = 0
    is_open: bool = False
    generation: int = 0


def end_connections(sequence: int, mark: int, mask: int) -> bytes:
    """Has the kernel forget the connections whose mark is ``mark`` under ``mask``; it acknowledges."""
    return _message(_CT_DELETE, _REQUEST | _ACK, sequence, _marked(mark, mask))


def list_connections(sequence: int, mark: int, mask: int) -> bytes:
    """Asks for them; a list follows."""
    return _message(_CT_GET, _REQUEST | _DUMP, sequence, _marked(mark, mask))


def ask_generation(sequence: int) -> bytes:
    return _message(_GET_GENERATION, _REQUEST, sequence, b"")


def parts_of(content: bytes) -> Iterator[Part]:
    """What a read from the socket holds; it ends where a message is cut short."""
    at = 0
    while at + 16 <= len(content):
        length, kind, _flags, sequence, _port = struct.unpack_from("=IHHII", content, at)
        if length < 16 or at + length > len(content):
            return
        body = content[at + 16 : at + length]
        at += length + 3 & ~3
        if kind in (_ERROR, _DONE):
            yield Part(sequence, error=-_number(body[:4]), done=True)
        elif kind == _CT_NEW:
            found = attributes(body[4:])
            yield Part(sequence, mark=int.from_bytes(found.get(_MARK, b""), "big"), is_open=_is_open(found.get(_PROTOCOL_INFO, b"")))
        elif kind == _NEW_GENERATION:
            yield Part(sequence, done=True, generation=int.from_bytes(attributes(body[4:]).get(_GENERATION, b""), "big"))


def attributes(content: bytes) -> dict[int, bytes]:
    """By type, without the flags; it ends where one is cut short."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(content):
        length, kind = struct.unpack_from("=HH", content, at)
        if length < 4 or at + length > len(content):
            break
        found[kind & 0x3FFF] = content[at + 4 : at + length]
        at += length + 3 & ~3
    return found


def _is_open(info: bytes) -> bool:
    state = attributes(attributes(info).get(_TCP_INFO, b"")).get(_TCP_STATE, b"\0")
    return state[:1] not in (bytes((_TIME_WAIT,)), bytes((_CLOSE,)))


def _number(content: bytes) -> int:
    return int.from_bytes(content, "little" if struct.pack("=H", 1) == b"\1\0" else "big", signed=True)


def _marked(mark: int, mask: int) -> bytes:
    return struct.pack("=HH", 8, _MARK) + struct.pack(">I", mark) + struct.pack("=HH", 8, _MARK_MASK) + struct.pack(">I", mask)


def _message(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    # nfgenmsg: any family, version 0, for no queue.
    return struct.pack("=IHHII", 20 + len(body), kind, flags, sequence, 0) + bytes(4) + body
