"""The options of a frontend that are about requests: whose word is taken, what is passed, and what a former release wrote of them."""

from __future__ import annotations

import json

import pytest

from tandem import _model as model

NODES = {"master": {"node": "lb-a", "address": "192.0.2.11"}, "backup": {"node": "lb-b", "address": "192.0.2.12"}}


def web(**options):
    return model.from_options(model.Frontend, {"load_balancer": "edge", "name": "web", "port": 80, "default_backend": "shop", **options})


def document(frontend):
    """A whole load balancer with one frontend."""
    edge = {"name": "edge", **NODES, "floating_ips": ["vip"]}
    shop = {"load_balancer": "edge", "name": "shop", "port": 80, "protocol": frontend.protocol}
    others = [(model.FloatingIP, {"name": "vip", "address": "192.0.2.100/24"}), (model.LoadBalancer, edge), (model.Backend, shop)]
    whole = model.Document().with_object(frontend)
    for cls, options in others:
        whole = whole.with_object(model.from_options(cls, options))
    return whole


def rules_broken(frontend):
    return [str(problem) for problem in model.check_document(document(frontend))]


@pytest.mark.parametrize("mode", ["append", "none"])
def test_trusted_proxies_are_refused_where_everybody_is_believed_or_nobody_asked(mode):
    assert rules_broken(web(forwarded_for=mode)) == []
    (problem,) = rules_broken(web(forwarded_for=mode, trusted_proxies=["2001:db8::/32", "192.0.2.5"]))
    assert f"trusted_proxies is [192.0.2.5/32, 2001:db8::/32], but forwarded_for: {mode} " in problem
    assert problem.endswith("Use forwarded_for: replace, or clear them (trusted_proxies: []).")
    assert rules_broken(web(trusted_proxies=["192.0.2.5"])) == []


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("192.0.2.0/255.255.255.0", "192.0.2.0/24"),
        ("192.0.2.5", "192.0.2.5/32"),
        ("2001:DB8:0::/32", "2001:db8::/32"),
        ("2001:db8::5", "2001:db8::5/128"),
        ("::ffff:192.0.2.5", "192.0.2.5/32"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ],
)
def test_a_network_has_one_form_however_it_is_written(given, normal):
    assert web(trusted_proxies=[given]).trusted_proxies == (normal,)
    assert web(trusted_proxies=[normal, given]) == web(trusted_proxies=[given])


def test_networks_and_protocols_are_compared_as_sets():
    assert web(trusted_proxies=["192.0.2.5", "2001:db8::/32"]) == web(trusted_proxies=["2001:db8::/32", "192.0.2.5/32"])
    assert web(upgrades=["WebSocket", "irc/6.9"]) == web(upgrades=["irc/6.9", "websocket", "websocket"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"trusted_proxies": ["proxies.example.com"]}, 'trusted_proxies is "proxies.example.com", which is not a network. Give one such as'),
        ({"trusted_proxies": ["192.0.2.5/24"]}, 'which names a host and not its network. Give "192.0.2.0/24", or the address alone'),
        ({"trusted_proxies": ["fe80::1%eth0"]}, 'but a network has no zone. Give "fe80::1".'),
        ({"trusted_proxies": [""]}, "which is not a network"),
        ({"upgrades": ["web socket"]}, "which is not a protocol's name (RFC 9110 7.8)"),
        ({"upgrades": ["a/b/c"]}, "which is not a protocol's name"),
        ({"upgrades": ["H2C"]}, 'upgrades is "H2C", but it carries requests again, which would pass the routes unread. Leave it out'),
        ({"upgrades": ["websocket", "HTTP/2.0"]}, 'upgrades is "HTTP/2.0", but it carries requests again'),
        ({"upgrades": ["TLS/1.2"]}, "carries requests again"),
        ({"header_underscores": "keep"}, "which is none of drop, pass"),
    ],
)
def test_what_is_no_network_or_would_pass_the_routes_is_refused(options, said):
    with pytest.raises(model.ModelError) as refusal:
        web(**options)
    assert said in str(refusal.value)


@pytest.mark.parametrize("protocol", ["http", "tcp"])
def test_a_frontend_of_the_release_before_trusted_proxies_goes_on_as_it_was(protocol):
    data = json.loads(json.dumps(document(web(protocol=protocol)).to_stored()))
    stored = data["objects"]["frontends"]["edge/web"]
    for name in ("trusted_proxies", "via", "header_underscores", "upgrades"):
        del stored[name]
    stored["forwarded_for"] = "append"  # every such frontend has it, as it was the default
    read = model.Document.from_stored(data)
    assert model.check_document(read) == []
    assert read.frontends["edge/web"].forwarded_for == ("append" if protocol == "http" else "replace")
    assert read.frontends["edge/web"].upgrades == ("websocket",)


@pytest.mark.parametrize("protocol", ["http", "tcp"])
def test_limits_that_limit_nothing_are_refused(protocol):
    (problem,) = rules_broken(web(protocol=protocol, client_limits={"burst": 5}))
    assert "client_limits.burst is 5, but without client_limits.requests_per_second " in problem
    (problem,) = rules_broken(web(protocol=protocol, client_limits={"exempt": ["192.0.2.0/24"]}))
    assert "client_limits.exempt is [192.0.2.0/24], but there are no limits to be exempt from" in problem
    assert rules_broken(web(protocol=protocol, client_limits={"connections": 5, "exempt": ["192.0.2.0/24"]})) == []
    assert rules_broken(web(protocol=protocol, client_limits={"requests_per_second": 5, "burst": 9}, connection_rate_limit=100)) == []


@pytest.mark.parametrize(("option", "given"), [("max_body", 1000), ("max_head", 2048)])
def test_sizes_of_requests_are_refused_with_tcp(option, given):
    assert rules_broken(web(**{option: given})) == []
    (problem,) = rules_broken(web(protocol="tcp", **{option: given}))
    assert f"{option} is {given}, but TCP has no requests " in problem


def test_the_time_for_a_header_is_an_option_of_tcp_too():
    (problem,) = rules_broken(web(protocol="tcp", timeouts={"request": "3s"}))
    assert "timeouts.request" in problem
    assert rules_broken(web(protocol="tcp", timeouts={"request": "3s"}, accept_proxy_protocol=["192.0.2.5"])) == []


def test_limits_are_changed_one_by_one_and_cleared_together():
    before = web(client_limits={"requests_per_second": 20, "connections": 9})
    changed = model.from_options(model.Frontend, {"load_balancer": "edge", "name": "web", "client_limits": {"burst": 50}}, before)
    assert changed.client_limits == model.ClientLimits(20, 50, 9)
    assert (
        model.from_options(model.Frontend, {"load_balancer": "edge", "name": "web", "client_limits": {}}, changed).client_limits
        == model.ClientLimits()
    )


def test_what_a_former_release_wrote_has_no_limits_but_the_length_of_a_head():
    stored = {
        name: value
        for name, value in model.to_stored(web()).items()
        if name not in ("client_limits", "connection_rate_limit", "max_head", "max_body", "accept_proxy_protocol")
    }
    assert model.from_stored(model.Frontend, stored) == web()
