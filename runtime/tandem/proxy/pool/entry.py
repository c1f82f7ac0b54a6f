"""Who may come in at a frontend while a worker runs: ACLs, passwords, and how many requests a tarpit holds. Changed in place by a document."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Optional

from ..._model import Acl, Frontend
from ..._model import BasicAuth as AuthConfig
from ...http.access import Access, ClientAccess
from ...http.basic_auth import BasicAuth

_TARPITTED_PART = 10  # of the connections that a frontend may have


class Entry:
    """``access`` and ``basic_auth`` are asked about requests, ``client_access`` about clients of TCP; None: all may come in."""

    def __init__(self) -> None:
        self.tarpitted = 0  # requests that are held by an ACL
        self.tarpit_limit = 1
        self.tarpit_s = 0.0
        self.access: Optional[Access] = None
        self.client_access: Optional[ClientAccess] = None
        self.basic_auth: Optional[BasicAuth] = None
        self._access_of: tuple[str, str, tuple[Acl, ...]] = ("", "", ())
        self._auth_of: tuple[AuthConfig, dict[str, str]] = (AuthConfig(), {})

    def configure(self, config: Frontend, connections_max: int, passwords: Mapping[str, str]) -> None:
        """``passwords``: the hashes of users' passwords, by fingerprint. What was compiled of the same options before is used again."""
        self.tarpit_s = config.timeouts.tarpit_ms / 1000
        self.tarpit_limit = max(1, connections_max // _TARPITTED_PART)
        stated = (config.protocol, config.acl_default, config.acls)
        if stated != self._access_of:
            self._access_of = stated
            wanted = bool(config.acls) or config.acl_default != "allow"
            self.access = Access(config.acls, config.acl_default) if wanted and config.protocol == "http" else None
            self.client_access = ClientAccess(config.acls, config.acl_default) if wanted and config.protocol == "tcp" else None
        auth = config.basic_auth
        hashes = {user.password_hash: passwords[user.password_hash] for user in auth.users if user.password_hash in passwords}
        if (auth, hashes) != self._auth_of:
            self._auth_of = (auth, hashes)
            self.basic_auth = BasicAuth(auth, hashes, secrets.token_bytes(32)) if auth.users else None

    @property
    def asks(self) -> bool:
        """Whether requests are asked anything."""
        return self.access is not None or self.basic_auth is not None

    def admits(self, client: str) -> bool:
        """Whether the ACLs of a TCP frontend let in a client at this address."""
        return self.client_access is None or self.client_access.admits(client)
