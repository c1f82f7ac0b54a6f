"""Whatever is given for an option, or stands in a document on disk, is read or refused in words: no other exception comes out of the model."""

from __future__ import annotations

import copy
import json
import random

import pytest

from tandem import _model as model
from tandem._model._options import from_stored
from tests.support.certificates import issued

NODE = {"node": "lb-a", "address": "192.0.2.11"}
SHOP = issued("shop.example.com", ("shop.example.com",))
STATED = {
    model.FloatingIP: {"name": "vip", "address": "192.0.2.100/24"},
    model.LoadBalancer: {"name": "edge", "master": NODE, "backup": {**NODE, "node": "lb-b"}},
    model.Certificate: {"load_balancer": "edge", "name": "shop", "certificate": SHOP.pem, "private_key": SHOP.key},
    model.Backend: {"load_balancer": "edge", "name": "shop", "port": 80, "servers": [{"name": "a", "address": "192.0.2.21"}]},
    model.Frontend: {"load_balancer": "edge", "name": "web", "port": 80, "routes": [{"backend": "shop"}]},
}
PLAIN = [None, True, False, -1, 0, 10**400, -(10**400), 0.5, float("nan"), float("inf"), {}, [], [None], [[]], [{}], {"": None}, {"x": {}}, [1, "x"]]
TEXTS = ["", " ", "x", "\0", "half a character, the sixteenth: \ud800", "9" * 5000, "٣s", "fe80::1%eth0", "::/0", "::-::/0", "1-2/3", "999-100"]
KEYED = [[{"name": name}] for name in (None, [], {}, 7)] + [[{"name": "a", "address": "192.0.2.21"}] * 2]
ODD = [*PLAIN, *TEXTS, *KEYED]


def places(value, path=()):
    """Every path into nested maps and lists."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(inner, (*path, key))


def with_value(whole, path, value):
    changed = copy.deepcopy(whole)
    at = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return changed


def every_option(cls, given):
    """The options of an object as Ansible hands them over: those left out are None, in nested maps too."""
    whole = {}
    for name, _field, declaration, _default in model.declared(cls):
        whole[name] = given.get(name)
        if declaration.kind == "object":
            whole[name] = every_option(declaration.of, given.get(name) or {})
        elif declaration.kind == "objects":
            whole[name] = [every_option(declaration.of, member) for member in given.get(name, ())]
    return whole


@pytest.mark.parametrize("cls", STATED, ids=lambda cls: cls.KIND)
def test_an_odd_value_is_read_or_refused(cls):
    options = every_option(cls, STATED[cls])
    have = model.from_options(cls, options)
    stored = json.loads(json.dumps(model.to_stored(have)))
    tries = [
        *(
            (lambda odd, path=path, former=former: model.from_options(cls, with_value(options, path, odd), former))
            for path in places(options)
            for former in (None, have)
        ),
        *((lambda odd, path=path: from_stored(cls, with_value(stored, path, odd))) for path in places(stored)),
    ]
    chance = random.Random(1)
    refused = 0
    for read in tries:
        for odd in chance.sample(ODD, 12):
            try:
                document = model.Document().with_object(read(odd))
            except model.ModelError as error:
                assert all(problem.option and problem.rule and problem.way_out for problem in error.problems)
                refused += 1
            else:
                assert document.digest
                model.check_document(document)
    assert refused > len(tries)


@pytest.mark.parametrize("empty", [{}, {"node": None, "address": None, "fault_domain": None}])
@pytest.mark.parametrize("had", [False, True])
def test_a_map_whose_options_have_no_default_is_not_cleared(empty, had):
    have = model.from_options(model.LoadBalancer, STATED[model.LoadBalancer]) if had else None
    with pytest.raises(model.ModelError, match=r"master\.node is not given, but it has no default"):
        model.from_options(model.LoadBalancer, {**STATED[model.LoadBalancer], "master": empty}, have)


def test_a_secret_of_a_wrong_type_is_not_shown():
    with pytest.raises(model.ModelError, match=r'heartbeat\.key is "\(hidden\)"'):
        model.from_options(model.LoadBalancer, {**STATED[model.LoadBalancer], "heartbeat": {"key": ["correct horse battery"]}})


HALF = "a \ud800 b"
FREE = [
    (model.FloatingIP, "interface"),
    (model.FloatingIP, "labels"),
    (model.LoadBalancer, "description"),
    (model.Backend, "health_check.expect_body"),
]


@pytest.mark.parametrize(("cls", "option"), FREE, ids=lambda value: value if isinstance(value, str) else value.KIND)
def test_a_text_that_no_encoding_can_write_is_a_problem_of_the_document(cls, option):
    value = {"labels": {"site": HALF}}.get(option, HALF)
    name, _dot, inner = option.partition(".")
    options = {**STATED[cls], name: {inner: value} if inner else value}
    document = model.Document().with_object(model.from_options(cls, options))
    told = [str(problem) for problem in model.check_document(document)]
    assert any(option in one and "\\ud800" in one and "half of a surrogate pair" in one for one in told), told
    assert "\n".join(told).encode()


def test_every_option_that_may_be_any_text_is_looked_at():
    texts = {cls: model.from_options(cls, STATED[cls]) for cls in STATED}
    for cls, thing in texts.items():
        stored = model.to_stored(thing)
        for path in places(stored):
            at = stored
            for key in path:
                at = at[key]
            if isinstance(at, str):
                try:
                    document = model.Document().with_object(from_stored(cls, with_value(stored, path, HALF)))
                except model.ModelError:
                    continue
                assert "surrogate" in "".join(str(problem) for problem in model.check_document(document)), (cls, path)


def test_whatever_a_task_gives_is_refused_where_no_encoding_can_write_it_without_showing_the_rest():
    given = {"prefix": HALF, "labels": {HALF: "x"}, "servers": [{"name": HALF}], "heartbeat": {"key": f"correct horse battery {HALF}"}, "port": 80}
    with pytest.raises(model.ModelError) as refused:
        model.refuse_unencodable(given)
    assert [problem.option for problem in refused.value.problems] == ["prefix", r"labels.a \ud800 b", "servers[0].name", "heartbeat.key"]
    assert "horse" not in str(refused.value)
    model.refuse_unencodable({"description": "\U0001f40e", "port": 80, "servers": [None]})
