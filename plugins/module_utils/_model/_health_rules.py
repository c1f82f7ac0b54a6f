# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules of health checks: which options have a meaning for which type, and what belongs together."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ._backend import Backend
from ._health import ALWAYS_OVER_TLS, OVER_HTTP, AgentCheck, HealthCheck
from ._options import declared
from ._problems import Problem, plain
from ._values import duration_text

_TYPES_OF = {
    "method": OVER_HTTP,
    "path": OVER_HTTP,
    "host": (*OVER_HTTP, "smtp"),
    "http_version": OVER_HTTP,
    "headers": OVER_HTTP,
    "expect_status": OVER_HTTP,
    "user": ("mysql", "postgresql"),
    "redis_role": ("redis",),
    "script": ("script",),
}
# Former releases took these options whatever the type was of the two that they had, and their documents are to load.
_FORMER_OPTIONS, _FORMER_TYPES = ("method", "path", "host", "expect_status"), ("tcp", "none")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")  # RFC 9110 5.6.2: a token
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]{0,2046}[\x21-\x7e])?|")  # RFC 9110 5.5, without what is not ASCII
_OWN_HEADERS = {"host": "Use health_check.host.", "connection": "", "content-length": "", "transfer-encoding": "", "expect": "", "upgrade": ""}
_HEADERS_MAX = 32
_WORDS_BYTES_MAX = 80


def check_health(where: str, backend: Backend) -> Iterator[Problem]:
    check = backend.health_check
    yield from _without_use(where, check)
    if check.type == "script" and not check.script:
        way_out = "Give the absolute path of a program on the nodes, or use another type."
        yield Problem(where, "health_check.script", None, "and there is nothing that health_check.type: script could run", way_out)
    for name in ("expect_body", "expect_body_regex"):
        if getattr(check, name) and (check.type not in OVER_HTTP or check.method == "HEAD"):
            rule = f"but a check of type {check.type} with method {check.method} sees no body"
            yield Problem(where, f"health_check.{name}", getattr(check, name), rule, "Use type: http with method: GET, or leave it out.")
    if check.expect_body and check.expect_body_regex:
        rule = "but expect_body gives a text too"
        yield Problem(where, "health_check.expect_body_regex", check.expect_body_regex, rule, "Give one of them.")
    if check.type in ALWAYS_OVER_TLS and check.tls == "never":
        rule = f"but a check of type {check.type} is one over TLS"
        yield Problem(where, "health_check.tls", "never", rule, "Use type: http or tcp, or tls: auto.")
    if check.type in ("script", "none") and check.proxy_protocol not in ("auto", "none"):
        rule = f"but health_check.type: {check.type} opens no connection"
        yield Problem(where, "health_check.proxy_protocol", check.proxy_protocol, rule, "Use proxy_protocol: auto.")
    if check.type == "script" and check.tls != "auto":
        rule = "but a script sees to its connections itself"
        yield Problem(where, "health_check.tls", check.tls, rule, "Use tls: auto.")
    if check.sni and (not backend.checked_over_tls or check.type in ("script", "none")):
        way_out = "Use type: https or tls, or tls: always, or leave it out."
        yield Problem(where, "health_check.sni", check.sni, "but this check does not speak TLS", way_out)
    yield from _headers(where, check)
    yield from _agent(where, check.agent)


def _without_use(where: str, check: HealthCheck) -> Iterator[Problem]:
    """Options that are set and do nothing would be taken for some that do."""
    for name, field_name, _declaration, default in declared(HealthCheck):
        types = _TYPES_OF.get(name, (check.type,))
        value = getattr(check, field_name)
        if check.type in types or value == default or (name in _FORMER_OPTIONS and check.type in _FORMER_TYPES):
            continue
        way_out = f"Use type: {' or '.join(types)}, or give its default ({plain(default)})."
        yield Problem(where, f"health_check.{name}", value, f"but a check of type {check.type} has no use for it", way_out)


def _headers(where: str, check: HealthCheck) -> Iterator[Problem]:
    if len(check.headers) > _HEADERS_MAX:
        rule = f"but a check sends {_HEADERS_MAX} fields of your own at most"
        yield Problem(where, "health_check.headers", len(check.headers), rule, "Leave some out.")
    for name, value in check.headers.items():
        option = f"health_check.headers[{name}]"
        if not _HEADER_NAME.fullmatch(name):
            yield Problem(where, option, name, "which is not a field's name (RFC 9110 5.1)", "Give letters, digits and '-'.")
        elif name.lower() in _OWN_HEADERS:
            way_out = _OWN_HEADERS[name.lower()] or "Leave it out."
            yield Problem(where, option, value, "but the check itself says how its connection is used", way_out)
        elif not _HEADER_VALUE.fullmatch(value):
            yield Problem(where, option, value, "which is not a field's value (RFC 9110 5.5)", "Give up to 2048 printable ASCII characters.")


def _agent(where: str, agent: AgentCheck) -> Iterator[Problem]:
    if agent.port:
        if len(agent.send.encode()) > _WORDS_BYTES_MAX:
            rule = f"but an agent is told {_WORDS_BYTES_MAX} bytes at most"
            yield Problem(where, "health_check.agent.send", agent.send, rule, "Give fewer.")
        if agent.address and "{server}" not in agent.send:
            rule = "but this one agent would not know which server it is asked about"
            yield Problem(where, "health_check.agent.address", agent.address, rule, 'Tell it: send: "{backend}/{server}".')
        return
    for name, field_name, declaration, default in declared(AgentCheck):
        value = getattr(agent, field_name)
        if value != default:
            shown = duration_text(value) if declaration.kind == "duration" else value
            rule = "but without health_check.agent.port no agent is asked"
            yield Problem(where, f"health_check.agent.{name}", shown, rule, "Give the port that it listens on, or clear all: agent: {}.")
