"""`tandem explain`: what it says a request would meet is what the request meets, and why."""

from __future__ import annotations

import http.client
import json

import pytest

from tandem._model import Acl, BasicAuth, FrontendTls, HealthCheck, LoadBalancer, Node, Redirect, Route, Server, Sticky, User, WeightedBackend
from tandem.balance.sticky import server_mark
from tandem.cli.explain import Unclear, explain, render
from tests.support.node import ADDRESS, backend, document_of, free_port, frontend

EDGE = LoadBalancer("edge", Node("lb-a", "127.0.0.11"), Node("lb-b", "127.0.0.12"))
S1, S2 = Server("s1", "192.0.2.21", 8080), Server("s2", "192.0.2.22", 8080)
ROUTES = (Route(backend="api", host="api.example.com", path_prefix="/v1"), Route(backend="api", path_prefix="/api"))


def one(url, *things, status=None, **asked):
    (way,) = explain(document_of(EDGE, *things), status or up("shop", "api"), url, **asked)
    return way


def up(*backends, **servers):
    """The status of a proxy whose servers are all up, but for those that are given."""
    plain = {"state": "up", "admin_state": "ready", "last_check": "status 200", "drain_sticky": None, "set_by": ""}
    views = {"s1": {**plain, **servers.get("s1", {})}, "s2": {**plain, **servers.get("s2", {})}}
    return {
        "frontends": {"edge/web": {"listening": ["127.0.0.1:80"], "problems": []}},
        "backends": {f"edge/{name}": {"servers": views} for name in backends},
    }


SITE = (backend(S1, S2, check=HealthCheck()), backend(S1, name="api", check=HealthCheck()), frontend(80, routes=ROUTES))


@pytest.mark.parametrize(
    ("url", "route", "chosen"),
    [
        ("http://api.example.com/v1/users", 0, "edge/api"),
        ("http://API.example.com./v1?x=1", 0, "edge/api"),
        ("http://www.example.com/api/x", 1, "edge/api"),
        ("http://www.example.com/apix", None, "edge/shop"),
        ("http://127.0.0.1", None, "edge/shop"),
    ],
)
def test_the_route_is_the_one_that_the_frontend_itself_chooses(url, route, chosen):
    way = one(url, *SITE)
    assert (way.route, way.backend, way.frontend) == (route, chosen, "edge/web")
    assert ("routes[0]" in render(way)) == (route == 0)


def test_what_does_not_come_to_a_server_says_why():
    nobody = one("http://127.0.0.1:81/", *SITE)
    assert (nobody.ends, "there are edge/web (127.0.0.1:80)" in render(nobody)) == ("nobody", True)
    assert one("http://192.0.2.9/", *SITE).ends == "nobody"
    assert one("https://127.0.0.1:80/", *SITE).ends == "refused"
    no_default = one("http://a/", backend(S1, name="api"), frontend(80, backend="", routes=ROUTES))
    assert (no_default.ends, "no default backend" in render(no_default)) == ("nobody", True)
    down = up("shop", s1={"state": "down", "last_check": "Connection refused"}, s2={"admin_state": "drain", "set_by": "anna"})
    way = one("http://a/", *SITE, status=down)
    assert way.ends == "nobody"
    assert "not s1" in render(way) and "down: Connection refused" in render(way)
    assert "not s2" in render(way) and "set to drain by anna" in render(way)


def test_a_redirect_is_told_with_its_place():
    way = one("http://shop.example.com/a?b=c", backend(S1), frontend(80, redirect_to_https=True))
    assert (way.ends, way.location) == ("redirect", "https://shop.example.com/a?b=c")


def test_who_is_not_let_in_is_told_by_which_rule():
    acls = (
        Acl(path_prefix="/admin", sources=("192.0.2.0/24",), action="allow"),
        Acl(path_prefix="/admin", status=404),
        Acl(path="/old", action="redirect", redirect=Redirect(path="/new", code=301)),
        Acl(methods=("TRACE",), action="tarpit"),
    )
    guarded = (backend(S1), frontend(80, acls=acls))
    denied = one("http://a/admin/x", *guarded)
    assert (denied.ends, "acls[1]" in render(denied), "status 404" in render(denied)) == ("refused", True, True)
    assert "--from does not say" in render(denied)
    let_in = one("http://a/admin/x", *guarded, client="192.0.2.9")
    assert (let_in.ends, "acls[0]" in render(let_in), "--from" in render(let_in)) == ("server", True, False)
    moved = one("http://a/old", *guarded)
    assert (moved.ends, moved.location) == ("redirect", "http://a/new")
    assert "held, then answered here" in render(one("http://a/", *guarded, method="TRACE"))
    shut = one("http://a/", backend(S1), frontend(80, acls=acls[:1], acl_default="deny"))
    assert (shut.ends, "acl_default" in render(shut)) == ("refused", True)
    tcp = (backend(S1, protocol="tcp"), frontend(80, protocol="tcp", acls=(Acl(sources=("192.0.2.0/24",)),)))
    assert [one("tcp://127.0.0.1:80", *tcp, client=client).ends for client in ("192.0.2.1", "198.51.100.1")] == ["refused", "server"]


def test_a_password_that_is_asked_for_is_told_and_the_way_goes_on():
    users = (User("anna", "key-" + "a" * 32),)
    way = one("http://a/", backend(S1), frontend(80, basic_auth=BasicAuth(users=users)))
    assert (way.ends, "status 401 without a password of anna" in render(way)) == ("server", True)


def test_a_route_that_shares_shows_all_who_have_a_share():
    shares = Route(path_prefix="/", backends=(WeightedBackend("shop", 9), WeightedBackend("api", 1)))
    way = one("http://a/", backend(S1), backend(S2, name="api"), frontend(80, routes=(shares,)))
    assert (way.ends, way.servers, "shop 9, api 1" in render(way)) == ("servers", ["s1", "s2"], True)


def test_a_cookie_binds_its_client_to_the_server_that_it_names():
    bound = backend(S1, S2, sticky=Sticky(type="cookie", cookie_name="at"))
    mark = server_mark("edge/shop", "s2").decode()
    assert one("http://a/", bound, frontend(80), headers=[f"Cookie: at={mark}"]).servers == ["s2"]
    assert one("http://a/", bound, frontend(80), headers=["Cookie: at=another"]).servers == ["s1", "s2"]


def test_a_server_is_named_where_the_request_alone_decides():
    assert one("http://a/", backend(S1, S2, balance="first"), frontend(80)).servers == ["s1"]
    assert one("http://a/", backend(S1, S2), frontend(80)).servers == ["s1", "s2"]
    by_source = (backend(S1, S2, sticky=Sticky(type="source")), frontend(80))
    assert one("http://a/", *by_source).servers == ["s1", "s2"]
    found = {one("http://a/", *by_source, client=f"192.0.2.{number}").servers[0] for number in range(20)}
    assert found == {"s1", "s2"}
    assert one("http://a/", *by_source, client="192.0.2.7").servers == one("http://a/", *by_source, client="192.0.2.7").servers


def test_tls_that_ends_here_and_tls_that_passes_are_told_apart():
    ends = one("https://shop.example.com/", backend(S1), frontend(443, tls=FrontendTls(certificates=("shop",))))
    assert (ends.ends, "ends here, with the certificates shop" in render(ends)) == ("server", True)
    mail, other = backend(S1, name="mail", protocol="tcp"), backend(S2, name="other", protocol="tcp")
    passes = (mail, other, frontend(443, backend="other", protocol="tcp", routes=(Route(backend="mail", sni="*.example.com"),)))
    known = up("mail", "other")
    assert one("https://a.example.com/", *passes, status=known).backend == "edge/mail"
    assert one("https://a.example.org/", *passes, status=known).backend == "edge/other"
    assert one("tcp://127.0.0.1:443", *passes, status=known).backend == "edge/other"


@pytest.mark.parametrize("url", ["", "shop.example.com", "ftp://a/", "tcp://a", "http://", "http://[::1", "http://a:99999/"])
def test_what_is_no_url_is_told_how_it_would_be_one(url):
    with pytest.raises(Unclear, match="Give http://HOST"):
        explain(document_of(EDGE, *SITE), {}, url)


def test_a_request_that_would_be_refused_for_what_it_is_is_told_so():
    with pytest.raises(Unclear, match="refused with status 400"):
        explain(document_of(EDGE, *SITE), {}, "http://a/", headers=["Content-Length: x"])


def test_a_name_may_mean_several_frontends():
    second = frontend(80, "second", addresses=("192.0.2.9",))
    ways = explain(document_of(EDGE, *SITE, second), up("shop", "api"), "http://shop.example.com/")
    assert [way.frontend for way in ways] == ["edge/second", "edge/web"]


def test_on_a_node_it_says_where_the_request_then_goes(node, shops):
    servers = [shops("one"), shops("two")]
    port = free_port()
    node.start_proxy()
    node.load(backend(*servers, balance="first"), frontend(port, routes=(Route(backend="shop", path_prefix="/here"),)))
    told = node.run("explain", f"http://{ADDRESS}:{port}/here", "--json")
    (way,) = json.loads(told.stdout)["ways"]
    assert (told.returncode, way["ends"], way["servers"], way["route"]) == (0, "server", ["s1"], 0)
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=5)
    connection.request("GET", "/here")
    assert connection.getresponse().read() == b"one"
    connection.close()
    node.run("maint", "edge/shop/s1")
    assert "s2" in node.run("explain", f"http://{ADDRESS}:{port}/here").stdout.splitlines()[-1]
    nobody = node.run("explain", f"http://{ADDRESS}:{port + 1}/")
    assert (nobody.returncode, "nobody listens" in nobody.stdout) == (1, True)
    assert node.run("explain", "nonsense").returncode == 1
