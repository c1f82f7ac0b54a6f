# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hashes of passwords: those that the standard library can verify while other threads go on (scrypt, PBKDF2), in passlib's form. Pure.

``$scrypt$ln=14,r=8,p=1$SALT$HASH`` and ``$pbkdf2-sha256$ROUNDS$SALT$HASH`` (or sha512); SALT and HASH are base64 without padding, where "." may stand
for "+". What is weak, or would have to be computed in Python itself, is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass

_FORM = re.compile(
    r"\$(scrypt|pbkdf2-sha256|pbkdf2-sha512)\$(?:ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})|(\d{1,8}))\$([A-Za-z0-9+./]{1,128})\$([A-Za-z0-9+./]{1,128})"
)
_OTHERS = (
    (re.compile(r"\$2[abxy]?\$"), "which is bcrypt, and Python's standard library has none"),
    (re.compile(r"\{SHA\}|\$apr1\$|\$1\$|\{SSHA\}"), "which is of a kind that is guessed too fast"),
    (re.compile(r"\$[56]\$|\$y\$|\$argon2"), "which Python's standard library cannot verify"),
)
_WAY_OUT = 'Give one of scrypt or PBKDF2, such as "$scrypt$ln=14,r=8,p=1$SALT$HASH"; the how-to on access shows how to make it.'
_ROUNDS = (10_000, 2_000_000)
_SCRYPT_WORK = (1 << 15, 1 << 20)  # N * r * p
_SCRYPT_BYTES_MAX = 64 << 20  # 128 * N * r
_SALT_BYTES_MIN, _HASH_BYTES_MIN = 8, 16
PASSWORD_BYTES_MAX = 1024


@dataclass(frozen=True)
class PasswordHash:
    """``cost``: rounds of PBKDF2, or N of scrypt. Nothing of it is shown."""

    kind: str
    cost: int
    block: int
    lanes: int
    salt: bytes
    digest: bytes

    def verify(self, password: bytes) -> bool:
        """Takes up to about a second, most of it without Python's lock. Raises ValueError or AttributeError where this Python's OpenSSL lacks the
        function, and MemoryError."""
        return hmac.compare_digest(self._computed(password), self.digest)

    def _computed(self, password: bytes) -> bytes:
        size = len(self.digest)
        if self.kind == "scrypt":
            memory = 2 * _SCRYPT_BYTES_MAX
            return hashlib.scrypt(password, salt=self.salt, n=self.cost, r=self.block, p=self.lanes, maxmem=memory, dklen=size)
        return hashlib.pbkdf2_hmac(self.kind[len("pbkdf2-") :], password, self.salt, self.cost, size)


def read_hash(given: str) -> PasswordHash:
    """Raises ValueError(rule, way_out)."""
    match = _FORM.fullmatch(given)
    if match is None or (match[1] == "scrypt") != (match[5] is None):
        for form, rule in _OTHERS:
            if form.match(given):
                raise ValueError(rule, _WAY_OUT)
        raise ValueError("which is no hash of a password", _WAY_OUT)
    kind, power, block, lanes, rounds, salt, digest = match.groups()
    try:
        read = PasswordHash(
            kind, 1 << int(power) if power else int(rounds), int(block or 0), int(lanes or 0), _from_base64(salt), _from_base64(digest)
        )
    except binascii.Error:
        raise ValueError("whose salt or hash is not base64", _WAY_OUT) from None
    if len(read.salt) < _SALT_BYTES_MIN or len(read.digest) < _HASH_BYTES_MIN:
        raise ValueError("whose salt or hash is too short", f"Use {_SALT_BYTES_MIN} bytes of salt and {_HASH_BYTES_MIN} of hash, or more.")
    low, high = _SCRYPT_WORK if kind == "scrypt" else _ROUNDS
    work = read.cost * read.block * read.lanes if kind == "scrypt" else read.cost
    if not low <= work <= high or 128 * read.cost * read.block > _SCRYPT_BYTES_MAX:
        way_out = "Use ln=14 to 16 with r=8 and p=1." if kind == "scrypt" else f"Use {low} to {high} rounds."
        raise ValueError("which costs too little to be safe, or too much to be verified for each client", way_out)
    return read


def password_hash(given: str) -> str:
    """The reader of the option; "" is none."""
    if given:
        read_hash(given)
    return given


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text.replace(".", "+") + "=" * (-len(text) % 4), validate=True)
