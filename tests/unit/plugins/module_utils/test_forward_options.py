"""Frontends that the kernel serves: what they may have, and what is refused by its name with the way out."""

from __future__ import annotations

import shutil

import pytest

from plugins.module_utils._forwarding import examine
from plugins.module_utils._model import ModelError
from tandem._model import Backend, Document, Frontend, check_document, from_options
from tests.support.forwarding import kernel_document


def problems(*arguments, **named):
    return [str(problem) for problem in check_document(kernel_document(*arguments, **named))]


def test_what_the_kernel_does_is_taken():
    assert problems() == []
    assert problems({"protocol": "udp", "client_address": "keep"}, {"protocol": "udp"}) == []
    assert problems(backend={"balance": "source", "sticky": {"type": "source"}, "on_marked_down": "shutdown_sessions"}) == []


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"max_connections": 5}, "max_connections is 5"),
        ({"access_log": "json"}, 'access_log is "json"'),
        ({"routes": [{"backend": "pool", "sni": "a.example.com"}]}, 'routes is "(a list)"'),
        ({"timeouts": {"request": "1s"}}, 'timeouts.request is "1s", but with'),
        ({"addresses": ["10.99.0.9"]}, 'addresses is "10.99.0.9", which is no floating IP of load balancer "edge"'),
    ],
)
def test_what_a_frontend_needs_a_proxy_for_is_refused_by_name(given, option):
    said = [problem for problem in problems(given) if option in problem]
    assert len(said) == 1
    assert "proxy" in said[0] or "Name floating IPs" in said[0]


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"balance": "leastconn"}, 'balance is "leastconn", but with forwarding: kernel a hash'),
        ({"max_connections": 5}, "max_connections is 5, but with forwarding: kernel no process sees"),
        ({"max_retries": 0}, "max_retries is 0"),
        ({"timeouts": {"connect": "1s"}}, 'timeouts.connect is "1s"'),
        ({"tls": {"enabled": True}}, "tls.enabled is true"),
        ({"sticky": {"type": "source", "ttl": "1m"}}, 'sticky.ttl is "1m"'),
    ],
)
def test_what_a_backend_needs_a_proxy_for_is_refused_at_the_frontend(given, option):
    said = [problem for problem in problems(backend=given) if option in problem]
    assert said
    assert said[0].startswith('frontend "edge/flows": default_backend (backend "edge/pool").')


@pytest.mark.parametrize(
    ("servers", "rule"),
    [
        ([{"name": "a", "address": "app.example.com"}], "but packets go to addresses"),
        ([{"name": "a", "address": "127.0.0.1"}], "but the kernel forwards nothing to loopback addresses"),
        ([{"name": "a", "address": "fe80::1%eth0"}], "so packets cannot be forwarded to it"),
        ([{"name": "a", "address": "10.99.0.14", "max_connections": 3}], "servers[a].max_connections is 3"),
        ([{"name": "a", "address": "10.99.0.14"}], 'addresses is "fd99::100", but backend "edge/pool" has no server with an IPv6 address'),
    ],
)
def test_servers_that_packets_cannot_be_forwarded_to_are_refused(servers, rule):
    assert any(rule in problem for problem in problems(servers=servers))


def test_a_server_of_a_family_that_no_address_has_would_never_be_asked():
    said = problems({"addresses": ["10.99.0.100"]})
    assert ["servers[six-1].address" in problem for problem in said] == [True, False]


def test_requests_and_datagrams_are_each_for_one_of_both():
    assert any('protocol is "http", but the kernel passes packets and reads no requests' in one for one in problems({"protocol": "http"}))
    assert any("the proxy takes no datagrams" in one for one in problems({"protocol": "udp", "forwarding": "proxy"}, {"protocol": "udp"}))
    assert any("client_address" in one for one in problems({"client_address": "keep", "forwarding": "proxy"}))


def test_tcp_and_udp_have_ports_of_their_own():
    servers = [{"name": "a", "address": "10.99.0.14"}, {"name": "b", "address": "fd99::14"}]
    more = [
        from_options(Backend, {"load_balancer": "edge", "name": "names", "protocol": "udp", "port": 53, "servers": servers}),
        from_options(
            Frontend,
            {"load_balancer": "edge", "name": "names", "protocol": "udp", "port": 80, "default_backend": "names", "forwarding": "kernel"},
        ),
    ]
    assert problems(more=more) == []


def test_a_document_of_a_former_release_is_served_by_the_proxy():
    stored = kernel_document({"forwarding": "proxy"}).to_stored()
    for frontend in stored["objects"]["frontends"].values():
        del frontend["forwarding"], frontend["client_address"]
    assert Document.from_stored(stored).frontends["edge/flows"].forwarding == "proxy"


def test_a_node_without_nft_refuses_what_only_its_kernel_could_serve(monkeypatch):
    document, proxied = kernel_document(), kernel_document({"forwarding": "proxy"})
    monkeypatch.setattr(shutil, "which", lambda _program, path: None)
    examine(proxied, ["edge/flows"])
    examine(document, [])
    with pytest.raises(
        ModelError, match=r'frontend "edge/flows": forwarding is "kernel", but this node has no program nft, .*apt-get install nftables'
    ):
        examine(document, ["edge/flows"])
    monkeypatch.setattr(shutil, "which", lambda _program, path: "/usr/sbin/nft")
    examine(document, ["edge/flows"])
