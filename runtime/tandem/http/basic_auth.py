"""Basic authentication (RFC 7617): what a request shows, and who has been verified. To verify takes long, and is somebody else's work."""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import blake2b
from typing import Optional

from .._model import PASSWORD_BYTES_MAX, PasswordHash, read_hash
from .._model import BasicAuth as Config
from .conditions import compiled
from .request import Request

_REMEMBERED_MAX = 4096
REFUSED, WELCOME, UNKNOWN = range(3)


class Attempt:
    """A name and a password, to be verified. ``mark`` names them without telling them."""

    def __init__(self, name: bytes, mark: bytes, expected: PasswordHash, known: bool, password: bytes) -> None:
        self.name = name
        self.mark = mark
        self._expected = expected
        self._known = known
        self._password = password

    def verify(self) -> bool:
        """Takes about as long for a user that does not exist as for one that does."""
        return self._expected.verify(self._password) and self._known


class BasicAuth:
    """One frontend's users. ``hashes``: by fingerprint; a user whose hash is missing cannot come in. ``key`` is nobody else's."""

    def __init__(self, config: Config, hashes: Mapping[str, str], key: bytes) -> None:
        self._matcher = compiled(config)
        self._inverted: bool = config.invert
        found = {user.name.encode(): read_hash(hashes[user.password_hash]) for user in config.users if user.password_hash in hashes}
        self._users: dict[bytes, PasswordHash] = found
        self._some: Optional[PasswordHash] = next(iter(found.values()), None)
        self._key = key
        self._welcome: OrderedDict[bytes, None] = OrderedDict()
        self._refused: OrderedDict[bytes, None] = OrderedDict()
        self.challenge: bytes = b'WWW-Authenticate: Basic realm="%b", charset="UTF-8"\r\n' % config.realm.encode()

    def asks(self, request: Request, client: str) -> bool:
        """Whether this request needs a password."""
        return self._matcher.matches(request, client) != self._inverted

    def attempt(self, request: Request) -> Optional[Attempt]:
        """What it shows; None where that is nothing, or nothing that could be anybody's."""
        shown = request.fields.values_of(b"authorization")
        if len(shown) != 1 or self._some is None:
            return None
        scheme, _space, encoded = shown[0].partition(b" ")
        if scheme.lower() != b"basic":
            return None
        try:
            name, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        except binascii.Error:
            return None
        if not colon or len(password) > PASSWORD_BYTES_MAX:
            return None
        mark = blake2b(b"%d:%b:%b" % (len(name), name, password), digest_size=16, key=self._key).digest()
        expected = self._users.get(name)
        return Attempt(name, mark, expected or self._some, expected is not None, password)

    def welcomes(self, attempt: Attempt) -> bool:
        """Whether it was verified before and found right; also from other threads."""
        return attempt.mark in self._welcome

    def known(self, attempt: Attempt) -> int:
        """REFUSED or WELCOME where it was verified before, else UNKNOWN."""
        mark = attempt.mark
        if mark in self._welcome:
            self._welcome.move_to_end(mark)
            return WELCOME
        return REFUSED if mark in self._refused else UNKNOWN

    def learn(self, attempt: Attempt, verified: bool) -> None:
        """Remembers it, so that it costs nothing the next time. Those who guess cannot crowd out those who know."""
        remembered = self._welcome if verified else self._refused
        remembered[attempt.mark] = None
        if len(remembered) > _REMEMBERED_MAX:
            remembered.popitem(last=False)
