"""What differs by kind of object is in hooks: the code that is the same for all asks none of which kind it is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from plugins.module_utils import _model as model
from plugins.module_utils._kinds import HOOKS

SHARED = Path(__file__).parents[4] / "plugins" / "module_utils"
CLASSES = {cls.__name__ for cls in model.KINDS.values()}


def questions(tree):
    """The comparisons with a kind or its class, and the calls of isinstance with one."""
    for node in ast.walk(tree):
        asks = isinstance(node, ast.Compare) or (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance")
        for inner in ast.walk(node) if asks else ():
            if getattr(inner, "value", None) in tuple(model.KINDS) or getattr(inner, "id", "") in CLASSES:
                yield ast.unparse(node)


@pytest.mark.parametrize("name", ["_change.py", "_resource.py", "_plan.py", "_model/_options.py", "_model/_document.py"])
def test_what_is_the_same_for_all_kinds_asks_for_none(name):
    assert list(questions(ast.parse((SHARED / name).read_text()))) == []


def test_that_question_is_seen():
    asked = "kind == 'backends'\ncls is LoadBalancer\nisinstance(thing, Frontend)\nkind in KINDS\n"
    assert list(questions(ast.parse(asked))) == ["kind == 'backends'", "cls is LoadBalancer", "isinstance(thing, Frontend)"]


def test_every_kind_has_its_hooks():
    assert list(HOOKS) == list(model.KINDS)


@pytest.mark.parametrize("kind", model.KINDS)
def test_an_objects_key_is_the_one_that_its_options_name(kind):
    cls = model.KINDS[kind]
    options = {"load_balancer": "edge", "name": "one"}
    assert cls.key_of(options) == ("edge/one" if "load_balancer" in cls.KEY else "one")
    assert set(cls.KEY) <= {name for name, *_rest in model.declared(cls)}
