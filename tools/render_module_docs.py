# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes docs/reference/modules.md from the DOCUMENTATION of the modules themselves; needs PyYAML, which comes with ansible-core.

The same sources give the same bytes: modules in the order of MODULES, options in the order of their declaration.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/reference/modules.md"
MODULES = ("floating_ip", "load_balancer", "backend", "frontend", "config", "load_balancer_info", "runtime")

_INTRODUCTION = """\
# Modules

Written by `tools/render_module_docs.py` from the modules' own documentation; `ansible-doc tandem.lb.MODULE` shows the same. Do not edit it here.

Durations are a number of seconds or a number with a unit: `500ms`, `3s`, `5m`, `1h`, `2d`. Names are 1 to 63 letters, digits, `_`, `.`
and `-`, and begin with a letter or digit. An option that is left out stays as it is; an empty list or dict clears. All modules support
`--check` and, where they change something, `--diff`.
"""
_MARKUP = re.compile(r"\b([VCOMBI])\(((?:[^()]|\([^()]*\))*)\)")


def main() -> int:
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(render(ROOT), encoding="utf-8")
    return 0


def render(root: Path) -> str:
    """The whole page."""
    missing = {path.stem for path in (root / "plugins/modules").glob("*.py")} - {"__init__", *MODULES}
    if missing:
        raise SystemExit(f"MODULES is without {', '.join(sorted(missing))}. Add what is missing where a reader would look for it.")
    contents = "\n".join(f"- [{name}](#{name}): {_sentence(documentation(root, name)['short_description'])}" for name in MODULES)
    sections = [_module(name, documentation(root, name), _texts(root / f"plugins/modules/{name}.py")) for name in MODULES]
    shared = _options(fragment(root)["options"])
    closing = f"## Options of every module\n\n{shared}"
    return "\n".join([_INTRODUCTION, f"{contents}\n- [Options of every module](#options-of-every-module)", "", *sections, closing, ""])


def documentation(root: Path, name: str) -> dict[str, Any]:
    """The DOCUMENTATION of a module, without the options of fragments."""
    found: dict[str, Any] = yaml.safe_load(_texts(root / f"plugins/modules/{name}.py")["DOCUMENTATION"])
    return found


def fragment(root: Path) -> dict[str, Any]:
    """The DOCUMENTATION that every module extends."""
    found: dict[str, Any] = yaml.safe_load(_texts(root / "plugins/doc_fragments/node.py")["DOCUMENTATION"])
    return found


def _texts(path: Path) -> dict[str, str]:
    """The string constants of a source file by name. It is read, not imported, so Ansible is not needed."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Assign)]
    return {
        node.targets[0].id: node.value.value
        for node in nodes
        if isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }


def _module(name: str, told: dict[str, Any], texts: dict[str, str]) -> str:
    returned = yaml.safe_load(texts["RETURN"])
    parts = [f"## {name}", " ".join(_plain(line) for line in told["description"]), "### Options", _options(told["options"])]
    parts += ["### Examples", f"```yaml\n{texts['EXAMPLES'].strip()}\n```", "### Returns", _returned(returned)]
    return "\n\n".join(part.replace("### ", f"### {name}: ") if part.startswith("### ") else part for part in parts) + "\n"


def _options(options: dict[str, Any]) -> str:
    lines = ["| option | type | what |", "| --- | --- | --- |", *_rows(options, "")]
    return "\n".join(lines)


def _rows(options: dict[str, Any], prefix: str) -> list[str]:
    rows = []
    for name, option in options.items():
        path = f"{prefix}{name}"
        said = _plain(" ".join(_lines(option["description"])))
        rows.append(f"| `{path}` | {_type(option)} | {_cell(said)}{_facts(option)} |")
        if "suboptions" in option and "with the options of M(" not in " ".join(_lines(option["description"])):
            below = f"{path}[]." if option["type"] == "list" else f"{path}."
            rows += _rows(option["suboptions"], below)
    return rows


def _type(option: dict[str, Any]) -> str:
    return f"list of {option['elements']}" if option["type"] == "list" else str(option["type"])


def _facts(option: dict[str, Any]) -> str:
    facts = ""
    if "choices" in option:
        facts += f" One of {', '.join(f'`{choice}`' for choice in option['choices'])}."
    if "default" in option:
        default = option["default"]
        facts += f" Default: `{str(default).lower() if isinstance(default, bool) else default}`."
    if option.get("required"):
        facts += " Always required."
    return facts


def _returned(values: dict[str, Any]) -> str:
    lines = ["| value | type | what |", "| --- | --- | --- |"]
    for name, value in values.items():
        when = "" if value["returned"] == "success" else f" (on {value['returned']})"
        lines.append(f"| `{name}` | {_type(value)} | {_cell(_plain(' '.join(_lines(value['description']))))}{when} |")
    return "\n".join(lines)


def _lines(description: Any) -> list[str]:
    return [description] if isinstance(description, str) else list(description)


def _plain(text: str) -> str:
    """Ansible's markup as Markdown."""
    return _MARKUP.sub(_mark, text)


def _mark(match: re.Match[str]) -> str:
    kind, content = match[1], match[2]
    if kind == "M":
        name = content.rpartition(".")[2]
        return f"[{name}](#{name})" if name in MODULES else f"`{content}`"
    if kind == "O":
        return f"`{content.rpartition(':')[2].replace('=', ': ')}`"
    return f"*{content}*" if kind in "BI" else f"`{content}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _sentence(text: str) -> str:
    return f"{text[0].lower()}{text[1:]}."


if __name__ == "__main__":
    sys.exit(main())
