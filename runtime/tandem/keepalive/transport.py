"""What heartbeats pass through, whichever way they take: ``vrrp_transport`` or ``udp_transport``."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Optional, Protocol, Union

from ..wire.notes import Note
from .addresses import Seen
from .events import Heard, State


@dataclass(frozen=True)
class Received:
    """A heartbeat of a peer: who, in which state, and as an event of the election if it is an active node's. Or a ``note`` of it, and nothing
    else."""

    node: str
    state: str
    digest: str
    heard: Optional[Heard]
    note: Optional[Note] = None


@dataclass(frozen=True)
class Outgoing:
    """What a heartbeat of ours says."""

    priority: int
    state: State
    digest: str
    addresses: tuple[str, ...]


class CannotOpen(Exception):
    """The heartbeats' sockets cannot be had; ``str()`` is what the user reads."""


class Transport(Protocol):
    """Heartbeats of one load balancer to and from all its peers; ``chatty`` says whether standby nodes are to send too. No method raises OSError.

    Only those of the load balancer's own nodes are handed on, to the ``Receiver`` that it was made with.
    """

    chatty: bool

    def send(self, message: Outgoing) -> bool:
        """Sends one to each peer. What cannot be sent is logged. Whether one has left this node at least."""

    def send_note(self, node: str, note: Note) -> None:
        """Says something to one peer. It may get lost on its way, or here, which is logged."""

    def problems(self) -> list[str]:
        """Senders whose heartbeats came and did not count, in sentences."""

    def deaf(self, seen: Seen) -> str:
        """Why it cannot hear its peers as things are, after having tried to mend it; "" where it can."""

    def park(self) -> None:
        """Lets go of what only one can have at a time, so that another may take it; hears nothing, but can still send."""

    def unpark(self) -> None:
        """As before ``park``. Raises CannotOpen when somebody else has taken it meanwhile."""

    def close(self) -> None: ...


Receiver = Callable[[Received], None]


def rank_of(address: str) -> bytes:
    """An address as bytes, for breaking ties."""
    return ipaddress.ip_address(address).packed


def without_zone(address: str) -> str:
    """An address as packets and the kernel's list of addresses have it: a link-local one is stated with its zone (RFC 4007 11.2)."""
    return address.partition("%")[0]


def reached_from(me: str, address: str, port: int) -> Union[tuple[str, int], tuple[str, int, int, int]]:
    """What the socket functions call an address and port, seen from the node whose own address is ``me``: a peer's link-local address lies in the
    zone of ours, as the peer may call its own interface otherwise. Raises OSError where there is no such interface."""
    if "%" not in address:
        return address, port
    return without_zone(address), port, 0, socket.if_nametoindex(me.partition("%")[2])


def answered_by_the_network(error: OSError) -> bool:
    """Whether an error of sending says that the peer is not there, and not that this node cannot send: the one that is left must not step down."""
    return error.errno in (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.EHOSTDOWN)
