"""Commands that are told what has happened: one after the other, never too many, and none keeps anything from happening."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from tandem._model import Notify
from tandem.keepalive import notifier as notifier_module
from tandem.keepalive.notifier import SERVER, STATE, Notifier
from tandem.keepalive.track import Means
from tests.support.keepalive_fakes import VIP, load_balancer
from tests.support.timeless import timeless
from tests.unit.runtime.keepalive.test_service import Daemon

BOTH, STATES = Notify("both", "/bin/both"), Notify("states", "/bin/states", events=("state",))


class Takes:
    """Commands that take ``seconds`` each, and pass; what they were told is noted when they end."""

    def __init__(self, seconds=0.1, passes=True):
        self.seconds, self.passes, self.told, self.running = seconds, passes, [], 0

    async def run(self, command, timeout_s, told):
        self.running += 1
        assert self.running == 1, "one after the other"
        await asyncio.sleep(min(self.seconds, timeout_s))
        self.running -= 1
        self.told.append((command, told))
        return self.passes, "exit status 1"


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(notifier_module, "say", lambda _level, text: lines.append(text))
    return lines


@timeless
async def test_each_command_is_told_of_its_events_in_their_order(said):
    takes = Takes()
    one = Notifier(takes, lambda: None)
    one.tell((BOTH, STATES), STATE, {"TANDEM_STATE": "active"})
    one.tell((BOTH, STATES), SERVER, {"TANDEM_SERVER": "app-1"})
    await one.settle(5)
    assert takes.told == [
        ("/bin/both", {"TANDEM_EVENT": "state", "TANDEM_STATE": "active"}),
        ("/bin/states", {"TANDEM_EVENT": "state", "TANDEM_STATE": "active"}),
        ("/bin/both", {"TANDEM_EVENT": "server", "TANDEM_SERVER": "app-1"}),
    ]
    assert said == []


@timeless
async def test_what_is_too_much_pushes_out_the_oldest_and_what_fails_is_logged(said, monkeypatch):
    monkeypatch.setattr(notifier_module, "_WAITING_MAX", 3)
    takes = Takes(passes=False)
    one = Notifier(takes, lambda: None)
    for number in range(10):
        one.tell((STATES,), STATE, {"N": str(number)})
    await one.settle(60)
    assert [told["N"] for _command, told in takes.told] == ["7", "8", "9"]
    assert said == [
        "more happens than notify commands keep up with: only the latest 3 events are told",
        *["notify command states: exit status 1"] * 3,
    ]


@timeless
async def test_a_service_that_ends_does_not_wait_long_for_commands(said):
    takes = Takes(seconds=5)
    one = Notifier(takes, lambda: None)
    one.tell((STATES,), STATE, {})
    began = asyncio.get_running_loop().time()
    await one.settle(0.5)
    assert (asyncio.get_running_loop().time() - began, takes.told) == (pytest.approx(0.5, abs=0.01), [])
    await one.settle(0.5)


@timeless
async def test_a_service_tells_states_of_its_node_and_servers_of_its_load_balancers(tmp_path, said):
    takes, daemon = Takes(0.0), Daemon(tmp_path / "node")
    daemon.service._outside = dataclasses.replace(daemon.world.outside, means=Means(takes))
    daemon.write(dataclasses.replace(load_balancer(), notify=(BOTH,)), VIP)
    async with daemon.running():
        daemon.healthy()
        await asyncio.sleep(5)
        daemon.service._server_changed("edge/shop", "app-1", False)
        daemon.service._server_changed("another/shop", "app-1", False)
        await asyncio.sleep(0.1)
        shown = [{name.replace("TANDEM_", ""): value for name, value in told.items()} for _command, told in takes.told]
        always = {"LOAD_BALANCER": "edge", "NODE": "lb-a"}
        changes = [(one.pop("FORMER_STATE"), one.pop("STATE"), one.pop("REASON")) for one in shown[:2]]
        assert changes == [("fault", "standby", ""), ("standby", "active", "no active node was heard")]
        assert shown == [
            *[{"EVENT": "state", **always}] * 2,
            {"EVENT": "server", **always, "BACKEND": "shop", "SERVER": "app-1", "UP": "0"},
        ]
        assert (await daemon.status())["load_balancers"]["edge"]["moves"][0]["why"] == "no active node was heard"
