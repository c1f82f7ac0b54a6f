"""What an operator looks at first: both services' views of this node, put together and told in lines."""

from __future__ import annotations

import time
from typing import Any, Optional

from .._client import Client, NotRunning, Refused
from .._model import ModelError
from .._paths import Paths
from .._process import recorded
from .._store import Store, StoreError
from .._this_node import this_node
from ..observe.problems import ago, has_another_document, problems
from .move_lines import history_lines, move_lines, tracked_lines
from .servers import admin_words

_ANSWER_S = 5.0


def collect(paths: Paths) -> dict[str, Any]:
    """Everything ``status --json`` shows. ``healthy``: both services run the document that lies on disk, and nothing is missing."""
    node = this_node(paths)
    found: dict[str, Any] = {"node": str(node.get("node", "")), "prefix": paths.prefix, "problems": []}
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
    found["forward"] = _forward(paths)
    _join_forwarded(found)
    if node.get("service_manager") == "process" and recorded(paths.manager_pid) is None:
        found["problems"].append("the manager is not running, so a service that dies is not started again: run tandem manager start")
    found["problems"] += problems(found["proxy"], found["keepalive"], found["generation"], found["digest"])
    found["healthy"] = not found["problems"]
    return found


def _forward(paths: Paths) -> Optional[dict[str, Any]]:
    """What the forward service says; None where it does not run, which is so where there is nothing for it to do."""
    try:
        return Client(paths.forward_socket, _ANSWER_S).status()
    except (NotRunning, Refused):
        return None


def _join_forwarded(found: dict[str, Any]) -> None:
    """What the kernel counts of the frontends that it serves, beside what the proxy says of all."""
    frontends = (found["proxy"] or {}).get("frontends", {})
    for key, view in (found["forward"] or {}).get("frontends", {}).items():
        if key in frontends:
            frontends[key] = {**frontends[key], **{name: value for name, value in view.items() if name != "servers"}, "forwarding": "kernel"}


def render(found: dict[str, Any]) -> str:
    """The same in lines for people."""
    digest = (found["digest"] or "unknown")[:12]
    lines = [f"node {found['node'] or '(without a name yet)'}: generation {found['generation']}, digest {digest}"]
    lines += [_service_line(service, found[service]) for service in ("proxy", "keepalive", "forward") if service != "forward" or found[service]]
    proxy, keepalive = found["proxy"] or {}, found["keepalive"] or {}
    for name in sorted({*proxy.get("load_balancers", {}), *keepalive.get("load_balancers", {})}):
        lines += ["", *_load_balancer_lines(name, keepalive.get("load_balancers", {}).get(name), found["digest"])]
        if name in proxy.get("observe", {}):
            lines.append(f"  metrics and dashboard: {', '.join(proxy['observe'][name]['listening']) or 'not listening'}")
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
    accelerated = f", acceleration {view['acceleration']}" if "acceleration" in view else ""
    running = f"running (process {view['pid']}{workers})"
    return f"  {service:<10} {running}, generation {view['generation']}, release {view['release'][:12]}{accelerated}"


def _load_balancer_lines(name: str, view: Optional[dict[str, Any]], digest: Optional[str]) -> list[str]:
    if view is None:
        return [f"load balancer {name}: keepalive does not know it"]
    reason = f" ({view['reason']})" if view["reason"] else ""
    lines = [f"load balancer {name}: {view['state']} for {ago(view['since_ms'])}{reason}; role {view['role']}, priority {view['priority']}"]
    lines += _conflict_lines(view.get("conflicts"))  # a keepalive of an earlier release does not count them
    for node, peer in sorted(view["peers"].items()):
        heard = "never heard" if peer["last_heard_ms"] is None else f"heard {ago(peer['last_heard_ms'])} ago"
        same = ""
        if peer["digest"]:
            same = ", ANOTHER DOCUMENT" if has_another_document(peer, digest) else ", same document"
        lines.append(f"  peer {node}: {peer['state']}, {heard}{same}")
    for floating_ip in view["floating_ips"]:
        on = f" on {floating_ip['interface']}" if floating_ip["interface"] else ""
        lines.append(f"  floating IP {floating_ip['name']} {floating_ip['address']}{on}: {'held' if floating_ip['held'] else 'not held here'}")
    lines += [*tracked_lines(view.get("tracked", ())), *move_lines(view.get("move")), *history_lines(view.get("moves", ()), time.time())]
    return lines


def _conflict_lines(conflicts: Optional[dict[str, Any]]) -> list[str]:
    if not conflicts or conflicts["last"] is None:
        return []
    last = conflicts["last"]
    how = f"ended after {ago(last['lasted_ms'])}: {last['ending']}" if last["ended"] else "not ended yet"
    times = "once" if conflicts["count"] == 1 else f"{conflicts['count']} times"
    return [f"  both nodes were active {times}, the last time with {last['peer'] or 'a former peer'} {ago(last['began_ms'])} ago, {how}"]


def _frontend_line(name: str, frontend: dict[str, Any]) -> str:
    if not frontend["enabled"]:
        return f"  frontend {name}: disabled"
    where = ", ".join(frontend["listening"]) or "not listening here"
    counted = f"{frontend.get('connections', 0)} connections, {frontend.get('requests', 0)} requests"
    if frontend.get("forwarding") == "kernel":
        volume = f"{frontend['bytes_in']} bytes in and {frontend['bytes_out']} out"
        counted = f"in the kernel: {frontend['connections']} connections, {frontend['sessions']} open, {volume}"
    return f"  frontend {name}: {where}; {counted}"


def _backend_lines(name: str, backend: dict[str, Any]) -> list[str]:
    queue = f", {backend['queue']} waiting" if backend.get("queue") else ""
    lines = [f"  backend {name}: {backend.get('sessions', 0)} sessions{queue}"]
    for server, view in backend["servers"].items():
        since = f" for {ago(view['since_ms'])}" if view["since_ms"] is not None else ""
        said = admin_words(view)
        line = f"    {server:<16} {view['address']:<22} {view['state']:<8}{since}: {view['last_check']}; {view.get('sessions', 0)} sessions"
        lines.append(f"{line}; {said}" if said else line)
    return lines
