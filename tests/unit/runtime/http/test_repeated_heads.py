"""What is remembered of the head before never changes what the next one means: every pair of heads is read with and without that memory."""

from __future__ import annotations

import inspect
import itertools

import pytest

from tandem.http.head import BadMessage
from tandem.http.passing import Passing
from tandem.http.request import Request, RequestFields, read_request
from tandem.http.response import Response, read_response
from tandem.http.write import last_recipient, request_head, response_head

FIELDS = (
    b"Host: shop.example\r\n",
    b"Host: shop.example\r\nCookie: a=1; TANDEM=x\r\nX-Forwarded-For: 192.0.2.1\r\nConnection: close, X-Own\r\nX-Own: 1\r\n",
    b"Host: shop.example\r\nContent-Length: 3\r\n",
    b"Host: shop.example\r\nTransfer-Encoding: chunked\r\n",
    b"Host: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
    b"Host: shop.example\r\nMax-Forwards: 1\r\n",
    b"Host: shop.example\r\nTE: trailers\r\nX_Own: 1\r\nExpect: 100-continue\r\n",
    b"X-None: of Host\r\n",
    b"Host: shop.example\r\nContent-Length: 3\r\nContent-Length: 3\r\n",
)
STARTS = (
    b"GET /",
    b"GET /other?x=1",
    b"POST /form",
    b"HEAD /",
    b"GET /a#fragment",
    b"CONNECT shop.example:443",
    b"CONNECT /",
    b"OPTIONS *",
    b"OPTIONS /",
    b"GET http://other.example/absolute",
    b"GET  /two-spaces",
    b"G@T /",
    b"GET /\x80",
)
REQUESTS = [b"%b HTTP/1.%d\r\n%b\r\n" % (start, minor, fields) for start in STARTS for minor in (0, 1) for fields in FIELDS]
ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\n",
    b"HTTP/1.1 200\r\nConnection: close\r\n\r\n",
]


def told_by(kind, *but):
    """The attributes of a class that may be read from outside; not by __slots__, which are gone where it is compiled."""
    return [name for name, value in vars(kind).items() if inspect.isdatadescriptor(value) and not name.startswith(("_", *but))]


SAID = told_by(RequestFields, "written", "tail")
SAID_OF_RESPONSES = told_by(Response, "written")
PASSING = {mode: Passing(b"203.0.113.9", mode=mode) for mode in ("append", "replace")}


def request_of(raw, former):
    """All that is known of a request, or why it is refused; ``raw`` and what tells places in it may be the former's."""
    try:
        read = read_request(raw, former)
    except BadMessage as bad:
        return (bad.status, str(bad), bad.method, bad.target, bad.host, bad.minor)
    said = [getattr(read.fields, name) for name in SAID if not name.endswith(("cuts", "raw", "start"))]
    written = [written_for(read, mode) for mode in ("append", "replace", "replace")]
    return (read.method, read.target, read.path, read.idempotent, read.field(b"cookie"), read.fields.route_host, said, written)


def written_for(read: Request, mode: str) -> bytes:
    return request_head(read, PASSING[mode], b"TANDEM", b"203.0.113.1:80") + last_recipient(read, b"now")


def readable(raw, former=None):
    try:
        return read_request(raw, former)
    except BadMessage:
        return None


def test_a_request_after_any_other_is_the_same_as_alone():
    repeated, alone = 0, {raw: request_of(raw, None) for raw in REQUESTS}
    for first, second in itertools.product(REQUESTS, REQUESTS):
        former = readable(first)
        if former is None:
            continue
        read = readable(second, former)
        if read is not None and read.fields is not former.fields:
            continue  # read as if alone, and without looking at the former
        for mode in PASSING:
            written_for(former, mode)
        assert request_of(second, former) == alone[second], (first, second)
        repeated += bool(former.fields.tail) and second.endswith(former.fields.tail)
    assert repeated > 100, "the memory was used"


def test_a_request_that_repeats_another_is_that_one_and_one_with_its_fields_shares_them():
    raw = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
    first = read_request(raw)
    assert read_request(bytes(bytearray(raw)), first) is first
    second = read_request(raw.replace(b"GET /1", b"GET /2"), first)
    assert second.target == b"/2"
    assert second.fields is first.fields


@pytest.mark.parametrize("methods", list(itertools.product((b"GET", b"HEAD"), repeat=2)))
def test_an_answer_after_any_other_is_the_same_as_alone(methods):
    def told(raw, former):
        read = read_response(raw, methods[1], former)
        return [*(getattr(read, name) for name in SAID_OF_RESPONSES), response_head(read, b"keep-alive", b"Set-Cookie: a=b\r\n")]

    for first, second in itertools.product(ANSWERS, ANSWERS):
        former = read_response(first, methods[0])
        response_head(former, b"")
        assert told(second, former) == told(second, None), (first, second)
