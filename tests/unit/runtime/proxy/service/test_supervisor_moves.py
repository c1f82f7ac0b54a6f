"""What a move of the addresses asks of the proxy, and what takes it back; the proxy is a real process."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time

import pytest

from tandem._client import Refused
from tests.support.node import ADDRESS, Watch, backend, free_port, frontend, get, until


class _Mover:
    """Somebody who watches the proxy and begins a move, as keepalive does."""

    def __init__(self, node):
        self.node, self.watch = node, Watch(node)

    def quiesce(self, on, **more):
        return self.node.proxy.request("PUT", "/v1/quiesce", {"on": on, **more})

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
    mover.watch.until(lambda: mover.watch.lines)
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


class _Source:
    """A server that takes TCP sessions and says nothing."""

    def __init__(self):
        self.sock = socket.create_server((ADDRESS, 0))
        self.port, self.sessions = self.sock.getsockname()[1], []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self):
        with contextlib.suppress(OSError):
            while True:
                self.sessions.append(self.sock.accept()[0])


def test_a_move_does_not_wait_for_tcp_sessions_and_tells_those_that_only_receive(node):
    source, port = _Source(), free_port()
    node.start_proxy()
    node.load(backend(source, protocol="tcp"), frontend(port, protocol="tcp"))
    receiver = socket.create_connection((ADDRESS, port), 5)
    until(lambda: source.sessions)
    source.sessions[0].sendall(b"tick")
    assert receiver.recv(10) == b"tick"
    mover = _Mover(node)
    mover.watch.until(lambda: mover.watch.lines)
    began = time.monotonic()
    assert mover.quiesce(True) == {"left": 1}
    took_s = time.monotonic() - began
    source.sessions[0].sendall(b"tock")
    assert receiver.recv(10) == b"tock", "where the address stays, so does the session"
    assert mover.quiesce(True, cut=True) == {"left": 1}
    receiver.settimeout(0.5)
    with pytest.raises(ConnectionResetError):
        receiver.recv(10)
    assert took_s < 0.9, "both halves of the wait together are a second"
    mover.quiesce(False)
    mover.close()
    receiver.close()
    source.sock.close()


def test_what_is_kept_after_a_move_goes_on_and_new_clients_are_taken_until_it_is_finished(node, shops):
    shop, port, raw = shops(), free_port(), free_port()
    node.start_proxy()
    node.load(backend(shop), frontend(port), backend(shop, name="raw", protocol="tcp"), frontend(raw, "stream", "raw", protocol="tcp"))
    mover = _Mover(node)
    mover.watch.until(lambda: mover.watch.lines)
    kept = http.client.HTTPConnection(ADDRESS, port, timeout=5)
    kept.request("GET", "/")
    kept.getresponse().read()
    with socket.create_connection((ADDRESS, raw), 5) as session:
        assert mover.quiesce(True, kept="edge")["left"] == 2
        assert mover.quiesce(True, kept="another")["left"] == 0
        kept.request("GET", "/")
        answer = kept.getresponse()
        assert (answer.read(), answer.getheader("Connection")) == (b"shop", "close")
        until(lambda: mover.quiesce(True, kept="edge")["left"] == 1)
        assert get(port)[0] == 200
        assert mover.quiesce(True, kept="another", cut=True)["left"] == 0
        assert mover.quiesce(True, kept="edge")["left"] == 1, "that was another load balancer's"
        assert mover.quiesce(True, kept="edge", cut=True)["left"] == 1
        session.settimeout(5)
        with pytest.raises(ConnectionResetError):
            session.recv(1)
    mover.close()
    kept.close()
