"""Workers that misbehave: real processes on the real channel, of which some say nothing, some nonsense, and some die."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import time

import pytest

from tandem._model import Document
from tandem._paths import Paths
from tandem.proxy.service import moves, workers
from tandem.proxy.service.instructions import Instructions
from tandem.proxy.service.workers import WorkerRefused, Workers
from tandem.release import program_command
from tests.support.node import alive, children, until

# A worker that answers as the real one does, but for what DOES says; it is given the channel's descriptor last.
WORKER = """
import json, os, socket, sys, time
channel = socket.socket(fileno=int(sys.argv[-1]))
def say(**message):
    channel.send(json.dumps(message).encode())
PARTS = [{{}}]
{start}
say(type="ready")
while True:
    packet, descriptors, _flags, _address = socket.recv_fds(channel, 65536, 16)
    if not packet:
        break
    for descriptor in descriptors:
        os.close(descriptor)
    message = json.loads(packet)
    kind = message["type"]
    {loop}
    if kind == "load": say(type="loaded", seq=message["seq"])
    if kind == "ping": say(type="pong")
    if kind == "stats":
        for number, part in enumerate(PARTS, 1):
            memory = os.memfd_create("counters")
            os.write(memory, json.dumps(part).encode())
            answer = {{"type": "stats", "seq": message["seq"], **({{"more": True}} if number < len(PARTS) else {{}})}}
            socket.send_fds(channel, [json.dumps(answer).encode()], [memory])
            os.close(memory)
    if kind == "drain": break
"""


class Team:
    """So many workers; every new worker behaves as ``does(start, loop)`` last said."""

    def __init__(self, folder, monkeypatch, size=1):
        self.script, self.joined, self.lost, self.failed, self.size = folder / "worker.py", 0, 0, 0, size
        self.pauses, self.on_pause = [], lambda: None
        self._happened = []
        self.workers = Workers(Paths(str(folder)), size, on_joined=self._join, on_lost=self._lose, on_failure=self._fail, pause=self._pause)
        monkeypatch.setattr(workers, "program_command", lambda: [sys.executable, "-I", str(self.script)])
        self.does()

    def does(self, start="", loop="pass"):
        self.script.write_text(WORKER.format(start=start, loop=loop))

    async def _join(self):
        self.joined += 1
        self._happens()

    def _fail(self):
        self.failed += 1
        self._happens()

    def _lose(self):
        self.lost += 1
        self._happens()

    async def _pause(self, seconds):
        self.pauses.append(seconds)
        self.on_pause()

    def _happens(self):
        for event in self._happened:
            event.set()

    async def until(self, condition):
        """Waits until it holds, which it comes to when a worker has been lost or has joined."""
        event = asyncio.Event()
        self._happened.append(event)
        while not condition():
            await asyncio.wait_for(event.wait(), 10)
            event.clear()
            await asyncio.sleep(0)  # who has told it goes on first

    async def load(self):
        await self.workers.load(Instructions(json.dumps(Document().to_stored()).encode()))


@pytest.fixture
def team(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "_ANSWER_S", 1.0)
    monkeypatch.setattr(workers, "_COUNTERS_S", 0.3)
    monkeypatch.setattr(workers, "_PING_S", 0.05)
    monkeypatch.setattr(workers, "_UNANSWERED_MAX", 6)
    return Team(tmp_path, monkeypatch)


def play(team, scenario):
    """Runs a scenario with the workers started, and sees that no worker outlives it."""
    others = set(children(os.getpid()))  # of tests that ran before in this process

    async def run():
        await team.workers.start()
        try:
            await asyncio.wait_for(scenario(), 15)
        finally:
            await team.workers.stop(0.5)

    asyncio.run(run())
    until(lambda: not [pid for pid in children(os.getpid()) if pid not in others and alive(pid)], 3)


LOADS = {
    "says nothing": ("if kind == 'load': continue", "did not answer within"),
    "says nonsense": ("if kind == 'load': channel.send(b'nonsense'); continue", "has ended"),
    "says what is unknown": ("if kind == 'load': say(type='what'); continue", "has ended"),
    "dies": ("if kind == 'load': os._exit(3)", "has ended"),
    "sends memory without content": (
        "if kind == 'load': socket.send_fds(channel, [json.dumps({'type': 'loaded', 'seq': message['seq']}).encode()], [0]); continue",
        "has ended",
    ),
}


@pytest.mark.parametrize("case", LOADS)
def test_a_worker_that_does_not_take_a_document_is_a_refusal_and_is_replaced(team, case, capfd):
    loop, words = LOADS[case]
    team.does(loop=loop)

    async def scenario():
        (first,) = team.workers.pids
        team.does()  # who takes its place is well
        with pytest.raises(WorkerRefused, match=words) as refused:
            await team.load()
        assert f"worker {first} " in str(refused.value)
        await team.until(lambda: team.joined and team.workers.serving)
        assert team.workers.pids != [first]
        assert not alive(first)
        await team.load()

    play(team, scenario)
    assert (team.lost, team.joined) == (1, 1)
    assert "Traceback" not in capfd.readouterr().err


def test_a_worker_that_hangs_is_found_by_its_silence_and_holds_up_nobody_who_asks(team, capfd):
    async def scenario():
        await team.load()
        (first,) = team.workers.pids
        os.kill(first, signal.SIGSTOP)
        began = time.monotonic()
        assert await team.workers.counters() == {}
        assert time.monotonic() - began < 0.9
        await team.until(lambda: team.joined)
        assert not alive(first)

    play(team, scenario)
    assert "has not answered 6 times and is killed" in capfd.readouterr().err


def test_workers_that_die_at_their_start_are_tried_again_one_at_a_time_and_ever_slower(team, capfd):
    async def scenario():
        assert team.workers.serving
        team.does(start="sys.exit(5)")

        def at_a_pause():
            assert not team.workers.serving
            if len(team.pauses) == 10:
                team.does()

        team.on_pause = at_a_pause
        os.kill(team.workers.pids[0], signal.SIGKILL)
        await team.until(lambda: team.joined and team.workers.serving)

    play(team, scenario)
    assert team.pauses == [0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert (team.joined, team.failed) == (1, 0)
    errors = capfd.readouterr().err
    assert "no new worker: worker" in errors
    assert "Traceback" not in errors


PARTS = [
    {"frontends": {"edge/a": {"connections": 1}}},
    {"frontends": {"edge/a": {"connections": 2}, "edge/b": {"connections": 4}}},
    {"backends": {"edge/s": {"queue_max_seen": 3, "servers": {"s1": {"sessions": 5}}}}},
]
TO_COUNTERS = (
    "if kind == 'stats': "
    + """memory = os.memfd_create('x'); os.write(memory, {content!r}); socket.send_fds(channel, [json.dumps(
        {{'type': 'stats', 'seq': message['seq'], 'more': {more}}}).encode()], [memory]); os.close(memory); continue"""
)


def answering(content, more):
    """A worker's answer to the question for its counters: one part."""
    return TO_COUNTERS.format(content=content, more=more)


def test_counters_that_come_in_parts_are_put_together_with_those_of_the_other_workers(tmp_path, monkeypatch):
    team = Team(tmp_path, monkeypatch, size=2)
    team.does(start=f"PARTS = {PARTS!r}")

    async def scenario():
        assert await team.workers.counters() == {
            "frontends": {"edge/a": {"connections": 6}, "edge/b": {"connections": 8}},
            "backends": {"edge/s": {"queue_max_seen": 3, "servers": {"s1": {"sessions": 10}}}},
        }
        assert await team.workers.connections(5.0) == (14, True)

    play(team, scenario)
    assert team.lost == 0


def test_counters_whose_last_part_does_not_come_are_left_out_and_hold_up_nobody_longer_than_was_said(team, monkeypatch):
    monkeypatch.setattr(workers, "_UNANSWERED_MAX", 1000)
    team.does(loop=answering(b'{"frontends": {"edge/a": {"connections": 1}}}', True))

    async def scenario():
        assert await team.workers.counters() == {}
        began = time.monotonic()
        assert await team.workers.connections(0.1) == (0, False)
        assert time.monotonic() - began < 1
        (worker,) = team.workers._workers
        assert (worker.answers, worker.parts) == ({}, {})

    play(team, scenario)
    assert team.lost == 0


@pytest.mark.parametrize("content", [b"", b"nonsense", b"[" * 100_000, b"\xff"], ids=["empty", "nonsense", "too deep", "no text"])
def test_a_worker_whose_counters_nobody_can_read_is_replaced(team, content):
    team.does(loop=answering(content, False))

    async def scenario():
        team.does()
        assert await team.workers.counters() == {}
        await team.until(lambda: team.joined)
        assert await team.workers.counters() == {}

    play(team, scenario)
    assert (team.lost, team.failed) == (1, 0)


def test_a_move_takes_no_longer_than_it_promises_when_a_worker_hangs(team, monkeypatch):
    monkeypatch.setattr(workers, "_UNANSWERED_MAX", 1000)
    monkeypatch.setattr(workers, "_COUNTERS_S", 30.0)
    monkeypatch.setattr(moves, "_STEP_S", 0.1)

    async def scenario():
        os.kill(team.workers.pids[0], signal.SIGSTOP)
        try:
            move = moves.PlannedMove(team.workers, list, set)
            assert await asyncio.wait_for(move.begin(cut=True), 5) == 0
            move.end()
        finally:
            os.kill(team.workers.pids[0], signal.SIGCONT)

    play(team, scenario)


def test_when_a_new_worker_cannot_be_told_what_is_in_force_the_program_has_failed(team, capfd):
    async def breaks():
        raise KeyError("a mistake of ours")

    team.workers._on_joined = breaks

    async def scenario():
        os.kill(team.workers.pids[0], signal.SIGKILL)
        await team.until(lambda: team.failed)

    play(team, scenario)
    assert re.search(r"error: the replacement of worker \d+ ended unexpectedly: Traceback", capfd.readouterr().err)


def test_a_mistake_of_ours_in_a_workers_message_costs_that_worker_and_not_its_place(team, monkeypatch, capfd):
    async def scenario():
        (first,) = team.workers.pids
        follow = team.workers._follow

        def once(worker, message, content):
            if worker.process.pid == first:
                raise KeyError("a mistake of ours")
            return follow(worker, message, content)

        monkeypatch.setattr(team.workers, "_follow", once)
        await team.until(lambda: team.joined and team.workers.serving)
        await team.load()

    play(team, scenario)
    assert (team.lost, team.failed) == (1, 0)
    assert "KeyError: 'a mistake of ours'" in capfd.readouterr().err


def test_a_worker_that_never_gets_ready_is_an_error_at_the_start_and_is_ended(team):
    team.does(start="time.sleep(60)")
    others = set(children(os.getpid()))

    async def scenario():
        with pytest.raises(OSError, match="was not ready within 1 s"):
            await team.workers.start()

    asyncio.run(scenario())
    assert [pid for pid in children(os.getpid()) if pid not in others and alive(pid)] == []


def test_a_worker_that_does_not_drain_is_killed_after_the_deadline(team):
    team.does(loop="if kind == 'drain': time.sleep(60)")
    began = time.monotonic()

    async def scenario():
        await team.load()

    play(team, scenario)
    assert 2 < time.monotonic() - began < 6


def test_the_real_worker_ends_when_it_cannot_follow(tmp_path, monkeypatch, capfd):
    team = Team(tmp_path, monkeypatch)
    monkeypatch.setattr(workers, "program_command", program_command)

    async def scenario():
        (first,) = team.workers.pids
        team.workers._send(team.workers._workers[0], {"type": "load", "workers": 1, "seq": 0})  # without its memory
        await team.until(lambda: team.joined)
        assert not alive(first)
        await team.load()

    play(team, scenario)
    assert "could not be followed" in capfd.readouterr().out
