"""The sockets clients connect to: which ones a document wants on this node now, and how they are bound. They belong to the supervisor."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from .._model import Document, endpoints, listen_addresses

_BACKLOG = 4096
# linux/in.h and linux/in6.h; Python's socket module does not name them
_IP_FREEBIND = 15
_IPV6_FREEBIND = 78


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


def bind(wanted: Wanted) -> socket.socket:
    """A listening socket. Raises OSError; ``explain`` says it in words.

    IP_FREEBIND binds an address that is not on the node yet, so that nothing has to be opened when it arrives. No SO_REUSEPORT: two listeners on one
    place would be a mistake that nobody is told.
    """
    family = socket.AF_INET6 if ":" in wanted.address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        sock.bind((wanted.address, wanted.port))
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


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
    inode = _listening_inode(wanted)
    if not inode:
        return ""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            for descriptor in (process / "fd").iterdir():
                if os.readlink(descriptor) == f"socket:[{inode}]":
                    return f"{(process / 'comm').read_text().strip()} (process {process.name})"
        except OSError:
            continue  # it has ended, or is another user's
    return ""


def _listening_inode(wanted: Wanted) -> str:
    table = "/proc/net/tcp6" if ":" in wanted.address else "/proc/net/tcp"
    try:
        rows = [line.split() for line in Path(table).read_text().splitlines()[1:]]
    except OSError:
        return ""
    port = f":{wanted.port:04X}"
    return next((row[9] for row in rows if row[1].endswith(port) and row[3] == "0A"), "")
