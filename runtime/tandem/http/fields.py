"""What heads of requests and of responses have in common: the grammar of fields, Connection's options, lengths (RFC 9110 5, RFC 9112 5 and 6)."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

from .head import BadMessage

# With their types, as mypyc does not infer those of names that it reaches through "from . import fields".
TOKEN: bytes = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
VALUE: bytes = rb"[\t\x20-\x7e\x80-\xff]*"  # no control characters but the tab (RFC 9110 5.5)
BLANKS: bytes = b" \t"
_FIELD_LINE = re.compile(rb"([^:\r\n]+):[^\r\n]*\r\n")
_FIELD = re.compile(rb"([^:\r\n]+):[ \t]*([^\r\n]*)\r\n")
_LENGTH_DIGITS_MAX = 18

# Connection's own words; and fields for framing and routing, which are never hop-by-hop, whatever Connection says.
_NEVER_NOMINATED = frozenset(
    (b"", b"close", b"keep-alive", b"upgrade", b"te", b"host", b"content-length", b"transfer-encoding", b"expect", b"max-forwards")
)


def list_of(value: bytes) -> list[bytes]:
    """The members of a list (RFC 9110 5.6.1) without the empty ones, as they came."""
    return [member for member in (part.strip(BLANKS) for part in value.split(b",")) if member]


def connection_options(value: bytes) -> set[bytes]:
    """Connection's options in lower case (RFC 9110 7.6.1)."""
    return {option.strip(BLANKS) for option in value.lower().split(b",")}


def nominated(options: set[bytes]) -> set[bytes]:
    """The fields that Connection takes away, of those that it may."""
    return options - _NEVER_NOMINATED


def spans_of(raw: bytes, fields_start: int, names: AbstractSet[bytes]) -> list[tuple[int, int]]:
    """Where the fields of these names (in lower case) lie in a head, with the ends of their lines."""
    return [match.span() for match in _FIELD_LINE.finditer(raw, fields_start) if match[1].lower() in names]


def values_by_name(raw: bytes, fields_start: int) -> dict[bytes, list[bytes]]:
    """The values of all fields of a head, by their names in lower case."""
    found: dict[bytes, list[bytes]] = {}
    for match in _FIELD.finditer(raw, fields_start):
        found.setdefault(match[1].lower(), []).append(match[2].rstrip(BLANKS))
    return found


def joined(raw: bytes, fields_start: int, name: bytes) -> bytes:
    """All values of the fields of that name (in lower case) as one (RFC 9110 5.3); quicker than ``values_by_name`` where few are asked for."""
    wanted, lowered, found = b"\n%b:" % name, raw.lower(), b""
    at = lowered.find(wanted, fields_start - 1)
    while at >= 0:
        at += len(wanted)
        end = lowered.find(b"\r", at)
        value = raw[at:end].strip(BLANKS)
        found = found + b", " + value if found else value
        at = lowered.find(wanted, end)
    return found


def without(raw: bytes, fields_start: int, cuts: list[tuple[int, int]]) -> bytes:
    """The field lines of a head, without its empty line and without what ``cuts`` cover, in any order."""
    if not cuts:
        return raw[fields_start:-2]
    kept: list[bytes] = []
    at = fields_start
    for start, end in sorted(cuts):
        if start > at:
            kept.append(raw[at:start])
        at = max(at, end)
    kept.append(raw[at:-2])
    return b"".join(kept)


def content_length(value: bytes, malformed: int, too_large: int) -> int:
    """A Content-Length (RFC 9110 8.6). Raises BadMessage with one of the two statuses."""
    if not value.isdigit():  # of bytes: ASCII digits only, one at least
        raise BadMessage(malformed, "a Content-Length that is not a number (RFC 9112 6.3)")
    if len(value) > _LENGTH_DIGITS_MAX:
        value = value.lstrip(b"0")
        if len(value) > _LENGTH_DIGITS_MAX:
            raise BadMessage(too_large, f"a Content-Length of more than {_LENGTH_DIGITS_MAX} digits")
    return int(value or b"0")
