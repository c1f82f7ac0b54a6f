"""The options about what is written into requests and answers: what they take, and what is refused since it would harm or do nothing."""

from __future__ import annotations

import json

import pytest

from tandem import _model as model

NODES = {"master": {"node": "lb-a", "address": "192.0.2.11"}, "backup": {"node": "lb-b", "address": "192.0.2.12"}}


def web(**options):
    return model.from_options(model.Frontend, {"load_balancer": "edge", "name": "web", "port": 80, "default_backend": "shop", **options})


def shop(name="shop", **options):
    return model.from_options(model.Backend, {"load_balancer": "edge", "name": name, "port": 80, **options})


def rules_broken(*things):
    edge = {"name": "edge", **NODES, "floating_ips": ["vip"]}
    whole = model.Document()
    for cls, options in ((model.FloatingIP, {"name": "vip", "address": "192.0.2.100/24"}), (model.LoadBalancer, edge)):
        whole = whole.with_object(model.from_options(cls, options))
    for thing in things:
        whole = whole.with_object(thing)
    if not any(isinstance(thing, model.Backend) for thing in things):
        whole = whole.with_object(shop())
    return [str(problem) for problem in model.check_document(whole)]


def written(**rule):
    return {"action": "set", "name": "X-A", "value": "a", **rule}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("plain", (("", "plain"),)),
        ("%{client_address}", (("client_address", ""),)),
        ("a %{host}:%{port}", (("", "a "), ("host", ""), ("", ":"), ("port", ""))),
        ("%{header:User-Agent}", (("header:NAME", "User-Agent"),)),
        ("%%{host} 100% %20 %", (("", "%{host} 100% %20 %"),)),
        ("%%%{host}", (("", "%%{host}"),)),
    ],
)
def test_a_value_is_read_in_its_parts(text, parts):
    assert model.parts_of(text) == parts


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("%{client_adress}", '"client_adress" is no variable; known are backend, client_address,'),
        ("%{client_adress}", 'nearest is "client_address"'),
        ("%{}", '"" is no variable'),
        ("%{header}", '"header" is no variable'),
        ("%{header:}", "lacks the name that it is to look for"),
        ("%{header:NAME NAME}", "lacks the name"),
        ("%{host", "where a variable does not end"),
        ("a\r\nX-B: b", "other characters than printable ASCII"),
        ("a\0b", "other characters than printable ASCII"),
        ("\u00e4", "other characters than printable ASCII"),
        ("x" * 4097, "longer than 4096 characters"),
    ],
)
def test_a_value_that_is_none_is_refused(value, said):
    with pytest.raises(model.ModelError) as refused:
        web(request_headers=[written(value=value)])
    assert said in str(refused.value)


@pytest.mark.parametrize("name", ["X A", "X:", "", "X-\u00e4", "X\r\n", "(x)"])
def test_a_name_follows_the_grammar_of_fields(name):
    with pytest.raises(model.ModelError) as refused:
        web(response_headers=[written(name=name)])
    assert "which is not a field's name (RFC 9110 5.1)" in str(refused.value)


@pytest.mark.parametrize(
    "name",
    ["Content-Length", "transfer-encoding", "CONNECTION", "Keep-Alive", "Proxy-Connection", "Upgrade", "TE", "Trailer", "Expect", "Max-Forwards"],
)
@pytest.mark.parametrize("option", ["request_headers", "response_headers"])
@pytest.mark.parametrize("action", ["set", "add", "remove"])
def test_fields_that_frame_or_concern_one_connection_are_refused_with_the_reason(name, option, action):
    rule = written(name=name, action=action, **({"value": ""} if action == "remove" else {}))
    for thing in (web(**{option: [rule]}), shop(**{option: [rule]})):
        (problem,) = rules_broken(thing)
        assert f"{option}[0].name is " in problem
        assert "RFC 9112" in problem or "RFC 9110" in problem


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"action": "remove"}, "but the action remove writes none"),
        ({"value": ""}, "but the action set needs one"),
        ({"action": "add", "value": " "}, "but the action add needs one"),
        ({"name": "Host", "action": "add"}, "but a request has one Host"),
        ({"name": "host", "action": "remove", "value": ""}, "but a request has one Host"),
        ({"name": "Host", "value": "a b"}, "may make a Host that is malformed"),
        ({"name": "Host", "value": "%{header:X-Host}"}, "may make a Host that is malformed"),
        ({"name": "Via"}, "which the option via is for"),
        ({"value": "%{request_id}"}, "but request_id.mode is none"),
        ({"value": "%{tls_sni}"}, "but no TLS ends here"),
        ({"value": "%{client_cert_subject}"}, "but tls.client_auth is none"),
        ({"ignore_case": True}, "but no path is compared"),
    ],
)
def test_a_rule_that_would_do_nothing_or_harm_is_refused(rule, said):
    (problem,) = rules_broken(web(request_headers=[written(**rule)]))
    assert said in problem


def test_rules_that_make_sense_are_taken():
    rules = [written(name="Host", value="%{server}.internal:8080"), written(action="add"), {"action": "remove", "name": "X-B", "value": ""}]
    assert rules_broken(web(request_headers=rules, request_id={"mode": "make"}), shop(request_headers=rules)) == []
    assert rules_broken(web(response_headers=[written(name="Via")])) == []
    assert "but 100 are the most" in rules_broken(web(request_headers=[written()] * 101))[0]


def test_a_tcp_frontend_or_backend_has_nothing_to_write_into():
    given = {
        "request_headers": [written()],
        "response_headers": [written()],
        "request_id": {"mode": "make"},
        "error_pages": [{"status": 503, "content": "x"}],
    }
    said = rules_broken(web(protocol="tcp", forwarded_fields=[], **given), shop(protocol="tcp"))
    assert len(said) == 5
    (problem,) = rules_broken(
        web(protocol="tcp", routes=[{"sni": "a.test", "backend": "shop", "path_rewrite": {"add_prefix": "/x"}}]), shop(protocol="tcp")
    )
    assert "but TCP has no paths" in problem
    said = rules_broken(shop(protocol="tcp", request_headers=[written()], response_headers=[written()], path_rewrite={"add_prefix": "/x"}))
    assert len(said) == 3
    assert all("TCP" in one for one in said)


def test_forwarded_fields_are_a_set_of_known_names():
    assert web(forwarded_fields=["forwarded", "X-FORWARDED-PORT"]).forwarded_fields == ("Forwarded", "X-Forwarded-Port")
    with pytest.raises(model.ModelError) as refused:
        web(forwarded_fields=["X-Real-IP"])
    assert "which is none of X-Forwarded-For, X-Forwarded-Proto," in str(refused.value)
    (problem,) = rules_broken(web(forwarded_for="none", forwarded_fields=["Forwarded"]))
    assert "forwarded_fields is [Forwarded], but forwarded_for: none writes none" in problem


def test_ids_are_believed_of_those_only_who_are():
    assert rules_broken(web(request_id={"mode": "pass"}, trusted_proxies=["192.0.2.0/24"])) == []
    assert rules_broken(web(request_id={"mode": "pass"}, forwarded_for="append")) == []
    (problem,) = rules_broken(web(request_id={"mode": "pass"}))
    assert "but no client is believed" in problem
    (problem,) = rules_broken(web(request_id={"mode": "make", "header": "Host"}))
    assert "which has another meaning" in problem


def test_pages_are_bounded_and_one_for_each_status():
    pages = [{"status": 503, "content": "a"}, {"status": 404, "content": "b", "content_type": "text/plain"}]
    one = web(error_pages=pages)
    assert [(page.status, page.content_type) for page in one.error_pages] == [(503, "text/html; charset=utf-8"), (404, "text/plain")]
    again = model.from_options(model.Frontend, {"load_balancer": "edge", "name": "web", "error_pages": [{"status": 404, "content": "c"}]}, one)
    assert [(page.status, page.content, page.content_type) for page in again.error_pages] == [(404, "c", "text/plain")]
    for wrong in (
        [{"status": 399, "content": "a"}],
        [{"status": 503, "content": "a"}] * 2,
        [{"status": 503, "content": "x" * 65537}],
        [{"status": 503, "content": "x", "content_type": "a/b\r\nX: y"}],
        [{"status": 503}],
    ):
        with pytest.raises(model.ModelError):
            web(error_pages=wrong)
    (problem,) = rules_broken(web(error_pages=[{"status": status, "content": "x" * 65536} for status in range(400, 420)]))
    assert "which are more than 1048576 bytes in all" in problem


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"action": "redirect"}, "but a redirect has to go somewhere"),
        ({"action": "redirect", "location": "/x", "status": 301}, "which is no redirect for a while"),
        ({"action": "redirect", "location": "/x", "status": 200}, "which is no redirect"),
        ({"action": "redirect", "location": "/%{server}"}, "but no server has been chosen then"),
        ({"action": "error", "status": 200}, "which is no error"),
        ({"action": "error", "location": "/x"}, "but the action error does not use it"),
        ({"action": "close", "content": "x"}, "but the action close does not use it"),
        ({"action": "fallback"}, "but the action fallback needs one"),
        ({"action": "fallback", "backend": "spar"}, 'has no such backend; known are "loop", "spare", "tcp"; nearest is "spare"'),
        ({"action": "fallback", "backend": "tcp"}, "whose protocol is tcp"),
        ({"action": "fallback", "backend": "shop"}, 'which comes back to backend "edge/shop"'),
        ({"action": "fallback", "backend": "loop"}, 'which comes back to backend "edge/shop"'),
    ],
)
def test_what_happens_when_all_is_down_makes_sense(options, said):
    loop = shop("loop", on_all_down={"action": "fallback", "backend": "shop"})
    problems = rules_broken(web(), shop(on_all_down=options), shop("spare"), shop("tcp", protocol="tcp"), loop)
    assert said in problems[0]


def test_a_backend_that_others_fall_back_to_is_in_use():
    whole = model.Document().with_object(shop(on_all_down={"action": "fallback", "backend": "spare"})).with_object(shop("spare"))
    assert model.users(whole, "backends", "edge/spare") == ['backend "edge/shop"']
    assert rules_broken(shop(on_all_down={"action": "fallback", "backend": "spare"}), shop("spare")) == []


@pytest.mark.parametrize(
    ("sticky", "said"),
    [
        ({"type": "cookie", "cookie_mode": "prefix"}, "changes a cookie of the application"),
        ({"type": "cookie", "cookie_mode": "rewrite", "cookie_name": "S", "ttl": "1h"}, "the application says how long its cookie lasts"),
        ({"type": "cookie", "cookie_mode": "prefix", "cookie_name": "S", "cookie_path": "/x"}, "the application says that"),
        ({"type": "source", "cookie_secure": "always"}, "but sticky.type is source"),
        ({"type": "none", "cookie_mode": "prefix"}, "but sticky.type is none"),
        ({"type": "cookie", "cookie_same_site": "none", "cookie_secure": "never"}, "browsers take SameSite=None with Secure only"),
    ],
)
def test_what_a_sticky_cookie_cannot_be_is_refused(sticky, said):
    (problem,) = rules_broken(shop(sticky=sticky))
    assert said in problem


def test_what_a_former_release_wrote_is_at_its_defaults():
    for one in (web(), shop()):
        stored = json.loads(json.dumps(model.to_stored(one)))
        for name in ("request_headers", "response_headers", "request_id", "error_pages", "forwarded_fields", "on_all_down", "path_rewrite"):
            stored.pop(name, None)
        if "sticky" in stored:
            stored["sticky"] = {name: value for name, value in stored["sticky"].items() if name in ("type", "cookie_name", "ttl_ms")}
        assert model.from_stored(type(one), stored) == one


def test_what_is_stored_is_read_again():
    one = web(request_headers=[written(path_prefix="/x", headers=[{"name": "A", "value": "b"}])], error_pages=[{"status": 503, "content": "x"}])
    assert model.from_stored(model.Frontend, json.loads(json.dumps(model.to_stored(one)))) == one
