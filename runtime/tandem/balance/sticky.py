"""Sticky sessions: the binding of a client to a server, by cookie or by source address. Pure: the time is an argument."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator

BINDINGS_MAX = 100_000
USUAL_ATTRIBUTES = b"; Path=/; HttpOnly; SameSite=Lax"
_MARK_BYTES = 16
# A binding is renewed, at the client or at the other workers, when this part of its time has passed, so that not every request has to do it.
_RENEWED_AFTER = 0.25


def server_mark(backend_key: str, server_name: str) -> bytes:
    """What a cookie names a server by: the same on every node, and it tells nobody else its name or address."""
    return hashlib.blake2b(f"{backend_key}\0{server_name}".encode(), digest_size=_MARK_BYTES // 2).hexdigest().encode()


def own_cookie_name(backend_key: str) -> str:
    """The name of a backend's cookie where none is given: its own, since a client of two backends has a binding to each."""
    return f"TANDEM-{hashlib.blake2b(backend_key.encode(), digest_size=4).hexdigest()}"


_SAME_SITE = {"lax": b"; SameSite=Lax", "strict": b"; SameSite=Strict", "none": b"; SameSite=None", "unset": b""}


def cookie_attributes(path: str = "/", domain: str = "", same_site: str = "lax") -> bytes:
    """What a binding cookie says of where it belongs, the same for all clients (RFC 6265 4.1.2)."""
    where = b"; Domain=" + domain.encode() if domain else b""
    return b"; Path=%b%b; HttpOnly%b" % (path.encode(), where, _SAME_SITE[same_site])


def set_cookie(name: bytes, mark: bytes, ttl_s: int, now: float, attributes: bytes = USUAL_ATTRIBUTES) -> bytes:
    """The Set-Cookie field that binds a client (RFC 6265 4.1; SameSite and HttpOnly keep it out of others' hands).

    With a Max-Age (``ttl_s`` seconds, 0: none) the mark is followed by the time in hexadecimal, by which ``renewal_due`` knows when to send another.
    ``now``: seconds since 1970.
    """
    since, age = (b"%08x" % int(now), b"; Max-Age=%d" % ttl_s) if ttl_s else (b"", b"")
    return b"Set-Cookie: %b=%b%b%b%b\r\n" % (name, mark, since, attributes, age)


def mark_in(content: bytes) -> bytes:
    """The mark in a cookie's content."""
    return content[:_MARK_BYTES]


def renewal_due(content: bytes, ttl_s: int, now: float) -> bool:
    """Whether a cookie with a Max-Age is so old that the client, who is still there, needs a new one."""
    if not ttl_s:
        return False
    try:
        age_s = now - int(content[_MARK_BYTES:], 16)
    except ValueError:
        return True
    return abs(age_s) > ttl_s * _RENEWED_AFTER  # the other node's clock may be ahead


class _Binding:
    __slots__ = ("ends", "server", "told", "users")

    def __init__(self, server: str) -> None:
        self.server = server
        self.users = 0  # sessions that run now: while there are any it does not end
        self.ends = 0.0
        self.told = 0.0  # when the other workers last heard of it


class SourceTable:
    """Client address to server name, each forgotten after ``ttl_s`` seconds without a session; the longest unused goes first when it is full.

    Each worker has one. Those that a worker uses it tells the others, when they are new and while they last: ``use`` and ``due`` say when.
    """

    def __init__(self, ttl_s: float) -> None:
        self.ttl_s = ttl_s
        self._bindings: OrderedDict[str, _Binding] = OrderedDict()

    def __len__(self) -> int:
        return len(self._bindings)

    def bound(self, client: str, now: float) -> str:
        """The server the client is bound to, "" for none."""
        binding = self._bindings.get(client)
        if binding is None:
            return ""
        if binding.ends <= now and not binding.users:
            del self._bindings[client]
            return ""
        return binding.server

    def use(self, client: str, server: str, now: float) -> bool:
        """A session of the client begins at this server. Returns whether the others should be told."""
        changed = self.bound(client, now) != server
        binding = self._put(client, server, now)
        binding.users += 1
        if changed or now - binding.told > self.ttl_s * _RENEWED_AFTER:
            binding.told = now
            return True
        return False

    def leave(self, client: str, server: str, now: float) -> None:
        """That session has ended: the idle time begins."""
        binding = self._bindings.get(client)
        if binding is not None and binding.server == server and binding.users:
            binding.users -= 1
            self._put(client, server, now)

    def learn(self, client: str, server: str, now: float) -> None:
        """Another worker has a session of this client at this server."""
        self._put(client, server, now).told = now

    def due(self, now: float) -> Iterator[tuple[str, str]]:
        """(client, server) of the sessions that last so long that the others would forget their binding before they end."""
        for client, binding in self._bindings.items():
            if binding.users and now - binding.told > self.ttl_s * _RENEWED_AFTER:
                binding.told = now
                yield client, binding.server

    def entries(self) -> Iterable[tuple[str, str]]:
        """(client, server) of all, the longest unused first; some may have ended."""
        return ((client, binding.server) for client, binding in self._bindings.items())

    def _put(self, client: str, server: str, now: float) -> _Binding:
        binding = self._bindings.get(client)
        if binding is None or binding.server != server:
            binding = self._bindings[client] = _Binding(server)
        binding.ends = now + self.ttl_s
        self._bindings.move_to_end(client)
        if len(self._bindings) > BINDINGS_MAX:
            self._bindings.popitem(last=False)
        return binding
