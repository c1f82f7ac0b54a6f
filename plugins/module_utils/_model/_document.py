# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The document: all objects of a node, their generation, and the digest both nodes of a load balancer compare."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ._backend import Backend
from ._frontend import Frontend
from ._objects import Certificate, FloatingIP, LoadBalancer, Object
from ._options import from_stored, secrets_of, to_stored
from ._problems import ModelError, Problem

SCHEMA = 1
# In the order of reference: what stands earlier does not refer to what stands later.
KINDS: dict[str, type[Object]] = {cls.KIND: cls for cls in (FloatingIP, LoadBalancer, Certificate, Backend, Frontend)}
# A former release did not write the kinds that came later: of these it has none.
_FIRST_KINDS = ("floating_ips", "load_balancers", "backends", "frontends")


@dataclass(frozen=True)
class Document:
    """Generation N of the desired state. Keys are names; those of what a load balancer has are LOAD_BALANCER/NAME."""

    generation: int = 0
    floating_ips: Mapping[str, FloatingIP] = field(default_factory=dict)
    load_balancers: Mapping[str, LoadBalancer] = field(default_factory=dict)
    certificates: Mapping[str, Certificate] = field(default_factory=dict)
    backends: Mapping[str, Backend] = field(default_factory=dict)
    frontends: Mapping[str, Frontend] = field(default_factory=dict)

    def objects(self, kind: str) -> Mapping[str, Any]:
        """All objects of one of KINDS, by key."""
        found: Mapping[str, Any] = getattr(self, kind)
        return found

    def with_object(self, thing: Object) -> Document:
        members: dict[str, Any] = {thing.KIND: {**self.objects(thing.KIND), thing.key: thing}}
        return dataclasses.replace(self, **members)

    def without(self, kind: str, key: str) -> Document:
        members: dict[str, Any] = {kind: {k: v for k, v in self.objects(kind).items() if k != key}}
        return dataclasses.replace(self, **members)

    def to_stored(self) -> dict[str, Any]:
        """The plain form, as ``desired.json`` holds it (sort the keys when writing)."""
        objects = {kind: {key: to_stored(thing) for key, thing in self.objects(kind).items()} for kind in KINDS}
        return {"schema": SCHEMA, "generation": self.generation, "objects": objects}

    @property
    def digest(self) -> str:
        """SHA-256 of the objects in canonical JSON: equal on all nodes that hold the same objects, whatever their generations."""
        canonical = json.dumps(self.to_stored()["objects"], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def secrets(self) -> set[str]:
        """The fingerprints of all secrets that the document names."""
        return {mark for kind in KINDS for thing in self.objects(kind).values() for mark in secrets_of(thing)}

    @staticmethod
    def from_stored(data: Any) -> Document:
        """The document that ``to_stored`` wrote. Raises ModelError; rules between objects are ``check_document``'s."""
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            schema = data.get("schema") if isinstance(data, dict) else None
            raise ModelError(
                Problem(
                    "document",
                    "schema",
                    schema,
                    f"but this release reads schema {SCHEMA}",
                    "Deploy the release that wrote it.",
                )
            )
        generation, objects = data.get("generation"), data.get("objects")
        if not isinstance(generation, int) or isinstance(generation, bool) or generation < 0:
            raise ModelError(Problem("document", "generation", generation, "but it is a whole number", _BROKEN))
        if not isinstance(objects, dict) or not set(_FIRST_KINDS) <= set(objects) <= set(KINDS):
            shown = sorted(objects) if isinstance(objects, dict) else objects
            raise ModelError(Problem("document", "objects", shown, f"but its kinds are {', '.join(KINDS)}", _BROKEN))
        return Document(generation, **{kind: _read_kind(kind, objects.get(kind, {})) for kind in KINDS})


_BROKEN = "The document is broken; put back a former one from the folder history beside it."


def users(document: Document, kind: str, key: str) -> list[str]:
    """Who refers to an object, as messages name them: the reason why it cannot be removed."""
    return [describe(of, one) for of in KINDS for one, thing in document.objects(of).items() if (kind, key) in thing.references]


def addresses_in_use(document: Document) -> set[str]:
    """Every address that an object of the document has or names, without prefix lengths."""
    return {address for kind in KINDS for thing in document.objects(kind).values() for address in thing.known_addresses}


def describe(kind: str, key: str) -> str:
    """How messages name an object: 'frontend "edge/web"'."""
    return f'{KINDS[kind].WORD} "{key}"'


def _read_kind(kind: str, members: Any) -> dict[str, Any]:
    if not isinstance(members, dict):
        raise ModelError(Problem("document", kind, members, "but it is a map of objects", _BROKEN))
    read = {}
    for key in sorted(members):
        thing = from_stored(KINDS[kind], members[key], where=describe(kind, key))
        if thing.key != key:
            raise ModelError(Problem(describe(kind, key), "key", key, f'but the object\'s own is "{thing.key}"', _BROKEN))
        read[key] = thing
    return read


def listen_addresses(document: Document, frontend: Frontend) -> list[str]:
    """Where a frontend listens: its addresses, or all floating IPs of its load balancer; sorted, without prefix lengths."""
    if frontend.addresses:
        return list(frontend.addresses)
    load_balancer = document.load_balancers.get(frontend.load_balancer)
    names = load_balancer.floating_ips if load_balancer else ()
    return sorted(document.floating_ips[name].ip for name in names if name in document.floating_ips)
