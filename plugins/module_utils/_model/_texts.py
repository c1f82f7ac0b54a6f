# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Text that no file and no request could hold: half of a surrogate pair, which JSON and YAML can write (RFC 8259 8.2). It is refused everywhere."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from ._document import KINDS, Document, describe
from ._options import declared
from ._problems import ModelError, Problem

# (rule, way out) for what ``_unencodable`` finds.
_UNENCODABLE = ("which is half of a surrogate pair, so no encoding can write it", "Give the whole character, or leave it out.")


def refuse_unencodable(arguments: Mapping[str, Any]) -> None:
    """Raises ModelError where a task was given such a text, whatever option it was given for."""
    problems = [Problem("", option, wrong, *_UNENCODABLE) for option, wrong in _unencodable(arguments)]
    if problems:
        raise ModelError(*problems)


def _unencodable(data: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """(option, what is wrong in it) of every text in plain data that has no form in UTF-8 (RFC 3629 3). The rest of it may be a secret."""
    if isinstance(data, str):
        try:
            data.encode()
        except UnicodeEncodeError as error:
            yield place, f"...\\u{ord(data[error.start]):04x}..."
    elif isinstance(data, Mapping):
        for key, value in data.items():
            shown = str(key).encode(errors="backslashreplace").decode()
            yield from _unencodable(key, f"{place}.{shown}" if place else shown)
            yield from _unencodable(value, f"{place}.{shown}" if place else shown)
    elif isinstance(data, (list, tuple)):
        for index, value in enumerate(data):
            yield from _unencodable(value, f"{place}[{index}]")


def unencodable_texts(document: Document) -> Iterator[Problem]:
    """A problem for each such text in the objects of a document."""
    for kind in KINDS:
        for key, thing in document.objects(kind).items():
            for option, wrong in _unencodable(_free_texts(thing)):
                yield Problem(describe(kind, key), option, wrong, *_UNENCODABLE)


def _free_texts(thing: Any) -> dict[str, Any]:
    """What of an object may be any text, by option; all else has a form that is checked when it is read."""
    cls: Any = type(thing)
    members = {name: (kind, getattr(thing, field)) for name, field, kind in _free_fields(cls)}
    return {name: _free_texts(value) if kind == "object" else value for name, (kind, value) in members.items()}


@functools.cache
def _free_fields(cls: Any) -> tuple[tuple[str, str, str], ...]:
    """(option, field, kind) of the options that are free text, or hold such. Members of lists have none."""
    rows = [(name, field, declaration) for name, field, declaration, _default in declared(cls)]
    return tuple(
        (name, field, one.kind)
        for name, field, one in rows
        if one.kind == "labels"
        or (one.kind == "str" and (one.secret or not (one.read or one.choices)))
        or (one.kind == "object" and _free_fields(one.of))
    )
