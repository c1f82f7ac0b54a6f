"""HTTP through the engine, by chance: pipelines of requests cut anywhere, some of them or of their answers damaged. A seed gives the same every time.

An undamaged pipeline gets all its answers, in order and whole. Whatever the damage, every connection ends, what the server sees is what a lenient
reader finds in the bytes that were sent, and nothing is raised.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from collections.abc import Iterator

import pytest

from tests.support.proxy_lab import Client, Lab, Request, Response, in_lab, read_body, until

Seen = tuple[bytes, bytes, bytes]  # method, target, body
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
FRAMING = b"\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n"
FIELDS = (b"X-Long: " + b"y" * 3000, b"Accept: */*", b"Cookie: a=b; c=d", b"X-Forwarded-For: 192.0.2.9", b"Connection: keep-alive, x-y", b"X-Y: z")


def content(chance: random.Random) -> bytes:
    return chance.choice([b"", b"x", SMUGGLED, chance.randbytes(chance.randrange(3000))])


def framed(chance: random.Random, body: bytes) -> tuple[bytes, bytes]:
    """A framing field, and the body as it goes with it."""
    if chance.random() < 0.5:
        return b"Content-Length: %d\r\n" % len(body), body
    pieces = list(cut(chance, body))
    return b"Transfer-Encoding: chunked\r\n", b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def cut(chance: random.Random, data: bytes) -> Iterator[bytes]:
    """The same bytes in pieces, small ones more often than large ones."""
    at = 0
    while at < len(data):
        size = chance.choice([1, 2, 7, 40, 500, 5000])
        yield data[at : at + size]
        at += size


def damaged(chance: random.Random, data: bytes) -> bytes:
    """The same bytes but for one place."""
    at = chance.randrange(len(data))
    if chance.random() < 0.7:
        at = chance.randrange(min(len(data), data.index(b"\r\n\r\n") + 4))  # in the head, where it matters
    inserted = chance.choice([b"", b"\r", b"\n", b" ", b":", b"\0", b"0", b"9", b"\r\n", data[at : at + 9] * 2, FRAMING])
    return data[:at] + inserted + data[at + chance.randrange(3) :]


class Exchange:
    """A request, its answer, and whether the server closes after it."""

    def __init__(self, chance: random.Random, name: str, last: bool) -> None:
        self.method = chance.choice([b"GET", b"HEAD", b"PUT", b"DELETE"])
        self.target = b"/%b?%d" % (name.encode(), chance.randrange(1000))
        body = content(chance) if self.method in (b"PUT", b"DELETE") else b""
        framing, sent = framed(chance, body) if body else (b"", b"")
        fields = b"".join(field + b"\r\n" for field in chance.sample(FIELDS, chance.randrange(4)))
        self.request = b"%b %b HTTP/1.1\r\nHost: a\r\n%b%b\r\n" % (self.method, self.target, fields, framing) + sent
        self.seen: Seen = (self.method, self.target, body)
        self.closes = chance.random() < 0.1
        self.body = content(chance)
        framing, sent = framed(chance, self.body)
        if self.method == b"HEAD":
            self.body = sent = b""
        interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * (chance.random() < 0.1)
        close = b"Connection: close\r\n" if self.closes else b""
        if self.closes and last:  # the body ends with the connection, and so does the client's
            framing, sent = b"", self.body
        self.answer = interim + b"HTTP/1.1 200 OK\r\nX-Of: %b\r\n%b%b\r\n" % (self.target, framing, close) + sent

    def answered_by(self, response: Response) -> bool:
        return (response.status, response["x-of"], response.body) == (200, self.target, self.body)


class Conversation:
    """One client with its pipeline; the request or the answer at ``damaged_at`` is damaged."""

    def __init__(self, chance: random.Random, number: int) -> None:
        self.chance, self.address = chance, f"127.0.0.{number}"
        self.pauses = chance.choice([0, 2, 20])  # at most so many turns of the loop between two pieces
        count = chance.randrange(1, 8)
        self.exchanges = [Exchange(chance, f"{number}-{n}", n == count - 1) for n in range(count)]
        self.damage = chance.choice(["none", "request", "answer"])
        self.damaged_at = chance.randrange(len(self.exchanges)) if self.damage != "none" else len(self.exchanges)
        if self.damage == "request":
            one = self.exchanges[self.damaged_at]
            one.request = damaged(chance, one.request)
        elif self.damage == "answer":
            one = self.exchanges[self.damaged_at]
            one.answer, one.closes = damaged(chance, one.answer) or b"x", True
        self.sent = b"".join(exchange.request for exchange in self.exchanges)

    async def held(self, lab: Lab) -> None:
        client = await lab.client(self.address)
        reading = asyncio.ensure_future(self._read(client))
        for piece in cut(self.chance, self.sent):
            if client.writer.transport.is_closing():
                break
            client.send(piece)
            for _turn in range(self.pauses and self.chance.randrange(self.pauses)):
                await asyncio.sleep(0)
        if not client.writer.transport.is_closing():
            with contextlib.suppress(OSError):  # broken off already
                client.writer.write_eof()
        await asyncio.wait_for(reading, 10)

    async def _read(self, client: Client) -> None:
        """Reads until the end. An answer may be missing, or another than was meant, only from where the damage is."""
        for number, exchange in enumerate(self.exchanges):
            if self.damage == "request" and number == self.damaged_at:
                break  # from here on they may be answers to other requests
            try:
                response = await client.response(exchange.method)
                while response.status < 200:
                    response = await client.response(exchange.method)
            except (asyncio.IncompleteReadError, ConnectionError):
                assert number >= self.damaged_at, f"no answer to {exchange.request!r}"
                return
            assert exchange.answered_by(response) or number == self.damaged_at, (exchange.request, response.head, response.body)
        with contextlib.suppress(ConnectionError):
            rest = await client.reader.read(-1)
            assert not rest or self.damage == "request"


def lenient(sent: bytes) -> Iterator[Seen]:
    """The requests in these bytes by a reader that takes what it can; it knows nothing of the proxy's."""
    while True:
        head, end, sent = sent.lstrip(b"\r\n").partition(b"\r\n\r\n")
        try:
            method, target, _version = head.split(b"\r\n")[0].split(b" ")
            fields = {line.partition(b":")[0].lower(): line.partition(b":")[2].strip() for line in head.split(b"\r\n")[1:]}
            if fields.get(b"transfer-encoding", b"").lower() == b"chunked":
                body = b""
                while size := int(re.match(rb"[0-9a-fA-F]+", sent)[0], 16):  # type: ignore[index]
                    _line, _end, sent = sent.partition(b"\r\n")
                    body, sent = body + sent[:size], sent[size + 2 :]
                _trailers, _end, sent = sent.partition(b"\r\n\r\n")
            else:
                size = int(fields.get(b"content-length", b"0"))
                body, sent = sent[:size], sent[size:]
        except (ValueError, TypeError):
            return
        if not end:
            return
        yield method, target, body


async def serve(lab: Lab, chance: random.Random, exchanges: dict[bytes, Exchange], seen: list[tuple[str, Seen]]) -> None:
    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = Request(await reader.readuntil(b"\r\n\r\n"), b"", 0)
            body = await read_body(reader, request)
            seen.append((request["x-forwarded-for"].decode(), (request.method, request.target, body)))
            exchange = exchanges.get(request.target)
            if exchange is not None and exchange.method != request.method:  # by the damage
                exchange = None
            for piece in cut(chance, exchange.answer if exchange else b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"):
                writer.write(piece)
                await writer.drain()
                if chance.random() < 0.2:
                    await asyncio.sleep(0)
            if exchange is not None and exchange.closes:
                return

    await lab.serve(await lab.origin(raw=raw), frontend={"forwarded_for": "replace"})


@pytest.mark.parametrize("seed", range(24))
@in_lab
async def test_whatever_is_sent_ends_in_order_and_nothing_is_made_up(lab: Lab, seed: int):
    chance = random.Random(seed)
    conversations = [Conversation(chance, number) for number in range(101, 117)]
    exchanges = {exchange.target: exchange for conversation in conversations for exchange in conversation.exchanges}
    seen: list[tuple[str, Seen]] = []
    await serve(lab, chance, exchanges, seen)
    await asyncio.gather(*(conversation.held(lab) for conversation in conversations))
    await until(lab.nothing_held)
    for conversation in conversations:
        got = [request for address, request in seen if address == conversation.address]
        sent = list(lenient(conversation.sent))
        assert got == sent[: len(got)]
        if conversation.damage == "none":
            assert got == [exchange.seen for exchange in conversation.exchanges]
