"""Answers compressed on their way: what clients get is what the server said, and what must not be touched is not."""

from __future__ import annotations

import asyncio
import gzip
import zlib

import pytest

from tandem._model import Compression, HeaderRule
from tests.support.proxy_lab import Lab, Request, in_lab, ok

TEXT = b"".join(b"line %d of a page that shrinks\n" % number for number in range(4000))
GZIP = "Accept-Encoding: br;q=1, gzip;q=0.5"
ON = {"compression": Compression(enabled=True)}


def html(*fields: bytes, body: bytes = TEXT) -> bytes:
    return ok(body, b"Content-Type: text/html; charset=utf-8", *fields)


def chunked(*pieces: bytes, trailer: bytes = b"") -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n%bTransfer-Encoding: chunked\r\n\r\n" % (b"Trailer: X-T\r\n" if trailer else b"")
    return head + b"".join(b"%x;ext=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n" + trailer + b"\r\n"


@in_lab
async def test_a_client_that_takes_gzip_gets_less_and_the_same(lab: Lab):
    await lab.serve(await lab.origin(lambda _request: html(b'ETag: "v1"', b"Accept-Ranges: bytes", b"Vary: Cookie")), frontend=ON)
    client = await lab.client()
    for _turn in range(2):
        answer = await client.get("/", GZIP)
        assert (answer["content-encoding"], answer["etag"]) == (b"gzip", b'W/"v1"')
        assert answer["vary"] == b"Cookie, Accept-Encoding"
        assert answer["content-length"] == answer["accept-ranges"] == b""
        assert gzip.decompress(answer.body) == TEXT
        assert len(answer.body) < len(TEXT) / 5
    assert lab.origins[0].connections == 1
    assert lab.web["bytes_out"] < len(TEXT)


@in_lab
async def test_chunks_are_compressed_and_a_slow_server_is_not_waited_for(lab: Lab):
    release = asyncio.Event()

    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        first, second = chunked(b"first ", b"second").split(b"6;ext=1\r\nsecond")
        writer.write(first)
        await release.wait()
        writer.write(b"6;ext=1\r\nsecond" + second)

    await lab.serve(await lab.origin(raw=raw), frontend=ON)
    client = await lab.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
    head = await client.reader.readuntil(b"\r\n\r\n")
    assert b"Content-Encoding: gzip" in head
    assert head.lower().count(b"transfer-encoding") == 1
    size = int(await client.reader.readuntil(b"\r\n"), 16)
    unpack = zlib.decompressobj(31)
    assert unpack.decompress(await client.reader.readexactly(size)) == b"first "
    release.set()
    rest = b""
    await client.reader.readexactly(2)
    while size:
        size = int(await client.reader.readuntil(b"\r\n"), 16)
        rest += (await client.reader.readexactly(size + 2))[:-2]
    assert unpack.decompress(rest) == b"second"
    assert unpack.eof


@pytest.mark.parametrize(
    ("answer", "fields"),
    [
        (html(), ()),
        (html(), ("Accept-Encoding: gzip;q=0",)),
        (html(), ("Accept-Encoding: gzip; q=0.000, *",)),
        (html(), ("Accept-Encoding: br, deflate",)),
        (html(), (GZIP, "Cache-Control: no-transform")),
        (html(b"Cache-Control: public, No-Transform"), (GZIP,)),
        (html(b"Content-Encoding: br"), (GZIP,)),
        (html(b"Content-Range: bytes 0-9/10"), (GZIP,)),
        (html(body=b"x" * 1023), (GZIP,)),
        (html(b"Content-Type: text/plain"), (GZIP,)),
        (ok(TEXT, b"Content-Type: image/png"), (GZIP,)),
        (ok(TEXT), (GZIP,)),
        (html().replace(b"200 OK", b"206 Partial Content"), (GZIP,)),
        (chunked(TEXT, trailer=b"X-T: 1\r\n"), (GZIP,)),
    ],
)
@in_lab
async def test_what_must_not_be_touched_is_not(lab: Lab, answer: bytes, fields: tuple[str, ...]):
    await lab.serve(await lab.origin(lambda _request: answer), frontend=ON)
    got = await (await lab.client()).get("/", *fields)
    assert got["content-encoding"] in (b"", b"br")
    assert got.body in (TEXT, b"x" * 1023)


@in_lab
async def test_caches_are_told_that_it_depends_also_of_what_is_not_compressed(lab: Lab):
    await lab.serve(await lab.origin(lambda _request: html()), frontend=ON)
    client = await lab.client()
    assert (await client.get())["vary"] == b"Accept-Encoding"
    await lab.serve(await lab.origin(lambda _request: html(b"Vary: *")), frontend=ON)
    assert (await client.get("/", GZIP))["vary"] == b"*"


@in_lab
async def test_old_clients_and_heads_get_it_as_it_is(lab: Lab):
    def answer(request: Request) -> bytes:
        return html().partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if request.method == b"HEAD" else html()

    await lab.serve(await lab.origin(answer), frontend=ON)
    client = await lab.client()
    assert (await client.get("/", GZIP, method="HEAD"))["content-length"] == b"%d" % len(TEXT)
    client.send(b"GET / HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n")
    assert (await client.response()).body == TEXT


@in_lab
async def test_an_answer_that_breaks_off_is_not_ended_in_order(lab: Lab):
    await lab.serve(await lab.origin(lambda _request: None), frontend=ON)

    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(html()[:-10])
        await writer.drain()

    await lab.serve(await lab.origin(raw=raw), frontend=ON)
    client = await lab.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
    assert not (await client.reset()).endswith(b"0\r\n\r\n")


@in_lab
async def test_a_large_answer_is_compressed_as_the_client_takes_it_and_caches_are_told_whatever_rules_say(lab: Lab):
    body = TEXT * 100
    frontend = {**ON, "response_headers": (HeaderRule("set", "Vary", "Origin"), HeaderRule("remove", "ETag"))}
    await lab.serve(await lab.origin(lambda _request: html(b'ETag: "1"', body=body)), frontend=frontend)
    client = await lab.client()
    answer = await client.get("/", GZIP)
    assert gzip.decompress(answer.body) == body
    assert (answer["vary"], answer["etag"]) == (b"Origin, Accept-Encoding", b"")
    assert (await client.get("/", GZIP)).status == 200
