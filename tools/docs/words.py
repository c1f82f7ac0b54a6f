# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The modules' own words: what their sources say in DOCUMENTATION, EXAMPLES and RETURN. They are read, not imported, so Ansible is not needed."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

Options = dict[str, Any]
_OPTION = re.compile(r"\bO\(([^()]*)\)")


def module_path(root: Path, name: str) -> Path:
    return root / f"plugins/modules/{name}.py"


def texts(path: Path) -> dict[str, str]:
    """The string constants of a source file by name."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Assign)]
    return {
        node.targets[0].id: node.value.value
        for node in nodes
        if isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }


def documentation(root: Path, name: str) -> Options:
    """The DOCUMENTATION of a module, without what it takes from fragments."""
    found: Options = yaml.safe_load(texts(module_path(root, name))["DOCUMENTATION"])
    return found


def fragment(root: Path, name: str) -> Options:
    """The DOCUMENTATION of a fragment: ``node`` is extended by every module, ``change`` by those that change a node."""
    found: Options = yaml.safe_load(texts(root / f"plugins/doc_fragments/{name}.py")["DOCUMENTATION"])
    return found


def sentences(description: Any) -> list[str]:
    return [description] if isinstance(description, str) else list(description)


def with_references(text: str, renamed: Callable[[str], str]) -> str:
    """A text whose references O(name), O(name.below) and O(name=value) have other first names; those to other plugins stay."""
    return _OPTION.sub(lambda match: f"O({_renamed(match[1], renamed)})", text)


def _renamed(reference: str, renamed: Callable[[str], str]) -> str:
    if "#" in reference:
        return reference
    first = re.split(r"[.=]", reference, maxsplit=1)[0]
    return f"{renamed(first)}{reference[len(first) :]}"


class _Dumper(yaml.SafeDumper):
    """Lists are indented below their key, as ansible-lint wants them; those of choices stand in one line."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


class InLine(list[Any]):
    """A list that is written in one line."""


_Dumper.add_representer(InLine, lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True))


def dumped(data: Any) -> str:
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
