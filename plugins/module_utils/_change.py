# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How modules make the wanted document of the former one: state objects, remove them, take the node for one of theirs.

Pure: documents in, documents out, ModelError where a rule is broken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ._model import KINDS, Document, ModelError, Problem, describe, from_options, users

Given = Mapping[str, Sequence[Mapping[str, Any]]]


def key_of(kind: str, options: Mapping[str, Any]) -> str:
    """The key of the object that the options name."""
    if "load_balancer" in options:
        return f"{options['load_balancer']}/{options['name']}"
    return str(options["name"])


def stated(have: Document, kind: str, options: Mapping[str, Any], secrets: dict[str, str], *, whole: bool = False) -> Document:
    """``have`` with one object as the options say; ``whole``: options left out go back to their defaults."""
    key = key_of(kind, options)
    former = None if whole else have.objects(kind).get(key)
    return have.with_object(from_options(KINDS[kind], options, former, where=describe(kind, key), secrets=secrets))


def removed(have: Document, kind: str, key: str, *, cascade: bool = False, keep_ips: Optional[bool] = None) -> Document:
    """``have`` without one object (and what it takes with it). Raises ModelError where it is protected or in use."""
    thing = have.objects(kind).get(key)
    if thing is None:
        return have
    if kind == "load_balancers":
        refuse_protected(have, key)
        if cascade:
            have = _without_content(have, key)
    refuse_used(have, kind, key)
    have = have.without(kind, key)
    if kind == "load_balancers" and not (thing.keep_ips if keep_ips is None else keep_ips):
        for name in thing.floating_ips:
            if not users(have, "floating_ips", name):
                have = have.without("floating_ips", name)
    return have


def all_stated(have: Document, given: Given, secrets: dict[str, str], state: str, *, allow_empty: bool = False) -> Document:
    """``have`` with all objects as given; ``state`` is merged, replaced or overridden. Raises ModelError."""
    _refuse_twice(given)
    want = have
    for kind, members in given.items():
        for options in members:
            want = stated(want, kind, options, secrets, whole=state != "merged")
    if state != "overridden":
        return want
    keep = {(kind, key_of(kind, options)) for kind, members in given.items() for options in members}
    surplus = [(kind, key) for kind in KINDS for key in have.objects(kind) if (kind, key) not in keep]
    if surplus and not keep and not allow_empty:
        rule = f"but no object is given, so all {len(surplus)} of this node would be removed"
        raise ModelError(Problem("", "state", "overridden", rule, "Give the objects to keep, or allow_empty: true to remove them all."))
    return _all_without(want, surplus)


def all_removed(have: Document, given: Given) -> Document:
    """``have`` without the given objects, of which only the names count. Raises ModelError where others use them."""
    _refuse_twice(given)
    marks = [(kind, key_of(kind, options)) for kind, members in given.items() for options in members]
    want = _all_without(have, [(kind, key) for kind, key in marks if key in have.objects(kind)])
    for key in sorted(set(have.load_balancers) - set(want.load_balancers)):
        gone = have.load_balancers[key]
        for name in () if gone.keep_ips else gone.floating_ips:
            if name in want.floating_ips and not users(want, "floating_ips", name):
                want = want.without("floating_ips", name)
    return want


def _all_without(have: Document, marks: list[tuple[str, str]]) -> Document:
    """Users go before what they use, so that only those that stay can refuse."""
    for kind in reversed(list(KINDS)):
        for _kind, key in (mark for mark in marks if mark[0] == kind):
            if kind == "load_balancers":
                refuse_protected(have, key)
            refuse_used(have, kind, key)
            have = have.without(kind, key)
    return have


def _refuse_twice(given: Given) -> None:
    for kind, members in given.items():
        keys = [key_of(kind, options) for options in members]
        for key in keys:
            if keys.count(key) > 1:
                raise ModelError(Problem("", kind, key, "which is given twice", "State each object once."))


def refuse_protected(document: Document, key: str) -> None:
    if document.load_balancers[key].deletion_protection:
        rule = "so it is not removed"
        way_out = "Set deletion_protection: false in a task of its own first."
        raise ModelError(Problem(describe("load_balancers", key), "deletion_protection", True, rule, way_out))


def refuse_used(document: Document, kind: str, key: str) -> None:
    found = users(document, kind, key)
    if not found:
        return
    way_out = "Remove these first, or take it out of them."
    if kind == "load_balancers":
        way_out = "Remove these first, or give cascade: true to remove them with it."
    raise ModelError(Problem(describe(kind, key), "state", "absent", f"but it is used by {', '.join(found)}", way_out))


def refuse_stranger(document: Document, node: str, keys: list[str]) -> None:
    """Raises ModelError where ``node`` is none of the nodes of a load balancer that it is to be."""
    problems = []
    for key in keys:
        names = [member.node for member in document.load_balancers[key].nodes]
        if node not in names:
            known = ", ".join(f'"{name}"' for name in names)
            rule = f"but its nodes are {known}"
            way_out = "Run the task on those hosts only, correct master and backup, or give the option node where inventory names differ."
            problems.append(Problem(describe("load_balancers", key), "node", node, rule, way_out))
    if problems:
        raise ModelError(*problems)


def _without_content(have: Document, load_balancer: str) -> Document:
    for kind in ("frontends", "backends"):
        for key, thing in have.objects(kind).items():
            if thing.load_balancer == load_balancer:
                have = have.without(kind, key)
    return have
