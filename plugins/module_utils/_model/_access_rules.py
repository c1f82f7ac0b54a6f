# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules of a frontend's routes, ACLs and basic authentication: what would do nothing, or lead nowhere, is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Union

from ._acl import CODES, Acl, BasicAuth, Redirect
from ._conditions import check_conditions, shown, stated
from ._frontend import Frontend, FrontendTimeouts
from ._problems import Problem
from ._values import duration_text

USERS_MAX = 200
_NO_AUTH = BasicAuth()
_NO_REDIRECT = Redirect()
_TARPIT_MS = FrontendTimeouts().tarpit_ms


def frontend(one: Frontend, where: str) -> Iterator[Problem]:
    for index, route in enumerate(one.routes):
        option = f"routes[{index}]"
        if one.protocol == "http":
            yield from check_conditions(route, where, option)
        if route.backend and route.backends:
            yield Problem(where, f"{option}.backend", route.backend, "but backends are given too", "Give one of them.")
        elif not route.names:
            yield Problem(where, f"{option}.backend", None, "so the requests that match have nowhere to go", "Name a backend, or give backends.")
        elif route.backends and not any(weighted.weight for weighted in route.backends):
            rule = "but each has weight 0, so no new client could go anywhere"
            yield Problem(where, f"{option}.backends", ", ".join(route.names), rule, "Give one of them a weight of 1 or more.")
    for index, acl in enumerate(one.acls):
        option = f"acls[{index}]"
        yield from (_acl(acl, where, option) if one.protocol == "http" else _acl_of_tcp(acl, where, option))
    if one.acl_default == "deny" and not any(acl.action != "deny" for acl in one.acls):
        rule = "but no ACL lets anybody in"
        yield Problem(where, "acl_default", "deny", rule, "Add an ACL with action: allow, or use enabled: false to close the frontend.")
    if one.timeouts.tarpit_ms != _TARPIT_MS and not any(acl.action == "tarpit" for acl in one.acls):
        rule = "but no ACL has action: tarpit"
        yield Problem(where, "timeouts.tarpit", duration_text(one.timeouts.tarpit_ms), rule, "Leave it out, or give one that action.")
    if one.protocol != "http" and one.basic_auth != _NO_AUTH:
        rule = "but TCP has no requests that could carry a password"
        yield Problem(where, "basic_auth", ", ".join(user.name for user in one.basic_auth.users), rule, "Use protocol: http, or clear it: {}.")
    elif one.protocol == "http":
        yield from _basic_auth(one.basic_auth, where)


def _acl(acl: Acl, where: str, option: str) -> Iterator[Problem]:
    yield from check_conditions(acl, where, option)
    yield from _inverted(acl, where, option)
    if acl.status != 403 and acl.action not in ("deny", "tarpit"):
        rule = f"but action: {acl.action} does not answer with it"
        yield Problem(where, f"{option}.status", acl.status, rule, "Leave it out; a redirect has redirect.code.")
    target = acl.redirect
    if acl.action != "redirect":
        if target != _NO_REDIRECT:
            rule = f"but action: {acl.action} sends nobody elsewhere"
            yield Problem(where, f"{option}.redirect", "given", rule, "Use action: redirect, or clear it: {}.")
        return
    if not (target.scheme or target.host or target.port or target.path or target.path_prefix):
        rule = "so clients would be sent where they come from"
        yield Problem(where, f"{option}.redirect", None, rule, "Give scheme, host, port, path or path_prefix.")
    if target.code not in CODES:
        rule = f"which is none of {', '.join(map(str, CODES))}"
        yield Problem(where, f"{option}.redirect.code", target.code, rule, "Use 302 for now, 301 for good, 307 and 308 to keep method and body.")
    if target.path and target.path_prefix:
        yield Problem(where, f"{option}.redirect.path_prefix", target.path_prefix, "but path is given too", "Give one of them.")
    if target.path_prefix and (acl.invert or not acl.path_prefix):
        rule = "but there is no path_prefix whose place it could take"
        yield Problem(where, f"{option}.redirect.path_prefix", target.path_prefix, rule, "Give the ACL one (without invert), or use redirect.path.")


def _acl_of_tcp(acl: Acl, where: str, option: str) -> Iterator[Problem]:
    for name in stated(acl):
        if name != "sources":
            rule = "but a TCP frontend sees no requests"
            yield Problem(where, f"{option}.{name}", shown(acl, name), rule, "Use sources, or protocol: http.")
    yield from _inverted(acl, where, option)
    if acl.action not in ("allow", "deny"):
        rule = "but TCP clients can be let in or turned away, and nothing else"
        yield Problem(where, f"{option}.action", acl.action, rule, "Use allow or deny, or protocol: http.")
    elif acl.status != 403 or acl.redirect != _NO_REDIRECT:
        name, value = ("status", acl.status) if acl.status != 403 else ("redirect", "given")
        yield Problem(where, f"{option}.{name}", value, "but TCP has no answer to say it in", "Leave it out.")


def _inverted(given: Union[Acl, BasicAuth], where: str, option: str) -> Iterator[Problem]:
    if given.invert and not stated(given):
        yield Problem(where, f"{option}.invert", True, "but there are no conditions, so it would never count", "Give conditions, or leave it out.")


def _basic_auth(auth: BasicAuth, where: str) -> Iterator[Problem]:
    if not auth.users:
        if auth != _NO_AUTH:
            given = stated(auth) or ["realm" if auth.realm != _NO_AUTH.realm else "invert"]
            rule = "but without users nobody is asked for a password"
            value = shown(auth, given[0])
            yield Problem(where, f"basic_auth.{given[0]}", value, rule, "Give users, or clear all: basic_auth: {}.")
        return
    yield from check_conditions(auth, where, "basic_auth")
    yield from _inverted(auth, where, "basic_auth")
    if len(auth.users) > USERS_MAX:
        rule = f"but {USERS_MAX} are the most"
        yield Problem(where, "basic_auth.users", f"{len(auth.users)} users", rule, "Use the application's own login for so many.")
