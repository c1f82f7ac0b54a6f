"""A client of TLS 1.3 that writes its records itself once hands are shaken, so that it can write what no library would (RFC 8446 5.2, 7.1 to 7.3)."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from tests.support.client_hellos import sized

APPLICATION_DATA, HANDSHAKE = 23, 22
KEY_UPDATE_NOT_REQUESTED, KEY_UPDATE_REQUESTED = (bytes((24, 0, 0, 1, asks)) for asks in (0, 1))  # RFC 8446 4.6.3


async def shake_hands(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext, flights: int = 100) -> ssl.SSLObject:
    """As a client, by the name shop.test; returns when it is done, or when so many flights have been sent."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    secret = context.wrap_bio(incoming, outgoing, server_hostname="shop.test")
    while True:
        try:
            done = secret.do_handshake() is None
        except ssl.SSLWantReadError:
            done = False
        if sent := outgoing.read():
            writer.write(sent)
            flights -= 1
        if done or not flights:
            return secret
        incoming.write(await reader.read(65536))


class Records:
    """The client's side of a connection of TLS 1.3 with AES-256, which OpenSSL prefers. ``keylog``: what ``SSLContext.keylog_filename`` named."""

    def __init__(self, keylog: Path) -> None:
        line = next(line for line in keylog.read_text().splitlines() if line.startswith("CLIENT_TRAFFIC_SECRET_0 "))
        self._use(bytes.fromhex(line.split()[2]))

    def _use(self, secret: bytes) -> None:
        self._secret, self._sent = secret, 0
        self._aead, self._iv = AESGCM(_expanded(secret, b"key", 32)), _expanded(secret, b"iv", 12)

    def record(self, content: bytes, kind: int = APPLICATION_DATA) -> bytes:
        inner = content + bytes((kind,))
        head = bytes((APPLICATION_DATA, 3, 3)) + (len(inner) + 16).to_bytes(2, "big")
        nonce = (int.from_bytes(self._iv, "big") ^ self._sent).to_bytes(12, "big")
        self._sent += 1
        return head + self._aead.encrypt(nonce, inner, head)

    def key_update(self, message: bytes = KEY_UPDATE_NOT_REQUESTED) -> bytes:
        """The record that says so; the next ones have the next key."""
        record = self.record(message, HANDSHAKE)
        self._use(_expanded(self._secret, b"traffic upd", 48))
        return record


def _expanded(secret: bytes, label: bytes, size: int) -> bytes:
    """HKDF-Expand-Label (RFC 8446 7.1)."""
    return HKDFExpand(SHA384(), size, size.to_bytes(2, "big") + sized(1, b"tls13 " + label) + sized(1, b"")).derive(secret)
