"""What frontends and backends write into requests and answers by rules: fields with variables, request ids, paths; and that nobody can write more."""

from __future__ import annotations

import json

import pytest

from tandem._model import Comparison, FrontendTls, HeaderRule, LoadBalancer, Node, PathRewrite, RequestId, Route, Server, Sticky, WeightedBackend
from tests.support.proxy_lab import Lab, in_lab, ok
from tests.support.tls import client_side, pair


def rules(*given: tuple[str, ...]) -> tuple[HeaderRule, ...]:
    return tuple(HeaderRule(*one) for one in given)


async def sent(lab: Lab, *fields: str, target: str = "/", host: str = "a"):
    """What the server got of one request."""
    await (await lab.client()).get(target, *fields, host=host)
    return lab.origins[0].requests[-1]


@in_lab
async def test_fields_are_set_added_and_removed_whatever_the_case_of_what_came(lab: Lab):
    written = rules(("set", "X-User", "nobody"), ("add", "X-Tag", "ours"), ("remove", "X-Debug"))
    await lab.serve(await lab.origin(), frontend={"request_headers": written})
    request = await sent(lab, "x-USER: admin", "X-User: root", "x-tag: theirs", "X-DEBUG: 1", "X-Other: stays")
    assert request["x-user"] == b"nobody"
    assert request["x-tag"] == b"theirs, ours"
    assert b"debug" not in request.head.lower()
    assert request["x-other"] == b"stays"
    assert request["x-forwarded-for"] == b"127.0.0.1"


@in_lab
async def test_values_are_taken_from_the_client_the_request_and_where_it_goes(lab: Lab):
    value = "%{client_address} %{scheme} %{host} %{host_port} %{method} %{path} %{query} %{target} %{header:User-Agent} %{cookie:c} %{frontend}"
    written = rules(("set", "X-All", value), ("set", "X-Mark", "100%% of %%{host} %20"))
    await lab.serve(await lab.origin(), frontend={"request_headers": written}, request_headers=rules(("set", "X-To", "%{backend}/%{server}")))
    request = await sent(lab, "user-agent: me", "User-Agent: too", "Cookie: b=1; c=2", target="/a/b?c=%20d", host="SHOP.example:81")
    assert request["x-all"] == b"127.0.0.1 http shop.example SHOP.example:81 GET /a/b c=%20d /a/b?c=%20d me, too 2 web"
    assert request["x-mark"] == b"100%% of %{host} %20"
    assert request["x-to"] == b"app/s1"


@in_lab
async def test_the_port_of_a_client_is_told_where_a_rule_asks_for_it(lab: Lab):
    await lab.serve(await lab.origin(), request_headers=rules(("set", "X-Port", "%{client_port} %{port}")))
    client = await lab.client()
    await client.get()
    port = client.writer.get_extra_info("sockname")[1]
    assert lab.origins[0].requests[0]["x-port"] == b"%d %d" % (port, lab.port)


@in_lab
async def test_a_field_of_which_nothing_is_left_is_not_written(lab: Lab):
    await lab.serve(await lab.origin(), request_headers=rules(("set", "X-Token", "%{header:X-Secret}"), ("set", "X-Query", "%{query}")))
    request = await sent(lab, "X-Token: forged", "X-Query: forged")
    assert b"X-Token" not in request.head
    assert b"X-Query" not in request.head
    assert (await sent(lab, "X-Secret: s", target="/?q"))["x-token"] == b"s"


@in_lab
async def test_what_differs_between_requests_of_one_connection_is_written_anew(lab: Lab):
    written = rules(("set", "X-Path", "%{path}"), ("set", "X-Agent", "%{header:User-Agent}"), ("set", "X-Client", "%{client_address}"))
    origin = await lab.origin(lambda request: ok(request["x-path"] + b" " + request["x-agent"]))
    await lab.serve(origin, frontend={"request_headers": written})
    client = await lab.client()
    for target, agent in (("/a", "x"), ("/b", "x"), ("/b", "y"), ("/a", "x"), ("/a", "x")):
        assert (await client.get(target, f"User-Agent: {agent}")).body == f"{target} {agent}".encode()


@in_lab
async def test_rules_of_the_frontend_come_before_those_of_the_backend_and_after_them_on_the_way_back(lab: Lab):
    both = {"request_headers": rules(("set", "X-A", "frontend"), ("add", "X-B", "frontend"))}
    origin = await lab.origin(lambda request: ok(request["x-a"] + b"|" + request["x-b"], b"X-C: server"))
    await lab.serve(
        origin,
        frontend={**both, "response_headers": rules(("set", "X-C", "frontend"))},
        request_headers=rules(("set", "X-A", "backend"), ("add", "X-B", "backend")),
        response_headers=rules(("set", "X-C", "backend")),
    )
    answer = await (await lab.client()).get()
    assert answer.body == b"backend|frontend, backend"
    assert answer["x-c"] == b"frontend"


@in_lab
async def test_a_backend_gets_the_host_that_it_wants(lab: Lab):
    await lab.serve(await lab.origin(), request_headers=rules(("set", "host", "%{server}.internal:8080")))
    request = await sent(lab, host="shop.example")
    assert [line for line in request.lines if line.lower().startswith(b"host:")] == [b"host: s1.internal:8080"]
    client = await lab.client()
    client.send(b"GET http://absolute.example/x HTTP/1.1\r\nHost: other\r\n\r\nGET /old HTTP/1.0\r\n\r\n")
    for _answer in range(2):
        await client.response()
    hosts = [line for one in lab.origins[0].requests for line in one.lines if line.lower().startswith(b"host:")]
    assert hosts == [b"host: s1.internal:8080"] * 3


@in_lab
async def test_answers_are_changed_by_rules_and_say_where_they_came_from(lab: Lab):
    origin = await lab.origin(lambda request: ok(b"ok", b"Server: secret/1.0", b"x-powered-by: PHP", b"Vary: Cookie"))
    written = rules(
        ("remove", "server"),
        ("remove", "X-Powered-By"),
        ("set", "X-Served-By", "%{server} of %{backend}"),
        ("add", "Vary", "Origin"),
        ("set", "X-Path", "%{path}"),
        ("set", "X-Echo", "%{header:X-Echo}"),
        ("set", "X-Frame-Options", "DENY"),
    )
    await lab.serve(origin, frontend={"response_headers": written})
    client = await lab.client()
    for target in ("/one", "/two"):
        answer = await client.get(target, f"X-Echo: {target}")
        assert answer["server"] == answer["x-powered-by"] == b""
        assert answer["x-served-by"] == b"s1 of app"
        assert answer["vary"] == b"Cookie, Origin"
        assert answer["x-path"] == answer["x-echo"] == target.encode()
        assert answer["x-frame-options"] == b"DENY"
        assert answer.body == b"ok"


@in_lab
async def test_two_clients_of_one_server_connection_get_their_own_answers(lab: Lab):
    await lab.serve(await lab.origin(), frontend={"response_headers": rules(("set", "X-Client", "%{client_address}"), ("remove", "X-None"))})
    for address in ("127.0.0.1", "127.0.0.2", "127.0.0.1"):
        assert (await (await lab.client(address)).get())["x-client"] == address.encode()
    assert lab.origins[0].connections == 1


@in_lab
async def test_our_own_answers_have_the_frontends_fields_too(lab: Lab):
    written = rules(("set", "Access-Control-Allow-Origin", "%{header:Origin}"), ("set", "Cache-Control", "no-store"))
    await lab.serve(frontend={"response_headers": written})
    answer = await (await lab.client()).get("/", "Origin: https://a.example")
    assert answer.status == 503
    assert answer["access-control-allow-origin"] == b"https://a.example"
    assert answer["cache-control"] == b"no-store"
    await lab.serve(frontend={"response_headers": written, "redirect_to_https": True})
    answer = await (await lab.client()).get("/", "Origin: https://a.example")
    assert (answer.status, answer["access-control-allow-origin"]) == (308, b"https://a.example")


@in_lab
async def test_rules_come_and_go_with_a_document_while_connections_stand(lab: Lab):
    origin = await lab.origin()
    await lab.serve(origin)
    client = await lab.client()
    await client.get()
    await lab.serve(origin, request_headers=rules(("set", "X-A", "1")), response_headers=rules(("set", "X-B", "1")))
    assert (await client.get())["x-b"] == b"1"
    await lab.serve(origin)
    assert (await client.get())["x-b"] == b""
    assert [request["x-a"] for request in origin.requests] == [b"", b"1", b""]


@in_lab
async def test_a_request_gets_an_id_that_servers_logs_and_clients_are_told(lab: Lab):
    origin = await lab.origin()
    frontend = {"request_id": RequestId("make"), "access_log": "json", "response_headers": rules(("set", "X-Request-ID", "%{request_id}"))}
    await lab.serve(origin, frontend=frontend)
    client = await lab.client()
    answers = [await client.get("/", "X-Request-ID: forged") for _turn in range(2)]
    ids = [request["x-request-id"] for request in origin.requests]
    assert len(set(ids)) == 2
    assert all(len(one) == 32 and int(one, 16) for one in ids)
    assert [answer["x-request-id"] for answer in answers] == ids
    assert [json.loads(line)["request_id"].encode() for line in lab.lines] == ids


@pytest.mark.parametrize("came", ["", "a b", "x" * 129, "a;b", "\u00e4"])
@in_lab
async def test_an_id_is_passed_on_from_whom_it_is_believed_and_in_a_form_that_is_one(lab: Lab, came: str):
    origin = await lab.origin()
    frontend = {"request_id": RequestId("pass", "X-Trace"), "trusted_proxies": ("127.0.0.2/32",)}
    await lab.serve(origin, frontend=frontend)
    for address, given, taken in (("127.0.0.2", "trace-1/x", True), ("127.0.0.1", "trace-1/x", False), ("127.0.0.2", came, False)):
        await (await lab.client(address)).get("/", f"x-trace: {given}")
        assert (origin.requests[-1]["x-trace"] == given.encode()) is taken
        assert origin.requests[-1]["x-trace"]


@in_lab
async def test_servers_see_other_paths_than_clients(lab: Lab):
    origin = await lab.origin()
    await lab.serve(origin, path_rewrite=PathRewrite("/api", "/v2"), frontend={"access_log": "json"})
    client = await lab.client()
    assert (await client.get("/api/users?q=/api/")).body == b"GET /v2/users?q=/api/"
    assert (await client.get("/apix")).body == b"GET /apix"
    assert (await client.get("/api/../secret")).status == 400
    assert [json.loads(line)["target"] for line in lab.lines] == ["/api/users?q=/api/", "/apix", "/api/../secret"]


@in_lab
async def test_a_route_may_change_the_path_before_its_backend_does(lab: Lab):
    origin = await lab.origin()
    server = Server("s1", "127.0.0.1", origin.port)
    routes = (
        Route(path_prefix="/a", backend="app", path_rewrite=PathRewrite("/a")),
        Route(path_prefix="/b", backend="app", path_rewrite=PathRewrite("/b", "/bee")),
        Route(path_prefix="/c", backends=(WeightedBackend("app"), WeightedBackend("deep"))),
    )
    deep = lab.backend("deep", server, path_rewrite=PathRewrite("", "/deep"))
    lab.apply(lab.document(lab.frontend(routes=routes, default_backend="deep"), lab.backend("app", server), deep))
    client = await lab.client()
    for target, sent in (("/a/x", "/x"), ("/b/x?y", "/bee/x?y"), ("/x", "/deep/x"), ("/%61/x", "/x"), ("/a/x", "/x")):
        assert (await client.get(target)).body == f"GET {sent}".encode()
    assert {(await client.get("/c")).body for _turn in range(2)} == {b"GET /c", b"GET /deep/c"}
    lab.apply(
        lab.document(
            lab.frontend(routes=(Route(path_prefix="/a", backend="deep", path_rewrite=PathRewrite("/a")),)), lab.backend("app", server), deep
        )
    )
    assert (await client.get("/a/x")).body == b"GET /deep/x"


@in_lab
async def test_sticky_cookies_of_ours_are_set_after_all_rules(lab: Lab):
    sticky = Sticky(type="cookie", cookie_name="T")
    await lab.serve(await lab.origin(), sticky=sticky, frontend={"response_headers": rules(("remove", "Set-Cookie"))})
    answer = await (await lab.client()).get()
    assert answer["set-cookie"].startswith(b"T=")


@in_lab
async def test_rules_know_what_was_asked_for_in_tls_and_sticky_cookies_are_for_tls_alone(lab: Lab):
    lab.certificates["lb/shop"] = pair("shop.test")
    written = rules(("set", "X-TLS", "%{scheme} %{tls_sni}"))
    frontend = lab.frontend(request_headers=written, tls=FrontendTls(certificates=("shop",), profile="modern"))
    server = Server("s1", "127.0.0.1", (await lab.origin()).port)
    balancer = LoadBalancer("lb", master=Node("a", "192.0.2.1"), backup=Node("b", "192.0.2.2"))
    lab.apply(lab.document(balancer, frontend, lab.backend("app", server, sticky=Sticky(type="cookie"))))
    client = await lab.client(tls=client_side(), name="shop.test")
    answer = await client.get()
    assert lab.origins[0].requests[0]["x-tls"] == b"https shop.test"
    assert b"; Secure" in answer["set-cookie"]


@in_lab
async def test_a_rule_may_be_for_some_requests_alone(lab: Lab):
    static = HeaderRule("set", "Cache-Control", "public", path_prefix="/static")
    cors = HeaderRule("set", "Access-Control-Allow-Origin", "%{header:Origin}", headers=(Comparison("Origin", regex=r"^https://[a-z]+\.example$"),))
    office = HeaderRule("remove", "X-Debug", sources=("127.0.0.1/32",))
    await lab.serve(await lab.origin(), frontend={"request_headers": (office,), "response_headers": (static, cors)})
    client, other = await lab.client(), await lab.client("127.0.0.2")
    answer = await client.get("/static/a.css", "X-Debug: 1", "Origin: https://evil.example.org")
    assert (answer["cache-control"], answer["access-control-allow-origin"]) == (b"public", b"")
    answer = await other.get("/x", "X-Debug: 1", "Origin: https://shop.example")
    assert (answer["cache-control"], answer["access-control-allow-origin"]) == (b"", b"https://shop.example")
    assert [request["x-debug"] for request in lab.origins[0].requests] == [b"", b"1"]
