"""Servers stated by name: what a host name is, what one name can stand for, who is asked, and what the rules about addresses make of it."""

from __future__ import annotations

import pytest

from tandem import _model as model
from tests.unit.plugins.module_utils.test_model import document, edge, rules_broken, shop, vip, web


def named(address="app.example.com", **options):
    return {"name": "app", "address": address, **options}


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("DB.Example.COM", "db.example.com"),
        ("db.example.com.", "db.example.com."),
        ("db", "db"),
        ("_web.service.consul", "_web.service.consul"),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:DB8::7", "2001:db8::7"),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.7"),
    ],
)
def test_a_server_is_at_an_address_or_at_a_name_in_lower_case(given, stored):
    (server,) = shop(servers=[named(given)]).servers
    assert server.address == stored
    assert bool(server.host) == stored[0].isalpha() or stored[0] == "_"


@pytest.mark.parametrize(
    "given", ["", "192.0.2", "192.0.2.300", "app.2", "app:80", "a b", "-a.test", "a..b", "x" * 64 + ".test", "a." * 127 + "test", "app/24"]
)
def test_what_is_neither_an_address_nor_a_name_is_refused(given):
    with pytest.raises(model.ModelError, match=r"servers\[app\]\.address"):
        shop(servers=[named(given)])


def test_addresses_of_names_are_nobodys_in_the_document():
    assert shop(servers=[named(), {"name": "b", "address": "192.0.2.9"}]).known_addresses == {"192.0.2.9"}


def test_a_server_by_name_is_asked_for_that_name_over_tls_and_has_to_show_its_certificate():
    (plain,) = shop(servers=[named("db.example.com.")]).servers
    (spoken,) = shop(servers=[{"name": "own.example.com", "address": "db"}]).servers
    for tls, server, asked, verified in (
        (model.BackendTls(enabled=True), plain, "db.example.com", "db.example.com"),
        (model.BackendTls(enabled=True), spoken, "db", "db"),
        (model.BackendTls(enabled=True, sni="other.test"), plain, "other.test", "other.test"),
        (model.BackendTls(enabled=True, verify_name="192.0.2.1"), plain, "db.example.com", "192.0.2.1"),
    ):
        assert (tls.sni_of(server), tls.name_of(server)) == (asked, verified)


def test_one_name_stands_for_as_many_servers_as_it_says_and_the_states_of_operators_are_theirs():
    backend = shop(servers=[named(expand=3, weight=2), {"name": "b", "address": "192.0.2.9"}])
    assert [(one.name, one.address, one.weight, one.expand) for one in backend.members] == [
        ("app-1", "app.example.com", 2, 0),
        ("app-2", "app.example.com", 2, 0),
        ("app-3", "app.example.com", 2, 0),
        ("b", "192.0.2.9", 1, 0),
    ]


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        (shop(servers=[named("192.0.2.1", expand=2)]), "servers[app].expand is 2, but address 192.0.2.1 is one address. Give a host name"),
        (shop(servers=[named(expand=2), named() | {"name": "app-2"}]), "but one of its servers would be app-2, which is stated too"),
        (shop(servers=[named(expand=10) | {"name": "a" * 62}]), "which is no name"),
        (shop(servers=[named()], resolver={"min_ttl": "1m", "max_ttl": "5s"}), 'resolver.min_ttl is "1m", but it must not be longer'),
        (shop(servers=[named()], resolver={"name_servers": ["192.0.2.53", "192.0.2.53:53"]}), "resolver.name_servers[1] is"),
        (shop(servers=[named()], resolver={"name_servers": [f"192.0.2.{n}" for n in range(1, 10)]}), "but at most 8 are asked"),
        (shop(resolver={"hold": "1m"}), 'resolver.hold is "1m", but no server is stated by name'),
        (shop(servers=[named("localhost")]), "which has a frontend"),
    ],
)
def test_a_broken_rule_about_names_is_told_with_its_way_out(backend, said):
    if said == "which has a frontend":
        said = 'servers[app].address is "localhost", where frontend "edge/web" of the same load balancer listens (localhost:80)'
    assert any(said in problem for problem in rules_broken(vip(), edge(), backend, web(addresses=["127.0.0.1"]))), said


def test_a_name_that_may_be_anywhere_breaks_no_rule_and_is_known_to_loop_only_when_its_address_is_known():
    whole = document(vip(), edge(), shop(servers=[named()]), web())
    assert model.check_document(whole) == []
    own = model.OwnPlaces(whole, whole.frontends["edge/web"])
    assert own.port == 80
    assert own.holds("192.0.2.100")
    assert not own.holds("192.0.2.21")
    assert model.OwnPlaces(whole, web(enabled=False)).port == 0


@pytest.mark.parametrize(
    ("given", "stored", "place"),
    [
        ("192.0.2.53", "192.0.2.53", ("192.0.2.53", 53)),
        ("192.0.2.53:53", "192.0.2.53", ("192.0.2.53", 53)),
        ("127.0.0.1:8600", "127.0.0.1:8600", ("127.0.0.1", 8600)),
        ("2001:DB8::53", "2001:db8::53", ("2001:db8::53", 53)),
        ("[2001:db8::53]:5353", "[2001:db8::53]:5353", ("2001:db8::53", 5353)),
        ("[2001:db8::53]", "2001:db8::53", ("2001:db8::53", 53)),
    ],
)
def test_a_name_server_is_an_address_with_a_port_if_that_is_not_53(given, stored, place):
    (one,) = shop(servers=[named()], resolver={"name_servers": [given]}).resolver.name_servers
    assert (one, model.name_server_place(one)) == (stored, place)


@pytest.mark.parametrize("given", ["dns.example.com", "192.0.2.53:0", "192.0.2.53:x", "[::1]x", "[::1]:", "0.0.0.0", ""])
def test_what_is_no_name_server_is_refused(given):
    with pytest.raises(model.ModelError, match="name_servers"):
        shop(servers=[named()], resolver={"name_servers": [given]})


def test_a_document_of_a_former_release_knows_no_names_and_is_read_as_it_was():
    stored = document(shop()).to_stored()
    fields = stored["objects"]["backends"]["edge/shop"]
    del fields["resolver"], fields["servers"][0]["expand"]
    assert model.Document.from_stored(stored) == document(shop())
