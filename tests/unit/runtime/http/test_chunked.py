"""Chunked bodies: what passes as it came, what is cut out of them, and what is refused, in whatever pieces they arrive."""

from __future__ import annotations

import random

import pytest

from tandem.http.chunked import ChunkedBody
from tandem.http.head import BadMessage


def fed(pieces: list[bytes], **options: bool) -> tuple[bytes, int]:
    """What comes out of a body that arrives in these pieces, and how many bytes after it are not its own."""
    body, out = ChunkedBody(**options), b""
    for number, piece in enumerate(pieces):
        passed, used = body.feed(piece)
        out += b"".join(passed)
        if used >= 0:
            return out, len(piece) - used + sum(map(len, pieces[number + 1 :]))
    return out, -1


def in_pieces(stream: bytes) -> list[list[bytes]]:
    """The stream whole, byte by byte, and cut in 200 other ways."""
    draw = random.Random(9112)
    ways = [[stream], [stream[n : n + 1] for n in range(len(stream))]]
    for _turn in range(200):
        cuts = sorted(draw.sample(range(1, len(stream)), draw.randrange(1, min(12, len(stream)))))
        ways.append([stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)])])
    return ways


CHUNKED = b'4;ext="a\xff\\""\r\nWiki\r\n00005 ; x\r\npedia\r\nE\r\n in\r\n\r\nchunks.\r\n000\r\nX-Sum: x\r\nOther:\r\n\r\n'
CHUNKS = b"4\r\nWiki\r\n00005\r\npedia\r\nE\r\n in\r\n\r\nchunks.\r\n"


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, CHUNKS + b"0\r\nX-Sum: x\r\nOther:\r\n\r\n"),
        ({"trailers": False}, CHUNKS + b"0\r\n\r\n"),
        ({"framed": False}, b"Wikipedia in\r\n\r\nchunks."),
        ({"padded": True}, CHUNKS + b"0\r\nX-Sum: x\r\nOther:\r\n\r\n"),
    ],
)
def test_a_chunked_body_is_the_same_in_whatever_pieces_it_comes_RFC_9112_7_1(options, wanted):
    for pieces in in_pieces(CHUNKED + b"GET /next"):
        assert fed(pieces, **options) == (wanted, 9)


def test_what_may_pass_as_it_came_is_what_came():
    stream = b"5\r\nhello\r\n0000000A\r\n0123456789\r\n0\r\n\r\n"
    pieces, used = ChunkedBody().feed(stream)
    assert len(pieces) == 1
    assert pieces[0] is stream
    assert used == len(stream)
    assert ChunkedBody().feed(stream + b"GET /next") == ([stream], len(stream))
    body = ChunkedBody()
    for piece in (b"FFFFF\r\n" + b"x" * 1000, b"y" * 1000):
        pieces, used = body.feed(piece)
        assert pieces[0] is piece
        assert (len(pieces), used) == (1, -1)


def test_only_what_may_not_pass_is_cut_out():
    pieces, _used = ChunkedBody().feed(b"1\r\na\r\n1\r\nb\r\n1;x=y\r\nc\r\n1\r\nd\r\n1\r\ne\r\n0\r\n\r\n")
    assert pieces == [b"1\r\na\r\n1\r\nb\r\n", b"1\r\n", b"c\r\n1\r\nd\r\n1\r\ne\r\n0\r\n\r\n"]


@pytest.mark.parametrize("extension", [b";a", b"; a", b" ;\ta", b";a;b", b";a=b;c=d", b";a = b", b';a="b c;d=\\"\xff"', b';a=""'])
def test_extensions_are_read_and_dropped_RFC_9112_7_1_1(extension):
    for pieces in in_pieces(b"1" + extension + b"\r\nx\r\n0" + extension + b"\r\n\r\n"):
        assert fed(pieces) == (b"1\r\nx\r\n0\r\n\r\n", 0)


@pytest.mark.parametrize("stream", [b"5   \r\nhello\r\n0 \r\n\r\n", b"5\t\r\nhello\r\n0\t \r\n\r\n", b"5;a \r\nhello\r\n0\r\n\r\n"])
def test_a_padded_size_is_read_of_servers_and_not_of_clients_RFC_9112_7_1(stream):
    for pieces in in_pieces(stream):
        assert fed(pieces, padded=True) == (b"5\r\nhello\r\n0\r\n\r\n", 0)
        with pytest.raises(BadMessage):
            fed(pieces)


NOT_IN_TRAILERS = [
    *(b"Transfer-Encoding: chunked", b"content-length: 5", b"Host: b", b"Connection: close", b"Keep-Alive: x", b"Upgrade: h2c", b"TE: x"),
    *(b"Authorization: x", b"Proxy-Authorization: x", b"WWW-Authenticate: x", b"Cookie: a=1", b"Set-Cookie: a=1", b"Cache-Control: x"),
    *(b"Content-Encoding: gzip", b"Content-Type: x", b"Content-Range: x", b"Expect: x", b"Max-Forwards: 1", b"Location: /", b"Trailer: x"),
    *(b"X-Forwarded-For: 10.0.0.1", b"X-Forwarded-Any: x", b"Forwarded: x", b"X-Real-IP: x", b"Transfer_Encoding: x", b"If-Match: x"),
]


@pytest.mark.parametrize("field", NOT_IN_TRAILERS)
def test_a_trailer_that_frames_routes_or_authenticates_is_dropped_RFC_9110_6_5_1(field):
    stream = b"1\r\na\r\n0\r\nServer-Timing: x\r\n" + field + b"\r\n\r\n"
    assert fed([stream]) == (b"1\r\na\r\n0\r\nServer-Timing: x\r\n\r\n", 0)
    assert fed([b"0\r\n" + field + b"\r\n\r\n"]) == (b"0\r\n\r\n", 0)


def test_trailers_pass_when_all_of_them_have_come_and_not_before():
    body = ChunkedBody()
    assert body.feed(b"1\r\na\r\n0\r\nX-Sum: x\r\n") == ([b"1\r\na\r\n"], -1)
    assert body.feed(b"\r\n") == ([b"0\r\nX-Sum: x\r\n\r\n"], 2)


BAD_CHUNKS = {
    "RFC 9112 7.1: a size that is no number": b"x\r\n",
    "RFC 9112 7.1: an empty size": b"\r\n",
    "RFC 9112 7.1: a size with a sign": b"+1\r\na\r\n",
    "RFC 9112 7.1: a size with 0x": b"0x1\r\na\r\n",
    "RFC 9112 7.1: a size with an underscore": b"1_0\r\n",
    "RFC 9112 7.1: a negative size": b"-1\r\n",
    "RFC 9112 7.1: a space before the size": b" 1\r\na\r\n",
    "RFC 9112 7.1: a space after the size": b"1 \r\na\r\n",
    "RFC 9112 7.1: a size of 16 digits": b"0000000000000001\r\na\r\n",
    "RFC 9112 7.1: a bare LF after the size": b"1\na\r\n",
    "RFC 9112 7.1: a bare LF after the data": b"1\r\na\n0\r\n\r\n",
    "RFC 9112 7.1: data longer than its size": b"1\r\nab\r\n",
    "RFC 9112 7.1: a CR without LF after the data": b"1\r\na\rb",
    "RFC 9112 7.1.1: a bare LF within an extension": b"1;a\nb\r\na\r\n",
    "RFC 9112 7.1.1: a CR within an extension": b"1;a\rb\r\na\r\n",
    "RFC 9112 7.1.1: NUL in an extension": b"1;\0\r\na\r\n",
    "RFC 9112 7.1.1: an extension without its semicolon": b"1 a\r\n",
    "RFC 9112 7.1.1: an extension over 1 KiB": b"1;" + b"a" * 1100 + b"\r\na\r\n",
    "RFC 9112 7.1.1: an extension without a name": b"5;\r\nhello\r\n",
    "RFC 9112 7.1.1: an extension whose name is no token": b"5;bad[=x\r\nhello\r\n",
    "RFC 9112 7.1.1: an extension without its value": b"5;a=\r\nhello\r\n",
    "RFC 9112 7.1.1: an extension whose quote does not end": b'5;a="x\r\nhello\r\n',
    "RFC 9112 7.1.1: an extension with something after its quote": b'5;a="x"y\r\nhello\r\n',
    "RFC 9112 7.1.2: a bare LF ends a trailer line": b"0\r\nX: y\n",
    "RFC 9112 7.1.2: a bare LF ends the trailer section": b"0\r\n\n",
    "RFC 9112 7.1.2: a bare LF ends the trailer section after a field": b"0\r\nX: y\r\n\n",
    "RFC 9112 7.1.2: a trailer line without a colon": b"0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "RFC 9112 7.1.2: a space before a trailer's colon": b"0\r\nX : y\r\n\r\n",
    "RFC 9112 7.1.2: a folded trailer": b"0\r\nX: y\r\n z\r\n\r\n",
    "RFC 9112 7.1.2: a trailer section over 8 KiB": b"0\r\n" + b"X: y\r\n" * 1500 + b"\r\n",
}


@pytest.mark.parametrize("stream", BAD_CHUNKS.values(), ids=BAD_CHUNKS)
def test_a_chunked_body_is_refused_at_once_and_byte_by_byte(stream):
    for pieces in ([stream], [stream[n : n + 1] for n in range(len(stream))]):
        with pytest.raises(BadMessage) as refused:
            fed(pieces)
        assert refused.value.status == 400


def test_a_chunked_body_that_goes_on_says_so():
    assert fed([b"5\r\nab"]) == (b"5\r\nab", -1)
    assert fed([b"0\r\n"]) == (b"", -1)
    assert fed([b"5\r\nabcde\r"]) == (b"5\r\nabcde\r", -1)
