"""Sticky sessions: the binding of a client to a server, by cookie or by source address. Pure: the time is an argument."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

_BINDINGS_MAX = 100_000


def server_mark(backend_key: str, server_name: str) -> bytes:
    """A cookie's value: names the server to us, on every node alike, and tells nobody else its name or address."""
    return hashlib.blake2b(f"{backend_key}\0{server_name}".encode(), digest_size=8).hexdigest().encode()


def set_cookie(name: str, mark: bytes, ttl_ms: int) -> bytes:
    """The Set-Cookie field that binds a client (RFC 6265 4.1; SameSite and HttpOnly keep it out of others' hands)."""
    age = b"; Max-Age=%d" % (ttl_ms // 1000) if ttl_ms else b""
    return b"Set-Cookie: %b=%b; Path=/; HttpOnly; SameSite=Lax%b\r\n" % (name.encode(), mark, age)


class SourceTable:
    """Client address to server name, each forgotten after ``ttl_s`` seconds without use; the longest unused goes first when it is full."""

    def __init__(self, ttl_s: float) -> None:
        self.ttl_s = ttl_s
        self._bindings: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._bindings)

    def bound(self, client: str, now: float) -> str:
        """The server the client is bound to, "" for none; looking counts as use."""
        binding = self._bindings.get(client)
        if binding is None:
            return ""
        if binding[1] <= now:
            del self._bindings[client]
            return ""
        self.bind(client, binding[0], now)
        return binding[0]

    def bind(self, client: str, server: str, now: float) -> None:
        self._bindings[client] = (server, now + self.ttl_s)
        self._bindings.move_to_end(client)
        if len(self._bindings) > _BINDINGS_MAX:
            self._bindings.popitem(last=False)
