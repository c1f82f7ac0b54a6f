"""TLS on a socket, both sides of it in one process: which certificate is shown, what is resumed, and that a closed stream touches nobody's socket."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Optional

import pytest

from tandem.tls.contexts import ClientTerms, ServerTerms, client_context, server_context
from tandem.tls.stream import TlsStream
from tandem.tls.tickets import KEYS_BYTES
from tests.support.tls import authority_pem, pair

Streams = tuple[TlsStream, TlsStream]  # the client's, the server's
Connect = Callable[..., Streams]


@pytest.fixture
def connect() -> Iterator[Connect]:
    serving = server_context(ServerTerms((pair("first.test"), pair("shop.test"))), b"k" * KEYS_BYTES, now=lambda: 0.0)
    asking = client_context(ClientTerms(ca=authority_pem()))
    made: list[TlsStream] = []

    def connected(name: str, session: Optional[ssl.SSLSession] = None) -> Streams:
        client, server = socket.socketpair()
        for sock in (client, server):
            sock.setblocking(False)
        streams = TlsStream.to_server(client, asking, name, session), TlsStream.of_client(server, serving)
        made.extend(streams)
        done = [False, False]
        while not all(done):
            done = [was or stream.handshake() for was, stream in zip(done, streams)]
        return streams

    yield connected
    for stream in made:
        stream.close()


def received(stream: TlsStream) -> bytes:
    """What comes, after records without content, such as tickets: epoll asks again for each."""
    for _record in range(3):
        with contextlib.suppress(BlockingIOError):
            return stream.recv(65536)
    raise AssertionError("nothing has come")


def into_a_buffer(stream: TlsStream) -> bytes:
    buffer = memoryview(bytearray(65536))
    for _record in range(3):
        with contextlib.suppress(BlockingIOError):
            return bytes(buffer[: stream.recv_into(buffer, len(buffer))])
    raise AssertionError("nothing has come")


@pytest.mark.parametrize(("name", "shown"), [("shop.test", "shop.test"), ("first.test", "first.test"), ("other.test", "first.test")])
def test_the_certificate_is_the_one_for_the_name_or_else_the_first(connect: Connect, name: str, shown: str):
    client, _server = connect(name)
    assert client.tls.getpeercert()["subjectAltName"] == (("DNS", shown),)


def test_a_session_is_resumed_with_any_of_the_certificates(connect: Connect):
    client, server = connect("shop.test")
    server.send(b"x")
    assert received(client) == b"x"  # and the tickets before it
    again = connect("shop.test", client.tls.session)
    assert [bool(stream.tls.session_reused) for stream in (client, server, *again)] == [False, False, True, True]


@pytest.mark.parametrize("read", [received, into_a_buffer])
def test_an_end_in_order_is_told_and_the_other_side_may_still_speak(connect: Connect, read: Callable[[TlsStream], bytes]):
    client, server = connect("shop.test")
    server.send(b"x")
    assert read(client) == b"x"
    client.shutdown(socket.SHUT_WR)
    assert read(server) == b""
    server.send(b"more")
    assert read(client) == b"more"
    server.send(b"bye")
    server.shutdown(socket.SHUT_WR)
    assert read(client) == b"bye"
    assert read(client) == b""


def test_a_closed_stream_does_not_touch_the_socket_that_has_its_number_now(connect: Connect):
    _client, server = connect("shop.test")
    number = server.fileno()
    server.close()
    one, other = socket.socketpair()  # the kernel gives the lowest number that is free
    assert number == one.fileno()
    other.send(b"somebody else's")
    for act in (lambda: server.recv(65536), lambda: server.send(b"x"), server.handshake):
        with pytest.raises(AttributeError):
            act()
    server.close()
    assert one.recv(100) == b"somebody else's"
    for sock in (one, other):
        sock.close()
