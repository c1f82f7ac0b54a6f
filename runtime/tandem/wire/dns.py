"""DNS messages (RFC 1035 4): a question for the addresses of a name is written, and the reply to it is read. Pure.

Names are kept as they are on the wire, in lower case (RFC 4343): labels may hold any byte, also a dot. Nothing in a message is believed: every
length is held against its end, and a compressed name only points backwards, so that it ends.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass
from typing import Optional

A, AAAA = 1, 28
_NS, _CNAME, _SOA = 2, 5, 6
_INTERNET = 1
_RECURSION_DESIRED, _RESPONSE, _TRUNCATED, _OPCODE = 0x0100, 0x8000, 0x0200, 0x7800
NXDOMAIN = 3
CODES = {1: "FORMERR", 2: "SERVFAIL", NXDOMAIN: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}

_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
_LABEL_MAX, _NAME_MAX = 63, 255  # RFC 1035 2.3.4
_ALIASES_MAX = 16  # in a row; real ones are three or four
_ADDRESS_BYTES = {A: 4, AAAA: 16}


class Malformed(Exception):
    """A message that breaks the format; ``str()`` says where."""


@dataclass(frozen=True)
class Reply:
    """What a reply says. ``addresses`` in the order of the message, for ``ttl_s`` seconds; ``alias``: the name (as on the wire) that the asked one
    stands for in the end, where it is another; ``denied_s``: for how long it is certain that there is nothing (RFC 2308 5), where that is said.
    """

    code: int
    truncated: bool
    addresses: tuple[str, ...]
    ttl_s: int
    alias: bytes
    denied_s: Optional[int]
    referral: bool  # it names other servers and knows nothing itself


def name_to_wire(name: str) -> bytes:
    """A host name as it stands in a message, in lower case. Raises ValueError for what has no place there."""
    labels = name.rstrip(".").lower().encode("ascii").split(b".")
    if any(not 0 < len(label) <= _LABEL_MAX for label in labels):
        raise ValueError(f"no host name: {name!r}")
    wire = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    if len(wire) > _NAME_MAX:
        raise ValueError(f"a host name of more than {_NAME_MAX} bytes: {name!r}")
    return wire


def name_to_text(wire: bytes) -> str:
    """A name for people."""
    labels, at = [], 0
    while at < len(wire) and wire[at]:
        labels.append(wire[at + 1 : at + 1 + wire[at]].decode("latin-1"))
        at += 1 + wire[at]
    return "".join(character if character.isprintable() else "?" for character in ".".join(labels))


def question(number: int, name: bytes, kind: int) -> bytes:
    """Asks a server that looks further itself for the addresses (A or AAAA) of a name."""
    return _HEADER.pack(number, _RECURSION_DESIRED, 1, 0, 0, 0) + name + struct.pack("!HH", kind, _INTERNET)


def read_reply(message: bytes, number: int, name: bytes, kind: int) -> Optional[Reply]:
    """The reply to that question. None for a message that is none: somebody else's, or a guess of who wants to be believed (RFC 5452 9.1).
    Raises Malformed."""
    if len(message) < _HEADER.size:
        return None
    heard, flags, questions, answers, authorities, _more = _HEADER.unpack_from(message)
    if heard != number or not flags & _RESPONSE or flags & _OPCODE:
        return None
    code, truncated = flags & 0x000F, bool(flags & _TRUNCATED)
    if questions == 0 and code not in (0, NXDOMAIN):
        return Reply(code, truncated, (), 0, b"", None, referral=False)  # some servers do not repeat what they could not read
    if questions != 1:
        return None
    at = _HEADER.size + len(name)
    if message[_HEADER.size : at].lower() != name or message[at : at + 4] != struct.pack("!HH", kind, _INTERNET):
        return None
    if truncated:
        return Reply(code, truncated, (), 0, b"", None, referral=False)  # what is there is not all: it is asked for again over TCP
    records = _Records(kind)
    at = records.read_answers(message, at + 4, answers)
    records.read_authorities(message, at, authorities)
    return records.reply(code, name)


class _Records:
    """What of the records of a message counts for one kind of address."""

    def __init__(self, kind: int) -> None:
        self._kind = kind
        self._aliases: dict[bytes, tuple[bytes, int]] = {}
        self._addresses: dict[bytes, dict[str, int]] = {}
        self._denied_s: Optional[int] = None
        self._name_servers = False

    def read_answers(self, message: bytes, at: int, count: int) -> int:
        for _record in range(count):
            owner, kind, ttl_s, start, at = _record_at(message, at)
            if kind == _CNAME:
                target, _end = _name(message, start)
                self._aliases[owner] = (target, ttl_s)
            elif kind == self._kind:
                if at - start != _ADDRESS_BYTES[kind]:
                    raise Malformed(f"an address of {at - start} bytes")
                self._addresses.setdefault(owner, {})[str(ipaddress.ip_address(message[start:at]))] = ttl_s
        return at

    def read_authorities(self, message: bytes, at: int, count: int) -> None:
        for _record in range(count):
            _owner, kind, ttl_s, start, at = _record_at(message, at)
            if kind == _SOA:
                _primary, inner = _name(message, start)
                _mailbox, inner = _name(message, inner)
                if at - inner != 20:
                    raise Malformed("a start of authority of another length")
                self._denied_s = min(ttl_s, _seconds(struct.unpack_from("!I", message, at - 4)[0]))
            elif kind == _NS:
                self._name_servers = True

    def reply(self, code: int, name: bytes) -> Reply:
        end, ttl_s = name, 2**31
        for _alias in range(_ALIASES_MAX + 1):
            if end not in self._aliases:
                break
            end, alias_s = self._aliases[end]
            ttl_s = min(ttl_s, alias_s)
        else:
            raise Malformed("aliases without an end")
        found = self._addresses.get(end, {})
        ttl_s = min([ttl_s, *found.values()])
        referral = not found and end == name and self._denied_s is None and self._name_servers
        return Reply(code, False, tuple(found), ttl_s if found else 0, end if end != name else b"", self._denied_s, referral)


def _record_at(message: bytes, at: int) -> tuple[bytes, int, int, int, int]:
    """(owner, kind or 0 where it is of another class, seconds, where its data begins, where it ends) of the record that begins here."""
    owner, at = _name(message, at)
    if at + _RECORD.size > len(message):
        raise Malformed("a record without an end")
    kind, network, ttl_s, length = _RECORD.unpack_from(message, at)
    start = at + _RECORD.size
    if start + length > len(message):
        raise Malformed("data without an end")
    return owner, kind if network == _INTERNET else 0, _seconds(ttl_s), start, start + length


def _seconds(ttl_s: int) -> int:
    return 0 if ttl_s & 0x80000000 else ttl_s  # RFC 2181 8


def _name(message: bytes, at: int) -> tuple[bytes, int]:
    """The name that begins here, and where what follows it begins. Each pointer leads to before the piece that it stands in."""
    pieces: list[bytes] = []
    size, begins, end = 1, at, -1
    while True:
        if at >= len(message):
            raise Malformed("a name without an end")
        length = message[at]
        if length & 0xC0 == 0xC0:
            if at + 2 > len(message):
                raise Malformed("a name without an end")
            target = (length & 0x3F) << 8 | message[at + 1]
            if target >= begins:
                raise Malformed("a name that points forwards")
            end = at + 2 if end < 0 else end
            at = begins = target
        elif length > _LABEL_MAX:
            raise Malformed("a label of a kind that nobody uses")
        elif not length:
            return b"".join(pieces) + b"\0", at + 1 if end < 0 else end
        else:
            size += 1 + length
            if size > _NAME_MAX or at + 1 + length > len(message):
                raise Malformed("a name without an end")
            pieces.append(message[at : at + 1 + length].lower())
            at += 1 + length
