"""What is offered in handshakes is what version 6.0 of Mozilla's guidelines lists (ssl-config.mozilla.org/guidelines/6.0.json), and no more."""

from __future__ import annotations

import ssl
import time

import pytest

from tandem.tls import libssl, profiles
from tandem.tls.contexts import ServerTerms, server_context
from tests.support import client_hellos as made
from tests.support.tls import pair

# "openssl" and "ciphersuites" of the guidelines
TLS_1_2 = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
]
TLS_1_3 = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
LISTED = {"P-256": 0x0017, "P-384": 0x0018, "X25519": 0x001D}
OTHERS = {"P-521": 0x0019, "X448": 0x001E, **{f"ffdhe{bits}": 0x0100 + place for place, bits in enumerate((2048, 3072, 4096, 6144, 8192))}}
HANDSHAKE, ALERT = 22, 21


@pytest.fixture(params=["intermediate", "modern"])
def context(request) -> ssl.SSLContext:
    return server_context(ServerTerms((pair("shop.test"),), request.param), b"k" * 80, time.time)


def answer(context: ssl.SSLContext, hello: bytes) -> int:
    """The type of the first record of the server's."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming.write(hello)
    try:
        context.wrap_bio(incoming, outgoing, server_side=True).do_handshake()
    except ssl.SSLError:  # it waits for the client, or has refused it
        return outgoing.read()[0]
    raise AssertionError("a handshake of one hello")


def test_ciphers_and_versions_are_those_that_are_listed_and_the_client_chooses(context):
    by_version = {version: [one["name"] for one in context.get_ciphers() if one["protocol"] == version] for version in ("TLSv1.2", "TLSv1.3")}
    assert by_version["TLSv1.2"] == TLS_1_2
    assert set(by_version["TLSv1.3"]) == TLS_1_3
    assert len(context.get_ciphers()) == len(TLS_1_2) + len(TLS_1_3)
    assert not context.options & ssl.OP_CIPHER_SERVER_PREFERENCE


def test_modern_is_tls_1_3_alone():
    versions = {}
    for profile in ("intermediate", "modern"):
        versions[profile] = server_context(ServerTerms((pair("shop.test"),), profile), b"", time.time).minimum_version
    assert versions == {"intermediate": ssl.TLSVersion.TLSv1_2, "modern": ssl.TLSVersion.TLSv1_3}


@pytest.mark.parametrize("group", LISTED.values(), ids=LISTED)
def test_the_groups_that_are_listed_are_taken(context, group):
    assert answer(context, made.of_one_group(group)) == HANDSHAKE


@pytest.mark.parametrize("group", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("by_ctypes", [True, False])
def test_no_other_group_is_taken_as_some_cost_the_server_much_and_the_client_nothing(monkeypatch, group, by_ctypes):
    if not by_ctypes:
        monkeypatch.setattr(libssl, "_library", lambda: None)
    context = server_context(ServerTerms((pair("shop.test"),)), b"k" * 80, time.time)
    assert answer(context, made.of_one_group(group)) == ALERT
    assert answer(context, made.of_one_group(LISTED["P-256"])) == HANDSHAKE


def test_the_post_quantum_group_is_taken_where_openssl_has_it(context):
    assert answer(context, made.of_one_group(0x11EC)) == (HANDSHAKE if ssl.OPENSSL_VERSION_INFO >= (3, 5) else ALERT)


def test_a_list_that_openssl_does_not_take_leaves_one_curve_and_no_error_for_the_next_who_asks(monkeypatch):
    monkeypatch.setattr(profiles, "_GROUPS", "X25519:nonsense")
    context = server_context(ServerTerms((pair("shop.test"),)), b"k" * 80, time.time)
    assert answer(context, made.of_one_group(LISTED["X25519"])) == ALERT
    assert answer(context, made.of_one_group(LISTED["P-256"])) == HANDSHAKE
