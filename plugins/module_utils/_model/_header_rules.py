# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules about what is written into requests and answers: fields nobody may write, values that would do nothing, fallbacks without end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Union

from ._backend import Backend, Sticky
from ._conditions import check_conditions
from ._document import Document, describe
from ._frontend import Frontend
from ._headers import AllDown, HeaderRule
from ._options import declared
from ._problems import Problem, known, plain
from ._values import duration_text
from ._variables import TEXT, parts_of, variables_in

RULES_MAX = 100
_PAGES_BYTES_MAX = 1 << 20  # of one frontend
# Fields that no rule writes, and why.
_FRAMES = "which says where a message ends, so that the proxy and a server could read two different ones (RFC 9112 6)"
_OF_A_CONNECTION = "which concerns one connection and never passes (RFC 9110 7.6.1)"
_REFUSED = {
    "content-length": _FRAMES,
    "transfer-encoding": _FRAMES,
    "connection": _OF_A_CONNECTION,
    "keep-alive": _OF_A_CONNECTION,
    "proxy-connection": _OF_A_CONNECTION,
    "te": _OF_A_CONNECTION,
    "trailer": _OF_A_CONNECTION,
    "upgrade": "which concerns one connection; what may pass is said by upgrades (RFC 9110 7.8)",
    "http2-settings": _OF_A_CONNECTION,
    "expect": "which the proxy acts on itself (RFC 9110 10.1.1)",
    "max-forwards": "which the proxy counts down itself (RFC 9110 7.6.2)",
    "via": "which the option via is for",
}
_HOST_TEXT = re.compile(r"[A-Za-z0-9._:\[\]-]*")
# What may stand in Host: what has the form of a host already, or of a name.
_HOST_VARIABLES = frozenset(("host", "host_port", "port", "server", "backend", "frontend", "tls_sni"))
_COOKIE_OPTIONS = ("cookie_domain", "cookie_path", "cookie_same_site", "cookie_secure")


def frontend(one: Frontend, where: str) -> Iterator[Problem]:
    if one.protocol != "http":
        for index, route in enumerate(one.routes):
            if route.path_rewrite.changes:
                yield Problem(where, f"routes[{index}].path_rewrite", "a prefix", "but TCP has no paths", "Use protocol: http, or leave it out.")
        return
    for name, rules in (("request_headers", one.request_headers), ("response_headers", one.response_headers)):
        yield from _rules(where, name, rules)
        for index, written in enumerate(rules):
            yield from _without_effect(one, where, f"{name}[{index}].value", written.value)
    if one.forwarded_for == "none" and one.forwarded_fields != type(one).forwarded_fields:
        way_out = "Use forwarded_for: replace, or leave it out."
        yield Problem(where, "forwarded_fields", one.forwarded_fields, "but forwarded_for: none writes none", way_out)
    if one.request_id.mode == "pass" and not one.trusted_proxies and one.forwarded_for != "append":
        rule = "but no client is believed: there are no trusted_proxies, and forwarded_for is not append"
        yield Problem(where, "request_id.mode", "pass", rule, "Name the trusted_proxies that give ids, or use make.")
    packed = one.compression
    if not packed.enabled and packed != type(packed)():
        yield Problem(where, "compression.enabled", False, "but other options of it are given", "Use enabled: true, or clear them (compression: {}).")
    elif packed.enabled and not packed.types:
        yield Problem(where, "compression.types", [], "so nothing is compressed", "Give types, or use enabled: false.")
    if one.request_id.header.lower() in (*_REFUSED, "host", "cookie"):
        yield Problem(where, "request_id.header", one.request_id.header, "which has another meaning", 'Give one such as "X-Request-ID".')
    if sum(len(page.content.encode()) for page in one.error_pages) > _PAGES_BYTES_MAX:
        rule = f"which are more than {_PAGES_BYTES_MAX} bytes in all"
        yield Problem(where, "error_pages", f"{len(one.error_pages)} pages", rule, "Give shorter ones; they may load what else they need.")


def _without_effect(one: Frontend, where: str, option: str, value: str) -> Iterator[Problem]:
    """Variables that would always be empty."""
    used = variables_in(value)
    if "request_id" in used and one.request_id.mode == "none":
        why = "but request_id.mode is none, so that there is no request_id"
        yield Problem(where, option, value, why, "Use request_id: {mode: make}, or leave the variable out.")
    if "tls_sni" in used and not one.tls.certificates:
        yield Problem(where, option, value, "but no TLS ends here, so that there is no tls_sni", "Give tls.certificates, or leave the variable out.")
    if "client_cert_subject" in used and one.tls.client_auth == "none":
        why = "but tls.client_auth is none, so that no client shows a certificate"
        yield Problem(where, option, value, why, "Set tls.client_auth, or leave the variable out.")


def _rules(where: str, option: str, rules: tuple[HeaderRule, ...]) -> Iterator[Problem]:
    if len(rules) > RULES_MAX:
        yield Problem(where, option, f"{len(rules)} rules", f"but {RULES_MAX} are the most", "Leave some out, or have the servers write them.")
    for index, rule in enumerate(rules):
        here = f"{option}[{index}]"
        yield from check_conditions(rule, where, here)
        reason = _REFUSED.get(rule.name.lower()) if (option, rule.name.lower()) != ("response_headers", "via") else None
        if reason:
            yield Problem(where, f"{here}.name", rule.name, reason, "Leave it out.")
        elif option == "request_headers" and rule.name.lower() == "host":
            yield from _host(where, here, rule)
        if rule.action == "remove" and rule.value:
            yield Problem(where, f"{here}.value", rule.value, "but the action remove writes none", "Leave it out, or use set.")
        if rule.action != "remove" and not rule.value:
            yield Problem(where, f"{here}.value", rule.value, f"but the action {rule.action} needs one", "Give it, or use remove.")


def _host(where: str, here: str, rule: HeaderRule) -> Iterator[Problem]:
    """A request has one Host, of the right form (RFC 9112 3.2)."""
    if rule.action != "set":
        yield Problem(where, f"{here}.action", rule.action, "but a request has one Host (RFC 9112 3.2)", "Use set.")
        return
    for name, text in parts_of(rule.value):
        if (name != TEXT and name not in _HOST_VARIABLES) or (name == TEXT and not _HOST_TEXT.fullmatch(text)):
            way_out = f"Give a host name, a port if need be, and of variables {', '.join(sorted(_HOST_VARIABLES))}."
            yield Problem(where, f"{here}.value", rule.value, "which may make a Host that is malformed (RFC 9112 3.2)", way_out)
            return


def backend(document: Document, one: Backend, where: str) -> Iterator[Problem]:
    yield from _sticky(where, one.sticky)
    yield from _all_down(document, one, where)
    if one.protocol != "http":
        yield from _of_requests(one, where)
        return
    yield from _rules(where, "request_headers", one.request_headers)
    yield from _rules(where, "response_headers", one.response_headers)


def _of_requests(one: Backend, where: str) -> Iterator[Problem]:
    for name, field_name, _declaration, default in declared(Backend):
        if name in ("request_headers", "response_headers", "path_rewrite") and getattr(one, field_name) != default:
            given = "rules" if name.endswith("headers") else "a prefix"
            yield Problem(where, name, given, "but TCP has no requests that it could be written into", "Use protocol: http, or leave it out.")


def _sticky(where: str, sticky: Sticky) -> Iterator[Problem]:
    default = Sticky()
    other = sticky.type != "cookie"
    if other and sticky.cookie_mode != default.cookie_mode:
        yield Problem(where, "sticky.cookie_mode", sticky.cookie_mode, f"but sticky.type is {sticky.type}", "Use type: cookie, or leave it out.")
    elif sticky.cookie_mode != "insert":
        if not sticky.cookie_name:
            rule = f"but cookie_mode {sticky.cookie_mode} changes a cookie of the application"
            yield Problem(where, "sticky.cookie_name", None, rule, "Name that cookie, or use cookie_mode: insert.")
        if sticky.ttl_ms != default.ttl_ms:
            rule = f"but with cookie_mode {sticky.cookie_mode} the application says how long its cookie lasts"
            yield Problem(where, "sticky.ttl", duration_text(sticky.ttl_ms), rule, "Leave it out, or use cookie_mode: insert.")
    for name in _COOKIE_OPTIONS:
        given, usual = getattr(sticky, name), getattr(default, name)
        if given != usual and (other or sticky.cookie_mode != "insert"):
            rule = f"but sticky.type is {sticky.type}" if other else f"but with cookie_mode {sticky.cookie_mode} the application says that"
            way_out = f"Leave it out ({plain(usual) or 'empty'}), or use type: cookie with cookie_mode: insert."
            yield Problem(where, f"sticky.{name}", given, rule, way_out)
    if sticky.cookie_same_site == "none" and sticky.cookie_secure == "never":
        yield Problem(where, "sticky.cookie_secure", "never", "but browsers take SameSite=None with Secure only", "Use auto or always.")


def _all_down(document: Document, one: Backend, where: str) -> Iterator[Problem]:
    wanted, default = one.on_all_down, AllDown()
    action = wanted.action
    if one.protocol != "http" and action in ("close", "redirect"):
        rule = "but a TCP session without a server is closed anyway" if action == "close" else "but TCP has no redirects"
        yield Problem(where, "on_all_down.action", action, rule, "Use error, which closes it, or fallback.")
    uses = {"error": ("status", "content", "content_type"), "redirect": ("status", "location"), "fallback": ("backend",), "close": ()}[action]
    if one.protocol != "http":
        uses = tuple(name for name in uses if name == "backend")
    for name in ("status", "content", "content_type", "location", "backend"):
        given = getattr(wanted, name)
        if name not in uses and given != getattr(default, name):
            shown = "a page" if name == "content" else given
            yield Problem(where, f"on_all_down.{name}", shown, f"but the action {action} does not use it", "Leave it out, or use another action.")
    if action == "redirect":
        yield from _redirect(where, wanted)
    elif action == "error" and wanted.status and wanted.status < 400:
        yield Problem(where, "on_all_down.status", wanted.status, "which is no error", "Give 400 to 599, or leave it out for 503.")
    if action == "fallback":
        yield from _fallback(document, one, where)


def _redirect(where: str, wanted: AllDown) -> Iterator[Problem]:
    option = "on_all_down.location"
    if not wanted.location:
        yield Problem(where, option, None, "but a redirect has to go somewhere", 'Give one such as "https://status.example.com/".')
    elif "server" in variables_in(wanted.location):
        yield Problem(where, option, wanted.location, "but no server has been chosen then", "Leave the variable out.")
    if wanted.status not in (0, 302, 303, 307):
        rule = "which is no redirect for a while" if wanted.status in (301, 308) else "which is no redirect"
        yield Problem(where, "on_all_down.status", wanted.status, rule, "Give 302, 303 or 307, or leave it out for 302.")


def _fallback(document: Document, one: Backend, where: str) -> Iterator[Problem]:
    option, name = "on_all_down.backend", one.on_all_down.backend
    if not name:
        yield Problem(where, option, None, "but the action fallback needs one", "Name a backend of the same load balancer.")
        return
    seen, at = {one.key}, f"{one.load_balancer}/{name}"
    other = document.backends.get(at)
    if other is None:
        names = [b.name for b in document.backends.values() if b.load_balancer == one.load_balancer and b.name != one.name]
        rule = f'but load balancer "{one.load_balancer}" has no such backend; {known(names, name)}'
        yield Problem(where, option, name, rule, "Add a task with tandem.lb.backend before this one, or correct the name.")
    elif other.protocol != one.protocol:
        yield Problem(where, option, name, f"whose protocol is {other.protocol}, while this one's is {one.protocol}", "Give both the same protocol.")
    chain: Union[Backend, None] = other
    while chain is not None:
        if chain.key in seen:
            yield Problem(where, option, name, f"which comes back to {describe('backends', chain.key)}", "Let the last of them answer itself.")
            return
        seen.add(chain.key)
        chain = document.backends.get(f"{chain.load_balancer}/{chain.on_all_down.backend}") if chain.on_all_down.action == "fallback" else None
