"""Servers as an operator sees and sets them: `tandem servers`, and `tandem drain`, `ready` and `maint`."""

from __future__ import annotations

from typing import Any, Optional

from .._client import Client
from .._model import ModelError, Problem, duration_ms
from .._paths import Paths
from .._states import OperatedServer, View, found, is_reached, operator, read, waited, wanted, why_not
from .._store import Store
from ..observe.problems import ago

_ANSWER_S = 5.0
_LOCK_S = 30.0


class NotReached(Exception):
    """The state is set, and what was waited for has not come in time; ``str()`` is the reason."""

    def __init__(self, message: str, view: View) -> None:
        super().__init__(message)
        self.view = view


def collect(paths: Paths) -> dict[str, dict[str, Any]]:
    """What ``servers --json`` shows: LB/BACKEND/SERVER to the server as the proxy sees it. Raises NotRunning, Refused."""
    backends = Client(paths.proxy_socket, _ANSWER_S).status()["backends"]
    return {f"{key}/{name}": server for key, backend in sorted(backends.items()) for name, server in backend["servers"].items()}


def render(servers: dict[str, dict[str, Any]]) -> str:
    """The same in lines for people."""
    width = max((len(key) for key in servers), default=0)
    return "\n".join(_line(key.ljust(width), view) for key, view in servers.items()) or "there are no servers"


def operate(paths: Paths, server: str, state: str, *, drain_sticky: Optional[str] = None, wait: str = "none", timeout: str = "5m") -> View:
    """Sets the state of LB/BACKEND/SERVER and waits. Raises ModelError, StoreError, NotRunning, Refused, NotReached."""
    timeout_s = milliseconds("--timeout", timeout) / 1000
    store = Store(paths)
    one = OperatedServer(store, *_parts(server))
    # In this process first, for the best words: the proxy would refuse the same.
    key = found(store.read(), *_parts(server))
    want = wanted(read(paths).get(key), state, drain_sticky)
    if one.running:
        view = one.put(want, operator(), check=wait == "healthy")
    else:
        with store.lock(_LOCK_S):
            view = one.put(want, operator(), check=wait == "healthy")
    changed = bool(view.pop("changed"))
    view = {**waited(one, view, wait, timeout_s), "changed": changed}
    if not is_reached(view, wait):
        raise NotReached(why_not(one, view, wait, timeout), view)
    return view


def admin_words(view: View) -> str:
    """What an operator has said of a server, in a few words: "drain for 2m, set by anna"; "" for one that is ready."""
    state = view.get("admin_state", "ready")  # a proxy of an earlier release has none
    if state == "ready":
        return ""
    sticky = ", bound clients move" if view.get("drain_sticky") == "move" else ""
    return f"{state} for {ago(view['set_since_ms'])}, set by {view['set_by'] or 'nobody known'}{sticky}"


def _line(key: str, view: View) -> str:
    said = admin_words(view) or "ready"
    said += f"; its agent says {view['agent']}" if view.get("agent") else ""
    return f"{key}  {view.get('address', ''):<22} {view['state']:<8} {view.get('sessions', 0)} sessions; {said}"


def _parts(server: str) -> tuple[str, str, str]:
    load_balancer, _slash, rest = server.partition("/")
    backend, _slash, name = rest.partition("/")
    if not load_balancer or not backend or not name or "/" in name:
        raise ModelError(Problem("", "SERVER", server, "which names no server", "Give LOAD_BALANCER/BACKEND/SERVER; tandem servers lists them."))
    return load_balancer, backend, name


def milliseconds(option: str, given: str) -> int:
    """A duration as it is given on the command line. Raises ModelError."""
    try:
        return duration_ms(given)
    except ValueError as error:
        rule, way_out = error.args
        raise ModelError(Problem("", option, given, rule, way_out)) from None
