"""Pure: what is not as it should be on a node, in sentences, from both services' views: the command line and the page say the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from .._model import duration_text

View = Mapping[str, Any]


def problems(proxy: Optional[View], keepalive: Optional[View], generation: Optional[int], digest: Optional[str]) -> list[str]:
    """``generation`` and ``digest``: of the document on disk, where it could be read."""
    found = []
    for service, view in (("proxy", proxy), ("keepalive", keepalive)):
        if view is None:
            continue
        if view.get("failure"):
            found.append(f"{service}: {view['failure']}")
        if generation is not None and view["generation"] != generation:
            found.append(f"{service} runs generation {view['generation']}, but generation {generation} is on disk")
    found += _of_proxy(proxy or {})
    for name, view in (keepalive or {}).get("load_balancers", {}).items():
        found += [f'load balancer "{name}": {problem}' for problem in _of_election(view, digest)]
    return found


def _of_proxy(proxy: View) -> list[str]:
    found: list[str] = []
    for shown in (*proxy.get("observe", {}).values(), *proxy.get("frontends", {}).values()):
        found += shown["problems"]
    for key, backend in proxy.get("backends", {}).items():
        servers = backend["servers"].values()
        if servers and not any(server["state"] == "up" for server in servers):
            found.append(f'backend "{key}": no server is up')
        elif servers and not any(server["state"] == "up" and server.get("admin_state", "ready") == "ready" for server in servers):
            found.append(f'backend "{key}": no server takes new clients, as all that are up are drained or in maintenance')
        found += [f'backend "{key}": {problem}' for problem in _of_names(backend["servers"])]
    return found


def _of_names(servers: View) -> list[str]:
    """What is wrong with the names of servers, once for each name."""
    found = {}
    for view in servers.values():
        if view.get("address_problem"):
            in_use = not view["address"].startswith(view["host"])
            found[view["host"]] = f"{view['host']}: {view['address_problem']}" + ("; its last addresses stay in use" if in_use else "")
    return list(found.values())


def _of_election(view: View, digest: Optional[str]) -> list[str]:
    """A fault of this node, and what it hears of its peers. Over VRRP a standby peer is never heard, which is no problem."""
    found = [f"fault: {view['reason']}"] if view["state"] == "fault" else []
    found += view.get("problems", [])  # a keepalive of an earlier release has none
    for node, peer in sorted(view["peers"].items()):
        if peer["state"] == "silent":
            found.append(f"peer {node} has not been heard for {ago(peer['last_heard_ms'])}")
        if has_another_document(peer, digest):
            found.append(f"peer {node} has another document: run the playbook on both nodes")
    return found


def has_another_document(peer: View, digest: Optional[str]) -> bool:
    return bool(peer["digest"]) and not (digest or "").startswith(peer["digest"])


def ago(milliseconds: int) -> str:
    """A length of time in the unit a person would use."""
    for unit in (86_400_000, 3_600_000, 60_000, 1000):
        if milliseconds >= 2 * unit:
            return duration_text(milliseconds // unit * unit)
    return duration_text(milliseconds)
