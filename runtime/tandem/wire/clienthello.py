"""The ClientHello that opens a TLS connection, read without taking part in it (RFC 8446 4.1.2, RFC 5246 7.4.1.2): which name, protocols and versions
a client asks for. Pure.

It goes on to somebody who reads it too, so what two readers could understand differently is refused. What is encrypted in it (ECH) is not looked
into: the name is that of the outer hello, which is all that one on the way may know (RFC 9849).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Optional

# With the headers of its records. Clients send 200 to 2,000 bytes; OpenSSL takes 128 KiB, which would be a lot to hold for a stranger.
HELLO_BYTES_MAX = 65536

_RECORD_HEADER_BYTES = 5
_FRAGMENT_BYTES_MAX = 16384  # RFC 8446 5.1
_HANDSHAKE, _MAJOR_VERSION = 22, 3
_CLIENT_HELLO = 1
_TLS_1_2 = 0x0303
_SESSION_ID_BYTES_MAX = 32
_SERVER_NAME, _ALPN, _PRE_SHARED_KEY, _SUPPORTED_VERSIONS = 0, 16, 41, 43
_HOST_NAME_TYPE = 0
_HOST_NAME_BYTES_MAX = 253
# Underscores, and hyphens at the ends of labels, are no letters of a host name (RFC 1123 2.1), but names that people use have them.
_HOST_NAME = re.compile(rb"[0-9a-z_-]{1,63}(?:\.[0-9a-z_-]{1,63})*")

# What of the message is read next
(
    _TYPE,
    _LENGTH,
    _VERSION,
    _RANDOM,
    _SESSION_ID_LENGTH,
    _SESSION_ID,
    _CIPHERS_LENGTH,
    _CIPHERS,
    _COMPRESSIONS_LENGTH,
    _COMPRESSIONS,
    _EXTENSIONS_LENGTH,
    _EXTENSION_HEADER,
    _EXTENSION,
    _DONE,
) = range(14)
# What is not looked into, and what follows: a state and its bytes
_AFTER_SKIPPED = {_RANDOM: (_SESSION_ID_LENGTH, 1), _SESSION_ID: (_CIPHERS_LENGTH, 2), _CIPHERS: (_COMPRESSIONS_LENGTH, 1)}


class NoHello(Exception):
    """Bytes that are no ClientHello, and cannot become one; ``str()`` says why."""


@dataclass(frozen=True)
class Hello:
    """What a client asks for.

    ``server_name`` is in lower case without a dot at its end; "" for none, and where the client names an address, which is none (RFC 6066 3).
    ``alpn`` and ``versions`` are in the client's order, as it offers them, GREASE among them (RFC 8701). A hello from before TLS 1.3 states its
    highest version only.
    """

    server_name: str
    alpn: tuple[bytes, ...]
    versions: tuple[int, ...]


class HelloReader:
    """Reads one ClientHello, however it is cut into records and reads. It looks at each byte once, and as soon as it is there."""

    __slots__ = (
        "_alpn",
        "_at",
        "_end",
        "_extension",
        "_header",
        "_message",
        "_need",
        "_record_left",
        "_seen",
        "_server_name",
        "_state",
        "_taken",
        "_versions",
    )

    def __init__(self) -> None:
        self._taken: int = 0  # bytes on the wire
        self._header = bytearray()  # of a record, while it is not whole
        self._record_left: int = 0
        self._message = bytearray()
        self._at: int = 0  # how far the message has been read
        self._need: int = 1  # bytes that the next step reads
        self._end: int = HELLO_BYTES_MAX  # of the message, once it has said its length
        self._state: int = _TYPE
        self._extension: int = 0  # the one that is being read
        self._seen: set[int] = set()
        self._server_name: str = ""
        self._alpn: tuple[bytes, ...] = ()
        self._versions: tuple[int, ...] = ()

    def feed(self, data: bytes) -> Optional[Hello]:
        """The hello, or None while it is not whole; what comes behind it is not looked at, and then there is nothing more to feed.

        Raises NoHello as soon as there cannot be one within ``HELLO_BYTES_MAX``, with the same bytes always at the same byte.
        """
        size, at = len(data), 0
        while at < size:
            if not self._record_left:
                step = min(_RECORD_HEADER_BYTES - len(self._header), size - at)
                self._header += data[at : at + step]
                self._read_record_header()
            else:
                step = min(self._record_left, size - at)
                self._message += data[at : at + step]
                self._record_left -= step
            at += step
            self._taken += step
            self._read_message()
            if self._state == _DONE and self._taken <= HELLO_BYTES_MAX:
                return Hello(self._server_name, self._alpn, self._versions)
            if self._taken >= HELLO_BYTES_MAX:
                raise NoHello(f"a ClientHello longer than {HELLO_BYTES_MAX} bytes")
        return None

    def _read_record_header(self) -> None:
        header = self._header
        if header[0] != _HANDSHAKE:
            if self._taken:
                raise NoHello(f"a record of type {header[0]} in the middle of a ClientHello (RFC 8446 5.1)")
            if header[0] & 0x80:
                raise NoHello("a hello of SSLv2, or something that is not TLS")
            raise NoHello("something that is not TLS, or does not begin with a handshake")
        if len(header) > 1 and header[1] != _MAJOR_VERSION:  # the minor one means nothing (RFC 8446 5.1)
            raise NoHello(f"a record of version {header[1]}, which is not TLS")
        if len(header) == _RECORD_HEADER_BYTES:
            self._record_left = header[3] << 8 | header[4]
            if not 0 < self._record_left <= _FRAGMENT_BYTES_MAX:
                raise NoHello(f"a record of {self._record_left} bytes (RFC 8446 5.1)")
            self._header = bytearray()

    def _read_message(self) -> None:
        """Reads as far as there are bytes."""
        while self._state != _DONE and len(self._message) - self._at >= self._need:
            start = self._at
            self._at += self._need
            self._read_piece(bytes(self._message[start : self._at]))
        if self._state == _DONE and len(self._message) + self._record_left > self._end:
            raise NoHello("something behind the ClientHello in its record")

    def _go_on(self, state: int, need: int) -> None:
        if self._at + need > self._end:
            raise NoHello("a ClientHello that ends in the middle")
        self._state = state
        self._need = need

    def _read_piece(self, piece: bytes) -> None:
        state = self._state
        if state == _EXTENSION_HEADER:
            self._begin_extension(piece[0] << 8 | piece[1], piece[2] << 8 | piece[3])
        elif state == _EXTENSION:
            self._read_extension(piece)
            self._next_extension()
        elif state in _AFTER_SKIPPED:
            after, need = _AFTER_SKIPPED[state]
            self._go_on(after, need)
        elif state == _TYPE:
            if piece[0] != _CLIENT_HELLO:
                raise NoHello(f"a handshake that begins with a message of type {piece[0]}")
            self._go_on(_LENGTH, 3)
        elif state == _VERSION:
            if piece[0] != _MAJOR_VERSION:
                raise NoHello(f"a ClientHello of version {piece[0]}.{piece[1]}, which is not TLS")
            # Without supported_versions it is TLS 1.2 or older, whatever is written here (RFC 8446 4.2.1).
            self._versions = (min(piece[0] << 8 | piece[1], _TLS_1_2),)
            self._go_on(_RANDOM, 32)
        elif state == _COMPRESSIONS:
            if 0 not in piece:
                raise NoHello("no null compression method (RFC 5246 7.4.1.2)")
            if self._at == self._end:
                self._state = _DONE  # a hello without extensions, as TLS 1.2 has it
            else:
                self._go_on(_EXTENSIONS_LENGTH, 2)
        else:
            self._read_length(state, int.from_bytes(piece, "big"))

    def _read_length(self, state: int, size: int) -> None:
        if state == _LENGTH:
            if self._at + size > HELLO_BYTES_MAX:
                raise NoHello(f"a ClientHello longer than {HELLO_BYTES_MAX} bytes")
            self._end = self._at + size
            self._go_on(_VERSION, 2)
        elif state == _SESSION_ID_LENGTH:
            if size > _SESSION_ID_BYTES_MAX:
                raise NoHello(f"a session id of {size} bytes")
            self._go_on(_SESSION_ID, size)
        elif state == _CIPHERS_LENGTH:
            if size < 2 or size % 2:
                raise NoHello(f"{size} bytes of cipher suites")
            self._go_on(_CIPHERS, size)
        elif state == _COMPRESSIONS_LENGTH:
            self._go_on(_COMPRESSIONS, size)
        else:
            if self._at + size != self._end:
                raise NoHello("extensions that do not end with the ClientHello")
            self._next_extension()

    # Extensions (RFC 8446 4.2)

    def _next_extension(self) -> None:
        if self._at == self._end:
            self._state = _DONE
        else:
            self._go_on(_EXTENSION_HEADER, 4)

    def _begin_extension(self, number: int, size: int) -> None:
        if number in self._seen:
            raise NoHello(f"extension {number} twice (RFC 8446 4.2)")
        if _PRE_SHARED_KEY in self._seen:
            raise NoHello("an extension behind pre_shared_key (RFC 8446 4.2.11)")
        self._seen.add(number)
        self._extension = number
        self._go_on(_EXTENSION, size)

    def _read_extension(self, content: bytes) -> None:
        if self._extension == _SERVER_NAME:
            self._server_name = _server_name_in(_list_in(content, 2, "server_name"))
        elif self._extension == _ALPN:
            self._alpn = _protocols_in(_list_in(content, 2, "application_layer_protocol_negotiation"))
        elif self._extension == _SUPPORTED_VERSIONS:
            versions = _list_in(content, 1, "supported_versions")
            if len(versions) % 2:
                raise NoHello("supported_versions that end in the middle")
            self._versions = tuple([versions[at] << 8 | versions[at + 1] for at in range(0, len(versions), 2)])


def _list_in(content: bytes, length_bytes: int, name: str) -> bytes:
    """The list that fills an extension, without its length; none of them may be empty."""
    size = int.from_bytes(content[:length_bytes], "big")
    if not size or length_bytes + size != len(content):
        raise NoHello(f"{name} with a list that is empty, or longer or shorter than it says")
    return content[length_bytes:]


def _server_name_in(names: bytes) -> str:
    """RFC 6066 3: at most one name of each type. Types to come begin with a length of two bytes too."""
    server_name = ""
    types: set[int] = set()
    at = 0
    while at < len(names):
        end = at + 3 + int.from_bytes(names[at + 1 : at + 3], "big")
        if at + 3 > len(names) or end > len(names):
            raise NoHello("a server_name that ends in the middle")
        if names[at] in types:
            raise NoHello("two server names of one type (RFC 6066 3)")
        types.add(names[at])
        if names[at] == _HOST_NAME_TYPE:
            server_name = _host_name(names[at + 3 : end])
        at = end
    return server_name


def _host_name(name: bytes) -> str:
    lowered = name.lower()
    if lowered.endswith(b"."):
        lowered = lowered[:-1]
    if len(lowered) > _HOST_NAME_BYTES_MAX or _HOST_NAME.fullmatch(lowered) is None:
        if _is_address(lowered):
            return ""
        raise NoHello(f"a server name that is no host name: {name[:_HOST_NAME_BYTES_MAX]!r}")
    # Embedded clients send the address that they were given, though RFC 6066 3 forbids it. It names no host, so it is as if they had sent none.
    return "" if lowered[-1:].isdigit() and _is_address(lowered) else lowered.decode()


def _is_address(name: bytes) -> bool:
    try:
        ipaddress.ip_address(name.decode("ascii"))
    except ValueError:
        return False
    return True


def _protocols_in(names: bytes) -> tuple[bytes, ...]:
    """RFC 7301 3.1."""
    protocols: list[bytes] = []
    at = 0
    while at < len(names):
        end = at + 1 + names[at]
        if end == at + 1 or end > len(names):
            raise NoHello("a protocol name that is empty, or ends in the middle (RFC 7301 3.1)")
        protocols.append(names[at + 1 : end])
        at = end
    return tuple(protocols)
