"""The service with a kernel that only takes notes: what it applies, whose connections it ends, what it leaves."""

from __future__ import annotations

import asyncio

import pytest

from tandem._client import NotRunning
from tandem._paths import Paths
from tandem._store import Store
from tandem.forward.kernel import NotApplied
from tandem.forward.proxy_link import Told, _told
from tandem.forward.service import Service
from tests.support.forwarding import all_in, kernel_document

DOCUMENT = kernel_document()


class Notes:
    """A kernel that does nothing."""

    name = "tandem"

    def __init__(self):
        self.applied, self.ended, self.settled, self.refusal = [], [], [], ""
        self.shown, self.number = "as left", 1

    def apply(self, words):
        if self.refusal:
            raise NotApplied(self.refusal)
        self.applied.append(words)

    def listing(self):
        return self.shown

    def generation(self):
        return self.number

    def peers(self, _addresses):
        return frozenset()

    def end(self, marks):
        self.ended += list(marks)

    def end_all(self):
        self.ended.append("all")

    def settle(self, versions):
        self.settled.append(set(versions))

    def unsettle(self):
        self.settled.append("as before")


@pytest.fixture
def service(tmp_path):
    made = Service(Paths(str(tmp_path)), Notes())
    Store(made._paths).write(DOCUMENT)
    return made


def hears(service, states=None, active=("edge",), document=DOCUMENT):
    service._told, service._lost = Told(document.generation, frozenset(active), all_in(DOCUMENT, "up") if states is None else states), False
    return asyncio.run(service._keep())


def marks_of(service, server):
    return [target.mark for target in service._table.targets if target.server == server]


def test_it_applies_all_first_then_what_differs_and_then_nothing(service):
    kernel = service._kernel
    assert hears(service)
    assert kernel.applied[0].startswith("table inet tandem\ndelete table inet tandem\ntable inet tandem {")
    assert kernel.settled[-1] == {4, 6}
    before = len(kernel.applied)
    hears(service)
    assert len(kernel.applied) == before
    hears(service, all_in(DOCUMENT, "up", app_1="down"))
    assert kernel.applied[before].startswith("flush chain inet tandem f4/edge/flows\n")


def test_the_connections_of_a_server_that_goes_down_end_and_those_of_a_drained_one_stay(service):
    hears(service)
    service._kernel.ended.clear()
    hears(service, all_in(DOCUMENT, "up", app_1="down", app_2="drain"))
    assert service._kernel.ended == marks_of(service, "app-1")


def test_what_conntrack_knows_of_a_load_balancer_that_has_left_is_forgotten_and_once_more_when_its_address_is_off(service):
    hears(service)
    assert service._kernel.ended == []
    hears(service, active=())
    every = sorted(target.mark for target in service._table.targets)
    assert sorted(service._kernel.ended) == every
    service._leaving = dict.fromkeys(service._leaving, 0.0)
    hears(service, active=())
    assert len(service._kernel.ended) == 2 * len(every)
    hears(service, active=())
    assert len(service._kernel.ended) == 2 * len(every)


def test_a_table_that_somebody_has_changed_is_made_anew(service):
    hears(service)
    before = len(service._kernel.applied)
    service._kernel.number = 2  # of somebody else's rules
    hears(service)
    assert len(service._kernel.applied) == before
    service._kernel.number, service._kernel.shown, service._look_again_at = 3, "flushed", 0.0
    hears(service)
    assert service._kernel.applied[before].startswith("table inet tandem\ndelete")


def test_a_kernel_that_refuses_is_a_problem_until_it_takes_the_table(service):
    service._kernel.refusal = "no such feature"
    assert hears(service)
    assert service._problem == "no such feature"
    service._kernel.refusal = ""
    hears(service)
    assert (service._problem, service._applied) == ("", True)


def test_it_ends_and_leaves_nothing_when_nothing_is_left_to_forward(service):
    hears(service)
    gone = kernel_document({"enabled": False}, generation=2)
    Store(service._paths).write(gone)
    assert hears(service, document=gone) is False
    assert service._kernel.applied[-1].startswith("table inet tandem\ndelete table inet tandem\n")
    assert (service._kernel.ended[-1], service._kernel.settled[-1]) == ("all", "as before")


def test_a_document_that_the_disk_does_not_have_yet_changes_nothing(service):
    hears(service)
    before = list(service._kernel.applied)
    assert hears(service, document=kernel_document(generation=7))
    assert service._kernel.applied == before


@pytest.mark.parametrize(("active", "lost", "stays"), [(("edge",), False, True), ((), False, False), (("edge",), True, False)])
def test_the_table_outlives_the_service_only_where_the_node_is_active(service, active, lost, stays):
    hears(service, active=active)
    service._lost = lost
    service._leave()
    assert ("as before" not in service._kernel.settled) is stays


@pytest.mark.parametrize("line", [b"", b"[]", b"{}", b'{"generation": 1, "active": 5, "states": {}}', b"[" * 100000])
def test_a_line_that_makes_no_sense_is_one_of_no_proxy(line):
    with pytest.raises(ValueError, match=r"."):
        _told(line)


def test_a_node_that_stays_active_after_a_conflict_forgets_what_connections_did_before(service, monkeypatch):
    seen = {"count": 0, "last": None}

    class Keepalive:
        def __init__(self, path, _timeout_s):
            if path != service._paths.keepalive_socket:
                raise NotRunning("no proxy")

        def status(self):
            return {"load_balancers": {"edge": {"conflicts": dict(seen)}}}

    monkeypatch.setattr("tandem.forward.service.Client", Keepalive)
    hears(service)
    for count, ended in ((1, False), (1, False), (1, True)):
        seen.update(count=count, last={"ended": ended})
        hears(service)
    assert len(service._kernel.ended) == 2 * len(service._table.targets)
