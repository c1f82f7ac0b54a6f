"""The demo is the main job end to end, so it is a test as well: the playbook, traffic, a dead server, a dead node, idempotence, a diff."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.network import DEMO_ADDRESSES, free_ports
from tests.support.real_time import in_real_time

TOP = Path(__file__).resolve().parents[2]
STORY = TOP / "demo" / "story.py"
_STORY_S_MAX = 120


@pytest.fixture
def story(tmp_path):
    state, home, port = tmp_path / "demo", tmp_path / "home", free_ports(3, DEMO_ADDRESSES)
    home.mkdir()

    def tell(*what):
        command = [sys.executable, str(STORY), *what, "--state", str(state), "--port", str(port)]
        environment = {**os.environ, "HOME": str(home)}
        return subprocess.run(
            command, cwd=TOP, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_STORY_S_MAX, check=False
        )

    yield tell, port
    tell("stop")
    assert list(home.iterdir()) == [], "the demo has left something in its user's home"


def test_the_story_happens_as_told_twice_and_can_be_stopped(story):
    tell, port = story
    for _time in range(2):
        began = time.monotonic()
        with in_real_time():  # what other workers do meanwhile is not the demo's
            told = tell()
        assert told.returncode == 0, told.stdout + told.stderr
        assert time.monotonic() - began < 60
    outage = re.search(r"After (\d+) ms the floating IP answered again", told.stdout)
    assert outage is not None
    assert int(outage[1]) < 5000
    assert "A former demo was still running and has been stopped." in told.stdout
    assert re.search(r"lb-b : ok=4 +changed=0", told.stdout)
    assert re.search(r"^ *\+.*weight.*5", told.stdout, re.MULTILINE)
    with socket.create_connection(("127.0.0.100", port), timeout=5) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 200"
    stopped = tell("stop")
    assert stopped.returncode == 0
    assert "lb-a, lb-b, shop-1, shop-2, shop-3" in stopped.stdout
    assert tell("stop").stdout.strip() == "Nothing of the demo runs."


def test_a_story_that_cannot_be_told_says_why_and_leaves_nothing_running(story):
    tell, port = story
    with socket.create_server(("127.0.0.100", port)):
        told = tell()
    assert told.returncode == 1
    assert "did not happen as told" in told.stderr
    assert tell("stop").stdout.strip() == "Nothing of the demo runs."
