"""Contexts of OpenSSL made from what is stated: for a frontend with its certificates, and for connections to servers."""

from __future__ import annotations

import contextlib
import os
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Optional

from .names import CertificateIndex, name_matches
from .profiles import apply_profile
from .stream import Tls, TlsStream
from .tickets import keys_for, share_tickets

_SERVER_NAME = re.compile(r"[A-Za-z0-9._-]{1,253}")  # of what a client asks for, what servers may be told
_UNRECOGNISED_NAME = ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME


@dataclass(frozen=True)
class KeyPair:
    """A certificate chain and its private key, as PEM. ``names``: DNS names and addresses it is for; times in seconds since 1970."""

    chain: str
    key: str
    names: tuple[str, ...] = ()
    not_before: float = 0.0
    not_after: float = float("inf")

    def __repr__(self) -> str:
        return f"KeyPair(names={self.names})"  # never the key: whatever shows an error shows this


@dataclass(frozen=True)
class ServerTerms:
    """What a frontend offers. The first certificate is for clients that name none, or one that there is none for, unless ``sni_strict``."""

    certificates: tuple[KeyPair, ...]
    profile: str = "intermediate"
    alpn: tuple[str, ...] = ("http/1.1",)
    sni_strict: bool = False
    client_auth: str = "none"  # none, optional, required
    client_ca: str = ""
    client_crl: str = ""


@dataclass(frozen=True)
class ClientTerms:
    """How the servers of a backend are spoken to, as far as that is the same for all of them."""

    verify: bool = True
    ca: str = ""  # PEM; "" for those that the system trusts
    certificate: Optional[KeyPair] = None  # what we show


class ClientTls:
    """Terms and their context. It is made once for the same terms, and compared by identity."""

    def __init__(self, terms: ClientTerms) -> None:
        self.terms = terms
        self.context = client_context(terms)


class ClientContexts:
    """Equal terms have the same ``ClientTls`` for as long as they are asked for between ``begin`` and ``end``."""

    def __init__(self) -> None:
        self._made: dict[ClientTerms, ClientTls] = {}
        self._used: set[ClientTerms] = set()

    def begin(self) -> None:
        self._used = set()

    def of(self, terms: ClientTerms) -> ClientTls:
        """Raises OSError or ValueError for what OpenSSL refuses."""
        self._used.add(terms)
        if terms not in self._made:
            self._made[terms] = ClientTls(terms)
        return self._made[terms]

    def end(self) -> None:
        self._made = {terms: client for terms, client in self._made.items() if terms in self._used}


@dataclass(frozen=True)
class ServerTls:
    """How one server is spoken to. ``sni``: the name that is sent, "" for none; ``name``: the one that its certificate must have."""

    shared: ClientTls
    sni: str
    name: str

    def why_not(self, tls: Tls) -> str:
        """Why a certificate that OpenSSL trusts is not that of this server; "" if it is (RFC 9525 6)."""
        if not self.shared.terms.verify:
            return ""
        certificate = tls.getpeercert() or {}
        names = [str(value) for kind, value in _alternative_names(certificate) if kind in ("DNS", "IP Address")]
        if any(name_matches(name, self.name) for name in names):
            return ""
        return f"TLS: the server's certificate is for {', '.join(names) or 'no name'}, not for {self.name}"


def _alternative_names(certificate: Mapping[str, object]) -> tuple[tuple[str, object], ...]:
    found = certificate.get("subjectAltName", ())
    return tuple(pair for pair in found if isinstance(pair, tuple) and len(pair) == 2) if isinstance(found, tuple) else ()


def server_context(terms: ServerTerms, ticket_keys: bytes, now: Callable[[], float]) -> ssl.SSLContext:
    """The context that handshakes of a frontend begin with. ``now``: seconds since 1970. Raises OSError or ValueError for what OpenSSL refuses."""
    keys = keys_for(repr((replace(terms, certificates=()), [pair.chain for pair in terms.certificates])), ticket_keys)
    made = [_context_for(terms, pair, keys) for pair in terms.certificates]
    first = made[0]
    index = CertificateIndex([(pair.names, pair.not_before, pair.not_after, context) for pair, context in zip(terms.certificates, made)])

    def choose(stream: TlsStream, name: Optional[str], _context: ssl.SSLContext) -> Optional[int]:
        stream.server_name = name if name and _SERVER_NAME.fullmatch(name) else ""
        found = index.find(name, now()) if name else None
        if found is None:
            return _UNRECOGNISED_NAME if terms.sni_strict else None
        if found is not first:
            stream.context = found
        return None

    first.sni_callback = choose  # type: ignore[assignment]  # it is called with what was given as the owner
    return first


def _context_for(terms: ServerTerms, pair: KeyPair, ticket_keys: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    apply_profile(context, terms.profile)
    _load(context, pair)
    context.set_alpn_protocols(list(terms.alpn))
    if terms.client_auth != "none":
        context.verify_mode = ssl.CERT_REQUIRED if terms.client_auth == "required" else ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=terms.client_ca)
        if terms.client_crl:
            with _in_memory(terms.client_crl) as path:
                context.load_verify_locations(cafile=path)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    share_tickets(context, ticket_keys)
    return context


def client_context(terms: ClientTerms) -> ssl.SSLContext:
    """The context for connections to servers. Raises OSError, ValueError for what OpenSSL does not take."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # ``ServerTls.why_not`` checks the name: it may be another one than is sent.
    context.check_hostname = False
    if not terms.verify:
        context.verify_mode = ssl.CERT_NONE
    elif terms.ca:
        context.load_verify_locations(cadata=terms.ca)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if terms.certificate is not None:
        _load(context, terms.certificate)
    return context


def tried(pair: KeyPair) -> None:
    """Raises OSError or ValueError where a certificate and its key are not of one another, or are none at all."""
    _load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), pair)


def _load(context: ssl.SSLContext, pair: KeyPair) -> None:
    # Python reads files only; these are never on a disk.
    with _in_memory(pair.chain) as chain, _in_memory(pair.key) as key:
        context.load_cert_chain(chain, key, password=_no_password)


def _no_password() -> bytes:
    """A key that is sealed must not have OpenSSL ask the terminal."""
    raise ValueError("the private key is encrypted")


@contextlib.contextmanager
def _in_memory(text: str) -> Iterator[str]:
    """The path of a file in memory with this content, as long as it is needed (memfd_create(2))."""
    descriptor = os.memfd_create("tandem", os.MFD_CLOEXEC)
    try:
        content = text.encode()
        while content:
            content = content[os.write(descriptor, content) :]
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
