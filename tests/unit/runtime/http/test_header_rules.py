"""Rules about fields: what a plan writes is what going through the rules one after the other would, and no value of a request ends a line."""

from __future__ import annotations

import random

import pytest

from tandem._model import HeaderRule
from tandem.http.header_rules import HeaderRules, matchers_of, rules_of
from tandem.http.passing import Passing
from tandem.http.request import Request, read_request
from tandem.http.response import read_response
from tandem.http.write import response_head
from tandem.http.writing import MessageRules, Rewriting

PASSING = Passing(b"192.0.2.1", mode="none", via=False)
NAMES = ("X-A", "x-a", "X-B", "X-b", "X-AB", "Vary", "Cookie")
VALUES = ("one", "%{path}", "%{header:X-A}", "%{client_address}", "50%", "%{query}", "a%{query}")
KNOWN = {"frontend": "web", "backend": "app", "port": "80"}


def made(given: list[HeaderRule]) -> HeaderRules:
    return HeaderRules(rules_of(given, KNOWN, matchers_of(given, {})))


def value_of(template: str, request: Request) -> bytes:
    """What the templates above come to."""
    given = {
        "%{path}": request.path,
        "%{header:X-A}": b", ".join(value for name, value in fields_of(request.raw) if name.lower() == b"x-a"),
        "%{client_address}": b"192.0.2.1",
        "%{query}": request.target.partition(b"?")[2],
    }
    for name, value in given.items():
        template = template.replace(name, value.decode("latin-1"))
    return template.encode("latin-1")


def fields_of(head: bytes) -> list[tuple[bytes, bytes]]:
    return [(name, value.strip()) for name, _colon, value in (line.partition(b":") for line in head.split(b"\r\n")[1:-2])]


def one_by_one(rules: list[HeaderRule], fields: list[tuple[bytes, bytes]], request: Request) -> dict[bytes, list[bytes]]:
    """Fields after all rules, by name, in the simplest way."""
    for rule in rules:
        if rule.path_prefix and not request.path.startswith(rule.path_prefix.encode()):
            continue
        if rule.action != "add":
            fields = [(name, value) for name, value in fields if name.lower() != rule.name.lower().encode()]
        if rule.action != "remove":
            value = value_of(rule.value, request)
            fields = [*fields, (rule.name.encode(), value)] if value else fields
    found: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        found.setdefault(name.lower(), []).append(value)
    return found


def a_rule(chance: random.Random) -> HeaderRule:
    action = chance.choice(("set", "add", "remove"))
    value = chance.choice(VALUES) if action != "remove" else ""
    return HeaderRule(action, chance.choice(NAMES), value, path_prefix=chance.choice(("", "", "/a", "/b")))


@pytest.mark.parametrize("seed", range(60))
def test_a_plan_writes_what_the_rules_would_one_after_the_other(seed):
    chance = random.Random(seed)
    given = [a_rule(chance) for _number in range(chance.randrange(1, 9))]
    rules = MessageRules(made(given), made(given))
    former = answered = None
    for _turn in range(8):
        target = chance.choice((b"/a", b"/b?q", b"/a/x?", b"/c"))
        lines = [b"%b: %b" % (name.encode(), chance.choice((b"1", b"2"))) for name in chance.choices(NAMES, k=chance.randrange(4))]
        request = former = read_request(b"\r\n".join([b"GET %b HTTP/1.1" % target, b"Host: a", *lines, b"", b""]), former)
        rewriting = Rewriting(rules, request, PASSING, b"", b"")
        sent = fields_of(rewriting.to_server("s1"))
        cookies = [value for name, value in fields_of(request.raw) if name.lower() == b"cookie"]
        came = [(name, value) for name, value in fields_of(request.raw) if name.lower() != b"cookie"]
        if cookies:
            came.append((b"Cookie", b"; ".join(cookies)))
        assert one_by_one([], sent, request) == one_by_one(given, came, request), given
        raw = b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Length: 0", *lines, b"", b""])
        response = answered = read_response(raw, b"GET", answered)
        response, extra = rewriting.answer(response, b"", b"")
        sent = fields_of(response_head(response, b"", extra))
        assert one_by_one([], sent, request) == one_by_one(given, fields_of(raw), request), given


@pytest.mark.parametrize("seed", range(20))
def test_no_request_writes_a_line_of_its_own_by_a_variable(seed):
    chance = random.Random(seed)
    values = ("%{header:X-In}", "%{cookie:c}", "%{host}", "%{host_port}", "%{path}", "%{query}", "%{target}", "%{method}")
    given = [HeaderRule("set", f"X-{number}", value) for number, value in enumerate(values)]
    rules = MessageRules(made(given), HeaderRules([]))
    junk = bytes(chance.choice(b"ab\t \x80\xff%;,:=\"'\\{}~") for _turn in range(200))
    target = bytes(chance.choice(b"ab%/?&;:=\"'\\{}~") for _turn in range(50))
    raw = b"GET /%b HTTP/1.1\r\nHost: a\r\nX-In: %b\r\nCookie: c=%b\r\n\r\n" % (target, junk, junk.replace(b";", b""))
    head = Rewriting(rules, read_request(raw), PASSING, b"", b"").to_server("s1")
    again = read_request(head)
    known = {b"host", b"cookie", b"x-in"} | {b"x-%d" % number for number in range(len(values))}
    assert {name.lower() for name, _value in fields_of(head)} <= known
    assert again.target == b"/" + target


@pytest.mark.parametrize("named", [b"X-User", b"x-user", b"X-USER", b"x-User "])
def test_what_a_client_sends_of_a_name_that_is_set_is_gone_however_it_is_written(named):
    rules = MessageRules(made([HeaderRule("set", "X-User", "%{client_address}")]), HeaderRules([]))
    if named.endswith(b" "):  # a blank before the colon is refused at once (RFC 9112 5.1)
        with pytest.raises(Exception, match="field line that is malformed"):
            read_request(b"GET / HTTP/1.1\r\nHost: a\r\n%b: root\r\n\r\n" % named)
        return
    raw = b"GET / HTTP/1.1\r\nHost: a\r\n%b: root\r\nX-User_: a\r\nOther: X-User: b\r\n%b:admin\r\nX-Users: stays\r\n\r\n" % (named, named)
    sent = fields_of(Rewriting(rules, read_request(raw), PASSING, b"", b"").to_server("s1"))
    assert [(name, value) for name, value in sent if name.lower().startswith(b"x-user")] == [(b"X-Users", b"stays"), (b"X-User", b"192.0.2.1")]


def test_what_was_written_is_for_one_connection_and_one_set_of_rules():
    given = [[HeaderRule("set", name, f"{name} %{{client_address}} %{{host}}")] for name in ("X-A", "X-B")]
    many = [MessageRules(made(rules), made(rules)) for rules in given]
    request = read_request(b"GET / HTTP/1.1\r\nHost: a\r\nX-A: came\r\n\r\n")
    response = read_response(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-A: came\r\nX-B: came\r\n\r\n", b"GET")
    for _turn in range(2):
        for rules, name in zip(many, (b"X-A", b"X-B")):
            for client in (b"192.0.2.1", b"192.0.2.2"):
                rewriting = Rewriting(rules, request, Passing(client), b"", b"")
                line = b"\r\n%b: %b %b a\r\n" % (name, name, client)
                assert line in rewriting.to_server("s1")
                answer, extra = rewriting.answer(response, b"", b"")
                written = response_head(answer, b"", extra)
                assert line in written
                assert written.count(b"came") == 1
                assert name + b": came" not in written
