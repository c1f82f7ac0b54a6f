"""What a move of the addresses asks of the proxy, and what takes it back; the proxy is a real process."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading

import pytest

from tandem._client import Refused
from tests.support.node import ADDRESS, Watch, backend, free_port, frontend, get, until


@pytest.fixture
def serving(node, shops):
    """A proxy with one shop behind one frontend: (node, port, shop)."""
    shop, port = shops(), free_port()
    node.start_proxy()
    node.load(backend(shop), frontend(port))
    return node, port, shop


class _Mover:
    """Somebody who watches the proxy and begins a move, as keepalive does."""

    def __init__(self, node):
        self.node, self.watch = node, Watch(node)

    def quiesce(self, on):
        return self.node.proxy.request("PUT", "/v1/quiesce", {"on": on})

    def close(self):
        self.watch.close()


def _connects(port):
    # TimeoutError is another name of it since Python 3.10 only.
    with contextlib.suppress(socket.timeout), socket.create_connection((ADDRESS, port), 0.3):
        return True
    return False


def test_a_move_that_its_maker_did_not_live_to_end_is_taken_back(serving):
    node, port, _shop = serving
    mover = _Mover(node)
    until(lambda: mover.watch.lines)
    assert mover.quiesce(True)["left"] == 0
    assert not _connects(port)
    mover.close()
    until(lambda: _connects(port))
    kept = http.client.HTTPConnection(ADDRESS, port, timeout=5)
    kept.request("GET", "/")
    answer = kept.getresponse()
    assert (answer.read(), answer.getheader("Connection")) == (b"shop", None)
    kept.close()


def test_a_move_taken_back_while_it_is_being_made_ends_at_once(serving):
    node, port, shop = serving
    slow = http.client.HTTPConnection(ADDRESS, port, timeout=20)
    slow.request("GET", "/slow")
    assert shop.asked.wait(5)
    mover, ended = _Mover(node), []

    def begin():
        try:
            mover.quiesce(True)
        except Refused as refused:
            ended.append(str(refused))

    beginning = threading.Thread(target=begin)
    beginning.start()
    until(lambda: not _connects(port))
    assert mover.quiesce(False) == {"left": 0}
    beginning.join(5)
    assert ended == ["it was taken back before it was done"]
    assert get(port) == (200, "shop")
    shop.released.set()
    assert slow.getresponse().read() == b"shop"
    for _request in range(2):
        slow.request("GET", "/")
        answer = slow.getresponse()
        assert (answer.read(), answer.getheader("Connection")) == (b"shop", None)
    slow.close()
    mover.close()
