"""Whose the requests of one connection are: its own client's, or where that is a trusted proxy, request by request the one's that it names."""

from __future__ import annotations

from typing import Optional

from ...http.named_client import NamedClient
from ...http.passing import Passing
from ...http.request import Request
from ...tls.stream import TlsStream
from ..pool.frontends import FrontendState
from ..pool.peer import Peer


class Whose:
    """``peer`` is who it is now; ``named`` says so of each request, None: it stays."""

    named: Optional[NamedClient] = None

    def __init__(self, connected: Peer, tls: Optional[TlsStream]) -> None:
        self._connected, self._tls = connected, tls
        self.peer = connected

    def begin(self, frontend: FrontendState) -> Passing:
        """By the frontend's options of now; the connection's own client until another is named."""
        self.named = frontend.client_named_by(self._connected.address)
        return self._turn_to(frontend, self._connected)

    def of(self, frontend: FrontendState, request: Request) -> Optional[Passing]:
        """How requests are passed on from this one on; None: as those before."""
        own = self._connected.address
        address = (self.named.of(request) if self.named is not None else "") or own
        if address == self.peer.address:
            return None
        return self._turn_to(frontend, self._connected if address == own else self._connected.speaks_for(address))

    def left(self) -> None:
        """The connection is closed."""
        self.peer.left()
        if self.peer is not self._connected:
            self._connected.left()

    def _turn_to(self, frontend: FrontendState, peer: Peer) -> Passing:
        proxy = self._connected
        if self.peer is not proxy:
            self.peer.left()
        self.peer = peer
        whose = "" if peer is proxy else peer.address
        return frontend.passing_for(proxy.address, self._tls, proxy.port, over_tls=proxy.over_tls, whose=whose)
