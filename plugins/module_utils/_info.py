# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What load_balancer_info tells: the document of a node beside what its services say of it. Reads only."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from ansible.module_utils.basic import AnsibleModule

from . import _certificates as certificates
from ._access import read_document, told
from ._client import Client, is_listening
from ._hardware import Evidence, read_compared, read_identity, separation
from ._model import Document, LoadBalancer, ModelError, Problem, known, to_options
from ._node import NODE_ARGUMENTS
from ._paths import Paths
from ._store import Store

Status = Mapping[str, Any]
_COUNTED = ("connections", "sessions", "packets_in", "bytes_in", "packets_out", "bytes_out")
_FACTS = ("state", "since_ms", "last_check", "admin_state", "drain_sticky", "set_by", "set_since_ms", "sessions")


def run_info() -> None:
    """The module load_balancer_info."""
    module = AnsibleModule({"name": {"type": "str"}, **NODE_ARGUMENTS}, supports_check_mode=True)
    paths = Paths(module.params["prefix"])
    with told(module):
        document = read_document(module, Store(paths))
        evidence = Evidence(read_identity(), {}, read_compared(paths.hardware))
        proxy, keepalive, forward = (_status(path) for path in (paths.proxy_socket, paths.keepalive_socket, paths.forward_socket))
        result = {
            "node": module.params["node"],
            "generation": document.generation,
            "digest": document.digest,
            "services": {"proxy": _service(proxy), "keepalive": _service(keepalive), "forward": _service(forward)},
            "load_balancers": [
                {**_told(document, one, proxy or {}, keepalive or {}, forward or {}), "separation": _separation(one, module.params["node"], evidence)}
                for one in _chosen(document, module.params["name"])
            ],
            "floating_ips": [to_options(one) for _key, one in sorted(document.floating_ips.items())],
        }
    module.exit_json(changed=False, **result)


def _status(socket: Path) -> Optional[Status]:
    """What a service says, None where it does not run. Raises NotRunning where it hangs."""
    return Client(socket, timeout_s=5.0).status() if is_listening(socket) else None


def _service(status: Optional[Status]) -> dict[str, Any]:
    if status is None:
        return {"running": False}
    names = ("release", "version", "pid", "generation", "digest")
    accelerated = {"acceleration": status["acceleration"]} if "acceleration" in status else {}  # keepalive has none
    return {"running": True, **{name: status.get(name) for name in names}, **accelerated}


def _chosen(document: Document, name: Optional[str]) -> list[LoadBalancer]:
    if name is None:
        return [one for _key, one in sorted(document.load_balancers.items())]
    if name not in document.load_balancers:
        rule = f"but this node has no such load balancer; {known(document.load_balancers, name)}"
        raise ModelError(Problem("", "name", name, rule, "Correct the name, or leave it out to see them all."))
    return [document.load_balancers[name]]


def _told(document: Document, one: LoadBalancer, proxy: Status, keepalive: Status, forward: Status) -> dict[str, Any]:
    state: Status = keepalive.get("load_balancers", {}).get(one.key, {})
    states = {state.get("node"): state, **state.get("peers", {})}
    nodes = [{"node": node.node, "address": node.address, "state": states.get(node.node, {}).get("state", "unknown")} for node in one.nodes]
    return {
        **to_options(one),
        "nodes": nodes,
        "moves": state.get("moves", []),
        "held": [ip for ip in state.get("floating_ips", []) if ip.get("held")],
        "backends": [
            {**to_options(backend), "health": _health(proxy, key)}
            for key, backend in sorted(document.backends.items())
            if backend.load_balancer == one.key
        ],
        "certificates": [
            certificates.told(certificate, time.time())
            for _key, certificate in sorted(document.certificates.items())
            if certificate.load_balancer == one.key
        ],
        "frontends": [
            {**to_options(frontend), **_served((forward if frontend.forwarding == "kernel" else proxy).get("frontends", {}).get(key, {}))}
            for key, frontend in sorted(document.frontends.items())
            if frontend.load_balancer == one.key
        ],
    }


def _served(view: Status) -> dict[str, Any]:
    """Where a frontend listens, and what the kernel counts of one that it serves."""
    return {"listening": view.get("listening", []), **{name: view[name] for name in _COUNTED if "servers" in view}}


def _separation(one: LoadBalancer, node: str, evidence: Evidence) -> Optional[dict[str, Any]]:
    """By what was compared when it was stated; None on a host that is none of its nodes."""
    return separation(one, node, evidence).told() if node in {member.node for member in one.nodes} else None


def _health(proxy: Status, key: str) -> dict[str, Any]:
    servers: Status = proxy.get("backends", {}).get(key, {}).get("servers", {})
    return {name: {fact: server.get(fact) for fact in _FACTS} for name, server in servers.items()}
