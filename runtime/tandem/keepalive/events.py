"""What goes into an election and what comes out of it: events, actions, and the states between. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Union

RESIGNATION = 0  # RFC 9568 5.2.4: priority 0 says that the active node gives up


class State(str, Enum):
    FAULT = "fault"
    STANDBY = "standby"
    ACTIVE = "active"


@dataclass(frozen=True)
class Heard:
    """An advertisement of an active peer: its priority (0: it resigns), its interval, and its address as bytes."""

    priority: int
    interval_s: float
    rank: bytes = b""


@dataclass(frozen=True)
class Healthy:
    """Whether this node could carry the traffic: its proxy works, and its interfaces do."""

    healthy: bool
    reason: str = ""


@dataclass(frozen=True)
class Servers:
    """Whether this node knows of servers that could answer. It decides about a takeover from an active node only: of one that died, whoever is there
    takes over."""

    ready: bool


@dataclass(frozen=True)
class Tracked:
    """What this node has lost of what it tracks, in words; "" where it has all."""

    lost: str


@dataclass(frozen=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True)
class Stop:
    """This node leaves in order: it is being stopped, or the load balancer removed."""


@dataclass(frozen=True)
class HandOver:
    """This node is to be active no longer, and stands by. ``failback`` does not undo it, until this node has been active, or in fault, again.

    ``keep``: the other node hands packets of connections that it does not know to this one, which goes on with them."""

    keep: bool = False


@dataclass(frozen=True)
class Silent:
    """Who was handed over to is the only one that still answers for the addresses, though this node keeps them."""


@dataclass(frozen=True)
class Send:
    """Send an advertisement with this priority."""

    priority: int


@dataclass(frozen=True)
class Acquire:
    """Take the floating IPs and announce them."""


@dataclass(frozen=True)
class Announce:
    """Announce the floating IPs again, at once and as after ``Acquire``: another node held them too."""


@dataclass(frozen=True)
class Release:
    """Give the floating IPs up. ``keep``: as local addresses they stay, for which nobody answers; ``Silent`` is to follow."""

    keep: bool = False


Event = Union[Heard, Healthy, Servers, Tracked, Tick, Stop, HandOver, Silent]
Action = Union[Send, Acquire, Announce, Release]
