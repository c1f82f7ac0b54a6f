"""The certificates of the document in force, as the health checks have them."""

from __future__ import annotations

from typing import Optional

from ...checks.probe import Target
from ...tls.contexts import ClientContexts, ServerTls
from ...tls.materials import Pairs, client_terms


class CheckTls:
    """How health checks speak TLS to servers. ``use`` tells the certificates that are in force from now on."""

    def __init__(self) -> None:
        self._pairs: Pairs = {}
        self._contexts = ClientContexts()
        self._contexts.begin()

    def use(self, pairs: Pairs) -> None:
        self._pairs = pairs
        self._contexts.end()
        self._contexts.begin()

    def of(self, target: Target) -> Optional[ServerTls]:
        """Raises OSError or ValueError for what OpenSSL refuses."""
        if target.secret is None:
            return None
        tls, load_balancer, sni, name = target.secret
        return ServerTls(self._contexts.of(client_terms(tls, load_balancer, self._pairs)), sni, name)
