"""Plans: what differs between two documents, and nothing else."""

from __future__ import annotations

import dataclasses

from plugins.module_utils import _model as model
from plugins.module_utils._change import all_removed, all_stated
from plugins.module_utils._plan import diff, plan
from tests.support.certificates import issued
from tests.support.objects import ALL, BACKEND, FRONTEND, SERVERS

SHOP = issued("shop.example.com", ("shop.example.com",))
CERTIFICATE = {"load_balancer": "edge", "name": "shop", "certificate": SHOP.pem, "private_key": SHOP.key}
EVERY_KIND = {**ALL, "certificates": [CERTIFICATE], "frontends": [{**FRONTEND, "tls": {"certificates": ["shop"]}}]}
FULL = all_stated(model.Document(), EVERY_KIND, {}, "merged")


def test_equal_documents_of_different_generations_need_nothing():
    assert plan(FULL, dataclasses.replace(FULL, generation=7)) == []
    assert diff([]) == {"before": "", "after": ""}


def test_creation_and_removal_come_in_the_order_of_reference():
    created, removed = plan(model.Document(), FULL), plan(FULL, model.Document())
    assert [change.kind for change in created] == list(model.KINDS)
    assert {change.action for change in created} == {"created"}
    assert {change.action for change in removed} == {"removed"}
    assert diff(created)["after"] == diff(removed)["before"]


def test_a_change_names_the_nested_option_with_both_values():
    want = all_stated(FULL, {"backends": [{**BACKEND, "health_check": {"interval": "5s"}}]}, {}, "merged")
    (change,) = plan(FULL, want)
    assert change.action == "changed"
    assert change.fields == {"health_check.interval": ("3s", "5s")}


def test_the_order_of_servers_counts_only_where_the_first_is_preferred():
    turned = {"backends": [{**BACKEND, "servers": SERVERS[::-1]}]}
    assert plan(FULL, all_stated(FULL, turned, {}, "merged")) == []
    first = all_stated(FULL, {"backends": [{**BACKEND, "balance": "first"}]}, {}, "merged")
    (change,) = plan(first, all_stated(first, turned, {}, "merged"))
    assert list(change.fields) == ["servers"]


def test_objects_that_use_each_other_are_removed_together_in_any_order():
    marks = {kind: EVERY_KIND[kind] for kind in ("load_balancers", "certificates", "backends", "frontends")}
    assert [change.kind for change in plan(FULL, all_removed(FULL, marks))] == list(marks)


def test_a_diff_has_one_line_an_option_that_can_be_read_by_itself():
    want = all_stated(FULL, {"backends": [{**BACKEND, "servers": [{**SERVERS[0], "weight": 5, "backup": True}, SERVERS[1]]}]}, {}, "merged")
    shown = diff(plan(FULL, want))
    lines = {side: shown[side].splitlines() for side in shown}
    differing = [line for line in lines["after"] if line not in lines["before"]]
    assert differing == ['backend "edge/shop" servers[app-1].backup: true', 'backend "edge/shop" servers[app-1].weight: 5']
    assert len(lines["before"]) == len(lines["after"])
