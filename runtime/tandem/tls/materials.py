"""The certificates that a document states, with their keys: read from where they lie on the node, and tried before anybody uses them."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from .._model import BackendTls, Certificate, Document, Frontend, ModelError, Problem, describe
from .._model import _x509 as x509
from .contexts import ClientTerms, KeyPair, tried

Pairs = Mapping[str, KeyPair]  # by the certificate's key, LOAD_BALANCER/NAME
Files = Mapping[str, tuple[object, ...]]  # of those that are watched, what would be otherwise if they were renewed


def read_pairs(document: Document, keys: Path, lost: Optional[list[str]] = None) -> dict[str, KeyPair]:
    """Every certificate with its key. Raises ModelError with all that cannot be used, and why; ``lost`` gets that instead, where it is given."""
    pairs: dict[str, KeyPair] = {}
    problems: list[Problem] = []
    for key, certificate in document.certificates.items():
        try:
            pairs[key] = _read_pair(certificate, keys)
        except _Unusable as unusable:
            problems.append(Problem(describe("certificates", key), unusable.option, unusable.value, unusable.rule, unusable.way_out))
    if problems and lost is None:
        raise ModelError(*problems)
    if lost is not None:
        lost += [str(problem) for problem in problems]
    return pairs


def can_serve(frontend: Frontend, pairs: Pairs) -> bool:
    """Whether there is a certificate for a frontend, if it needs one: a service that starts does without those that have been broken on the node."""
    names = frontend.tls.certificates
    return not names or any(f"{frontend.load_balancer}/{name}" in pairs for name in names)


def client_terms(tls: BackendTls, load_balancer: str, pairs: Pairs) -> ClientTerms:
    """How servers are spoken to over TLS."""
    shown = tls.client_certificate
    return ClientTerms(tls.verify, tls.ca, pairs.get(f"{load_balancer}/{shown}") if shown else None)


def watched_files(document: Document) -> Files:
    """What tells whether a certificate that is watched was renewed, or may be read now: of both files, which they are, how long, and when they and
    their modes were changed."""
    return {
        key: (*_identity(certificate.certificate_path), *_identity(certificate.private_key_path))
        for key, certificate in document.certificates.items()
        if certificate.watch
    }


def to_plain(pairs: Pairs) -> dict[str, list[Any]]:
    """For a channel that nobody else reads."""
    return {key: [pair.chain, pair.key, list(pair.names), pair.not_before, pair.not_after] for key, pair in pairs.items()}


def from_plain(plain: Mapping[str, list[Any]]) -> dict[str, KeyPair]:
    return {key: KeyPair(chain, secret, tuple(names), before, after) for key, (chain, secret, names, before, after) in plain.items()}


class _Unusable(Exception):
    def __init__(self, option: str, value: object, rule: str, way_out: str) -> None:
        super().__init__(rule)
        self.option, self.value, self.rule, self.way_out = option, value, rule, way_out


def _read_pair(certificate: Certificate, keys: Path) -> KeyPair:
    if certificate.certificate_path:
        chain = _read(Path(certificate.certificate_path), "certificate_path", certificate.certificate_path)
        secret = _read(Path(certificate.private_key_path), "private_key_path", certificate.private_key_path)
    else:
        chain = certificate.certificate
        secret = _read(keys / certificate.private_key, "private_key", f"the secret {certificate.private_key[:16]}")
    option = "certificate_path" if certificate.certificate_path else "certificate"
    shown = certificate.certificate_path or "given as text"
    try:
        read = x509.certificates(chain)
    except x509.Malformed as error:
        raise _Unusable(option, shown, f"but it cannot be read: {error}", "Give the chain in PEM, the server's own certificate first.") from None
    if not read:
        raise _Unusable(option, shown, "but there is no certificate in it", "Give the chain in PEM, the server's own certificate first.")
    pair = KeyPair(chain, secret, read[0].names, read[0].not_before_s, read[0].not_after_s)
    try:
        tried(pair)
    except (ssl.SSLError, OSError, ValueError) as error:
        said = getattr(error, "reason", None) or str(error)
        raise _Unusable(
            option, shown, f"but OpenSSL does not take it with its key: {said}", "Give the key that belongs to it, in PEM and not encrypted."
        ) from None
    return pair


def _read(path: Path, option: str, value: str) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not text"
        way_out = "Let the account of tandem-proxy read it (the how-to on HTTPS shows ways), or correct the path."
        raise _Unusable(option, value, f"but the proxy cannot read it: {said}", way_out) from None


def _identity(path: str) -> tuple[object, ...]:
    try:
        found = os.stat(path)
    except OSError as error:
        return (error.errno,)
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
