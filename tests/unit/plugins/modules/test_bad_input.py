"""What bad input gets: an error that names option, value, rule and way out, and a node that stays as it was."""

from __future__ import annotations

import dataclasses
import fcntl
import os

import pytest

from tests.support.certificates import issued
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
    "proxies that are trusted where everybody is": (
        "frontend",
        {**FRONTEND, "forwarded_for": "append", "trusted_proxies": ["192.0.2.0/24"]},
        ["trusted_proxies is [192.0.2.0/24]", "forwarded_for: append keeps", "Use forwarded_for: replace", "trusted_proxies: []"],
    ),
    "a network that is a host's": (
        "frontend",
        {**FRONTEND, "trusted_proxies": ["192.0.2.5/24"]},
        ["trusted_proxies", '"192.0.2.0/24"'],
    ),
    "an upgrade past the routes": (
        "frontend",
        {**FRONTEND, "upgrades": ["websocket", "h2c"]},
        ["upgrades", '"h2c"', "pass the routes", "Leave it out"],
    ),
    "an address and port claimed twice": (
        "frontend",
        {**FRONTEND, "name": "other"},
        ["port", str(PORT), 'frontend "edge/', f"127.0.0.100:{PORT}", "another port"],
    ),
    "a floor above the ceiling": (
        "backend",
        {**BACKEND, "servers": [{"name": "app-1", "address": "app-1.example.com"}], "resolver": {"min_ttl": "1m", "max_ttl": "5s"}},
        ["resolver.min_ttl", '"1m"', "resolver.max_ttl (5s)", "longer max_ttl"],
    ),
    "an option that would do nothing": (
        "backend",
        {**BACKEND, "health_check": {"type": "tcp", "redis_role": "master"}},
        ["health_check.redis_role", '"master"', "type tcp", "Use type: redis"],
    ),
    "a duration that is none": ("backend", {**BACKEND, "timeouts": {"connect": "soon"}}, ["timeouts.connect", '"soon"', "not a duration", "500ms"]),
    "a mistyped address of a server": (
        "backend",
        {**BACKEND, "servers": [{"name": "app-1", "address": "192.0.2.300"}]},
        ["servers[app-1].address", '"192.0.2.300"', "not an IP address", "Give an IPv4"],
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
    "a text that no encoding can write": (
        "backend",
        {**BACKEND, "health_check": {"type": "http", "expect_body": "all \ud800 well"}},
        ["health_check.expect_body", '"...\\ud800..."', "half of a surrogate pair"],
    ),
    "a key that no encoding can write": (
        "load_balancer",
        {"name": "edge", "heartbeat": {"key": "tooshort, but \ud800 for half a character"}},
        ["heartbeat.key", "(hidden)", "no text in Unicode"],
    ),
    "a node's name that is too long": (
        "load_balancer",
        {"name": "edge", "master": {"node": "n" * 64, "address": "127.0.0.11"}},
        ["master.node", "1 to 63", "tandem_node"],
    ),
    "a link-local server without a zone": (
        "backend",
        {**BACKEND, "servers": [{"name": "app-1", "address": "fe80::1"}]},
        ["servers[app-1].address", '"fe80::1"', "every link", "fe80::1%eth0"],
    ),
    "a host name as people read it": (
        "frontend",
        {**FRONTEND, "routes": [{"host": "b\u00fccher.example", "backend": "shop"}]},
        ["routes[0].host", "punycode", "xn--bcher-kva.example"],
    ),
    "the same object twice": ("config", {"backends": [BACKEND, BACKEND]}, ['"edge/shop"', "given twice", "once"]),
    "an endless wait for the lock": ("floating_ip", {**FLOATING_IP, "lock_timeout": "2h"}, ["lock_timeout", '"2h"', "0 to 1h"]),
    "a load balancer that cannot be moved": (
        "switchover",
        {"load_balancer": "egde", "to": "lb-b"},
        ["load_balancer", '"egde"', 'nearest is "edge"', "State it first"],
    ),
    "a node that cannot be moved to": (
        "switchover",
        {"load_balancer": "edge", "to": "lb-x"},
        ['to is "lb-x"', 'load balancer "edge" has no such node', 'known are "lb-a", "lb-b"', "master.node"],
    ),
    "an endless wait for a node": ("switchover", {"load_balancer": "edge", "to": "lb-b", "timeout": "2d"}, ["timeout", '"2d"', "0 to 1d"]),
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


@pytest.mark.parametrize("module", ["runtime", "floating_ip"])
def test_an_inventory_name_that_no_load_balancer_could_name_is_told_with_the_variable_for_it(host, module):
    stranger = dataclasses.replace(host, node="lb-a." + "example." * 8)
    options = FLOATING_IP if module == "floating_ip" else {}
    refused(stranger, module, options, [f'node is "{stranger.node}"', "1 to 63", "set the variable tandem_node"])


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
    emptied = filled.run("config", check=True, state="overridden", allow_empty=True).result["tandem_assumed"]
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


MADE = issued("shop.example.com", ("shop.example.com",))
WRITING = {
    "a floating IP": ("floating_ip", {**FLOATING_IP, "labels": {"site": "north"}}),
    "a load balancer": ("load_balancer", {**LOAD_BALANCER, "description": "another", "allow_same_hardware": True}),
    "a certificate": ("certificate", {"load_balancer": "edge", "name": "shop", "certificate": MADE.pem, "private_key": MADE.key}),
    "a backend": ("backend", {**BACKEND, "balance": "first"}),
    "a frontend": ("frontend", {**FRONTEND, "access_log": "json"}),
    "a server": ("server", {"load_balancer": "edge", "backend": "shop", "name": "app-1", "state": "drain"}),
    "the config": ("config", {"floating_ips": [{**FLOATING_IP, "labels": {"site": "north"}}]}),
    "a deployment": ("runtime", {}),
    "a removal": ("runtime", {"state": "absent"}),
}


def test_every_module_that_can_change_a_node_is_held_to_the_lock():
    modules = {path.stem for path in (CHECKOUT / "plugins/modules").glob("*.py")}
    # switchover writes nothing: keepalive takes what it is asked for in turn.
    assert {module for module, _options in WRITING.values()} == modules - {"__init__", "load_balancer_info", "switchover"}


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
