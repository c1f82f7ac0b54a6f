"""What bad input gets: an error that names option, value, rule and way out, and a node that stays as it was."""

from __future__ import annotations

import dataclasses
import fcntl
import os

import pytest

from tests.support.collection import CHECKOUT
from tests.support.objects import ALL, BACKEND, FLOATING_IP, FRONTEND, LOAD_BALANCER, PORT

WRONG = {
    "an unknown backend": (
        "frontend",
        {**FRONTEND, "default_backend": "shopp"},
        ["default_backend", '"shopp"', 'nearest is "shop"', "tandem.lb.backend"],
    ),
    "an unknown load balancer": ("backend", {**BACKEND, "load_balancer": "egde"}, ["load_balancer", '"egde"', 'nearest is "edge"']),
    "an unknown floating IP": ("load_balancer", {"name": "edge", "floating_ips": ["shop-pi"]}, ["floating_ips", '"shop-pi"', '"shop-ip"']),
    "a port out of range": ("frontend", {**FRONTEND, "port": 65536}, ["port", "65536", "1 to 65535", "Give a value"]),
    "an address and port claimed twice": (
        "frontend",
        {**FRONTEND, "name": "other"},
        ["port", str(PORT), 'frontend "edge/', f"127.0.0.100:{PORT}", "another port"],
    ),
    "a timeout above the interval": (
        "backend",
        {**BACKEND, "health_check": {"interval": "1s", "timeout": "2s"}},
        ["health_check.timeout", '"2s"', "health_check.interval (1s)", "shorter timeout"],
    ),
    "a duration that is none": ("backend", {**BACKEND, "timeouts": {"connect": "soon"}}, ["timeouts.connect", '"soon"', "not a duration", "500ms"]),
    "a host name for a server": (
        "backend",
        {**BACKEND, "servers": [{"name": "app-1", "address": "app-1.example.com"}]},
        ["servers[app-1].address", '"app-1.example.com"', "not an IP address", "Give an IPv4"],
    ),
    "an address without its prefix length": ("floating_ip", {**FLOATING_IP, "address": "127.0.0.100"}, ["address", "lacks its prefix length", "/24"]),
    "an address that another one has": ("floating_ip", {**FLOATING_IP, "name": "two"}, ["address", '"127.0.0.100"', 'floating IP "shop-ip"']),
    "no address for a new floating IP": ("floating_ip", {"name": "new"}, ["address is not given", "no default"]),
    "a pool without its prefix length": (
        "floating_ip",
        {"name": "new", "pool": "192.0.2.1-192.0.2.9"},
        ["pool", "192.0.2.9", "prefix length", "/24"],
    ),
    "a pool that is none": ("floating_ip", {"name": "new", "pool": "192.0.2.1/24"}, ["pool", '"192.0.2.1/24"', "neither a network nor a range"]),
    "a pool that is used up": ("floating_ip", {"name": "new", "pool": "127.0.0.11-127.0.0.12/8"}, ["pool", "127.0.0.11-127.0.0.12/8", "larger pool"]),
    "an address that is not of the pool": (
        "floating_ip",
        {**FLOATING_IP, "pool": "127.0.0.101-127.0.0.109/8"},
        ["address", '"127.0.0.100/8"', "not of its pool 127.0.0.101-127.0.0.109/8", 'pool: ""'],
    ),
    "an option that a floating IP in place has not": (
        "load_balancer",
        {"name": "edge", "floating_ips": [{"name": "new", "adress": "192.0.2.1/24"}]},
        ['floating IP "new"', "adress", "no such option", "address"],
    ),
    "labels in place that are no map": (
        "load_balancer",
        {"name": "edge", "floating_ips": [{"name": "new", "address": "192.0.2.1/24", "labels": "north"}]},
        ["labels", '"north"', "a map"],
    ),
    "a floating IP in place without a name": (
        "load_balancer",
        {"name": "edge", "floating_ips": [{"address": "192.0.2.1/24"}]},
        ["floating_ips[0].name"],
    ),
    "a floating IP stated in two places": (
        "config",
        {"floating_ips": [FLOATING_IP], "load_balancers": [{"name": "edge", "floating_ips": [FLOATING_IP]}]},
        ["floating_ips", '"shop-ip"', "given twice"],
    ),
    "a floating IP in use": ("floating_ip", {"name": "shop-ip", "state": "absent"}, ["absent", 'load balancer "edge"', "Remove these first"]),
    "a backend in use": ("backend", {"load_balancer": "edge", "name": "shop", "state": "absent"}, ["absent", 'frontend "edge/web"']),
    "a load balancer in use": ("load_balancer", {"name": "edge", "state": "absent"}, ['backend "edge/shop"', 'frontend "edge/web"', "cascade: true"]),
    "a node of which nothing is said": ("load_balancer", {"name": "edge", "master": {}}, ["master.node is not given", "no default"]),
    "a new pair without nodes": (
        "load_balancer",
        {"name": "new", "master": {"node": None, "address": None}, "backup": {}},
        ["master.node is not given", "no default"],
    ),
    "a load balancer in use, among others": (
        "config",
        {"state": "absent", "load_balancers": [{"name": "edge"}], "frontends": [{"load_balancer": "edge", "name": "web"}]},
        ['backend "edge/shop"', "List these in the same task"],
    ),
    "a load balancer left out whose backend is stated": (
        "config",
        {"state": "overridden", "backends": [BACKEND]},
        ['load balancer "edge"', 'backend "edge/shop"', "State it too, or leave these out"],
    ),
    "a server that is the load balancer itself": (
        "backend",
        {**BACKEND, "servers": [{"name": "app-1", "address": "127.0.0.100", "port": PORT}]},
        ["servers[app-1].address", '"127.0.0.100"', 'frontend "edge/web"', f"127.0.0.100:{PORT}", "the server's own address"],
    ),
    "an address of no host": (
        "backend",
        {**BACKEND, "servers": [{"name": "app-1", "address": "0.0.0.0"}]},
        ["servers[app-1].address", '"0.0.0.0"', "no host can hold", "unicast"],
    ),
    "a short key": ("load_balancer", {"name": "edge", "heartbeat": {"key": "tooshort"}}, ["heartbeat.key", "16 characters", "openssl"]),
    "emptying a node by leaving all out": ("config", {"state": "overridden"}, ["overridden", "all 4", "allow_empty: true"]),
    "the same object twice": ("config", {"backends": [BACKEND, BACKEND]}, ['"edge/shop"', "given twice", "once"]),
    "an endless wait for the lock": ("floating_ip", {**FLOATING_IP, "lock_timeout": "2h"}, ["lock_timeout", '"2h"', "0 to 1h"]),
    "an unknown name to tell about": ("load_balancer_info", {"name": "egde"}, ["name", '"egde"', 'nearest is "edge"']),
}


@pytest.fixture
def filled(host, seed):
    seed(host, ALL)
    return host


def refused(host, module, options, words, *, check=False):
    before = host.tree()
    answer = host.run(module, check=check, **options)
    assert answer.result.get("failed") is True, answer.output
    missing = [word for word in words if word not in answer.result["msg"]]
    assert not missing, (missing, answer.result["msg"])
    # The option is load_balancer's; runtime names that module with it.
    assert module in ("load_balancer", "runtime") or "cascade" not in answer.result["msg"]
    return before, answer


@pytest.mark.parametrize("check", [False, True], ids=["applied", "checked"])
@pytest.mark.parametrize("case", WRONG)
def test_it_is_told_with_option_value_rule_and_way_out(filled, case, check):
    module, options, words = WRONG[case]
    document = (filled.prefix / "etc/tandem/desired.json").read_bytes()
    _before, answer = refused(filled, module, options, words, check=check)
    assert (filled.prefix / "etc/tandem/desired.json").read_bytes() == document
    assert "tooshort" not in answer.output


def test_a_node_that_is_none_of_the_load_balancers_is_told_whose_it_is(filled):
    stranger = dataclasses.replace(filled, node="lb-c")
    refused(stranger, "load_balancer", LOAD_BALANCER, ['node is "lb-c"', '"lb-a", "lb-b"', "correct master and backup"])


@pytest.mark.parametrize("check", [False, True], ids=["applied", "checked"])
def test_the_runtime_is_not_deployed_under_a_name_that_the_load_balancers_do_not_know(filled, check):
    stranger = dataclasses.replace(filled, node="host-1")
    words = ['load balancer "edge"', 'node is "host-1"', '"lb-a", "lb-b"', "tandem_node"]
    before, _answer = refused(stranger, "runtime", {}, words, check=check)
    (filled.prefix / "etc/tandem/lock").unlink(missing_ok=True)
    assert filled.tree() == before


def test_a_removal_is_refused_while_load_balancers_are_stated_and_checked_with_what_tasks_before_would_have_removed(filled):
    (filled.prefix / "opt/tandem").mkdir(parents=True)
    words = ["state", "absent", 'load balancer "edge"', "cascade: true"]
    refused(filled, "runtime", {"state": "absent"}, words)
    refused(filled, "runtime", {"state": "absent"}, words, check=True)
    emptied = filled.run("config", check=True, state="overridden", allow_empty=True).result["ansible_facts"]["tandem_assumed"]
    checked = filled.run("runtime", check=True, state="absent", tandem_assumed=emptied).result
    assert checked["done"] == [f"{filled.prefix}/opt/tandem removed"]
    refused(filled, "runtime", {"state": "absent", "tandem_assumed": emptied}, words)


def test_a_protected_load_balancer_is_not_removed(filled):
    filled.run("load_balancer", name="edge", deletion_protection=True)
    refused(filled, "load_balancer", {"name": "edge", "state": "absent", "cascade": True}, ["deletion_protection", "not removed", "false in a task"])


def test_a_broken_document_is_told_with_its_path(filled):
    path = filled.prefix / "etc/tandem/desired.json"
    path.write_text("{")
    refused(filled, "floating_ip", FLOATING_IP, [str(path), "not JSON", "history"])


def test_a_full_disk_changes_nothing(filled):
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))"
    full = dataclasses.replace(filled, before=limit)
    document = filled.prefix / "etc/tandem/desired.json"
    before = document.read_bytes()
    refused(full, "backend", {**BACKEND, "balance": "first"}, [str(document.parent), "cannot write", "too low", "What was in force stays in force"])
    assert document.read_bytes() == before
    assert [path.name for path in document.parent.rglob(".*")] == []


WRITING = {
    "a floating IP": ("floating_ip", {**FLOATING_IP, "labels": {"site": "north"}}),
    "a load balancer": ("load_balancer", {**LOAD_BALANCER, "description": "another", "allow_same_hardware": True}),
    "a backend": ("backend", {**BACKEND, "balance": "first"}),
    "a frontend": ("frontend", {**FRONTEND, "access_log": "json"}),
    "the config": ("config", {"floating_ips": [{**FLOATING_IP, "labels": {"site": "north"}}]}),
    "a deployment": ("runtime", {}),
    "a removal": ("runtime", {"state": "absent"}),
}


def test_every_module_that_can_change_a_node_is_held_to_the_lock():
    modules = {path.stem for path in (CHECKOUT / "plugins/modules").glob("*.py")}
    assert {module for module, _options in WRITING.values()} == modules - {"__init__", "load_balancer_info"}


@pytest.mark.parametrize("case", WRITING)
def test_a_second_run_waits_and_then_says_who_holds_the_lock(filled, case):
    module, options = WRITING[case]
    (filled.prefix / "opt/tandem").mkdir(parents=True)  # something to remove
    lock = filled.prefix / "etc/tandem/lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write(str(os.getpid()))
        held.flush()
        words = [str(lock), f"process {os.getpid()}", "within 0.2 s", "start this one again"]
        before, _answer = refused(filled, module, {**options, "lock_timeout": "200ms"}, words)
        assert filled.tree() == before
    assert "is held by another run" not in filled.run(module, **options).output
