"""Heartbeats and announcements as bytes, against bytes worked out from the standards."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import struct

import pytest

from tandem.wire import announce, udp, vrrp

ADVERT = vrrp.Advertisement(51, 200, 0.3, ("192.0.2.100",))
KEY = b"a key that both nodes share"


def checksum_holds(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total == 0xFFFF


def test_rfc_9568_5_1_the_header_has_version_router_priority_count_and_centiseconds():
    message = vrrp.encode(ADVERT, "192.0.2.11", "192.0.2.12")
    assert message[:6] == bytes([0x31, 51, 200, 1, 0, 30])
    assert message[8:] == bytes([192, 0, 2, 100])
    assert vrrp.decode(message, "192.0.2.11", "192.0.2.12") == ADVERT


@pytest.mark.parametrize("pseudo_header", [True, False])
def test_rfc_9568_5_2_8_both_ways_to_sum_ipv4_are_understood(pseudo_header):
    message = vrrp.encode(ADVERT, "192.0.2.11", "224.0.0.18", pseudo_header=pseudo_header)
    header = bytes([192, 0, 2, 11, 224, 0, 0, 18, 0, 112]) + struct.pack("!H", len(message))
    assert checksum_holds(header + message if pseudo_header else message)
    assert vrrp.decode(message, "192.0.2.11", "224.0.0.18") == ADVERT


def test_rfc_9568_5_2_8_ipv6_is_summed_with_its_pseudo_header():
    advert = dataclasses.replace(ADVERT, addresses=("fe80::100", "2001:db8::100"))
    message = vrrp.encode(advert, "2001:db8::11", "ff02::12", pseudo_header=False)
    assert vrrp.decode(message, "2001:db8::11", "ff02::12") == advert
    with pytest.raises(vrrp.Malformed, match="checksum"):
        vrrp.decode(message, "2001:db8::12", "ff02::12")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda m: m[:7], "fewer than a header"),
        (lambda m: b"\x21" + m[1:], "version 2"),
        (lambda m: b"\x32" + m[1:], "type 2"),
        (lambda m: m[:4] + b"\xf0\x00" + m[6:], "an interval of 0"),
        (lambda m: m[:-1], "1 addresses in 11 bytes"),
        (lambda m: m[:2] + b"\xff" + m[3:], "wrong checksum"),
    ],
)
def test_rfc_9568_7_1_what_is_malformed_is_not_taken(spoil, said):
    message = vrrp.encode(ADVERT, "192.0.2.11", "192.0.2.12")
    with pytest.raises(vrrp.Malformed, match=said):
        vrrp.decode(spoil(message), "192.0.2.11", "192.0.2.12")


def test_an_ipv4_packet_is_taken_apart_with_its_options():
    header = bytes([0x46, 0, 0, 36, 0, 0, 0, 0, 255, 112, 0, 0, 192, 0, 2, 11, 192, 0, 2, 12, 1, 1, 1, 1])
    assert vrrp.from_ip_packet(header + b"payload") == ("192.0.2.11", "192.0.2.12", 255, b"payload")
    for short in (b"", header[:10], header[:22], b"\x66" + header[1:]):
        with pytest.raises(vrrp.Malformed):
            vrrp.from_ip_packet(short)


def test_an_advertisement_holds_addresses_of_one_family():
    assert vrrp.of_family(("192.0.2.100", "2001:db8::100"), "192.0.2.11") == ("192.0.2.100",)
    assert vrrp.of_family(("192.0.2.100", "2001:db8::100"), "fe80::1") == ("2001:db8::100",)


BEAT = udp.Heartbeat("edge", "lb-a", "active", 200, 300, "0123456789abcdef", 1000, 1)


def test_a_heartbeat_is_read_with_the_key_it_was_made_with_and_no_other():
    message = udp.encode(BEAT, KEY)
    assert udp.decode(message, KEY) == BEAT
    with pytest.raises(udp.Rejected, match="not made with our key"):
        udp.decode(message, KEY + b"x")


@pytest.mark.parametrize("place", [0, 8, 40, -40, -1])
def test_a_heartbeat_changed_in_any_place_is_rejected(place):
    message = bytearray(udp.encode(BEAT, KEY))
    message[place] ^= 1
    with pytest.raises(udp.Rejected):
        udp.decode(bytes(message), KEY)


@pytest.mark.parametrize("message", [b"", b"x" * 40, b"x" * 2000])
def test_noise_is_rejected(message):
    with pytest.raises(udp.Rejected):
        udp.decode(message, KEY)


NOT_OURS = {
    "not JSON": (b"{", "other fields"),
    "nested deeply": (b"[" * 1300, "other fields|nested"),
    "no object": (b"[1]", "other fields"),
    "one field more": (json.dumps({**dataclasses.asdict(BEAT), "more": 1}).encode(), "other fields"),
    "one field less": (json.dumps({"node": "lb-a"}).encode(), "other fields"),
    "text for a number": (json.dumps({**dataclasses.asdict(BEAT), "priority": "200"}).encode(), "other types"),
    "truth for a number": (json.dumps({**dataclasses.asdict(BEAT), "number": True}).encode(), "other types"),
    "a list for a name": (json.dumps({**dataclasses.asdict(BEAT), "node": ["lb-a"]}).encode(), "other types"),
    "no interval": (json.dumps({**dataclasses.asdict(BEAT), "interval_ms": 0}).encode(), "interval of 0"),
    "no UTF-8": (b'{"node": "\xff"}', "other fields"),
}


@pytest.mark.parametrize("case", NOT_OURS)
def test_a_message_made_with_our_key_by_a_program_that_is_not_ours_is_rejected_in_words(case):
    content, said = NOT_OURS[case]
    body = b"tandem1\n" + content
    with pytest.raises(udp.Rejected, match=said):
        udp.decode(body + hmac.new(KEY, body, hashlib.sha256).digest(), KEY)


def test_an_old_heartbeat_is_not_taken_again_nor_one_of_a_former_session():
    guard = udp.ReplayGuard(10.0)
    guard.check(BEAT, 0.0)
    guard.check(dataclasses.replace(BEAT, number=5), 0.1)
    for old in (BEAT, dataclasses.replace(BEAT, number=5), dataclasses.replace(BEAT, session=999, number=100)):
        with pytest.raises(udp.Rejected, match="sent again"):
            guard.check(old, 0.2)
    guard.check(dataclasses.replace(BEAT, session=1001, number=1), 0.3)
    guard.check(dataclasses.replace(BEAT, node="lb-b"), 0.3)


def test_a_peer_that_comes_back_with_an_earlier_clock_is_heard_again():
    guard = udp.ReplayGuard(10.0)
    guard.check(BEAT, 0.0)
    guard.check(dataclasses.replace(BEAT, session=1, number=1), 10.5)


def test_rfc_5227_3_an_address_is_announced_by_arp_in_both_forms():
    request, reply = announce.frames("192.0.2.100", b"\x02\x00\x00\x00\x00\x01")
    for frame, operation, target in ((request, 1, b"\0" * 6), (reply, 2, b"\xff" * 6)):
        assert frame[:14] == b"\xff" * 6 + b"\x02\x00\x00\x00\x00\x01" + b"\x08\x06"
        assert frame[14:22] == bytes([0, 1, 8, 0, 6, 4, 0, operation])
        assert frame[22:] == b"\x02\x00\x00\x00\x00\x01" + bytes([192, 0, 2, 100]) + target + bytes([192, 0, 2, 100])


def test_rfc_4861_7_2_6_an_ipv6_address_is_announced_to_all_nodes_with_override():
    (frame,) = announce.frames("2001:db8::100", b"\x02\x00\x00\x00\x00\x01")
    assert frame[:6] == b"\x33\x33\x00\x00\x00\x01"
    assert frame[12:14] == b"\x86\xdd"
    packet = frame[14:]
    source, destination, body = packet[8:24], packet[24:40], packet[40:]
    assert (packet[6], packet[7]) == (58, 255)
    assert destination == bytes.fromhex("ff02000000000000000000000000 0001".replace(" ", ""))
    assert (body[0], body[4] & 0xE0, body[8:24], body[24:26]) == (136, 0x20, source, b"\x02\x01")
    assert checksum_holds(source + destination + struct.pack("!IHBB", len(body), 0, 0, 58) + body)
