"""The page in Chromium with ten minutes of history of a pair, made up: quiet, with a server that dies, and while a node takes over.

With TANDEM_PICTURES set to a folder, what is seen is written there, for the documentation.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import threading
from pathlib import Path

import pytest

from tandem import json_slices
from tandem.metrics.latency import Histogram
from tandem.observe import page
from tandem.observe.access import Access
from tandem.observe.families import Views
from tandem.observe.history import POINTS, STEP_S, History
from tandem.observe.listener import Answer, Listener, Terms
from tandem.observe.overview import overview
from tests.support.chromium import CHROMIUM, chromium
from tests.support.node import ADDRESS, free_port

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (package chromium)")
PICTURES = os.environ.get("TANDEM_PICTURES", "")
BEGAN_S = 1_795_000_000
DIGEST = "d738b23a5c77" * 5


def server(name, state="up", **more):
    told = {"address": f"192.0.2.{20 + int(name[-1])}:8080", "weight": 1, "state": state, "since_ms": 5_400_000, "admin_state": "ready", "set_by": ""}
    return {**told, "last_check": "status 200 in 2 ms" if state == "up" else "Connection refused", "sessions": 3, "sessions_total": 0, **more}


class Site:
    """What both services would say, moment by moment; ``views`` are those of the last."""

    def __init__(self):
        self.history = History()
        self.events = []
        self.times = Histogram()
        self.servers = {"app-1": server("app-1"), "app-2": server("app-2"), "app-3": server("app-3", admin_state="drain", set_by="anna", sessions=1)}
        self.web = {"enabled": True, "listening": ["192.0.2.100:443"], "problems": [], "connections": 214, "requests": 0, "responses_5xx": 0}
        self.mail = {"enabled": True, "listening": ["192.0.2.100:25"], "problems": [], "connections": 12, "connections_total": 0}
        self.state, self.peer = ("standby", 5_400_000, "a more preferred node is active"), ("active", 180)
        self.moment = 0

    def step(self, failing=0):
        """One more step of history."""
        self.moment += 1
        wave = 1 + 0.4 * math.sin(self.moment / 11) + 0.15 * math.sin(self.moment * 1.7)
        requests = int(600 * wave)
        self.web["requests"] += requests
        self.web["responses_5xx"] += failing
        self.mail["connections_total"] += int(30 * wave)
        for name in ("app-1", "app-2"):
            if self.servers[name]["state"] == "up":
                self.servers[name]["sessions_total"] += requests // 2
        self.servers["app-2"]["responses_5xx"] = self.servers["app-2"].get("responses_5xx", 0) + failing
        for _request in range(requests // 20):
            self.times.add(0.012 * wave)
        self.times.add(0.2 * wave)
        self.history.add(self.moment * STEP_S, self.proxy())

    def proxy(self):
        counts = {"first_byte": self.times.shown()}
        backends = {"edge/shop": {"sessions": 7, "queue": 0, "latency": counts, "servers": self.servers}}
        certificates = {
            "edge/shop": {"names": ["shop.example.com", "www.example.com"], "not_after_s": BEGAN_S + 61 * 86400},
            "edge/mail": {"names": ["mail.example.com"], "not_after_s": BEGAN_S + 9 * 86400},
        }
        frontends = {"edge/web": self.web, "edge/mail": self.mail}
        return {
            "version": "0.2.0",
            "generation": 18,
            "ready": True,
            "digest": DIGEST,
            "observe": {},
            "frontends": frontends,
            "backends": backends,
            "certificates": certificates,
        }

    def view(self):
        state, since_ms, reason = self.state
        peer = {"state": self.peer[0], "last_heard_ms": self.peer[1], "digest": DIGEST[:16], "jitter_us": 900}
        held = [{"name": "shop-ip", "address": "192.0.2.100/24", "interface": "eth0" if state == "active" else "", "held": state == "active"}]
        election = {
            "node": "lb-b",
            "role": "backup",
            "state": state,
            "since_ms": since_ms,
            "reason": reason,
            "peers": {"lb-a": peer},
            "floating_ips": held,
            "problems": [],
        }
        keepalive = {"generation": 18, "load_balancers": {"edge": election}}
        return overview("edge", Views("lb-b", self.proxy(), keepalive, BEGAN_S + self.moment * STEP_S), self.history, self.events, DIGEST)

    def happened(self, kind, about, text, seconds_ago=0):
        minute, second = divmod(int(self.moment * STEP_S) - seconds_ago, 60)
        self.events.append({"time": f"2026-11-18T02:{14 + minute % 40:02d}:{second:02d}.000Z", "kind": kind, "about": about, "text": text})


@pytest.fixture
def shown():
    """A site, and the port at which its page is: (site, port)."""
    site, port = Site(), free_port()
    for _step in range(POINTS):
        site.step()
    site.happened("generation", "", "generation 18 is in use, digest d738b23a5c77", 500)
    site.happened("operator", "edge/shop/app-3", "set to drain by anna", 300)

    async def static(path, _request):
        return Answer(200, *page.FILES[path])

    async def looked(_request):
        return Answer(200, "application/json", json_slices.dumps(site.view()))

    resources = {path: (lambda request, path=path: static(path, request)) for path in page.FILES}
    started, ended = threading.Event(), []

    async def serve():
        stop = asyncio.Event()
        ended.append((asyncio.get_running_loop(), stop))
        listener = Listener(Terms(ADDRESS, port, Access(), {**resources, "/v1/overview": looked}))
        listener.start()
        started.set()
        await stop.wait()
        await listener.stop()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert started.wait(10)
    yield site, port
    ended[0][0].call_soon_threadsafe(ended[0][1].set)
    thread.join(10)


def picture(browser, name):
    if PICTURES:
        browser.picture(Path(PICTURES) / f"{name}.png")


def test_the_page_tells_a_quiet_night_from_a_dead_server_and_from_a_failover(shown, tmp_path):
    site, port = shown
    with contextlib.ExitStack() as stack:
        browser = stack.enter_context(chromium(tmp_path))
        browser.look(1100, 1180)
        browser.open(f"http://{ADDRESS}:{port}/")
        browser.until("document.querySelectorAll('tbody tr').length === 3")
        label = browser.ask("document.querySelector('#frontends .spark').getAttribute('aria-label')")
        assert label.startswith("Requests of mail: now ")
        points = browser.ask("document.querySelectorAll('#frontends .spark .line')[1].getAttribute('d').split('L').length")
        assert points == POINTS - 1  # of the first step no rate is known
        assert browser.ask("document.getElementById('problems').children.length") == 0
        assert "8 days" in browser.ask("document.getElementById('certificates').firstElementChild.innerText")
        picture(browser, "dashboard-quiet")

        site.servers["app-2"].update(state="down", since_ms=9000, last_check="Connection refused", sessions=0)
        for _step in range(4):
            site.step(failing=90)
        site.happened("server", "edge/shop/app-2", "down: Connection refused", 9)
        browser.until("[...document.querySelectorAll('tbody .state')].some((one) => one.textContent === 'down')")
        assert browser.ask("document.querySelectorAll('tbody tr')[1].querySelector('.errors').getAttribute('d')") != ""
        assert browser.ask("document.getElementById('said').textContent") == "Server shop/app-2 is down"
        picture(browser, "dashboard-server-down")

        site.state, site.peer = ("active", 3000, "the active node is silent"), ("silent", 3900)
        site.happened("state", "edge", "lb-b: standby -> active: the active node is silent", 3)
        browser.until("document.querySelector('#nodes .state').textContent === 'active'")
        assert browser.ask("document.getElementById('said').textContent") == "Node lb-b is active. Node lb-a is silent"
        assert "has not been heard" in browser.ask("document.getElementById('problems').innerText")
        assert browser.ask("document.getElementById('addresses').innerText") == "shop-ip: 192.0.2.100/24 on eth0, held here"
        browser.look(390, 1180, dark=True, telephone=True)
        assert browser.ask("document.documentElement.scrollWidth <= window.innerWidth")
        picture(browser, "dashboard-failover-telephone")
        assert browser.console == []
