"""The supervisor and its workers: when none can be started, when one hangs or dies, and when nobody reads what they say."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import subprocess
import time

import pytest

from tandem._client import NotRunning, Refused
from tandem._model import ClientLimits, Server, Sticky
from tandem.proxy.service import workers
from tandem.proxy.service.in_force import InForce
from tandem.proxy.service.supervisor import Supervisor
from tests.support.node import ADDRESS, Watch, alive, backend, free_port, frontend, get, refuses, until


def _answers(node):
    try:
        return node.proxy.status()["ready"]
    except NotRunning:
        return False


@pytest.mark.parametrize("command", ["false", "no-such-program"])
def test_a_proxy_that_cannot_start_a_worker_says_so_and_ends(node, monkeypatch, capfd, command):
    monkeypatch.setattr(workers, "program_command", lambda: [command])
    assert asyncio.run(Supervisor(node.paths).run()) == 1
    said = capfd.readouterr().err
    assert said.startswith("error: no worker could be started: "), said
    assert "Traceback" not in said
    assert not node.paths.proxy_socket.exists()


@pytest.mark.parametrize("part", ["rebind", "foresee_again"])
def test_a_part_of_the_program_that_ends_unexpectedly_ends_the_service_with_a_failure(node, monkeypatch, capfd, part):
    """Who started it starts it anew; one that went on without that part would never be noticed."""
    monkeypatch.setenv("TANDEM_WORKERS", "1")

    async def breaks(_self):
        raise KeyError("a mistake of ours")

    monkeypatch.setattr(InForce, part, breaks)

    async def scenario():
        return await asyncio.wait_for(Supervisor(node.paths).run(), 20)

    assert asyncio.run(scenario()) == 1
    assert " ended unexpectedly: Traceback" in capfd.readouterr().err
    assert not node.paths.proxy_socket.exists()


def test_what_breaks_in_a_callback_is_logged_as_everything_is(node, monkeypatch, capfd):
    monkeypatch.setenv("TANDEM_WORKERS", "1")

    def breaks():
        raise KeyError("a mistake of ours")

    async def scenario():
        supervisor = Supervisor(node.paths)
        running = asyncio.ensure_future(supervisor.run())
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(breaks)
        asyncio.get_running_loop().call_soon(supervisor._stopping.set)
        return await asyncio.wait_for(running, 20)

    assert asyncio.run(scenario()) == 0
    said = capfd.readouterr().err
    assert "error: Exception in callback" in said
    assert "KeyError: 'a mistake of ours'" in said


def test_when_a_worker_does_not_take_a_document_the_former_one_holds_in_who_takes_its_place(node, shops, monkeypatch):
    """In this process, so that the supervisor waits for less than its 10 s; the worker is a real one, stopped in its tracks."""
    monkeypatch.setenv("TANDEM_WORKERS", "1")
    port, other = free_port(), free_port()
    former = [backend(shops("former")), frontend(port)]

    def use():
        until(lambda: _answers(node))
        node.load(*former)
        watch = Watch(node)
        (worker,) = [view["pid"] for view in node.proxy.status()["workers"]]
        os.kill(worker, signal.SIGSTOP)
        patient_s = workers._ANSWER_S
        monkeypatch.setattr(workers, "_ANSWER_S", 0.7)
        with pytest.raises(Refused, match=rf"worker {worker} did not answer within 0.7 s when it was given the document"):
            node.load(backend(shops("new")), frontend(port), frontend(other, "other"))
        monkeypatch.setattr(workers, "_ANSWER_S", patient_s)
        assert node.proxy.status()["generation"] == 1
        assert get(port) == (200, "former")
        assert refuses(other)
        watch.until(lambda: watch.said() == [True, False, True])
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


def test_a_worker_that_takes_anothers_place_knows_who_is_bound_where(node, shops):
    one, two, port = shops("one"), shops("two"), free_port()
    node.start_proxy(workers=2)

    def load(*weights):
        servers = [Server(f"s{number}", ADDRESS, shop.port, weight=weight) for number, (shop, weight) in enumerate(zip((one, two), weights), 1)]
        node.load(backend(*servers, sticky=Sticky(type="source")), frontend(port))

    load(256, 1)
    ((_status, name),) = {get(port) for _request in range(20)}
    load(*((1, 256) if name == "one" else (256, 1)))  # who is bound stays, who comes new would go to the other
    for _turn in range(2):
        before = [view["pid"] for view in node.proxy.status()["workers"]]
        os.kill(before[0], signal.SIGKILL)
        until(lambda before=before: len(now := node.proxy.status()["workers"]) == 2 and before[0] not in [view["pid"] for view in now])
        assert {get(port) for _request in range(40)} == {(200, name)}


def test_a_log_that_nobody_reads_stops_no_traffic(node, shops):
    """More than a pipe takes goes into the log, from the worker and from the supervisor."""
    reader, writer = os.pipe()
    process = subprocess.Popen(
        node.command("proxy"), stdin=subprocess.DEVNULL, stdout=writer, stderr=writer, env={**os.environ, "TANDEM_WORKERS": "1"}
    )
    node.processes.append(process)
    os.close(writer)
    with os.fdopen(reader, "rb", buffering=0) as log:
        until(lambda: _answers(node))
        shop, port = shops(), free_port()
        node.load(backend(shop), frontend(port, access_log="json"))
        kept = http.client.HTTPConnection(ADDRESS, port, timeout=5)
        for _turn in range(400):
            kept.request("GET", "/" + "x" * 1000)
            assert kept.getresponse().read() == b"shop"
        node.load(backend(shop), frontend(port))
        kept.close()
        process.terminate()  # the log's last words are waited for, but not for ever
        process.wait(10)
        assert b"is ready" in log.read(4096)


def test_the_workers_of_a_node_count_a_client_together(node, shops):
    """Twenty connections fall to both workers as they come; the client has one rate and one number of connections all the same."""
    port, other = free_port(), free_port()
    node.start_proxy(workers=2)
    rate = frontend(port, client_limits=ClientLimits(requests_per_second=1, burst=12), access_log="none")
    node.load(backend(shops()), rate, frontend(other, "other", client_limits=ClientLimits(connections=5)))
    began = time.monotonic()
    statuses = [get(port)[0] for _request in range(20)]
    allowed = 12 + int(time.monotonic() - began) + 1
    assert 12 <= statuses.count(200) <= allowed
    held = []
    for _turn in range(12):
        connection = http.client.HTTPConnection(ADDRESS, other, timeout=5)
        try:
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"shop"
            held.append(connection)
        except (ConnectionError, http.client.HTTPException):
            connection.close()
    assert len(held) == 5
    for connection in held:
        connection.close()


def test_a_worker_that_dies_takes_its_connections_out_of_the_count(node, shops):
    port = free_port()
    node.start_proxy(workers=1)
    node.load(backend(shops()), frontend(port, client_limits=ClientLimits(connections=1)))
    kept = http.client.HTTPConnection(ADDRESS, port, timeout=5)
    kept.request("GET", "/")
    assert kept.getresponse().read() == b"shop"
    (worker,) = [view["pid"] for view in node.proxy.status()["workers"]]
    os.kill(worker, signal.SIGKILL)
    until(lambda: [view["pid"] for view in node.proxy.status()["workers"]] not in ([worker], []))
    kept.close()
    assert get(port) == (200, "shop")
