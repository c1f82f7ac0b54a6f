"""The life of a floating IP: made with its load balancer or from a pool, kept when that goes, taken up again by the next."""

from __future__ import annotations

import pytest

from tests.support.collection import Host
from tests.support.objects import BACKEND, FRONTEND, HEARTBEAT, LOAD_BALANCER

POOL = "127.0.0.10-127.0.0.14/8"  # .11 and .12 are the nodes'
TAKEN_FROM_POOL = {"name": "first", "pool": POOL, "attach": "none"}


def addresses(answer):
    return {one["name"]: one["address"] for one in answer.result["floating_ips"]}


def test_a_pool_gives_its_lowest_address_that_no_object_has_or_names_and_the_choice_stays(host):
    stated = {**LOAD_BALANCER, "floating_ips": [{"name": "second", "pool": POOL, "attach": "none"}, TAKEN_FROM_POOL]}
    made = host.run("load_balancer", **stated)
    assert addresses(made) == {"first": "127.0.0.10/8", "second": "127.0.0.13/8"}, "by name, past the nodes' own"
    host.run("load_balancer", name="edge", floating_ips=["second"])
    host.run("floating_ip", name="first", state="absent")
    assert host.run("load_balancer", name="edge").result["floating_ips"][0]["address"] == "127.0.0.13/8"
    again = host.run("config", state="replaced", load_balancers=[{**stated, "floating_ips": [{"name": "second", "pool": POOL, "attach": "none"}]}])
    assert again.result["changed"] is False, "also when it is stated as a whole"
    moved = host.run("floating_ip", name="second", pool="127.0.0.20-127.0.0.29/8")
    assert moved.result["object"]["address"] == "127.0.0.20/8"


def test_two_nodes_choose_alike_whatever_the_order_of_the_objects(host, collections, tmp_path):
    objects = {
        "load_balancers": [{**LOAD_BALANCER, "floating_ips": ["a", "b", "c"]}],
        "floating_ips": [{"name": name, "pool": "127.0.0.100/30", "attach": "none"} for name in "ba"]
        + [{"name": "c", "address": "127.0.0.101/8", "attach": "none"}],
    }
    other = Host(collections, tmp_path / "other", node="lb-b")
    refused = host.run("config", **objects)
    assert "every address of it is used" in refused.result["msg"], "101 is stated, 102 is left for one of two"
    for one in objects["floating_ips"][:2]:
        one["pool"] = "127.0.0.96/29"
    one = host.run("config", **objects)
    objects["floating_ips"].reverse()
    two = other.run("config", **objects)
    other.stop()
    assert one.result["digest"] == two.result["digest"], (one.output, two.output)
    assert [ip["address"] for ip in one.result["objects"]["floating_ips"]] == ["127.0.0.97/29", "127.0.0.98/29", "127.0.0.101/8"]


@pytest.mark.parametrize("name", ["edge", "other"])
def test_a_deleted_load_balancer_leaves_its_floating_ips_to_the_next_of_the_same_or_another_name(host, name):
    stated = {**LOAD_BALANCER, "floating_ips": [TAKEN_FROM_POOL]}
    host.run("load_balancer", **stated)
    host.run("backend", **BACKEND)
    host.run("frontend", **FRONTEND)
    assert host.run("load_balancer", name="edge", state="absent", cascade=True).result["changed"] is True
    left = host.run("load_balancer_info").result
    assert (addresses(host.run("load_balancer_info")), left["load_balancers"]) == ({"first": "127.0.0.10/8"}, [])
    taken_up = host.run("load_balancer", **{**stated, "name": name, "heartbeat": HEARTBEAT})
    assert addresses(taken_up) == {"first": "127.0.0.10/8"}
    assert 'floating IP "first"' not in taken_up.result["diff"]["after"], "it is the same one"


def test_keep_ips_false_takes_them_along_whether_made_in_place_or_named(host):
    host.run("load_balancer", **{**LOAD_BALANCER, "floating_ips": [TAKEN_FROM_POOL]}, keep_ips=False)
    host.run("load_balancer", name="edge", state="absent")
    assert host.run("load_balancer_info").result["floating_ips"] == []


def test_overridden_keeps_the_floating_ips_that_load_balancers_define_in_place(host):
    host.run("floating_ip", name="old", address="127.0.0.99/8")
    answer = host.run("config", state="overridden", load_balancers=[{**LOAD_BALANCER, "floating_ips": [TAKEN_FROM_POOL]}])
    assert [one["name"] for one in answer.result["objects"]["floating_ips"]] == ["first"]
