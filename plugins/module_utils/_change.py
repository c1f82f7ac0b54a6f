# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How modules make the wanted document of the former one: state objects, remove them, take the node for one of theirs.
Pure: documents in, documents out, ModelError where a rule is broken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ._kinds import HOOKS
from ._model import KINDS, Document, ModelError, Problem, describe, from_options, node_name, users

Given = Mapping[str, Sequence[Mapping[str, Any]]]


def _stated(have: Document, kind: str, options: Mapping[str, Any], secrets: dict[str, str], *, whole: bool = False) -> Document:
    """``have`` with one object as the options say; ``whole``: options left out go back to their defaults."""
    key = KINDS[kind].key_of(options)
    former = have.objects(kind).get(key)
    options = HOOKS[kind].completed(have, former, options, whole=whole)
    return have.with_object(from_options(KINDS[kind], options, None if whole else former, where=describe(kind, key), secrets=secrets))


def removed(have: Document, kind: str, key: str, arguments: Mapping[str, Any]) -> Document:
    """``have`` without one object, and what it takes with it by the arguments of its module. Raises ModelError where it is protected or in use."""
    thing = have.objects(kind).get(key)
    if thing is None:
        return have
    hooks = HOOKS[kind]
    hooks.refuse_removal(have, key)
    have = hooks.emptied(have, key, arguments)
    refuse_used(have, kind, key, hooks.way_out_of_use)
    return hooks.released(have.without(kind, key), thing, arguments)


def all_stated(have: Document, given: Given, secrets: dict[str, str], state: str, *, allow_empty: bool = False) -> Document:
    """``have`` with all objects as given; ``state`` is merged, replaced or overridden. Raises ModelError."""
    given = _taken_apart(given)
    _refuse_twice(given)
    whole = state != "merged"
    want, waiting = have, []
    for kind, members in given.items():
        for options in members:
            key = KINDS[kind].key_of(options)
            if HOOKS[kind].waits_for_others(have.objects(kind).get(key), options, whole=whole):
                waiting.append((kind, key, options))
            else:
                want = _stated(want, kind, options, secrets, whole=whole)
    # Last and by name, so that the order in which objects are given does not decide who has which address.
    for kind, _key, options in sorted(waiting, key=lambda one: one[:2]):
        want = _stated(want, kind, options, secrets, whole=whole)
    if state != "overridden":
        return want
    keep = {(kind, KINDS[kind].key_of(options)) for kind, members in given.items() for options in members}
    surplus = [(kind, key) for kind in KINDS for key in have.objects(kind) if (kind, key) not in keep]
    if surplus and not keep and not allow_empty:
        rule = f"but no object is given, so all {len(surplus)} of this node would be removed"
        raise ModelError(Problem("", "state", "overridden", rule, "Give the objects to keep, or allow_empty: true to remove them all."))
    return _all_without(want, surplus, "State it too, or leave these out as well.")


def all_removed(have: Document, given: Given) -> Document:
    """``have`` without the given objects, of which only the names count. Raises ModelError where others use them."""
    _refuse_twice(given)
    marks = [(kind, KINDS[kind].key_of(options)) for kind, members in given.items() for options in members]
    want = _all_without(
        have, [(kind, key) for kind, key in marks if key in have.objects(kind)], "List these in the same task, or take it out of them."
    )
    for kind, key in marks:
        if key in have.objects(kind):
            want = HOOKS[kind].released(want, have.objects(kind)[key], {})
    return want


def _all_without(have: Document, marks: list[tuple[str, str]], way_out: str) -> Document:
    """Users go before what they use, so that only those that stay can refuse."""
    for kind in reversed(list(KINDS)):
        for _kind, key in (mark for mark in marks if mark[0] == kind):
            HOOKS[kind].refuse_removal(have, key)
            refuse_used(have, kind, key, way_out)
            have = have.without(kind, key)
    return have


def _taken_apart(given: Given) -> Given:
    """What objects define of others in place stands among these, and they name it. Raises ModelError."""
    apart: dict[str, list[Mapping[str, Any]]] = {kind: [] for kind in given}
    for kind, members in given.items():
        for options in members:
            own, others = HOOKS[kind].taken_apart(options)
            apart[kind].append(own)
            for other, found in others.items():
                apart.setdefault(other, []).extend(found)
    return apart


def _refuse_twice(given: Given) -> None:
    for kind, members in given.items():
        keys = [KINDS[kind].key_of(options) for options in members]
        for key in keys:
            if keys.count(key) > 1:
                raise ModelError(Problem("", kind, key, "which is given twice", "State each object once."))


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


def refuse_bad_name(node: Optional[str]) -> None:
    """Raises ModelError where no load balancer could name a node so."""
    try:
        node_name(node or "")
    except ValueError as error:
        rule, way_out = error.args
        raise ModelError(Problem("", "node", node, rule, way_out)) from None


def refuse_other_name(document: Document, node: str, former: str, place: str) -> str:
    """Raises ModelError where a host that is node ``former`` (as the file ``place`` says) would become another one by mistake. Where it was renamed,
    which is so when its load balancers know it by the new name alone, a sentence about that is returned, else ""."""
    if former in ("", node):
        return ""
    known = {member.node for one in document.load_balancers.values() for member in one.nodes}
    if node in known and former not in known:
        return f'This host was node "{former}" until now and is "{node}" from now on.'
    rule = f'but this host is node "{former}" ({place})'
    way_out = (
        "Run the task on the host of that node, or correct the inventory, tandem_node or tandem_prefix. "
        f"Where the name of the host is really to change, name it so in its load balancer as well, or remove {place}."
    )
    raise ModelError(Problem("", "node", node, rule, way_out))
