"""The daemon on a made-up node: documents that are refused leave all as it was, and what fails in the background ends it with a failure."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import threading

import pytest

from tandem._model import Document, Node
from tandem._paths import Paths
from tandem._store import Store
from tandem.control import Refusal
from tandem.keepalive import service as service_module
from tandem.keepalive.service import Service
from tests.support.keepalive_fakes import ETH0, ME, VIP, VIP6, World, load_balancer
from tests.support.timeless import timeless

FAR = dataclasses.replace(VIP6, name="far", address="203.0.113.1/24")


class Daemon:
    """A service below a prefix, its world, and the documents it is given. ``healthy`` stands for the proxy, which there is none of."""

    def __init__(self, folder, name="lb-a"):
        self.paths, self.world = Paths(str(folder)), World()
        self.paths.etc.mkdir(parents=True)
        self.name(name)
        self.service = Service(self.paths, self.world.outside)
        self.generation = 0

    def name(self, name):
        self.paths.node.write_text(json.dumps({"node": name}))

    def write(self, *things):
        self.generation += 1
        document = Document(self.generation)
        for thing in things:
            document = document.with_object(thing)
        Store(self.paths).write(document)

    async def load(self, *things):
        self.write(*things)
        return await self.service._load({"generation": self.generation})

    async def status(self):
        return await self.service._status({})

    async def state(self):
        return {name: (view["state"], view["transitions"]) for name, view in (await self.status())["load_balancers"].items()}

    def healthy(self):
        self.service._proxy_changed(True, "")

    @contextlib.asynccontextmanager
    async def running(self):
        """``run`` in the background; gives its task."""
        task = asyncio.ensure_future(self.service.run())
        while not hasattr(self.service, "_link") and not task.done():
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        try:
            yield task
        finally:
            self.service._ending.set()
            await task


@timeless
async def test_a_returning_master_leaves_the_address_where_it_is_until_its_servers_are_ready(daemon):
    daemon.service._servers_changed(False)
    daemon.write(dataclasses.replace(load_balancer(), failback="immediate"), VIP)
    async with daemon.running():
        daemon.healthy()
        for beat in range(30):
            daemon.world.transports[0].hear()
            await asyncio.sleep(0.3)
            assert beat > 20 or (await daemon.state())["edge"][0] == "standby"
            if beat == 20:
                daemon.service._servers_changed(True)
        assert (await daemon.state())["edge"][0] == "active"


@timeless
async def test_a_pulled_cable_is_told_by_the_kernel_at_once_or_found_within_a_second(daemon):
    daemon.write(load_balancer(), VIP)
    async with daemon.running():
        daemon.healthy()
        for told in (True, False):
            daemon.world.kernel.known[2] = dataclasses.replace(ETH0, carrier=False)
            if told:
                daemon.world.links_changed()
            else:
                await asyncio.sleep(1.1)
            assert (await daemon.state())["edge"][0] == "fault"
            daemon.world.kernel.known[2] = ETH0
            daemon.world.links_changed()
            assert (await daemon.state())["edge"][0] == "standby"


@pytest.fixture
def daemon(tmp_path):
    return Daemon(tmp_path / "node")


@pytest.fixture
def said(monkeypatch):
    lines = []
    for module in ("tandem.keepalive.service.say", "tandem.supervised.say", "tandem.keepalive.addresses.say"):
        monkeypatch.setattr(module, lambda level, text: lines.append(f"{level}: {text}"))
    return lines


def both(*names, port=7694, **options):
    """The objects of load balancers with consecutive ports; the first has the floating IP."""
    return [VIP, *(load_balancer(name, port + number, ["vip"] if number == 0 else [], **options) for number, name in enumerate(names))]


async def serving(daemon, *things):
    """Loads a document and waits until this node is active for all of it."""
    await daemon.load(*things)
    daemon.healthy()
    await asyncio.sleep(2)
    assert {state for state, _transitions in (await daemon.state()).values()} == {"active"}


def sent(daemon):
    return [list(transport.sent) for transport in daemon.world.transports if transport.open]


def resigned(transport):
    """Whether the last word of an active node was that it resigns."""
    return [priority for priority, state in transport.sent if state == "active"][-1] == 0


REFUSED = {
    "an address outside every network": lambda: [VIP, FAR, load_balancer(floating_ips=["vip", "far"])],
    "a port that somebody has": lambda: both("edge", port=7800),
    "another name and such a port": lambda: both("renamed", port=7800),
    "a second load balancer with such a port": lambda: [*both("edge"), load_balancer("second", 7800, [])],
    "an interface without IPv6": lambda: [VIP, VIP6, load_balancer(floating_ips=["vip", "vip6"])],
    "another name with the former's port, and an address outside every network": lambda: [FAR, load_balancer("renamed", floating_ips=["far"])],
    "a node that is not this one": lambda: [VIP, dataclasses.replace(load_balancer(), master=Node("lb-x", "192.0.2.13"))],
}


@pytest.mark.parametrize("case", REFUSED)
@timeless
async def test_a_document_that_is_refused_leaves_all_as_it_was_and_nobody_notices(daemon, said, case):
    async with daemon.running():
        await serving(daemon, *both("edge"))
        daemon.world.ports.add(7800)
        daemon.world.kernel.known[2] = dataclasses.replace(ETH0, ipv6=False)
        before = await daemon.status(), sent(daemon), list(daemon.world.kernel.there), set(daemon.world.ports)
        with pytest.raises(Refusal):
            await daemon.load(*REFUSED[case]())
        assert (await daemon.status(), sent(daemon), daemon.world.kernel.there, daemon.world.ports) == before
        await asyncio.sleep(30)
        assert await daemon.state() == {"edge": ("active", 2)}
        assert daemon.world.proxy.told == []
        await daemon.load(*both("edge", interval_ms=400))
        assert await daemon.state() == {"edge": ("active", 2)}


@timeless
async def test_a_refused_document_is_undone_under_the_name_that_the_node_had_also_when_node_json_has_another_by_now(daemon, said):
    async with daemon.running():
        await serving(daemon, *both("edge", "second"))
        before = await daemon.status()
        daemon.name("lb-new")
        daemon.world.ports.add(7800)
        renamed = [dataclasses.replace(one, master=Node("lb-new", ME.address)) for one in (load_balancer("edge"), load_balancer("second", 7800, []))]
        with pytest.raises(Refusal, match=r'load balancer "second": heartbeat.port is 7800'):
            await daemon.load(VIP, *renamed)
        assert await daemon.status() == before


@timeless
async def test_a_load_balancer_keeps_its_port_under_another_name_and_two_may_change_theirs(daemon, said):
    async with daemon.running():
        await serving(daemon, *both("one", "two"))
        await daemon.load(VIP, load_balancer("one", 7695), load_balancer("two", 7694, []))
        assert await daemon.state() == {"one": ("active", 2), "two": ("active", 2)}
        assert daemon.world.ports == {7694, 7695}
        former = next(transport for transport in daemon.world.transports if transport.open and transport.settings.load_balancer.name == "two")
        await daemon.load(VIP, load_balancer("one", 7695), load_balancer("three", 7694, []))
        assert resigned(former), "it resigned, though its port was another's by then"
        assert set(await daemon.state()) == {"one", "three"}


@timeless
async def test_an_address_that_goes_to_another_load_balancer_is_not_lost_between_them(daemon, said):
    for first, second in (("one", "two"), ("two", "one")):
        async with daemon.running():
            await serving(daemon, VIP, load_balancer(first, 7694, ["vip"]), load_balancer(second, 7695, []))
            await daemon.load(VIP, load_balancer(first, 7694, []), load_balancer(second, 7695, ["vip"]))
            assert daemon.world.kernel.leases() == [VIP.address]
        daemon.service = Service(daemon.paths, daemon.world.outside)


@timeless
async def test_who_loses_its_port_in_the_moment_of_a_refused_document_takes_part_again_once_it_is_free(daemon, said):
    async with daemon.running():
        await serving(daemon, *both("edge"))
        daemon.world.ports.add(7800)
        transport = daemon.world.transports[0]
        park = transport.park

        def lose():
            park()
            transport.unpark = daemon.world.transports[0]._take
            daemon.world.ports.add(7694)

        transport.park = lose
        with pytest.raises(Refusal):
            await daemon.load(*both("edge", port=7800))
        assert (await daemon.state(), daemon.world.kernel.leases()) == ({}, [])
        assert 'load balancer "edge": heartbeat.port is 7694' in (await daemon.status())["failure"]
        daemon.world.ports.discard(7694)
        await asyncio.sleep(3)
        assert (await daemon.state(), (await daemon.status())["failure"]) == ({"edge": ("active", 2)}, "")


@timeless
async def test_a_service_that_starts_does_without_an_address_that_no_interface_takes_and_says_so(daemon, said):
    daemon.world.kernel.known[2] = dataclasses.replace(ETH0, ipv6=False)
    daemon.write(VIP, VIP6, load_balancer(floating_ips=["vip", "vip6"]))
    async with daemon.running():
        daemon.healthy()
        await asyncio.sleep(2)
        view = (await daemon.status())["load_balancers"]["edge"]
        assert {one["name"]: one["held"] for one in view["floating_ips"]} == {"vip": True, "vip6": False}
        assert len(view["problems"]) == 1
        assert "IPv6 is disabled on eth0" in view["problems"][0]


@timeless
async def test_the_kernel_is_asked_once_for_the_status_of_all_load_balancers(daemon, said):
    async with daemon.running():
        await daemon.load(VIP, *(load_balancer(f"lb-{number}", 7000 + number, ["vip"] if number == 0 else []) for number in range(50)))
        daemon.world.kernel.asked.clear()
        assert len((await daemon.status())["load_balancers"]) == 50
        assert daemon.world.kernel.asked == [("links",), ("addresses",)]


@timeless
async def test_what_takes_long_for_a_large_document_is_done_once_per_document_and_not_for_status(daemon, said, monkeypatch):
    digests = []
    compute = Document.digest.fget
    monkeypatch.setattr(Document, "digest", property(lambda document: digests.append(document) or compute(document)))
    async with daemon.running():
        await daemon.load(VIP, *(load_balancer(f"lb-{number}", 7000 + number, ["vip"] if number == 0 else []) for number in range(50)))
        assert len(digests) == 2, "of the empty document at the start, and of this one"
        for _time in range(10):
            assert (await daemon.status())["digest"] == compute(digests[1])
        assert len(digests) == 2


def test_elections_go_on_while_a_document_is_read_and_checked(daemon, said, monkeypatch):
    checking, go_on = threading.Event(), threading.Event()

    def check(document):
        if not document.load_balancers:
            return []
        checking.set()
        assert go_on.wait(10), "nobody could let it go on, since the loop stood still"
        return []

    async def scenario():
        async with daemon.running():
            monkeypatch.setattr(service_module, "check_document", check)
            loading = asyncio.ensure_future(daemon.load(*both("edge")))
            await asyncio.get_running_loop().run_in_executor(None, checking.wait, 10)
            assert (await daemon.status())["generation"] == 0, "it is asked while the document is on its way"
            go_on.set()
            assert (await loading)["generation"] == 1

    asyncio.run(scenario())


@timeless
async def test_a_service_that_is_stopped_in_order_resigns_and_ends_well(daemon, said):
    async with daemon.running() as run:
        await serving(daemon, *both("edge"))
        transport = daemon.world.transports[0]
    assert (run.result(), resigned(transport), daemon.world.kernel.leases()) == (0, True, [])


@timeless
async def test_an_operator_has_the_peer_take_over_and_asks_again_without_effect(daemon, said):
    async with daemon.running():
        await serving(daemon, *both("edge"))
        transport, asked = daemon.world.transports[0], {"load_balancer": "edge", "to": "lb-b"}
        transport.hear(active=False)
        assert await daemon.service._switchover({**asked, "to": "lb-a"}) == {"moved": False, "node": "lb-a"}
        assert await daemon.service._switchover({**asked, "check": True}) == {"moved": True, "node": "lb-a"}
        assert (resigned(transport), await daemon.state()) == (False, {"edge": ("active", 2)})
        handing = asyncio.ensure_future(daemon.service._switchover(asked))
        await asyncio.sleep(1.05)  # of a peer that answers no note
        assert (resigned(transport), daemon.world.kernel.leases()) == (True, [VIP.address]), "the address is still here"
        transport.hear()
        kept = {"kept": False, "kept_reason": "the other node has not said that it would pass their packets on"}
        assert await handing == {"moved": True, "node": "lb-a", **kept}
        assert (daemon.world.kernel.leases(), await daemon.state()) == ([], {"edge": ("standby", 3)})
        assert await daemon.service._switchover(asked) == {"moved": False, "node": "lb-a"}


@timeless
async def test_a_node_that_cannot_hand_over_gives_its_addresses_up_when_it_is_stopped_all_the_same(daemon, said, monkeypatch):
    def broken(_instance, **_how):
        raise ValueError("a mistake of ours")

    monkeypatch.setattr("tandem.keepalive.instance.Instance.hand_over", broken)
    async with daemon.running() as run:
        await serving(daemon, *both("edge"))
        transport = daemon.world.transports[0]
    assert (run.result(), resigned(transport), daemon.world.kernel.leases()) == (1, True, [])
    assert any("could not be handed over" in line and "a mistake of ours" in line for line in said)


UNREADY = {
    "no such load balancer": (lambda _daemon: None, {"load_balancer": "shop"}, "takes no part in an election on this node. Known here: edge"),
    "no such node": (lambda _daemon: None, {"to": "lb-x"}, "its nodes are lb-a and lb-b"),
    "a peer that was never heard": (lambda _daemon: None, {}, "lb-b is unknown"),
    "a peer with another document": (lambda daemon: daemon.world.transports[0].hear(active=False, digest="another"), {}, "another document in force"),
}


@pytest.mark.parametrize("case", UNREADY)
@timeless
async def test_a_load_balancer_is_not_handed_over_to_who_could_not_take_it_unless_that_is_forced(daemon, said, case):
    prepare, asked, words = UNREADY[case]
    async with daemon.running():
        await serving(daemon, *both("edge"))
        prepare(daemon)
        for check in (True, False):
            with pytest.raises(Refusal, match=words):
                await daemon.service._switchover({"load_balancer": "edge", "check": check, **asked})
        assert daemon.world.kernel.leases() == [VIP.address]
        if not asked:
            assert (await daemon.service._switchover({"load_balancer": "edge", "force": True}))["moved"]
            assert daemon.world.kernel.leases() == []


@pytest.mark.parametrize("task", ["_begin", "stuck", "tend_watchdog"])
@timeless
async def test_a_background_task_that_fails_ends_the_service_with_a_failure_after_it_has_resigned(daemon, said, monkeypatch, task):
    broken = asyncio.Event()

    def fail(*_arguments):
        raise KeyError("unforeseen")

    async def watchdog():
        await broken.wait()
        fail()

    monkeypatch.setattr(service_module.notify, "tend_watchdog", watchdog)
    async with daemon.running() as run:
        await serving(daemon, *both("edge"))
        if task == "_begin":
            daemon.service._begin = fail
        elif task == "stuck":
            daemon.service._instances["edge"].stuck = fail
        else:
            broken.set()
        await asyncio.wait({run}, timeout=5)
        assert run.done()
        assert run.result() == 1
    assert any("ended unexpectedly" in line and "unforeseen" in line for line in said)
    assert (resigned(daemon.world.transports[0]), daemon.world.kernel.leases()) == (True, [])


@timeless
async def test_an_election_that_stands_still_ends_the_service_with_a_failure_and_takes_the_addresses_off(daemon, said):
    async with daemon.running() as run:
        await serving(daemon, *both("edge", "second"))
        daemon.service._instances["edge"]._election.step = lambda _now, _event: 1 / 0
        await asyncio.wait({run}, timeout=15)
        assert run.done()
        assert run.result() == 1
    assert "error: the election of edge stands still, so this service ends, to be started afresh" in said
    assert any("ZeroDivisionError" in line for line in said)
    assert daemon.world.kernel.leases() == []
    assert [resigned(transport) for transport in daemon.world.transports] == [False, True]
