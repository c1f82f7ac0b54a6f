"""The supervisor's listeners, of a real process: taken ports and who holds them, roles, and changes that no client may notice."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import os
import socket
import threading

import pytest

from tandem._client import Refused
from tandem._model import FloatingIP, LoadBalancer
from tests.support.node import (
    ADDRESS,
    EDGE,
    FLOATING,
    backend,
    children,
    free_port,
    frontend,
    get,
    occupied,
    pair,
    refuses,
    until,
)


def test_a_port_taken_at_the_start_is_told_and_bound_as_soon_as_it_is_free(node, shops):
    taken, free = free_port(), free_port()
    with occupied(taken) as holder:
        node.write(backend(shops()), frontend(taken, "taken"), frontend(free, "free"))
        node.start_proxy()
        assert get(free) == (200, "shop")
        for _turn in ("at the start", "after a load that is refused for it"):
            view = node.proxy.status()["frontends"]["edge/taken"]
            assert view["listening"] == []
            assert f"(process {holder})" in view["problems"][0]
            with pytest.raises(Refused, match="is taken"):
                node.proxy.load(node.generation)
    until(lambda: node.proxy.status()["frontends"]["edge/taken"]["listening"])
    assert get(taken) == (200, "shop")
    assert node.proxy.status()["frontends"]["edge/taken"]["problems"] == []


def test_the_owner_that_is_named_listens_on_that_very_address(node, shops):
    """Others have the same port on other addresses, and are not to blame."""
    port = free_port()
    with contextlib.ExitStack() as others:
        innocent = {others.enter_context(occupied(port, f"127.0.0.{number}")) for number in (77, 78, 79)}
        holder = others.enter_context(occupied(port))
        innocent |= {others.enter_context(occupied(port, f"127.0.0.{number}")) for number in (87, 88, 89)}
        node.start_proxy()
        with pytest.raises(Refused) as refused:
            node.load(backend(shops()), frontend(port))
    assert f"(process {holder})" in str(refused.value)
    assert not any(f"(process {pid})" in str(refused.value) for pid in innocent)


def test_an_unattached_floating_ip_is_bound_while_the_node_is_active(node, shops):
    node.start_proxy()
    port = free_port()
    fixed = free_port()
    things = [FLOATING, pair(7694), backend(shops()), frontend(port, addresses=()), frontend(fixed, "fixed")]
    node.load(*things)
    assert refuses(port, FLOATING.ip)
    assert get(fixed) == (200, "shop")

    def role(active, load_balancer="edge"):
        return node.proxy.request("PUT", "/v1/role", {"load_balancer": load_balancer, "active": active})

    for _turn in range(2):
        assert role(True) == {"bound": True, "problems": []}
        assert get(port, address=FLOATING.ip) == (200, "shop")
        assert node.proxy.status()["load_balancers"] == {"edge": {"active": True}}
        node.load(*things)  # a new generation leaves it bound
        assert get(port, address=FLOATING.ip) == (200, "shop")
        assert role(False) == {"bound": True, "problems": []}
        assert refuses(port, FLOATING.ip)
    with occupied(port, FLOATING.ip) as holder:
        answer = role(True)
        assert answer["bound"] is False
        assert f"(process {holder})" in answer["problems"][0]
        assert get(fixed) == (200, "shop")
        node.load(*things)  # it may be the other node, which is just leaving: no reason to refuse
    until(lambda: role(True)["bound"], 1.0)
    assert get(port, address=FLOATING.ip) == (200, "shop")
    for wrong in ({}, {"load_balancer": "edge"}, {"load_balancer": 1, "active": True}, {"load_balancer": "edge", "active": "no"}):
        with pytest.raises(Refused, match="a role is"):
            node.proxy.request("PUT", "/v1/role", wrong)
    assert get(port, address=FLOATING.ip) == (200, "shop")


def test_a_port_that_another_program_holds_is_told_before_the_node_is_active(node, shops):
    """At a first run nobody is active yet, and nobody could connect once somebody is."""
    node.start_proxy()
    port = free_port()
    things = [FLOATING, pair(7694), backend(shops()), frontend(port, addresses=())]
    with occupied(port, FLOATING.ip) as holder:
        answer = node.load(*things)
        view = node.proxy.status()["frontends"]["edge/web"]
        assert view["listening"] == []
        assert answer["problems"] == view["problems"]
        (problem,) = view["problems"]
        assert problem.startswith(f'frontend "edge/web": port {port} on {FLOATING.ip} is taken by ')
        assert f"(process {holder})" in problem
    assert node.load(*things)["problems"] == []
    assert node.proxy.status()["frontends"]["edge/web"]["problems"] == []


def test_what_the_active_node_on_the_same_machine_holds_is_no_problem_of_the_standby_one(nodes, shops):
    active, standby = nodes("lb-a"), nodes("lb-b")
    port, shop = free_port(), shops()
    for node in (active, standby):
        node.start_proxy()
    things = [FLOATING, pair(7694), backend(shop), frontend(port, addresses=())]
    active.load(*things)
    assert active.proxy.request("PUT", "/v1/role", {"load_balancer": "edge", "active": True}) == {"bound": True, "problems": []}
    assert standby.load(*things)["problems"] == []
    assert standby.proxy.status()["frontends"]["edge/web"]["problems"] == []
    assert get(port, address=FLOATING.ip) == (200, "shop")


def test_a_disabled_frontend_stops_listening_and_listens_again_when_enabled(serving):
    node, port, shop = serving
    kept = http.client.HTTPConnection(ADDRESS, port, timeout=5)
    for enabled in (False, True, False, True):
        node.load(backend(shop), frontend(port, enabled=enabled))
        assert refuses(port) is not enabled
        view = node.proxy.status()["frontends"]["edge/web"]
        assert (view["enabled"], bool(view["listening"])) == (enabled, enabled)
    kept.request("GET", "/")
    assert kept.getresponse().read() == b"shop"
    kept.close()


def test_a_frontend_goes_from_every_address_to_one_and_back_without_turning_a_client_away(serving):
    node, port, shop = serving
    failed, done = [], threading.Event()

    def come():
        while not done.is_set():
            try:
                assert get(port) == (200, "shop")
            except Exception as error:  # noqa: BLE001 - shown below
                failed.append(repr(error))

    client = threading.Thread(target=come)
    client.start()
    for addresses in (("0.0.0.0",), (ADDRESS,), ("0.0.0.0",), (ADDRESS, "127.0.0.9")):
        node.load(backend(shop), frontend(port, addresses=addresses))
        assert sorted(node.proxy.status()["frontends"]["edge/web"]["listening"]) == sorted(f"{address}:{port}" for address in addresses)
        with socket.socket() as second, pytest.raises(OSError, match="in use"):
            second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            second.bind((ADDRESS, port))
            second.listen()
    done.set()
    client.join()
    # A listener that closes resets who waits in its queue: that one moment may hit a client, a port without a listener may not.
    assert [failure for failure in failed if "Refused" in failure] == []
    assert len(failed) <= 2, failed


def test_a_document_of_two_thousand_listeners_is_loaded_and_left(node, shops):
    node.start_proxy()
    ips = [FloatingIP(f"ip-{number}", f"127.0.77.{number}/8") for number in range(1, 41)]
    edge: LoadBalancer = dataclasses.replace(EDGE, floating_ips=tuple(ip.name for ip in ips))
    base = free_port(address="127.0.77.1")
    ports = [10_000 + (base + number) % 20_000 for number in range(50)]
    node.load(*ips, edge, backend(shops()), *(frontend(port, f"web-{port}", addresses=()) for port in ports))
    assert sum(len(view["listening"]) for view in node.proxy.status()["frontends"].values()) == 2000
    assert get(ports[-1], address="127.0.77.20") == (200, "shop")
    node.load()
    assert refuses(ports[-1], "127.0.77.20")
    descriptors = [
        os.readlink(f"/proc/{pid}/fd/{name}") for pid in (*children(node.processes[0].pid), node.processes[0].pid) for name in _open_of(pid)
    ]
    assert len(descriptors) < 60


def _open_of(pid):
    return [name for name in os.listdir(f"/proc/{pid}/fd") if os.path.lexists(f"/proc/{pid}/fd/{name}")]


def test_two_frontends_exchange_their_ports_and_no_client_notices(node, shops):
    one, two, ports = shops("one"), shops("two"), (free_port(), free_port())
    backends = backend(one, name="one"), backend(two, name="two")
    node.start_proxy(workers=2)
    for turn in range(4):
        first, second = ports[turn % 2], ports[(turn + 1) % 2]
        node.load(*backends, frontend(first, "a", backend="one"), frontend(second, "b", backend="two"))
        if turn == 0:
            kept = http.client.HTTPConnection(ADDRESS, first, timeout=5)
            before = node.proxy.status()["workers"]
        assert {get(first) for _request in range(8)} == {(200, "one")}
        assert {get(second) for _request in range(8)} == {(200, "two")}
        kept.request("GET", "/")
        assert kept.getresponse().read() == b"one"
    assert node.proxy.status()["workers"] == before
    kept.close()
