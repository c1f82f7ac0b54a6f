# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules of one backend: between its options, and between it and what it names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Union

from . import _header_rules as headers
from . import _tls_rules as tls
from . import _values as values
from ._backend import RETRY_ON, Backend, BackendTimeouts, Observe, Resolver
from ._document import Document, describe
from ._frontend import FrontendTimeouts
from ._health_rules import check_health
from ._objects import KeepaliveProbes
from ._options import declared, to_options
from ._problems import Problem
from ._values import duration_text

_NAME_SERVERS_MAX = 8
_WITHOUT_SLOW_START = {
    "first": "balance: first does not look at weights",
    "source": "with balance: source each step would send other clients to another server",
}


def check_backend(document: Document, backend: Backend) -> Iterator[Problem]:
    where = describe("backends", backend.key)
    for server in backend.servers:
        if not (server.port or backend.port):
            rule = "and the backend has no port either"
            yield Problem(where, f"servers[{server.name}].port", None, rule, "Give the backend's port, or the server's.")
    yield from check_health(where, backend)
    if backend.sticky.type == "cookie" and backend.protocol != "http":
        rule = f"but a {backend.protocol.upper()} backend sees no cookies"
        yield Problem(where, "sticky.type", "cookie", rule, "Use sticky type: source, or protocol: http.")
    if backend.sticky.type == "source" and not backend.sticky.ttl_ms:
        yield Problem(where, "sticky.ttl", "0ms", "but bindings by source end after an idle time", 'Give one, such as "30m".')
    if backend.protocol != "http":
        yield from timeouts_of_http(where, backend.timeouts, "server")
    if backend.slow_start_ms and backend.balance in _WITHOUT_SLOW_START:
        rule = f"but {_WITHOUT_SLOW_START[backend.balance]}"
        way_out = "Use balance: roundrobin, leastconn or random, or leave it out (slow_start: 0)."
        yield Problem(where, "slow_start", duration_text(backend.slow_start_ms), rule, way_out)
    if not backend.use_all_backups and not any(server.backup for server in backend.servers):
        yield Problem(where, "use_all_backups", False, "but no server is a backup", "Give servers backup: true, or leave it out (true).")
    for reason in backend.retry_on:
        if backend.protocol == "tcp" and reason not in RETRY_ON:
            way_out = "Leave it out, or use protocol: http."
            yield Problem(where, "retry_on", reason, "but TCP has no statuses", way_out)
    if backend.retry_on != RETRY_ON and not backend.max_retries:
        rule = "but with max_retries: 0 nothing is sent again"
        yield Problem(where, "retry_on", list(backend.retry_on), rule, "Give max_retries, or leave it out.")
    yield from _observe(backend, where)
    yield from keepalive_probes(where, backend.keepalive_probes)
    yield from headers.backend(document, backend, where)
    yield from tls.backend(document, backend)
    yield from _names(backend, where)


def _observe(backend: Backend, where: str) -> Iterator[Problem]:
    observe, default = backend.observe, Observe()
    if observe.errors and backend.health_check.type == "none":
        rule = "but without health checks a server that is taken for down would never come back"
        yield Problem(where, "observe.errors", observe.errors, rule, "Use health_check.type: tcp or http, or leave it out (errors: 0).")
    if observe.count_5xx and backend.protocol == "tcp":
        yield Problem(where, "observe.count_5xx", True, "but TCP has no statuses", "Use protocol: http, or leave it out.")
    if not observe.errors and observe != default:
        name = "window" if observe.window_ms != default.window_ms else "count_5xx"
        given = duration_text(observe.window_ms) if name == "window" else True
        yield Problem(where, f"observe.{name}", given, "but without observe.errors nothing is counted", "Give a number of errors, or observe: {}.")


def keepalive_probes(where: str, probes: KeepaliveProbes) -> Iterator[Problem]:
    """Those of a backend, or of a frontend."""
    for name in ("idle", "interval"):
        given = getattr(probes, f"{name}_ms")
        if given % 1000:
            yield Problem(where, f"keepalive_probes.{name}", duration_text(given), "but the kernel counts in seconds", "Give whole seconds.")
    default = KeepaliveProbes()
    if not probes.idle_ms and probes != default:
        name = "interval" if probes.interval_ms != default.interval_ms else "count"
        given = duration_text(probes.interval_ms) if name == "interval" else probes.count
        rule = "but without keepalive_probes.idle nobody is asked"
        yield Problem(where, f"keepalive_probes.{name}", given, rule, "Give it, such as idle: 60s, or clear all: keepalive_probes: {}.")


def _names(backend: Backend, where: str) -> Iterator[Problem]:
    """What servers by name need, and what nobody but they need."""
    stated = {server.name for server in backend.servers}
    for server in backend.servers:
        if not server.expand:
            continue
        if not server.host:
            rule = f"but address {server.address} is one address"
            yield Problem(where, f"servers[{server.name}].expand", server.expand, rule, "Give a host name as address, or leave it out (expand: 0).")
        for member in server.members:
            if member.name in stated or not values.is_name(member.name):
                rule = f"but one of its servers would be {member.name}, which " + ("is stated too" if member.name in stated else "is no name")
                yield Problem(where, f"servers[{server.name}].expand", server.expand, rule, "Give the server a shorter or another name.")
                break
    resolver = backend.resolver
    if resolver.min_ttl_ms > resolver.max_ttl_ms:
        rule = f"but it must not be longer than resolver.max_ttl ({duration_text(resolver.max_ttl_ms)})"
        yield Problem(where, "resolver.min_ttl", duration_text(resolver.min_ttl_ms), rule, "Give a shorter one, or a longer max_ttl.")
    for index, one in enumerate(resolver.name_servers):
        if one in resolver.name_servers[:index]:
            yield Problem(where, f"resolver.name_servers[{index}]", one, "which is in the list already", "Name each once.")
    if len(resolver.name_servers) > _NAME_SERVERS_MAX:
        rule = f"but at most {_NAME_SERVERS_MAX} are asked"
        yield Problem(where, "resolver.name_servers", list(resolver.name_servers), rule, "Name the nearest ones.")
    if resolver != Resolver() and not any(server.host for server in backend.servers):
        for option, _field, _declaration, _default in declared(Resolver):
            given, default = to_options(resolver)[option], to_options(Resolver())[option]
            if given != default:
                rule = "but no server is stated by name"
                yield Problem(where, f"resolver.{option}", given, rule, "Give a host name as a server's address, or clear all: resolver: {}.")


def timeouts_of_http(where: str, timeouts: Union[BackendTimeouts, FrontendTimeouts], *names: str) -> Iterator[Problem]:
    for name in names:
        given, default = (duration_text(getattr(one, f"{name}_ms")) for one in (timeouts, type(timeouts)()))
        if given != default:
            rule = "but it is the backend's timeouts.tunnel that ends a TCP session without traffic"
            yield Problem(where, f"timeouts.{name}", given, rule, f"Set that one instead, and this one to its default ({default}).")
