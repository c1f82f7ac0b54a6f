"""Paths rewritten by prefix: what is sent is what was asked for, and never something that routes were not asked about."""

from __future__ import annotations

import pytest

from tandem.http.path_rewrite import Rewrite
from tandem.http.request import read_request


def rewritten(target: str, strip: str, add: str = ""):
    request = read_request(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target.encode())
    found = Rewrite(strip.encode(), add.encode()).target(request.target)
    return None if found is None else found.decode()


@pytest.mark.parametrize(
    ("target", "strip", "add", "sent"),
    [
        ("/api/users", "/api", "", "/users"),
        ("/api", "/api", "", "/"),
        ("/api/", "/api", "", "/"),
        ("/api/", "/api/", "", "/"),
        ("/api/users", "/api/", "", "/users"),
        ("/apix", "/api", "", "/apix"),
        ("/API/x", "/api", "", "/API/x"),
        ("/api?x=/api/1", "/api", "", "/?x=/api/1"),
        ("/api/a?b?c", "/api", "/v2", "/v2/a?b?c"),
        ("/api", "/api", "/v2", "/v2/"),
        ("/api", "/api", "/v2/", "/v2/"),
        ("/x", "", "/v2/", "/v2/x"),
        ("/", "", "/v2", "/v2/"),
        ("/other", "/api", "/v2", "/other"),
        ("/api/a%2Fb%20c", "/api", "", "/a%2Fb%20c"),
        ("/api//evil.example/x", "/api", "", "/evil.example/x"),
        ("/api//x", "/api", "/v2", "/v2//x"),
        ("/%61pi/x%41", "/api", "", "/x%41"),
        ("//api///x", "/api", "", "/x"),
        ("/caf%C3%A9/x", "/caf%C3%A9", "", "/x"),
        ("http://other/api/x?y", "/api", "", "/x?y"),
        ("/api/.well-known/x", "/api", "", "/.well-known/x"),
        ("/api/a..b/x...", "/api", "", "/a..b/x..."),
        ("/other/../x", "/api", "", "/other/../x"),
    ],
)
def test_a_prefix_is_taken_away_or_put_before_by_whole_segments(target, strip, add, sent):
    assert rewritten(target, strip, add) == sent


@pytest.mark.parametrize(
    "target",
    [
        "/api/../admin",
        "/api/./x",
        "/api/%2e%2e/admin",
        "/api/.%2E",
        "/api/x/..",
        "/api/..%2fadmin",
        "/api/..\\admin",
        "/api/x%2f../y",
        "/api/..;/admin",
        "/x/../api/y",
        "/api%2Fx",
        "/api/../../api/x",
    ],
)
@pytest.mark.parametrize("add", ["", "/v2"])
def test_a_path_that_a_server_could_read_otherwise_is_not_rewritten(target, add):
    assert rewritten(target, "/api", add) is None


def test_options_of_the_server_itself_has_no_path():
    request = read_request(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
    assert Rewrite(b"", b"/v2").target(request.target) == b"*"
