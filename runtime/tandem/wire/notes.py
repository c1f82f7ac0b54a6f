"""What nodes say to each other beside heartbeats, around a planned move. Pure.

A note is a small JSON object. Over UDP it is authenticated as heartbeats are; over VRRP it travels in protocol 112 under a type that RFC 9568 does
not define, which a router of another make drops (7.1), and is as much to be believed as an advertisement."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

NOTE_BYTES_MAX = 1200
ROUTES_MAX = 8
_WHY_MAX = 300
_GRACE_MAX_MS = 86_400_000


class BadNote(Exception):
    """Bytes that are no note; ``str()`` says why."""


@dataclass(frozen=True)
class Note:
    """``kind``: ``ask`` (could you take over?), ``offer`` (the same, and be ready to), ``answer`` to either; after the move ``keeps`` (connections
    are still kept), then ``over`` (none is any more).

    ``move`` tells one move from the others; an answer repeats it. Of who hands over: ``grace_ms``, how long it keeps its connections, and ``routes``,
    (address, hardware address) of its own by which packets reach it. Of who answers: its ``state``, its document's ``digest``, whether ``servers``
    could answer there, whether it ``forwards`` packets of connections that it does not know, and ``why`` it does not, or is in fault.
    """

    kind: str
    move: int
    grace_ms: int = 0
    routes: tuple[tuple[str, str], ...] = ()
    state: str = ""
    digest: str = ""
    servers: bool = False
    forwards: bool = False
    why: str = ""


_KINDS = ("ask", "offer", "answer", "keeps", "over")


def encode(note: Note) -> bytes:
    fields = {**asdict(note), "why": note.why[:_WHY_MAX]}
    return json.dumps(fields, separators=(",", ":"), sort_keys=True).encode()


def decode(content: bytes) -> Note:
    """Raises BadNote. Fields that are not known are those of a later release, and are let be."""
    if len(content) > NOTE_BYTES_MAX:
        raise BadNote(f"a note of {len(content)} bytes")
    try:
        fields = json.loads(content)
        note = Note(
            str(fields["kind"]),
            int(fields["move"]),
            int(fields["grace_ms"]),
            tuple((str(address), str(hardware)) for address, hardware in fields["routes"]),
            str(fields["state"]),
            str(fields["digest"]),
            fields["servers"] is True,
            fields["forwards"] is True,
            str(fields["why"])[:_WHY_MAX],
        )
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise BadNote(f"a note with other fields than ours ({error})") from None
    if note.kind not in _KINDS or not 0 <= note.grace_ms <= _GRACE_MAX_MS or len(note.routes) > ROUTES_MAX:
        raise BadNote("a note with other values than ours")
    return note
