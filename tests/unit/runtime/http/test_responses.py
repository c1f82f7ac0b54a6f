"""Grammar and framing of responses, what clients get of them, and the answers of our own."""

from __future__ import annotations

import pytest

from tandem.http.head import BadMessage, HeadBuffer
from tandem.http.response import read_response
from tandem.http.write import REASONS, error_response, http_date, response_head

DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"


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
    "RFC 9112 6.3: two equal lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\n",
    "RFC 9110 5.4: 101 fields": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 101 + b"\r\n",
}


def test_a_response_of_100_fields_is_taken():
    assert read_response(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100 + b"\r\n", b"GET").status == 200


@pytest.mark.parametrize("raw", REFUSED_RESPONSES.values(), ids=REFUSED_RESPONSES)
def test_a_response_that_two_readers_could_take_differently_is_refused(raw):
    with pytest.raises(BadMessage) as refused:
        read_response(raw, b"GET")
    assert refused.value.status == 502


@pytest.mark.parametrize(
    ("start", "method", "length"),
    [(b"200 OK", b"HEAD", 0), (b"204 No Content", b"GET", 0), (b"304 Not Modified", b"GET", 0), (b"200 OK", b"GET", 7), (b"100 Continue", b"PUT", 0)],
)
def test_a_response_has_the_length_of_RFC_9112_6_3(start, method, length):
    assert read_response(b"HTTP/1.1 " + start + b"\r\nContent-Length: 7\r\n\r\n", method).length == length


def test_a_response_without_framing_lasts_until_the_connection_ends_RFC_9112_6_3():
    head = read_response(b"HTTP/1.1 200 OK\r\n\r\n", b"GET")
    assert head.until_close
    assert not head.keep_alive


def test_204_carries_no_framing_RFC_9112_6_1():
    head = read_response(b"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\nX: y\r\n\r\n", b"GET")
    assert response_head(head, b"") == b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n"


def test_a_response_head_is_sent_on_as_our_own_RFC_9112_4():
    head = read_response(b"HTTP/1.0 200\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\nX-Hop: 2\r\nContent-Length: 1\r\n\r\n", b"GET")
    assert head.keep_alive
    assert response_head(head, b"close", b"Set-Cookie: a=b\r\n") == (
        b"HTTP/1.1 200 \r\nContent-Length: 1\r\nSet-Cookie: a=b\r\nConnection: close\r\n\r\n"
    )


def test_connection_names_fields_whatever_case_and_spacing_of_a_response_RFC_9110_7_6_1():
    raw = b"HTTP/1.1 200 OK\r\nServer: x\r\nDate: " + DATE + b"\r\nConnection: SERVER\t, date,keep-alive\r\nContent-Length: 0\r\n\r\n"
    response = read_response(raw, b"GET")
    assert response_head(response, b"") == b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    assert (response.has_date, response.keep_alive) == (False, True)


def test_connection_does_not_take_away_what_frames_a_response():
    raw = b"HTTP/1.1 200 OK\r\nConnection: content-length\r\nContent-Length: 0\r\n\r\n"
    assert response_head(read_response(raw, b"GET"), b"") == b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(("field", "has_date"), [(b"Date: x", True), (b"dATE: x", True), (b"X-Date: x", False), (b"X: date: x", False)])
def test_a_response_says_whether_it_has_a_date_RFC_9110_6_6_1(field, has_date):
    response = read_response(b"HTTP/1.1 200 OK\r\n" + field + b"\r\n\r\n", b"GET")
    assert response.has_date is has_date


def test_a_date_is_added_where_the_caller_gives_one_RFC_9110_6_6_1():
    response = read_response(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"GET")
    for date in (DATE, http_date(784111778)):
        wanted = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: " + date + b"\r\nConnection: close\r\n\r\n"
        assert response_head(response, b"close", b"Date: " + date + b"\r\n") == wanted


@pytest.mark.parametrize(
    ("seconds", "date"),
    [
        (784111777, DATE),
        (784111777.999, DATE),
        (0, b"Thu, 01 Jan 1970 00:00:00 GMT"),
        (951782399, b"Mon, 28 Feb 2000 23:59:59 GMT"),
        (951782400, b"Tue, 29 Feb 2000 00:00:00 GMT"),
        (4102444800, b"Fri, 01 Jan 2100 00:00:00 GMT"),
    ],
)
def test_a_date_is_written_as_RFC_9110_5_6_7_has_it(seconds, date):
    assert http_date(seconds) == date


def test_a_426_keeps_its_upgrade_RFC_9110_15_5_22():
    raw = b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: upgrade, close\r\nContent-Length: 0\r\n\r\n"
    response = read_response(raw, b"GET")
    start = b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\nUpgrade: websocket\r\n"
    assert response.upgrade == b"websocket"
    assert response_head(response, b"close") == start + b"Connection: close, upgrade\r\n\r\n"
    assert response_head(response, b"") == start + b"Connection: upgrade\r\n\r\n"


def test_a_101_says_what_is_switched_to_and_others_do_not():
    fields = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"
    switched = read_response(b"HTTP/1.1 101 Switching Protocols\r\n" + fields, b"GET")
    assert switched.upgrade == b"websocket"
    assert response_head(switched, b"upgrade") == (
        b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
    )
    plain = read_response(b"HTTP/1.1 200 OK\r\n" + fields, b"GET")
    assert plain.upgrade == b""
    assert b"Upgrade" not in response_head(plain, b"close")


def test_trailers_are_announced_to_clients_that_take_chunks_only_RFC_9110_6_6_2():
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
    response = read_response(chunked, b"GET")
    assert response_head(response, b"") == chunked
    response.cut_fields({b"transfer-encoding"})
    assert response_head(response, b"") == b"HTTP/1.1 200 OK\r\n\r\n"
    sized = read_response(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTrailer: X-Sum\r\n\r\n", b"GET")
    assert response_head(sized, b"") == b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("status", REASONS)
def test_our_own_errors_are_whole_responses(status):
    raw = error_response(status, False, DATE, b"Allow: GET\r\n")
    buffer = HeadBuffer(requests=False)
    head = buffer.take(raw)
    response = read_response(head, b"GET")
    assert (response.status, response.length, response.keep_alive) == (status, len(buffer.rest), False)
    assert b"\r\nDate: " + DATE + b"\r\n" in head
    assert b"\r\nAllow: GET\r\n" in head
    assert error_response(status, True, DATE, b"Allow: GET\r\n") == head
