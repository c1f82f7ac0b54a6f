"""The access log's lines: pure, with the time as an argument."""

from __future__ import annotations

import json

import pytest

from tandem.proxy.flow.access_log import Load, Timings, format_entry, session_fields

FIELDS = {
    "client": "192.0.2.1",
    "method": "GET",
    "target": '/a"b',
    "version": "HTTP/1.1",
    "status": 200,
    "bytes": 12,
    "referer": "",
    "user_agent": 'x"\\\x1b[31m\n\xe4',
}


def test_a_json_line_is_one_line_of_json_with_the_time_in_milliseconds():
    line = format_entry("json", FIELDS, 1_000_000_000.5)
    assert "\n" not in line
    assert json.loads(line) == {"time": "2001-09-09T01:46:40.500Z", **FIELDS}


def test_a_combined_line_cannot_be_forged_by_a_client_and_a_common_one_is_its_beginning():
    line = format_entry("combined", FIELDS, 1_000_000_000.0)
    common = '192.0.2.1 - - [09/Sep/2001:01:46:40 +0000] "GET /a\\x22b HTTP/1.1" 200 12'
    assert line == common + ' "-" "x\\x22\\x5c\\x1b[31m\\x0a\\xe4"'
    assert format_entry("common", FIELDS, 1_000_000_000.0) == common


def test_a_common_line_without_a_request_has_a_dash():
    assert '"-" 400' in format_entry("common", {**FIELDS, "method": "", "status": 400}, 0.0)


WHOLE = {
    **FIELDS,
    "client_port": 40_000,
    "frontend": "edge/web",
    "backend": "edge/shop",
    "server": "shop-1",
    "scheme": "https",
    **Timings(0.1099, 0.01, 0.0, 0.03, 0.0691).shown(),
    "retries": 0,
    "problem": "",
}


def test_a_line_for_haproxys_readers_has_its_fields_at_their_places_and_cannot_be_forged():
    line = format_entry("haproxy", WHOLE, 1_000_000_000.5, Load(5, 3, 2, 1))
    assert line == (
        '192.0.2.1:40000 [09/Sep/2001:01:46:40.390] web~ shop/shop-1 10/0/30/69/110 200 12 - - ---- 5/5/3/2/0 0/1 "GET /a\\x22b HTTP/1.1"'
    )


def test_of_a_session_the_line_is_as_of_tcplog():
    fields = session_fields(
        client=("2001:db8::1", 40_000),
        frontend="edge/smtp",
        backend="edge/mail",
        server="mail-1",
        bytes_in=27,
        bytes_out=35,
        timings=Timings(1.5, queue=0.25, connect=0.001),
        retries=1,
        problem="",
    )
    line = format_entry("haproxy", fields, 1_000_000_000.0, Load(1, 1, 1, 0))
    assert line == "2001:db8::1:40000 [09/Sep/2001:01:46:38.500] smtp mail/mail-1 250/1/1500 35 -- 1/1/1/1/1 0/0"


@pytest.mark.parametrize(
    ("ended", "fields"),
    [
        ("PR", {"status": 403, "problem": "an ACL denies it", "backend": "", "server": "", "connect_ms": None, "response_ms": None}),
        ("cR", {"status": 408, "problem": "its head did not come", "backend": "", "server": "", "connect_ms": None, "response_ms": None}),
        ("sQ", {"status": 503, "problem": "waited too long in the queue", "server": "", "connect_ms": None, "response_ms": None}),
        ("CQ", {"status": 0, "problem": "the client left while it waited for a server", "server": "", "connect_ms": None, "response_ms": None}),
        ("sC", {"status": 503, "problem": "s1: no connection within timeouts.connect", "server": "", "connect_ms": None, "response_ms": None}),
        ("SC", {"status": 503, "problem": "s1: Connection refused", "server": "", "connect_ms": None, "response_ms": None}),
        ("SC", {"status": 503, "problem": "no server is up", "server": "", "connect_ms": None, "response_ms": None}),
        ("sH", {"status": 504, "problem": "the server was silent for longer than timeouts.server", "response_ms": None}),
        ("SH", {"status": 502, "problem": "the server closed the connection without an answer", "response_ms": None}),
        ("SD", {"problem": "the server closed the connection in the middle of its answer"}),
        ("CD", {"problem": "the client left before its answer was complete"}),
    ],
)
def test_who_ended_it_and_when_is_told_in_haproxys_letters(ended, fields):
    line = format_entry("haproxy", {**WHOLE, **fields}, 0.0)
    assert f" - - {ended}-- " in line
    assert ("/<NOSRV> " in line) == (fields.get("server") == "")
