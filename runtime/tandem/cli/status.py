"""What an operator looks at first: both services' views of this node, put together and told in lines."""

from __future__ import annotations

import json
from typing import Any, Optional

from .._client import Client, NotRunning, Refused
from .._model import ModelError, duration_text
from .._paths import Paths
from .._process import recorded
from .._store import Store, StoreError

_ANSWER_S = 5.0


def collect(paths: Paths) -> dict[str, Any]:
    """Everything ``status --json`` shows. ``healthy``: both services run the document that lies on disk, and nothing is missing."""
    found: dict[str, Any] = {"node": node_name(paths), "prefix": paths.prefix, "problems": []}
    try:
        document = Store(paths).read()
        found.update(generation=document.generation, digest=document.digest)
    except (ModelError, StoreError) as error:
        found.update(generation=None, digest=None)
        found["problems"].append(str(error))
    for service, path in (("proxy", paths.proxy_socket), ("keepalive", paths.keepalive_socket)):
        try:
            found[service] = Client(path, _ANSWER_S).status()
        except (NotRunning, Refused) as error:
            found[service] = None
            found["problems"].append(f"{service} is not running: {error}")
    if _node_file(paths).get("service_manager") == "process" and recorded(paths.manager_pid) is None:
        found["problems"].append("the manager is not running, so a service that dies is not started again: run tandem manager start")
    found["problems"] += _problems(found)
    found["healthy"] = not found["problems"]
    return found


def node_name(paths: Paths) -> str:
    """This node's name in its load balancers; "" before it has been given one."""
    return str(_node_file(paths).get("node", ""))


def _node_file(paths: Paths) -> dict[str, Any]:
    """What is particular to this node; empty before the runtime was deployed."""
    try:
        return dict(json.loads(paths.node.read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}


def _problems(found: dict[str, Any]) -> list[str]:
    problems = []
    for service in ("proxy", "keepalive"):
        view = found[service]
        if view is None:
            continue
        if view.get("failure"):
            problems.append(f"{service}: {view['failure']}")
        if found["generation"] is not None and view["generation"] != found["generation"]:
            problems.append(f"{service} runs generation {view['generation']}, but generation {found['generation']} is on disk")
    for frontend in (found["proxy"] or {}).get("frontends", {}).values():
        problems += frontend["problems"]
    for key, backend in (found["proxy"] or {}).get("backends", {}).items():
        servers = backend["servers"]
        if servers and not any(server["state"] == "up" for server in servers.values()):
            problems.append(f'backend "{key}": no server is up')
    for name, view in (found["keepalive"] or {}).get("load_balancers", {}).items():
        problems += [f'load balancer "{name}": {problem}' for problem in _election_problems(view, found["digest"])]
    return problems


def _election_problems(view: dict[str, Any], digest: Optional[str]) -> list[str]:
    """A fault of this node, and what it hears of its peers. Over VRRP a standby peer is never heard, which is no problem."""
    problems = [f"fault: {view['reason']}"] if view["state"] == "fault" else []
    for node, peer in sorted(view["peers"].items()):
        if peer["state"] == "silent":
            problems.append(f"peer {node} has not been heard for {_ago(peer['last_heard_ms'])}")
        if _another_document(peer, digest):
            problems.append(f"peer {node} has another document: run the playbook on both nodes")
    return problems


def _another_document(peer: dict[str, Any], digest: Optional[str]) -> bool:
    return bool(peer["digest"]) and not (digest or "").startswith(peer["digest"])


def render(found: dict[str, Any]) -> str:
    """The same in lines for people."""
    digest = (found["digest"] or "unknown")[:12]
    lines = [f"node {found['node'] or '(without a name yet)'}: generation {found['generation']}, digest {digest}"]
    lines += [_service_line(service, found[service]) for service in ("proxy", "keepalive")]
    proxy, keepalive = found["proxy"] or {}, found["keepalive"] or {}
    for name in sorted({*proxy.get("load_balancers", {}), *keepalive.get("load_balancers", {})}):
        lines += ["", *_load_balancer_lines(name, keepalive.get("load_balancers", {}).get(name), found["digest"])]
        for key, frontend in sorted(proxy.get("frontends", {}).items()):
            if key.startswith(f"{name}/"):
                lines.append(_frontend_line(key.partition("/")[2], frontend))
        for key, backend in sorted(proxy.get("backends", {}).items()):
            if key.startswith(f"{name}/"):
                lines += _backend_lines(key.partition("/")[2], backend)
    if found["problems"]:
        lines += ["", "problems:", *(f"  {problem}" for problem in found["problems"])]
    return "\n".join(lines)


def _service_line(service: str, view: Optional[dict[str, Any]]) -> str:
    if view is None:
        return f"  {service:<10} not running"
    workers = f", {len(view['workers'])} workers" if "workers" in view else ""
    return f"  {service:<10} running (process {view['pid']}{workers}), generation {view['generation']}, release {view['release'][:12]}"


def _load_balancer_lines(name: str, view: Optional[dict[str, Any]], digest: Optional[str]) -> list[str]:
    if view is None:
        return [f"load balancer {name}: keepalive does not know it"]
    reason = f" ({view['reason']})" if view["reason"] else ""
    lines = [f"load balancer {name}: {view['state']} for {_ago(view['since_ms'])}{reason}; role {view['role']}, priority {view['priority']}"]
    for node, peer in sorted(view["peers"].items()):
        heard = "never heard" if peer["last_heard_ms"] is None else f"heard {_ago(peer['last_heard_ms'])} ago"
        same = ""
        if peer["digest"]:
            same = ", ANOTHER DOCUMENT" if _another_document(peer, digest) else ", same document"
        lines.append(f"  peer {node}: {peer['state']}, {heard}{same}")
    for floating_ip in view["floating_ips"]:
        on = f" on {floating_ip['interface']}" if floating_ip["interface"] else ""
        lines.append(f"  floating IP {floating_ip['name']} {floating_ip['address']}{on}: {'held' if floating_ip['held'] else 'not held here'}")
    return lines


def _frontend_line(name: str, frontend: dict[str, Any]) -> str:
    if not frontend["enabled"]:
        return f"  frontend {name}: disabled"
    where = ", ".join(frontend["listening"]) or "not listening here"
    counted = f"{frontend.get('connections', 0)} connections, {frontend.get('requests', 0)} requests"
    return f"  frontend {name}: {where}; {counted}"


def _backend_lines(name: str, backend: dict[str, Any]) -> list[str]:
    queue = f", {backend['queue']} waiting" if backend.get("queue") else ""
    lines = [f"  backend {name}: {backend.get('sessions', 0)} sessions{queue}"]
    for server, view in backend["servers"].items():
        since = f" for {_ago(view['since_ms'])}" if view["since_ms"] is not None else ""
        lines.append(f"    {server:<16} {view['address']:<22} {view['state']:<8}{since}: {view['last_check']}; {view.get('sessions', 0)} sessions")
    return lines


def _ago(milliseconds: int) -> str:
    """A length of time in the unit a person would use."""
    for unit in (86_400_000, 3_600_000, 60_000, 1000):
        if milliseconds >= 2 * unit:
            return duration_text(milliseconds // unit * unit)
    return duration_text(milliseconds)
