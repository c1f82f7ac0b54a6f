"""Which fields name the client to servers, and how they were reached: those that are wanted, and of what came only what is believed."""

from __future__ import annotations

import pytest

from tandem.http.passing import Passing
from tandem.http.request import read_request
from tandem.http.write import request_head

ALL = frozenset({"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "Forwarded"})
FORGED = (b"X-Forwarded-For: 6.6.6.6", b"X-Forwarded-Proto: ftp", b"X-Forwarded-Host: evil", b"X-Forwarded-Port: 1", b"Forwarded: for=6.6.6.6")


def sent(passing: Passing, *fields: bytes, host: bytes = b"shop.example:81", version: bytes = b"1.1") -> dict[bytes, bytes]:
    lines = [b"GET / HTTP/" + version, *([b"Host: " + host] if host else []), *fields]
    head = request_head(read_request(b"\r\n".join([*lines, b"", b""])), passing, local=b"10.0.0.1:80")
    pairs = [line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2]]
    assert len({name.lower() for name, _value in pairs}) == len(pairs)
    return {name: value for name, value in pairs if name not in (b"Host", b"Via")}


def test_all_that_is_known_is_told_and_what_came_is_not():
    passing = Passing(b"2001:db8::7", b"https", forwarded=ALL, port=443)
    assert sent(passing, *FORGED) == {
        b"X-Forwarded-For": b"2001:db8::7",
        b"X-Forwarded-Proto": b"https",
        b"X-Forwarded-Host": b"shop.example:81",
        b"X-Forwarded-Port": b"443",
        b"Forwarded": b'for="[2001:db8::7]";proto=https;host="shop.example:81"',
    }


@pytest.mark.parametrize("wanted", sorted(ALL))
def test_one_alone_can_be_wanted(wanted):
    assert set(sent(Passing(b"192.0.2.1", forwarded=frozenset({wanted}), port=80), *FORGED)) == {wanted.encode()}


def test_nothing_can_be_wanted():
    assert sent(Passing(b"192.0.2.1", forwarded=frozenset()), *FORGED) == {}


def test_a_request_without_a_host_tells_none():
    passing = Passing(b"192.0.2.1", forwarded=frozenset({"X-Forwarded-Host", "Forwarded"}))
    assert sent(passing, host=b"", version=b"1.0") == {b"Forwarded": b"for=192.0.2.1;proto=http"}


def test_a_believed_proxys_word_is_kept_and_added_to():
    passing = Passing(b"192.0.2.1", b"https", "append", forwarded=ALL, port=443)
    assert sent(passing, *FORGED) == {
        b"X-Forwarded-For": b"6.6.6.6, 192.0.2.1",
        b"X-Forwarded-Proto": b"ftp",
        b"X-Forwarded-Host": b"evil",
        b"X-Forwarded-Port": b"1",
        b"Forwarded": b"for=6.6.6.6, for=192.0.2.1;proto=https",
    }
    assert sent(passing) == {
        b"X-Forwarded-For": b"192.0.2.1",
        b"X-Forwarded-Proto": b"https",
        b"X-Forwarded-Host": b"shop.example:81",
        b"X-Forwarded-Port": b"443",
        b"Forwarded": b'for=192.0.2.1;proto=https;host="shop.example:81"',
    }


def test_of_a_believed_proxy_passes_what_is_not_wanted_of_us():
    passing = Passing(b"192.0.2.1", mode="append", forwarded=frozenset())
    kept = sent(passing, *FORGED)
    assert kept[b"X-Forwarded-For"] == b"6.6.6.6"
    assert kept[b"X-Forwarded-Proto"] == b"ftp"
    assert kept[b"X-Forwarded-Host"] == b"evil"
    assert sent(passing) == {}
