"""What the proxy says of itself: the document, joined with what is bound, what is known of servers and what workers count. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from ..._model import Backend, Document, HealthCheck, Server, endpoints
from ..._states import States, shown
from ...checks.agents import AgentView
from ...checks.health import Health
from ...tls.contexts import KeyPair
from .wanted import Place, wanted_listeners

_NO_AGENT = AgentView("", True)


@dataclass(frozen=True)
class Process:
    """The service itself, and the digest of what it runs, as of now."""

    version: str
    release: str
    pid: int
    ready: bool
    failure: str
    digest: str
    workers: tuple[int, ...]
    acceleration: str = ""  # as the workers say
    workers_stated: int = 0  # as this service was told when it was started
    observe: Mapping[str, Any] = field(default_factory=dict)  # where metrics are, by load balancer


@dataclass(frozen=True)
class Bound:
    """Where this node listens, and why it does not where it should, or could not if it became active. ``forwarding``: the same of frontends that the
    kernel serves, by their keys."""

    active: Collection[str]
    places: Collection[Place]
    problems: Mapping[Place, str]
    forwarding: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """What is known of servers, by backend's key and server's name: by their checks, by name servers, and by operators.
    ``now_s`` by the checks' clock, ``wall_s`` since 1970. ``agents``: what those have said that servers have, ``checks``: what was counted of those,
    ``certificates``: those in use, by key."""

    health: Mapping[tuple[str, str], Health]
    states: States
    now_s: float
    wall_s: float
    agents: Mapping[tuple[str, str], AgentView] = field(default_factory=dict)
    addresses: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # of servers by name that have one, by backend's key
    problems: Mapping[tuple[str, str], str] = field(default_factory=dict)  # with the names of servers
    checks: Mapping[tuple[str, str], Mapping[str, int]] = field(default_factory=dict)
    certificates: Mapping[str, KeyPair] = field(default_factory=dict)


def status(process: Process, document: Document, bound: Bound, known: Known, counters: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to ``GET /v1/status``."""
    return {
        "service": "proxy",
        "version": process.version,
        "release": process.release,
        "pid": process.pid,
        "generation": document.generation,
        "digest": process.digest,
        "ready": process.ready,
        "failure": process.failure,
        "acceleration": process.acceleration,
        "workers": [{"pid": pid} for pid in process.workers],
        "workers_stated": process.workers_stated,
        "load_balancers": {name: {"active": name in bound.active} for name in document.load_balancers},
        "observe": dict(process.observe),
        "certificates": {key: {"names": list(pair.names), "not_after_s": int(pair.not_after)} for key, pair in known.certificates.items()},
        "frontends": _frontends(document, bound, counters.get("frontends", {})),
        "backends": {key: _backend(backend, known, counters.get("backends", {}).get(key, {})) for key, backend in document.backends.items()},
    }


def _frontends(document: Document, bound: Bound, counters: Mapping[str, Any]) -> dict[str, Any]:
    views: dict[str, Any] = {
        key: {"enabled": frontend.enabled, "listening": [], "problems": [], **counters.get(key, {})} for key, frontend in document.frontends.items()
    }
    for key, problem in bound.forwarding.items():
        views[key]["problems"].append(problem)
    for want in wanted_listeners(document, document.load_balancers):  # once for all: there may be thousands
        if want.place in bound.places:
            views[want.frontend]["listening"].append(want.endpoint)
        if want.place in bound.problems:
            views[want.frontend]["problems"].append(bound.problems[want.place])
    return views


def _backend(backend: Backend, known: Known, counters: Mapping[str, Any]) -> dict[str, Any]:
    counted = counters.get("servers", {})
    return {**counters, "servers": {server.name: server_view(backend, server, known, counted.get(server.name, {})) for server in backend.members}}


def server_view(backend: Backend, server: Server, known: Known, counters: Mapping[str, Any]) -> dict[str, Any]:
    """One server: ``state`` is what its checks and its agent say, ``admin_state`` what an operator has."""
    key = (backend.key, server.name)
    address = known.addresses.get(backend.key, {}).get(server.name, server.address)
    place = endpoints([address], server.port or backend.port)[0]
    health = health_view(known.health.get(key, Health()), backend.health_check, known.now_s, is_anywhere=address != server.host)
    by_name = {"host": server.host, "address_problem": known.problems.get(key, "")} if server.host else {}
    agent = known.agents.get(key, _NO_AGENT)
    if not agent.up:
        health["state"] = "down"
    said = shown(known.states.get(key), known.wall_s)
    return {"address": place, **by_name, "weight": server.weight, **health, "agent": agent.words, **said, **known.checks.get(key, {}), **counters}


def servers_ready(document: Document, health: Mapping[tuple[str, str], Health]) -> bool:
    """Whether every server has been checked, and no backend is without one that is up. A node that returns takes over from an active one only then:
    before, it would answer with 503 where the other one does not."""
    for key, backend in document.backends.items():
        if backend.health_check.type == "none" or not backend.servers:
            continue
        up = [health.get((key, server.name), Health()).up for server in backend.members]
        if None in up or True not in up:
            return False
    return True


def health_view(health: Health, check: HealthCheck, now_s: float, *, is_anywhere: bool = True) -> dict[str, Optional[object]]:
    """How status shows what is known of a server. ``is_anywhere``: it has an address."""
    if check.type == "none" and is_anywhere:
        return {"state": "up", "since_ms": None, "last_check": "not checked"}
    return {"state": health.state, "since_ms": int((now_s - health.since_s) * 1000) if health.since_s else None, "last_check": health.last}
