"""The supervisor as a real process: what it refuses and what then stays, how workers and it itself end, roles, listeners and readiness."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import os
import re
import signal
import socket
import threading
import time

import pytest

from tandem._client import Refused
from tandem._model import FloatingIP, HealthCheck, LoadBalancer, Server
from tests.support.node import (
    ADDRESS,
    EDGE,
    FLOATING,
    Watch,
    alive,
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


@pytest.fixture
def serving(node, shops):
    """A proxy with one shop behind one frontend: (node, port, shop)."""
    shop, port = shops(), free_port()
    node.start_proxy()
    node.load(backend(shop), frontend(port))
    return node, port, shop


def broken(node, text):
    node.paths.desired.write_text(text)
    return node.generation


def refusals(node, port, shop):
    """How a load can fail: name, what is done to the disk (it returns the generation to ask for), what the error must say."""
    with occupied(port) as holder:
        known = [backend(shop), frontend(free_port(), "new")]
        yield (
            lambda: node.write(*known, frontend(port, "taken")),
            [f'frontend "edge/taken": port {port} on {ADDRESS} is taken', f"(process {holder})", "Give another port"],
        )
        slow = HealthCheck(timeout_ms=5000, interval_ms=1000)
        yield lambda: node.write(backend(shop, check=slow), *known[1:]), ["health_check.timeout", '"5s"', "health_check.interval (1s)"]
        yield lambda: node.write(*known) + 1, [f"generation {node.generation + 2} was asked for", f"holds {node.generation + 1}"]
        yield lambda: broken(node, "{"), [str(node.paths.desired), "not JSON", "history"]
        yield lambda: broken(node, "[" * 200_000), [str(node.paths.desired), "not JSON", "history"]
        yield lambda: broken(node, '{"schema": 1, "generation": 2, "objects": []}'), ["objects", "kinds"]


def test_after_any_refusal_the_former_document_its_listeners_and_its_traffic_stay_in_force(serving):
    node, port, shop = serving
    before = node.proxy.status()
    kept = http.client.HTTPConnection(ADDRESS, port, timeout=5)
    kept.connect()
    original = kept.sock
    for number, (spoil, words) in enumerate(refusals(node, free_port(), shop)):
        generation = spoil()
        with pytest.raises(Refused) as refused:
            node.proxy.load(generation)
        assert [word for word in words if word not in str(refused.value)] == [], str(refused.value)
        kept.request("GET", f"/{number}")
        assert kept.getresponse().read() == b"shop"
        status = node.proxy.status()
        assert {key: status[key] for key in ("generation", "digest", "ready", "failure")} == {
            key: before[key] for key in ("generation", "digest", "ready", "failure")
        }
        assert {key: view["listening"] for key, view in status["frontends"].items()} == {"edge/web": [f"{ADDRESS}:{port}"]}
        assert status["frontends"]["edge/web"]["problems"] == []
        assert status["workers"] == before["workers"]
    assert kept.sock is original
    kept.close()


def test_the_first_document_can_be_refused_and_nothing_put_back(node, shops):
    node.start_proxy()
    port = free_port()
    with occupied(port), pytest.raises(Refused, match="is taken"):
        node.load(backend(shops()), frontend(port))
    node.paths.desired.unlink()
    assert node.proxy.load(0)["generation"] == 0
    status = node.proxy.status()
    assert (status["generation"], status["ready"], status["failure"], status["frontends"]) == (0, True, "", {})
    node.load(backend(shops("two")), frontend(port))
    assert get(port) == (200, "two")


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


def test_a_broken_document_at_the_start_makes_the_proxy_not_ready_until_one_is_loaded(node, shops):
    node.paths.desired.write_text('{"schema": 7}')
    node.start_proxy()
    status = node.proxy.status()
    assert (status["ready"], status["generation"]) == (False, 0)
    assert "schema" in status["failure"]
    watch = Watch(node)
    node.paths.desired.unlink()
    node.load(backend(shops()), frontend(free_port()))
    until(lambda: watch.said() == [False, True], 0.9)
    assert node.proxy.status()["failure"] == ""
    watch.close()


def test_a_killed_worker_is_replaced_and_clients_that_come_meanwhile_are_served(serving):
    node, port, _shop = serving
    watch = Watch(node)
    until(lambda: watch.lines)
    for _turn in range(2):
        (worker,) = [view["pid"] for view in node.proxy.status()["workers"]]
        watch.lines.clear()
        os.kill(worker, signal.SIGKILL)
        until(lambda: False in watch.said())  # none is left, and the listener goes on listening
        assert get(port) == (200, "shop")
        until(lambda: watch.said()[-1])
        assert not alive(worker)
    assert len(node.proxy.status()["workers"]) == 1
    node.load(backend(_shop, max_retries=1), frontend(port))
    assert get(port) == (200, "shop")
    watch.close()


def test_with_another_worker_alive_a_killed_one_costs_no_request(node, shops):
    port = free_port()
    node.start_proxy(workers=2)
    node.load(backend(shops()), frontend(port))
    watch = Watch(node)
    first, second = [view["pid"] for view in node.proxy.status()["workers"]]
    os.kill(first, signal.SIGKILL)
    for _request in range(100):
        assert get(port) == (200, "shop")
    until(lambda: len(node.proxy.status()["workers"]) == 2)
    assert second in [view["pid"] for view in node.proxy.status()["workers"]]
    assert watch.said() == [True]
    watch.close()


def test_when_the_supervisor_is_killed_no_worker_and_no_listener_stays(node, shops):
    port = free_port()
    process = node.start_proxy(workers=2)
    node.load(backend(shops()), frontend(port))
    watch = Watch(node)
    until(lambda: watch.lines)
    workers = children(process.pid)
    assert len(workers) == 2
    process.kill()
    until(lambda: not any(alive(worker) for worker in workers) and refuses(port), 2.0)
    until(lambda: watch.ended is not None, 1.0)
    watch.close()


def test_sigterm_lets_requests_finish_and_is_told_to_watchers_at_once(serving):
    node, port, shop = serving
    watch = Watch(node)
    until(lambda: watch.lines)
    answers = []
    client = threading.Thread(target=lambda: answers.append(get(port, "/slow")))
    client.start()
    assert shop.asked.wait(5)
    began = time.monotonic() - watch.began
    node.processes[0].terminate()
    until(lambda: watch.said() == [True, False])
    assert watch.lines[-1][0] - began < 0.5
    until(lambda: refuses(port))
    assert (answers, watch.ended, node.processes[0].poll()) == ([], None, None)
    shop.released.set()
    client.join(5)
    assert answers == [(200, "shop")]
    assert node.processes[0].wait(5) == 0
    until(lambda: watch.ended is not None)
    assert not node.paths.proxy_socket.exists()
    watch.close()


def test_readiness_is_told_at_once_and_then_every_second(serving):
    node, _port, _shop = serving
    watch = Watch(node)
    until(lambda: len(watch.lines) == 3)
    times = [when for when, _ready in watch.lines]
    assert times[0] < 0.3
    assert 0.9 < times[1] - times[0] < 1.5
    assert 0.9 < times[2] - times[1] < 1.5
    watch.close()


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


def test_servers_are_looked_at_before_a_change_begins_and_no_change_of_checks_or_addresses_costs_a_request(node, shops):
    """With an hour between checks, whoever serves at once has been looked at before."""
    one, two, port = shops("one"), shops("two"), free_port()
    hourly = HealthCheck(interval_ms=3_600_000)
    http_check = dataclasses.replace(hourly, type="http")
    moved = Server("s1", ADDRESS, two.port)
    node.start_proxy()
    steps = [
        ("a new server", backend(one, check=hourly), {"one"}),
        ("a second one", backend(one, two, check=hourly), {"one", "two"}),
        ("one that moves", backend(moved, check=hourly), {"two"}),
        ("no checks", backend(one), {"one"}),
        ("checks again", backend(one, check=hourly), {"one"}),
        ("of another kind", backend(one, check=http_check), {"one"}),
        ("no checks again", backend(two), {"two"}),
        ("checks at last", backend(two, check=http_check), {"two"}),
    ]
    for name, shop, expected in steps:
        node.load(shop, frontend(port))
        answers = {get(port) for _request in range(4)}
        assert answers == {(200, body) for body in expected}, name
    dead = Server("s2", ADDRESS, free_port())
    node.load(backend(two, dead, check=hourly), frontend(port))
    states = {name: view["state"] for name, view in node.proxy.status()["backends"]["edge/shop"]["servers"].items()}
    assert states == {"s1": "up", "s2": "down"}
    assert {get(port) for _request in range(4)} == {(200, "two")}


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


def test_a_second_proxy_of_the_same_prefix_is_refused_and_the_first_goes_on(serving):
    node, port, _shop = serving
    second = node.run("proxy")
    assert second.returncode == 1
    assert re.fullmatch(r"error: .*proxy\.sock: another process answers there already; stop it first .*\n", second.stderr)
    assert get(port) == (200, "shop")


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
