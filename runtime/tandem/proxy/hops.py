"""Keeps new clients from a listener for a moment, without refusing them. Used by the service, which owns the listeners, and by workers."""

from __future__ import annotations

import socket

# linux/in.h and linux/in6.h; Python's socket module does not name them
_IP_MINTTL, _IPV6_MINHOPCOUNT = 21, 73
_HOPS_MAX = 255


def refuse_new_clients(listener: socket.socket) -> None:
    """Has the kernel drop the first packet of every new connection to this listener, unseen.

    Those who connect meanwhile send it again after a second (RFC 6298 2.1), by when the address leads to another node; a closed listener would
    refuse them. Connections that wait to be accepted are not concerned. It is done by asking for the hop limit that only packets of routers and
    their like begin with (ip(7), IP_MINTTL; RFC 5082): a packet filter (SO_ATTACH_FILTER) would be exact, but newer kernels want CAP_NET_ADMIN for
    it, which this service does not have.
    """
    _ask_for_hops(listener, _HOPS_MAX)


def take_new_clients(sock: socket.socket) -> None:
    """Takes that back. A connection that was being made then has it from its listener."""
    _ask_for_hops(sock, 0)


def _ask_for_hops(sock: socket.socket, count: int) -> None:
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MINHOPCOUNT, count)
    else:
        sock.setsockopt(socket.IPPROTO_IP, _IP_MINTTL, count)
