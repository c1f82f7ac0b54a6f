"""Pure: the families of metrics that one load balancer's nodes show, made of the services' views of themselves and of what is declared in metrics/.

Label values are names of the document, and a few words: as many as it has objects, whatever clients do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Optional

from ..metrics.counters import BACKEND, CHECK, FRONTEND, SERVER, Metric
from ..metrics.latency import BUCKETS, LATENCY
from .exposition import Family, Labels

View = Mapping[str, Any]
_STATES = ("active", "standby", "fault")


@dataclass(frozen=True)
class Views:
    """What the services say of themselves: ``proxy`` and, where it answers, ``keepalive``; ``wall_s``: when, in seconds since 1970."""

    node: str
    proxy: View
    keepalive: Optional[View]
    wall_s: float


def families(load_balancer: str, views: Views) -> Iterator[Family]:
    """All metrics of one load balancer on this node, and of the services."""
    yield from _services(views)
    yield from _frontends(load_balancer, views.proxy)
    yield from _backends(load_balancer, views.proxy)
    yield from _servers(load_balancer, views.proxy)
    expiry = Family("tandem_certificate_expiry_timestamp_seconds", "gauge", "when a certificate ends, in seconds since 1970")
    for name, certificate in of(load_balancer, views.proxy.get("certificates", {})):
        expiry.add({"load_balancer": load_balancer, "certificate": name}, certificate["not_after_s"])
    yield expiry
    yield from _election(load_balancer, views)


def of(load_balancer: str, objects: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """(name, view) of the objects that belong to a load balancer, in order."""
    found = [key.partition("/")[::2] for key in sorted(objects)]
    return [(name, objects[f"{owner}/{name}"]) for owner, name in found if owner == load_balancer]


def _one(name: str, kind: str, text: str, value: Any, labels: Labels) -> Family:
    family = Family(name, kind, text)
    family.add(labels, value)
    return family


def _services(views: Views) -> Iterator[Family]:
    proxy = views.proxy
    acceleration = "none" if proxy["acceleration"].startswith("none") else proxy["acceleration"].partition(";")[0]
    labels = {"version": proxy["version"], "release": proxy["release"][:12], "acceleration": acceleration, "node": views.node}
    yield _one("tandem_build", "info", "what runs on this node", 1, labels)
    yield _one("tandem_generation", "gauge", "the generation of the document that the proxy uses", proxy["generation"], {})
    yield _one("tandem_ready", "gauge", "whether clients would be served here", int(proxy["ready"]), {})
    yield _one("tandem_workers", "gauge", "workers that run", len(proxy["workers"]), {})
    yield _one("tandem_keepalive_up", "gauge", "whether keepalive has answered", int(views.keepalive is not None), {})


def _declared(prefix: str, metrics: Iterable[Metric], views: Iterable[tuple[Labels, View]]) -> Iterator[Family]:
    """The families of declared metrics: those that share an exported name are one, told apart by the label ``class``."""
    shown = list(views)
    grouped: dict[str, list[Metric]] = {}
    for metric in metrics:
        grouped.setdefault(metric.exported or metric.name, []).append(metric)
    for name, members in grouped.items():
        text = "; ".join(f"{metric.label}: {metric.help}" if metric.label else metric.help for metric in members)
        family = Family(f"tandem_{prefix}_{name}", "counter" if members[0].kind == "counter" else "gauge", text)
        for labels, view in shown:
            for metric in members:
                if metric.name in view:
                    value = view[metric.name]
                    classed = {**labels, "class": metric.label} if metric.label else labels
                    family.add(classed, value if metric.per == 1 else value / metric.per)
        yield family


def _frontends(load_balancer: str, proxy: View) -> Iterator[Family]:
    views = [({"load_balancer": load_balancer, "frontend": name}, view) for name, view in of(load_balancer, proxy["frontends"])]
    listening = Family("tandem_frontend_listening", "gauge", "addresses at which the frontend listens on this node")
    problems = Family("tandem_frontend_problems", "gauge", "addresses at which it does not, and should, or could not if the node became active")
    for labels, view in views:
        listening.add(labels, len(view["listening"]))
        problems.add(labels, len(view["problems"]))
    yield from (listening, problems)
    yield from _declared("frontend", FRONTEND, views)


def _backends(load_balancer: str, proxy: View) -> Iterator[Family]:
    views = [({"load_balancer": load_balancer, "backend": name}, view) for name, view in of(load_balancer, proxy["backends"])]
    usable = Family("tandem_backend_usable_servers", "gauge", "servers that are up and take new clients")
    for labels, view in views:
        usable.add(labels, sum(takes_clients(server) for server in view["servers"].values()))
    yield usable
    yield from _declared("backend", BACKEND, views)
    for part in LATENCY:
        family = Family(f"tandem_backend_{part.name}_seconds", "histogram", part.help)
        for labels, view in views:
            if part.name in view.get("latency", {}):
                _histogram(family, labels, view["latency"][part.name])
        yield family


def _histogram(family: Family, labels: Labels, shown: View) -> None:
    total = 0
    for bound in BUCKETS:
        total += shown["counts"].get(bound, 0)
        family.add({**labels, "le": bound}, total, "_bucket")
    family.add(labels, total, "_count")
    family.add(labels, shown["sum_us"] / 1_000_000, "_sum")


def _servers(load_balancer: str, proxy: View) -> Iterator[Family]:
    views = [
        ({"load_balancer": load_balancer, "backend": name, "server": server}, view)
        for name, backend in of(load_balancer, proxy["backends"])
        for server, view in backend["servers"].items()
    ]
    up = Family("tandem_server_up", "gauge", "whether its health checks say that the server is up")
    ready = Family("tandem_server_ready", "gauge", "whether no operator has drained it, or set it to maintenance")
    weight = Family("tandem_server_weight", "gauge", "its weight")
    for labels, view in views:
        up.add(labels, int(view["state"] == "up"))
        ready.add(labels, int(view["admin_state"] == "ready"))
        weight.add(labels, view["weight"])
    yield from (up, ready, weight)
    yield from _declared("server", (*SERVER, *CHECK), views)


def takes_clients(server: View) -> bool:
    """Whether new clients go to a server."""
    return bool(server["state"] == "up" and server["admin_state"] == "ready" and server["weight"])


def _election(load_balancer: str, views: Views) -> Iterator[Family]:
    view = (views.keepalive or {}).get("load_balancers", {}).get(load_balancer)
    if view is None:
        return
    labels = {"load_balancer": load_balancer, "node": views.node}
    state = Family("tandem_node_state", "gauge", "1 for what this node is doing")
    for word in _STATES:
        state.add({**labels, "state": word}, int(view["state"] == word))
    yield state
    yield _one("tandem_node_priority", "gauge", "this node's priority in the election", view["priority"], labels)
    yield _one("tandem_node_transitions", "counter", "changes of this node's state", view["transitions"], labels)
    conflicts = Family("tandem_node_conflicts", "counter", "times in which another node was active too")
    if view.get("conflicts"):  # a keepalive of an earlier release does not count them
        conflicts.add(labels, view["conflicts"]["count"])
    yield conflicts
    heard = Family("tandem_peer_last_heard_seconds", "gauge", "how long ago a peer was heard")
    jitter = Family("tandem_peer_heartbeat_jitter_seconds", "gauge", "how irregular the heartbeats of a peer come (RFC 3550 6.4.1)")
    same = Family("tandem_peer_same_document", "gauge", "whether a peer that says which document it has, has the same")
    for name, peer in sorted(view["peers"].items()):
        of_peer = {**labels, "peer": name}
        if peer["last_heard_ms"] is not None:
            heard.add(of_peer, peer["last_heard_ms"] / 1000)
        if peer.get("jitter_us") is not None:
            jitter.add(of_peer, peer["jitter_us"] / 1_000_000)
        if peer["digest"]:
            same.add(of_peer, int(views.proxy["digest"].startswith(peer["digest"])))
    held = Family("tandem_floating_ip_held", "gauge", "whether a floating IP is on this node")
    for one in view["floating_ips"]:
        held.add({**labels, "floating_ip": one["name"], "address": one["address"]}, int(one["held"]))
    yield from (heard, jitter, same, held)
