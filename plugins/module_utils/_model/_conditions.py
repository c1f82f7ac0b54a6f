# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The conditions on a request that routes, ACLs and whatever else is for some requests only have in common. Pure.

All that are given must hold; those that are left out hold always.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass

from . import _values as values
from ._options import option
from ._patterns import automaton
from ._problems import Problem

NETWORKS_MAX = 10_000
COMPARISONS_MAX = 20
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")  # RFC 9110 5.6.2
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,62})")
_HOST_BEGINNING = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,252})")


def _host(given: str) -> str:
    if given.startswith("*."):
        raise ValueError("which is a pattern, and a host is one host", f'Use subdomains: "{given[2:]}", which are all names below it.')
    return values.host(given)


def _domain(given: str) -> str:
    if given.startswith("*."):
        raise ValueError("but it is the domain whose names are meant", f'Give "{given[2:]}".')
    found = values.host(given)
    if found and values.is_address(found):
        raise ValueError("but an address has no names below it", 'Give a domain, such as "example.com".')
    return found


def _host_prefix(given: str) -> str:
    lowered = given.lower()
    if lowered and not _HOST_BEGINNING.fullmatch(lowered):
        raise ValueError("which no host name begins with", 'Give its beginning, such as "www.".')
    return lowered


def _host_label(given: str) -> str:
    lowered = given.lower()
    if lowered and not _LABEL.fullmatch(lowered):
        raise ValueError("which is not one label of a host name", 'Give what stands between two dots, such as "shop".')
    return lowered


def _exact_path(given: str) -> str:
    return values.path_prefix(given)  # neither has a query


def _expression(given: str) -> str:
    """A regular expression that costs a text of n bytes n steps, whatever both are."""
    if given:
        automaton(given)
    return given


def _method(given: str) -> str:
    if not _TOKEN.fullmatch(given):
        raise ValueError("which is not a method (RFC 9110 9.1)", 'Give one such as "GET".')
    return given.upper()


def _line(given: str) -> str:
    if len(given) > 1024 or not given.isprintable():
        raise ValueError("which is not a line of text", "Give up to 1024 printable characters.")
    return given


def _compared_name(given: str) -> str:
    if not given:
        raise ValueError("so nothing is named that could be compared", "Give the name of the header, cookie or query parameter.")
    return _line(given)


@dataclass(frozen=True)
class Comparison:
    """Compares the values of a header, a cookie or a query parameter. One that does is enough; with the name alone, that there is one. ``invert``:
    that none does.
    """

    name: str = option("str", read=_compared_name)
    value: str = option("str", "", read=_line)
    prefix: str = option("str", "", read=_line)
    contains: str = option("str", "", read=_line)
    regex: str = option("str", "", read=_expression)
    invert: bool = option("bool", False)


@dataclass(frozen=True)
class Conditions:
    """What a request must be like. ``ignore_case`` is for the paths."""

    host: str = option("str", "", read=_host)
    subdomains: str = option("str", "", read=_domain)
    host_prefix: str = option("str", "", read=_host_prefix)
    host_label: str = option("str", "", read=_host_label)
    host_regex: str = option("str", "", read=_expression)
    path: str = option("str", "", read=_exact_path)
    path_prefix: str = option("str", "", read=values.path_prefix)
    path_regex: str = option("str", "", read=_expression)
    ignore_case: bool = option("bool", False)
    headers: tuple[Comparison, ...] = option("objects", tuple, of=Comparison, ordered=True)
    cookies: tuple[Comparison, ...] = option("objects", tuple, of=Comparison, ordered=True)
    query: tuple[Comparison, ...] = option("objects", tuple, of=Comparison, ordered=True)
    methods: tuple[str, ...] = option("strings", (), read=_method)
    sources: tuple[str, ...] = option("strings", (), read=values.network)


def stated(conditions: Conditions) -> list[str]:
    """The options of the conditions that are given, by name."""
    return [field.name for field in dataclasses.fields(Conditions) if getattr(conditions, field.name) not in ("", (), False)]


def shown(conditions: Conditions, name: str) -> object:
    """The value of one of them as messages have it."""
    value = getattr(conditions, name)
    return ", ".join(one.name for one in value) if name in ("headers", "cookies", "query") else value


def check_conditions(conditions: Conditions, where: str, option_name: str) -> Iterator[Problem]:
    """What is wrong with the conditions of one route, ACL or the like, which ``option_name`` names, such as ``routes[0]``."""
    if conditions.ignore_case and not (conditions.path or conditions.path_prefix or conditions.path_regex):
        rule = "but no path is compared"
        yield Problem(where, f"{option_name}.ignore_case", True, rule, "Give path, path_prefix or path_regex, or leave it out.")
    if conditions.host and conditions.subdomains:
        rule = f"but host: {conditions.host} is one host, so subdomains can only forbid it"
        way_out = "Give one of them; for both the domain and all names below it, state two."
        yield Problem(where, f"{option_name}.subdomains", conditions.subdomains, rule, way_out)
    if conditions.path and conditions.path_prefix:
        rule = f"but path: {conditions.path} is one path, so a prefix can only forbid it"
        yield Problem(where, f"{option_name}.path_prefix", conditions.path_prefix, rule, "Give one of them.")
    if len(conditions.sources) > NETWORKS_MAX:
        way_out = "Give wider networks, or divide them among several."
        yield Problem(where, f"{option_name}.sources", f"{len(conditions.sources)} networks", f"but {NETWORKS_MAX} are the most", way_out)
    for kind in ("headers", "cookies", "query"):
        comparisons = getattr(conditions, kind)
        if len(comparisons) > COMPARISONS_MAX:
            rule = f"but {COMPARISONS_MAX} are the most"
            yield Problem(where, f"{option_name}.{kind}", f"{len(comparisons)} comparisons", rule, "Use a route or an ACL for some of them.")
        for index, comparison in enumerate(comparisons):
            yield from _check_comparison(comparison, where, f"{option_name}.{kind}[{index}]", kind)


def _check_comparison(comparison: Comparison, where: str, option_name: str, kind: str) -> Iterator[Problem]:
    if kind != "query" and not _TOKEN.fullmatch(comparison.name):
        rule = f"which is not a name that {kind} have (RFC 9110 5.6.2)"
        yield Problem(where, f"{option_name}.name", comparison.name, rule, "Give letters, digits, '-' and '_'.")
    ways = [name for name in ("value", "prefix", "contains", "regex") if getattr(comparison, name)]
    if len(ways) > 1:
        rule = f"but {ways[0]} is given too"
        way_out = "Give one of value, prefix, contains and regex; two comparisons can name the same thing."
        yield Problem(where, f"{option_name}.{ways[1]}", getattr(comparison, ways[1]), rule, way_out)
