# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options that name files of the controller, such as ``certificate_file``: their contents take their place before a task is sent to a node. Texts in
PEM leave a result again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Optional

from ..module_utils._model import FILE, KINDS, ModelError, Problem, declared

_MARK = "-----BEGIN "


def with_files(module: str, arguments: dict[str, Any], read: Callable[[str], str]) -> dict[str, Any]:
    """The arguments of a module (its name without the collection's) with what ``read`` finds in files. Raises ModelError.

    For what is to be removed no file is read: its names alone count, and nobody needs its key.
    """
    kind, wanted = f"{module}s", None if arguments.get("state") == "absent" else read
    if kind in KINDS:
        return dict(_with_files(KINDS[kind], arguments, wanted, ""))
    return {
        name: [_with_files(KINDS[name], member, wanted, f"{name}[{index}].") for index, member in enumerate(value)]
        if name in KINDS and isinstance(value, list)
        else value
        for name, value in arguments.items()
    }


def _with_files(cls: Any, options: Any, read: Optional[Callable[[str], str]], place: str) -> Any:
    if not isinstance(options, Mapping):
        return options  # the module says what is wrong with it
    made = dict(options)
    for name, _field, declaration, _default in declared(cls):
        if declaration.kind == "object" and name in made:
            made[name] = _with_files(declaration.of, made[name], read, f"{place}{name}.")
        if not declaration.file or made.get(name + FILE) is None:
            made.pop(name + FILE, None)
            continue
        path = made.pop(name + FILE)
        if read is None:
            continue
        if made.get(name) is not None:
            rule = f"but {place}{name} gives its text too"
            raise ModelError(Problem("", f"{place}{name}{FILE}", path, rule, "Give one of them."))
        try:
            made[name] = read(str(path))
        except (OSError, ValueError) as error:
            rule = f"but the controller cannot read it: {error}"
            raise ModelError(
                Problem("", f"{place}{name}{FILE}", path, rule, "Put it beside the play or into its folder files, or correct the path.")
            ) from None
    return made


def without_pem(value: Any) -> Any:
    """The same with a word in place of each text in PEM: what the module repeats of its arguments."""
    if isinstance(value, str):
        return "(PEM)" if _MARK in value else value
    if isinstance(value, Mapping):
        return {name: without_pem(item) for name, item in value.items()}
    return [without_pem(item) for item in value] if isinstance(value, (list, tuple)) else value
