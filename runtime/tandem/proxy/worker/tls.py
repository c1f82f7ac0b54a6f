"""The contexts of the document in force. Equal terms keep theirs from one document to the next, and with it the sessions that clients resume."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Optional

from ..._model import Backend, Document, Frontend
from ...tls.contexts import ClientContexts, ClientTls, KeyPair, ServerTerms, server_context
from ...tls.materials import Pairs, can_serve, client_terms


class Contexts:
    """``begin`` a document, ask for each frontend and backend, ``end`` it. ``now``: seconds since 1970."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._document = Document()
        self._pairs: Pairs = {}
        self._ticket_keys = b""
        self._of_clients: dict[ServerTerms, ssl.SSLContext] = {}
        self._to_servers = ClientContexts()
        self._used: set[ServerTerms] = set()

    def begin(self, document: Document, pairs: Pairs, ticket_keys: bytes) -> None:
        self._document, self._pairs, self._ticket_keys, self._used = document, pairs, ticket_keys, set()
        self._to_servers.begin()

    def can_serve(self, frontend: Frontend) -> bool:
        return can_serve(frontend, self._pairs)

    def _pairs_of(self, frontend: Frontend) -> tuple[KeyPair, ...]:
        keys = [f"{frontend.load_balancer}/{name}" for name in frontend.tls.certificates]
        return tuple(self._pairs[key] for key in keys if key in self._pairs)

    def of_frontend(self, frontend: Frontend) -> Optional[ssl.SSLContext]:
        """What handshakes with its clients begin with; None where TLS does not end here."""
        tls = frontend.tls
        if not tls.certificates:
            return None
        terms = ServerTerms(
            self._pairs_of(frontend),
            tls.profile or self._document.load_balancers[frontend.load_balancer].tls_profile,
            tls.alpn,
            tls.sni_strict,
            tls.client_auth,
            tls.client_ca,
            tls.client_crl,
        )
        self._used.add(terms)
        if terms not in self._of_clients:
            self._of_clients[terms] = server_context(terms, self._ticket_keys, self._now)
        return self._of_clients[terms]

    def of_backend(self, backend: Backend) -> Optional[ClientTls]:
        """How its servers are spoken to; None without TLS."""
        if not backend.tls.enabled:
            return None
        return self._to_servers.of(client_terms(backend.tls, backend.load_balancer, self._pairs))

    def end(self) -> None:
        """Forgets what was not asked for since ``begin``."""
        self._of_clients = {terms: context for terms, context in self._of_clients.items() if terms in self._used}
        self._to_servers.end()
