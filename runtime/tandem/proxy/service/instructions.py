"""All that workers are told when a document comes into force, in the form in which they get it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..channel import in_memory
from ..places import Rows
from .listening import Held

Health = Mapping[str, Mapping[str, bool]]  # up, by backend's key and server's name
Words = Mapping[str, Mapping[str, str]]  # something else of servers, in the same way
Said = Mapping[str, Mapping[str, Mapping[str, object]]]  # ``states`` and ``shares``, as ``Engine.set_states`` has them


@dataclass(frozen=True)
class Instructions:
    """``document``, ``certificates`` (with their keys) and ``passwords`` (the hashes of users') are JSON already. ``said``: of servers, by operators
    and agents; ``addresses``: where those are that are stated by name; ``rows``: where limits are counted that all workers count together."""

    document: bytes
    held: Held = field(default_factory=list)
    health: Health = field(default_factory=dict)
    certificates: bytes = field(default=b"{}", repr=False)
    passwords: bytes = field(default=b"{}", repr=False)
    said: Said = field(default_factory=dict)
    addresses: Words = field(default_factory=dict)
    rows: Rows = field(default_factory=dict)

    def in_memory(self, ticket_keys: str) -> int:
        """A descriptor of all of it but the sockets, for ``_Worker._load``."""
        parts = {
            "document": self.document,
            "listeners": _json([[want.frontend, want.address, want.port, listener_id] for want, listener_id, _sock in self.held]),
            "health": _json(self.health),
            "certificates": self.certificates,
            "passwords": self.passwords,
            "ticket_keys": _json(ticket_keys),
            "said": _json(self.said),
            "addresses": _json(self.addresses),
            "rows": _json(self.rows),
        }
        pieces: list[bytes] = []
        for name, content in parts.items():
            pieces += [b',"' if pieces else b'{"', name.encode(), b'":', content]
        return in_memory([*pieces, b"}"])


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
