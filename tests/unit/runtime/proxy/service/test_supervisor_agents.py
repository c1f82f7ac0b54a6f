"""Agents in the supervisor: what one says is in force in every worker, shown, and comes beside what checks and operators say."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from tandem._model import AgentCheck, HealthCheck
from tests.support.node import ADDRESS, backend, free_port, frontend, get, until


class Agent:
    """Says ``line`` to everybody."""

    def __init__(self, line):
        self.line = line
        self._listener = socket.create_server((ADDRESS, 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                with self._listener.accept()[0] as client:
                    client.sendall(self.line.encode() + b"\n")

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def agent():
    made = Agent("up ready 100%")
    yield made
    made.close()


def test_what_an_agent_says_is_in_force_in_every_worker_and_shown(node, shops, agent):
    port = free_port()
    check = HealthCheck(interval_ms=3_600_000, agent=AgentCheck(agent.port, interval_ms=50))
    node.start_proxy(workers=2)
    node.load(backend(shops("one"), check=check), frontend(port))

    def view():
        return node.proxy.status()["backends"]["edge/shop"]["servers"]["s1"]

    def serves(status):
        return all(get(port)[0] == status for _turn in range(6))

    assert serves(200)
    for line, state, status, shown in (
        ("down #no disk", "down", 503, "down (no disk) ready 100%"),
        ("up", "up", 200, "ready 100%"),
        ("maint", "up", 503, "maint 100%"),
        ("ready 50%", "up", 200, "ready 50%"),
        ("drain", "up", 503, "drain 50%"),
        ("ready 0%", "up", 503, "ready 0%"),
        ("100%", "up", 200, "ready 100%"),
    ):
        agent.line = line
        until(lambda shown=shown: view()["agent"] == shown)
        until(lambda status=status: serves(status))
        assert (view()["state"], view()["admin_state"]) == (state, "ready"), line
    assert node.run("servers").stdout.endswith("0 sessions; ready; its agent says ready 100%\n")
    # An operator's word holds whatever the agent says.
    named = {"load_balancer": "edge", "backend": "shop", "name": "s1", "by": "anna"}
    node.proxy.request("PUT", "/v1/server", {**named, "state": "maint"})
    agent.line = "ready 70%"
    until(lambda: view()["agent"] == "ready 70%")
    assert serves(503)
    node.proxy.request("PUT", "/v1/server", {**named, "state": "ready"})
    assert serves(200)
    # Without the agent there is nothing left of what it said.
    agent.line = "maint"
    until(lambda: serves(503))
    node.load(backend(shops("one"), check=HealthCheck(interval_ms=3_600_000)), frontend(port))
    assert serves(200)
    assert view()["agent"] == ""
    assert "the agent of server edge/shop/s1 says: down (no disk) ready 100%" in node.log.read_text()
