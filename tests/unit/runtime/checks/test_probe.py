"""Probes against real servers on loopback: what passes, what does not, and in which words; and how the answers to checks are read, piece by piece."""

from __future__ import annotations

import gc
import random
import time

from tandem._model import HealthCheck
from tandem.checks.http import Answer
from tandem.checks.probe import Target, probe
from tests.support.node import free_port
from tests.support.origin import OK, Origin, run

HTTP = HealthCheck(type="http", timeout_ms=400)


def chunked(*pieces):
    return (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    )


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"
ANSWERS = {
    "200": (OK, {}, True, "status 200"),
    "a redirect": (REDIRECT, {}, False, "status 302 (a redirect), expected 200-299"),
    "a redirect that is asked for": (REDIRECT, {"expect_status": "200-399"}, True, "status 302"),
    "404": (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", {}, False, "status 404, expected 200-299"),
    "one of a list": (b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", {"expect_status": "200,401-403"}, True, "status 401"),
    "none of a list": (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", {"expect_status": "200,401-403"}, False, "expected 200,401-403"),
    "interim answers first": (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK, {"expect_body": "healthy"}, True, "status 200"),
    "the expected text": (OK, {"expect_body": "health"}, True, "status 200"),
    "another text": (OK, {"expect_body": "wealthy"}, False, "the expected text is not in the body"),
    "a text across chunks": (chunked(b"all is hea", b"lthy here"), {"expect_body": "healthy"}, True, "status 200"),
    "another text in chunks": (chunked(b"hea", b"lthless"), {"expect_body": "healthy"}, False, "not in the body"),
    "a text until the end": (b"HTTP/1.1 200 OK\r\n\r\nquite healthy", {"expect_body": "healthy"}, True, "status 200"),
    "a text after 64 KiB": (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 66_000 + b"healthy", {"expect_body": "healthy"}, False, "not in the first 64 KiB"),
    "a body cut off": (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhea", {"expect_body": "healthy"}, False, "not in the body"),
    "what an expression matches": (OK, {"expect_body_regex": "^(all is )?(health|well)"}, True, "status 200"),
    "what an expression does not match": (OK, {"expect_body_regex": "^ealthy"}, False, "but what the expression matches is not in the body"),
    "an expression across chunks": (chunked(b"all is hea", b"lthy here"), {"expect_body_regex": "is h.*thy"}, True, "status 200"),
    "an expression for the whole body": (OK, {"expect_body_regex": "^healthy$"}, True, "status 200"),
    "an expression for the whole body in chunks": (chunked(b"hea", b"lthy"), {"expect_body_regex": "^healthy$"}, True, "status 200"),
    "an expression for a body until the end": (b"HTTP/1.0 200 OK\r\n\r\nhealthy", {"expect_body_regex": "^healthy$"}, True, "status 200"),
    "an expression for more": (chunked(b"healthy", b"!"), {"expect_body_regex": "^healthy$"}, False, "is not in the body"),
    "an expression for a body cut off": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhealthy",
        {"expect_body_regex": "healthy$"},
        False,
        "is not in the body",
    ),
    "an expression for an empty body": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", {"expect_body_regex": "^$"}, True, "status 200"),
    "an expression for no body": (b"HTTP/1.1 204 Fine\r\n\r\n", {"expect_body_regex": "x"}, False, "cannot come, as this answer has no body"),
    "an expression for what ends after 64 KiB": (
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 66_000,
        {"expect_body_regex": "x$"},
        False,
        "not in the first 64 KiB",
    ),
    "no body for HEAD": (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", {"method": "HEAD"}, True, "status 200"),
    "an empty body": (b"HTTP/1.1 204 Fine\r\n\r\n", {"expect_body": "x"}, False, "cannot come, as this answer has no body"),
    "no body for HEAD, though a text is wanted": (OK, {"method": "HEAD", "expect_body": "healthy"}, False, "this answer has no body"),
    # What scripts and small devices say: nobody can be smuggled past a check.
    "bare line feeds": (b"HTTP/1.0 200 OK\nContent-Type: text/plain\n\nhealthy\n", {"expect_body": "healthy"}, True, "status 200"),
    "one carriage return too few": (b"HTTP/1.0 200 OK\r\nX: y\r\n\nhealthy", {"expect_body": "healthy"}, True, "status 200"),
    "carriage returns in a row": (b"HTTP/1.0 200 OK\r\r\n\r\r\nhealthy", {"expect_body": "healthy"}, True, "status 200"),
    "an empty line first": (b"\r\nHTTP/1.1 200 OK\r\n\r\n", {}, True, "status 200"),
    "a status line alone": (b"HTTP/1.1 200 OK\n", {}, True, "status 200"),
    "a status line alone, and a text is wanted": (b"HTTP/1.1 200 OK\n", {"expect_body": "x"}, False, "the expected text is not in the body"),
    "a status without a reason": (b"HTTP/1.1 200\r\n\r\n", {}, True, "status 200"),
    "a line that is no field": (b"HTTP/1.1 200 OK\r\nno field\r\n: none\r\nBad Name: x\r\n\r\n", {}, True, "status 200"),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 7\r\n\r\nhealthy", {"expect_body": "healthy"}, True, "status 200"),
    "a length that is none": (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nhealthy", {"expect_body": "healthy"}, True, "status 200"),
    "chunks between bare line feeds": (CHUNKED + b"3 ;x=y\nhea\n  4\nlthy\n0\n\n", {"expect_body": "healthy"}, True, "status 200"),
    "a switch of protocols": (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", {"expect_status": "101"}, True, "status 101"),
    # What is refused all the same, in words of our own.
    "TLS": (b"\x15\x03\x01\x00\x02\x02\x46", {}, False, 'no valid HTTP answer (it begins with "\\x15\\x03\\x01\\x00\\x02\\x02F" instead of HTTP'),
    "another protocol": (
        b"SSH-2.0-OpenSSH_9.2\r\n",
        {},
        False,
        '(it begins with "SSH-2.0-OpenSSH_9.2" instead of HTTP and a status)',
    ),
    "HTTP 0.9": (b"<html>healthy</html>\n", {"expect_body": "healthy"}, False, 'it begins with "<html>healthy</html>" instead of HTTP and a status'),
    "a version before there was a status": (b"HTTP/0.9 200\r\n\r\n", {}, False, 'it begins with "HTTP/0.9 200", and HTTP before 1.0 tells no status'),
    "a status that is none": (b"HTTP/1.1 2000 OK\r\n\r\n", {}, False, 'its first line is "HTTP/1.1 2000 OK", which has no status of three digits'),
    "bad chunks": (CHUNKED + b"zz\r\n", {"expect_body": "x"}, False, 'a chunk\'s size is "zz", which is no hexadecimal number'),
    "an endless head": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 30_000, {}, False, "its head has more than 64 KiB"),
    "an endless line": (b"HTTP/1.1 200 " + b"O" * 90_000, {}, False, "its head has more than 64 KiB"),
    "an endless size of a chunk": (CHUNKED + b"1;" + b"x" * 900_000, {"expect_body": "x"}, False, "not in the first 64 KiB"),
    "an end without a word": (b"", {}, False, "no valid HTTP answer (the connection was closed without one)"),
    "an end after an interim answer": (b"HTTP/1.1 100 Continue\r\n\r\n", {}, False, "the connection was closed without one"),
    "half a head": (b"HTTP/1.1 200 OK\r\nX", {}, False, "no valid HTTP answer (the connection was closed in the middle of its head)"),
    "half a status line": (b"HTTP/1.1 20", {}, False, "no valid HTTP answer (the connection was closed in the middle of its head)"),
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
async def test_a_check_sends_the_fields_and_the_version_that_it_is_told():
    origin = await Origin(OK).start()
    options = {"host": "shop.test", "http_version": "1.0", "headers": {"Accept": "*/*", "user-agent": "probe/1"}}
    assert (await probe(Target("127.0.0.1", origin.port, HealthCheck(type="http", timeout_ms=2000, **options))))[0]
    assert origin.heads == [b"GET / HTTP/1.0\r\nHost: shop.test\r\nConnection: close\r\nAccept: */*\r\nuser-agent: probe/1\r\n\r\n"]
    origin.server.close()


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


@run
async def test_a_text_is_found_as_soon_as_it_is_there_while_the_body_goes_on():
    check = HealthCheck(type="http", timeout_ms=2000, expect_body="healthy")
    for content in (
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhealthy, and more to come",
        b"HTTP/1.1 200 OK\r\n\r\nhealthy",
        CHUNKED + b"fffff\r\nhealthy",
    ):
        origin = await Origin(content, hold=True).start()
        passed, said = await probe(Target("127.0.0.1", origin.port, check))
        assert (passed, said.partition(" in ")[0]) == (True, "status 200"), content
        origin.server.close()


def verdicts(content, check, size):
    """What is known after each piece of so many bytes, up to the verdict and where it came; and at the end, if it has not come before."""
    answer = Answer(check)
    for at in range(0, len(content), size):
        verdict = answer.feed(content[at : at + size])
        if verdict is not None:
            return at + size, verdict
    return len(content), answer.end()


def test_an_answer_is_read_alike_in_whatever_pieces_it_comes():
    early = ("TLS", "another protocol", "HTTP 0.9", "a version before there was a status")
    for case, (content, options, passes, words) in ANSWERS.items():
        check = HealthCheck(**{"type": "http", **options})
        for size in (1, 2, 3, 7, 1000):
            _at, (passed, said) = verdicts(content, check, size)
            if not (case in early and size < 100):  # what does not begin well is refused before it is all there
                assert words in said, (case, size, said)
            assert passed == passes, (case, size, said)


def test_the_verdict_comes_with_the_last_byte_that_it_needs_and_not_later():
    check = HealthCheck(type="http", expect_body="healthy")
    for body in (b"healthy and so on", b"heahealthy and so on", b"hhhhealthy and so on"):
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
        at, verdict = verdicts(head + body, check, 1)
        assert verdict == (True, "status 200")
        assert at == len(head) + body.index(b"healthy") + len(b"healthy")
    at, verdict = verdicts(b"HTTP/1.1 404 No\r\nContent-Length: 5000\r\n\r\nhealthy", check, 1)
    assert (at, verdict) == (len(b"HTTP/1.1 404 No\r\nContent-Length: 5000\r\n\r\n"), (False, "status 404, expected 200-299"))


class Counting(bytearray):
    """Counts the bytes that are searched in it."""

    searched = 0

    def find(self, what, start=0):
        Counting.searched += max(0, len(self) - start)
        return super().find(what, start)


def test_what_comes_byte_by_byte_is_searched_once():
    Counting.searched = 0
    content = b"HTTP/1.1 200 OK\r\n" + b"X-Padding: xxxx\r\n" * 1000 + b"\r\n" + b"x" * 60_000
    answer = Answer(HealthCheck(type="http", expect_body="healthy"))
    answer._buffer, answer._wanted.body = Counting(), Counting()
    for at in range(len(content)):
        assert answer.feed(content[at : at + 1]) is None
    assert len(content) <= Counting.searched < len(content) * 10  # as many bytes as the text has are looked at again


def test_an_answer_leaves_nothing_to_the_garbage_collector():
    gc.collect()
    gc.disable()
    try:
        for content, options, _passes, _words in ANSWERS.values():
            if len(content) < 1000:
                verdicts(content, HealthCheck(**{"type": "http", **options}), 1000)
        assert [thing for thing in gc.get_objects() if isinstance(thing, Answer)] == []
    finally:
        gc.enable()
