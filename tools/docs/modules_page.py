# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The reference of the modules, docs/reference/modules.md: modules in the order of MODULES, options in the order of their description."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from .objects import options_of
from .words import Options, documentation, fragment, module_path, sentences, texts

MODULES = ("floating_ip", "load_balancer", "certificate", "backend", "frontend", "server", "config", "switchover", "load_balancer_info", "runtime")

_INTRODUCTION = """\
# Modules

Written by `make docs` from the modules' own documentation; `ansible-doc tandem.lb.MODULE` shows the same. Do not edit it here.

Durations are a number of seconds or a number with a unit: `500ms`, `3s`, `5m`, `1h`, `2d`. Names are 1 to 63 letters, digits, `_`, `.`
and `-`, and begin with a letter or digit. An option that is left out stays as it is; an empty list or dict clears. All modules support
`--check` and, where they change something, `--diff`.
"""
_MARKUP = re.compile(r"\b([VCOMBI])\(((?:[^()]|\([^()]*\))*)\)")


def render(root: Path) -> str:
    """The whole page."""
    missing = {path.stem for path in (root / "plugins/modules").glob("*.py")} - {"__init__", *MODULES}
    if missing:
        raise SystemExit(f"MODULES is without {', '.join(sorted(missing))}. Add what is missing where a reader would look for it.")
    contents = "\n".join(f"- [{name}](#{name}): {_sentence(documentation(root, name)['short_description'])}" for name in MODULES)
    sections = [_module(name, documentation(root, name), options_of(root, name), texts(module_path(root, name))) for name in MODULES]
    shared = _options(fragment(root, "node")["options"])
    closing = f"## Options of every module\n\n{shared}"
    return "\n".join([_INTRODUCTION, f"{contents}\n- [Options of every module](#options-of-every-module)", "", *sections, closing, ""])


def _module(name: str, told: Options, options: Options, said: dict[str, str]) -> str:
    returned = yaml.safe_load(said["RETURN"])
    parts = [f"## {name}", " ".join(_plain(line) for line in told["description"]), "### Options", _options(options)]
    parts += ["### Examples", f"```yaml\n{said['EXAMPLES'].strip()}\n```", "### Returns", _returned(returned)]
    return "\n\n".join(part.replace("### ", f"### {name}: ") if part.startswith("### ") else part for part in parts) + "\n"


def _options(options: Options) -> str:
    lines = ["| option | type | what |", "| --- | --- | --- |", *_rows(options, "")]
    return "\n".join(lines)


def _rows(options: Options, prefix: str) -> list[str]:
    rows = []
    for name, option in options.items():
        path = f"{prefix}{name}"
        said = _plain(" ".join(sentences(option["description"])))
        rows.append(f"| `{path}` | {_type(option)} | {_cell(said)}{_facts(option)} |")
        if "suboptions" in option and "with the options of M(" not in " ".join(sentences(option["description"])):
            below = f"{path}[]." if option["type"] == "list" else f"{path}."
            rows += _rows(option["suboptions"], below)
    return rows


def _type(option: Options) -> str:
    return f"list of {option['elements']}" if option["type"] == "list" else str(option["type"])


def _facts(option: Options) -> str:
    facts = ""
    if "choices" in option:
        facts += f" One of {', '.join(f'`{choice}`' for choice in option['choices'])}."
    if "default" in option:
        default = option["default"]
        facts += f" Default: `{str(default).lower() if isinstance(default, bool) else default}`."
    if option.get("required"):
        facts += " Always required."
    return facts


def _returned(values: Options) -> str:
    lines = ["| value | type | what |", "| --- | --- | --- |"]
    for name, value in values.items():
        when = "" if value["returned"] == "success" else f" (on {value['returned']})"
        lines.append(f"| `{name}` | {_type(value)} | {_cell(_plain(' '.join(sentences(value['description']))))}{when} |")
    return "\n".join(lines)


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
