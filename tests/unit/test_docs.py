"""Holds the documentation to what exists: what is written from the options is current, links resolve, playbooks use options that there are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugins.module_utils._model import Frontend
from tools.docs.modules_page import MODULES as NAMES
from tools.docs.objects import described, options_of
from tools.docs.rendered import rendered
from tools.docs.words import fragment

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_SPAN = re.compile(r"`([^`\n]+)`")
# Words of playbooks and inventories that are no options of ours, where a span reads "word: value".
_FOREIGN = {"become", "hosts", "serial", "forks", "gather_facts", "ansible_connection", "tandem_prefix", "ansible_python_interpreter", "ready"}

Options = Mapping[str, Any]


class _Loader(yaml.SafeLoader):
    """YAML as playbooks hold it: a vault's text is some text."""


_Loader.add_constructor("!vault", lambda loader, node: loader.construct_scalar(node))


WRITTEN = rendered(ROOT)
SHARED: Options = fragment(ROOT, "node")["options"]
MODULES: dict[str, Options] = {name: {**options_of(ROOT, name), **SHARED} for name in NAMES}


def _paths(options: Options, prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, option in options.items():
        yield f"{prefix}{name}", option
        yield from _paths(option.get("suboptions") or {}, f"{prefix}{name}.")


def _by_path() -> dict[str, list[Mapping[str, Any]]]:
    known: dict[str, list[Mapping[str, Any]]] = {}
    for options in MODULES.values():
        for path, option in _paths(options):
            parts = path.split(".")
            for start in range(len(parts)):  # `frontends.timeouts.client` of config is met as `timeouts.client` and `client` too
                known.setdefault(".".join(parts[start:]), []).append(option)
    return known


KNOWN = _by_path()
ROLES = {path.name for path in (ROOT / "roles").iterdir()}
PLAYBOOKS = {path.stem for path in (ROOT / "playbooks").glob("*.yml")}
# The roles' variables are options too, by their full names.
for _role in sorted(ROLES):
    _specs = yaml.safe_load((ROOT / "roles" / _role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
    for _name, _option in _specs["argument_specs"]["main"]["options"].items():
        KNOWN.setdefault(_name, []).append(_option)


def _prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ +(.+)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-") for heading in headings}


def _broken_links(page: Path) -> list[str]:
    broken = []
    for link in _LINK.findall(_prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _mark, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    return broken


def _tasks(node: Any) -> Iterator[tuple[str, Any]]:
    """(module, arguments) of every task of ours anywhere in a parsed block."""
    if isinstance(node, list):
        for item in node:
            yield from _tasks(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if str(key).startswith("tandem.lb."):
                yield str(key)[len("tandem.lb.") :], value
            else:
                yield from _tasks(value)


def _misused(arguments: Any, options: Options, where: str) -> list[str]:
    if arguments is None or isinstance(arguments, str):
        return []  # without arguments, or a template of them
    problems = []
    for name, value in arguments.items():
        place = f"{where}.{name}"
        if name not in options:
            problems.append(f"{place}: there is no such option")
            continue
        option = options[name]
        choices = option.get("choices")
        if choices and not str(value).startswith("{{") and value not in choices:
            problems.append(f"{place}: {value!r} is none of {choices}")
        below = option.get("suboptions")
        if below:
            members = value if isinstance(value, list) else [value]
            for member in members:
                problems += _misused(member, below, place)
    return problems


def _misused_in(page: Path) -> list[str]:
    problems = []
    for _indent, language, content in _FENCE.findall(page.read_text(encoding="utf-8")):
        if language != "yaml" or "tandem.lb." not in content:
            continue
        found = list(_tasks(yaml.load(content, Loader=_Loader)))  # a loader of its own, derived from the safe one
        roles = re.findall(r"role: tandem\.lb\.(\w+)", content)
        problems += [f"there is no role {role}" for role in roles if role not in ROLES]
        if not found and not roles:
            problems.append(f"a block names tandem.lb but holds no task of it: {content[:60]!r}")
        for module, arguments in found:
            problems += _misused(arguments, MODULES[module], module) if module in MODULES else [f"there is no module {module}"]
    return problems


def _unknown_spans(page: Path) -> list[str]:
    """Code spans that read as an option, or an option with a value, that does not exist."""
    unknown = []
    for span in _SPAN.findall(_prose(page)):
        module = re.fullmatch(r"tandem\.lb\.([a-z_]+)", span)
        if module and module[1] not in {*MODULES, *ROLES, *PLAYBOOKS}:
            unknown.append(span)
        dotted = re.fullmatch(r"[a-z_]+(?:\.[a-z_]+)+", span)
        if dotted and any(option.get("suboptions") for option in KNOWN.get(span.split(".")[0], [])) and span not in KNOWN:
            unknown.append(span)
        given = re.fullmatch(r"([a-z_.]+): ([\w./{}\"\[\]-]+)", span)
        if given and given[1] not in _FOREIGN and not _is_valid(given[1], given[2]):
            unknown.append(span)
    return unknown


def _is_valid(path: str, text: str) -> bool:
    options = KNOWN.get(path, [])
    value = yaml.safe_load(text)
    return any(not option.get("choices") or value in option["choices"] for option in options)


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_repeats_the_options_is_as_it_is_written_from_them_now(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == WRITTEN[path], "run make docs"


def test_an_option_that_is_declared_and_not_described_is_named(tmp_path: Path) -> None:
    source = ROOT / "plugins/modules/frontend.py"
    copy = tmp_path / source.relative_to(ROOT)
    copy.parent.mkdir(parents=True)
    copy.write_text(source.read_text(encoding="utf-8").replace("  path_prefix:\n", "  path_prefixes:\n"), encoding="utf-8")
    with pytest.raises(SystemExit, match=r"frontend\.routes\.path_prefix is declared, but not described"):
        described(tmp_path, Frontend)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert _broken_links(page) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_playbook_of_a_page_uses_options_that_exist(page: Path) -> None:
    assert _misused_in(page) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_option_named_by_a_page_exists(page: Path) -> None:
    assert _unknown_spans(page) == []


def test_these_checks_see_what_is_wrong(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A page\n[gone](nowhere.md) [here](#a-page) [not here](#b-page) `health_check.intervall` `failback: sometimes` `tandem.lb.nothing`\n"
        "```yaml\n- tandem.lb.backend: {name: shop, ballance: first}\n- tandem.lb.frontend: {routes: [{hosts: a}], protocol: sctp}\n```\n"
    )
    assert _broken_links(page) == ["nowhere.md", "#b-page"]
    assert _unknown_spans(page) == ["health_check.intervall", "failback: sometimes", "tandem.lb.nothing"]
    assert [line.partition(":")[0] for line in _misused_in(page)] == ["backend.ballance", "frontend.routes.hosts", "frontend.protocol"]
