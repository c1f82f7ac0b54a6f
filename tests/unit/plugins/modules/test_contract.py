"""The contract of every module that states objects: check, apply, check, apply gives changed, changed, ok, ok; and what goes with it."""

from __future__ import annotations

import contextlib
import dataclasses
import re

import pytest

from tests.support.certificates import issued
from tests.support.collection import CHECKOUT
from tests.support.fake_keepalive import FakeKeepalive
from tests.support.objects import ALL, BACKEND, FLOATING_IP, FRONTEND, KEY, LOAD_BALANCER, SERVERS

SHOP = issued("shop.example.com", ("shop.example.com", "www.shop.example.com"))
CERTIFICATE = {"load_balancer": "edge", "name": "shop", "certificate": SHOP.pem, "private_key": SHOP.key}
ENCRYPTING = {**ALL, "certificates": [CERTIFICATE], "frontends": [{**FRONTEND, "tls": {"certificates": ["shop"], "hsts": "180d"}}]}
HASH = "$scrypt$ln=14,r=8,p=1$c2FsdHNhbHRzYWx0$aGhoaGhoaGhoaGhoaGhoaGhoaGg"
RULES = {
    "routes": [
        {"subdomains": "shop.test", "methods": ["get"], "backends": [{"backend": "shop", "weight": 5}]},
        {"path_regex": "^/a", "backend": "shop"},
    ],
    "acls": [
        {"path_prefix": "/admin", "sources": ["192.0.2.0/24"], "action": "allow"},
        {"headers": [{"name": "User-Agent", "contains": "Bot"}], "status": 429},
        {"host": "old.test", "action": "redirect", "redirect": {"host": "new.test", "code": 301}},
    ],
    "basic_auth": {"path_prefix": "/drafts", "users": [{"name": "ann", "password_hash": HASH}]},
}
WRITTEN = {
    "request_headers": [{"action": "set", "name": "X-Client", "value": "%{client_address}", "path_prefix": "/api", "methods": ["get"]}],
    "response_headers": [{"action": "remove", "name": "Server"}, {"action": "add", "name": "Vary", "value": "Origin"}],
}
SAID = {
    **WRITTEN,
    "forwarded_fields": ["forwarded", "X-Forwarded-For"],
    "request_id": {"mode": "make"},
    "error_pages": [{"status": 503, "content": "<h1>closed</h1>\n"}, {"status": 404, "content": "{}", "content_type": "application/json"}],
}
DONE = {
    **WRITTEN,
    "on_all_down": {"action": "redirect", "location": "https://status.test/%{host}"},
    "path_rewrite": {"strip_prefix": "/api", "add_prefix": "/v2"},
    "sticky": {"type": "cookie", "cookie_name": "SID", "cookie_mode": "prefix"},
}
# What of a key must be nowhere: a line of it.
PASSWORD = "a-password-nobody-may-see"
SECRETS = (KEY, SHOP.key.splitlines()[1], HASH, PASSWORD)
POOL = "127.0.0.100-127.0.0.103/8"
WORKED = {
    "floating_ip": ({}, FLOATING_IP),
    "backend": ({kind: ALL[kind] for kind in ("floating_ips", "load_balancers")}, BACKEND),
    "frontend": ({kind: ALL[kind] for kind in ("floating_ips", "load_balancers", "backends")}, FRONTEND),
    "frontend with rules": ({kind: ALL[kind] for kind in ("floating_ips", "load_balancers", "backends")}, {**FRONTEND, **RULES}),
    "frontend that writes": ({kind: ALL[kind] for kind in ("floating_ips", "load_balancers", "backends")}, {**FRONTEND, **SAID}),
    "backend that writes": ({kind: ALL[kind] for kind in ("floating_ips", "load_balancers")}, {**BACKEND, **DONE}),
    "load_balancer": ({"floating_ips": [FLOATING_IP]}, LOAD_BALANCER),
    "load_balancer that is observed": (
        {"floating_ips": [FLOATING_IP]},
        {**LOAD_BALANCER, "observe": {"port": 9115, "address": "node", "users": [{"name": "anna", "password": PASSWORD}], "allow": ["127.0.0.0/8"]}},
    ),
    "load_balancer with floating IPs in place": (
        {},
        {**LOAD_BALANCER, "floating_ips": [FLOATING_IP, {"name": "six", "address": "2001:db8::100/64", "attach": "none"}]},
    ),
    "load_balancer from a pool": ({}, {**LOAD_BALANCER, "floating_ips": [{"name": "shop-ip", "pool": POOL, "attach": "none"}]}),
    "floating_ip from a pool": ({"floating_ips": [FLOATING_IP]}, {"name": "other", "pool": POOL, "attach": "none"}),
    "config in place": ({}, {**ALL, "floating_ips": [], "load_balancers": [{**LOAD_BALANCER, "floating_ips": [FLOATING_IP]}], "state": "overridden"}),
    "certificate": ({kind: ALL[kind] for kind in ("floating_ips", "load_balancers")}, CERTIFICATE),
    "certificate absent": ({**ALL, "certificates": [CERTIFICATE]}, {"load_balancer": "edge", "name": "shop", "state": "absent"}),
    "config with TLS": ({}, ENCRYPTING),
    "config": ({}, ALL),
    "config replaced": ({}, {**ALL, "state": "replaced"}),
    "config overridden": ({"floating_ips": [{**FLOATING_IP, "name": "old-ip"}]}, {**ALL, "state": "overridden"}),
    "config absent": (ALL, {"state": "absent", "frontends": [{"load_balancer": "edge", "name": "web"}]}),
    "floating_ip absent": ({"floating_ips": [FLOATING_IP]}, {"name": "shop-ip", "state": "absent"}),
    "load_balancer absent": (ALL, {"name": "edge", "state": "absent", "cascade": True}),
    "backend absent": (
        {kind: ALL[kind] for kind in ("floating_ips", "load_balancers", "backends")},
        {"load_balancer": "edge", "name": "shop", "state": "absent"},
    ),
    "server": (ALL, {"load_balancer": "edge", "backend": "shop", "name": "app-1", "state": "drain", "wait": "drained"}),
    "switchover": ("active", {"load_balancer": "edge", "to": "lb-b"}),
    "runtime": ({}, {}),
    "runtime absent": ("deployed", {"state": "absent"}),
    "frontend absent": (ALL, {"load_balancer": "edge", "name": "web", "state": "absent"}),
}

READING = {"load_balancer_info"}
# What check mode foretells.
FIELDS = ("diff", "digest", "generation", "object", "objects", "changes", "floating_ips", "separation", "release", "previous", "done")


@pytest.fixture
def given(host, seed):
    """Makes the host be as a case begins: with objects, "deployed", or "active" (with a keepalive that hands over when it is asked to)."""
    ending = contextlib.ExitStack()

    def prepare(objects):
        if objects == "deployed":
            assert host.run("runtime").result["changed"]
        elif objects == "active":
            seed(host, ALL)
            ending.enter_context(FakeKeepalive(host.prefix))
        elif objects:
            seed(host, objects)
        return host

    with ending:
        yield prepare


@pytest.mark.parametrize("case", WORKED)
def test_check_apply_check_apply_gives_changed_changed_ok_ok(given, case):
    before, options = WORKED[case]
    host, module = given(before), case.split()[0]
    bare = host.tree()
    first = host.run(module, check=True, **options)
    assert host.tree() == bare, "check mode wrote something"
    applied = host.run(module, **options)
    after = host.tree()
    second = host.run(module, check=True, **options)
    assert host.tree() == after, "check mode wrote something"
    again = host.run(module, **options)
    answers = [first, applied, second, again]
    assert [answer.result.get("changed") for answer in answers] == [True, True, False, False], [a.output for a in answers]
    for field in FIELDS:
        assert first.result.get(field) == applied.result.get(field), field
    assert second.result["diff"] == again.result["diff"] == {"before": "", "after": ""}
    assert first.result["diff"]["before"] != first.result["diff"]["after"]
    assert not any(secret in answer.output for answer in answers for secret in SECRETS), "a secret was told"


def test_every_module_is_held_to_the_contract():
    modules = {path.stem for path in (CHECKOUT / "plugins/modules").glob("*.py")}
    assert {case.split()[0] for case in WORKED} | READING == modules


def test_what_only_reads_tells_the_same_with_check_mode_and_without_and_changes_nothing(given):
    for objects in ({}, ALL):
        host = given(objects)
        tree = host.tree()
        answers = [host.run("load_balancer_info", check=check).result for check in (True, False)]
        for answer in answers:
            assert answer["changed"] is False
            answer.pop("invocation", None)  # ansible-core before 2.21 repeats the arguments
        assert answers[0] == answers[1]
        assert host.tree() == tree


def test_the_order_of_lists_without_an_order_is_no_change(given):
    host = given(ALL)
    turned = host.run("backend", **{**BACKEND, "servers": SERVERS[::-1]})
    assert turned.result["changed"] is False, turned.output
    lists = {"trusted_proxies": ["192.0.2.5", "2001:db8::/32"], "upgrades": ["websocket", "irc"]}
    assert host.run("frontend", **FRONTEND, **lists).result["changed"] is True
    turned = host.run("frontend", **FRONTEND, trusted_proxies=["2001:DB8::/32", "192.0.2.5/32"], upgrades=["IRC", "websocket"])
    assert turned.result["changed"] is False, turned.output
    assert turned.result["object"]["trusted_proxies"] == ["192.0.2.5/32", "2001:db8::/32"]


def test_options_left_out_stay_as_they_are_unless_replaced(given):
    host = given(ALL)
    host.run("backend", **BACKEND, balance="leastconn")
    kept = host.run("backend", load_balancer="edge", name="shop", max_retries=5)
    assert (kept.result["object"]["balance"], kept.result["object"]["max_retries"]) == ("leastconn", 5)
    replaced = host.run("config", state="replaced", backends=[BACKEND])
    shop = replaced.result["objects"]["backends"][0]
    assert (shop["balance"], shop["max_retries"]) == ("roundrobin", 3)


def test_only_the_used_secret_lies_on_the_node_for_its_owner_alone(given):
    host = given(ALL)
    folder = host.prefix / "etc/tandem/secrets"
    first = [path.name for path in folder.iterdir()]
    assert len(first) == 1
    assert (folder / first[0]).read_text() == KEY
    assert (folder / first[0]).stat().st_mode & 0o777 == 0o600
    changed = host.run("load_balancer", name="edge", heartbeat={"key": "another-key-of-both-nodes"})
    sides = [re.search('"edge" heartbeat.key: "(.*)"', changed.result["diff"][side])[1] for side in ("before", "after")]
    assert [path.name for path in folder.iterdir()] == sides[1:]
    assert sides[:1] == first
    host.run("config", state="overridden", allow_empty=True)
    assert list(folder.iterdir()) == []


LOGGED = """
import pathlib, syslog
from ansible.module_utils import basic
basic.has_journal = False
syslog.syslog = lambda *words: pathlib.Path({path!r}).open("a").write(repr(words))
"""


def test_no_secret_is_logged_on_the_node(host, tmp_path):
    log = tmp_path / "syslog"
    logging = dataclasses.replace(host, before=LOGGED.format(path=str(log)))
    for floating_ips in ([FLOATING_IP], ["unknown"]):
        assert KEY not in logging.run("load_balancer", **{**LOAD_BALANCER, "floating_ips": floating_ips}).output
    text = log.read_text()
    assert text.count("Invoked with") == 2
    assert KEY not in text


def test_a_removed_load_balancer_leaves_its_floating_ips_unless_told_otherwise(given):
    host = given(ALL)
    kept = host.run("load_balancer", name="edge", state="absent", cascade=True)
    for named in ('load balancer "edge"', 'backend "edge/shop"', 'frontend "edge/web"'):
        assert f"{named} name: " in kept.result["diff"]["before"]
    assert kept.result["diff"]["after"] == ""
    host.run("load_balancer", **LOAD_BALANCER)
    host.run("load_balancer", name="edge", state="absent", keep_ips=False)
    assert host.run("load_balancer_info").result["floating_ips"] == []


def test_in_check_mode_a_play_goes_on_from_what_its_earlier_tasks_would_have_made(host):
    bare, assumed = host.tree(), {}
    for module, options in (("floating_ip", FLOATING_IP), ("load_balancer", LOAD_BALANCER), ("backend", BACKEND), ("frontend", FRONTEND)):
        answer = host.run(module, check=True, tandem_assumed=assumed, **options)
        assert answer.result.get("changed") is True, answer.output
        assumed = answer.result["tandem_assumed"]
    told = host.run("load_balancer_info", check=True, name="edge", tandem_assumed=assumed)
    assert [one["name"] for one in told.result["load_balancers"][0]["backends"]] == ["shop"], told.output
    assert host.run("load_balancer_info", tandem_assumed=assumed).result["load_balancers"] == [], "what is assumed counts in check mode alone"
    assert host.tree() == bare


def test_info_tells_a_bare_host_and_a_filled_one(given, host):
    bare = host.run("load_balancer_info")
    assert (bare.result["generation"], bare.result["load_balancers"]) == (0, [])
    given(ALL)
    tree = host.tree()
    told = host.run("load_balancer_info", name="edge")
    (edge,) = told.result["load_balancers"]
    assert [node["node"] for node in edge["nodes"]] == ["lb-a", "lb-b"]
    assert [backend["name"] for backend in edge["backends"]] == ["shop"]
    assert KEY not in told.output
    assert host.tree() == tree
