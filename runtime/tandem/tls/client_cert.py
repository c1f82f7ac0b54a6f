"""A client's verified certificate as fields for servers: Client-Cert with the certificate itself (RFC 9440), Client-Cert-Subject in words."""

from __future__ import annotations

import base64
import ssl

from .stream import Tls

_SHORT = {
    "countryName": "C",
    "stateOrProvinceName": "ST",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "commonName": "CN",
    "domainComponent": "DC",
    "userId": "UID",
}
_SPECIAL = frozenset(',+"\\<>;=')


def client_cert_lines(tls: Tls) -> bytes:
    """The field lines, without the last one's end; b"" where the client has shown no certificate, or none was asked for."""
    encoded = tls.getpeercert(True)
    if not encoded or tls.context.verify_mode == ssl.CERT_NONE:
        return b""
    certificate = tls.getpeercert() or {}
    subject = certificate.get("subject", ())
    return b"Client-Cert: :%b:\r\nClient-Cert-Subject: %b" % (base64.b64encode(encoded), distinguished_name(subject).encode("ascii"))


def distinguished_name(subject: object) -> str:
    """A subject as ``getpeercert`` has it, as RFC 4514 writes it, in ASCII: what is not, and what could end a line, is escaped by bytes."""
    parts = []
    for relative in reversed(tuple(subject)) if isinstance(subject, (tuple, list)) else ():
        parts.append("+".join(f"{_SHORT.get(kind, kind)}={_escaped(str(value))}" for kind, value in relative))
    return ",".join(parts)


def _escaped(value: str) -> str:
    text = ""
    for place, character in enumerate(value):
        if character in _SPECIAL or (character in " #" and place == 0) or (character == " " and place == len(value) - 1):
            text += "\\" + character
        elif " " <= character <= "~":
            text += character
        else:
            text += "".join(f"\\{byte:02x}" for byte in character.encode())
    return text
