"""What status says of a document, its listeners, its servers and its counters: nothing but what it is given."""

from __future__ import annotations

from tandem._model import FloatingIP, HealthCheck, Server
from tandem._states import Setting
from tandem.checks.health import Health
from tandem.proxy.service.status import Bound, Known, Process, servers_ready, status
from tests.support.node import EDGE, FLOATING, backend, document_of, frontend, pair

PROCESS = Process("1.2.3", "abc", 77, True, "", "digest", (78, 79))
CHECKED = backend(Server("s1", "192.0.2.1", 8080), Server("s2", "2001:db8::1", weight=7), port=80, check=HealthCheck())


def test_servers_are_ready_when_all_have_been_checked_and_no_backend_is_without_one_that_is_up():
    document = document_of(EDGE, CHECKED, backend(Server("s", "192.0.2.3"), name="unchecked"), backend(name="empty", check=HealthCheck()))

    def ready(*up):
        return servers_ready(document, {("edge/shop", f"s{number}"): Health(one) for number, one in enumerate(up, 1)})

    assert [ready(*up) for up in ((), (True,), (True, None), (False, False), (True, False), (True, True))] == [False] * 4 + [True] * 2
    assert servers_ready(document_of(EDGE), {}) is True


def seen(document, bound=None, health=None, counters=None, states=None):
    return status(PROCESS, document, bound or Bound((), (), {}), Known(health or {}, states or {}, now_s=100.0, wall_s=1000.0), counters or {})


def test_the_process_and_what_it_runs_are_named():
    view = seen(document_of(EDGE), Bound(("edge",), (), {}))
    assert {key: view[key] for key in ("service", "version", "release", "pid", "ready", "failure", "generation", "digest", "workers")} == {
        "service": "proxy",
        "version": "1.2.3",
        "release": "abc",
        "pid": 77,
        "ready": True,
        "failure": "",
        "generation": 0,
        "digest": "digest",
        "workers": [{"pid": 78}, {"pid": 79}],
    }
    assert view["load_balancers"] == {"edge": {"active": True}}
    assert seen(document_of(EDGE))["load_balancers"] == {"edge": {"active": False}}


def test_a_frontend_has_the_places_that_are_bound_the_problems_of_the_others_and_its_counters():
    fronts = [frontend(80, addresses=("127.0.0.2", "::1")), frontend(81, "off", enabled=False), frontend(82, "ip", addresses=())]
    document = document_of(FLOATING, pair(7694), backend(), *fronts)
    problems = {("127.0.0.2", 80): "taken", ("127.0.0.100", 82): "taken too", ("127.0.0.2", 81): "not asked for"}
    bound = Bound((), {("::1", 80), ("127.0.0.9", 80)}, problems)
    views = seen(document, bound, counters={"frontends": {"edge/web": {"connections": 3}, "edge/gone": {"connections": 1}}})["frontends"]
    assert views == {
        "edge/web": {"enabled": True, "listening": ["[::1]:80"], "problems": ["taken"], "connections": 3},
        "edge/off": {"enabled": False, "listening": [], "problems": []},
        "edge/ip": {"enabled": True, "listening": [], "problems": ["taken too"]},  # of a node that is not active, before it is
    }


def test_a_server_has_what_is_known_and_was_said_of_it_and_its_counters_and_checking_is_what_nobody_has_looked_at():
    health = {("edge/shop", "s1"): Health(False, 0, 98.5, "Connection refused"), ("edge/other", "s2"): Health(True, 0, 1.0, "connected")}
    counters = {"backends": {"edge/shop": {"queue": 2, "servers": {"s1": {"sessions": 4}, "gone": {"sessions": 9}}}}}
    states = {("edge/shop", "s2"): Setting("drain", "move", "anna", 940), ("edge/other", "s1"): Setting("maint", "keep", "anna", 940)}
    view = seen(document_of(EDGE, CHECKED), health=health, counters=counters, states=states)["backends"]["edge/shop"]
    ready = {"admin_state": "ready", "drain_sticky": None, "set_by": "", "set_since_ms": None}
    drained = {"admin_state": "drain", "drain_sticky": "move", "set_by": "anna", "set_since_ms": 60_000}
    refused = {"state": "down", "since_ms": 1500, "last_check": "Connection refused", "agent": ""}
    unseen = {"state": "checking", "since_ms": None, "last_check": "not checked yet", "agent": ""}
    assert view == {
        "queue": 2,
        "servers": {
            "s1": {"address": "192.0.2.1:8080", "weight": 1, **refused, **ready, "sessions": 4},
            "s2": {"address": "[2001:db8::1]:80", "weight": 7, **unseen, **drained},
        },
    }


def test_without_checks_a_server_is_up_whatever_was_known_before():
    document = document_of(EDGE, backend(Server("s1", "192.0.2.1", 80)))
    view = seen(document, health={("edge/shop", "s1"): Health(False, 0, 1.0, "down")})["backends"]["edge/shop"]["servers"]["s1"]
    assert (view["state"], view["since_ms"], view["last_check"]) == ("up", None, "not checked")


class Counting(dict):
    """A document's objects, that count how often all of them are gone through."""

    passes = 0

    def items(self):
        Counting.passes += 1
        return super().items()


def test_all_frontends_are_gone_through_as_often_for_many_as_for_one():
    passes = []
    for count in (1, 50):
        document = document_of(FloatingIP("ip", "127.0.0.100/8"), EDGE, backend(), *(frontend(80, f"f{number}") for number in range(count)))
        Counting.passes = 0
        object.__setattr__(document, "frontends", Counting(document.frontends))
        seen(document)
        passes.append(Counting.passes)
    assert passes[0] == passes[1] <= 3
