"""The Internet checksum, against the numbers of RFC 1071."""

from __future__ import annotations

from tandem.wire.checksum import checksum


def test_rfc_1071_3_the_example_of_the_standard():
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF ^ 0xDDF2


def test_rfc_1071_1_data_that_holds_its_checksum_sums_to_zero_also_of_odd_length():
    for data in (b"", b"\0\0", b"\xff" * 40, bytes(range(255)), b"odd"):
        assert checksum(data + b"\0" * (len(data) % 2) + checksum(data).to_bytes(2, "big")) == 0


def test_carries_are_folded_until_none_is_left():
    assert checksum(b"\xff\xff" * 40_000) == 0
