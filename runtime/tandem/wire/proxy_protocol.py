"""The header that a proxy sends ahead of a connection to say whose it is (HAProxy, doc/proxy-protocol.txt), versions 1 and 2: read and written. Pure.

Who reads one believes it: that only those are asked for it who are trusted is the business of whoever accepts the connection. The reader says how
many of the bytes it was shown are the header's, so that nothing of what follows, which may be TLS, need be taken from the socket before its time.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from dataclasses import dataclass
from typing import Optional

V1_BYTES_MAX = 107  # the longest line there is (2.1)
# The format allows 64 KiB; what proxies say takes some hundred bytes, and some thousand with a client's certificate. HAProxy takes as much as this.
V2_BYTES_MAX = 16384
UNIQUE_ID_BYTES_MAX = 128  # 2.2.5
AUTHORITY_BYTES_MAX = 255  # as HAProxy has it; a host name is shorter

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_V1_BEGINS = b"PROXY "
BEGINNINGS = (_SIGNATURE, _V1_BEGINS)  # nothing else begins so
_FIXED_BYTES = 16  # of version 2: the signature, version and command, family and transport, length
_VERSION, _LOCAL, _PROXY = 0x20, 0, 1
_INET, _INET6, _UNIX = 0x10, 0x20, 0x30
_STREAM, _DGRAM = 1, 2
_ADDRESS_BYTES = {_INET: 12, _INET6: 36, _UNIX: 216}
_ALPN, _AUTHORITY, _CRC32C, _UNIQUE_ID, _SSL = 0x01, 0x02, 0x03, 0x05, 0x20
_SSL_VERSION, _SSL_CN, _SSL_CIPHER = 0x21, 0x22, 0x23
_OVER_TLS, _CERTIFICATE_SHOWN, _CERTIFICATE_OF_SESSION = 1, 2, 4

_PORT = rb"(0|[1-9][0-9]{0,4})"
_OCTET = rb"(?:0|[1-9][0-9]{0,2})"
_IPV4 = rb"(" + rb"\.".join([_OCTET] * 4) + rb")"
_IPV6 = rb"([0-9A-Fa-f:.]{2,39})"
_TCP4 = re.compile(rb"PROXY TCP4 " + _IPV4 + rb" " + _IPV4 + rb" " + _PORT + rb" " + _PORT + rb"\r\n")
_TCP6 = re.compile(rb"PROXY TCP6 " + _IPV6 + rb" " + _IPV6 + rb" " + _PORT + rb" " + _PORT + rb"\r\n")
_UNKNOWN = re.compile(rb"PROXY UNKNOWN(?: [^\r\n]*)?\r\n")
_PORT_MAX = 65535


class NoHeader(Exception):
    """Bytes that are no header, and cannot become one; ``str()`` says why."""


@dataclass(frozen=True)
class Extras:
    """What a header of version 2 may say besides addresses; empty where it does not.

    ``over_tls``: the client came over TLS; ``verified``: with a certificate that was found good, whose name is ``client_cn``.
    """

    alpn: bytes = b""
    authority: str = ""  # the host that the client asked for: what TLS calls its SNI
    unique_id: bytes = b""
    over_tls: bool = False
    verified: bool = False
    tls_version: str = ""
    cipher: str = ""
    client_cn: str = ""


NOTHING_MORE = Extras()


@dataclass(frozen=True)
class Header:
    """``source`` is the client's address and ``destination`` the one it connected to, IPv4 ones always written as such. Both are "" where the header
    names nobody (LOCAL, UNKNOWN, what is not TCP over IP): then the connection is its sender's own.
    """

    version: int
    source: str = ""
    source_port: int = 0
    destination: str = ""
    destination_port: int = 0
    extras: Extras = NOTHING_MORE


class HeaderReader:
    """Reads one header of either version, however it is cut into pieces. ``header`` is there once it is whole."""

    __slots__ = ("_held", "header")

    def __init__(self) -> None:
        self._held = bytearray()
        self.header: Optional[Header] = None

    def feed(self, data: bytes) -> int:
        """How many of these bytes belong to the header: all of them while it is not whole.

        Raises NoHeader as soon as there cannot be one within the bounds above. Once it is whole there is nothing more to feed.
        """
        before = len(self._held)
        held = self._held
        held += data[: V2_BYTES_MAX + 1]
        first = bytes(held[:_FIXED_BYTES])
        if first.startswith(_SIGNATURE):
            end = self._end_of_v2(first)
            if end and len(held) >= end:
                self.header = _read_v2(bytes(held[:end]))
        elif first.startswith(_V1_BEGINS):
            end = held.find(b"\n", 0, V1_BYTES_MAX) + 1
            if end:
                self.header = _read_v1(bytes(held[:end]))
            elif len(held) >= V1_BYTES_MAX:
                raise NoHeader(f"a header of version 1 that does not end within {V1_BYTES_MAX} bytes")
        elif _SIGNATURE.startswith(first) or _V1_BEGINS.startswith(first):
            return len(data)
        else:
            raise NoHeader("what begins otherwise than a header of the PROXY protocol")
        return end - before if self.header is not None else len(data)

    def _end_of_v2(self, first: bytes) -> int:
        """Where the header ends, by its fixed part; 0 while that is not whole."""
        if len(first) > 12 and first[12] not in (_VERSION | _LOCAL, _VERSION | _PROXY):
            raise NoHeader(f"a header of version {first[12] >> 4} with command {first[12] & 15}, which the protocol does not know")
        if len(first) < _FIXED_BYTES:
            return 0
        end = _FIXED_BYTES + (first[14] << 8 | first[15])
        if end > V2_BYTES_MAX:
            raise NoHeader(f"a header of {end} bytes, where {V2_BYTES_MAX} may be")
        if first[12] == _VERSION | _PROXY:
            family, transport = first[13] & 0xF0, first[13] & 0x0F
            if family > _UNIX or transport > _DGRAM:
                raise NoHeader(f"a header of family {family >> 4} and transport {transport}, which the protocol does not know")
            if transport and end - _FIXED_BYTES < _ADDRESS_BYTES.get(family, 0):
                raise NoHeader("a header too short for its addresses")
        return end


def _read_v1(line: bytes) -> Header:
    match = _TCP4.fullmatch(line) or _TCP6.fullmatch(line)
    if match is None:
        if _UNKNOWN.fullmatch(line) is None:
            raise NoHeader("a line of version 1 that is malformed")
        return Header(1)
    four = line.startswith(b"PROXY TCP4")
    source_port, destination_port = int(match[3]), int(match[4])
    if source_port > _PORT_MAX or destination_port > _PORT_MAX:
        raise NoHeader("a line of version 1 with a port beyond 65535")
    return Header(1, _address(match[1], four), source_port, _address(match[2], four), destination_port)


def _address(text: bytes, four: bool) -> str:
    try:
        return str(ipaddress.IPv4Address(text.decode())) if four else _text6(ipaddress.IPv6Address(text.decode()))
    except ValueError:
        raise NoHeader(f"a line of version 1 with {text.decode()}, which is no address") from None


def _text6(address: ipaddress.IPv6Address) -> str:
    """An IPv4 client of somebody who listens on IPv6 is an IPv4 client (RFC 4291 2.5.5.2)."""
    mapped = address.ipv4_mapped
    return str(address) if mapped is None else str(mapped)


def _read_v2(header: bytes) -> Header:
    family, transport = header[13] & 0xF0, header[13] & 0x0F
    if header[12] == _VERSION | _LOCAL or family not in _ADDRESS_BYTES or not transport:
        return Header(2)
    start = _FIXED_BYTES + _ADDRESS_BYTES[family]
    extras = _read_extras(header, start) if len(header) > start else NOTHING_MORE
    if family == _UNIX or transport != _STREAM:
        return Header(2, extras=extras)  # addresses that no TCP connection has
    if family == _INET:
        source = str(ipaddress.IPv4Address(header[16:20]))
        destination = str(ipaddress.IPv4Address(header[20:24]))
    else:
        source = _text6(ipaddress.IPv6Address(header[16:32]))
        destination = _text6(ipaddress.IPv6Address(header[32:48]))
    ports = struct.unpack("!HH", header[start - 4 : start])
    return Header(2, source, ports[0], destination, ports[1], extras)


def _vectors(content: bytes, start: int, end: int) -> list[tuple[int, int, int]]:
    """(type, start, end) of the values from ``start`` on and before ``end``."""
    found: list[tuple[int, int, int]] = []
    at = start
    while at < end:
        value = at + 3
        stop = value + (content[at + 1] << 8 | content[at + 2]) if value <= end else end + 1
        if stop > end:
            raise NoHeader("a header with a value that does not end in it")
        found.append((content[at], value, stop))
        at = stop
    return found


def _read_extras(header: bytes, start: int) -> Extras:
    """Of what is said twice the first counts, as for HAProxy."""
    values: dict[int, tuple[int, int]] = {}
    for kind, first, end in _vectors(header, start, len(header)):
        values.setdefault(kind, (first, end))
        if kind == _CRC32C:
            _verify(header, first, end)
    unique_id = _value(header, values, _UNIQUE_ID)
    authority = _value(header, values, _AUTHORITY)
    if len(unique_id) > UNIQUE_ID_BYTES_MAX:
        raise NoHeader(f"a unique id of {len(unique_id)} bytes, where {UNIQUE_ID_BYTES_MAX} may be")
    if len(authority) > AUTHORITY_BYTES_MAX:
        raise NoHeader(f"an authority of {len(authority)} bytes, where {AUTHORITY_BYTES_MAX} may be")
    alpn = _value(header, values, _ALPN)
    if _SSL not in values:
        return Extras(alpn, _text(authority), unique_id)
    first, end = values[_SSL]
    if end - first < 5:
        raise NoHeader("a header that says too little of its client's TLS")
    flags = header[first]
    verified = bool(flags & (_CERTIFICATE_SHOWN | _CERTIFICATE_OF_SESSION)) and not any(header[first + 1 : first + 5])
    of_tls: dict[int, tuple[int, int]] = {}
    for kind, at, stop in _vectors(header, first + 5, end):
        of_tls.setdefault(kind, (at, stop))
    version, cipher, client_cn = [_text(_value(header, of_tls, kind)) for kind in (_SSL_VERSION, _SSL_CIPHER, _SSL_CN)]
    return Extras(alpn, _text(authority), unique_id, bool(flags & _OVER_TLS), verified, version, cipher, client_cn)


def _value(header: bytes, values: dict[int, tuple[int, int]], kind: int) -> bytes:
    first, end = values.get(kind, (0, 0))
    return header[first:end]


def _text(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise NoHeader("a header with a name that is no UTF-8") from None
    if text and not text.isprintable():
        raise NoHeader("a header with a name that holds control characters")
    return text


def _verify(header: bytes, first: int, end: int) -> None:
    """2.2.3: the checksum counts as four zeroes while it is computed."""
    if end - first != 4 or crc32c(header[:first] + bytes(4) + header[end:]) != int.from_bytes(header[first:end], "big"):
        raise NoHeader("a header whose checksum is not that of its bytes")


# Written

UNKNOWN_V1 = b"PROXY UNKNOWN\r\n"
LOCAL_V2 = _SIGNATURE + bytes((_VERSION | _LOCAL, 0, 0, 0))  # a connection of the sender's own: a health check


def write_v1(source: str, source_port: int, destination: str, destination_port: int) -> bytes:
    """The line that says whose a connection is; where one of the addresses is IPv6, the other is written so too."""
    ours, theirs = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    if ours.version != theirs.version:
        ours, theirs = _as_ipv6(ours), _as_ipv6(theirs)
    return f"PROXY TCP{ours.version} {ours} {theirs} {source_port} {destination_port}\r\n".encode()


def write_v2(source: str, source_port: int, destination: str, destination_port: int, extras: Extras = NOTHING_MORE) -> bytes:
    """The same in binary, with what else is known of the client."""
    ours, theirs = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    if ours.version != theirs.version:
        ours, theirs = _as_ipv6(ours), _as_ipv6(theirs)
    family = _INET if ours.version == 4 else _INET6
    content = ours.packed + theirs.packed + struct.pack("!HH", source_port, destination_port)
    if extras is not NOTHING_MORE:
        content += _written(extras)
    return _SIGNATURE + struct.pack("!BBH", _VERSION | _PROXY, family | _STREAM, len(content)) + content


def _as_ipv6(address: object) -> ipaddress.IPv6Address:
    if isinstance(address, ipaddress.IPv6Address):
        return address
    if not isinstance(address, ipaddress.IPv4Address):
        raise AssertionError("an address of no version")
    return ipaddress.IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed)


def _vector(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value if value else b""


def _written(extras: Extras) -> bytes:
    written = _vector(_ALPN, extras.alpn) + _vector(_AUTHORITY, extras.authority.encode()) + _vector(_UNIQUE_ID, extras.unique_id)
    if not extras.over_tls:
        return written
    flags = _OVER_TLS | (_CERTIFICATE_SHOWN | _CERTIFICATE_OF_SESSION if extras.verified else 0)
    tls = struct.pack("!BI", flags, 0 if extras.verified else 1) + _vector(_SSL_VERSION, extras.tls_version.encode())
    return written + _vector(_SSL, tls + _vector(_SSL_CN, extras.client_cn.encode()) + _vector(_SSL_CIPHER, extras.cipher.encode()))


# The checksum of RFC 4960 appendix B (Castagnoli), a byte at a time: headers are short, and few carry one.


def _crc_table() -> list[int]:
    table: list[int] = []
    for byte in range(256):
        value = byte
        for _bit in range(8):
            value = value >> 1 ^ 0x82F63B78 if value & 1 else value >> 1
        table.append(value)
    return table


_CRC_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ _CRC_TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF
