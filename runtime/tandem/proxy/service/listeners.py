"""How the sockets that clients connect to are bound, and how the kernel is asked to keep new clients waiting."""

from __future__ import annotations

import socket
from collections.abc import Collection
from typing import Optional

from .wanted import Wanted

_BACKLOG = 4096
# linux/in.h and linux/in6.h; Python's socket module does not name them
_IP_FREEBIND = 15
_IPV6_FREEBIND = 78


def bind(wanted: Wanted, leaving: Collection[socket.socket] = ()) -> socket.socket:
    """A listening socket. Raises OSError; ``ports.explain`` says it in words.

    IP_FREEBIND binds an address that is not on the node yet, so that nothing has to be opened when it arrives. No SO_REUSEPORT: two listeners on one
    place would be a mistake that nobody is told. Only beside those of ours on the same port that are ``leaving`` (from every address to one of them,
    or back) it is set for the moment of the change, since closing the old one first would turn clients away.
    """
    try:
        for sock in leaving:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        return _listen(wanted, bool(leaving))
    finally:
        for sock in leaving:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)


def obstacle(wanted: Wanted) -> Optional[OSError]:
    """Why it could not be bound now, without listening there for a moment."""
    try:
        _bound(wanted, False).close()
    except OSError as error:
        return error
    return None


def _listen(wanted: Wanted, overlaps: bool) -> socket.socket:
    sock = _bound(wanted, overlaps)
    try:
        sock.listen(_BACKLOG)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _bound(wanted: Wanted, overlaps: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in wanted.address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, overlaps)
        sock.bind((wanted.address, wanted.port))
    except OSError:
        sock.close()
        raise
    return sock
