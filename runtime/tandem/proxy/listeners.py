"""The sockets clients connect to: which ones a document wants on this node now, and how they are bound. They belong to the supervisor."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Union

from .._model import Document, endpoints, listen_addresses

_BACKLOG = 4096
# linux/in.h and linux/in6.h; Python's socket module does not name them
_IP_FREEBIND = 15
_IPV6_FREEBIND = 78
_IP_MINTTL, _IPV6_MINHOPCOUNT = 21, 73
_HOPS_MAX = 255
_LISTENING = "0A"  # TCP_LISTEN as /proc/net/tcp writes it


@dataclass(frozen=True, order=True)
class Wanted:
    """One address and port that a frontend listens on. ``only_active``: bound only while this node holds the address."""

    frontend: str
    address: str
    port: int
    only_active: bool

    @property
    def place(self) -> tuple[str, int]:
        return (self.address, self.port)

    @property
    def endpoint(self) -> str:
        return endpoints([self.address], self.port)[0]


def wanted_listeners(document: Document, active: Collection[str]) -> list[Wanted]:
    """Where this node listens while it is active for the load balancers ``active``."""
    unattached = {floating_ip.ip for floating_ip in document.floating_ips.values() if floating_ip.attach == "none"}
    found = []
    for key, frontend in sorted(document.frontends.items()):
        if not frontend.enabled:
            continue
        for address in listen_addresses(document, frontend):
            only_active = address in unattached
            if not only_active or frontend.load_balancer in active:
                found.append(Wanted(key, address, frontend.port, only_active))
    return found


def bind(wanted: Wanted, leaving: Mapping[tuple[str, int], socket.socket]) -> socket.socket:
    """A listening socket. Raises OSError; ``explain`` says it in words.

    IP_FREEBIND binds an address that is not on the node yet, so that nothing has to be opened when it arrives. No SO_REUSEPORT: two listeners on one
    place would be a mistake that nobody is told. Only beside those of ours on the same port that are ``leaving`` (from every address to one of them,
    or back) it is set for the moment of the change, since closing the old one first would turn clients away.
    """
    beside = [sock for (_address, port), sock in leaving.items() if port == wanted.port]
    try:
        for sock in beside:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        return _listen(wanted, bool(beside))
    finally:
        for sock in beside:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)


def _listen(wanted: Wanted, overlaps: bool) -> socket.socket:
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
        sock.listen(_BACKLOG)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


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


def explain(wanted: Wanted, error: OSError) -> str:
    """Why a listener could not be bound, and the way out."""
    where = f'frontend "{wanted.frontend}": port {wanted.port} on {wanted.address}'
    if error.errno == errno.EADDRINUSE:
        owner = _owner(wanted)
        return f"{where} is taken{f' by {owner}' if owner else ''}. Give another port or address, or stop what listens there."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{where} needs a privilege (ports below 1024). Run the service with CAP_NET_BIND_SERVICE, or give a higher port."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where} cannot be bound: no such address on this node. Correct the address, or attach the floating IP to an interface."
    return f"{where} cannot be bound: {error.strerror}. Mend that on the node, then run again."


def _owner(wanted: Wanted) -> str:
    """ "PROGRAM (process PID)" of who listens there, from /proc (proc(5)), as far as we may see it; "" otherwise."""
    inodes = {f"socket:[{inode}]" for inode in _listening_inodes(wanted)}
    for process in Path("/proc").glob("[0-9]*") if inodes else ():
        try:
            if any(_link(descriptor) in inodes for descriptor in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (process {process.name})"
        except OSError:
            continue  # it has ended, or is another user's
    return ""


def _link(descriptor: Path) -> str:
    try:
        return os.readlink(descriptor)
    except OSError:
        return ""  # closed meanwhile


def _listening_inodes(wanted: Wanted) -> Iterator[str]:
    """The sockets that listen on an address and port, or on every address and that port."""
    mine = ipaddress.ip_address(wanted.address)
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = [line.split() for line in Path(table).read_text().splitlines()[1:]]
        except OSError:
            continue
        for row in rows:
            address, _colon, port = row[1].partition(":")
            if row[3] == _LISTENING and int(port, 16) == wanted.port:
                theirs = _from_proc(address)
                if theirs == mine or theirs.is_unspecified or (mine.is_unspecified and theirs.version == mine.version):
                    yield row[9]


def _from_proc(text: str) -> Union[ipaddress.IPv4Address, ipaddress.IPv6Address]:
    """An address as /proc/net/tcp writes it: 32-bit words in the byte order of the machine."""
    words = [int(text[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(text), 8)]
    return ipaddress.ip_address(b"".join(words))
