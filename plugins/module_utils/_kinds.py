# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What differs by kind of object when modules state and remove it: hooks that ``_change`` and ``_resource`` call, a class for each kind that has any.
Pure: documents in, documents out, ModelError where a rule is broken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._model import KINDS, Document, ModelError, Problem, addresses_in_use, describe, in_pool, pool, pool_addresses, to_options, users

Options = Mapping[str, Any]


class Kind:
    """The hooks of a kind that has nothing of its own."""

    arguments: Mapping[str, Any] = {}  # of the module for one object, besides the model's
    are_examined = False  # whether the node looks at its own side of them before they are put in force (see ``_certificates``)
    are_forwarded = False  # whether the node's kernel may have to serve them (see ``_forwarding``)
    names_nodes = False  # whether the node must be one of those that an object names, and these on separate hardware
    way_out_of_use = "Remove these first, or take it out of them."

    def taken_apart(self, options: Options) -> tuple[Options, Mapping[str, list[Options]]]:
        """(the options, those of other objects that were defined in place, by kind). Raises ModelError."""
        return options, {}

    def waits_for_others(self, former: Any, options: Options, *, whole: bool) -> bool:
        """Whether what the options make depends on all other objects, so that they are stated first."""
        return False

    def completed(self, have: Document, former: Any, options: Options, *, whole: bool) -> Options:
        """The options with what the document has to decide. Raises ModelError."""
        return options

    def refuse_removal(self, have: Document, key: str) -> None:
        """Raises ModelError where an object is protected."""

    def emptied(self, have: Document, key: str, arguments: Options) -> Document:
        """``have`` without what an object that is to be removed takes with it, by its module's arguments."""
        return have

    def released(self, have: Document, thing: Any, arguments: Options) -> Document:
        """``have`` without what an object that is removed had to itself."""
        return have

    def shown(self, document: Document, thing: Any) -> dict[str, Any]:
        """What the module for one object returns besides the object."""
        return {}


class _FloatingIPs(Kind):
    """Their addresses may come from pools."""

    def waits_for_others(self, former: Any, options: Options, *, whole: bool) -> bool:
        return self._takes_from_pool(former, options, whole=whole)

    def completed(self, have: Document, former: Any, options: Options, *, whole: bool) -> Options:
        return {**options, "address": self._chosen(have, former, options)} if self._takes_from_pool(former, options, whole=whole) else options

    def _takes_from_pool(self, former: Any, options: Options, *, whole: bool) -> bool:
        """Whether no address is stated, but a pool is, or was."""
        kept = "" if whole or former is None else former.pool
        return options.get("address") is None and bool(kept if options.get("pool") is None else options["pool"])

    def _chosen(self, have: Document, former: Any, options: Options) -> str:
        """The address that a floating IP has from its pool, or the pool's lowest that no object of the document uses: the same on every node that
        holds the same objects. Raises ModelError."""
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
            return str(former.address)
        taken = addresses_in_use(have if former is None else have.without("floating_ips", former.key))
        for address in pool_addresses(wanted):
            if address.partition("/")[0] not in taken:
                return address
        rule = "but every address of it is used by another object"
        raise ModelError(Problem(where, "pool", wanted, rule, "Give a larger pool, or remove floating IPs that nobody uses."))


class _LoadBalancers(Kind):
    """They are made of two nodes, may define floating IPs in place, and hold certificates, backends and frontends."""

    arguments = {"cascade": {"type": "bool", "default": False}}
    names_nodes = True
    way_out_of_use = "Remove these first, or give cascade: true to remove them with it."

    def taken_apart(self, options: Options) -> tuple[Options, Mapping[str, list[Options]]]:
        if options.get("floating_ips") is None:
            return options, {}
        found: list[Options] = []
        names = []
        for index, member in enumerate(options["floating_ips"]):
            if isinstance(member, Mapping):
                if not member.get("name"):
                    where = describe("load_balancers", str(options["name"]))
                    rule = "but load balancers name their floating IPs"
                    raise ModelError(Problem(where, f"floating_ips[{index}].name", None, rule, "Give it one."))
                found.append(member)
                names.append(str(member["name"]))
            else:
                names.append(member)
        return {**options, "floating_ips": names}, {"floating_ips": found}

    def refuse_removal(self, have: Document, key: str) -> None:
        if have.load_balancers[key].deletion_protection:
            way_out = "Set deletion_protection: false in a task of its own first."
            raise ModelError(Problem(describe("load_balancers", key), "deletion_protection", True, "so it is not removed", way_out))

    def emptied(self, have: Document, key: str, arguments: Options) -> Document:
        if not arguments.get("cascade"):
            return have
        for kind in reversed(list(KINDS)):
            for inner, thing in have.objects(kind).items():
                if ("load_balancers", key) in thing.references:
                    have = have.without(kind, inner)
        return have

    def released(self, have: Document, thing: Any, arguments: Options) -> Document:
        keep_ips = arguments.get("keep_ips")
        for name in () if (thing.keep_ips if keep_ips is None else keep_ips) else thing.floating_ips:
            if not users(have, "floating_ips", name):
                have = have.without("floating_ips", name)
        return have

    def shown(self, document: Document, thing: Any) -> dict[str, Any]:
        return {"floating_ips": [to_options(document.floating_ips[name]) for name in thing.floating_ips]}


class _Certificates(Kind):
    """They are texts, or files of the node: who gives one of both takes the other back."""

    are_examined = True

    def completed(self, have: Document, former: Any, options: Options, *, whole: bool) -> Options:
        texts, paths = ("certificate", "private_key"), ("certificate_path", "private_key_path")
        given = {name for name in (*texts, *paths) if options.get(name)}
        if given and not given & set(paths):
            return {**dict.fromkeys(paths, ""), "watch": False, **_stated(options)}
        if given and not given & set(texts):
            return {**dict.fromkeys(texts, ""), **_stated(options)}
        return options


class _Frontends(Kind):
    """The kernel of the node may serve them."""

    are_forwarded = True


def _stated(options: Options) -> Options:
    return {name: value for name, value in options.items() if value is not None}


_DIFFERING: Mapping[str, Kind] = {
    "floating_ips": _FloatingIPs(),
    "load_balancers": _LoadBalancers(),
    "certificates": _Certificates(),
    "frontends": _Frontends(),
}
HOOKS: Mapping[str, Kind] = {kind: _DIFFERING.get(kind, Kind()) for kind in KINDS}
