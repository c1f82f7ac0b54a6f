"""One set of session ticket keys for all workers, so that a client resumes its session with whichever worker it meets (RFC 8446 2.2, RFC 5077).

Python gives no hand on the keys of OpenSSL's tickets: each context makes its own, and workers are processes that do not share contexts. What is set
(see ``libssl``) is read back and compared. Where that cannot be, each worker keeps its own keys, and clients that meet another worker shake hands in
full.
"""

from __future__ import annotations

import hashlib
import hmac
import ssl

from .libssl import control

KEYS_BYTES = 80  # a name of 16, and 32 each for HMAC-SHA256 and AES-256 (SSL_CTX_set_tlsext_ticket_key_cb(3))
_GET_TICKET_KEYS, _SET_TICKET_KEYS = 58, 59  # SSL_CTRL_..._TLSEXT_TICKET_KEYS, openssl/ssl.h


def keys_for(terms: str, keys: bytes) -> bytes:
    """The keys of contexts with these terms, made of those that all workers have: a ticket that was given on some terms is none on others, or who was
    let in without a certificate would be taken for one who has shown one (HKDF-Expand, RFC 5869 2.3; what is told apart: RFC 8446 4.6.1)."""
    if len(keys) != KEYS_BYTES:
        return b""
    made = block = b""
    while len(made) < KEYS_BYTES:
        block = hmac.digest(keys, block + terms.encode() + bytes([len(made) // hashlib.sha256().digest_size + 1]), "sha256")
        made += block
    return made[:KEYS_BYTES]


def share_tickets(context: ssl.SSLContext, keys: bytes) -> bool:
    """Makes the context seal its tickets with these keys; whether that was possible."""
    if len(keys) != KEYS_BYTES or control(context, _SET_TICKET_KEYS, KEYS_BYTES, keys) is None:
        return False
    return control(context, _GET_TICKET_KEYS, KEYS_BYTES, bytes(KEYS_BYTES)) == keys
