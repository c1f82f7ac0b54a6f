# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The table of the document's types for people who work on Tandem: the dataclasses of the model, with defaults and limits."""

from __future__ import annotations

import dataclasses
import inspect
import json
import textwrap
from collections.abc import Iterator
from typing import Any

from plugins.module_utils import _model as model

_BEGIN = "<!-- The types: written by `make docs` from the model. -->\n"
_END = "<!-- End of the types. -->\n"
_NAME_WIDTH = 17
_WIDTH = 150
_HARD_SPACE = "\0"


def placed(page: str) -> str:
    """A page with the table of today between its marks."""
    before, _begin, rest = page.partition(_BEGIN)
    _former, end, after = rest.partition(_END)
    if not end:
        raise SystemExit(f"The page of the types is without its marks: {_BEGIN.strip()} and {_END.strip()}")
    return f"{before}{_BEGIN}```\n{''.join(_entry(cls) for cls in _types())}```\n{_END}{after}"


def _types() -> list[Any]:
    """The kinds, each before what it is made of."""
    return list(dict.fromkeys(cls for kind in model.KINDS.values() for cls in _with_parts(kind)))


def _with_parts(cls: Any) -> Iterator[Any]:
    yield cls
    for _name, _field, declaration, _default in model.declared(cls):
        if declaration.of:
            yield from _with_parts(declaration.of)


def _entry(cls: Any) -> str:
    what = " ".join(inspect.cleandoc(cls.__doc__).replace("``", "").partition("\n\n")[0].split())
    # A field and what is said of it stay in one line.
    fields = ", ".join(_field(*row).replace(" ", _HARD_SPACE) for _name, *row in model.declared(cls))
    indent = " " * _NAME_WIDTH
    lines = [line.replace(_HARD_SPACE, " ") for part in (what, fields) for line in textwrap.wrap(part, _WIDTH - _NAME_WIDTH, break_on_hyphens=False)]
    return textwrap.indent("\n".join(lines), indent).replace(indent, cls.__name__.ljust(_NAME_WIDTH), 1) + "\n"


def _field(field: str, declaration: model.Option, default: Any) -> str:
    """``interval_ms 300 (50-40000)``, ``failback never|delayed|immediate`` with the default first, ``servers (Server, ...)``."""
    many = declaration.kind in ("objects", "strings")
    if declaration.of:
        return f"{field} ({declaration.of.__name__}, ...)" if many else f"{field}:{declaration.of.__name__}"
    if declaration.choices:
        first = [default] if default in declaration.choices else []  # none where it must be given
        return f"{field} {'|'.join([*first, *(choice for choice in declaration.choices if choice not in first)])}"
    written = "" if default is dataclasses.MISSING else f" {'(...)' if many and not default else json.dumps(default)}"
    limits = f" ({declaration.minimum}-{declaration.maximum})" if declaration.maximum else ""
    return f"{field}{written}{limits}"
