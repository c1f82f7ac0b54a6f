"""ClientHellos to read: those of OpenSSL, and others built from their parts, right and wrong."""

from __future__ import annotations

import ssl
from typing import Optional

GREASE = 0x8A8A  # RFC 8701
SERVER_NAME, ALPN, SUPPORTED_VERSIONS, PADDING, PRE_SHARED_KEY, KEY_SHARE, EARLY_DATA, ECH = 0, 16, 43, 21, 41, 51, 42, 0xFE0D


def of_openssl(context: ssl.SSLContext, name: Optional[str] = None, session: Optional[ssl.SSLSession] = None) -> bytes:
    """What OpenSSL would send first."""
    sent = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name, session=session)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return sent.read()
    raise AssertionError("a handshake without a server")


def sized(length_bytes: int, content: bytes) -> bytes:
    return len(content).to_bytes(length_bytes, "big") + content


def extension(number: int, content: bytes = b"") -> bytes:
    return number.to_bytes(2, "big") + sized(2, content)


def server_name(name: bytes, kind: int = 0) -> bytes:
    return extension(SERVER_NAME, sized(2, bytes([kind]) + sized(2, name)))


def alpn(*protocols: bytes) -> bytes:
    return extension(ALPN, sized(2, b"".join(sized(1, protocol) for protocol in protocols)))


def supported_versions(*versions: int) -> bytes:
    return extension(SUPPORTED_VERSIONS, sized(1, b"".join(version.to_bytes(2, "big") for version in versions)))


def body(
    extensions: Optional[bytes], *, version: int = 0x0303, session_id: bytes = b"", ciphers: bytes = b"\x13\x01", methods: bytes = b"\0"
) -> bytes:
    """The content of a ClientHello; None: without extensions, which is not the same as with none."""
    fixed = version.to_bytes(2, "big") + bytes(range(32)) + sized(1, session_id) + sized(2, ciphers) + sized(1, methods)
    return fixed if extensions is None else fixed + sized(2, extensions)


def message(content: bytes, kind: int = 1) -> bytes:
    return bytes([kind]) + sized(3, content)


def records(handshake: bytes, size: int = 16384, version: int = 0x0301, kind: int = 22) -> bytes:
    """The handshake cut into records of that many bytes."""
    pieces = [handshake[at : at + size] for at in range(0, len(handshake), size)]
    return b"".join(bytes([kind]) + version.to_bytes(2, "big") + sized(2, piece) for piece in pieces)


def hello(extensions: Optional[bytes], **parts) -> bytes:
    return records(message(body(extensions, **parts)))


def ech_grease() -> bytes:
    """What one who knows no key for it sends in place of an encrypted hello: ClientHelloOuter (RFC 9849 5, 6.2)."""
    suite_and_configuration = bytes.fromhex("000100017b")  # KDF, AEAD, the configuration's number
    return extension(ECH, b"\0" + suite_and_configuration + sized(2, bytes(32)) + sized(2, bytes(reversed(range(208)))))


def psk(ticket: bytes = bytes(192)) -> bytes:
    """pre_shared_key, which is the last extension (RFC 8446 4.2.11)."""
    return extension(PRE_SHARED_KEY, sized(2, sized(2, ticket) + bytes(4)) + sized(2, sized(1, bytes(32))))


def like_chromium(name: bytes = b"Shop.Example.test") -> bytes:
    """What Chromium sends: GREASE in every list, an X25519MLKEM768 key share beside X25519's, a GREASE ECH, no room for padding."""
    key_shares = b"".join(group.to_bytes(2, "big") + sized(2, key) for group, key in ((GREASE, b"\0"), (0x11EC, bytes(1216)), (0x001D, bytes(32))))
    groups = b"".join(group.to_bytes(2, "big") for group in (GREASE, 0x11EC, 0x001D, 0x0017, 0x0018))
    ciphers = b"".join(
        suite.to_bytes(2, "big")
        for suite in (GREASE, 0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC013, 0xC014, 0x9C, 0x9D, 0x2F, 0x35)
    )
    extensions = [
        extension(GREASE),
        extension(0x0023),
        extension(KEY_SHARE, sized(2, key_shares)),
        supported_versions(GREASE, 0x0304, 0x0303),
        extension(0x000D, sized(2, bytes.fromhex("04030804040105030805050108060601"))),
        ech_grease(),
        extension(0x0017),
        extension(0x0012),
        extension(0xFF01, b"\0"),
        extension(0x44CD, sized(2, sized(1, b"h2"))),
        extension(0x000B, b"\x01\0"),
        server_name(name),
        alpn(b"h2", b"http/1.1"),
        extension(0x001B, b"\x02\0\x02"),
        extension(0x000A, sized(2, groups)),
        extension(0x0005, b"\x01\0\0\0\0"),
        extension(0x002D, b"\x01\x01"),
        extension(0x1A1A, b"\0"),
    ]
    return hello(b"".join(extensions), session_id=bytes(range(32)), ciphers=ciphers)


def of_one_group(group: int, key: bytes = b"", *more: bytes) -> bytes:
    """A hello of TLS 1.3 that can be answered by one group only, with a key for it, or without, and with more extensions at its end."""
    keys = group.to_bytes(2, "big") + sized(2, key) if key else b""
    signatures = bytes.fromhex("040305030603080408050806")
    extensions = [
        server_name(b"shop.test"),
        supported_versions(0x0304),
        extension(0x000A, sized(2, group.to_bytes(2, "big"))),
        extension(0x000D, sized(2, signatures)),
        extension(0x002D, b"\x01\x01"),
        extension(KEY_SHARE, sized(2, keys)),
        *more,
    ]
    return hello(b"".join(extensions), session_id=bytes(32))


def with_ticket() -> bytes:
    """A hello of TLS 1.3 that resumes: pre_shared_key at its end (RFC 8446 4.2.11)."""
    extensions = server_name(b"a.test") + supported_versions(0x0304) + extension(EARLY_DATA) + psk()
    return hello(extensions, session_id=bytes(32))
