"""`tandem history`, `diff` and `rollback`: the former documents of this node, what has changed since, and the way back to one of them.

Going back is for the night: what the plays state is the truth, and their next run states it again.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import difflib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .._client import Client, NotRunning, Refused, is_listening
from .._model import KINDS, Document, ModelError, check_document, describe, to_options
from .._paths import Paths
from .._store import Store, StoreError
from ..events import stamp

_LOCK_S = 30.0


class NotThere(Exception):
    """A generation that is not kept; ``str()`` says which are."""


def run(paths: Paths, given: argparse.Namespace) -> int:
    return {"history": _history, "diff": _diff, "rollback": _rollback}[given.command](paths, given)


def kept(paths: Paths) -> dict[int, Path]:
    """The file of each generation that is kept, the one in force among them. Raises ModelError, StoreError."""
    numbered = [(path.stem.rpartition("-")[2], path) for path in paths.history.glob("desired-*.json")]
    found = {int(number): path for number, path in numbered if number.isdecimal()}
    now = Store(paths).read().generation
    if now:
        found[now] = paths.desired
    return dict(sorted(found.items()))


def read(paths: Paths, generation: int) -> Document:
    """Raises NotThere, ModelError, StoreError."""
    found = kept(paths)
    if generation not in found:
        raise NotThere(f"generation {generation} is not kept; there are {', '.join(str(number) for number in found) or 'none'}")
    try:
        return Document.from_stored(json.loads(found[generation].read_bytes()))
    except (OSError, ValueError, RecursionError) as error:
        raise NotThere(f"{found[generation]}: it cannot be read ({error})") from None


def differences(before: Document, after: Document) -> dict[str, Any]:
    """What `diff --json` tells: by what happened to them, objects as messages name them, and of those that changed the options on both sides."""
    added, removed, changed = [], [], {}
    for kind in KINDS:
        was, now = before.objects(kind), after.objects(kind)
        added += [describe(kind, key) for key in sorted(set(now) - set(was))]
        removed += [describe(kind, key) for key in sorted(set(was) - set(now))]
        for key in sorted(set(was) & set(now)):
            if was[key] != now[key]:
                old, new = to_options(was[key]), to_options(now[key])
                names = [name for name in new if old.get(name) != new[name]]
                changed[describe(kind, key)] = {name: {"before": old.get(name), "after": new[name]} for name in names}
    return {"schema": 1, "before": before.generation, "after": after.generation, "added": added, "removed": removed, "changed": changed}


def render(found: dict[str, Any]) -> str:
    lines = [f"- {name}" for name in found["removed"]] + [f"+ {name}" for name in found["added"]]
    for name, options in found["changed"].items():
        lines.append(f"! {name}")
        for option, sides in options.items():
            lines += [f"    {line}" for line in _option_lines(option, sides["before"], sides["after"])]
    return "\n".join(lines) or f"generations {found['before']} and {found['after']} state the same"


def _option_lines(option: str, before: Any, after: Any) -> Iterator[str]:
    """An option on both sides; of a long one only the lines that differ."""
    was, now = (json.dumps(value, indent=2, sort_keys=True).splitlines() for value in (before, after))
    if len(was) == len(now) == 1:
        yield f"{option}: {was[0]} -> {now[0]}"
        return
    yield f"{option}:"
    yield from (f"  {line}" for line in difflib.ndiff(was, now) if line[:1] in "+-")


def _history(paths: Paths, given: argparse.Namespace) -> int:
    try:
        files = kept(paths)
        now = Store(paths).read().generation
        rows = [_row(paths, generation, path, now) for generation, path in files.items()]
    except (ModelError, StoreError, NotThere, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    if given.json:
        print(json.dumps({"schema": 1, "generations": rows}, indent=2, sort_keys=True))
    else:
        lines = [
            f"{row['generation']:>6}  written {row['written']}  digest {row['digest'][:12]}{'  in force' if row['in_force'] else ''}" for row in rows
        ]
        print("\n".join(lines) or "nothing is stated yet")
    return 0


def _row(paths: Paths, generation: int, path: Path, now: int) -> dict[str, Any]:
    digest = read(paths, generation).digest
    return {"generation": generation, "written": stamp(path.stat().st_mtime), "digest": digest, "in_force": generation == now}


def _diff(paths: Paths, given: argparse.Namespace) -> int:
    try:
        before = read(paths, given.generation)
        after = Store(paths).read() if given.to is None else read(paths, given.to)
    except (ModelError, StoreError, NotThere) as error:
        print(error, file=sys.stderr)
        return 2
    found = differences(before, after)
    print(json.dumps(found, indent=2, sort_keys=True) if given.json else render(found))
    return 1 if found["added"] or found["removed"] or found["changed"] else 0


def _rollback(paths: Paths, given: argparse.Namespace) -> int:
    try:
        found = rollback(Store(paths), given.generation, check=given.check)
    except (ModelError, StoreError, NotThere, NotRunning, Refused) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(found, indent=2, sort_keys=True) if given.json else render(found))
    if not given.check:
        said = f"generation {found['after']} is in force on this node: what generation {given.generation} stated."
        print(f"{said} The plays state the truth: correct them, or their next run undoes this. The other node is as it was.", file=sys.stderr)
    return 0


def rollback(store: Store, generation: int, *, check: bool = False) -> dict[str, Any]:
    """States again what a former generation stated, as a new one, by the way that modules take. Returns the differences. Raises ModelError,
    StoreError, NotThere, and NotRunning or Refused where a service does not take it: what was in force is in force then."""
    with store.lock(_LOCK_S):
        have = store.read()
        want = dataclasses.replace(read(store.paths, generation), generation=have.generation + 1)
        problems = check_document(want)
        if problems:
            raise ModelError(*problems)
        missing = want.secrets - store.secrets()
        if missing:
            names = [describe(kind, key) for kind in KINDS for key, thing in want.objects(kind).items() if missing & _of(want, kind, key, thing)]
            raise NotThere(
                f"generation {generation} needs secrets that are no longer on this node, of {', '.join(names)}: run a playbook that states them"
            )
        found = differences(have, want)
        if not check:
            store.write(want)
            try:
                _load(store.paths, want.generation)
            except (NotRunning, Refused):
                store.restore(have)
                with contextlib.suppress(NotRunning, Refused):  # the first reason is the one to tell
                    _load(store.paths, have.generation)
                raise
            store.prune_history()
        return found


def _of(document: Document, kind: str, key: str, thing: Any) -> set[str]:
    """The secrets of one object."""
    return document.secrets - document.without(kind, key).secrets if thing is not None else set()


def _load(paths: Paths, generation: int) -> None:
    """Proxy first, as modules do: an address must not arrive before the listeners that serve it."""
    for path in (paths.proxy_socket, paths.keepalive_socket):
        if is_listening(path):
            Client(path).load(generation)
