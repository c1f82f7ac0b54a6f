"""What a node tracks: gateways and scripts that say yes and no, interfaces that come and go, and commands that are run for it without privilege."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from tandem._model import Track, TrackScript
from tandem.keepalive.addresses import Seen, look
from tandem.keepalive.instance import Instance
from tandem.keepalive.ping import echo_request
from tandem.keepalive.track import Means, Tracker
from tandem.keepalive.unprivileged import Commands
from tandem.wire import echo
from tests.support.keepalive_fakes import ETH0, World, settings
from tests.support.timeless import timeless

DISK = TrackScript("disk", "/bin/disk", interval_ms=1000, timeout_ms=500, rise=2, fall=3)


class Says:
    """In place of commands and gateways: ``answers`` by command or address, True where none is given; what was asked is noted."""

    def __init__(self):
        self.answers, self.asked = {}, []
        self.means = Means(self, self._ping)

    async def run(self, command, _timeout_s, told):
        self.asked.append((command, told))
        passed = self.answers.get(command, True)
        return passed, f"exit status {0 if passed else 1}"

    async def _ping(self, address, _within_s):
        self.asked.append((address, None))
        return self.answers.get(address, True), f"{address} {'answers' if self.answers.get(address, True) else 'does not answer'}"


def tracking(track):
    says, told = Says(), []
    tracker = Tracker("edge", told.append, asyncio.get_running_loop().time, says.means)
    tracker.use(track)
    return tracker, says, told


@timeless
async def test_a_script_is_lost_after_fall_times_no_and_back_after_rise_times_yes():
    tracker, says, told = tracking(Track(scripts=(DISK,)))
    await asyncio.sleep(2.5)
    assert (told, says.asked[0]) == ([], ("/bin/disk", {"TANDEM_LOAD_BALANCER": "edge", "TANDEM_SCRIPT": "disk"}))
    says.answers["/bin/disk"] = False
    await asyncio.sleep(2)
    assert told == []
    await asyncio.sleep(1)
    assert told == ["script disk: exit status 1"]
    assert tracker.view() == [{"what": "script disk", "up": False, "last": "exit status 1"}]
    says.answers["/bin/disk"] = True
    await asyncio.sleep(2)
    assert told == ["script disk: exit status 1", "script disk: exit status 0", ""]
    tracker.close()


@timeless
async def test_the_first_answer_counts_at_once_and_before_it_nothing_is_lost():
    says = Says()
    says.answers = {"/bin/disk": False, "192.0.2.1": False}
    told = []
    tracker = Tracker("edge", told.append, asyncio.get_running_loop().time, says.means)
    tracker.use(Track(gateway="192.0.2.1", scripts=(DISK,)))
    assert told == []
    assert [one["up"] for one in tracker.view()] == [None, None]
    await asyncio.sleep(0.01)
    assert told[-1] == "script disk: exit status 1; gateway: 192.0.2.1 does not answer"
    tracker.close()


@timeless
async def test_of_what_a_new_document_leaves_as_it_was_nothing_is_forgotten_and_the_rest_begins_anew():
    tracker, says, told = tracking(Track(scripts=(DISK,), gateway="192.0.2.1"))
    says.answers = {"/bin/disk": False, "192.0.2.1": False}
    await asyncio.sleep(5)
    assert "disk" in told[-1]
    assert "gateway" in told[-1]
    tracker.use(Track(scripts=(DISK,), gateway="192.0.2.2"))
    assert told[-1] == "script disk: exit status 1"
    tracker.use(Track(scripts=(dataclasses.replace(DISK, command="/bin/other"),)))
    assert (told[-1], [one["up"] for one in tracker.view()]) == ("", [None])
    tracker.use(Track())
    assert tracker.view() == []
    count = len(says.asked)
    await asyncio.sleep(5)
    assert len(says.asked) == count, "nobody is asked any more"


@timeless
async def test_an_interface_that_is_tracked_must_be_there_and_connected():
    tracker, _says, told = tracking(Track(interfaces=("eth0", "eth7")))
    up, down = Seen({2: ETH0}), Seen({2: dataclasses.replace(ETH0, carrier=False), 7: dataclasses.replace(ETH0, index=7, name="eth7")})
    tracker.look(up)
    tracker.look(down)
    tracker.look(Seen(failure="the kernel does not tell"))
    assert told == ["interface eth7 is not there", "interface eth0 has no carrier"]
    tracker.use(Track())
    assert told[-1] == ""


@timeless
async def test_an_active_node_that_has_lost_what_it_tracks_stays_active_and_says_so_until_another_one_has_it():
    world, says = World(), Says()
    world.outside = dataclasses.replace(world.outside, means=says.means)
    one = Instance(_tracked(settings(), Track(gateway="192.0.2.1")), world.outside, world.proxy, usable=True)
    one.begin()
    one.set_health(True, "")
    await asyncio.sleep(5)
    says.answers["192.0.2.1"] = False
    await asyncio.sleep(4)
    view = one.view(look(world.kernel))
    assert (view["state"], view["priority"], view["reason"]) == ("active", 2, "gateway: 192.0.2.1 does not answer")
    assert view["problems"] == ["what this node tracks is lost: gateway: 192.0.2.1 does not answer"]
    assert view["tracked"] == [{"what": "gateway", "up": False, "last": "192.0.2.1 does not answer"}]
    world.transports[0].hear(priority=100)
    view = one.view(look(world.kernel))
    assert (view["state"], world.kernel.leases(), world.transports[0].sent[-1]) == ("fault", [], (2, "fault"))
    one.close()


def _tracked(given, track):
    return dataclasses.replace(given, load_balancer=dataclasses.replace(given.load_balancer, track=track))


def run(command, timeout_s=5.0, **options):
    return asyncio.run(Commands(**options).run(command, timeout_s, {"GREETING": "hello"}))


def test_a_command_says_yes_by_exit_status_0_and_no_by_anything_else():
    assert run("/bin/true") == (True, "exit status 0")
    assert run("/bin/false") == (False, "exit status 1")
    assert run("""/bin/sh -c 'test "$GREETING" = hello'""") == (True, "exit status 0")
    assert run("/bin/sh -c 'kill -9 $$'") == (False, "ended by signal 9")
    assert run("/none/at/all") == (False, "/none/at/all cannot be run: No such file or directory")


def test_a_command_that_takes_too_long_is_ended_with_all_that_it_has_started():
    folder = Path(tempfile.mkdtemp())  # all others of tests are closed to whoever it runs as
    try:
        folder.chmod(0o777)
        mark = folder / "pid"
        began = time.monotonic()
        assert run(f"/bin/sh -c 'sleep 60 & echo $! > {mark}; wait'", 0.5) == (False, "it has not ended within 0.5 s")
        assert time.monotonic() - began < 30
        pid = int(mark.read_text())
        deadline = time.monotonic() + 10
        while _runs(pid):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        shutil.rmtree(folder)


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give privileges up")
def test_a_command_has_none_of_the_privileges_of_the_service():
    assert run("/bin/sh -c 'test $(id -u) != 0 && test $(id -g) != 0 && test $(id -G | wc -w) = 1'") == (True, "exit status 0")
    # As it is under systemd: not root, with ambient capabilities.
    assert run("/bin/sh -c 'grep -q CapAmb:.*0000000000000000 /proc/self/status'", root=False) == (True, "exit status 0")


def test_a_program_that_somebody_else_could_have_written_is_not_run(tmp_path):
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o777)
    passed, said = run(str(script))
    assert (passed, "can be changed by others" in said) == (False, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="a raw socket needs CAP_NET_RAW")
def test_an_address_answers_or_does_not():
    assert asyncio.run(echo_request("127.0.0.1", 5.0)) == (True, "127.0.0.1 answers")
    passed, said = asyncio.run(echo_request("240.0.0.1", 0.2))  # reserved (RFC 1112 4)
    assert (passed, said.startswith("240.0.0.1 ")) == (False, True)


def test_only_the_answer_to_the_very_request_is_one():
    for v6, head in ((False, b"\x45" + bytes(19)), (True, b"")):
        asked = echo.request(v6, 7, 9)
        reply = bytes([129 if v6 else 0]) + asked[1:]
        assert echo.answered(v6, head + reply, 7) == 9
        assert echo.answered(v6, head + reply, 8) == -1
        assert echo.answered(v6, head + asked, 7) == -1, "it is a request"
        assert echo.answered(v6, head + reply[:6], 7) == -1
        assert echo.answered(v6, b"", 7) == -1
