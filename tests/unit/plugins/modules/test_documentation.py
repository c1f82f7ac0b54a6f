"""The documentation of the modules says what the model says: options, types, choices, defaults. So no second list can drift."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import pytest
import yaml

from plugins.module_utils import _model as model

PLUGINS = Path(__file__).parents[4] / "plugins"
TYPES = {"duration": "str", "labels": "dict", "object": "dict", "objects": "list", "strings": "list"}
OF_MODULE = {
    "floating_ip": model.FloatingIP,
    "load_balancer": model.LoadBalancer,
    "certificate": model.Certificate,
    "backend": model.Backend,
    "frontend": model.Frontend,
}
OWN = {"state", "cascade"}


def documentation(path):
    for node in ast.walk(ast.parse((PLUGINS / path).read_text())):
        if isinstance(node, ast.Assign) and node.targets[0].id == "DOCUMENTATION":
            return yaml.safe_load(node.value.value)["options"]
    raise AssertionError(f"{path} has no DOCUMENTATION")


def differences(cls, options, path):
    rows = model.offered(cls)
    if set(options) != {name for name, *_rest in rows}:
        yield f"{path}: documented {sorted(options)}"
        return
    for name, declaration, default in rows:
        told, place = options[name], f"{path}.{name}"
        if told["type"] != TYPES.get(declaration.kind, declaration.kind):
            yield f"{place}: type {told['type']}"
        if tuple(told.get("choices", ())) != declaration.choices:
            yield f"{place}: choices {told.get('choices')}"
        sentences = [line for line in told["description"] if line.startswith("On creation the default is")]
        if sentences != expected_sentences(declaration, default):
            yield f"{place}: default {sentences}"
        if declaration.of:
            yield from differences(declaration.of, told["suboptions"], place)


def expected_sentences(declaration, default):
    if default is dataclasses.MISSING or declaration.of or default in ("", (), {}):
        return []
    shown = model.duration_text(default) if declaration.kind == "duration" else str(default)
    shown = shown.lower() if declaration.kind == "bool" else shown
    shown = f"[{', '.join(default)}]" if declaration.kind == "strings" else shown
    return [f"On creation the default is V({shown})."]


@pytest.mark.parametrize("module", OF_MODULE)
def test_a_modules_documentation_is_the_models(module):
    options = {name: told for name, told in documentation(f"modules/{module}.py").items() if name not in OWN}
    assert list(differences(OF_MODULE[module], options, module)) == []


@pytest.mark.parametrize("module", OF_MODULE)
def test_config_documents_the_same_words_as_the_module_of_one_object(module):
    cls = OF_MODULE[module]
    members = documentation("doc_fragments/objects.py")[cls.KIND]["suboptions"]
    assert list(differences(cls, members, cls.KIND)) == []
