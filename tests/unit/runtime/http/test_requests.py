"""Grammar and framing of requests: what is refused, with the number of the rule, and what is taken."""

from __future__ import annotations

import pytest

from tandem.http.head import BadMessage, HeadBuffer
from tandem.http.request import Request, read_request


def request(raw: bytes) -> Request:
    """The way a head takes through the proxy: its end is found, then it is read."""
    head = HeadBuffer(requests=True).take(raw)
    assert head == raw, "the head does not end where it should"
    return read_request(head)


def get(*lines: bytes, start: bytes = b"GET / HTTP/1.1") -> bytes:
    return b"\r\n".join((start, b"Host: a", *lines)) + b"\r\n\r\n"


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
    "RFC 9112 3: a request line over 64 KiB": (get(start=b"GET /" + b"a" * 65536 + b" HTTP/1.1"), 414),
    "RFC 9110 5.4: a field line over 64 KiB": (get(b"X: " + b"a" * 65536), 431),
    "RFC 9112 3.2: an empty Host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    "RFC 9112 3.2: a Host that is a port alone": (b"GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400),
    "RFC 9112 3.2: a Host with a percent sign that escapes nothing": (b"GET / HTTP/1.1\r\nHost: own%zz.test\r\n\r\n", 400),
    "RFC 9112 3.2: a Host whose brackets hold no address": (b"GET / HTTP/1.1\r\nHost: [:::::]\r\n\r\n", 400),
    "RFC 9112 3.2: a Host with a port over 65535": (b"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", 400),
    "RFC 9112 3.2.2: absolute-form with a port over 65535": (get(start=b"GET http://a:99999/ HTTP/1.1"), 400),
    "RFC 9112 3.2.2: absolute-form whose brackets hold no address": (get(start=b"GET http://[:::::]/ HTTP/1.1"), 400),
    "RFC 9110 8.6: a length of 19 digits after zeros": (get(b"Content-Length: 0001000000000000000000"), 413),
    "RFC 9110 10.1.1: an expectation that is not known beside one that is": (get(b"Expect: 100-continue", b"Expect: x"), 417),
}


@pytest.mark.parametrize(("raw", "status"), REFUSED_REQUESTS.values(), ids=REFUSED_REQUESTS)
def test_a_request_that_two_readers_could_take_differently_is_refused(raw, status):
    for pieces in ([raw], [raw[n : n + 1] for n in range(len(raw))]):
        with pytest.raises(BadMessage) as refused:
            buffer = HeadBuffer(requests=True)
            for head in map(buffer.take, pieces):
                if head:
                    read_request(head)
        assert refused.value.status == status
        assert str(refused.value)


def test_what_is_read_alone_is_one_whole_head():
    for raw in (b"", b"\r\n\r\n", get()[:-2], get() + b"x", get() + get()):
        with pytest.raises(BadMessage):
            read_request(raw)


def test_100_fields_and_lines_as_long_as_the_head_are_taken():
    request(get(*[b"X: y"] * 99))
    request(get(b"X: " + b"a" * 8000, start=b"GET /" + b"a" * 8000 + b" HTTP/1.1"))
    request(get(b"X: " + b"a" * 65_000))
    request(get(start=b"GET /" + b"a" * 65_000 + b" HTTP/1.1"))


def test_what_is_allowed_is_taken():
    assert request(get(start=b"M-SEARCH /%20?a=b|c HTTP/1.1")).target == b"/%20?a=b|c"
    assert request(get(b"Content-Length: 0012 \t")).fields.length == 12
    assert request(get(b"Content-Length: " + b"9" * 18)).fields.length == 10**18 - 1
    assert request(get(b"TRANSFER-ENCODING:\tChunked ")).fields.chunked
    assert request(get("X: ä".encode(), b"Y:", b"Z:\ta\tb")).fields.length == 0
    assert request(b"GET / HTTP/1.0\r\n\r\n").fields.keep_alive is False


def test_zeros_before_a_length_are_a_number_RFC_9110_8_6():
    assert request(get(b"Content-Length: " + b"0" * 20 + b"7")).fields.length == 7
    assert request(get(b"Content-Length: " + b"0" * 30)).fields.length == 0


def test_two_equal_expectations_are_one_RFC_9110_10_1_1():
    assert request(get(b"Expect: 100-continue", b"Expect: 100-Continue")).fields.expects_continue
    assert request(get(b"Expect: 100-continue, 100-continue")).fields.expects_continue
    assert not request(get()).fields.expects_continue
    assert not request(get(b"Expect: 100-continue", start=b"PUT / HTTP/1.0")).fields.expects_continue


@pytest.mark.parametrize(
    ("host", "routed"),
    [
        (b"Example.ORG", b"example.org"),
        (b"a.:80", b"a"),
        (b"[2001:DB8::1]:80", b"[2001:db8::1]"),
        (b"[::ffff:192.0.2.1]", b"[::ffff:192.0.2.1]"),
        (b"192.0.2.1:", b"192.0.2.1"),
        (b"a%2Db_c:65535", b"a%2db_c"),
    ],
)
def test_the_host_of_a_route_has_neither_case_nor_port(host, routed):
    fields = request(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n").fields
    assert (fields.route_host, fields.route_host, fields.host) == (routed, routed, host)


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        (get(b"Content-Length: x", start=b"HEAD /p?q HTTP/1.0"), (b"HEAD", b"/p?q", b"a", 0)),
        (get(start=b"CONNECT a:443 HTTP/1.1"), (b"CONNECT", b"a:443", b"a", 1)),
        (get(b"X: \0", start=b"POST / HTTP/1.1"), (b"POST", b"/", b"a", 1)),
        (get(start=b"GET / HTTP/2.0"), (b"GET", b"/", b"a", 1)),
        (get(start=b"HEAD /" + b"a" * 65536 + b" HTTP/1.1"), (b"HEAD", b"/" + b"a" * 8191, b"a", 1)),
        (get(b"X: " + b"a" * 65536, start=b"HEAD / HTTP/1.1"), (b"HEAD", b"/", b"a", 1)),
        (get(*[b"X: y"] * 100, start=b"HEAD / HTTP/1.1"), (b"HEAD", b"/", b"a", 1)),
        (b"HEAD / HTTP/1.1\nHost: a\r\n\r\n", (b"HEAD", b"/", b"a", 1)),
        (b"\x16\x03\x01\r\n\r\n", (b"", b"", b"", 1)),
    ],
)
def test_a_refusal_says_what_of_the_request_was_read(raw, read):
    with pytest.raises(BadMessage) as refused:
        request(raw)
    bad = refused.value
    assert (bad.method, bad.target, bad.host, bad.minor) == read


def test_a_field_is_found_for_the_log_whatever_its_case():
    assert request(get(b"USER-agent: \tx y ")).field(b"user-agent") == b"x y"
    assert request(get()).field(b"user-agent") == b""
