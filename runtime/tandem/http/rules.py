"""Ordered rules, of which the first that matches counts: found by host and path, not by asking each.

Of 1,000 rules for a host each, a request meets those for its own host only, and then those that any host might meet. Whatever the index, the answer
is that of asking one rule after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from .._model import Conditions
from .conditions import Matcher, compiled
from .paths import normal
from .request import Request

NONE = 1 << 60  # no rule
_INDEXED_FROM = 8  # rules that want the same of a host; fewer are asked one after the other


class _Rule:
    """One rule, with what is left to ask of who was led here. ``inverted``: it is for all others."""

    def __init__(self, place: int, matcher: Matcher, inverted: bool) -> None:
        self.place = place
        self._checks = matcher.checks
        self._inverted = inverted

    def matches(self, request: Request, client: str) -> bool:
        for check in self._checks:
            if not check.holds(request, client):
                return self._inverted
        return not self._inverted


class _Paths:
    """Rules that want the same of a host, by what they want of a path."""

    def __init__(self, rules: list[tuple[int, Conditions, bool]], without_host: bool) -> None:
        self._listed: list[_Rule] = []
        self._exact: dict[bytes, list[_Rule]] = {}
        self._prefixes: dict[bytes, list[_Rule]] = {}
        self._depth = 0  # slashes in the deepest prefix
        indexed = len(rules) >= _INDEXED_FROM
        for place, conditions, inverted in rules:
            by_path = indexed and not inverted and not conditions.ignore_case and bool(conditions.path) != bool(conditions.path_prefix)
            rule = _Rule(place, compiled(conditions, without_host=without_host, without_path=by_path), inverted)
            if not by_path:
                self._listed.append(rule)
            elif conditions.path:
                self._exact.setdefault(normal(conditions.path.encode()), []).append(rule)
            else:
                prefix = normal(conditions.path_prefix.encode())
                self._depth = max(self._depth, prefix.count(b"/"))
                self._prefixes.setdefault(prefix, []).append(rule)

    def first(self, request: Request, client: str, before: int) -> int:
        """The place of the first rule that matches, of those before a place; else that."""
        if self._exact:
            before = _first_of(self._exact.get(request.normal_path), request, client, before)
        if self._prefixes:
            before = self._first_by_prefix(request, client, before)
        for rule in self._listed:
            if rule.place >= before:
                break
            if rule.matches(request, client):
                return rule.place
        return before

    def _first_by_prefix(self, request: Request, client: str, before: int) -> int:
        """A prefix ends with a segment, or with the slash after it (``lies_under``)."""
        path, prefixes = request.normal_path, self._prefixes
        at = path.find(b"/")
        for _segment in range(self._depth):
            if at < 0:
                break
            before = _first_of(prefixes.get(path[: at + 1]), request, client, before)
            if at:
                before = _first_of(prefixes.get(path[:at]), request, client, before)
            at = path.find(b"/", at + 1)
        else:
            if at > 0:
                return _first_of(prefixes.get(path[:at]), request, client, before)
        return before if path.endswith(b"/") else _first_of(prefixes.get(path), request, client, before)


class Rules:
    """``rules``: the conditions of each, in order, and whether they are inverted."""

    def __init__(self, rules: Sequence[tuple[Conditions, bool]]) -> None:
        by_host: dict[bytes, list[tuple[int, Conditions, bool]]] = {}
        by_domain: dict[bytes, list[tuple[int, Conditions, bool]]] = {}
        others: list[tuple[int, Conditions, bool]] = []
        for place, (conditions, inverted) in enumerate(rules):
            if conditions.host and not conditions.subdomains and not inverted:
                by_host.setdefault(conditions.host.encode(), []).append((place, conditions, inverted))
            elif conditions.subdomains and not conditions.host and not inverted:
                by_domain.setdefault(conditions.subdomains.encode(), []).append((place, conditions, inverted))
            else:
                others.append((place, conditions, inverted))
        self._by_host = {host: _Paths(some, True) for host, some in by_host.items()}
        self._by_domain = {domain: _Paths(some, True) for domain, some in by_domain.items()}
        self._others = _Paths(others, False)
        self._labels = max([domain.count(b".") + 1 for domain in by_domain], default=0)

    def first(self, request: Request, client: str) -> int:
        """The place of the first rule that matches a request of the client at this address; else NONE."""
        before = NONE
        if self._by_host:
            paths = self._by_host.get(request.fields.route_host)
            if paths is not None:
                before = paths.first(request, client, before)
        if self._by_domain:
            before = self._first_by_domain(request, client, before)
        return self._others.first(request, client, before)

    def _first_by_domain(self, request: Request, client: str, before: int) -> int:
        host = request.fields.route_host
        at = len(host)
        for _label in range(self._labels):
            at = host.rfind(b".", 0, at)
            if at < 0:
                break
            paths = self._by_domain.get(host[at + 1 :])
            if paths is not None:
                before = paths.first(request, client, before)
        return before


def _first_of(rules: Optional[list[_Rule]], request: Request, client: str, before: int) -> int:
    if rules is not None:
        for rule in rules:
            if rule.place >= before:
                break
            if rule.matches(request, client):
                return rule.place
    return before
