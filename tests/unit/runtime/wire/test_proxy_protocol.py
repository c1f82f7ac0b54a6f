"""Headers of the PROXY protocol, in whatever pieces they come: what is read in them, what is refused, what is written."""

from __future__ import annotations

import struct

import pytest

from tandem.wire.proxy_protocol import (
    LOCAL_V2,
    UNKNOWN_V1,
    V1_BYTES_MAX,
    V2_BYTES_MAX,
    Extras,
    Header,
    HeaderReader,
    NoHeader,
    crc32c,
    write_v1,
    write_v2,
)

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
FOUR = bytes((192, 0, 2, 7, 198, 51, 100, 1)) + struct.pack("!HH", 40000, 443)
FOUR_READ = ("192.0.2.7", 40000, "198.51.100.1", 443)
SIX = bytes.fromhex("20010db8000000000000000000000007" + "20010db8000000000000000000000001") + struct.pack("!HH", 40000, 443)
BEHIND = b"GET / HTTP/1.1\r\n\r\n"


def v2(content: bytes, command: int = 0x21, family: int = 0x11) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(content)) + content


def vector(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


def read(header: bytes) -> object:
    """What is read, or NoHeader; the same whole, with something behind it, byte by byte, and in two pieces."""
    outcomes = []
    for pieces in ([header + BEHIND], [header[at : at + 1] for at in range(len(header))] + [BEHIND], [header[:9], header[9:] + BEHIND]):
        reader = HeaderReader()
        used = 0
        try:
            for piece in pieces:
                used += reader.feed(piece)
                if reader.header is not None:
                    break
            assert reader.header is None or used == len(header), "more, or less, than the header was taken"
            outcomes.append(reader.header)
        except NoHeader:
            outcomes.append(NoHeader)
    assert all(outcome == outcomes[0] for outcome in outcomes), outcomes
    return outcomes[0]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\r\n", Header(1, *FOUR_READ)),
        (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", Header(1, "255.255.255.255", 65535, "255.255.255.255", 65535)),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 0 0\r\n", Header(1, "192.0.2.7", 0, "198.51.100.1", 0)),
        (b"PROXY TCP6 2001:DB8::7 2001:db8:0:0:0:0:0:1 40000 443\r\n", Header(1, "2001:db8::7", 40000, "2001:db8::1", 443)),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:c633:6401 40000 443\r\n", Header(1, *FOUR_READ)),
        (b"PROXY UNKNOWN\r\n", Header(1)),
        (b"PROXY UNKNOWN ffff::1 whatever it is 1 2\r\n", Header(1)),
        (b"PROXY UNKNOWN " + b"x" * (V1_BYTES_MAX - 16) + b"\r\n", Header(1)),
    ],
)
def test_a_line_of_version_1_names_the_client_or_nobody(line, expected):
    assert read(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY UNKNOWN " + b"x" * (V1_BYTES_MAX - 15) + b"\r\n",  # a byte too long
        b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 443 \r\n",
        b"PROXY TCP4 192.0.2.7  198.51.100.1 40000 443\r\n",
        b"PROXY TCP4 192.0.2.07 198.51.100.1 40000 443\r\n",
        b"PROXY TCP4 192.0.2.256 198.51.100.1 40000 443\r\n",
        b"PROXY TCP4 192.0.2 198.51.100.1 40000 443\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 040000 443\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 -1 443\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 40000 443\r\n",
        b"PROXY TCP6 192.0.2.7 198.51.100.1 40000 443\r\n",
        b"PROXY TCP6 2001:db8::7%eth0 2001:db8::1 40000 443\r\n",
        b"PROXY TCP6 2001:db8:::7 2001:db8::1 40000 443\r\n",
        b"PROXY UDP4 192.0.2.7 198.51.100.1 40000 443\r\n",
        b"PROXY UNKNOWNS\r\n",
        b"PROXY UNKNOWN a\rb\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\0\r\n",
        b"PROXY \r\n",
        b"proxy TCP4 192.0.2.7 198.51.100.1 40000 443\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        bytes((22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3)),  # TLS
        b"\r\nPROXY UNKNOWN\r\n",
    ],
)
def test_what_is_not_exactly_a_line_of_version_1_is_refused(line):
    assert read(line) is NoHeader


def test_a_line_is_not_awaited_beyond_its_longest():
    reader = HeaderReader()
    assert reader.feed(b"PROXY UNKNOWN " + b"x" * (V1_BYTES_MAX - 15)) == V1_BYTES_MAX - 1
    with pytest.raises(NoHeader):
        reader.feed(b"x")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (v2(FOUR), Header(2, *FOUR_READ)),
        (v2(SIX, family=0x21), Header(2, "2001:db8::7", 40000, "2001:db8::1", 443)),
        (v2(bytes.fromhex("00000000000000000000ffffc0000207" * 2) + FOUR[8:], family=0x21), Header(2, "192.0.2.7", 40000, "192.0.2.7", 443)),
        (v2(b"", command=0x20, family=0), Header(2)),
        (v2(FOUR + b"anything", command=0x20), Header(2)),  # what LOCAL says is thrown away
        (v2(b"any", command=0x20, family=0xFF), Header(2)),
        (v2(b"", family=0), Header(2)),
        (v2(b"anything", family=0), Header(2)),
        (v2(FOUR, family=0x12), Header(2)),  # UDP
        (v2(FOUR, family=0x10), Header(2)),
        (v2(bytes(216), family=0x31), Header(2)),
        (v2(FOUR + vector(4, bytes(V2_BYTES_MAX - 16 - 12 - 3))), Header(2, *FOUR_READ)),  # padding, up to the longest header
        (v2(FOUR + vector(0xEA, b"\x01vpce-08d2bf15fac5001c9")), Header(2, *FOUR_READ)),  # somebody's own
        (v2(FOUR + vector(1, b"h2") + vector(1, b"http/1.1")), Header(2, *FOUR_READ, Extras(alpn=b"h2"))),
        (v2(FOUR + vector(2, "bücher.example".encode())), Header(2, *FOUR_READ, Extras(authority="bücher.example"))),
        (v2(FOUR + vector(5, bytes(range(128)))), Header(2, *FOUR_READ, Extras(unique_id=bytes(range(128))))),
        (v2(FOUR + vector(32, b"\x01\0\0\0\x01" + vector(33, b"TLSv1.3"))), Header(2, *FOUR_READ, Extras(over_tls=True, tls_version="TLSv1.3"))),
        (
            v2(FOUR + vector(32, b"\x07\0\0\0\0" + vector(33, b"TLSv1.3") + vector(35, b"ECDHE") + vector(34, b"ann"))),
            Header(2, *FOUR_READ, Extras(over_tls=True, verified=True, tls_version="TLSv1.3", cipher="ECDHE", client_cn="ann")),
        ),
        (v2(FOUR + vector(32, b"\x01\0\0\0\0")), Header(2, *FOUR_READ, Extras(over_tls=True))),  # no certificate, so none was verified
        (v2(FOUR + vector(32, b"\x07\0\0\0\x13" + vector(34, b"eve"))), Header(2, *FOUR_READ, Extras(over_tls=True, client_cn="eve"))),
    ],
)
def test_a_header_of_version_2_names_the_client_or_nobody(header, expected):
    assert read(header) == expected


@pytest.mark.parametrize(
    "header",
    [
        SIGNATURE[:-1] + b"\r",
        v2(FOUR, command=0x11),
        v2(FOUR, command=0x22),
        v2(FOUR, family=0x41),
        v2(FOUR, family=0x13),
        v2(FOUR[:11]),
        v2(SIX[:35], family=0x21),
        v2(bytes(215), family=0x31),
        v2(bytes(V2_BYTES_MAX - 15)),
        v2(FOUR + b"\x04"),
        v2(FOUR + b"\x04\0"),
        v2(FOUR + b"\x04\0\x02x"),
        v2(FOUR + vector(4, b"x") + b"\0"),
        v2(FOUR + vector(5, bytes(129))),
        v2(FOUR + vector(2, b"a" * 256)),
        v2(FOUR + vector(2, b"a\nb")),
        v2(FOUR + vector(2, b"\xff\xfe")),
        v2(FOUR + vector(32, b"\x01\0\0\0")),
        v2(FOUR + vector(32, b"\x01\0\0\0\0" + b"\x21\0\x09TLS")),
    ],
)
def test_what_is_not_exactly_a_header_of_version_2_is_refused(header):
    assert read(header) is NoHeader


def test_the_checksum_is_that_of_the_standard():
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720 B.4


@pytest.mark.parametrize("before", [b"", vector(2, b"shop.example")])
def test_a_header_with_a_checksum_is_taken_only_if_it_is_right(before):
    blank = v2(FOUR + before + vector(3, bytes(4)) + vector(5, b"id"))
    at = blank.index(b"\x03\x00\x04" + bytes(4)) + 3
    right = blank[:at] + crc32c(blank).to_bytes(4, "big") + blank[at + 4 :]
    assert isinstance(read(right), Header)
    for byte in (17, at, len(right) - 1):
        wrong = right[:byte] + bytes((right[byte] ^ 1,)) + right[byte + 1 :]
        assert read(wrong) is NoHeader
    assert read(v2(FOUR + vector(3, b"\0\0"))) is NoHeader


def test_nothing_is_taken_of_what_follows():
    reader = HeaderReader()
    whole = v2(FOUR)
    assert reader.feed(whole[:20]) == 20
    assert reader.feed(whole[20:] + bytes(100_000)) == len(whole) - 20


@pytest.mark.parametrize("source,destination", [("192.0.2.7", "198.51.100.1"), ("2001:db8::7", "2001:db8::1")])
def test_what_is_written_is_read_again(source, destination):
    extras = Extras(b"h2", "shop.example", b"id", True, True, "TLSv1.3", "TLS_AES_128_GCM_SHA256", "ann")
    assert read(write_v1(source, 4, destination, 65535)) == Header(1, source, 4, destination, 65535)
    assert read(write_v2(source, 4, destination, 65535)) == Header(2, source, 4, destination, 65535)
    assert read(write_v2(source, 4, destination, 65535, extras)) == Header(2, source, 4, destination, 65535, extras)
    unverified = Extras(over_tls=True, tls_version="TLSv1.2")
    assert read(write_v2(source, 4, destination, 65535, unverified)) == Header(2, source, 4, destination, 65535, unverified)


def test_addresses_of_two_families_are_written_as_the_wider_one():
    assert write_v1("192.0.2.7", 1, "2001:db8::1", 2).startswith(b"PROXY TCP6 ::ffff:")
    for written, version in ((write_v1("192.0.2.7", 1, "2001:db8::1", 2), 1), (write_v2("192.0.2.7", 1, "2001:db8::1", 2), 2)):
        assert read(written) == Header(version, "192.0.2.7", 1, "2001:db8::1", 2)


def test_what_is_written_for_checks_names_nobody():
    assert read(UNKNOWN_V1) == Header(1)
    assert read(LOCAL_V2) == Header(2)
