"""Pure: one load balancer on this node at a glance, as the page shows it: who is active, what listens, which servers are up, how they have fared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Optional

from .families import View, Views, of, takes_clients
from .history import STEP_S, History
from .problems import has_another_document, problems

_EVENTS_MAX = 20


def overview(load_balancer: str, views: Views, history: History, events: Iterable[Mapping[str, str]], document_digest: str) -> dict[str, Any]:
    """The answer to ``GET /v1/overview``. Times in it are seconds since 1970, or milliseconds ago."""
    proxy, election = views.proxy, (views.keepalive or {}).get("load_balancers", {}).get(load_balancer)
    return {
        "schema": 1,
        "time_s": int(views.wall_s),
        "step_s": STEP_S,
        "load_balancer": load_balancer,
        "node": views.node,
        "version": proxy["version"],
        "generation": proxy["generation"],
        "ready": proxy["ready"],
        "problems": _problems(load_balancer, views, document_digest),
        "nodes": _nodes(election, document_digest),
        "floating_ips": [{**one} for one in election["floating_ips"]] if election else [],
        "frontends": [_frontend(load_balancer, name, view, history) for name, view in of(load_balancer, proxy["frontends"])],
        "backends": [_backend(load_balancer, name, view, history) for name, view in of(load_balancer, proxy["backends"])],
        "certificates": _certificates(load_balancer, proxy),
        "events": _events(load_balancer, events),
    }


def _problems(load_balancer: str, views: Views, digest: str) -> list[str]:
    """Those of this load balancer, and of the services."""

    def own(objects: Mapping[str, Any], prefix: str) -> dict[str, Any]:
        return {key: view for key, view in objects.items() if key.startswith(prefix) or key == load_balancer}

    proxy = {**views.proxy, **{kind: own(views.proxy.get(kind, {}), f"{load_balancer}/") for kind in ("frontends", "backends", "observe")}}
    keepalive = None
    if views.keepalive is not None:
        keepalive = {**views.keepalive, "load_balancers": own(views.keepalive["load_balancers"], f"{load_balancer}/")}
    found = [] if keepalive else ["keepalive does not answer: nobody looks after the floating IPs on this node"]
    return found + problems(proxy, keepalive, None, digest)


def _nodes(election: Optional[View], digest: str) -> list[dict[str, Any]]:
    """This node first, then its peers as it hears them."""
    if election is None:
        return []
    own = {"name": election["node"], "role": election["role"], "state": election["state"], "since_ms": election["since_ms"], "here": True}
    nodes: list[dict[str, Any]] = [{**own, "reason": election["reason"], "heard_ms": None, "other_document": False}]
    for name, peer in sorted(election["peers"].items()):
        said = {"state": peer["state"], "heard_ms": peer["last_heard_ms"], "other_document": has_another_document(peer, digest)}
        nodes.append({"name": name, "role": "", "since_ms": None, "here": False, "reason": "", **said})
    return nodes


def _frontend(load_balancer: str, name: str, view: View, history: History) -> dict[str, Any]:
    series = f"frontend/{load_balancer}/{name}"
    return {
        "name": name,
        "enabled": view["enabled"],
        "listening": view["listening"],
        "problems": view["problems"],
        "connections": view.get("connections", 0),
        "requests": view.get("requests", 0),
        "history": {what: history.of(f"{series}/{what}") for what in ("rate", "errors")},
    }


def _backend(load_balancer: str, name: str, view: View, history: History) -> dict[str, Any]:
    key = f"{load_balancer}/{name}"
    return {
        "name": name,
        "sessions": view.get("sessions", 0),
        "queue": view.get("queue", 0),
        "usable": sum(takes_clients(server) for server in view["servers"].values()),
        "history": {what: history.of(f"backend/{key}/{what}") for what in ("p50_ms", "p95_ms")},
        "servers": [_server(f"server/{key}/{server}", server, shown, history) for server, shown in view["servers"].items()],
    }


def _server(series: str, name: str, view: View, history: History) -> dict[str, Any]:
    shown = {what: view.get(what) for what in ("address", "weight", "state", "since_ms", "last_check", "admin_state", "set_by", "sessions")}
    return {"name": name, **shown, "history": {what: history.of(f"{series}/{what}") for what in ("rate", "errors")}}


def _certificates(load_balancer: str, proxy: View) -> list[dict[str, Any]]:
    """Who ends first stands first."""
    found = [{"name": name, **view} for name, view in of(load_balancer, proxy.get("certificates", {}))]
    return sorted(found, key=lambda one: (one["not_after_s"], one["name"]))


def _events(load_balancer: str, events: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """The last ones, the newest first: of this load balancer, and of no other."""
    about = [dict(one) for one in events if not one["about"] or one["about"].partition("/")[0] in (load_balancer, "proxy", "keepalive")]
    return about[::-1][:_EVENTS_MAX]
