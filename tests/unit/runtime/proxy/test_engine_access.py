"""Who may come in: ACLs, redirects and tarpits of HTTP frontends, and addresses of TCP frontends."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest

from tandem._model import Acl, Comparison, FrontendTls, LoadBalancer, Node, Redirect, Route
from tests.support.proxy_lab import Lab, in_lab, named, until
from tests.support.tls import client_side, pair

BALANCER = LoadBalancer("lb", master=Node("a", "192.0.2.1"), backup=Node("b", "192.0.2.2"))


@in_lab
async def test_the_first_acl_that_matches_counts_and_deny_answers_with_its_status(lab: Lab):
    acls = (
        Acl(path_prefix="/admin", sources=("127.0.0.9/32",), action="allow"),
        Acl(path_prefix="/admin"),
        Acl(headers=(Comparison("User-Agent", contains="Bot"),), status=429),
        Acl(path="/gone", status=410),
    )
    origin = await lab.origin()
    await lab.serve(origin, frontend={"acls": acls, "access_log": "json"})

    async def status(target, *fields, address="127.0.0.1"):
        return (await (await lab.client(address)).get(target, *fields)).status

    assert await status("/admin/x", address="127.0.0.9") == 200
    assert await status("/admin/x") == 403
    assert await status("/", "User-Agent: ABot/1") == 429
    assert await status("/gone") == 410
    assert await status("/") == 200
    assert len(origin.requests) == 2
    logged = [json.loads(line) for line in lab.lines]
    assert [line["problem"] for line in logged] == ["", *["an ACL denies it"] * 3, ""]
    assert (lab.web["responses_4xx"], lab.web["denied"]) == (3, 3)


@in_lab
async def test_without_a_match_the_default_decides(lab: Lab):
    acls = (Acl(path_prefix="/public", action="allow"), Acl(sources=("127.0.0.8/32",), invert=True), Acl(path="/open", action="allow"))
    await lab.serve(await lab.origin(), frontend={"acls": acls, "acl_default": "deny"})
    statuses = {}
    for address, target in (("127.0.0.1", "/public/x"), ("127.0.0.1", "/open"), ("127.0.0.8", "/open"), ("127.0.0.8", "/")):
        statuses[address, target] = (await (await lab.client(address)).get(target)).status
    assert list(statuses.values()) == [200, 403, 200, 403]


@pytest.mark.parametrize(
    "target", ["/admin", "/admin/x", "//admin", "/%61dmin", "/./admin/", "/x/../admin", "/x/%2e%2e/admin", "/admin%2fx", "/admin?a"]
)
@in_lab
async def test_a_path_that_is_written_otherwise_does_not_pass_an_acl(lab: Lab, target: str):
    origin = await lab.origin()
    await lab.serve(origin, frontend={"acls": (Acl(path_prefix="/admin"),)})
    assert (await (await lab.client()).get(target)).status == 403
    assert (await (await lab.client()).get(f"http://a{target}")).status == 403
    assert origin.requests == []


@in_lab
async def test_an_absolute_target_is_judged_by_its_own_host(lab: Lab):
    await lab.serve(await lab.origin(), frontend={"acls": (Acl(host="internal.test"),)})
    assert (await (await lab.client()).get("http://internal.test/", host="public.test")).status == 403
    assert (await (await lab.client()).get("/", host="INTERNAL.test.:80")).status == 403
    assert (await (await lab.client()).get("/", host="public.test")).status == 200


@in_lab
async def test_a_request_that_is_denied_in_the_middle_of_its_body_ends_its_connection(lab: Lab):
    origin = await lab.origin()
    await lab.serve(origin, frontend={"acls": (Acl(methods=("POST",)),)})
    client = await lab.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhalf of it")
    response = await client.response()
    assert (response.status, response["connection"]) == (403, b"close")
    client.send(b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n")
    assert await client.ended() == b""
    assert origin.requests == []


@pytest.mark.parametrize(
    ("acl", "redirect", "asked", "location"),
    [
        ({"host": "old.test"}, Redirect(host="new.test"), ("old.test:8080", "/a/b?c=d"), b"http://new.test/a/b?c=d"),
        ({}, Redirect(scheme="https"), ("shop.test:8080", "/a?b"), b"https://shop.test/a?b"),
        ({}, Redirect(scheme="https", port=8443), ("shop.test:8080", "/"), b"https://shop.test:8443/"),
        ({}, Redirect(host="new.test", port=81, path="/start?from=old"), ("old.test", "/x?y"), b"http://new.test:81/start?from=old"),
        ({"path_prefix": "/old"}, Redirect(path_prefix="/new/site"), ("a.test:8080", "/old/x?y=1"), b"http://a.test:8080/new/site/x?y=1"),
        ({"path_prefix": "/old"}, Redirect(path_prefix="/"), ("a.test", "/old"), b"http://a.test/"),
        ({"path_prefix": "/old/"}, Redirect(path_prefix="/new"), ("a.test", "/old/x"), b"http://a.test/new/x"),
        ({"path_prefix": "/old"}, Redirect(path_prefix="/new"), ("a.test", "//%6fld/%0d%0aX:%20y%22"), b"http://a.test/new/%250d%250aX:%20y%22"),
        ({"path_prefix": "/OLD", "ignore_case": True}, Redirect(path_prefix="/new"), ("a.test", "/Old/Xy"), b"http://a.test/new/Xy"),
        ({}, Redirect(path="/maintenance.html"), ("[2001:DB8::1]:81", "//evil.test/"), b"http://[2001:DB8::1]:81/maintenance.html"),
        ({}, Redirect(scheme="https"), ("a.test", "//evil.test/%0d%0aSet-Cookie:x"), b"https://a.test//evil.test/%0d%0aSet-Cookie:x"),
    ],
)
@in_lab
async def test_a_redirect_changes_what_it_names_and_keeps_the_rest(lab: Lab, acl, redirect, asked, location):
    host, target = asked
    origin = await lab.origin()
    await lab.serve(origin, frontend={"acls": (Acl(action="redirect", redirect=redirect, **acl),)})
    client = await lab.client()
    response = await client.get(target, host=host)
    assert (response.status, response["location"]) == (302, location)
    assert [line.partition(b":")[0] for line in response.lines[1:]] == [b"Date", b"Location", b"Content-Length", b"Connection"]
    assert (await client.get(target, host=host)).status == 302  # the connection goes on
    assert origin.requests == []


@in_lab
async def test_a_redirect_has_the_code_that_is_stated_and_an_address_for_who_names_no_host(lab: Lab):
    for code in (301, 302, 303, 307, 308):
        await lab.serve(await lab.origin(), frontend={"acls": (Acl(action="redirect", redirect=Redirect(path="/new", code=code)),)})
        assert (await (await lab.client()).get()).status == code
    client = await lab.client()
    client.send(b"GET //evil.test HTTP/1.0\r\n\r\n")
    assert (await client.response())["location"] == b"http://127.0.0.1:%d/new" % lab.port


@in_lab
async def test_a_redirect_keeps_the_scheme_that_its_client_came_by(lab: Lab):
    lab.certificates["lb/shop"] = pair("shop.test")
    (server,) = await named(lab, "a")
    options = {"tls": FrontendTls(certificates=("shop",)), "acls": (Acl(path="/old", action="redirect", redirect=Redirect(path="/new")),)}
    lab.apply(lab.document(BALANCER, lab.frontend(**options), lab.backend("app", server)))
    client = await lab.client(tls=client_side(), name="shop.test")
    assert (await client.get("/old", host="shop.test"))["location"] == b"https://shop.test/new"
    assert (await client.get("/", host="shop.test")).body == b"a"


@in_lab
async def test_what_is_redirected_with_a_body_does_not_become_the_next_request(lab: Lab):
    origin = await lab.origin()
    await lab.serve(origin, frontend={"acls": (Acl(path="/old", action="redirect", redirect=Redirect(path="/new")),)})
    client = await lab.client()
    hidden = b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"
    client.send(b"POST /old HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(hidden), hidden))
    assert (await client.response()).status == 302
    assert (await client.get("/next")).body == b"GET /next"
    assert [request.target for request in origin.requests] == [b"/next"]
    bad = await lab.client()
    bad.send(b"POST /old HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n" + hidden)
    assert (await bad.reset()).count(b"HTTP/1.1") <= 1  # never a second answer, to a request that there was not
    waiting = await lab.client()
    waiting.send(b"POST /old HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert (await waiting.response())["connection"] == b"close"  # it may send its body after all, or the next request


@in_lab
async def test_a_tarpit_holds_a_request_for_its_time_and_then_denies_it(lab: Lab):
    origin = await lab.origin()
    options = {"acls": (Acl(path="/.env", action="tarpit", status=404),), "timeouts": {"tarpit_ms": 20_000, "request_ms": 5_000}}
    await lab.serve(origin, frontend=options)
    client = await lab.client()
    client.send(b"GET /.env HTTP/1.1\r\nHost: a\r\n\r\n")
    answer = asyncio.ensure_future(client.response())
    await until(lambda: lab.engine._frontends["lb/web"].entry.tarpitted == 1)
    await lab.skip(15)
    assert (await (await lab.client()).get()).status == 200
    assert not answer.done()
    await lab.skip(6)
    assert (await answer).status == 404
    assert (lab.engine._frontends["lb/web"].entry.tarpitted, lab.web["denied"]) == (0, 1)
    assert len(origin.requests) == 1


@in_lab
async def test_no_more_than_a_tenth_of_a_frontends_connections_is_held_in_a_tarpit(lab: Lab):
    await lab.serve(await lab.origin(), frontend={"acls": (Acl(path="/x", action="tarpit"),), "max_connections": 20})
    held = [await lab.client() for _client in range(2)]
    for client in held:
        client.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: lab.engine._frontends["lb/web"].entry.tarpitted == 2)
    assert (await (await lab.client()).get("/x")).status == 403
    assert lab.engine._frontends["lb/web"].entry.tarpitted == 2  # at once, that is
    for client in held:
        client.writer.close()  # who leaves is let go when the time is up
    await lab.skip(11)
    await until(lambda: lab.engine._frontends["lb/web"].entry.tarpitted == 0)


@in_lab
async def test_an_acl_comes_before_the_redirect_to_https_and_before_what_is_answered_for_the_server(lab: Lab):
    acls = (Acl(sources=("127.0.0.9/32",)),)
    await lab.serve(await lab.origin(), frontend={"acls": acls, "redirect_to_https": True})
    assert (await (await lab.client("127.0.0.9")).get(host="a.test")).status == 403
    assert (await (await lab.client()).get(host="a.test")).status == 308
    await lab.serve(await lab.origin(), frontend={"acls": acls})
    assert (await (await lab.client("127.0.0.9")).get("/", "Max-Forwards: 0", method="TRACE")).status == 403
    assert (await (await lab.client()).get("/", "Max-Forwards: 0", method="TRACE")).status == 200


@in_lab
async def test_a_tcp_client_that_is_denied_never_reaches_a_server(lab: Lab):
    (server,) = await named(lab, "a")
    options = {"protocol": "tcp", "acls": (Acl(sources=("127.0.0.0/29",), action="allow"),), "acl_default": "deny", "access_log": "json"}
    lab.apply(lab.document(lab.frontend(**options), lab.backend("app", server, protocol="tcp")))
    assert (await (await lab.client("127.0.0.1")).get()).body == b"a"
    with contextlib.suppress(ConnectionResetError):  # as soon as it has connected
        assert await (await lab.client("127.0.0.9")).reset() == b""
    await until(lambda: lab.web["refused"] == 1)
    assert lab.origins[0].connections == 1
    assert [json.loads(line)["problem"] for line in lab.lines] == ["an ACL denies it"]


@in_lab
async def test_a_tcp_client_that_is_denied_gets_no_handshake(lab: Lab):
    lab.certificates["lb/db"] = pair("db.test")
    (server,) = await named(lab, "a")
    options = {"protocol": "tcp", "tls": FrontendTls(certificates=("db",)), "acls": (Acl(sources=("127.0.0.9/32",)),)}
    lab.apply(lab.document(BALANCER, lab.frontend(**options), lab.backend("app", server, protocol="tcp")))
    assert (await (await lab.client("127.0.0.8", tls=client_side(), name="db.test")).get()).body == b"a"
    with pytest.raises((OSError, asyncio.IncompleteReadError)):
        await (await lab.client("127.0.0.9", tls=client_side(), name="db.test")).get()
    assert (lab.web["handshakes"], lab.web["handshakes_failed"], lab.web["refused"]) == (1, 0, 1)


@in_lab
async def test_a_new_document_takes_its_acls_to_clients_that_are_connected(lab: Lab):
    (server,) = await named(lab, "a")
    client = await lab.client()
    for acls, status in (((), 200), ((Acl(sources=("127.0.0.0/8",)),), 403)):
        lab.apply(lab.document(lab.frontend(acls=acls, routes=(Route(backend="app"),)), lab.backend("app", server)))
        assert (await client.get()).status == status
