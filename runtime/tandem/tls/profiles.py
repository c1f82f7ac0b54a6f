"""What is offered in a handshake: Mozilla's recommendations, "Server Side TLS", version 6.0 (ssl-config.mozilla.org/guidelines/6.0.json)."""

from __future__ import annotations

import ssl

from .libssl import control

_INTERMEDIATE_CIPHERS = ":".join(
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
    )
)
# OpenSSL knows the first of them since 3.5; a list with a name that it does not know is refused.
_GROUPS = "X25519MLKEM768:X25519:P-256:P-384" if ssl.OPENSSL_VERSION_INFO >= (3, 5) else "X25519:P-256:P-384"
_SET_GROUPS = 92  # SSL_CTRL_SET_GROUPS_LIST, openssl/ssl.h


def apply_profile(context: ssl.SSLContext, profile: str) -> None:
    """``profile``: intermediate (TLS 1.2 and 1.3, for everything of the last ten years) or modern (TLS 1.3 alone)."""
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if profile == "modern" else ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_INTERMEDIATE_CIPHERS)
    _limit_groups(context)
    # The client knows best whether it has AES in hardware. Renegotiation and compression are ways to attack, and nobody needs them.
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION


def _limit_groups(context: ssl.SSLContext) -> None:
    """OpenSSL by itself also takes finite fields (RFC 7919) in TLS 1.3: a hello of 1 KB with ffdhe8192 cost a worker 185 ms, one with X25519 0.5 ms.

    Python can set one curve. Where the list cannot be set, it is the one that all clients know: it costs those that sent no key for it a round trip.
    """
    if control(context, _SET_GROUPS, 0, _GROUPS.encode()) is None:
        context.set_ecdh_curve("prime256v1")
