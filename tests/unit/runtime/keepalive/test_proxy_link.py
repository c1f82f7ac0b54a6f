"""The link to the proxy, against a proxy made up on a real socket, in time that passes by itself."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest

from tandem.keepalive import proxy_link
from tandem.keepalive.proxy_link import ProxyLink
from tests.support.timeless import timeless


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(proxy_link, "say", lambda level, text: lines.append(text))
    return lines


class Proxy:
    """Answers as it is told: ``watch`` is what it streams each second, ``gate`` holds back the answers to PUT until it is set."""

    def __init__(self, path):
        self.path, self.roles, self.puts, self.watch, self.status = path, [], [], {"ready": True}, b"HTTP/1.1 200 OK"
        self.gate, self.changed = asyncio.Event(), asyncio.Event()
        self.gate.set()
        self.watchers = []

    async def start(self):
        self.server = await asyncio.start_unix_server(self._serve, str(self.path))
        return self

    async def stop(self):
        self.server.close()
        self.path.unlink(missing_ok=True)  # since Python 3.13 the server does so
        for writer in self.watchers:
            writer.close()

    async def _serve(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"GET /v1/watch"):
                await self._stream(writer)
            else:
                length = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
                body = json.loads(await reader.readexactly(length))
                self.puts.append((head.split()[1].decode(), body))
                await self.gate.wait()
                if "load_balancer" in body:
                    self.roles.append((body["load_balancer"], body["active"]))
                writer.write(self.status + b"\r\n\r\n{}")
        with contextlib.suppress(ConnectionError):
            writer.close()

    async def _stream(self, writer):
        self.watchers.append(writer)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while self.watch is not None and not writer.is_closing():
            writer.write(self.watch if isinstance(self.watch, bytes) else json.dumps(self.watch).encode() + b"\n")
            self.changed.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.changed.wait(), 1.0)
        await asyncio.sleep(1000)  # silent


@contextlib.asynccontextmanager
async def linked(path):
    """(link, what it said of the proxy, failures)"""
    changes, failures = [], []
    link = ProxyLink(path, lambda ready, reason: changes.append((ready, reason)), changes.append, lambda: failures.append(True))
    try:
        yield link, changes
    finally:
        link.close()
    assert failures == []


@timeless
async def test_settle_returns_only_when_the_last_role_was_confirmed_also_one_that_came_while_another_was_told(tmp_path):
    proxy = await Proxy(tmp_path / "s").start()
    async with linked(proxy.path) as (link, _changes):
        await asyncio.sleep(0.5)
        proxy.gate.clear()
        link.set_active("edge", True)
        await asyncio.sleep(0.1)
        assert len(proxy.puts) == 1
        link.set_active("edge", False)  # while the first is under way
        asyncio.get_running_loop().call_later(0.5, proxy.gate.set)
        await link.settle(5.0)
        assert proxy.roles == [("edge", True), ("edge", False)]
        await link.settle(0.0)  # nothing is left to wait for


@timeless
async def test_settle_waits_no_longer_than_it_is_asked_to(tmp_path):
    proxy = await Proxy(tmp_path / "s").start()
    async with linked(proxy.path) as (link, _changes):
        await asyncio.sleep(0.5)
        proxy.gate.clear()
        link.set_active("edge", True)
        began = asyncio.get_running_loop().time()
        await link.settle(1.0)
        assert asyncio.get_running_loop().time() - began == pytest.approx(1.0, abs=0.01)
        assert not link.serves("edge")
        proxy.gate.set()


@timeless
async def test_a_proxy_that_is_gone_needs_no_telling(tmp_path):
    async with linked(tmp_path / "none") as (link, changes):
        link.set_active("edge", True)
        link.set_active("edge", False)
        began = asyncio.get_running_loop().time()
        await link.settle(1.0)
        assert asyncio.get_running_loop().time() - began < 0.5
        assert changes == []


@timeless
async def test_a_proxy_that_comes_back_is_told_again(tmp_path, said):
    proxy = await Proxy(tmp_path / "s").start()
    async with linked(proxy.path) as (link, changes):
        link.set_active("edge", True)
        link.set_active("other", False)
        await link.settle(1.0)
        assert sorted(proxy.roles) == [("edge", True), ("other", False)]
        assert link.serves("edge")
        await proxy.stop()
        await asyncio.sleep(1)
        assert not link.serves("edge"), "nobody serves it now"
        proxy = await Proxy(tmp_path / "s").start()
        await asyncio.sleep(1)
        assert (proxy.roles, link.serves("edge")) == ([("edge", True)], True)
        assert changes == [(True, ""), (False, "the proxy has died"), (True, "")]


@timeless
async def test_a_proxy_that_hung_while_the_node_stepped_down_is_told_so_when_it_goes_on(tmp_path, said):
    proxy = await Proxy(tmp_path / "s").start()
    async with linked(proxy.path) as (link, changes):
        link.set_active("edge", True)
        await link.settle(1.0)
        proxy.watch = None
        proxy.gate.clear()
        await asyncio.sleep(4)
        assert changes[-1] == (False, "the proxy has stopped answering")
        link.set_active("edge", False)
        await asyncio.sleep(20)
        proxy.watch = {"ready": True}
        proxy.gate.set()
        await asyncio.sleep(5)
        assert proxy.roles[-1] == ("edge", False)
        assert changes[-1] == (True, "")


@timeless
async def test_a_refused_role_is_told_again_until_it_is_taken(tmp_path, said):
    proxy = await Proxy(tmp_path / "s").start()
    async with linked(proxy.path) as (link, _changes):
        await asyncio.sleep(0.5)
        proxy.status = b"HTTP/1.1 500 Internal Server Error"
        link.set_active("edge", True)
        await asyncio.sleep(1)
        assert not link.serves("edge")
        assert "500 Internal Server Error" in said[0]
        proxy.status = b"HTTP/1.1 200 OK"
        await link.settle(1.0)
        assert link.serves("edge")


@pytest.mark.parametrize("line", [b"no json\n", b"[]\n", b"{}\n", b"7\n", b"x" * 100_000, b"[" * 50_000 + b"\n"])
@timeless
async def test_an_answer_that_makes_no_sense_is_a_proxy_that_does_not_work_and_ends_nothing(tmp_path, said, line):
    proxy = await Proxy(tmp_path / "s").start()
    async with linked(proxy.path) as (_link, changes):
        await asyncio.sleep(1)
        proxy.watch = line
        await asyncio.sleep(5)
        assert "makes no sense" in changes[-1][1]
        proxy.watch = {"ready": True}
        await asyncio.sleep(3)
        assert changes[-1] == (True, "")


@pytest.mark.parametrize("answer", [b"", b"nonsense", b"HTTP/1.1", b"x" * 100_000])
@timeless
async def test_a_role_that_is_answered_with_nonsense_is_told_again(tmp_path, said, answer):
    proxy = await Proxy(tmp_path / "s").start()
    async with linked(proxy.path) as (link, _changes):
        await asyncio.sleep(0.5)
        proxy.status = answer
        link.set_active("edge", True)
        await asyncio.sleep(1)
        proxy.status = b"HTTP/1.1 200 OK"
        await link.settle(1.0)
        assert link.serves("edge")


@timeless
async def test_a_proxy_that_says_it_is_not_ready_is_no_ready_one(tmp_path, said):
    proxy = await Proxy(tmp_path / "s").start()
    async with linked(proxy.path) as (link, changes):
        await asyncio.sleep(0.5)
        proxy.watch = {"ready": False}
        proxy.changed.set()
        await asyncio.sleep(0.5)
        assert changes == [(True, ""), (False, "the proxy is not ready")]
        await link.quiesce(True)
        assert proxy.puts == [], "it has nothing to finish"


@timeless
async def test_whether_servers_could_answer_is_told_before_the_proxy_is_and_whenever_it_changes(tmp_path, said):
    proxy = await Proxy(tmp_path / "s").start()
    proxy.watch = {"ready": True, "servers_ready": False}
    async with linked(proxy.path) as (_link, changes):
        await asyncio.sleep(1.5)
        assert changes == [False, (True, "")]
        proxy.watch = {"ready": True, "servers_ready": True}
        await asyncio.sleep(1.5)
        proxy.watch = {"ready": True}
        await asyncio.sleep(1.5)
        assert changes == [False, (True, ""), True], "a proxy of an earlier release says nothing of them"


@timeless
async def test_a_move_waits_for_the_proxy_but_not_for_ever(tmp_path, said):
    proxy = await Proxy(tmp_path / "s").start()
    async with linked(proxy.path) as (link, _changes):
        await asyncio.sleep(0.5)
        await link.quiesce(True)
        assert proxy.puts == [("/v1/quiesce", {"on": True, "cut": False})]
        proxy.gate.clear()
        began = asyncio.get_running_loop().time()
        await link.quiesce(False)
        assert asyncio.get_running_loop().time() - began == pytest.approx(5.0, abs=0.1)
        assert "could not finish with its clients" in said[0]
        proxy.gate.set()


@timeless
async def test_an_error_of_the_program_while_the_proxy_is_watched_is_told(tmp_path, monkeypatch):
    proxy, failures = await Proxy(tmp_path / "s").start(), []
    monkeypatch.setattr("tandem.supervised.say", lambda _level, _text: None)
    link = ProxyLink(proxy.path, lambda _ready, _reason: 1 / 0, lambda _ready: None, lambda: failures.append(True))
    await asyncio.sleep(2)
    assert failures == [True]
    link.close()


@timeless
async def test_news_of_servers_are_passed_on_as_they_come_and_those_that_make_no_sense_lose_the_proxy(tmp_path, said):
    proxy, heard = await Proxy(tmp_path / "s").start(), []
    link = ProxyLink(proxy.path, lambda _ready, _reason: None, lambda _ready: None, lambda: None, lambda *news: heard.append(news))
    proxy.watch = {"ready": True, "servers": [["edge/shop", "app-1", False], ["edge/shop", "app-2", True]]}
    await asyncio.sleep(0.5)
    assert heard == [("edge/shop", "app-1", False), ("edge/shop", "app-2", True)]
    proxy.watch = {"ready": True, "servers": [["edge/shop"]]}
    await asyncio.sleep(1.5)
    assert len(proxy.watchers) > 1, "it is followed anew"
    link.close()
    await proxy.stop()
