"""Conditions on requests: each alone, all together, and paths as servers read them."""

from __future__ import annotations

import pytest

from tandem._model import Comparison, Conditions
from tandem.http.conditions import compiled
from tandem.http.networks import Networks
from tandem.http.paths import normal
from tandem.http.request import read_request

CLIENT = "192.0.2.7"


def asked(target="/", host="www.example.com", fields=(), method="GET"):
    return read_request("\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {host}", *fields, "", ""]).encode())


def holds(request, client=CLIENT, **conditions):
    return compiled(Conditions(**conditions)).matches(request, client)


@pytest.mark.parametrize(
    ("conditions", "yes", "no"),
    [
        ({"host": "a.example"}, ["a.example", "A.Example.", "a.example:8080"], ["b.a.example", "example"]),
        ({"subdomains": "example.com"}, ["www.example.com", "a.b.example.com:81"], ["example.com", "badexample.com"]),
        ({"host_prefix": "www."}, ["www.a.example", "WWW.b"], ["a.www.example", "wwwx"]),
        ({"host_label": "shop"}, ["shop.example", "a.shop.example", "a.SHOP"], ["shops.example", "a.my-shop"]),
        ({"host_regex": r"^app[0-9]+\."}, ["app1.example", "APP22.example"], ["app.example", "my.app1.example"]),
        ({"host": "a.example", "host_prefix": "b"}, [], ["a.example", "b"]),
    ],
)
def test_a_host_is_compared_without_port_and_case(conditions, yes, no):
    assert [host for host in (*yes, *no) if holds(asked("/", host), **conditions)] == yes


@pytest.mark.parametrize(
    ("conditions", "yes", "no"),
    [
        ({"path": "/a"}, ["/a", "/a?x=/b", "/%61", "//a", "/b/../a", "/./a"], ["/a/", "/A", "/a/b"]),
        ({"path_prefix": "/a"}, ["/a", "/a/", "/a/b", "/a?b", "/x/..//%61/b"], ["/ab", "/A", "/b/a", "/a/../b"]),
        ({"path_prefix": "/a/"}, ["/a/", "/a/b", "/a//"], ["/a", "/ab"]),
        ({"path_prefix": "/Admin", "ignore_case": True}, ["/admin", "/ADMIN/x", "/%41dmin"], ["/administrator"]),
        ({"path": "/Admin", "ignore_case": True}, ["/admin"], ["/admin/"]),
        ({"path_regex": r"\.(?:css|js)$"}, ["/x.css", "/a/b.js?v=1", "/x%2ecss"], ["/x.css/", "/x.JS", "/?x.css"]),
        ({"path_regex": r"\.php$", "ignore_case": True}, ["/x.PHP"], ["/x.php5"]),
        ({"path_prefix": "/caf%C3%A9"}, ["/caf%c3%a9/x"], ["/cafe"]),
    ],
)
def test_a_path_is_compared_as_a_server_reads_it(conditions, yes, no):
    assert [target for target in (*yes, *no) if holds(asked(target), **conditions)] == yes


@pytest.mark.parametrize(
    ("comparison", "yes", "no"),
    [
        (Comparison("X"), ["a", ""], [None]),
        (Comparison("X", invert=True), [None], ["a", ""]),
        (Comparison("X", value="a"), ["a", " a "], ["A", "ab", None]),
        (Comparison("X", value="a", invert=True), ["b", None], ["a"]),
        (Comparison("X", prefix="ab"), ["abc", "ab"], ["xab", "a", None]),
        (Comparison("X", contains="b c"), ["a b c", "b c"], ["abc", None]),
        (Comparison("X", regex="^[0-9]+$"), ["0", "12"], ["a1", "", None]),
    ],
)
def test_a_header_is_compared_in_each_way(comparison, yes, no):
    def held(value):
        return holds(asked("/", "a", [] if value is None else [f"x: {value}"]), headers=(comparison,))

    assert [value for value in (*yes, *no) if held(value)] == yes


def test_of_several_values_one_is_enough_and_none_may_be_there_for_the_inverse():
    request = asked("/?q=1&q=2&%71=3&long+name=a%20b", "a", ("X: 1", "x: 2", "Cookie: s=1; t = 5", "Cookie: s=2"))
    for value in ("1", "2"):
        assert holds(request, headers=(Comparison("X", value=value),))
        assert holds(request, cookies=(Comparison("s", value=value),))
        assert holds(request, query=(Comparison("q", value=value),))
        assert not holds(request, headers=(Comparison("X", value=value, invert=True),))
    assert holds(request, query=(Comparison("q", value="3"), Comparison("long name", value="a b")))
    assert holds(request, cookies=(Comparison("t", value="5"),))
    assert not holds(request, cookies=(Comparison("S"),))
    assert not holds(asked(), cookies=(Comparison("s"),))
    assert not holds(asked(), query=(Comparison("q"),))


def test_methods_and_networks_are_conditions_too():
    assert holds(asked(method="POST"), methods=("POST", "PUT"))
    assert not holds(asked(), methods=("POST", "PUT"))
    assert holds(asked(), sources=("192.0.2.0/24",))
    assert not holds(asked(), client="198.51.100.1", sources=("192.0.2.0/24", "2001:db8::/32"))
    assert holds(asked(), client="2001:db8:1::5", sources=("192.0.2.0/24", "2001:db8::/32"))


def test_all_that_is_stated_must_hold():
    every = {"host": "www.example.com", "path_prefix": "/a", "methods": ("GET",), "headers": (Comparison("X", value="1"),)}
    assert holds(asked("/a/b", "www.example.com", ["X: 1"]), **every)
    for wrong in (asked("/b", fields=["X: 1"]), asked("/a", "b", ["X: 1"]), asked("/a", fields=["X: 2"])):
        assert not holds(wrong, **every)
    assert holds(asked())


def test_networks_are_found_as_a_look_at_each_would_find_them():
    networks = Networks(["10.0.0.0/8", "10.1.0.0/16", "192.0.2.4/30", "198.51.100.9/32", "0.0.0.0/32", "2001:db8::/64", "::1/128"])
    inside = ["10.0.0.0", "10.255.255.255", "192.0.2.4", "192.0.2.7", "198.51.100.9", "0.0.0.0", "2001:db8::ffff", "::1", "2001:db8::5%eth0"]
    outside = ["9.255.255.255", "11.0.0.0", "192.0.2.3", "192.0.2.8", "198.51.100.8", "0.0.0.1", "2001:db8:0:1::", "::2", "255.255.255.255"]
    for _again in range(2):  # the second time it is remembered
        assert [client for client in inside + outside if networks.holds(client)] == inside
    apart = Networks(["192.0.2.0/32", "192.0.2.2/32"])
    assert [apart.holds(f"192.0.2.{number}") for number in range(4)] == [True, False, True, False]
    assert Networks(["0.0.0.0/0"]).holds("255.255.255.255")
    assert not Networks(["0.0.0.0/0"]).holds("::1")
    assert not Networks([]).holds("10.0.0.1")


def test_what_is_remembered_of_clients_is_bounded():
    networks = Networks(["10.0.0.0/8"])
    for number in range(10_000):
        networks.holds(f"10.0.{number >> 8}.{number & 255}")
    assert len(networks._remembered) <= 4096


@pytest.mark.parametrize(
    ("path", "read"),
    [
        (b"/a/b.c", b"/a/b.c"),
        (b"/a/./b", b"/a/b"),
        (b"/a/b/..", b"/a/"),
        (b"/a/b/../", b"/a/"),
        (b"/..", b"/"),
        (b"/../../a", b"/a"),
        (b"//", b"/"),
        (b"/a//b", b"/a/b"),
        (b"/%2e%2e/a", b"/a"),
        (b"/a%2fb", b"/a/b"),
        (b"/a%0ab", b"/a%0ab"),
        (b"/a%2", b"/a%2"),
        (b"/%25%36%31", b"/%61"),
        (b"/.well-known/x", b"/.well-known/x"),
        (b"/a/.", b"/a/"),
        (b"*", b"*"),
    ],
)
def test_a_path_is_read_without_what_hides_it(path, read):
    assert normal(path) == read
