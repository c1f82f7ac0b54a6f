"""The supervisor as a real process: what it refuses and what then stays, how workers and it itself end, servers and readiness."""

from __future__ import annotations

import dataclasses
import http.client
import os
import re
import signal
import threading
import time

import pytest

from tandem._client import Refused
from tandem._model import HealthCheck, Server
from tests.support.node import (
    ADDRESS,
    Watch,
    alive,
    backend,
    children,
    free_port,
    frontend,
    get,
    occupied,
    refuses,
    until,
)


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
        vain = HealthCheck(expect_body="x")
        yield lambda: node.write(backend(shop, check=vain), *known[1:]), ["health_check.expect_body", '"x"', "type tcp", "sees no body"]
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


def test_a_broken_document_at_the_start_makes_the_proxy_not_ready_until_one_is_loaded(node, shops):
    node.paths.desired.write_text('{"schema": 7}')
    node.start_proxy()
    status = node.proxy.status()
    assert (status["ready"], status["generation"]) == (False, 0)
    assert "schema" in status["failure"]
    watch = Watch(node)
    node.paths.desired.unlink()
    node.load(backend(shops()), frontend(free_port()))
    watch.until(lambda: watch.said() == [False, True], 0.9)
    assert node.proxy.status()["failure"] == ""
    watch.close()


def test_a_killed_worker_is_replaced_and_clients_that_come_meanwhile_are_served(serving):
    node, port, _shop = serving
    watch = Watch(node)
    watch.until(lambda: watch.lines)
    for _turn in range(2):
        (worker,) = [view["pid"] for view in node.proxy.status()["workers"]]
        watch.lines.clear()
        os.kill(worker, signal.SIGKILL)
        watch.until(lambda: False in watch.said())  # none is left, and the listener goes on listening
        assert get(port) == (200, "shop")
        watch.until(lambda: watch.said()[-1])
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
    watch.until(lambda: watch.lines)
    workers = children(process.pid)
    assert len(workers) == 2
    process.kill()
    until(lambda: not any(alive(worker) for worker in workers) and refuses(port), 2.0)
    watch.until(lambda: watch.ended is not None, 1.0)
    watch.close()


def test_sigterm_lets_requests_finish_and_is_told_to_watchers_at_once(serving):
    node, port, shop = serving
    watch = Watch(node)
    watch.until(lambda: watch.lines)
    answers = []
    client = threading.Thread(target=lambda: answers.append(get(port, "/slow")))
    client.start()
    assert shop.asked.wait(5)
    began = time.monotonic() - watch.began
    node.processes[0].terminate()
    watch.until(lambda: watch.said() == [True, False])
    assert watch.lines[-1][0] - began < 0.5
    until(lambda: refuses(port))
    assert (answers, watch.ended, node.processes[0].poll()) == ([], None, None)
    shop.released.set()
    client.join(5)
    assert answers == [(200, "shop")]
    assert node.processes[0].wait(5) == 0
    watch.until(lambda: watch.ended is not None)
    assert not node.paths.proxy_socket.exists()
    watch.close()


def test_readiness_is_told_at_once_and_then_every_second(serving):
    node, _port, _shop = serving
    watch = Watch(node)
    watch.until(lambda: len(watch.lines) == 3)
    times = [when for when, _ready in watch.lines]
    assert times[0] < 0.3
    assert 0.9 < times[1] - times[0] < 1.5
    assert 0.9 < times[2] - times[1] < 1.5
    watch.close()


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


def test_a_second_proxy_of_the_same_prefix_is_refused_and_the_first_goes_on(serving):
    node, port, _shop = serving
    second = node.run("proxy")
    assert second.returncode == 1
    assert re.fullmatch(r"error: .*proxy\.sock: another process answers there already; stop it first .*\n", second.stderr)
    assert get(port) == (200, "shop")
