"""Who a client connection is from: the one place that the client's address is taken from, whoever has said it, the kernel or a proxy that is trusted.

With servers that are told it ahead of each connection (PROXY protocol), a kept connection is this client's alone, and lies here for its next request.
"""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import Any, Optional, Protocol

from ...balance.rates import Counted
from ...tls.stream import Tls, TlsStream
from ...wire.proxy_protocol import NOTHING_MORE, Extras, Header, write_v1, write_v2
from .interfaces import Idle
from .servers import ServerState


class Reached(Protocol):
    """The client's side of the connection."""

    def getsockname(self) -> tuple[str, int]: ...


class Peer:
    """``address`` and ``port`` are the client's, IPv4 always as such. ``stream`` is its connection, closed once it is ``gone``. ``name``: the
    host that it asked TLS for, where that passes as it is.
    """

    stream: Optional[Reached] = None
    name = ""
    gone = False
    account: Optional[Counted] = None  # by which its requests are counted, by these limits of its frontend
    limits: object = None
    entered: Optional[Counted] = None  # where its connection is counted
    _stated: Optional[Header] = None
    _kept: Optional[dict[ServerState, Idle]] = None

    def __init__(self, address: str, port: int) -> None:
        self.address = address
        self.port = port

    def stated(self, header: Header) -> Peer:
        """Who it is by the header of a trusted proxy: that proxy itself, where the header names nobody."""
        if not header.source:
            return self
        client = Peer(header.source, header.source_port)
        client._stated = header
        return client

    def speaks_for(self, address: str) -> Peer:
        """Whose a request is that this proxy passes on over its connection. Its port is not known."""
        client = Peer(address, 0)
        client.stream, client.name, client._stated = self.stream, self.name, self._stated
        return client

    @property
    def over_tls(self) -> bool:
        """Whether a trusted proxy says that the client has come to it over TLS."""
        return self._stated is not None and self._stated.extras.over_tls

    def local(self) -> bytes:
        """Where the connection reached us, as a Host names it."""
        address, port = self._reached()
        return (f"[{address}]:{port}" if ":" in address else f"{address}:{port}").encode()

    def _reached(self) -> tuple[str, int]:
        if self.stream is None:
            raise AssertionError("a peer without a connection")
        return self.stream.getsockname()[:2]

    # What servers are told

    def header(self, version: str, opaque: bool) -> bytes:
        """What a connection to a server begins with. ``opaque``: what the client says is passed on as it is. Raises OSError: it has left."""
        if self._stated is not None:
            destination, port = self._stated.destination, self._stated.destination_port
        else:
            destination, port = self._reached()
            destination = plain(destination)
        source = self.address.partition("%")[0]
        destination = destination.partition("%")[0]
        if version == "v1":
            return write_v1(source, self.port, destination, port)
        return write_v2(source, self.port, destination, port, self._extras(opaque))

    def _extras(self, opaque: bool) -> Extras:
        extras = self._stated.extras if self._stated is not None else NOTHING_MORE
        if isinstance(self.stream, TlsStream):
            extras = _of_tls(self.stream, extras.unique_id)
        elif self.name:
            extras = replace(extras, authority=self.name)
        # Of HTTP a server gets HTTP/1, whatever its client agreed on.
        return extras if opaque or not extras.alpn else replace(extras, alpn=b"")

    # Connections to servers that are this client's alone

    def keep(self, server: ServerState, connection: Idle) -> None:
        """Keeps one for the next request; the server has it among its idle ones too."""
        if self._kept is None:
            self._kept = {}
        self._kept[server] = connection

    def take(self, server: ServerState, now: float, repeatable: bool) -> Optional[Idle]:
        """The one that is kept for this client, if it is still good."""
        connection = self._kept.pop(server, None) if self._kept is not None else None
        return connection if connection is not None and server.take(connection, now, repeatable) else None

    def left(self) -> None:
        """The client's connection is closed: it is counted no more, and nobody else may use what was kept for it."""
        self.gone = True
        if self.entered is not None:
            self.entered.leave()
        kept, self._kept = self._kept, None
        if kept is not None:
            for server, connection in kept.items():
                server.forget(connection)
                connection.close()


def plain(address: str) -> str:
    """A dual-stack listener shows IPv4 clients as mapped IPv6 addresses (RFC 4291 2.5.5.2)."""
    return address[7:] if address.startswith("::ffff:") and "." in address else address


def _of_tls(stream: TlsStream, unique_id: bytes) -> Extras:
    tls: Tls = stream.tls
    protocol, cipher = tls.selected_alpn_protocol(), tls.cipher()
    shown = tls.context.verify_mode != ssl.CERT_NONE and tls.getpeercert(True) is not None  # OpenSSL lets none pass that is not valid
    return Extras(
        alpn=protocol.encode() if protocol else b"",
        authority=stream.server_name,
        unique_id=unique_id,
        over_tls=True,
        verified=shown,
        tls_version=tls.version() or "",
        cipher=cipher[0] if cipher else "",
        client_cn=_common_name(tls.getpeercert() or {}) if shown else "",
    )


def _common_name(certificate: dict[str, Any]) -> str:
    for relative in certificate.get("subject", ()):
        for kind, value in relative:
            if kind == "commonName":
                return str(value)
    return ""
