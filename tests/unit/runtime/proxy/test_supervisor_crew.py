"""The supervisor within this process, with real workers: when none can be started, and when one hangs while it is given a document."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from tandem._client import NotRunning, Refused
from tandem.proxy import crew
from tandem.proxy.supervisor import Supervisor
from tests.support.node import Watch, alive, backend, free_port, frontend, get, refuses, until


@pytest.mark.parametrize("command", ["false", "no-such-program"])
def test_a_proxy_that_cannot_start_a_worker_says_so_and_ends(node, monkeypatch, capfd, command):
    monkeypatch.setattr(crew, "program_command", lambda: [command])
    assert asyncio.run(Supervisor(node.paths).run()) == 1
    said = capfd.readouterr().err
    assert said.startswith("error: no worker could be started: "), said
    assert "Traceback" not in said
    assert not node.paths.proxy_socket.exists()


def test_when_a_worker_does_not_take_a_document_the_former_one_holds_in_who_takes_its_place(node, shops, monkeypatch):
    """In this process, so that the supervisor waits for less than its 10 s; the worker is a real one, stopped in its tracks."""
    monkeypatch.setenv("TANDEM_WORKERS", "1")
    port, other = free_port(), free_port()
    former = [backend(shops("former")), frontend(port)]

    def ready():
        try:
            return node.proxy.status()["ready"]
        except NotRunning:
            return False

    def use():
        until(ready)
        node.load(*former)
        watch = Watch(node)
        (worker,) = [view["pid"] for view in node.proxy.status()["workers"]]
        os.kill(worker, signal.SIGSTOP)
        patient_s = crew._ANSWER_S
        monkeypatch.setattr(crew, "_ANSWER_S", 0.7)
        with pytest.raises(Refused, match=rf"worker {worker} did not answer within 0.7 s when it was given the document"):
            node.load(backend(shops("new")), frontend(port), frontend(other, "other"))
        monkeypatch.setattr(crew, "_ANSWER_S", patient_s)
        assert node.proxy.status()["generation"] == 1
        assert get(port) == (200, "former")
        assert refuses(other)
        until(lambda: watch.said() == [True, False, True])
        assert not alive(worker)
        node.load(backend(shops("newer")), frontend(port), frontend(other, "other"))
        assert get(other) == (200, "newer")
        watch.close()

    async def scenario():
        supervisor = Supervisor(node.paths)
        running = asyncio.ensure_future(supervisor.run())
        try:
            await asyncio.get_running_loop().run_in_executor(None, use)
        finally:
            supervisor._stopping.set()
            await running

    asyncio.run(scenario())
