"""The reader of certificates, held against cryptography, and against bytes that are none."""

from __future__ import annotations

import random
import time

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from plugins.module_utils._model import _x509 as reader
from tests.support.certificates import issued, revocations

AUTHORITY = issued("An authority", authority=True, ends=3000)
NAMES = ("Shop.example.com", "*.example.com", "192.0.2.7", "2001:db8::7")
ODD = ('Comma, "quoted" + <#> \\ and; more', "#begins", " blank ", "Größe", "Zeile\nzwei", "a\x1b[31m")


def der(made):
    return made.x509.public_bytes(serialization.Encoding.DER)


KEYS = [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate()]


@pytest.mark.parametrize("key", KEYS, ids=["ec", "rsa", "ed25519"])
def test_a_certificate_is_read_as_cryptography_reads_it(key):
    by = issued("By", authority=True)
    made = issued("shop.example.com", NAMES, by, key=key, organisation="Shop, Inc.")
    found = reader.read_certificate(der(made))
    assert found.subject == made.x509.subject.rfc4514_string()
    assert found.issuer == made.x509.issuer.rfc4514_string()
    assert found.names == ("shop.example.com", "*.example.com", "192.0.2.7", "2001:db8::7")
    assert found.not_before_s == made.x509.not_valid_before_utc.timestamp()
    assert found.not_after_s == made.x509.not_valid_after_utc.timestamp()
    assert found.sha256 == made.x509.fingerprint(hashes.SHA256()).hex()
    assert found.raw_issuer == reader.read_certificate(der(by)).raw_subject


@pytest.mark.parametrize("text", ODD)
def test_odd_names_are_written_as_rfc_4514_has_them_in_one_printable_line(text):
    found = reader.read_certificate(der(issued(text))).subject
    assert found.isprintable()
    if text.isprintable():
        assert found == issued(text).x509.subject.rfc4514_string()


def test_times_past_2049_are_read_too():
    made = issued("far", ends=365 * 40)
    assert reader.read_certificate(der(made)).not_after_s == made.x509.not_valid_after_utc.timestamp()


def test_a_certificate_without_names_has_none():
    assert reader.read_certificate(der(issued("plain"))).names == ()


def test_a_revocation_list_says_who_made_it_and_when_the_next_comes():
    (found,) = reader.revocations(revocations(AUTHORITY, days=7))
    assert found.issuer == "CN=An authority"
    assert found.next_update_s - found.this_update_s == 7 * 86400


def test_what_stands_between_blocks_is_a_comment_and_lines_may_end_in_any_way():
    first, second = issued("one"), issued("two")
    text = f"subject=CN=one\r\n{first.pem}\n# the next\n{second.pem}".replace("\n", "\r\n")
    assert [one.subject for one in reader.certificates(text)] == ["CN=one", "CN=two"]


@pytest.mark.parametrize(
    "spoil", [lambda text: text[:-30], lambda text: text.replace("M", "?", 1), lambda text: text.replace("END CERT", "END X509 CERT")]
)
def test_a_damaged_block_is_never_passed_over(spoil):
    with pytest.raises(reader.Malformed):
        reader.certificates(spoil(issued("one").pem) + AUTHORITY.pem)


def test_every_shortened_certificate_is_refused():
    whole = der(AUTHORITY)
    for length in range(len(whole)):
        with pytest.raises(reader.Malformed):
            reader.read_certificate(whole[:length])


def test_damaged_bytes_are_read_or_refused_and_nothing_else():
    chance = random.Random(7)
    for whole, read in (
        (der(issued("shop", NAMES)), reader.read_certificate),
        (reader.pem_blocks(revocations(AUTHORITY))[0][1], reader.read_revocations),
    ):
        for _turn in range(3000):
            bytes_ = bytearray(whole)
            for _time in range(chance.randint(1, 4)):
                bytes_[chance.randrange(len(bytes_))] = chance.randrange(256)
            try:
                assert read(bytes(bytes_)).issuer.isprintable()
            except reader.Malformed as error:
                assert str(error).startswith("which ")


def test_bytes_of_no_meaning_are_refused():
    chance = random.Random(8)
    for _turn in range(2000):
        with pytest.raises(reader.Malformed):
            reader.read_certificate(chance.randbytes(chance.randint(0, 60)))


def test_a_field_that_says_it_is_longer_than_all_there_is_costs_nothing():
    with pytest.raises(reader.Malformed):
        reader.read_certificate(b"\x30\x84\xff\xff\xff\xff")
    with pytest.raises(reader.Malformed):
        reader.read_certificate(b"\x30\x80\x00\x00")  # X.690 10.1


def test_many_fields_cost_what_few_do_each():
    """300,000 of them took 15 s, as each was taken from the head of a list."""
    many = b"\x02\x00" * 300_000
    for size in (len(many), len(many) + 6):
        many = b"\x30\x84" + size.to_bytes(4, "big") + many
    began = time.process_time()
    with pytest.raises(reader.Malformed):
        reader.read_revocations(many)
    assert time.process_time() - began < 3
