"""The options of health checks in the model: which go together, what a new backend gets, and what a former document keeps."""

from __future__ import annotations

import json

import pytest

from plugins.module_utils import _model as model
from plugins.module_utils._change import all_stated
from tests.support.objects import ALL, BACKEND


def stated(check, **backend):
    members = {**ALL, "backends": [{**BACKEND, **backend, "health_check": check}]}
    return all_stated(model.Document(), members, {}, "merged")


def broken(check, **backend):
    return [str(problem) for problem in model.check_document(stated(check, **backend))]


ALLOWED = {
    "a request with all": {
        "type": "http",
        "method": "HEAD",
        "path": "/up?x=y",
        "host": "shop.example.com",
        "http_version": "1.0",
        "headers": {"X-Probe": "tandem", "Accept": "*/*", "X-Empty": ""},
        "expect_status": "200,300-399",
    },
    "a request over TLS": {"type": "https", "sni": "shop.example.com", "expect_body_regex": "^(all )?well$"},
    "a handshake": {"type": "tls", "sni": "shop.example.com", "tls": "always"},
    "any kind over TLS": {"type": "redis", "tls": "always", "sni": "redis.example.com"},
    "a timeout that is longer than the interval": {"timeout": "10s", "interval": "2s"},
    "a user of MySQL": {"type": "mysql", "user": "checker"},
    "a user of PostgreSQL": {"type": "postgresql", "user": "checker"},
    "the master of Redis": {"type": "redis", "redis_role": "master"},
    "a name for SMTP": {"type": "smtp", "host": "lb.example.com"},
    "a script": {"type": "script", "script": "/usr/local/lib/check", "port": 9},
    "an agent beside a check": {"type": "http", "agent": {"port": 8080, "interval": "1s", "send": "shop"}},
    "one agent for all": {"agent": {"port": 8080, "address": "192.0.2.99", "send": "{backend}/{server}"}},
    "an agent without a check": {"type": "none", "agent": {"port": 8080}},
    # As former releases took them.
    "options of requests for no request": {"type": "tcp", "path": "/up", "method": "HEAD", "host": "a.test", "expect_status": "200"},
    "options of requests for no check": {"type": "none", "path": "/up"},
}

REFUSED = {
    "a body of no request": ({"type": "redis", "expect_body": "x"}, "a check of type redis with method GET sees no body"),
    "a body of HEAD": ({"type": "https", "method": "HEAD", "expect_body": "x"}, "with method HEAD sees no body"),
    "headers of no request": ({"type": "tcp", "headers": {"X": "y"}}, "a check of type tcp has no use for it. Use type: http or https, or give its"),
    "a path of no request": ({"type": "mysql", "path": "/x"}, 'health_check.path is "/x", but a check of type mysql has no use for it'),
    "a version of no request": ({"type": "tls", "http_version": "1.0"}, "or give its default (1.1)"),
    "a user of no session": ({"type": "redis", "user": "x"}, "Use type: mysql or postgresql, or give its default"),
    "a role of no Redis": ({"type": "tcp", "redis_role": "master"}, "Use type: redis, or give its default (any)."),
    "a script of no script": ({"type": "http", "script": "/bin/true"}, "Use type: script"),
    "no script": ({"type": "script"}, "health_check.script is not given, and there is nothing that"),
    "a handshake without TLS": ({"type": "tls", "tls": "never"}, "but a check of type tls is one over TLS"),
    "a request over TLS without TLS": ({"type": "https", "tls": "never"}, "but a check of type https is one over TLS"),
    "a script over TLS": ({"type": "script", "script": "/bin/true", "tls": "always"}, "but a script sees to its connections itself"),
    "an expression of HEAD": ({"type": "http", "method": "HEAD", "expect_body_regex": "x"}, "with method HEAD sees no body"),
    "a text and an expression": ({"type": "http", "expect_body": "x", "expect_body_regex": "y"}, "but expect_body gives a text too"),
    "a header of no connection": (
        {"type": "script", "script": "/bin/true", "proxy_protocol": "v2"},
        'health_check.proxy_protocol is "v2", but health_check.type: script opens no connection',
    ),
    "a name without TLS": ({"type": "http", "sni": "a.test"}, 'health_check.sni is "a.test", but this check does not speak TLS'),
    "a name of no check": ({"type": "none", "sni": "a.test"}, "but this check does not speak TLS"),
    "a header that is none": ({"type": "http", "headers": {"X Y": "z"}}, "which is not a field's name (RFC 9110 5.1)"),
    "a header that begins another": ({"type": "http", "headers": {"X": "y\r\nZ: 1"}}, "which is not a field's value (RFC 9110 5.5)"),
    "a header that the check has": ({"type": "http", "headers": {"HOST": "a.test"}}, "Use health_check.host."),
    "a header that frames": ({"type": "http", "headers": {"Content-Length": "3"}}, "the check itself says how its connection is used"),
    "many headers": ({"type": "http", "headers": {f"X-{number}": "y" for number in range(33)}}, "a check sends 32 fields of your own at most"),
    "an interval of no agent": ({"agent": {"interval": "5s"}}, 'health_check.agent.interval is "5s", but without health_check.agent.port'),
    "words to no agent": ({"agent": {"send": "x"}}, 'health_check.agent.send is "x", but without health_check.agent.port no agent is asked'),
    "one agent that is not told": ({"agent": {"port": 1, "address": "192.0.2.99", "send": "x"}}, 'Tell it: send: "{backend}/{server}".'),
    "many words to an agent": ({"agent": {"port": 1, "send": "x" * 81}}, "but an agent is told 80 bytes at most"),
}

UNREADABLE = {
    "a relative script": ({"type": "script", "script": "check"}, "not an absolute path"),
    "a user of two lines": ({"type": "mysql", "user": "a\nb"}, "not a line of text"),
    "an unknown role": ({"type": "redis", "redis_role": "slave"}, "which is none of any, master"),
    "an expression that is none": ({"type": "http", "expect_body_regex": "("}, "not a regular expression"),
    "an expression that a body could make slow": ({"type": "http", "expect_body_regex": r"(a+)\1"}, "which has a backreference"),
    "an agent by name": ({"agent": {"port": 1, "address": "agent.test"}}, "not an IP address"),
    "a map that is none": ({"type": "http", "headers": ["X: y"]}, "but it is a map"),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_what_goes_together_breaks_no_rule(case):
    assert broken(ALLOWED[case]) == []


def test_a_name_is_asked_by_where_the_requests_are_over_tls():
    assert broken({"type": "http", "sni": "a.test"}, tls={"enabled": True}) == []
    assert "does not speak TLS" in broken({"type": "http", "sni": "a.test", "tls": "never"}, tls={"enabled": True})[0]


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_go_together_is_told_with_its_way_out(case):
    check, said = REFUSED[case]
    told = broken(check)
    assert any(said in line for line in told), told


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_value_that_is_none_is_told(case):
    check, said = UNREADABLE[case]
    with pytest.raises(model.ModelError) as told:
        stated(check)
    assert said in str(told.value)


def test_redirects_pass_in_the_documents_of_former_releases_and_in_new_ones_only_where_they_are_asked_for():
    assert stated({}).backends["edge/shop"].health_check.expect_status == "200-299"
    former = {
        "type": "http",
        "port": 0,
        "interval_ms": 3000,
        "timeout_ms": 1000,
        "fast_interval_ms": 500,
        "rise": 2,
        "fall": 3,
        "method": "GET",
        "path": "/",
        "host": "",
        "expect_status": "200-399",
        "expect_body": "",
        "tls": "auto",
    }
    document = json.loads(json.dumps(stated({}).to_stored()))
    document["objects"]["backends"]["edge/shop"]["health_check"] = former
    loaded = model.Document.from_stored(document)
    check = loaded.backends["edge/shop"].health_check
    assert check == model.HealthCheck(type="http", expect_status="200-399")
    # What is stated anew without it stays as it is.
    kept = all_stated(loaded, {"backends": [{**BACKEND, "health_check": {"path": "/up"}}]}, {}, "merged").backends["edge/shop"].health_check
    assert (kept.path, kept.expect_status) == ("/up", "200-399")


def test_headers_and_agents_are_shown_compared_and_cleared():
    check = stated({"type": "http", "headers": {"B": "2", "A": "1"}, "agent": {"port": 8080}}).backends["edge/shop"].health_check
    shown = model.to_options(check)
    assert shown["headers"] == {"A": "1", "B": "2"}
    assert shown["agent"] == {"port": 8080, "address": "", "interval": "3s", "send": ""}
    again = model.from_options(model.HealthCheck, {"headers": {}, "agent": {}}, check)
    assert (again.headers, again.agent, again.type) == ({}, model.AgentCheck(), "http")
