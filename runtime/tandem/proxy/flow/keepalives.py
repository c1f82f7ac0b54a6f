"""TCP keepalives: the kernel asks a peer that has been silent whether it is there (tcp(7)), so that connections to who is gone end."""

from __future__ import annotations

import socket

from ..._model import KeepaliveProbes


def set_probes(sock: socket.socket, probes: KeepaliveProbes) -> None:
    """On a connection, or on a listener, from which those that are made later have it."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(probes.idle_ms > 0))
    if probes.idle_ms:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, probes.idle_ms // 1000)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, probes.interval_ms // 1000)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, probes.count)
