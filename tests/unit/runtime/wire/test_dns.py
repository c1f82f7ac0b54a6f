"""DNS messages: what is asked, what is believed of an answer, and what is refused. RFC 1035, 2308, 5452."""

from __future__ import annotations

import contextlib
import random
import struct

import pytest

from tandem.wire.dns import AAAA, A, Malformed, name_to_text, name_to_wire, question, read_reply

NAME = name_to_wire("app.test")
ASKED = 12  # where the name that was asked stands in each message
POINTER = b"\xc0\x0c"


def record(owner, kind, data, ttl_s=60, network=1):
    return owner + struct.pack("!HHIH", kind, network, ttl_s, len(data)) + data


def soa(ttl_s=300, minimum=30):
    return record(POINTER, 6, b"\x02ns\xc0\x0c" + b"\x04host\xc0\x0c" + struct.pack("!5I", 1, 2, 3, 4, minimum), ttl_s)


def message(*answers, number=7, flags=0x8180, authorities=(), name=NAME, kind=A, questions=1):
    asked = (name + struct.pack("!HH", kind, 1)) * questions
    head = struct.pack("!6H", number, flags, questions, len(answers), len(authorities), 0)
    return head + asked + b"".join(answers) + b"".join(authorities)


def read(data, kind=A, name=NAME):
    return read_reply(data, 7, name, kind)


def test_a_question_is_a_header_and_a_name_and_asks_to_look_further():
    assert question(0x1234, NAME, AAAA).hex() == "1234" + "0100" + "0001" + "0000" * 3 + b"\x03app\x04test\x00".hex() + "001c0001"


@pytest.mark.parametrize("name", ["a" * 64 + ".test", "a..b", "", ".", "ä.test", ".".join(["a" * 60] * 5)])
def test_what_is_no_host_name_is_not_asked(name):
    with pytest.raises(ValueError):
        name_to_wire(name)


def test_names_are_alike_whatever_their_case():
    assert name_to_wire("App.TEST.") == NAME
    assert name_to_text(NAME) == "app.test"


def test_addresses_are_read_with_the_time_that_the_shortest_of_them_counts():
    reply = read(message(record(POINTER, A, bytes([192, 0, 2, 1]), 90), record(POINTER, A, bytes([192, 0, 2, 2]), 40)))
    assert (reply.addresses, reply.ttl_s, reply.alias, reply.denied_s) == (("192.0.2.1", "192.0.2.2"), 40, b"", None)
    reply = read(message(record(POINTER, AAAA, bytes(15) + b"\x01"), kind=AAAA), AAAA)
    assert reply.addresses == ("::1",)


def test_only_records_of_the_name_that_was_asked_or_that_it_is_an_alias_of_count():
    strange, alias = name_to_wire("evil.test"), name_to_wire("a.b.test")
    answers = [record(strange, A, bytes([6, 6, 6, 6])), record(alias, A, bytes([192, 0, 2, 9]), 30), record(POINTER, 5, alias, 20)]
    assert read(message(*answers)).addresses == ("192.0.2.9",)
    assert read(message(*answers)).ttl_s == 20, "the alias counts for no longer than that"
    assert read(message(record(POINTER, A, bytes([192, 0, 2, 3]), network=3))).addresses == (), "another class"


def test_an_alias_without_an_address_leads_further():
    assert read(message(record(POINTER, 5, name_to_wire("b.test")))).alias == name_to_wire("b.test")


def test_a_time_with_the_highest_bit_set_is_none():
    """RFC 2181 8."""
    assert read(message(record(POINTER, A, bytes(4), 0x80000001))).ttl_s == 0


@pytest.mark.parametrize(("ttl_s", "minimum", "denied_s"), [(300, 30, 30), (10, 30, 10)])
def test_what_is_not_there_is_not_there_for_as_long_as_the_start_of_authority_says(ttl_s, minimum, denied_s):
    """RFC 2308 5."""
    for flags in (0x8180, 0x8183):
        reply = read(message(flags=flags, authorities=[soa(ttl_s, minimum)]))
        assert (reply.code, reply.addresses, reply.denied_s, reply.referral) == (flags & 15, (), denied_s, False)


def test_a_server_that_only_names_others_has_not_answered():
    assert read(message(authorities=[record(POINTER, 2, b"\x02ns\xc0\x0c")])).referral
    assert not read(message(record(POINTER, A, bytes([192, 0, 2, 1])), authorities=[record(POINTER, 2, b"\x02ns\xc0\x0c")])).referral


def test_an_answer_that_does_not_fit_says_so_and_nothing_of_it_is_used():
    reply = read(message(record(POINTER, A, bytes(4)), flags=0x8380)[:-2])
    assert (reply.truncated, reply.addresses) == (True, ())


@pytest.mark.parametrize(
    "heard",
    [
        message(number=8),
        message(flags=0x0180),
        message(flags=0x8980),
        message(name=name_to_wire("evil.test")),
        message(name=b"\x03app\x04test\xc0\x09"),
        message(kind=AAAA),
        message(questions=0),
        message(questions=2),
        b"",
        message()[:11],
    ],
    ids=["number", "question", "operation", "name", "pointer", "kind", "no question", "two questions", "empty", "short"],
)
def test_a_message_that_is_not_for_our_question_is_as_if_it_had_not_come(heard):
    """RFC 5452 9.1."""
    assert read(heard) is None


def test_a_server_that_could_not_read_the_question_need_not_repeat_it():
    assert read(message(questions=0, flags=0x8181)).code == 1


def test_the_question_may_come_back_in_another_case():
    assert read(message(record(POINTER, A, bytes([1, 1, 1, 1])), name=b"\x03ApP\x04tesT\x00")).addresses == ("1.1.1.1",)


@pytest.mark.parametrize(
    "broken",
    [
        record(b"\xc0\x20", A, bytes(4)),
        record(b"\xff\xff", A, bytes(4)),
        record(b"\x40x", A, bytes(4)),
        record(POINTER, A, bytes(3)),
        record(POINTER, A, bytes(4))[:-1],
        record(POINTER, A, bytes(4))[:-6],
        b"\x3fabc",
        b"\xc0",
        b"",
        record(POINTER, 5, b"\xc0\x0c"),
        record((b"\x3f" + b"a" * 63) * 4 + b"\0", A, bytes(4)),
    ],
    ids=["itself", "forwards", "label", "address", "data", "record", "name", "pointer", "nothing", "alias of itself", "long name"],
)
def test_what_breaks_the_format_is_refused(broken):
    with pytest.raises(Malformed):
        read(message(broken))


def test_aliases_in_a_circle_are_refused():
    other = name_to_wire("b.test")
    with pytest.raises(Malformed, match="without an end"):
        read(message(record(POINTER, 5, other), record(other, 5, NAME)))


def test_whatever_comes_is_read_or_refused_and_never_anything_else():
    chance = random.Random(7)
    whole = message(record(POINTER, 5, name_to_wire("b.test")), record(name_to_wire("b.test"), A, bytes(4)), authorities=[soa()])
    for _round in range(20000):
        data = bytearray(whole[: chance.randrange(12, len(whole) + 1)])
        for _change in range(chance.randrange(4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        with contextlib.suppress(Malformed):
            read(bytes(data))
