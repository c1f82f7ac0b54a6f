# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has to change between two documents: plan(have, want) -> changes. Pure. Standard library only, Python 3.9.

Objects are compared as the model makes them: lists without an order are sorted there, so equal sets are equal here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from ._model import KINDS, Document, describe, to_options


@dataclass(frozen=True)
class Change:
    """One object that differs, in a user's words; ``before`` is None when it is created, ``after`` when it is removed."""

    kind: str
    key: str
    before: Optional[dict[str, Any]]
    after: Optional[dict[str, Any]]

    @property
    def action(self) -> str:
        """created, changed or removed."""
        if self.before is None:
            return "created"
        return "removed" if self.after is None else "changed"

    @property
    def fields(self) -> dict[str, tuple[Any, Any]]:
        """Option (``health_check.interval``) to its values before and after, of the options that differ; None: not there."""
        before, after = _flat(self.before or {}), _flat(self.after or {})
        differing = [name for name in sorted(set(before) | set(after)) if before.get(name) != after.get(name)]
        return {name: (before.get(name), after.get(name)) for name in differing}


def plan(have: Document, want: Document) -> list[Change]:
    """The objects that differ, by kind in the order of reference, then by key. Generations are not compared."""
    changes = []
    for kind in KINDS:
        before, after = have.objects(kind), want.objects(kind)
        for key in sorted(set(before) | set(after)):
            if before.get(key) != after.get(key):
                changes.append(Change(kind, key, _options(before.get(key)), _options(after.get(key))))
    return changes


def diff(changes: Sequence[Change]) -> dict[str, str]:
    """Ansible's diff: of the objects that differ, one line an option, which can be read by itself. Both sides are empty when nothing changes."""
    return {
        "before": _text([(change, change.before) for change in changes]),
        "after": _text([(change, change.after) for change in changes]),
    }


def _text(sides: Sequence[tuple[Change, Optional[dict[str, Any]]]]) -> str:
    lines = []
    for change, options in sides:
        where = describe(change.kind, change.key)
        lines += [f"{where} {option}: {value}" for option, value in _lines(options or {})]
    return "".join(f"{line}\n" for line in lines)


def _lines(options: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Option and value as a user would write them; members of lists under their names, in the list's order."""
    for name, value in sorted(options.items()):
        if isinstance(value, dict) and value:
            yield from _lines(value, f"{prefix}{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for index, member in enumerate(value):
                yield from _lines(member, f"{prefix}{name}[{member.get('name', index)}].")
        else:
            yield prefix + name, json.dumps(value, sort_keys=True)


def _options(thing: Any) -> Optional[dict[str, Any]]:
    return None if thing is None else to_options(thing)


def _flat(options: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat
