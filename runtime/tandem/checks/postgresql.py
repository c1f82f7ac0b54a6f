"""A check of type postgresql: asks whether TLS is spoken, or begins a session as far as it goes without a password. Pure.

Only what begins a session notices that the server starts up, recovers or is full. Messages: PostgreSQL's documentation, "Message Formats".
"""

from __future__ import annotations

import struct

from .conversation import ANSWER_BYTES_MAX, Dialogue, Step, Unreadable, shown

_ASK_FOR_TLS = struct.pack("!II", 8, 80877103)  # SSLRequest
_TERMINATE = b"X\x00\x00\x00\x04"
_AUTHENTICATED = 0


class PostgresqlCheck(Dialogue):
    """``user`` is who the session would be for; without one ("") none is begun."""

    PROTOCOL = "PostgreSQL"

    def __init__(self, user: str) -> None:
        super().__init__()
        self._user = user

    @property
    def opening(self) -> bytes:
        if not self._user:
            return _ASK_FOR_TLS
        parameters = b"user\0" + self._user.encode() + b"\0application_name\0tandem-health-check\0\0"
        return struct.pack("!II", 8 + len(parameters), 0x0003_0000) + parameters

    def _read(self) -> Step:
        kind = bytes(self._buffer[:1])
        if kind == b"E":
            return self._refused()
        if not kind:
            return None
        if not self._user:
            if kind not in (b"S", b"N"):
                raise Unreadable(f"it begins with {shown(self._buffer[:16])}")
            return True, f"PostgreSQL answers, {'with' if kind == b'S' else 'without'} TLS"
        if kind != b"R":
            raise Unreadable(f"it begins with {shown(self._buffer[:16])}")
        if len(self._buffer) < 9:
            return None
        size, method = struct.unpack("!II", self._buffer[1:9])
        if not 8 <= size < ANSWER_BYTES_MAX:
            raise Unreadable(f"it begins with {shown(self._buffer[:16])}")
        self.farewell = _TERMINATE
        return True, f"PostgreSQL {'has begun a session' if method == _AUTHENTICATED else 'asks who it is'}"

    def _refused(self) -> Step:
        if len(self._buffer) < 6:
            return None
        (size,) = struct.unpack("!I", self._buffer[1:5])
        if not 4 < size < ANSWER_BYTES_MAX:  # of protocol 2, as a server says that cannot even start one to answer: a text up to 0
            text, zero, _rest = self._buffer[1:].partition(b"\0")
            return (False, f"PostgreSQL says {shown(text.rstrip())}") if zero else None
        if len(self._buffer) < 1 + size:
            return None
        fields = {field[:1]: field[1:] for field in bytes(self._buffer[5 : 1 + size]).split(b"\0") if field}
        return False, f"PostgreSQL says {shown(fields.get(b'C', b''))[1:-1]}: {shown(fields.get(b'M', b''))}"
