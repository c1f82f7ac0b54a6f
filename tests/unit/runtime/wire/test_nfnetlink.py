"""Messages to the packet filter, as the kernel's headers have them."""

from __future__ import annotations

import struct

import pytest

from tandem.wire.nfnetlink import Part, ask_generation, attributes, end_connections, list_connections, parts_of


def attribute(kind, content):
    return struct.pack("=HH", 4 + len(content), kind) + content + bytes(-len(content) % 4)


def message(kind, body, sequence=7):
    return struct.pack("=IHHII", 16 + len(body), kind, 0, sequence, 0) + body


def connection(mark, state=None):
    info = b"" if state is None else attribute(0x8004, attribute(0x8001, attribute(1, bytes((state,)))))
    return message(0x100, bytes(4) + attribute(8, struct.pack(">I", mark)) + info)


def test_connections_are_named_by_mark_and_mask_in_network_order():
    length, kind, flags, sequence, _port = struct.unpack_from("=IHHII", end_connections(3, 0x54000001, 0xFFFFFFFF))
    assert (length, kind, flags, sequence) == (36, 0x102, 5, 3)
    assert attributes(end_connections(3, 0x54000001, 0xFF000000)[20:]) == {8: b"\x54\0\0\1", 21: b"\xff\0\0\0"}
    assert struct.unpack_from("=IHH", list_connections(3, 1, 2))[1:] == (0x101, 0x301)
    assert struct.unpack_from("=IHH", ask_generation(3)) == (20, 0x0A10, 1)


@pytest.mark.parametrize(("state", "is_open"), [(None, True), (3, True), (5, True), (7, False), (8, False)])
def test_a_connection_is_open_until_conntrack_only_remembers_it(state, is_open):
    assert list(parts_of(connection(0x54000001, state))) == [Part(7, mark=0x54000001, is_open=is_open)]


def test_a_read_may_hold_several_messages_an_end_and_an_error():
    end, refused = message(3, bytes(4)), message(2, struct.pack("=i", -2) + bytes(16))
    assert [part.done for part in parts_of(connection(1) + connection(2) + end)] == [False, False, True]
    assert list(parts_of(refused)) == [Part(7, error=2, done=True)]
    assert list(parts_of(message(0x0A0F, bytes(4) + attribute(1, struct.pack(">I", 99))))) == [Part(7, done=True, generation=99)]


def test_what_is_cut_short_ends_the_list():
    whole = connection(1) + connection(2)
    for length in range(len(whole)):
        assert len(list(parts_of(whole[:length]))) == (length >= len(connection(1)))
    assert attributes(b"\x03\0\x01\0") == attributes(b"\xff\0\x01\0aa") == {}
    assert list(parts_of(struct.pack("=IHHII", 4, 0x100, 0, 1, 0))) == []
