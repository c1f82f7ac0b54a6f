"""Certificates as an authority would issue them, for tests: made by cryptography, in PEM."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from typing import Any, Optional

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Made:
    """A certificate with its key."""

    x509: x509.Certificate
    private_key: Any

    @property
    def pem(self) -> str:
        return self.x509.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key(self) -> str:
        return key_pem(self.private_key)


def key_pem(key: Any, form: str = "PKCS8", passphrase: Optional[bytes] = None) -> str:
    encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    pem: bytes = key.private_bytes(serialization.Encoding.PEM, getattr(serialization.PrivateFormat, form), encryption)
    return pem.decode()


def issued(
    subject: str,
    names: tuple[str, ...] = (),
    by: Optional[Made] = None,
    *,
    begins: float = -1,
    ends: float = 90,
    authority: bool = False,
    key: Any = None,
    organisation: str = "",
) -> Made:
    """A certificate by an authority, or by itself; ``begins`` and ``ends`` are days from now."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, subject)]
    parts += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)] if organisation else []
    name = x509.Name(parts)
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(by.x509.subject if by else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins * DAY)
        .not_valid_after(now + ends * DAY)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(one) for one in names]), critical=False)
    return Made(builder.sign(by.private_key if by else key, hashes.SHA256()), key)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def revocations(by: Made, *revoked: x509.Certificate, days: float = 7) -> str:
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateRevocationListBuilder().issuer_name(by.x509.subject).last_update(now).next_update(now + days * DAY)
    for certificate in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(now).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(by.private_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
