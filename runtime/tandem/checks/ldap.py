"""A check of type ldap: binds anonymously (RFC 4511 4.2, RFC 4513 5.1.1). Pure."""

from __future__ import annotations

from typing import Optional

from .conversation import ANSWER_BYTES_MAX, Dialogue, Step, Unreadable, shown

# BER (X.690): message 1, a bind of version 3, without a name, by an empty password; and message 2, the end.
_BIND = bytes.fromhex("30 0c 020101 60 07 020103 0400 8000")
_UNBIND = bytes.fromhex("30 05 020102 4200")
_SEQUENCE, _INTEGER, _TEXT, _CODE = 0x30, 0x02, 0x04, 0x0A
_BIND_RESPONSE, _NOTICE = 0x61, 0x78
_SUCCESS = 0
_MEANINGS = {
    2: "protocol error",
    8: "stronger authentication is required",
    13: "confidentiality is required",
    48: "anonymous binds are refused",
    50: "insufficient rights",
    51: "busy",
    52: "unavailable",
    53: "unwilling to perform",
}  # RFC 4511 A.1


class LdapCheck(Dialogue):
    PROTOCOL = "LDAP"
    farewell = _UNBIND

    @property
    def opening(self) -> bytes:
        return _BIND

    def _read(self) -> Step:
        message = _element(self._buffer, 0, _SEQUENCE)
        if message is None:
            return None
        if message[1] > len(self._buffer):
            return None
        end = message[1]
        number = self._inner(message[0], end, _INTEGER)
        kind = self._buffer[number[1]] if number[1] < end else 0
        if kind not in (_BIND_RESPONSE, _NOTICE):
            raise Unreadable(f"it begins with {shown(self._buffer[:16])}")
        code = self._inner(self._inner(number[1], end, kind)[0], end, _CODE)
        matched = self._inner(code[1], end, _TEXT)
        told = self._inner(matched[1], end, _TEXT)
        result = int.from_bytes(self._buffer[code[0] : code[1]], "big")
        text = bytes(self._buffer[told[0] : told[1]])
        if kind == _BIND_RESPONSE and result == _SUCCESS:
            return True, "LDAP took an anonymous bind"
        why = f" ({_MEANINGS[result]})" if result in _MEANINGS else ""
        return False, f"LDAP says result {result}{why}{f': {shown(text)}' if text else ''}"

    def _inner(self, at: int, message_end: int, tag: int) -> tuple[int, int]:
        """Where the content of an element within the message begins and ends."""
        found = _element(self._buffer, at, tag) if at < message_end else None
        if found is None or found[1] > message_end:
            raise Unreadable(f"it begins with {shown(self._buffer[:16])}")
        return found


def _element(buffer: bytearray, at: int, tag: int) -> Optional[tuple[int, int]]:
    """Where the content of the element at ``at`` begins and ends; None while its head is not there. Raises Unreadable for another, or a long one."""
    head = buffer[at : at + 6]
    if head and head[0] != tag:
        raise Unreadable(f"it begins with {shown(buffer[:16])}")
    if len(head) < 2:
        return None
    size, length_bytes = head[1], 0
    if size & 0x80:
        length_bytes = size & 0x7F
        if not 0 < length_bytes <= 4:
            raise Unreadable(f"it begins with {shown(buffer[:16])}")
        if len(head) < 2 + length_bytes:
            return None
        size = int.from_bytes(head[2 : 2 + length_bytes], "big")
    if size > ANSWER_BYTES_MAX:
        raise Unreadable(f"it claims to have {size} bytes")
    begin = at + 2 + length_bytes
    return begin, begin + size
