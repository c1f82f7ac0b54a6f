# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of the objects: the words of each object's module, joined with what the model declares; for that module, ``config`` and the role."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

from plugins.module_utils import _model as model

from .words import InLine, Options, documentation, dumped, fragment, module_path, sentences, with_references

_DEFAULT = "On creation the default is "
_BLOCK = re.compile(r"^options:\n.*?(?=^\S)", re.MULTILINE | re.DOTALL)
_FRAGMENT = '''\
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of many objects in one task. Written by ``make docs`` from the modules of single objects; do not edit it here."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
{}"""
'''


def module_of(cls: type[model.Object]) -> str:
    """The name of the module that states one object."""
    return cls.KIND.removesuffix("s")


def described(root: Path, cls: type[model.Object]) -> Options:
    """The options of one object: words from its module, everything else from the model."""
    words = documentation(root, module_of(cls))["options"]
    return _described(cls, words, model.argument_spec(cls), module_of(cls), _conditions(root))


def _conditions(root: Path) -> Options:
    """The words about conditions: they stand at the first option of frontends that has any, for all others too."""
    words = documentation(root, module_of(model.Frontend))["options"]
    names = {name for name, *_rest in model.declared(model.Conditions)}
    first = next(name for name, one, _default in model.offered(model.Frontend) if isinstance(one.of, type) and issubclass(one.of, model.Conditions))
    return {name: option for name, option in words[first]["suboptions"].items() if name in names}


def _described(cls: Any, words: Options, arguments: Options, place: str, conditions: Options) -> Options:
    if issubclass(cls, model.Conditions):
        words = {**{name: option for name, option in words.items() if name not in conditions}, **conditions}
    rows = {name: (declaration, default) for name, declaration, default in model.offered(cls)}
    undescribed = sorted(set(rows) - set(words))
    if undescribed:
        raise SystemExit(f"{place}.{undescribed[0]} is declared, but not described: give it a description below options in plugins/modules.")
    told = {}
    for name in [name for name in words if name in rows]:
        declaration, default = rows[name]
        argument = arguments[name]
        said = [line for line in sentences(words[name]["description"]) if not line.startswith(_DEFAULT)]
        told[name] = {"description": said + _default(declaration, default), "type": argument["type"]}
        told[name].update({fact: argument[fact] for fact in ("elements", "required", "no_log") if fact in argument})
        if "choices" in argument:
            told[name]["choices"] = InLine(argument["choices"])
        if "options" in argument:
            inner = words[name].get("suboptions", {})
            told[name]["suboptions"] = _described(declaration.of, inner, argument["options"], f"{place}.{name}", conditions)
    return told


def _default(declaration: model.Option, default: Any) -> list[str]:
    """The sentence about a default, where there is one that is not empty."""
    if default is dataclasses.MISSING or declaration.of or default in ("", (), {}):
        return []
    return [f"{_DEFAULT}V({model.duration_text(default) if declaration.kind == 'duration' else model.plain(default)})."]


def options_of(root: Path, name: str) -> Options:
    """The options of any module as its users meet them, without those of every module."""
    told = documentation(root, name)
    kinds = {module_of(cls): cls for cls in model.KINDS.values()}
    own = _with_the_models(root, kinds[name]) if name in kinds else told["options"]
    extended = told["extends_documentation_fragment"]
    many = public(of_many(root)) if "tandem.lb.objects" in extended else {}
    return {**many, **own, **(fragment(root, "change")["options"] if "tandem.lb.change" in extended else {})}


def _with_the_models(root: Path, cls: type[model.Object]) -> Options:
    """The options that stand in one object's module. Those that the model does not know, such as state, are as they are there."""
    return {**documentation(root, module_of(cls))["options"], **public(described(root, cls))}


def module(root: Path, cls: type[model.Object]) -> str:
    """The source of one object's module, with what the model declares beside its words."""
    text = module_path(root, module_of(cls)).read_text(encoding="utf-8")
    options = {name: _in_line(option) for name, option in _with_the_models(root, cls).items()}
    return _BLOCK.sub(lambda _match: dumped({"options": options}), text, count=1)


def _in_line(option: Options) -> Options:
    return {**option, "choices": InLine(option["choices"])} if "choices" in option else option


def public(options: Options) -> Options:
    """Options as DOCUMENTATION has them, where secrecy has no word."""
    kept = {name: {fact: value for fact, value in option.items() if fact != "no_log"} for name, option in options.items()}
    return {name: {**option, "suboptions": public(option["suboptions"])} if "suboptions" in option else option for name, option in kept.items()}


def of_many(root: Path, prefix: str = "", *, others: str = "{}") -> Options:
    """An option for each kind of object, a list of objects with the options of their module; ``prefix`` stands before its name.

    References to options of the object are led to where these are now, others to what ``others`` makes of their name.
    """
    return {f"{prefix}{cls.KIND}": _of_kind(root, cls, prefix, others) for cls in model.KINDS.values()}


def _of_kind(root: Path, cls: type[model.Object], prefix: str, others: str) -> Options:
    own = {name for name, *_rest in model.offered(cls)}

    def renamed(first: str) -> str:
        return f"{prefix}{cls.KIND}.{first}" if first in own else others.format(first)

    def moved(options: Options) -> Options:
        placed = {}
        for name, option in options.items():
            placed[name] = {**option, "description": [with_references(line, renamed) for line in option["description"]]}
            if "suboptions" in option:
                placed[name]["suboptions"] = moved(option["suboptions"])
        return placed

    description = [f"The {cls.WORD}s, each with the options of M(tandem.lb.{module_of(cls)})."]
    return {"description": description, "type": "list", "elements": "dict", "suboptions": moved(described(root, cls))}


def source(root: Path) -> str:
    """The source of the fragment that ``config`` extends."""
    return _FRAGMENT.format(dumped({"options": public(of_many(root))}))
