"""A check of type mysql, for MySQL and MariaDB: reads the greeting, and begins and ends a session where there is a user for it. Pure.

A server counts hosts that leave after its greeting, and locks them out after ``max_connect_errors``; a session is none of those.
Packets: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html
"""

from __future__ import annotations

import struct
from typing import Optional

from .conversation import ANSWER_BYTES_MAX, Dialogue, Step, Unreadable, shown

_VERSION = 10  # of the handshake
_OK, _MORE, _SWITCH, _ERROR = 0x00, 0x01, 0xFE, 0xFF
_PLUGIN_AUTH = 0x0008_0000
_CAPABILITIES = 0x0000_0001 | 0x0000_0200 | 0x0000_8000  # long password, protocol 4.1, secure connection
_UTF8 = 33
_MARIADB = b"5.5.5-"  # stands before its version, for what compares versions
_PACKET_BYTES_MAX = 0x00FF_FFFF
_QUIT = b"\x01\x00\x00\x00\x01"


class MysqlCheck(Dialogue):
    """``user`` has no password; without one ("") the greeting is enough."""

    PROTOCOL = "MySQL"

    def __init__(self, user: str) -> None:
        super().__init__()
        self._user = user
        self._version = ""
        self._has_switched = False

    def _read(self) -> Step:
        packet = self._packet()
        if packet is None:
            return None
        number, content = packet
        if content[0] == _ERROR:
            return False, f"MySQL says {_error(content)}"
        return self._answered(number, content) if self._version else self._greeted(content)

    def _packet(self) -> Optional[tuple[int, bytes]]:
        """The next one, taken, with its number."""
        if len(self._buffer) < 4:
            return None
        size = int.from_bytes(self._buffer[:3], "little")
        if not 0 < size < ANSWER_BYTES_MAX:
            raise Unreadable(f"it begins with {shown(self._buffer[:16])}")
        if len(self._buffer) < 4 + size:
            return None
        number, content = self._buffer[3], bytes(self._buffer[4 : 4 + size])
        del self._buffer[: 4 + size]
        return number, content

    def _greeted(self, content: bytes) -> Step:
        version, _zero, rest = content[1:].partition(b"\0")
        # Then: thread, 4 bytes; the first part of a challenge, 8; 0; capabilities, 2; character set, 1; state, 2; more capabilities, 2.
        if content[0] != _VERSION or not version or len(rest) < 20:
            raise Unreadable(f"its greeting begins with {shown(content[:16])}")
        self._version = shown(version[len(_MARIADB) :] if version.startswith(_MARIADB) else version)
        if not self._user:
            return True, f"MySQL {self._version} greets"
        knows_plugins = int.from_bytes(rest[18:20], "little") << 16 & _PLUGIN_AUTH
        answer = struct.pack("<IIB23x", _CAPABILITIES | knows_plugins, _PACKET_BYTES_MAX, _UTF8) + self._user.encode() + b"\0\0"
        return _packed(1, answer + (b"mysql_native_password\0" if knows_plugins else b""))

    def _answered(self, number: int, content: bytes) -> Step:
        if content[0] == _OK:
            self.farewell = _QUIT
            return True, f"MySQL {self._version} has begun a session"
        if content[0] == _SWITCH and not self._has_switched:  # to how this user proves who it is; without a password, with nothing
            self._has_switched = True
            plugin = content[1:].partition(b"\0")[0]
            return _packed(number + 1, b"\0" if b"sha2" in plugin or b"sha256" in plugin else b"")
        if content[0] == _MORE and content[1:] == b"\x03":  # what comes next is the OK
            return self._read()
        if content[0] in (_MORE, _SWITCH):
            return False, "MySQL asks for more than a name; a check has no password"
        raise Unreadable(f"the name is answered with {shown(content[:16])}")


def _packed(number: int, content: bytes) -> bytes:
    return len(content).to_bytes(3, "little") + bytes((number & 0xFF,)) + content


def _error(content: bytes) -> str:
    number, text = int.from_bytes(content[1:3], "little"), content[3:]
    return f"error {number}: {shown(text[6:] if text.startswith(b'#') else text)}"
