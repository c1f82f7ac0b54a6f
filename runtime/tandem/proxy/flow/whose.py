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
    """``peer`` is who it is now, ``passing`` how its requests are passed on; ``named`` says so of each request, None: it stays. Begin first."""

    passing: Passing
    named: Optional[NamedClient] = None

    def __init__(self, connected: Peer, tls: Optional[TlsStream]) -> None:
        self._connected, self._tls = connected, tls
        self.peer = connected

    def begin(self, frontend: FrontendState) -> None:
        """By the frontend's options of now; the connection's own client until another is named."""
        self.named = frontend.client_named_by(self._connected.address)
        self._turn_to(frontend, self._connected)

    def changes(self, frontend: FrontendState, request: Request) -> bool:
        """Turns to whose this request is; False: they are whose the one before was."""
        own = self._connected.address
        address = (self.named.of(request) if self.named is not None else "") or own
        if address == self.peer.address:
            return False
        self._turn_to(frontend, self._connected if address == own else self._connected.speaks_for(address))
        return True

    def left(self) -> None:
        """The connection is closed."""
        self.peer.left()
        if self.peer is not self._connected:
            self._connected.left()

    def _turn_to(self, frontend: FrontendState, peer: Peer) -> None:
        proxy = self._connected
        if self.peer is not proxy:
            self.peer.left()
        self.peer = peer
        whose = "" if peer is proxy else peer.address
        self.passing = frontend.passing_for(proxy.address, self._tls, proxy.port, over_tls=proxy.over_tls, whose=whose)
