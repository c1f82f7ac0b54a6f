"""Grammar and framing of HTTP/1.1: what is refused, with the number of the rule, and what is sent on in which form."""

from __future__ import annotations

import random

import pytest

from tandem.proxy import http1
from tandem.proxy.chunked import ChunkedBody
from tandem.proxy.http1 import BadMessage, Head
from tandem.proxy.http1_write import cookie_value, error_response, request_head, response_head


def request(raw: bytes) -> Head:
    """The way a head takes through the proxy: its end is found, then it is read."""
    end = http1.head_end(raw)
    assert end == len(raw), "the head does not end where it should"
    return http1.read_request(raw)


def get(*lines: bytes, start: bytes = b"GET / HTTP/1.1") -> bytes:
    return b"\r\n".join((start, b"Host: a", *lines)) + b"\r\n\r\n"


def passed_on(raw: bytes, mode: str = "append") -> list[bytes]:
    """The lines of the head that a server gets."""
    return request_head(request(raw), b"192.0.2.1", mode, b"", b"127.0.0.1:80").split(b"\r\n")[:-2]


REFUSED_REQUESTS = {
    "RFC 9112 2.2: a bare LF ends the request line": (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
    "RFC 9112 2.2: a bare LF ends a field line": (b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400),
    "RFC 9112 2.2: a bare CR within a line": (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\rY: c\r\n\r\n", 400),
    "RFC 9112 2.2: white space before the first field": (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    "RFC 9112 3: two spaces in the request line": (get(start=b"GET  / HTTP/1.1"), 400),
    "RFC 9112 3: a tab in the request line": (get(start=b"GET\t/ HTTP/1.1"), 400),
    "RFC 9112 3: a space within the target": (get(start=b"GET /a b HTTP/1.1"), 400),
    "RFC 9112 3: white space before the request line": (get(start=b" GET / HTTP/1.1"), 400),
    "RFC 9112 3: white space after the request line": (get(start=b"GET / HTTP/1.1 "), 400),
    "RFC 9112 3: no version": (get(start=b"GET /"), 400),
    "RFC 9112 2.3: a version in small letters": (get(start=b"GET / http/1.1"), 400),
    "RFC 9112 2.3: version 2.0 in a request line": (get(start=b"GET / HTTP/2.0"), 505),
    "RFC 9112 2.3: version 1.2": (get(start=b"GET / HTTP/1.2"), 505),
    "RFC 9112 2.3: version 1.10": (get(start=b"GET / HTTP/1.10"), 400),
    "RFC 9110 9.1: a method that is no token": (get(start=b"GE(T / HTTP/1.1"), 400),
    "RFC 9112 3.2: no Host": (b"GET / HTTP/1.1\r\nX: y\r\n\r\n", 400),
    "RFC 9112 3.2: no Host in absolute-form": (b"GET http://a/ HTTP/1.1\r\nX: y\r\n\r\n", 400),
    "RFC 9112 3.2: two Hosts": (get(b"Host: b"), 400),
    "RFC 9112 3.2: two Hosts that are equal": (get(b"host: a"), 400),
    "RFC 9112 3.2: a Host with a path": (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "RFC 9112 3.2: a Host with user information": (b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
    "RFC 9112 3.2: a Host that is a list": (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
    "RFC 9112 3.2: a Host with a port that is none": (b"GET / HTTP/1.1\r\nHost: a:x\r\n\r\n", 400),
    "RFC 9112 3.2: a target without a leading slash": (get(start=b"GET a HTTP/1.1"), 400),
    "RFC 9112 3.2: a target with a fragment": (get(start=b"GET /a#b HTTP/1.1"), 400),
    "RFC 9112 3.2.2: absolute-form without an authority": (get(start=b"GET http:///x HTTP/1.1"), 400),
    "RFC 9112 3.2.2: absolute-form without a host": (get(start=b"GET http://:80/ HTTP/1.1"), 400),
    "RFC 9112 3.2.2: absolute-form with user information": (get(start=b"GET http://u@a/ HTTP/1.1"), 400),
    "RFC 9112 3.2.2: a scheme that is not HTTP": (get(start=b"GET ftp://a/ HTTP/1.1"), 400),
    "RFC 9112 3.2.4: the asterisk with GET": (get(start=b"GET * HTTP/1.1"), 400),
    "RFC 9110 9.3.6: CONNECT": (get(start=b"CONNECT a:80 HTTP/1.1"), 501),
    "RFC 9112 5.1: a space before the colon": (get(b"X : y"), 400),
    "RFC 9112 5.1: a tab before the colon": (get(b"Content-Length\t: 5"), 400),
    "RFC 9112 5.1: an empty field name": (get(b": y"), 400),
    "RFC 9112 5.1: a field name with a space": (get(b"X Y: z"), 400),
    "RFC 9112 5.1: a field name that is no ASCII": (get("Ä: z".encode()), 400),
    "RFC 9112 5: a line without a colon": (get(b"X"), 400),
    "RFC 9112 5.2: a folded line": (get(b"X: y", b" z"), 400),
    "RFC 9112 5.2: a line folded with a tab": (get(b"X: y", b"\tz"), 400),
    "RFC 9110 5.5: NUL in a value": (get(b"X: y\0z"), 400),
    "RFC 9110 5.5: a control character in a value": (get(b"X: y\x01z"), 400),
    "RFC 9110 5.5: DEL in a value": (get(b"X: y\x7fz"), 400),
    "RFC 9110 5.5: NUL in the target": (get(start=b"GET /\0 HTTP/1.1"), 400),
    "RFC 9112 3: no ASCII in the target": (get(start="GET /ä HTTP/1.1".encode()), 400),
    "RFC 9112 6.1: both framings": (get(b"Content-Length: 5", b"Transfer-Encoding: chunked"), 400),
    "RFC 9112 6.1: both framings the other way": (get(b"Transfer-Encoding: chunked", b"Content-Length: 5"), 400),
    "RFC 9112 6.1: Transfer-Encoding in HTTP/1.0": (get(b"Transfer-Encoding: chunked", start=b"POST / HTTP/1.0"), 400),
    "RFC 9112 6.1: two Transfer-Encodings": (get(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), 400),
    "RFC 9112 6.1: a Transfer-Encoding over two lines": (get(b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"), 400),
    "RFC 9112 6.1: a coding we do not know before chunked": (get(b"Transfer-Encoding: gzip, chunked"), 501),
    "RFC 9112 6.3: a coding after chunked": (get(b"Transfer-Encoding: chunked, gzip"), 400),
    "RFC 9112 6.3: chunked twice": (get(b"Transfer-Encoding: chunked, chunked"), 400),
    "RFC 9112 6.3: a coding without chunked": (get(b"Transfer-Encoding: gzip"), 400),
    "RFC 9112 6.3: identity": (get(b"Transfer-Encoding: identity"), 400),
    "RFC 9112 6.3: an empty Transfer-Encoding": (get(b"Transfer-Encoding:"), 400),
    "RFC 9112 6.3: nearly chunked": (get(b"Transfer-Encoding: xchunked"), 400),
    "RFC 9112 6.3: chunked with a parameter": (get(b"Transfer-Encoding: chunked;q=1"), 400),
    "RFC 9112 6.3: chunked with a vertical tab": (get(b"Transfer-Encoding: \x0bchunked"), 400),
    "RFC 9112 6.3: chunked in quotes": (get(b'Transfer-Encoding: "chunked"'), 400),
    "RFC 9112 6.3: two lengths": (get(b"Content-Length: 5", b"Content-Length: 6"), 400),
    "RFC 9112 6.3: two equal lengths": (get(b"Content-Length: 5", b"content-length: 5"), 400),
    "RFC 9112 6.3: a list of lengths": (get(b"Content-Length: 5, 5"), 400),
    "RFC 9112 6.3: a length with a sign": (get(b"Content-Length: +5"), 400),
    "RFC 9112 6.3: a negative length": (get(b"Content-Length: -5"), 400),
    "RFC 9112 6.3: a hexadecimal length": (get(b"Content-Length: 0x5"), 400),
    "RFC 9112 6.3: a length with an underscore": (get(b"Content-Length: 1_0"), 400),
    "RFC 9112 6.3: a length with a space": (get(b"Content-Length: 1 0"), 400),
    "RFC 9112 6.3: an empty length": (get(b"Content-Length:"), 400),
    "RFC 9112 6.3: digits that are not ASCII": (get("Content-Length: \u0665".encode()), 400),
    "RFC 9110 8.6: a length of 19 digits": (get(b"Content-Length: 1000000000000000000"), 413),
    "RFC 9110 8.6: a length of 5000 digits": (get(b"Content-Length: " + b"9" * 5000), 413),
    "RFC 9110 10.1.1: an expectation that is not known": (get(b"Expect: the-unexpected"), 417),
    "RFC 9110 5.4: 101 fields": (get(*[b"X: y"] * 100), 431),
    "RFC 9112 3: a request line over 8 KiB": (get(start=b"GET /" + b"a" * 8192 + b" HTTP/1.1"), 414),
    "RFC 9110 5.4: a field line over 8 KiB": (get(b"X: " + b"a" * 8192), 431),
}


@pytest.mark.parametrize(("raw", "status"), REFUSED_REQUESTS.values(), ids=REFUSED_REQUESTS)
def test_a_request_that_two_readers_could_take_differently_is_refused(raw, status):
    with pytest.raises(BadMessage) as refused:
        request(raw)
    assert refused.value.status == status
    assert str(refused.value)


def test_a_head_over_64_kib_is_refused_before_it_ends():
    line = b"X: " + b"a" * 1000 + b"\r\n"
    with pytest.raises(BadMessage) as refused:
        http1.head_end(b"GET / HTTP/1.1\r\n" + line * 66)
    assert refused.value.status == 431


@pytest.mark.parametrize(
    ("begun", "status"),
    [
        (b"GET /" + b"a" * 8192, 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 8192, 431),
        (b"GET / HTTP/1.1\n\n", 400),
        (b"\x16\x03\x01\x02\0\x01", 400),
        (b"\0", 400),
        (b" ", 400),
    ],
)
def test_what_cannot_become_a_request_is_refused_before_it_ends(begun, status):
    with pytest.raises(BadMessage) as refused:
        http1.head_end(begun)
    assert refused.value.status == status


@pytest.mark.parametrize("begun", [b"", b"\r", b"G", b"GET / HTTP/1.1\r", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r"])
def test_what_may_become_a_request_is_waited_for(begun):
    assert http1.head_end(begun) == 0


def test_100_fields_and_lines_of_8000_bytes_are_taken():
    request(get(*[b"X: y"] * 99))
    request(get(b"X: " + b"a" * 8000, start=b"GET /" + b"a" * 8000 + b" HTTP/1.1"))


def test_what_is_allowed_is_taken():
    assert request(get(start=b"M-SEARCH /%20?a=b|c HTTP/1.1")).target == b"/%20?a=b|c"
    assert request(get(b"Content-Length: 0012 \t")).length == 12
    assert request(get(b"Content-Length: " + b"9" * 18)).length == 10**18 - 1
    assert request(get(b"TRANSFER-ENCODING:\tChunked ")).chunked
    assert request(get("X: ä".encode(), b"Y:", b"Z:\ta\tb")).length == 0
    assert request(b"GET / HTTP/1.0\r\n\r\n").keep_alive is False


@pytest.mark.parametrize(
    ("host", "routed"),
    [(b"Example.ORG", b"example.org"), (b"a.:80", b"a"), (b"[2001:DB8::1]:80", b"[2001:db8::1]"), (b"", b""), (b"192.0.2.1:", b"192.0.2.1")],
)
def test_the_host_of_a_route_has_neither_case_nor_port(host, routed):
    assert http1.read_request(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n").route_host == routed


@pytest.mark.parametrize(
    ("start", "target"),
    [
        (b"GET http://b/x?y HTTP/1.1", b"GET /x?y HTTP/1.1"),
        (b"GET HTTP://b HTTP/1.1", b"GET / HTTP/1.1"),
        (b"GET http://b?y HTTP/1.1", b"GET /?y HTTP/1.1"),
        (b"OPTIONS http://b HTTP/1.1", b"OPTIONS * HTTP/1.1"),
    ],
)
def test_absolute_form_replaces_the_host_RFC_9112_3_2_2(start, target):
    lines = passed_on(get(b"X: y", b"Connection: x", start=start))
    assert lines[:2] == [target, b"Host: b"]
    assert not [line for line in lines if line in (b"Host: a", b"X: y")]


def test_absolute_form_with_the_same_host_keeps_one():
    lines = passed_on(get(start=b"GET http://a/ HTTP/1.1"))
    assert lines.count(b"Host: a") == 1


def test_a_request_of_http_1_0_without_host_gets_one_RFC_9112_3_2():
    assert passed_on(b"GET / HTTP/1.0\r\n\r\n")[:2] == [b"GET / HTTP/1.1", b"Host: 127.0.0.1:80"]


def test_fields_that_connection_names_stay_behind_RFC_9110_7_6_1():
    lines = passed_on(get(b"X-A: 1", b"X-A: 2", b"x-a: 3", b"X-AB: 4", b"Connection: X-a, close", b"Connection: X-c", b"X-C: 5"))
    assert lines[1:3] == [b"Host: a", b"X-AB: 4"]
    assert not [line for line in lines if line.lower().startswith((b"x-a:", b"x-c:", b"connection:"))]


def test_connection_does_not_take_away_what_frames_or_routes_a_request():
    raw = get(b"Content-Length: 5", b"Connection: content-length, host, transfer-encoding")
    assert {b"Host: a", b"Content-Length: 5"} <= set(passed_on(raw))


@pytest.mark.parametrize("field", [b"Keep-Alive: timeout=5", b"Proxy-Connection: close", b"TE: trailers", b"Trailer: X", b"Upgrade: h2c"])
def test_hop_by_hop_fields_stay_behind_RFC_9110_7_6_1(field):
    assert field not in passed_on(get(field, b"X: y"))


def test_a_thousand_names_in_connection_cost_one_pass():
    names = b",".join(b"n%d" % n for n in range(1000))
    head = request(get(b"Connection: " + names, *[b"n%d: x" % n for n in range(90)]))
    assert len(head.cuts) == 91


def test_via_is_added_after_those_that_came_RFC_9110_7_6_3():
    lines = passed_on(get(b"Via: 1.0 other"))
    assert lines.index(b"Via: 1.0 other") < lines.index(b"Via: 1.1 tandem")
    assert b"Via: 1.0 tandem" in passed_on(get(start=b"GET / HTTP/1.0"))


@pytest.mark.parametrize(
    ("mode", "came", "sent"),
    [
        ("append", [], [b"X-Forwarded-For: 192.0.2.1", b"X-Forwarded-Proto: http"]),
        (
            "append",
            [b"X-Forwarded-For: 10.0.0.1", b"x-forwarded-for: 10.0.0.2", b"X-Forwarded-Proto: https"],
            [b"X-Forwarded-For: 10.0.0.1, 10.0.0.2, 192.0.2.1", b"X-Forwarded-Proto: https"],
        ),
        ("replace", [b"X-Forwarded-For: 10.0.0.1", b"X-Forwarded-Proto: https"], [b"X-Forwarded-For: 192.0.2.1", b"X-Forwarded-Proto: http"]),
        ("none", [b"X-Forwarded-For: 10.0.0.1", b"X-Forwarded-Proto: https"], [b"X-Forwarded-For: 10.0.0.1", b"X-Forwarded-Proto: https"]),
        ("none", [], []),
    ],
)
def test_forwarded_for_follows_its_mode(mode, came, sent):
    assert [line for line in passed_on(get(*came), mode) if line.lower().startswith(b"x-forwarded")] == sent


def test_an_upgrade_is_passed_on_unless_a_body_comes_RFC_9110_7_8():
    assert passed_on(get(b"Connection: Upgrade", b"Upgrade: websocket"))[-2:] == [b"Connection: upgrade", b"Upgrade: websocket"]
    assert b"Upgrade: websocket" not in passed_on(get(b"Connection: Upgrade", b"Upgrade: websocket", b"Content-Length: 1"))
    assert b"Upgrade: websocket" not in passed_on(get(b"Upgrade: websocket"))
    assert b"Upgrade: x" not in passed_on(get(b"Connection: Upgrade", b"Upgrade: x", start=b"GET / HTTP/1.0"))


def test_expect_is_passed_on_for_http_1_1_only_RFC_9110_10_1_1():
    assert b"Expect: 100-Continue" in passed_on(get(b"Expect: 100-Continue", b"Content-Length: 1"))
    assert b"Expect: 100-continue" not in passed_on(get(b"Expect: 100-continue", b"Content-Length: 1", start=b"PUT / HTTP/1.0"))


def test_servers_do_not_see_the_sticky_cookie():
    head = request(get(b"Cookie: a=1; TANDEM=x; b=2", b"Cookie: c=3"))
    assert b"Cookie: a=1; b=2; c=3" in request_head(head, b"", "none", b"TANDEM").split(b"\r\n")
    assert b"Cookie" not in request_head(request(get(b"Cookie: TANDEM=x")), b"", "none", b"TANDEM")
    assert cookie_value(b"a=1; TANDEM=x", b"TANDEM") == b"x"
    assert cookie_value(b"XTANDEM=x", b"TANDEM") == b""


REFUSED_RESPONSES = {
    "RFC 9112 4: no version": b"200 OK\r\n\r\n",
    "RFC 9112 4: HTTP/2": b"HTTP/2 200\r\n\r\n",
    "RFC 9112 4: a status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "RFC 9110 15: a status of 600": b"HTTP/1.1 600 X\r\n\r\n",
    "RFC 9112 2.2: a bare LF": b"HTTP/1.1 200 OK\nX: y\r\n\r\n",
    "RFC 9112 5.1: a space before the colon": b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
    "RFC 9112 5.2: a folded line": b"HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n",
    "RFC 9112 6.3: both framings": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
    "RFC 9112 6.3: two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "RFC 9112 6.3: a length that is no number": b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    "RFC 9112 6.3: a length of 19 digits": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000000000\r\n\r\n",
    "RFC 9112 6.1: a coding besides chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "RFC 9112 6.1: chunked in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "RFC 9110 5.5: NUL in a value": b"HTTP/1.1 200 OK\r\nX: \0\r\n\r\n",
    "RFC 9110 5.4: 101 fields": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 101 + b"\r\n",
}


def test_a_response_of_100_fields_is_taken():
    assert http1.read_response(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100 + b"\r\n", b"GET").status == 200


@pytest.mark.parametrize("raw", REFUSED_RESPONSES.values(), ids=REFUSED_RESPONSES)
def test_a_response_that_two_readers_could_take_differently_is_refused(raw):
    with pytest.raises(BadMessage) as refused:
        http1.read_response(raw, b"GET")
    assert refused.value.status == 502


@pytest.mark.parametrize(
    ("start", "method", "length"),
    [(b"200 OK", b"HEAD", 0), (b"204 No Content", b"GET", 0), (b"304 Not Modified", b"GET", 0), (b"200 OK", b"GET", 7), (b"100 Continue", b"PUT", 0)],
)
def test_a_response_has_the_length_of_RFC_9112_6_3(start, method, length):
    assert http1.read_response(b"HTTP/1.1 " + start + b"\r\nContent-Length: 7\r\n\r\n", method).length == length


def test_a_response_without_framing_lasts_until_the_connection_ends_RFC_9112_6_3():
    head = http1.read_response(b"HTTP/1.1 200 OK\r\n\r\n", b"GET")
    assert head.until_close
    assert not head.keep_alive


def test_204_carries_no_framing_RFC_9112_6_1():
    head = http1.read_response(b"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\nX: y\r\n\r\n", b"GET")
    assert response_head(head, b"") == b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n"


def test_a_response_head_is_sent_on_as_our_own_RFC_9112_4():
    head = http1.read_response(b"HTTP/1.0 200\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\nX-Hop: 2\r\nContent-Length: 1\r\n\r\n", b"GET")
    assert head.keep_alive
    assert response_head(head, b"close", b"Set-Cookie: a=b\r\n") == (
        b"HTTP/1.1 200 \r\nContent-Length: 1\r\nSet-Cookie: a=b\r\nConnection: close\r\n\r\n"
    )


def test_our_own_errors_are_whole_responses():
    raw = error_response(503)
    end = http1.head_end(raw)
    assert http1.read_response(raw[:end], b"GET").length == len(raw) - end
    assert error_response(503, head_only=True) == raw[:end]


# Chunked bodies


def fed(pieces: list[bytes], framed: bool = True) -> tuple[bytes, int]:
    """What comes out of a body that arrives in these pieces, and how many bytes after it are not its own."""
    body, out = ChunkedBody(framed), b""
    for number, piece in enumerate(pieces):
        passed, used = body.feed(piece)
        out += b"".join(passed)
        if used >= 0:
            return out, len(piece) - used + sum(map(len, pieces[number + 1 :]))
    return out, -1


CHUNKED = b'4;ext="a\xff"\r\nWiki\r\n00005 ; x\r\npedia\r\nE\r\n in\r\n\r\nchunks.\r\n000\r\nTrailer: x\r\nOther:\r\n\r\n'


@pytest.mark.parametrize("framed", [True, False])
def test_a_chunked_body_is_the_same_in_whatever_pieces_it_comes_RFC_9112_7_1(framed):
    stream = CHUNKED + b"GET /next"
    wanted = b"4\r\nWiki\r\n00005\r\npedia\r\nE\r\n in\r\n\r\nchunks.\r\n0\r\n\r\n" if framed else b"Wikipedia in\r\n\r\nchunks."
    assert fed([stream], framed) == (wanted, 9)
    assert fed([stream[n : n + 1] for n in range(len(stream))], framed) == (wanted, 9)
    draw = random.Random(9112)
    for _turn in range(200):
        cuts = sorted(draw.sample(range(1, len(stream)), draw.randrange(1, 12)))
        assert fed([stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)])], framed) == (wanted, 9)


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
