"""The rolling update of an application, by the very play that docs/how-to/servers.md shows, under load: no request fails, and nobody meets both."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from tests.loopback.test_play import NODES, TOP, Site
from tests.support.collection import link_collection

sys.path.insert(0, str(TOP / "demo"))

APPLICATION = Path(__file__).with_name("shop_of_release.py")
SHOPS = {"shop-1": "127.0.0.21", "shop-2": "127.0.0.22"}  # the third of the demo is down all the time
UPDATE = "Update the application"


class Load:
    """Clients that post one after another, each request on a connection of its own: the proxy may not send one again that a server has begun with."""

    def __init__(self, port):
        self._port, self._over = port, threading.Event()
        self.answers = []  # who answered, or what went wrong
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _client in range(6)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception):
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    def _ask(self):
        while not self._over.is_set():
            connection = http.client.HTTPConnection("127.0.0.100", self._port, timeout=20)
            try:
                connection.request("POST", "/", b"an order")
                answer = connection.getresponse()
                answer.read()
                self.answers.append(answer.headers.get("X-Served-By") or f"status {answer.status}")
            except (OSError, http.client.HTTPException) as error:
                self.answers.append(repr(error))
            finally:
                connection.close()


def play_of_the_page(update):
    """The play as the page has it, its placeholder for the application's own update filled in."""
    page = (TOP / "docs/how-to/servers.md").read_text(encoding="utf-8")
    (text,) = [block for block in re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL) if "serial: 1" in block]
    (play,) = yaml.safe_load(text)
    (place,) = [number for number, task in enumerate(play["tasks"]) if task["name"] == UPDATE]
    play["tasks"][place] = {"name": UPDATE, "ansible.builtin.command": {"argv": update}}
    return [play]


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path / "site", link_collection(tmp_path / "collections"))
    made.folder.mkdir()
    for name, address in SHOPS.items():
        subprocess.run([sys.executable, *words(made, "start", name, address, "old")], check=True)
    yield made
    made.stop()
    for name in SHOPS:
        with contextlib.suppress(OSError):
            os.kill(int(pid_file(made, name).read_text()), signal.SIGKILL)


def pid_file(site, name):
    return site.folder / f"{name}.pid"


def words(site, what, name, address, release):
    return [str(APPLICATION), what, name, address, str(site.port + 1), str(pid_file(site, name)), release]


def inventory(site):
    """The application's hosts, which are not the load balancer's; each knows its own update."""
    hosts = {name: {"update": [sys.executable, *words(site, "restart", name, address, "new")]} for name, address in SHOPS.items()}
    shared = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    path = site.folder / "shops.yml"
    path.write_text(yaml.safe_dump({"shop": {"hosts": hosts, "vars": shared}}))
    return path


def status(site, node):
    program = site.prefix(node) / "opt/tandem/current/bin/tandem"
    run = subprocess.run([str(program), "--prefix", str(site.prefix(node)), "servers", "--json"], capture_output=True, timeout=30, check=True)
    return {key.rpartition("/")[2]: view["admin_state"] for key, view in json.loads(run.stdout).items()}


def test_an_application_is_updated_server_by_server_and_no_request_fails(site, eventually):
    stated, patient = (TOP / "demo" / "site.yml").read_text(), site.folder / "site.yml"
    # A server that answers late on a busy machine is not down: then there would be none left.
    patient.write_text(stated.replace("interval: 500ms, timeout: 250ms", "interval: 1s, timeout: 1s"))
    assert patient.read_text() != stated
    site.play(patient)
    eventually(site.answered)
    update = site.folder / "update.yml"
    update.write_text(yaml.safe_dump(play_of_the_page("{{ update }}"), sort_keys=False))
    old, new = ({f"{name} {release}" for name in SHOPS} for release in ("old", "new"))
    with Load(site.port) as load:
        eventually(lambda: set(load.answers) == old)
        results = site.play(update, "-i", str(inventory(site)))
        assert not [result for result in results.values() if result.get("failed")], site.output
        eventually(lambda: set(load.answers[-20:]) == new)
    assert set(load.answers) == old | new
    assert len(load.answers) > 100
    for node in NODES:
        assert set(status(site, node).values()) == {"ready"}
        log = (site.prefix(node) / "var/log/tandem/proxy.log").read_text()
        for name in SHOPS:
            assert re.search(f"edge/shop/{name} is set to drain by .*edge/shop/{name} is set to ready by ", log, re.DOTALL), log
