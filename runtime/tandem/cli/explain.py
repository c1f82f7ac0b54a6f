"""`tandem explain URL`: which listener, rule, route, backend and server a request would meet, and why. No request is sent.

What decides is asked, not written again: a frontend and a backend as workers have them are made of the document on disk, fed with what the proxy's
status says of servers, and given the request.
"""

from __future__ import annotations

import argparse
import dataclasses
import ipaddress
import json
import sys
from dataclasses import dataclass, field
from typing import Any, Optional, Union
from urllib.parse import SplitResult, urlsplit

from .._client import Client, NotRunning, Refused
from .._model import Backend, Conditions, Document, Frontend, ModelError, Server, describe, endpoints, listen_addresses
from .._paths import Paths
from .._store import Store, StoreError
from ..http.access import REDIRECT, TARPIT, Verdict
from ..http.cookies import cookie_value
from ..http.head import BadMessage
from ..http.request import Request, read_request
from ..http.rules import NONE, Rules
from ..proxy.pool.backends import BackendState
from ..proxy.pool.frontends import FrontendState
from ..proxy.pool.servers import Seeker, ServerState

_ANSWER_S = 5.0
_PORTS = {"http": 80, "https": 443, "tcp": 0}
_SOMEBODY = "203.0.113.1"  # a client like any other (RFC 5737), where --from does not say


@dataclass
class Way:
    """What a request meets, step by step. ``ends``: server, servers (one of several), redirect, refused, nobody or unknown."""

    url: str
    steps: list[dict[str, str]] = field(default_factory=list)
    ends: str = "unknown"
    frontend: str = ""
    backend: str = ""
    route: Optional[int] = None  # from 0; None: the default backend
    servers: list[str] = field(default_factory=list)
    location: str = ""

    def step(self, what: str, why: str) -> None:
        self.steps.append({"what": what, "why": why})

    def end(self, ends: str, what: str, why: str) -> Way:
        self.ends = ends
        self.step(what, why)
        return self


class Unclear(Exception):
    """The question names no request; ``str()`` says how it would."""


def run(paths: Paths, given: argparse.Namespace) -> int:
    try:
        document = Store(paths).read()
        ways = explain(document, _status(paths), given.url, method=given.method, client=given.client, headers=given.header, owner=given.load_balancer)
    except (ModelError, StoreError, Unclear) as error:
        print(error, file=sys.stderr)
        return 1
    if given.json:
        print(json.dumps({"schema": 1, "ways": [dataclasses.asdict(way) for way in ways]}, indent=2, sort_keys=True))
    else:
        print("\n\n".join(render(way) for way in ways))
    return 0 if all(way.ends in ("server", "servers", "redirect") for way in ways) else 1


def _status(paths: Paths) -> dict[str, Any]:
    try:
        return Client(paths.proxy_socket, _ANSWER_S).status()
    except (NotRunning, Refused):
        return {}


def render(way: Way) -> str:
    width = max(len(step["what"]) for step in way.steps)
    return "\n".join([way.url, *(f"  {step['what']:<{width}}  {step['why']}" for step in way.steps)])


def explain(
    document: Document, status: dict[str, Any], url: str, *, method: str = "GET", client: str = "", headers: Any = (), owner: str = ""
) -> list[Way]:
    """A way for each frontend that the URL could mean, or those of one load balancer (``owner``); one that ends nowhere where there is none. Raises
    Unclear."""
    asked = _asked(url)
    request = None if asked.scheme == "tcp" else _request(asked, method, headers)
    if client:
        try:
            client = str(ipaddress.ip_address(client))
        except ValueError:
            raise Unclear(f'--from is "{client}", which is no address.') from None
    port = asked.port or _PORTS[asked.scheme]
    meant = [
        (key, frontend)
        for key, frontend in document.frontends.items()
        if frontend.enabled and frontend.port == port and owner in ("", frontend.load_balancer) and _meant(document, frontend, str(asked.hostname))
    ]
    if not meant:
        return [_nobody_listens(document, url, str(asked.hostname), port)]
    return [_way(document, status, frontend, _Asked(url, asked, request, client)) for _key, frontend in sorted(meant)]


@dataclass(frozen=True)
class _Asked:
    url: str
    parts: SplitResult
    request: Optional[Request]
    client: str


def _asked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
        if parts.scheme not in _PORTS or not parts.hostname or (parts.scheme == "tcp" and not port):
            raise ValueError
    except ValueError:
        raise Unclear(f'"{url}" is no URL of a request. Give http://HOST[:PORT]/PATH, https://HOST[:PORT]/PATH or tcp://HOST:PORT.') from None
    return parts


def _request(asked: SplitResult, method: str, headers: Any) -> Request:
    target = (asked.path or "/") + (f"?{asked.query}" if asked.query else "")
    own = [line for line in headers if line.partition(":")[0].strip().lower() != "host"]
    hosts = [line.partition(":")[2].strip() for line in headers if line not in own] or [asked.netloc.rpartition("@")[2]]
    lines = [f"{method} {target} HTTP/1.1", f"Host: {hosts[-1]}", *own, "", ""]
    try:
        return read_request("\r\n".join(lines).encode("utf-8", "surrogateescape"))
    except BadMessage as bad:
        raise Unclear(f"Such a request is refused with status {bad.status}: {bad}.") from None


def _meant(document: Document, frontend: Frontend, host: str) -> bool:
    """Whether a host may be where the frontend listens: an address has to be there, a name may be anywhere."""
    try:
        wanted = ipaddress.ip_address(host)
    except ValueError:
        return True
    found = [ipaddress.ip_address(address) for address in listen_addresses(document, frontend)]
    return any(address == wanted or (address.is_unspecified and address.version == wanted.version) for address in found)


def _nobody_listens(document: Document, url: str, host: str, port: int) -> Way:
    there = [f"{key} ({', '.join(endpoints(listen_addresses(document, one), one.port))})" for key, one in document.frontends.items() if one.enabled]
    disabled = [key for key, one in document.frontends.items() if not one.enabled and one.port == port]
    why = f"no frontend listens at {endpoints([host], port)[0]}; there are {', '.join(sorted(there)) or 'none'}"
    return Way(url).end("nobody", "nobody listens", why + (f"; disabled: {', '.join(disabled)}" if disabled else ""))


def _way(document: Document, status: dict[str, Any], frontend: Frontend, asked: _Asked) -> Way:
    way = Way(asked.url, frontend=frontend.key)
    shown = status.get("frontends", {}).get(frontend.key, {})
    places = endpoints(listen_addresses(document, frontend), frontend.port)
    here = ", ".join(shown.get("listening", []))
    on_this_node = f"; on this node at {here}" if here else "; not on this node now" + (f": {shown['problems'][0]}" if shown.get("problems") else "")
    way.step(describe("frontends", frontend.key), f"listens at {', '.join(places)}{on_this_node if status else '; the proxy does not run here'}")
    if not _speaks(way, frontend, asked):
        return way
    states = {key: BackendState(key, backend, 1, _nothing) for key, backend in document.backends.items()}
    state = FrontendState(frontend.key, frontend, _nothing)
    state.configure(frontend, states, 1)
    chosen = _by_name(way, state, asked) if frontend.protocol == "tcp" else _by_request(way, state, asked)
    for key in chosen:
        way.backend = key
        _served(way, document.backends[key], states[key], status, asked)
    return way


def _nothing(*_given: object) -> None:
    """Nobody is told of bindings."""


def _speaks(way: Way, frontend: Frontend, asked: _Asked) -> bool:
    """Whether what the URL speaks is what the frontend does."""
    scheme, ends_tls = asked.parts.scheme, bool(frontend.tls.certificates)
    if scheme == "tcp" or (frontend.protocol == "tcp" and not ends_tls):
        return True
    if scheme == "https" and not ends_tls:
        way.end("refused", "no TLS", "the frontend has no certificates, so it speaks HTTP without TLS: the handshake fails")
        return False
    if scheme == "http" and ends_tls:
        way.end("refused", "TLS", "the frontend ends TLS, and the URL is one without: the connection is closed")
        return False
    if ends_tls:
        way.step("TLS", f"ends here, with the certificates {', '.join(frontend.tls.certificates)}")
    return True


def _by_name(way: Way, state: FrontendState, asked: _Asked) -> list[str]:
    """The key of the backend, of a TCP frontend; none where it ends before."""
    frontend = state.config
    if not state.entry.admits(asked.client or _SOMEBODY):
        way.end("refused", "ACLs", f"do not let in a client at {asked.client or _SOMEBODY}: the connection is closed")
        return []
    name = str(asked.parts.hostname) if asked.parts.scheme == "https" and not frontend.tls.certificates else ""
    found, entries = state.backend_for_name(name), state.by_name
    if found is None:
        way.end("nobody", "no route", f'matches the name "{name}", and there is no default backend: the connection is closed')
        return []
    state.default = None
    for entry, place in zip(entries, [at for at, route in enumerate(frontend.routes) if route.sni]):
        state.by_name = [entry]  # asked alone, whether it is the one
        if state.backend_for_name(name) is not None:
            way.route = place
            way.step(f"routes[{place}]", f'matches the name "{name}" that TLS asks for: sni {json.dumps(frontend.routes[place].sni)}')
            return [found.key]
    way.step("default_backend", f'no route matches the name "{name}"' if frontend.routes else "there are no routes")
    return [found.key]


def _by_request(way: Way, state: FrontendState, asked: _Asked) -> list[str]:
    """The keys of the backends that share it; none where it is answered before it comes to one. In the order of ``proxy/flow/admission``."""
    frontend, request, client = state.config, asked.request, asked.client or _SOMEBODY
    if request is None:
        way.end("unknown", "HTTP", "the frontend reads requests: give a URL of http or https")
        return []
    if not asked.client and any(rule.sources for rule in (*frontend.acls, *frontend.routes, frontend.basic_auth)):
        way.step("client", f"rules look at its address: taken for {_SOMEBODY}, as --from does not say")
    verdict = state.entry.access.judge(request, client) if state.entry.access is not None else None
    if state.entry.access is not None:
        place = Rules([(acl, acl.invert) for acl in frontend.acls]).first(request, client)
        which = "acl_default" if place == NONE else f"acls[{place}]"
        why = "no ACL is about it" if place == NONE else _conditions(frontend.acls[place], inverted=frontend.acls[place].invert)
        if verdict is not None:
            _turned_away(way, which, why, verdict, asked)
            return []
        way.step(which, f"lets it in: {why}")
    location = state.https_location(request)
    if location:
        way.location = location.decode("latin-1")
        way.end("redirect", "redirect_to_https", f"answered here with status 308, to {way.location}")
        return []
    if state.entry.basic_auth is not None and state.entry.basic_auth.asks(request, client):
        users = ", ".join(user.name for user in frontend.basic_auth.users)
        way.step("basic_auth", f"status 401 without a password of {users}; with one it goes on:")
    place = Rules([(route, False) for route in frontend.routes]).first(request, client)
    what = f'host "{request.fields.route_host.decode("latin-1")}", path "{request.path.decode("latin-1")}"'
    if place != NONE:
        route = frontend.routes[place]
        way.route = place
        way.step(f"routes[{place}]", f"is the first that matches {what}: {_conditions(route)}")
        if route.backends:
            way.step("shares", ", ".join(f"{one.backend} {one.weight}" for one in route.backends))
        return [f"{frontend.load_balancer}/{name}" for name in route.names]
    if state.default is None:
        way.end("nobody", "no route", f"matches {what}, and there is no default backend: status 503")
        return []
    way.step("default_backend", f"no route matches {what}" if frontend.routes else "there are no routes")
    return [state.default.key]


def _turned_away(way: Way, which: str, why: str, verdict: Verdict, asked: _Asked) -> None:
    request = asked.request
    if verdict.action == REDIRECT and verdict.location is not None and request is not None:
        way.location = verdict.location.of(request, asked.parts.scheme.encode(), asked.parts.netloc.encode()).decode("latin-1")
        way.end("redirect", which, f"answered here with status {verdict.status}, to {way.location}: {why}")
    else:
        held = "held, then " if verdict.action == TARPIT else ""
        way.end("refused", which, f"{held}answered here with status {verdict.status}: {why}")


def _conditions(rule: Conditions, *, inverted: bool = False) -> str:
    """Every condition that a rule has, whatever there are."""
    given = [(one.name, getattr(rule, one.name)) for one in dataclasses.fields(Conditions)]
    said = ", ".join(f"{name} {json.dumps(_plain(value))}" for name, value in given if value) or "everything"
    return f"all but {said}" if inverted else said


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value


def _served(way: Way, backend: Backend, state: BackendState, status: dict[str, Any], asked: _Asked) -> Way:
    """Which servers of the backend the request may go to."""
    shown = status.get("backends", {}).get(backend.key, {}).get("servers", {})
    state.set_states({name: _told(view) for name, view in shown.items() if view.get("admin_state", "ready") != "ready"}, 0.0)
    state.set_health({name: view["state"] == "up" for name, view in shown.items()}, 0.0)
    usable = [one for one in state.balancer.usable() if isinstance(one, ServerState)]
    way.step(describe("backends", backend.key), f"balance: {backend.balance}; {len(usable)} of {len(backend.servers)} servers take new clients")
    for server in backend.servers:
        why = _why_not(state.servers[server.name], server, shown.get(server.name), usable)
        if why:
            way.step(f"not {server.name}", why)
    if not usable:
        ends = "servers" if way.servers else "nobody"  # another backend of the route takes its share
        return way.end(ends, "nobody", f"no server takes new clients: {_instead(backend)}")
    certain = _certain(backend, state, asked)
    if isinstance(certain, ServerState):
        way.servers.append(certain.name)
        return way.end("server", certain.name, f"at {endpoints([certain.address], certain.port)[0]}: {_reason(backend, asked)}")
    way.servers += [one.name for one in usable]
    ends = "server" if len(way.servers) == 1 else "servers"
    places = ", ".join(f"{one.name} ({endpoints([one.address], one.port)[0]}, weight {one.weight})" for one in usable)
    return way.end(ends, "one of" if len(usable) > 1 else usable[0].name, f"{places}{certain if len(usable) > 1 else ''}")


def _instead(backend: Backend) -> str:
    instead = backend.on_all_down
    if instead.action == "redirect":
        return f"answered here with a redirect to {instead.location} (on_all_down)"
    if instead.action == "fallback":
        return f"backend {instead.backend} takes them (on_all_down)"
    if instead.action == "close" or backend.protocol == "tcp":
        return "the connection is closed"
    return f"status {instead.status or 503}"


def _told(view: dict[str, Any]) -> str:
    """As workers are told of it."""
    return "move" if view["admin_state"] == "drain" and view.get("drain_sticky") == "move" else str(view["admin_state"])


def _why_not(state: ServerState, server: Server, view: Optional[dict[str, Any]], usable: list[ServerState]) -> str:
    if state in usable:
        return ""
    if view is None and not state.up:
        return "nothing is known of it here: the proxy does not run, or has not checked it"
    if view is not None and view.get("admin_state", "ready") != "ready":
        return f"set to {view['admin_state']} by {view.get('set_by') or 'nobody known'}"
    if not state.up:
        return f"{view['state']}: {view['last_check']}" if view is not None else "down"
    if not server.weight:
        return "weight 0 takes no new clients"
    return "it is a backup, and others are up"


def _certain(backend: Backend, state: BackendState, asked: _Asked) -> Union[ServerState, str]:
    """The one server, where the request alone decides; else why it cannot be said."""
    request = asked.request
    seeker = Seeker(asked.client or _SOMEBODY)
    if backend.sticky.type == "cookie" and request is not None:
        seeker.cookie = cookie_value(request.fields.cookie, state.writing.cookie_name) if request.fields.cookie else b""
        bound = state.choose(seeker, 0.0) if state.binds(request, seeker.client, 0.0) else None
        return bound or f"; then its cookie {state.writing.cookie_name.decode()} keeps the client there"
    by_source = backend.sticky.type == "source" or backend.balance == "source"
    if by_source and not asked.client:
        return "; which of them, its address decides: give --from"
    if by_source or backend.balance == "first":
        found = state.choose(seeker, 0.0)
        if found is not None:
            return found
    return {"leastconn": "; whoever has the fewest sessions in that moment"}.get(backend.balance, "; whose turn it is")


def _reason(backend: Backend, asked: _Asked) -> str:
    if backend.sticky.type == "cookie":
        return "its cookie binds it to that"
    if backend.sticky.type == "source" or backend.balance == "source":
        return f"the address {asked.client} decides, if it is not bound already"
    return "the first of those that have room"
