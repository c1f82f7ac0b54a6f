# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a certificate and a revocation list say of themselves: a reader of PEM (RFC 7468) and of the few parts of DER (X.690) in X.509 (RFC 5280).
Pure. Whatever is no such thing raises Malformed, nothing else. It verifies no signature: that is OpenSSL's work, when a connection is made.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----([^-]*)-----END ([A-Z0-9 ]{1,40})-----")
_SEQUENCE, _SET, _INTEGER, _BOOLEAN, _OCTETS, _OID, _BITS = 0x30, 0x31, 0x02, 0x01, 0x04, 0x06, 0x03
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_TEXTS = {0x0C: "utf-8", 0x13: "ascii", 0x16: "ascii", 0x12: "ascii", 0x1A: "ascii", 0x14: "latin-1", 0x1E: "utf-16-be", 0x1C: "utf-32-be"}
# The names that RFC 4514 3 asks every reader to know; others stand there by their numbers.
_ATTRIBUTES = {
    "2.5.4.3": "CN",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.6": "C",
    "2.5.4.9": "STREET",
    "0.9.2342.19200300.100.1.25": "DC",
    "0.9.2342.19200300.100.1.1": "UID",
}
_ALTERNATIVE_NAMES = "2.5.29.17"


class Malformed(ValueError):
    """The text or the bytes are not what they should be; ``str()`` says what is wrong with them."""


@dataclass(frozen=True)
class Certificate:
    """``names`` are those of subjectAltName: host names in lower case and IP addresses. Times are seconds since 1970; a name as RFC 4514 has it."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before_s: int
    not_after_s: int
    sha256: str
    raw_subject: bytes
    raw_issuer: bytes


@dataclass(frozen=True)
class Revocations:
    """A certificate revocation list; ``next_update_s`` is 0 where it names none."""

    issuer: str
    this_update_s: int
    next_update_s: int
    sha256: str


def pem_blocks(text: str) -> list[tuple[str, bytes]]:
    """(label, content) of every block; what stands between blocks is a comment (RFC 7468 5.2)."""
    found = []
    for match in _BLOCK.finditer(text):
        label, body, end = match.groups()
        if label != end:
            raise Malformed(f"which begins a block with {label} and ends it with {end}")
        found.append((label, _decoded(label, body)))
    if text.count("-----BEGIN ") != len(found):
        raise Malformed("in which a block is cut off or damaged")
    return found


def _decoded(label: str, body: str) -> bytes:
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Malformed(f"in which the block {label} is not base64") from None


def pem_of(label: str, content: bytes) -> str:
    """One block in its normal form: lines of 64 characters."""
    body = base64.b64encode(content).decode()
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


def certificates(text: str) -> list[Certificate]:
    """Every certificate of a PEM text, in its order."""
    return [read_certificate(content) for label, content in pem_blocks(text) if label == "CERTIFICATE"]


def revocations(text: str) -> list[Revocations]:
    """Every revocation list of a PEM text, in its order."""
    return [read_revocations(content) for label, content in pem_blocks(text) if label == "X509 CRL"]


def read_certificate(der: bytes) -> Certificate:
    """RFC 5280 4.1."""
    signed = _inside(_whole(der), _SEQUENCE, "certificate")
    fields = _Fields(_inside(_first(signed), _SEQUENCE, "certificate"))
    fields.skip(0xA0)  # version
    fields.take(_INTEGER)
    fields.take(_SEQUENCE)  # the algorithm of the signature
    issuer = fields.take(_SEQUENCE)
    validity = _Fields(fields.take(_SEQUENCE))
    not_before, not_after = validity.take_time(), validity.take_time()
    subject = fields.take(_SEQUENCE)
    fields.take(_SEQUENCE)  # the public key
    fields.skip(0x81, 0x82, 0xA1, 0xA2)
    names: tuple[str, ...] = ()
    if fields.next_is(0xA3):
        for oid, value in _extensions(_inside(_whole(fields.take(0xA3)), _SEQUENCE, "extensions")):
            if oid == _ALTERNATIVE_NAMES:
                names = tuple(_alternative_names(value))
    return Certificate(_name(subject), _name(issuer), names, not_before, not_after, hashlib.sha256(der).hexdigest(), subject, issuer)


def read_revocations(der: bytes) -> Revocations:
    """RFC 5280 5.1."""
    signed = _inside(_whole(der), _SEQUENCE, "revocation list")
    fields = _Fields(_inside(_first(signed), _SEQUENCE, "revocation list"))
    fields.skip(_INTEGER)
    fields.take(_SEQUENCE)
    issuer = fields.take(_SEQUENCE)
    this_update = fields.take_time()
    next_update = fields.take_time() if fields.next_is(_UTC_TIME) or fields.next_is(_GENERALIZED_TIME) else 0
    return Revocations(_name(issuer), this_update, next_update, hashlib.sha256(der).hexdigest())


def is_sequence(der: bytes) -> bool:
    """Whether the bytes are one sequence and nothing else, as every form of a private key is."""
    try:
        return _whole(der)[0] == _SEQUENCE
    except Malformed:
        return False


# DER: a tag, a length, the content (X.690 8.1)

_Element = tuple[int, bytes]


def _elements(data: bytes) -> Iterator[_Element]:
    at = 0
    while at < len(data):
        if len(data) - at < 2 or data[at] & 0x1F == 0x1F:
            raise Malformed("which ends within a field")
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            count = length & 0x7F
            # DER knows no indefinite lengths (X.690 10.1), and nothing here is longer than four bytes can say.
            if not 1 <= count <= 4 or at + count > len(data):
                raise Malformed("which has a field without a length")
            length = int.from_bytes(data[at : at + count], "big")
            at += count
        if at + length > len(data):
            raise Malformed("which ends within a field")
        yield tag, data[at : at + length]
        at += length


def _first(data: bytes) -> _Element:
    for element in _elements(data):
        return element
    raise Malformed("which lacks a field")


def _whole(data: bytes) -> _Element:
    found = list(_elements(data))
    if len(found) != 1:
        raise Malformed("which has bytes too many, or none")
    return found[0]


def _inside(element: _Element, tag: int, what: str) -> bytes:
    if element[0] != tag:
        raise Malformed(f"which is no {what}")
    return element[1]


class _Fields:
    """The fields of a sequence, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._left = deque(_elements(data))

    def next_is(self, tag: int) -> bool:
        return bool(self._left) and self._left[0][0] == tag

    def skip(self, *tags: int) -> None:
        while self._left and self._left[0][0] in tags:
            self._left.popleft()

    def take(self, tag: int) -> bytes:
        if not self.next_is(tag):
            raise Malformed("which lacks a field")
        return self._left.popleft()[1]

    def take_time(self) -> int:
        if self.next_is(_UTC_TIME):
            text = self.take(_UTC_TIME).decode("latin-1")
            text = ("19" if text[:2] >= "50" else "20") + text  # RFC 5280 4.1.2.5.1
        else:
            text = self.take(_GENERALIZED_TIME).decode("latin-1")
        if not re.fullmatch(r"[0-9]{14}Z", text):
            raise Malformed("which has a time that RFC 5280 does not know")
        try:
            return int(datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc).timestamp())
        except (ValueError, OverflowError):
            raise Malformed("which has a time that there is not") from None


def _oid(data: bytes) -> str:
    if not data or data[-1] & 0x80 or len(data) > 64:
        raise Malformed("which has an object identifier that is none")
    numbers, value = [], 0
    for byte in data:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    head = min(numbers[0] // 40, 2)
    return ".".join(map(str, [head, numbers[0] - 40 * head, *numbers[1:]]))


def _extensions(data: bytes) -> Iterator[tuple[str, bytes]]:
    for element in _elements(data):
        fields = _Fields(_inside(element, _SEQUENCE, "extension"))
        oid = _oid(fields.take(_OID))
        fields.skip(_BOOLEAN)
        yield oid, fields.take(_OCTETS)


def _alternative_names(data: bytes) -> Iterator[str]:
    """RFC 5280 4.2.1.6: of the kinds of names, those that a server can be asked by."""
    for tag, value in _elements(_inside(_whole(data), _SEQUENCE, "list of names")):
        if tag == 0x82:
            yield _printable(value.decode("latin-1")).lower()
        elif tag == 0x87 and len(value) in (4, 16):
            yield str(ipaddress.ip_address(value))


def _name(data: bytes) -> str:
    """A distinguished name as RFC 4514 2 writes it, the last part first."""
    parts = []
    for element in _elements(data):
        pairs = []
        for pair in _elements(_inside(element, _SET, "name")):
            fields = _Fields(_inside(pair, _SEQUENCE, "name"))
            oid = _oid(fields.take(_OID))
            pairs.append(f"{_ATTRIBUTES.get(oid, oid)}={_value(fields)}")
        parts.append("+".join(pairs))
    return ",".join(reversed(parts))


def _value(fields: _Fields) -> str:
    for tag, coding in _TEXTS.items():
        if fields.next_is(tag):
            try:
                return _escaped(fields.take(tag).decode(coding))
            except UnicodeDecodeError:
                raise Malformed("which has a text that is none") from None
    raise Malformed("which has a name that is no text")


def _escaped(text: str) -> str:
    """RFC 4514 2.4."""
    escaped = re.sub(r'([\\",+;<>])', r"\\\1", text).replace("\0", "\\00")
    if escaped[:1] in ("#", " "):
        escaped = "\\" + escaped
    if escaped.endswith(" ") and len(text) > 1:
        escaped = escaped[:-1] + "\\ "
    return _printable(escaped)


def _printable(text: str) -> str:
    """What is no character for a terminal or a log stands there as the bytes that it is."""
    return "".join(one if one.isprintable() else "".join(f"\\{byte:02x}" for byte in one.encode("utf-8", "surrogatepass")) for one in text)
