"""Server states in the supervisor: who is told, what is kept across restarts and documents, and what is refused."""

from __future__ import annotations

import http.client
import json
import os
import signal

import pytest

from tandem._client import Refused
from tandem._model import HealthCheck, Server
from tests.support.node import ADDRESS, EDGE, Node, alive, backend, children, document_of, free_port, frontend, get, until

QUICK = HealthCheck(interval_ms=200, timeout_ms=150, fast_interval_ms=50)
HOURLY = HealthCheck(interval_ms=3_600_000, fast_interval_ms=3_600_000, timeout_ms=1000)


def put(node, name="s1", **given):
    return node.proxy.request("PUT", "/v1/server", {"load_balancer": "edge", "backend": "shop", "name": name, "by": "anna", **given})


def look(node, name="s1"):
    return node.proxy.request("POST", "/v1/server", {"load_balancer": "edge", "backend": "shop", "name": name})


def answered(port, count=6):
    return {get(port)[1] for _turn in range(count)}


@pytest.fixture
def two(node, shops):
    """A proxy of two workers with two shops: (node, port, what it holds)."""
    port = free_port()
    things = [backend(shops("one"), shops("two")), frontend(port)]
    node.start_proxy(workers=2)
    node.load(*things)
    return node, port, things


def test_a_state_is_in_force_in_every_worker_when_the_answer_comes_and_tells_who_set_it(two):
    node, port, _things = two
    view = put(node, state="drain")
    assert (view["changed"], view["admin_state"], view["drain_sticky"], view["set_by"], view["sessions"], view["drained"]) == (
        True,
        "drain",
        "keep",
        "anna",
        0,
        True,
    )
    assert answered(port, 20) == {"two"}
    assert put(node, state="drain", by="ben")["changed"] is False
    shown = node.proxy.status()["backends"]["edge/shop"]["servers"]
    assert (shown["s1"]["admin_state"], shown["s1"]["set_by"]) == ("drain", "anna")
    assert shown["s1"]["set_since_ms"] < 60_000
    assert shown["s2"]["admin_state"] == "ready"
    assert put(node, state="ready")["changed"] is True
    assert answered(port, 20) == {"one", "two"}
    assert "server edge/shop/s1 is set to ready by anna" in node.log.read_text()


def test_a_server_is_drained_once_nobody_is_at_it(two, shops):
    node, port, _things = two
    slow = shops("slow")
    node.load(backend(slow), frontend(port))
    client = _asking(port)
    assert slow.asked.wait(5)
    view = put(node, state="maint")
    assert (view["sessions"], view["drained"]) == (1, False)
    slow.released.set()
    until(lambda: look(node)["drained"])
    assert client.getresponse().read() == b"slow"
    client.close()


def _asking(port):
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=10)
    connection.request("GET", "/slow")
    return connection


def test_states_outlive_the_service_and_a_worker_and_the_file_is_as_the_reference_says(two):
    node, port, _things = two
    put(node, state="drain", drain_sticky="move")
    file = node.paths.states
    assert file.stat().st_mode & 0o777 == 0o640
    stored = json.loads(file.read_text())["servers"]["edge/shop"]["s1"]
    assert (stored["state"], stored["drain_sticky"], stored["by"]) == ("drain", "move", "anna")

    supervisor = node.processes[0]
    for worker in children(supervisor.pid):
        os.kill(worker, signal.SIGKILL)
        until(lambda worker=worker: worker not in children(supervisor.pid) and len(children(supervisor.pid)) == 2)
    until(lambda: node.proxy.status()["ready"])
    until(lambda: not _fails(port))
    assert answered(port, 20) == {"two"}

    supervisor.terminate()
    supervisor.wait(20)
    node.log.unlink()
    node.start_proxy(workers=2)
    assert answered(port, 20) == {"two"}
    view = look(node)
    assert (view["admin_state"], view["drain_sticky"], view["set_by"]) == ("drain", "move", "anna")
    assert alive(node.processes[1].pid)


def _fails(port):
    try:
        return get(port)[0] != 200
    except OSError:
        return True


def test_a_new_document_never_touches_states_and_a_server_that_goes_and_comes_back_is_ready(two):
    node, port, things = two
    put(node, state="drain")
    both = things[0]
    digest = node.proxy.status()["digest"]
    node.load(backend(*both.servers, max_retries=1), frontend(port))
    assert answered(port) == {"two"}
    loaded = node.load(*things)
    assert loaded["digest"] == digest == document_of(EDGE, *things).digest
    assert answered(port) == {"two"}
    node.load(backend(both.servers[1]), frontend(port))
    assert json.loads(node.paths.states.read_text())["servers"] == {}
    node.load(*things)
    assert answered(port) == {"one", "two"}
    assert look(node)["admin_state"] == "ready"


def test_a_document_that_is_refused_leaves_the_states_as_they_are(two):
    node, port, things = two
    put(node, state="maint")
    only_two = backend(things[0].servers[1], check=HealthCheck(expect_body="x"))
    with pytest.raises(Refused):
        node.load(only_two, frontend(port))
    assert look(node)["admin_state"] == "maint"
    assert answered(port) == {"two"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"load_balancer": "shop"}, ['load_balancer is "shop"', 'known are "edge"']),
        ({"backend": "shops"}, ['backend is "shops"', 'known are "shop"', "State it first"]),
        ({"name": "s9"}, ['name is "s9"', 'known are "s1", "s2"']),
        ({"name": None}, ["name is not given"]),
        ({"state": "down"}, ["a state is one of ready, drain, maint"]),
        ({"state": ["drain"]}, ["a state is one of ready, drain, maint"]),
        ({"by": 7}, ["a text"]),
        ({"state": "maint", "drain_sticky": "move"}, ["drain_sticky", "Leave it out, or give state: drain."]),
    ],
)
def test_what_cannot_be_set_is_refused_with_what_there_is_and_changes_nothing(two, given, words):
    node, port, _things = two
    with pytest.raises(Refused) as refused:
        put(node, **{"state": "drain", **given})
    assert all(word in str(refused.value) for word in words), refused.value
    assert not node.paths.states.exists()
    assert answered(port) == {"one", "two"}


def test_a_state_that_cannot_be_kept_is_refused_and_not_in_force(two):
    node, port, _things = two
    node.paths.states.mkdir(parents=True)  # a folder where a file should be
    with pytest.raises(Refused, match="cannot write it"):
        put(node, state="maint")
    assert answered(port) == {"one", "two"}
    assert look(node)["admin_state"] == "ready"


@pytest.mark.parametrize("content", ["{", '{"schema": 2, "servers": {}}', '{"schema": 1, "servers": {"edge/shop": {"s1": {"state": "gone"}}}}', "[]"])
def test_a_file_that_cannot_be_understood_is_no_reason_not_to_serve(node: Node, shops, content):
    port = free_port()
    node.write(backend(shops("one")), frontend(port))
    node.paths.state.mkdir(parents=True)
    node.paths.states.write_text(content)
    node.start_proxy()
    assert answered(port, 1) == {"one"}
    assert "the states of servers are not used" in node.log.read_text()
    assert put(node, state="drain")["changed"] is True


def test_a_server_that_is_made_ready_is_looked_at_first_and_what_is_found_decides_alone(node, shops):
    """Its next regular check comes in an hour: what is known of it would be of a life before."""
    port, gone = free_port(), shops("gone")
    node.start_proxy()
    node.load(backend(gone, shops("two"), check=HOURLY), frontend(port))
    assert answered(port) == {"gone", "two"}
    put(node, state="drain")
    gone.close()
    assert look(node)["state"] == "up"
    view = put(node, state="ready")
    assert (view["admin_state"], view["state"]) == ("ready", "down")
    assert answered(port) == {"two"}

    put(node, state="maint")
    back = backend(Server("s1", ADDRESS, shops("again").port), Server("s2", ADDRESS, gone.port), check=HOURLY)
    node.load(back, frontend(port))
    view = put(node, state="ready")
    assert (view["admin_state"], view["state"]) == ("ready", "up")
    assert answered(port) == {"again"}


def test_checks_go_on_in_maintenance_and_a_server_that_is_down_is_drained_at_once(node, shops):
    port, one = free_port(), shops("one")
    node.start_proxy()
    node.load(backend(one, check=QUICK), frontend(port))
    until(lambda: look(node)["state"] == "up")
    client = _asking(port)
    assert one.asked.wait(5)
    assert put(node, state="maint")["drained"] is False
    one.socket.close()  # it listens no more, and still has its one client
    until(lambda: look(node)["state"] == "down")
    view = look(node)
    assert (view["sessions"], view["drained"]) == (1, True)
    one.released.set()
    client.close()
