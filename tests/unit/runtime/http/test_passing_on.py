"""What servers get of a request: which fields stay behind, which are added, and what names the client."""

from __future__ import annotations

import pytest

from tandem.http.cookies import cookie_value
from tandem.http.head import HeadBuffer
from tandem.http.passing import Passing
from tandem.http.request import Request, read_request
from tandem.http.write import last_recipient, passed_upgrade, request_head, switches_to_what_was_asked

DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"


def get(*lines: bytes, start: bytes = b"GET / HTTP/1.1") -> bytes:
    return b"\r\n".join((start, b"Host: a", *lines)) + b"\r\n\r\n"


def request(raw: bytes) -> Request:
    return read_request(HeadBuffer(requests=True).take(raw))


def passed_on(raw: bytes, mode: str = "append", **options: object) -> list[bytes]:
    """The lines of the head that a server gets."""
    passing = Passing(b"192.0.2.1", b"http", mode, **options)
    return request_head(request(raw), passing, local=b"127.0.0.1:80").split(b"\r\n")[:-2]


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


@pytest.mark.parametrize(
    "field", [b"Keep-Alive: timeout=5", b"Proxy-Connection: close", b"TE: gzip", b"Trailer: X", b"Upgrade: h2c", b"HTTP2-Settings: x"]
)
def test_hop_by_hop_fields_stay_behind_RFC_9110_7_6_1(field):
    assert field not in passed_on(get(field, b"X: y"))


def test_a_thousand_names_in_connection_cost_one_pass():
    names = b",".join(b"n%d" % n for n in range(1000))
    raw = get(b"Connection: " + names, *[b"n%d: x" % n for n in range(90)])
    assert len(request(raw).fields.cuts) == 91
    assert passed_on(raw, "none", via=False) == [b"GET / HTTP/1.1", b"Host: a"]


def test_via_is_added_after_those_that_came_RFC_9110_7_6_3():
    lines = passed_on(get(b"Via: 1.0 other"))
    assert lines.index(b"Via: 1.0 other") < lines.index(b"Via: 1.1 tandem")
    assert b"Via: 1.0 tandem" in passed_on(get(start=b"GET / HTTP/1.0"))


def test_expect_is_passed_on_for_http_1_1_only_RFC_9110_10_1_1():
    assert b"Expect: 100-Continue" in passed_on(get(b"Expect: 100-Continue", b"Content-Length: 1"))
    assert b"Expect: 100-continue" not in passed_on(get(b"Expect: 100-continue", b"Content-Length: 1", start=b"PUT / HTTP/1.0"))


def test_two_equal_expectations_are_passed_on_as_one_RFC_9110_10_1_1():
    lines = passed_on(get(b"Expect: 100-continue", b"Expect: 100-continue", b"Content-Length: 1"))
    assert lines.count(b"Expect: 100-continue") == 1


@pytest.mark.parametrize("connection", [b"Cookie, User-Agent", b"cookie ,\tUSER-AGENT,,", b"close,Cookie,user-agent"])
def test_every_field_that_connection_names_stays_behind_whatever_case_and_spacing_RFC_9110_7_6_1(connection):
    lines = passed_on(get(b"User-Agent: x", b"Cookie: a=1", b"Connection: " + connection, b"X-Own: 1"), "none", via=False)
    assert lines == [b"GET / HTTP/1.1", b"Host: a", b"X-Own: 1"]


def test_a_client_may_take_its_own_forwarded_fields_away_but_not_ours():
    raw = get(b"X-Forwarded-For: 10.0.0.1", b"X-Real-IP: 10.0.0.1", b"Connection: X-Forwarded-For, X-Real-IP")
    assert passed_on(raw, "none", via=False) == [b"GET / HTTP/1.1", b"Host: a"]
    assert passed_on(raw, "append", via=False)[2:] == [b"X-Forwarded-For: 192.0.2.1", b"X-Forwarded-Proto: http"]


def test_via_is_left_out_where_it_is_not_wanted():
    assert [line for line in passed_on(get(b"Via: 1.0 other"), via=False) if line.startswith(b"Via")] == [b"Via: 1.0 other"]


FAMILY = [
    b"X-Forwarded-For: 10.0.0.1",
    b"x-forwarded-for: 10.0.0.2",
    b"X-Forwarded-Proto: https",
    b"X-Forwarded-Host: b",
    b"X-Forwarded-Port: 8443",
    b"X-Forwarded-Prefix: /admin",
    b"Forwarded: for=10.0.0.1",
    b"X-Real-IP: 10.0.0.1",
]


@pytest.mark.parametrize(
    ("mode", "came", "sent"),
    [
        ("append", [], [b"X-Forwarded-For: 192.0.2.1", b"X-Forwarded-Proto: http"]),
        (
            "append",
            FAMILY,
            [
                b"X-Forwarded-Host: b",
                b"X-Forwarded-Port: 8443",
                b"X-Forwarded-Prefix: /admin",
                b"X-Real-IP: 10.0.0.1",
                b"X-Forwarded-For: 10.0.0.1, 10.0.0.2, 192.0.2.1",
                b"X-Forwarded-Proto: https",
                b"Forwarded: for=10.0.0.1, for=192.0.2.1;proto=http",
            ],
        ),
        ("replace", [], [b"X-Forwarded-For: 192.0.2.1", b"X-Forwarded-Proto: http"]),
        ("replace", FAMILY, [b"X-Forwarded-For: 192.0.2.1", b"X-Forwarded-Proto: http"]),
        ("none", FAMILY, FAMILY),
        ("none", [], []),
    ],
)
def test_fields_that_name_the_client_follow_the_mode(mode, came, sent):
    assert passed_on(get(*came), mode, via=False)[2:] == sent


def test_what_a_client_says_of_itself_is_not_believed_by_default():
    head = request_head(request(get(*FAMILY)), Passing(b"2001:db8::1", b"https"))
    assert head == b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 2001:db8::1\r\nX-Forwarded-Proto: https\r\nVia: 1.1 tandem\r\n\r\n"


def test_an_address_of_ip_version_6_is_quoted_in_forwarded_RFC_7239_6():
    head = request_head(request(get(b"Forwarded: for=_x")), Passing(b"2001:db8::1", mode="append"))
    assert b'\r\nForwarded: for=_x, for="[2001:db8::1]";proto=http\r\n' in head


LOOK_ALIKES = [b"Transfer_Encoding: chunked", b"Content_Length: 5", b"X_Forwarded_For: 10.0.0.1", b"X-Forwarded_For: 10.0.0.1", b"_: x", b"Host_: b"]


@pytest.mark.parametrize("mode", ["replace", "append", "none"])
def test_look_alikes_with_underscores_stay_behind(mode):
    assert passed_on(get(*LOOK_ALIKES, b"X: a_b"), mode) == passed_on(get(b"X: a_b"), mode)
    assert [line for line in passed_on(get(*LOOK_ALIKES), mode, underscores=True) if line in LOOK_ALIKES] == LOOK_ALIKES


def test_look_alikes_neither_frame_nor_route():
    fields = request(get(*LOOK_ALIKES)).fields
    assert (fields.length, fields.chunked, fields.host, fields.forwarded_for) == (0, False, b"a", b"")


# Upgrades


@pytest.mark.parametrize(
    ("asked", "passed"),
    [
        (b"websocket", b"websocket"),
        (b"WebSocket", b"WebSocket"),
        (b"h2c, websocket", b"websocket"),
        (b"websocket, h2c", b"websocket"),
        (b"h2c", b""),
        (b"TLS/1.0", b""),
        (b"websocket/13", b""),
        (b"", b""),
    ],
)
def test_only_upgrades_that_are_listed_are_passed_on_RFC_9110_7_8(asked, passed):
    raw = get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: " + asked, b"HTTP2-Settings: AAMAAABkAARAAAAA")
    assert passed_upgrade(request(raw), Passing(b"")) == passed
    assert passed_on(raw, "none", via=False)[2:] == ([b"Connection: upgrade", b"Upgrade: " + passed] if passed else [])


def test_the_list_of_upgrades_is_an_option():
    raw = get(b"Connection: upgrade", b"Upgrade: h2c", b"Upgrade: websocket")
    assert passed_upgrade(request(raw), Passing(b"", upgrades=frozenset({b"h2c"}))) == b"h2c"
    assert passed_upgrade(request(raw), Passing(b"", upgrades=frozenset())) == b""


def test_an_upgrade_is_passed_on_unless_a_body_comes_RFC_9110_7_8():
    assert passed_on(get(b"Connection: Upgrade", b"Upgrade: websocket"))[-2:] == [b"Connection: upgrade", b"Upgrade: websocket"]
    for other in (b"Content-Length: 1", b"Transfer-Encoding: chunked"):
        assert b"Upgrade: websocket" not in passed_on(get(b"Connection: Upgrade", b"Upgrade: websocket", other))
    assert b"Upgrade: websocket" not in passed_on(get(b"Upgrade: websocket"))
    assert b"Upgrade: websocket" not in passed_on(get(b"Connection: Upgrade", b"Upgrade: websocket", start=b"GET / HTTP/1.0"))


@pytest.mark.parametrize(
    ("asked", "switched", "right"),
    [
        (b"websocket", b"websocket", True),
        (b"websocket", b"WebSocket", True),
        (b"websocket, h2c", b"h2c", True),
        (b"websocket", b"h2c", False),
        (b"websocket", b"websocket, h2c", False),
        (b"websocket", b"", False),
        (b"", b"websocket", False),
        (b"", b"", False),
    ],
)
def test_a_server_may_only_switch_to_what_was_asked_RFC_9110_15_2_2(asked, switched, right):
    assert switches_to_what_was_asked(asked, switched) is right


# Trailers


@pytest.mark.parametrize("te", [b"trailers", b"gzip;q=0.5, Trailers", b"trailers;q=0.5"])
def test_a_client_that_takes_trailers_says_so_to_the_server_RFC_9110_10_1_4(te):
    raw = get(b"TE: " + te, b"Connection: TE")
    assert request(raw).fields.takes_trailers
    assert passed_on(raw)[-2:] == [b"Connection: TE", b"TE: trailers"]


def test_both_te_and_an_upgrade_are_named_by_one_connection_field():
    lines = passed_on(get(b"TE: trailers", b"Connection: TE, upgrade", b"Upgrade: websocket"))
    assert lines[-3:] == [b"Connection: upgrade, TE", b"Upgrade: websocket", b"TE: trailers"]


@pytest.mark.parametrize("raw", [get(), get(b"TE: gzip"), get(b"TE: trailers", start=b"GET / HTTP/1.0")])
def test_others_take_no_trailers(raw):
    assert not request(raw).fields.takes_trailers
    assert not [line for line in passed_on(raw) if line.startswith((b"TE", b"Connection"))]


def test_trailers_of_a_chunked_request_are_announced_as_they_were_RFC_9110_6_6_2():
    assert b"Trailer: X-Sum" in passed_on(get(b"Transfer-Encoding: chunked", b"Trailer: X-Sum"))


# Max-Forwards


@pytest.mark.parametrize(
    ("method", "came", "sent"),
    [
        (b"TRACE", b"5", b"4"),
        (b"OPTIONS", b"1", b"0"),
        (b"OPTIONS", b"00010", b"9"),
        (b"OPTIONS", b"9" * 5000, b"999999998"),
        (b"GET", b"5", b"5"),
        (b"GET", b"0", b"0"),
        (b"OPTIONS", b"x", b"x"),
        (b"OPTIONS", b"-1", b"-1"),
    ],
)
def test_max_forwards_is_counted_down_for_trace_and_options_RFC_9110_7_6_2(method, came, sent):
    lines = passed_on(get(b"Max-Forwards: " + came, start=method + b" / HTTP/1.1"))
    assert [line for line in lines if line.startswith(b"Max-Forwards")] == [b"Max-Forwards: " + sent]


def test_requests_that_differ_in_their_method_do_not_share_max_forwards():
    passing = Passing(b"192.0.2.1")
    first = request(get(b"Max-Forwards: 5"))
    second = read_request(get(b"Max-Forwards: 5", start=b"OPTIONS / HTTP/1.1"), first)
    assert b"Max-Forwards: 5" in request_head(first, passing)
    assert b"Max-Forwards: 4" in request_head(second, passing)


def test_options_that_goes_no_further_is_answered_RFC_9110_7_6_2():
    answer = last_recipient(request(get(b"Max-Forwards: 0", start=b"OPTIONS * HTTP/1.1")), DATE)
    assert answer == b"HTTP/1.1 200 OK\r\nDate: " + DATE + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def test_trace_that_goes_no_further_gets_back_what_came_without_secrets_RFC_9110_9_3_8():
    raw = get(b"Max-Forwards: 0", b"COOKIE: a=1", b"Authorization: x", b"X: y", start=b"TRACE /p HTTP/1.1")
    head, _end, content = last_recipient(request(raw), DATE).partition(b"\r\n\r\n")
    assert b"\r\nContent-Type: message/http\r\n" in head
    assert b"\r\nContent-Length: %d\r\n" % len(content) in head
    assert content == b"TRACE /p HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\nX: y\r\n\r\n"


@pytest.mark.parametrize("raw", [get(), get(b"Max-Forwards: 0"), get(b"Max-Forwards: 1", start=b"TRACE / HTTP/1.1"), get(start=b"TRACE / HTTP/1.1")])
def test_no_other_request_is_answered_for_the_server(raw):
    assert last_recipient(request(raw), DATE) == b""


# Cookies


def test_servers_do_not_see_the_sticky_cookie():
    passing = Passing(b"", mode="none", via=False)
    both = request(get(b"Cookie: a=1; TANDEM=x; b=2", b"Cookie: c=3"))
    assert request_head(both, passing, b"TANDEM") == get(b"Cookie: a=1; b=2; c=3")
    assert request_head(both, passing, b"OTHER") == get(b"Cookie: a=1; TANDEM=x; b=2; c=3")
    assert request_head(request(get(b"Cookie: TANDEM=x")), passing, b"TANDEM") == get()
    assert request_head(request(get(b"Cookie: a=TANDEM")), passing, b"TANDEM") == get(b"Cookie: a=TANDEM")
    assert cookie_value(b"a=1; TANDEM=x", b"TANDEM") == b"x"
    assert cookie_value(b"XTANDEM=x", b"TANDEM") == b""


def test_what_was_written_for_one_is_not_sent_for_another():
    one, other = Passing(b"192.0.2.1"), Passing(b"192.0.2.2")
    read = request(b"GET / HTTP/1.0\r\nCookie: A=1; B=2\r\n\r\n")
    given = [(passing, cookie, local) for passing in (one, other) for cookie in (b"", b"A", b"B") for local in (b"x:1", b"y:2")]
    alone = {each: request_head(request(read.raw), *each) for each in given}
    assert len(set(alone.values())) == len(given)
    for each in [*given, *reversed(given)]:
        assert request_head(read, *each) == request_head(read, *each) == alone[each]
