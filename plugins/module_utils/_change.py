# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How modules make the wanted document of the former one: state objects, remove them, take the node for one of theirs.

Pure: documents in, documents out, ModelError where a rule is broken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ._model import KINDS, Document, FloatingIP, ModelError, Problem, addresses_in_use, describe, from_options, in_pool, pool, pool_addresses, users

Given = Mapping[str, Sequence[Mapping[str, Any]]]


def key_of(kind: str, options: Mapping[str, Any]) -> str:
    """The key of the object that the options name."""
    if "load_balancer" in options:
        return f"{options['load_balancer']}/{options['name']}"
    return str(options["name"])


def _stated(have: Document, kind: str, options: Mapping[str, Any], secrets: dict[str, str], *, whole: bool = False) -> Document:
    """``have`` with one object as the options say; ``whole``: options left out go back to their defaults."""
    key = key_of(kind, options)
    former = have.objects(kind).get(key)
    if kind == "floating_ips" and _takes_from_pool(former, options, whole=whole):
        options = {**options, "address": _chosen(have, former, options)}
    return have.with_object(from_options(KINDS[kind], options, None if whole else former, where=describe(kind, key), secrets=secrets))


def _takes_from_pool(former: Optional[FloatingIP], options: Mapping[str, Any], *, whole: bool) -> bool:
    """Whether no address is stated, but a pool is, or was."""
    kept = "" if whole or former is None else former.pool
    return options.get("address") is None and bool(kept if options.get("pool") is None else options["pool"])


def _chosen(have: Document, former: Optional[FloatingIP], options: Mapping[str, Any]) -> str:
    """The address that a floating IP has from its pool, or the pool's lowest that no object of the document uses: the same on every node that holds
    the same objects. Raises ModelError."""
    given = options.get("pool")
    if given is None and former is not None:
        given = former.pool
    where = describe("floating_ips", str(options["name"]))
    try:
        wanted = pool(str(given))
    except ValueError as error:
        rule, way_out = error.args
        raise ModelError(Problem(where, "pool", given, rule, way_out)) from None
    if former is not None and in_pool(wanted, former.address):
        return former.address
    taken = addresses_in_use(have if former is None else have.without("floating_ips", former.key))
    for address in pool_addresses(wanted):
        if address.partition("/")[0] not in taken:
            return address
    rule = "but every address of it is used by another object"
    raise ModelError(Problem(where, "pool", wanted, rule, "Give a larger pool, or remove floating IPs that nobody uses."))


def removed(have: Document, kind: str, key: str, *, cascade: bool = False, keep_ips: Optional[bool] = None) -> Document:
    """``have`` without one object (and what it takes with it). Raises ModelError where it is protected or in use."""
    thing = have.objects(kind).get(key)
    if thing is None:
        return have
    if kind == "load_balancers":
        refuse_protected(have, key)
        if cascade:
            have = _without_content(have, key)
    way_out = "Remove these first, or give cascade: true to remove them with it."
    refuse_used(have, kind, key, way_out if kind == "load_balancers" else "Remove these first, or take it out of them.")
    have = have.without(kind, key)
    if kind == "load_balancers" and not (thing.keep_ips if keep_ips is None else keep_ips):
        for name in thing.floating_ips:
            if not users(have, "floating_ips", name):
                have = have.without("floating_ips", name)
    return have


def all_stated(have: Document, given: Given, secrets: dict[str, str], state: str, *, allow_empty: bool = False) -> Document:
    """``have`` with all objects as given; ``state`` is merged, replaced or overridden. Raises ModelError."""
    given = _taken_apart(given)
    _refuse_twice(given)
    whole = state != "merged"
    want, from_pools = have, []
    for kind, members in given.items():
        for options in members:
            if kind == "floating_ips" and _takes_from_pool(have.floating_ips.get(key_of(kind, options)), options, whole=whole):
                from_pools.append(options)
            else:
                want = _stated(want, kind, options, secrets, whole=whole)
    # Last and by name, so that the order in which objects are given does not decide who has which address.
    for options in sorted(from_pools, key=lambda one: str(one["name"])):
        want = _stated(want, "floating_ips", options, secrets, whole=whole)
    if state != "overridden":
        return want
    keep = {(kind, key_of(kind, options)) for kind, members in given.items() for options in members}
    surplus = [(kind, key) for kind in KINDS for key in have.objects(kind) if (kind, key) not in keep]
    if surplus and not keep and not allow_empty:
        rule = f"but no object is given, so all {len(surplus)} of this node would be removed"
        raise ModelError(Problem("", "state", "overridden", rule, "Give the objects to keep, or allow_empty: true to remove them all."))
    return _all_without(want, surplus, "State it too, or leave these out as well.")


def all_removed(have: Document, given: Given) -> Document:
    """``have`` without the given objects, of which only the names count. Raises ModelError where others use them."""
    _refuse_twice(given)
    marks = [(kind, key_of(kind, options)) for kind, members in given.items() for options in members]
    want = _all_without(
        have, [(kind, key) for kind, key in marks if key in have.objects(kind)], "List these in the same task, or take it out of them."
    )
    for key in sorted(set(have.load_balancers) - set(want.load_balancers)):
        gone = have.load_balancers[key]
        for name in () if gone.keep_ips else gone.floating_ips:
            if name in want.floating_ips and not users(want, "floating_ips", name):
                want = want.without("floating_ips", name)
    return want


def _all_without(have: Document, marks: list[tuple[str, str]], way_out: str) -> Document:
    """Users go before what they use, so that only those that stay can refuse."""
    for kind in reversed(list(KINDS)):
        for _kind, key in (mark for mark in marks if mark[0] == kind):
            if kind == "load_balancers":
                refuse_protected(have, key)
            refuse_used(have, kind, key, way_out)
            have = have.without(kind, key)
    return have


def _taken_apart(given: Given) -> Given:
    """The floating IPs that load balancers define in place stand among the others, and the load balancers name them. Raises ModelError."""
    found: list[Mapping[str, Any]] = []
    balancers = []
    for options in given.get("load_balancers", ()):
        names = []
        for index, member in enumerate(options.get("floating_ips") or ()):
            if not isinstance(member, Mapping):
                names.append(member)
                continue
            if not member.get("name"):
                where = describe("load_balancers", str(options["name"]))
                raise ModelError(Problem(where, f"floating_ips[{index}].name", None, "but load balancers name their floating IPs", "Give it one."))
            found.append(member)
            names.append(str(member["name"]))
        balancers.append(options if options.get("floating_ips") is None else {**options, "floating_ips": names})
    if not found:
        return given
    return {**given, "floating_ips": [*given.get("floating_ips", ()), *found], "load_balancers": balancers}


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


def refuse_used(document: Document, kind: str, key: str, way_out: str) -> None:
    found = users(document, kind, key)
    if found:
        raise ModelError(Problem(describe(kind, key), "state", "absent", f"but it is used by {', '.join(found)}", way_out))


def refuse_stranger(document: Document, node: str, keys: list[str]) -> None:
    """Raises ModelError where ``node`` is none of the nodes of a load balancer that it is to be."""
    problems = []
    for key in keys:
        names = [member.node for member in document.load_balancers[key].nodes]
        if node not in names:
            known = ", ".join(f'"{name}"' for name in names)
            rule = f"but its nodes are {known}"
            way_out = "Run the task on those hosts only, correct master and backup, or set tandem_node where inventory names differ."
            problems.append(Problem(describe("load_balancers", key), "node", node, rule, way_out))
    if problems:
        raise ModelError(*problems)


def _without_content(have: Document, load_balancer: str) -> Document:
    for kind in ("frontends", "backends"):
        for key, thing in have.objects(kind).items():
            if thing.load_balancer == load_balancer:
                have = have.without(kind, key)
    return have
