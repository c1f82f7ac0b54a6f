"""Notes between nodes: whole over both ways, and nothing else is taken for one."""

from __future__ import annotations

import json

import pytest

from tandem.wire import notes, udp, vrrp

OFFER = notes.Note("offer", 2**48 - 1, 300_000, (("192.0.2.11", "02:00:00:00:00:01"), ("2001:db8::11", "02:00:00:00:00:01")))
ANSWER = notes.Note("answer", 7, state="standby", digest="ab" * 8, servers=True, forwards=False, why="nft is not installed")


@pytest.mark.parametrize("note", [OFFER, ANSWER], ids=["offer", "answer"])
def test_a_note_arrives_as_it_was_sent_by_either_way(note):
    cover = udp.decode(udp.encode(udp.NoteCover("edge", "lb-a", 1, 2, notes.encode(note).decode()), b"key"), b"key")
    assert isinstance(cover, udp.NoteCover)
    assert notes.decode(cover.note.encode()) == note
    for source, destination in (("192.0.2.11", "192.0.2.12"), ("2001:db8::11", "2001:db8::12")):
        packet = vrrp.encode_note(51, notes.encode(note), source, destination)
        assert vrrp.is_note(packet)
        assert notes.decode(vrrp.decode_note(packet, source, destination)) == note
        with pytest.raises(vrrp.Malformed, match="type 15"):
            vrrp.decode(packet, source, destination)
        with pytest.raises(vrrp.Malformed, match="checksum"):
            vrrp.decode_note(packet[:-1] + b"x", source, destination)
        with pytest.raises(vrrp.Malformed, match="not of ours"):
            vrrp.decode_note(packet[:12] + b"-" + packet[13:], source, destination)


def test_the_largest_note_fits_into_a_message():
    routes = tuple((f"2001:db8:ffff:ffff:ffff:ffff:ffff:fff{number}", "02:00:00:00:00:01") for number in range(notes.ROUTES_MAX))
    note = notes.Note("offer", 2**48 - 1, 86_400_000, routes, "standby", "ab" * 8, True, True, "w" * 250)
    packet = udp.encode(udp.NoteCover("e" * 63, "n" * 63, 2**62, 2**31, notes.encode(note).decode()), b"key")
    udp.decode(packet, b"key")


BROKEN = {
    "no JSON": b"\xff",
    "another shape": b"[]",
    "a kind that is not known": json.dumps({**json.loads(notes.encode(OFFER)), "kind": "order"}).encode(),
    "a time without end": json.dumps({**json.loads(notes.encode(OFFER)), "grace_ms": 10**12}).encode(),
    "routes of another shape": json.dumps({**json.loads(notes.encode(OFFER)), "routes": [["192.0.2.1"]]}).encode(),
    "too many routes": json.dumps({**json.loads(notes.encode(OFFER)), "routes": [["192.0.2.1", "x"]] * 9}).encode(),
    "a field that is missing": b'{"kind": "over"}',
    "too long": b" " * 1201,
    "deep": b"[" * 1200,
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_note_is_refused(case):
    with pytest.raises(notes.BadNote):
        notes.decode(BROKEN[case])


def test_a_later_release_may_say_more():
    assert notes.decode(json.dumps({**json.loads(notes.encode(ANSWER)), "weather": "fair"}).encode()) == ANSWER
