"""What is remembered of the head before never changes what the next one means: every pair of heads is read with and without that memory."""

from __future__ import annotations

import itertools

import pytest

from tandem.proxy.http1 import BadMessage, Head, read_request, read_response
from tandem.proxy.http1_write import request_head, response_head
from tests.support.proxy_lab import Lab, in_lab

FIELDS = (
    b"Host: shop.example\r\n",
    b"Host: shop.example\r\nCookie: a=1; TANDEM=x\r\nX-Forwarded-For: 192.0.2.1\r\nConnection: close, X-Own\r\nX-Own: 1\r\n",
    b"Host: shop.example\r\nContent-Length: 3\r\n",
    b"Host: shop.example\r\nTransfer-Encoding: chunked\r\n",
    b"Host: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
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
SAID = (
    "method",
    "target",
    "minor",
    "host",
    "lacks_host",
    "length",
    "chunked",
    "until_close",
    "upgrade",
    "cookie",
    "keep_alive",
    "idempotent",
    "status",
)


def told(read, raw, former, write):
    """All that is known of a message, or why it is refused."""
    try:
        head = read(raw, former)
    except BadMessage as bad:
        return (bad.status, str(bad))
    return (*(getattr(head, name) for name in SAID), write(head), write(head), head.field(b"cookie"))


def readable(read, raw):
    try:
        return read(raw, None)
    except BadMessage:
        return None


def written(mode):
    def write(head: Head) -> bytes:
        return request_head(head, b"203.0.113.9", mode, b"TANDEM", b"203.0.113.1:80")

    return write


def test_a_request_after_any_other_is_the_same_as_alone():
    repeated = 0
    for first, second in itertools.product(REQUESTS, REQUESTS):
        former = readable(read_request, first)
        if former is None:
            continue
        written("append")(former)
        for mode in ("append", "replace"):
            alone = told(read_request, second, None, written(mode))
            assert told(read_request, second, former, written(mode)) == alone, (first, second)
        repeated += bool(former.tail) and second.endswith(former.tail)
    assert repeated > 100, "the memory was used"


@pytest.mark.parametrize("methods", list(itertools.product((b"GET", b"HEAD"), repeat=2)))
def test_an_answer_after_any_other_is_the_same_as_alone(methods):
    def reader(method):
        return lambda raw, former: read_response(raw, method, former)

    def write(head: Head) -> bytes:
        return response_head(head, b"keep-alive", b"Set-Cookie: a=b\r\n")

    for first, second in itertools.product(ANSWERS, ANSWERS):
        former = reader(methods[0])(first, None)
        response_head(former, b"")
        alone = told(reader(methods[1]), second, None, write)
        assert told(reader(methods[1]), second, former, write) == alone, (first, second)


@in_lab
async def test_clients_of_both_versions_share_a_connection_to_the_server_and_each_gets_its_own_framing(lab: Lab):
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    origin = await lab.origin(lambda _request: chunked)
    await lab.serve(origin)
    for version, closes in ((1, True), (0, True), (1, True), (1, False), (0, True), (1, False)):
        client = await lab.client()
        client.send(b"GET / HTTP/1.%d\r\nHost: a\r\n%b\r\n" % (version, b"Connection: close\r\n" if closes else b""))
        response = await client.response()
        assert (response["transfer-encoding"], response.body) == (b"chunked" if version else b"", b"ok")
        assert response["connection"] == (b"close" if closes else b"")
    assert origin.connections == 1
