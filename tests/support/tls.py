"""Certificates for tests, made by an authority of their own (trustme)."""

from __future__ import annotations

import functools
import ssl
from datetime import datetime, timedelta, timezone

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tandem.tls.contexts import KeyPair
from tests.support.certificates import Made, revocations


@functools.lru_cache(maxsize=1)
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


def authority_pem() -> str:
    return authority().cert_pem.bytes().decode()


def pair(*names: str, days: int = 365, ca: trustme.CA | None = None, rsa: bool = False) -> KeyPair:
    """A certificate for these names and its key, of ECDSA or RSA; ``days`` below 0: it has expired."""
    now = datetime.now(timezone.utc)
    first = now + timedelta(days=min(days, 0) - 1)
    last = now + timedelta(days=days)
    kind = trustme.KeyType.RSA if rsa else trustme.KeyType.ECDSA
    made = (ca or authority()).issue_cert(*names, not_before=first, not_after=last, key_type=kind, common_name=names[0])
    chain = "".join(pem.bytes().decode() for pem in made.cert_chain_pems)
    return KeyPair(chain, made.private_key_pem.bytes().decode(), names, first.timestamp(), last.timestamp())


def revoked(*made: KeyPair) -> str:
    """The revocation list of our authority with these certificates."""
    ours = authority()
    by = Made(
        x509.load_pem_x509_certificate(ours.cert_pem.bytes()),
        serialization.load_pem_private_key(ours.private_key_pem.bytes(), None),
    )
    return revocations(by, *(x509.load_pem_x509_certificate(each.chain.encode()) for each in made))


def server_side(made: KeyPair, tmp_path, client_ca: str = "") -> ssl.SSLContext:
    """What a server of a test speaks TLS with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load(context, made, tmp_path)
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=client_ca)
    return context


def client_side(made: KeyPair | None = None, tmp_path=None) -> ssl.SSLContext:
    """What a client of a test trusts, and shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority_pem())
    if made is not None:
        load(context, made, tmp_path)
    return context


def load(context: ssl.SSLContext, made: KeyPair, tmp_path) -> None:
    file = tmp_path / f"{made.names[0].replace('*', '_')}.pem"
    file.write_text(made.chain + made.key)
    context.load_cert_chain(file)
