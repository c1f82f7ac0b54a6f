# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options that hold PEM: certificates, their private keys, authorities, revocation lists. Their normal form, and what is shown in their place,
since nobody reads a diff of base64. Pure. A reader takes what the user gave, or raises ValueError(rule, way_out).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, Union

from . import _x509 as x509

CHAIN_MAX = 10  # certificates: what OpenSSL follows at most by default is 100, what anybody has is 2 to 4
TEXT_BYTES_MAX = 1 << 20

_LABELS_OF_KEYS = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")
_AS_PEM = "Give the text of the file, with its lines BEGIN and END; of a DER file: openssl x509 -inform DER -in FILE."


def chain(given: str) -> str:
    """The certificate of a server and those that lead to its authority, each issued by the next."""
    found = _blocks(given, ("CERTIFICATE",), "certificate")
    if not found:
        return ""
    if len(found) > CHAIN_MAX:
        raise ValueError(f"which is {len(found)} certificates", f"Give the server's own and those that lead to its authority, up to {CHAIN_MAX}.")
    read = [_read(x509.read_certificate, content) for content in found]
    for place, (one, after) in enumerate(zip(read, read[1:]), 1):
        if one.raw_issuer != after.raw_subject:
            rule = f'but certificate {place} ("{one.subject}") was issued by "{one.issuer}", and the next one is "{after.subject}"'
            raise ValueError(rule, "Give the server's own certificate first, then the one that issued it, and so on, and no others.")
    return _joined("CERTIFICATE", found)


def authorities(given: str) -> str:
    """Certificates that are trusted, in any order."""
    found = _blocks(given, ("CERTIFICATE",), "certificate")
    for content in found:
        _read(x509.read_certificate, content)
    return _joined("CERTIFICATE", sorted(set(found)))


def revocations(given: str) -> str:
    """Revocation lists of the authorities that are trusted, in any order."""
    found = _blocks(given, ("X509 CRL",), "revocation list")
    for content in found:
        _read(x509.read_revocations, content)
    return _joined("X509 CRL", sorted(set(found)))


def private_key(given: str) -> str:
    """One private key that is not encrypted, in the form that it has. Whether it fits a certificate, OpenSSL says (see ``_certificates``)."""
    if not given.strip():
        return ""
    if "ENCRYPTED" in given:
        way_out = "Give it as it is after: openssl pkey -in FILE, and keep that text in Ansible Vault."
        raise ValueError("but it is encrypted, and nobody is there to type a passphrase when a node starts", way_out)
    try:
        found = [(label, content) for label, content in x509.pem_blocks(given) if label != "EC PARAMETERS"]
    except x509.Malformed as error:
        raise ValueError(str(error), "Give the text of the file, with its lines BEGIN and END.") from None
    if len(found) != 1 or found[0][0] not in _LABELS_OF_KEYS or not x509.is_sequence(found[0][1]):
        raise ValueError("which is not one private key in PEM", "Give the key's block alone: openssl pkey -in FILE writes it.")
    return x509.pem_of(*found[0])


def _blocks(given: str, labels: tuple[str, ...], what: str) -> list[bytes]:
    """The contents of the blocks; none where the text is empty."""
    if not given.strip():
        return []
    if len(given) > TEXT_BYTES_MAX:
        raise ValueError("which is longer than 1 MiB", "Give those that are needed here.")
    if "PRIVATE KEY-----" in given:
        raise ValueError("but a private key is in it", "Give the key as private_key, which nobody is shown.")
    try:
        found = x509.pem_blocks(given)
    except x509.Malformed as error:
        raise ValueError(str(error), _AS_PEM) from None
    odd = [label for label, _content in found if label not in labels]
    if odd or not found:
        raise ValueError(f"but {odd[0]} is in it" if odd else f"but no {what} in PEM is in it", _AS_PEM)
    return [content for _label, content in found]


def _read(reader: Callable[[bytes], Any], content: bytes) -> Any:
    try:
        return reader(content)
    except x509.Malformed as error:
        raise ValueError(f"in which is something {error}".replace("something which", "something that"), _AS_PEM) from None


def _joined(label: str, contents: list[bytes]) -> str:
    return "".join(x509.pem_of(label, content) for content in contents)


# What diffs, results and messages show in place of the text

Shown = Union[str, dict[str, Any], list[str]]


def chain_shown(text: str) -> Shown:
    """Of the server's own certificate what people compare, of those behind it who they are; "" for none."""
    found = x509.certificates(text)
    if not found:
        return ""
    return {
        "subject": found[0].subject,
        "names": list(found[0].names),
        "issuer": found[0].issuer,
        "not_before": utc(found[0].not_before_s),
        "not_after": utc(found[0].not_after_s),
        "sha256": found[0].sha256,
        "chain": [_line(one) for one in found[1:]],
    }


def authorities_shown(text: str) -> Shown:
    return [_line(one) for one in x509.certificates(text)]


def revocations_shown(text: str) -> Shown:
    return [f"{one.issuer}, of {utc(one.this_update_s)}, sha256 {one.sha256}" for one in x509.revocations(text)]


def utc(seconds: int) -> str:
    """A time as RFC 3339 writes it."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _line(one: x509.Certificate) -> str:
    return f"{one.subject}, until {utc(one.not_after_s)}, sha256 {one.sha256}"
