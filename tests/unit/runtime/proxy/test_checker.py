"""The checker against real servers on loopback: what passes, what does not, and what is known after a document changes."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import time

import pytest

from tandem._model import Document, HealthCheck, Server
from tandem.proxy.checker import Checker, Target, describe, probe
from tests.support.node import backend, document_of, free_port

HTTP = HealthCheck(type="http", timeout_ms=400)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nhealthy"


class Origin:
    """Answers every connection with ``content``; slowly, byte by byte, where ``pause_s`` is given; never, where content is None."""

    def __init__(self, content=OK, pause_s=0.0, hold=False):
        self.content, self.pause_s, self.hold, self.heads = content, pause_s, hold, []

    async def start(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        self.count = 0
        return self

    async def _serve(self, reader, writer):
        self.count += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            if self.content is None:
                await reader.read(-1)
            else:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                for piece in [self.content] if not self.pause_s else [self.content[at : at + 1] for at in range(len(self.content))]:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(self.pause_s)
                if self.hold:
                    await reader.read(-1)
        writer.close()


def run(test):
    @functools.wraps(test)
    def in_loop():
        asyncio.run(asyncio.wait_for(test(), 20))

    del in_loop.__wrapped__
    return in_loop


async def until(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


def chunked(*pieces):
    return (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    )


ANSWERS = {
    "200": (OK, {}, True, "status 200"),
    "a redirect": (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", {}, True, "status 302"),
    "404": (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", {}, False, "status 404, expected 200-399"),
    "one of a list": (b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", {"expect_status": "200,401-403"}, True, "status 401"),
    "none of a list": (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", {"expect_status": "200,401-403"}, False, "expected 200,401-403"),
    "interim answers first": (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK, {"expect_body": "healthy"}, True, "status 200"),
    "the expected text": (OK, {"expect_body": "health"}, True, "status 200"),
    "another text": (OK, {"expect_body": "wealthy"}, False, "the expected text is not in the body"),
    "a text across chunks": (chunked(b"all is hea", b"lthy here"), {"expect_body": "healthy"}, True, "status 200"),
    "another text in chunks": (chunked(b"hea", b"lthless"), {"expect_body": "healthy"}, False, "not in the body"),
    "a text until the end": (b"HTTP/1.1 200 OK\r\n\r\nquite healthy", {"expect_body": "healthy"}, True, "status 200"),
    "a text after 64 KiB": (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 66_000 + b"healthy", {"expect_body": "healthy"}, False, "not in the body"),
    "a body cut off": (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhea", {"expect_body": "healthy"}, False, "not in the body"),
    "no body for HEAD": (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", {"method": "HEAD"}, True, "status 200"),
    "garbage": (b"\x16\x03\x01 no HTTP\r\n\r\n", {}, False, "no valid HTTP answer"),
    "an old version": (b"HTTP/0.9 200\r\n\r\n", {}, False, "no valid HTTP answer"),
    "bad chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", {"expect_body": "x"}, False, "no valid HTTP answer"),
    "an endless head": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 30_000, {}, False, "no valid HTTP answer"),
    "an end without a word": (b"", {}, False, "no valid HTTP answer"),
    "half a head": (b"HTTP/1.1 200 OK\r\nX", {}, False, "no valid HTTP answer"),
}


@run
async def test_an_http_check_passes_on_the_expected_status_and_text_and_on_nothing_else():
    for case, (content, options, passes, words) in ANSWERS.items():
        origin = await Origin(content).start()
        check = HealthCheck(**{"type": "http", "timeout_ms": 2000, **options})
        passed, said = await probe(Target("127.0.0.1", origin.port, check))
        assert (passed, words in said) == (passes, True), (case, said)
        assert said.count("\n") == 0
        origin.server.close()
    assert origin.heads == [b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: tandem-health-check\r\nConnection: close\r\n\r\n" % origin.port]


@run
async def test_a_server_that_refuses_hangs_or_dribbles_fails_within_the_timeout():
    hanging, dribbling = await Origin(None).start(), await Origin(OK, pause_s=0.03).start()
    tcp = HealthCheck(type="tcp", timeout_ms=400)
    for target, words in (
        (Target("127.0.0.1", free_port(), tcp), "Connection refused"),
        (Target("127.0.0.1", free_port(), HTTP), "Connection refused"),
        (Target("127.0.0.1", hanging.port, HTTP), "no answer within 400 ms"),
        (Target("127.0.0.1", dribbling.port, HTTP), "no answer within 400 ms"),
    ):
        began = time.monotonic()
        assert await probe(target) == (False, words)
        assert time.monotonic() - began < 0.9
    assert (await probe(Target("127.0.0.1", hanging.port, tcp)))[1].startswith("connected in ")


@run
async def test_no_answer_that_a_server_can_give_breaks_a_check():
    chance = random.Random(7)
    check = HealthCheck(type="http", timeout_ms=2000, expect_body="healthy")
    seeds = [content for content, _options, _passes, _words in ANSWERS.values() if len(content) < 1000]
    for _answer in range(150):
        content = bytearray(chance.choice(seeds))
        for _change in range(chance.randint(1, 6)):
            at = chance.randint(0, len(content))
            content[at : at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3)) if hasattr(chance, "randbytes") else b"\0"
        origin = await Origin(bytes(content)).start()
        passed, said = await probe(Target("127.0.0.1", origin.port, check))
        assert isinstance(passed, bool), content
        assert said
        origin.server.close()


class Looking:
    """A checker, and the document it follows."""

    def __init__(self):
        self.changes = []
        self.checker = Checker(self.changes.append)
        self.document = Document()

    async def use(self, *backends, wait_s=2.0):
        document = document_of(*backends)
        await self.checker.look_ahead(document, wait_s)
        ahead = self.checker.up(document)
        self.checker.follow(document)
        self.document = document
        assert self.up == ahead["edge/shop"]  # what workers are told before is what holds after
        return self.up

    @property
    def up(self):
        return self.checker.up(self.document)["edge/shop"]

    def state(self, name="s1"):
        shop = self.document.backends["edge/shop"]
        return describe(self.checker.health("edge/shop", name), shop.health_check, time.monotonic())


def server(origin, name="s1"):
    return Server(name, "127.0.0.1", origin if isinstance(origin, int) else origin.port)


def check(**options):
    return HealthCheck(**{"interval_ms": 50, "fast_interval_ms": 50, "timeout_ms": 50, "fall": 2, "rise": 2, **options})


@run
async def test_a_server_goes_down_and_up_as_it_answers_and_every_change_is_told():
    looking, origin = Looking(), await Origin().start()
    assert await looking.use(backend(server(origin), check=check(type="http"))) == {"s1": True}
    origin.content = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
    await until(lambda: looking.up == {"s1": False})
    assert looking.state()["last_check"].startswith("status 500, expected 200-399")
    origin.content = OK
    await until(lambda: looking.up == {"s1": True})
    assert looking.changes == ["edge/shop"] * 2
    assert looking.state()["since_ms"] < 5000
    looking.checker.stop()


@run
async def test_nothing_is_forgotten_by_a_new_document_and_all_of_what_it_no_longer_names():
    looking, up, down = Looking(), await Origin().start(), free_port()
    hourly = check(interval_ms=3_600_000)
    assert await looking.use(backend(server(up), server(down, "s2"), check=hourly)) == {"s1": True, "s2": False}
    since, seen = looking.state("s2")["since_ms"], up.count
    for again in (hourly, check(interval_ms=3_599_000, rise=5), check(interval_ms=3_600_000, type="http", path="/other")):
        assert await looking.use(backend(server(up), server(down, "s2"), check=again)) == {"s1": True, "s2": False}
    assert looking.state("s2")["since_ms"] >= since
    assert up.count == seen  # nobody had to look again
    assert await looking.use(backend(server(up), check=hourly)) == {"s1": True}
    assert looking.checker.health("edge/shop", "s2").state == "checking"
    looking.checker.stop()
    await asyncio.sleep(0)
    assert len(looking.checker._targets) == len(looking.checker._health) == 1


@run
async def test_a_server_that_moves_serves_under_its_old_address_until_the_new_one_is_looked_at():
    looking, old, new, hanging = Looking(), await Origin().start(), await Origin().start(), await Origin(None).start()
    hourly = check(interval_ms=3_600_000, type="http", timeout_ms=3000)
    assert await looking.use(backend(server(old), check=hourly)) == {"s1": True}
    document = document_of(backend(server(hanging), check=hourly))
    look = asyncio.ensure_future(looking.checker.look_ahead(document, 0.5))
    await until(lambda: hanging.count == 1)
    assert looking.up == {"s1": True}  # under the old one
    await look
    assert looking.checker.up(document) == {"edge/shop": {}}  # nobody knows of the new one, and nobody took the old one's state for it
    assert looking.up == {"s1": True}
    assert await looking.use(backend(server(new), check=hourly)) == {"s1": True}
    assert await looking.use(backend(server(free_port()), check=hourly)) == {"s1": False}
    looking.checker.stop()


@run
async def test_checks_that_begin_anew_begin_with_a_look_and_not_with_what_was_known_before():
    looking, origin = Looking(), await Origin().start()
    hourly = check(interval_ms=3_600_000)
    unchecked = check(type="none")
    assert await looking.use(backend(server(origin), check=unchecked)) == {}
    assert looking.state() == {"state": "up", "since_ms": None, "last_check": "not checked"}
    assert await looking.use(backend(server(origin), check=hourly)) == {"s1": True}
    await looking.use(backend(server(origin), check=unchecked))
    origin.server.close()
    await origin.server.wait_closed()
    assert await looking.use(backend(server(origin), check=hourly)) == {"s1": False}
    looking.checker.stop()


@pytest.mark.parametrize("document_port", [True, False], ids=["its own port", "the server's port"])
def test_a_check_goes_to_the_servers_port_unless_it_has_its_own(document_port):
    async def scenario():
        looking, serving, checked = Looking(), await Origin().start(), await Origin().start()
        options = check(interval_ms=3_600_000, port=checked.port if document_port else 0)
        assert await looking.use(backend(server(serving), check=options)) == {"s1": True}
        assert (serving.count, checked.count) == ((0, 1) if document_port else (1, 0))
        looking.checker.stop()

    asyncio.run(scenario())
