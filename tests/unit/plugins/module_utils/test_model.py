"""The model: options become objects, objects become the document, and every broken rule is told in full."""

from __future__ import annotations

import dataclasses
import json

import pytest

from tandem import _model as model

MASTER = {"node": "lb-a", "address": "192.0.2.11"}
BACKUP = {"node": "lb-b", "address": "192.0.2.12"}


def edge(**options):
    given = {"name": "edge", "master": MASTER, "backup": BACKUP, "floating_ips": ["vip"], **options}
    return model.from_options(model.LoadBalancer, given)


def shop(**options):
    given = {"load_balancer": "edge", "name": "shop", "port": 80, "servers": [{"name": "a", "address": "192.0.2.21"}], **options}
    return model.from_options(model.Backend, given)


def web(**options):
    given = {"load_balancer": "edge", "name": "web", "port": 80, "default_backend": "shop", **options}
    return model.from_options(model.Frontend, given)


def vip(name="vip", address="192.0.2.100/24", **options):
    return model.from_options(model.FloatingIP, {"name": name, "address": address, **options})


def document(*objects):
    whole = model.Document()
    for thing in objects:
        whole = whole.with_object(thing)
    return whole


def rules_broken(*objects):
    return [str(problem) for problem in model.check_document(document(*objects))]


def test_a_whole_load_balancer_breaks_no_rule():
    assert rules_broken(vip(), edge(), shop(), web()) == []
    assert rules_broken(vip(), edge(), shop(protocol="tcp", timeouts={"tunnel": "1d"}), web(protocol="tcp", access_log="json")) == []


def test_the_document_survives_being_written_and_read():
    whole = document(vip(labels={"b": "2", "a": "1"}), edge(), shop(), web(routes=[{"host": "Shop.Example.", "backend": "shop"}]))
    again = model.Document.from_stored(json.loads(json.dumps(whole.to_stored())))
    assert again == whole
    assert again.digest == whole.digest


def test_the_digest_does_not_depend_on_the_generation():
    whole = document(vip())
    assert dataclasses.replace(whole, generation=7).digest == whole.digest


def test_every_default_is_written_out():
    stored = document(vip(), edge(), shop(), web()).to_stored()["objects"]
    assert stored["frontends"]["edge/web"]["timeouts"] == {"client_ms": 30000, "request_ms": 10000, "keepalive_ms": 60000, "tarpit_ms": 10000}
    assert stored["backends"]["edge/shop"]["servers"][0]["weight"] == 1


def test_an_option_left_out_keeps_what_was_there_and_an_empty_one_clears():
    before = shop(sticky={"type": "source", "ttl": "1h"}, max_retries=7)
    kept = model.from_options(model.Backend, {"load_balancer": "edge", "name": "shop", "sticky": None}, before)
    assert kept == before
    part = model.from_options(model.Backend, {"load_balancer": "edge", "name": "shop", "sticky": {"ttl": "5m"}}, before)
    assert (part.sticky.type, part.sticky.ttl_ms, part.max_retries) == ("source", 300_000, 7)
    cleared = model.from_options(model.Backend, {"load_balancer": "edge", "name": "shop", "sticky": {"type": None}, "servers": []}, before)
    assert cleared.sticky == model.Sticky()
    assert cleared.servers == ()


def test_a_server_keeps_its_options_when_its_address_changes():
    before = shop(servers=[{"name": "a", "address": "192.0.2.21", "weight": 5}])
    after = model.from_options(model.Backend, {"load_balancer": "edge", "name": "shop", "servers": [{"name": "a", "address": "192.0.2.99"}]}, before)
    assert (after.servers[0].address, after.servers[0].weight) == ("192.0.2.99", 5)


def test_the_order_of_servers_counts_for_first_and_for_one_backup_after_the_other_alone():
    one = {"name": "a", "address": "192.0.2.21"}
    two = {"name": "b", "address": "192.0.2.22"}
    assert shop(servers=[two, one]) == shop(servers=[one, two])
    assert shop(servers=[two, one], balance="first") != shop(servers=[one, two], balance="first")
    assert shop(servers=[two, one], use_all_backups=False) != shop(servers=[one, two], use_all_backups=False)


@pytest.mark.parametrize(
    ("given", "milliseconds"),
    [
        ("500ms", 500),
        ("3s", 3000),
        ("5m", 300_000),
        ("1h", 3_600_000),
        ("2", 2000),
        ("0.25", 250),
        ("1.001", 1001),  # 1000.9999999999999 as binary fractions have it
        ("1.1m", 66_000),
    ],
)
def test_durations_are_numbers_with_a_unit_or_seconds(given, milliseconds):
    assert model.duration_ms(given) == milliseconds
    assert model.duration_ms(model.duration_text(milliseconds)) == milliseconds


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: shop(timeouts={"connect": "soon"}), 'timeouts.connect is "soon", which is not a duration'),
        (lambda: shop(timeouts={"connect": "9" * 400}), "which is not a duration"),
        (lambda: shop(timeouts={"connect": "0.0001"}), "finer than a millisecond"),
        (
            lambda: shop(servers=[{"name": "a", "address": "db.example.com:80"}]),
            "which is not an IP address. Give an IPv4 or IPv6 address, or a host name",
        ),
        (lambda: shop(servers=[{"name": "a", "address": "192.0.2.1", "port": 70000}]), "outside 0 to 65535"),
        (lambda: shop(servers=[{"name": "a", "address": "::1"}, {"name": "a", "address": "::2"}]), "the name of two members"),
        (lambda: shop(balance="fastest"), "none of roundrobin, leastconn"),
        (lambda: shop(sticky={"kind": "cookie"}), "there is no such option"),
        (lambda: shop(health_check={"expect_status": "ok"}), "not a list of statuses"),
        (lambda: web(port=0), "outside 1 to 65535"),
        (lambda: web(port=None), "port is not given"),
        (lambda: web(routes=[{"host": "http://x", "backend": "shop"}]), "not a host name"),
        (lambda: vip(address="192.0.2.100"), 'such as "192.0.2.100/24"'),
        (lambda: vip(address="vip.example.com"), "not an IP address with a prefix"),
        *(
            (lambda make=make, address=address: make(address), "which no host can hold. Give a unicast address.")
            for make in (
                lambda address: vip(address=f"{address}/24"),
                lambda address: edge(backup={"node": "lb-b", "address": address}),
                lambda address: shop(servers=[{"name": "a", "address": address}]),
            )
            for address in ("0.0.0.0", "::", "224.0.0.18", "ff02::12", "255.255.255.255")
        ),
        (lambda: web(addresses=["224.0.0.18"]), "which no host can hold"),
        (lambda: vip(name="-x"), "which is not a name"),
        (lambda: edge(heartbeat={"interval": "1ms"}), "outside 50ms to 40s"),
        (lambda: edge(track={"interfaces": ["eth0/1"]}), "which is no name of an interface"),
        (lambda: edge(track={"gateway": "router"}), "router"),
        (lambda: edge(notify=[{"name": "mail", "command": "/bin/mail", "events": ["rain"]}]), "which is no event"),
        (lambda: edge(track={"scripts": [{"name": "disk", "command": "probe"}]}), "does not begin with the whole path of a program"),
        (lambda: edge(track={"scripts": [{"name": "disk", "command": "/bin/sh -c 'x"}]}), "cannot be split into words"),
        (lambda: edge(track={"scripts": [{"name": "disk", "command": "/a"}, {"name": "disk", "command": "/b"}]}), "disk"),
    ],
)
def test_a_wrong_value_is_refused_with_option_value_rule_and_way_out(make, said):
    with pytest.raises(model.ModelError) as refusal:
        make()
    assert said in str(refusal.value)


def test_a_secret_is_named_by_fingerprint_and_never_shown():
    secrets = {}
    options = {
        "name": "edge",
        "master": MASTER,
        "backup": BACKUP,
        "heartbeat": {"transport": "udp", "key": "correct horse battery"},
    }
    made = model.from_options(model.LoadBalancer, options, secrets=secrets)
    assert secrets == {made.heartbeat.key: "correct horse battery"}
    assert "horse" not in json.dumps(model.to_stored(made))
    with pytest.raises(model.ModelError) as refusal:
        edge(heartbeat={"key": "too-short-key"})
    assert "too-short-key" not in str(refusal.value)


@pytest.mark.parametrize(
    ("objects", "said"),
    [
        ([edge()], "but there is no such floating IP; there are none yet. Add a task with tandem.lb.floating_ip"),
        ([vip("vip2"), edge()], 'known are "vip2"; nearest is "vip2"'),
        ([vip(), edge(), web(default_backend="shopp"), shop()], 'nearest is "shop"'),
        ([vip(), edge(), shop(), web(default_backend="")], "there are no routes either"),
        ([vip(), edge(), shop(protocol="tcp"), web()], "whose protocol is tcp, while the frontend's is http"),
        (
            [vip(), edge(), shop(protocol="tcp"), web(protocol="tcp", routes=[{"backend": "shop", "host": "a.test"}])],
            "a TCP frontend sees no requests",
        ),
        ([vip(), edge(), shop(protocol="tcp", timeouts={"server": "1m"})], 'timeouts.server is "1m"'),
        ([vip(), edge(), shop(protocol="tcp", sticky={"type": "cookie"})], "sees no cookies"),
        ([vip(), edge(), shop(slow_start="1m", balance="source")], 'slow_start is "1m", but with balance: source each step would'),
        ([vip(), edge(), shop(slow_start="1m", balance="first")], "does not look at weights"),
        ([vip(), edge(), shop(use_all_backups=False)], "use_all_backups is false, but no server is a backup"),
        ([vip(), edge(), shop(port=0)], "the backend has no port either"),
        ([vip(), edge(), shop(), web(), web(name="web2")], 'which frontend "edge/web" listens on already (192.0.2.100:80)'),
        ([vip(), edge(), shop(), web(), web(name="web2", addresses=["0.0.0.0"])], "listens on already"),
        ([vip(), vip("other")], 'which floating IP "other" has already'),
        ([vip(), edge(backup=MASTER)], "which is the master too"),
        ([vip(), edge(heartbeat={"transport": "udp"})], "heartbeats over UDP are authenticated"),
        ([vip(), edge(heartbeat={"key": "correct horse battery"})], "VRRPv3 carries no authentication"),
        ([vip(), edge(heartbeat={"interval": "305ms"})], "steps of 10 ms"),
        ([vip(), edge(track={"gateway": "192.0.2.11"})], "track.gateway is"),
        (
            [vip(), edge(track={"scripts": [{"name": "disk", "command": "/a", "interval": "1s", "timeout": "2s"}]})],
            'track.scripts[disk].timeout is "2s", which is longer than its interval, 1s',
        ),
        ([edge(floating_ips=[]), shop(), web()], "has no floating IPs"),
        ([vip(address="192.0.2.11/24"), edge()], "which is a floating IP of this load balancer"),
        ([shop()], 'load_balancer is "edge", but there is no such load balancer'),
        ([vip(), edge(), edge(name="second", floating_ips=[])], "heartbeat.virtual_router_id is 51"),
    ],
)
def test_a_rule_between_objects_is_told_with_its_way_out(objects, said):
    assert any(said in problem for problem in rules_broken(*objects)), rules_broken(*objects)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"forwarded_for": "none"}, 'forwarded_for is "none", but TCP has no fields'),
        ({"trusted_proxies": ["192.0.2.0/24"]}, "trusted_proxies is [192.0.2.0/24], but TCP has no fields that"),
        ({"via": False}, "via is false, but TCP has no fields to name the proxy in. Use protocol: http, or the default (true)."),
        ({"header_underscores": "pass"}, 'header_underscores is "pass", but TCP has no fields'),
        ({"upgrades": []}, "upgrades is [], but TCP passes bytes, whatever they switch to. Use protocol: http, or the default ([websocket])."),
        ({"access_log": "common"}, 'access_log is "common", but the Common Log Format is one of HTTP requests'),
        ({"timeouts": {"client": "1m"}}, "but it is the backend's timeouts.tunnel that ends a TCP session"),
        ({"timeouts": {"request": "1s"}}, "and this one to its default (10s)."),
        ({"timeouts": {"keepalive": "1s"}}, 'timeouts.keepalive is "1s"'),
    ],
)
def test_what_works_with_requests_only_is_refused_on_a_tcp_frontend(options, said):
    (problem,) = rules_broken(vip(), edge(), shop(protocol="tcp"), web(protocol="tcp", **options))
    assert said in problem


@pytest.mark.parametrize(
    ("server", "listens"),
    [
        ({"address": "192.0.2.100"}, {}),
        ({"address": "192.0.2.100", "port": 8080}, {"port": 8080}),
        ({"address": "192.0.2.200"}, {"addresses": ["192.0.2.200"]}),
        ({"address": "192.0.2.12"}, {"addresses": ["0.0.0.0"]}),
        ({"address": "192.0.2.100"}, {"addresses": ["0.0.0.0"]}),
        ({"address": "127.0.0.1"}, {"addresses": ["0.0.0.0"]}),
        ({"address": "::1"}, {"addresses": ["::"]}),
    ],
)
def test_a_load_balancer_is_no_server_of_its_own(server, listens):
    where = f"{server['address']}:{listens.get('port', 80)}".replace("::1:", "[::1]:")
    said = f'servers[a].address is "{server["address"]}", where frontend "edge/web" of the same load balancer listens ({where})'
    whole = [vip(), edge(), shop(servers=[{"name": "a", **server}])]
    problems = rules_broken(*whole, web(**listens))
    assert [problem for problem in problems if said in problem], problems
    assert rules_broken(*whole, web(**listens, enabled=False)) == []
    assert rules_broken(*whole, web(**{**listens, "port": 81})) == []


def test_a_server_may_be_another_load_balancer_and_any_address_where_nothing_listens():
    second = edge(name="second", floating_ips=["other"], heartbeat={"virtual_router_id": 52})
    chained = [shop(), web(), vip("other", "192.0.2.101/24"), second, shop(load_balancer="second", servers=[{"name": "a", "address": "192.0.2.100"}])]
    assert rules_broken(vip(), edge(), *chained, web(load_balancer="second")) == []
    assert rules_broken(vip(), edge(), shop(), web(addresses=["0.0.0.0"])) == []


def test_backends_behind_one_frontend_bind_clients_by_different_cookies():
    def broken(route, **of):
        backends = [shop(name=name, sticky={"type": "cookie", "cookie_name": cookie}) for name, cookie in of.items()]
        return rules_broken(vip(), edge(), *backends, web(routes=[{"path_prefix": "/api", "backend": route}]))

    assert broken("api", shop="", api="", other="") == []
    assert broken("api", shop="ONE", api="TWO", other="ONE") == []
    assert broken("api", shop="ONE", api="ONE", other="") == [
        'backend "edge/shop": sticky.cookie_name is "ONE", which backend "edge/api" uses too, behind the same frontend "edge/web". '
        "Give each its own, or leave it out."
    ]


def test_a_disabled_frontend_claims_no_port():
    assert rules_broken(vip(), edge(), shop(), web(), web(name="web2", enabled=False)) == []


def test_users_of_an_object_are_listed():
    whole = document(vip(), edge(), shop(), web())
    assert model.users(whole, "floating_ips", "vip") == ['load balancer "edge"']
    assert model.users(whole, "load_balancers", "edge") == ['backend "edge/shop"', 'frontend "edge/web"']
    assert model.users(whole, "backends", "edge/shop") == ['frontend "edge/web"']
    assert model.users(whole, "frontends", "edge/web") == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.update(schema=2),
        lambda data: data.update(generation="1"),
        lambda data: data.update(objects=[]),
        lambda data: data["objects"].pop("backends"),
        lambda data: data["objects"]["floating_ips"]["vip"].update(colour="red"),
        lambda data: data["objects"]["floating_ips"]["vip"].pop("address"),
        lambda data: data["objects"]["floating_ips"]["vip"].update(name="other"),
        lambda data: data["objects"]["backends"]["edge/shop"].update(servers={}),
        lambda data: data["objects"]["backends"]["edge/shop"]["servers"].extend(data["objects"]["backends"]["edge/shop"]["servers"]),
        lambda data: data["objects"]["backends"]["edge/shop"]["timeouts"].update(connect_ms="5s"),
        lambda data: data["objects"]["frontends"].update({"edge/web": None}),
    ],
)
def test_a_broken_document_is_refused(spoil):
    data = json.loads(json.dumps(document(vip(), edge(), shop(), web()).to_stored()))
    spoil(data)
    with pytest.raises(model.ModelError):
        model.Document.from_stored(data)


def test_the_argument_spec_has_no_defaults_and_hides_secrets():
    spec = model.argument_spec(model.LoadBalancer)
    assert spec["heartbeat"]["options"]["key"]["no_log"] is True
    assert spec["heartbeat"]["options"]["interval"] == {"type": "str"}
    assert "default" not in json.dumps(spec)
    assert model.argument_spec(model.Backend)["servers"]["options"]["name"]["required"] is True
    required = {name for name, argument in model.argument_spec(model.Backend).items() if argument.get("required")}
    assert required == {"load_balancer", "name"}


def test_what_a_former_release_did_not_write_is_at_its_default():
    whole = document(vip(), edge(), shop(), web())
    data = json.loads(json.dumps(whole.to_stored()))
    del data["objects"]["load_balancers"]["edge"]["allow_same_hardware"]
    del data["objects"]["load_balancers"]["edge"]["master"]["fault_domain"]
    assert model.Document.from_stored(data) == whole


@pytest.mark.parametrize(
    ("pool", "first", "count"),
    [
        ("192.0.2.128/30", "192.0.2.129/30", 2),
        ("192.0.2.8/31", "192.0.2.8/31", 2),
        ("192.0.2.8/32", "192.0.2.8/32", 1),
        ("192.0.2.0 - 192.0.2.3/24", "192.0.2.1/24", 3),
        ("2001:db8::-2001:db8::3/64", "2001:db8::1/64", 3),
        ("2001:db8::/126", "2001:db8::1/126", 3),
    ],
)
def test_a_pool_is_a_network_or_a_range_without_the_addresses_that_no_host_may_have(pool, first, count):
    given = list(model.pool_addresses(model.pool(pool)))
    assert (given[0], len(given)) == (first, count)
    assert all(model.in_pool(model.pool(pool), one) for one in given)
    assert not model.in_pool(model.pool(pool), "203.0.113.1/24")


@pytest.mark.parametrize("wrong", ["192.0.2.9-192.0.2.1/24", "192.0.2.1-192.0.3.9/24", "192.0.2.1-2001:db8::1/64", "192.0.2.1/24", "a-b/24", "-/24"])
def test_a_pool_that_is_none_is_refused_with_a_way_out(wrong):
    with pytest.raises(ValueError, match="which") as refusal:
        model.pool(wrong)
    assert len(refusal.value.args) == 2


WRITTEN = {
    "::FFFF:192.0.2.21": "::ffff:192.0.2.21",
    "::ffff:c000:215": "::ffff:192.0.2.21",
    "fe80::1%eth0": "fe80::1%eth0",
    "2001:DB8::1": "2001:db8::1",
}


@pytest.mark.parametrize(("given", "shown"), WRITTEN.items())
def test_an_address_is_shown_as_people_write_it(given, shown):
    assert model.from_options(model.Server, {"name": "a", "address": given}).address == shown
    assert model.from_options(model.FloatingIP, {"name": "a", "address": "::ffff:c000:215/120"}).address == "::ffff:192.0.2.21/120"
    assert model.from_options(model.Route, {"backend": "a", "host": "[::ffff:c000:215]"}).host == "[::ffff:192.0.2.21]"


@pytest.mark.parametrize("address", ["fe80::1/64", "fe80::1%eth0/64", "::ffff:224.0.0.1/120"])
def test_a_floating_ip_is_an_address_that_clients_elsewhere_can_reach(address):
    with pytest.raises(model.ModelError, match=r"clients elsewhere cannot reach it|no host can hold"):
        model.from_options(model.FloatingIP, {"name": "a", "address": address})
