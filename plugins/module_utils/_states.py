# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Server states: what an operator has said of single servers, ``drain`` or ``maint``. They lie beside the document (``Paths.states``), not in it:
stating a backend never touches them, and they are no part of its digest. A server of which nothing is said is ``ready``.

The proxy writes the file; who asks writes it where that does not run. Used by the modules and by the runtime (the bundle carries this file), so:
standard library only, Python 3.9.
"""

from __future__ import annotations

import json
import os
import pwd
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Optional

from ._client import Client, NotRunning, Refused, is_listening
from ._model import Document, ModelError, Problem, known
from ._paths import Paths
from ._store import Store, StoreError

STATES = ("ready", "drain", "maint")
DRAIN_STICKY = ("keep", "move")
WAITS = ("none", "drained", "healthy")
_SCHEMA = 1
_BY_CHARACTERS_MAX = 64
_PAUSE_MIN_S, _PAUSE_MAX_S = 0.05, 0.5

ServerKey = tuple[str, str]  # (backend key, server name)
View = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """``drain`` or ``maint``; who said so, and when (seconds since 1970). ``drain_sticky``: what becomes of the clients bound to a drained server."""

    state: str
    drain_sticky: str = "keep"
    by: str = ""
    since_s: int = 0


States = Mapping[ServerKey, Setting]


def read(paths: Paths) -> dict[ServerKey, Setting]:
    """What lies on the node; empty without a file. Raises StoreError where it is none of ours."""
    try:
        content = json.loads(paths.states.read_bytes())
        if content["schema"] != _SCHEMA:
            raise ValueError(f"schema {content['schema']}")
        return {(key, name): _setting(one) for key, servers in content["servers"].items() for name, one in servers.items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StoreError(f"{paths.states}: cannot read it: {error.strerror}. Run as a user who may (become: true).") from error
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
        raise StoreError(f"{paths.states}: it is not what this release writes ({error!r}). Remove it: all servers are ready then.") from None


def _setting(stored: Mapping[str, Any]) -> Setting:
    made = Setting(stored["state"], stored["drain_sticky"], str(stored["by"]), int(stored["since_s"]))
    if made.state not in STATES[1:] or made.drain_sticky not in DRAIN_STICKY:
        raise ValueError(f"state {made.state!r}, drain_sticky {made.drain_sticky!r}")
    return made


def write(store: Store, states: States) -> None:
    """Raises StoreError; what was there is there then."""
    servers: dict[str, dict[str, Any]] = {}
    for (key, name), one in states.items():
        servers.setdefault(key, {})[name] = {"state": one.state, "drain_sticky": one.drain_sticky, "by": one.by, "since_s": one.since_s}
    store.write_record(store.paths.states, {"schema": _SCHEMA, "servers": servers})


def found(document: Document, load_balancer: object, backend: object, name: object) -> ServerKey:
    """The key of a server of the document. Raises ModelError, which lists what there is."""
    names = [one for one in document.load_balancers if one == load_balancer]
    if not names:
        raise _unknown("load_balancer", load_balancer, "this node has no such load balancer", document.load_balancers)
    backends = {one.name: one for one in document.backends.values() if one.load_balancer == load_balancer}
    if backend not in backends:
        raise _unknown("backend", backend, f'load balancer "{load_balancer}" has no such backend', backends)
    one = backends[str(backend)]
    servers = [server.name for server in one.members]
    if name not in servers:
        raise _unknown("name", name, f'backend "{one.key}" has no such server', servers)
    return one.key, str(name)


def _unknown(option: str, value: object, what: str, there: Any) -> ModelError:
    return ModelError(Problem("", option, value, f"but {what}; {known(there, str(value))}", "State it first, or correct the name."))


def wanted(have: Optional[Setting], state: Optional[str], drain_sticky: Optional[str]) -> Setting:
    """What is asked for, without who and when: what is left out stays as it is. Raises ModelError where it contradicts itself."""
    state = state or (have.state if have else "ready")
    if drain_sticky and state != "drain":
        rule = f'but state is "{state}", and only a drained server keeps clients or lets them go'
        raise ModelError(Problem("", "drain_sticky", drain_sticky, rule, "Leave it out, or give state: drain."))
    kept = have.drain_sticky if have and have.state == state == "drain" else "keep"
    return Setting(state, drain_sticky or kept)


def same(have: Optional[Setting], want: Setting) -> bool:
    """Whether a server is as it is wanted already, whoever said so."""
    return (have.state, have.drain_sticky) == (want.state, want.drain_sticky) if have else want.state == "ready"


def with_setting(states: States, key: ServerKey, want: Setting) -> dict[ServerKey, Setting]:
    rest = {one: setting for one, setting in states.items() if one != key}
    return rest if want.state == "ready" else {**rest, key: want}


def signed(want: Setting, by: str, now_s: float) -> Setting:
    """With who says so, and when."""
    line = "".join(character for character in by if character.isprintable())
    return Setting(want.state, want.drain_sticky, line[:_BY_CHARACTERS_MAX], int(now_s))


def kept(states: States, document: Document) -> dict[ServerKey, Setting]:
    """Those of servers that the document has: one that is gone, and comes back, is ready."""
    return {key: setting for key, setting in states.items() if _is_stated(document, *key)}


def _is_stated(document: Document, backend_key: str, name: str) -> bool:
    backend = document.backends.get(backend_key)
    return backend is not None and any(server.name == name for server in backend.members)


def shown(setting: Optional[Setting], now_s: float) -> View:
    """How status and answers show it. ``now_s``: seconds since 1970."""
    if setting is None:
        return {"admin_state": "ready", "drain_sticky": None, "set_by": "", "set_since_ms": None}
    sticky = setting.drain_sticky if setting.state == "drain" else None
    since_ms = max(0, int((now_s - setting.since_s) * 1000))
    return {"admin_state": setting.state, "drain_sticky": sticky, "set_by": setting.by, "set_since_ms": since_ms}


def operator() -> str:
    """Who runs this process: a note for other operators, no proof."""
    try:
        return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


class OperatedServer:
    """One server as this node has it: looked at and set through the running proxy, or in the file where that does not run."""

    def __init__(self, store: Store, load_balancer: str, backend: str, name: str) -> None:
        self._store = store
        self._named = {"load_balancer": load_balancer, "backend": backend, "name": name}
        self.words = f'server "{load_balancer}/{backend}/{name}"'

    @property
    def running(self) -> bool:
        return is_listening(self._store.paths.proxy_socket)

    def look(self) -> View:
        """Raises NotRunning where the proxy hangs, Refused, ModelError, StoreError."""
        if self.running:
            return self._ask("POST", {})
        key = found(self._store.read(), **self._named)
        return unasked(read(self._store.paths).get(key))

    def foreseen(self, setting: Optional[Setting]) -> View:
        """How it will be with this setting, as far as that is known: in check mode the server itself may have to come first."""
        try:
            now = self.look()
        except (NotRunning, Refused, ModelError):
            return unasked(setting)
        said = shown(setting, time.time())
        return {**now, **said, "drained": said["admin_state"] != "ready" and (now["state"] == "down" or not now["sessions"])}

    def put(self, want: Setting, by: str, *, check: bool = False) -> View:
        """The server as it is then, with ``changed``. To be called under the lock of the node. Raises what ``look`` raises.

        ``check``: one that is not ready is looked at now, so that ``state`` does not tell of the time before it was updated.
        """
        given = {"state": want.state, "by": by, "check": check, **({"drain_sticky": want.drain_sticky} if want.state == "drain" else {})}
        if self.running:
            return self._ask("PUT", given)
        key = found(self._store.read(), **self._named)
        have = read(self._store.paths)
        changed = not same(have.get(key), want)
        if changed:
            have = with_setting(have, key, signed(want, by, time.time()))
            write(self._store, have)
        if self.running:  # it has started meanwhile, and may have read the file before
            return {**self._ask("PUT", given), "changed": changed}
        return {**unasked(have.get(key)), "changed": changed}

    def _ask(self, method: str, given: Mapping[str, object]) -> View:
        return Client(self._store.paths.proxy_socket).request(method, "/v1/server", {**self._named, **given})


def unasked(setting: Optional[Setting]) -> View:
    """Where no proxy runs nobody has a session, and nobody checks."""
    return {**shown(setting, time.time()), "state": "unknown", "last_check": "the proxy does not run", "sessions": 0, "drained": setting is not None}


def is_reached(view: View, wait: str) -> bool:
    """Whether what is waited for (one of WAITS) has come."""
    return wait == "none" or (bool(view["drained"]) if wait == "drained" else view["state"] == "up")


def waited(
    server: OperatedServer,
    view: View,
    wait: str,
    timeout_s: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> View:
    """The server once it is as waited for, or when the time is over. A proxy that restarts meanwhile is waited for too."""
    deadline = clock() + timeout_s
    pause_s = _PAUSE_MIN_S
    while not is_reached(view, wait) and (remaining_s := deadline - clock()) > 0:
        sleep(min(pause_s, remaining_s))
        pause_s = min(pause_s * 2, _PAUSE_MAX_S)
        try:
            view = server.look()
        except NotRunning:
            continue
    return view


def why_not(server: OperatedServer, view: View, wait: str, waited_for: str) -> str:
    """What is said when the time is over. ``waited_for``: for how long, in words."""
    if wait == "drained":
        left = f"requests and sessions under way at it on this node: {view['sessions']}" if view["sessions"] else "not every worker has answered"
        return f"{server.words} is not drained after {waited_for}; {left}. Give it more time, or end them at the server."
    return f"{server.words} is not healthy after {waited_for}: it is {view['state']} ({view['last_check']}). Give it more time, or mend the server."
