"""Authenticated heartbeats in UDP, for networks that drop protocol 112 and nodes without privileges. Pure.

Unlike VRRP's, they come from standby nodes too, so each node sees its peers' state and document. A message is JSON followed by its HMAC-SHA256
(RFC 2104) under the load balancer's shared key. Against replay, each carries the session (when its sender started) and a number that grows; per
peer only larger pairs are taken. A peer whose clock was set back would be shut out by that for ever, and both nodes would be active: so the
memory of a peer that has been silent for long is dropped.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import asdict, dataclass
from typing import Union

_MAC_BYTES = 32
_MESSAGE_BYTES_MAX = 1400
_MAGIC, _NOTE_MAGIC = b"tandem1\n", b"tandem-note1\n"


class Rejected(Exception):
    """A message that is not taken; ``str()`` says why."""


@dataclass(frozen=True)
class Heartbeat:
    """``state`` is fault, standby or active; a priority of 0 from an active node is its resignation. ``digest``: the start of its document's."""

    load_balancer: str
    node: str
    state: str
    priority: int
    interval_ms: int
    digest: str
    session: int
    number: int


@dataclass(frozen=True)
class NoteCover:
    """Whose note it is (see ``notes``), and its place among all that its sender has sent."""

    load_balancer: str
    node: str
    session: int
    number: int
    note: str


_EXAMPLE = Heartbeat("", "", "", 0, 1, "", 0, 0)
_NOTE_EXAMPLE = NoteCover("", "", 0, 0, "")
Message = Union[Heartbeat, NoteCover]


def encode(message: Message, key: bytes) -> bytes:
    magic = _MAGIC if isinstance(message, Heartbeat) else _NOTE_MAGIC
    body = magic + json.dumps(asdict(message), separators=(",", ":"), sort_keys=True).encode()
    return body + hmac.new(key, body, hashlib.sha256).digest()


def decode(message: bytes, key: bytes) -> Message:
    """What is in a message made with the same key. Raises Rejected; nothing of a message is looked at before its HMAC holds."""
    if not _MAC_BYTES + len(_MAGIC) < len(message) <= _MESSAGE_BYTES_MAX:
        raise Rejected(f"a message of {len(message)} bytes")
    body, mac = message[:-_MAC_BYTES], message[-_MAC_BYTES:]
    if not hmac.compare_digest(mac, hmac.new(key, body, hashlib.sha256).digest()):
        raise Rejected("a message that was not made with our key")
    example: Message = _NOTE_EXAMPLE if body.startswith(_NOTE_MAGIC) else _EXAMPLE
    if not body.startswith((_MAGIC, _NOTE_MAGIC)):
        raise Rejected("a message of another version")
    try:
        found = type(example)(**json.loads(body.partition(b"\n")[2]))
    except (ValueError, TypeError, RecursionError) as error:
        raise Rejected(f"a message with other fields than ours ({error})") from None
    if any(type(value) is not type(getattr(example, name)) for name, value in asdict(found).items()):
        raise Rejected("a message with fields of other types than ours")
    if isinstance(found, Heartbeat) and found.interval_ms < 1:
        raise Rejected("an interval of 0, after which nobody could ever be heard in time")
    return found


class ReplayGuard:
    """Per peer, the newest (session, number) that was taken. Times in seconds."""

    def __init__(self, forget_after_s: float) -> None:
        self._forget_after_s = forget_after_s
        self._newest: dict[str, tuple[int, int, float]] = {}

    def check(self, message: Message, now: float) -> None:
        """Raises Rejected for a message that is not newer than the newest."""
        session, number, heard = self._newest.get(message.node, (0, 0, float("-inf")))
        if now - heard <= self._forget_after_s and (message.session, message.number) <= (session, number):
            raise Rejected(f"an old message of {message.node}, sent again")
        self._newest[message.node] = (message.session, message.number, now)
