"""What a stream has OpenSSL do that Python would not."""

from __future__ import annotations

import socket
import ssl

import pytest

from tandem.tls import libssl
from tandem.tls.stream import Tls, TlsStream

GET_MODE = 33  # SSL_CTRL_MODE, openssl/ssl.h
AUTO_RETRY = 4


def mode(wrapped: Tls) -> int:
    library = libssl._library()
    return int(library.SSL_ctrl(libssl._fields(wrapped, 3)[1], GET_MODE, 0, None))


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    yield ours
    theirs.close()


def streams(ours: socket.socket) -> dict[str, TlsStream]:
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    return {
        "of a client": TlsStream.of_client(ours.dup(), server),
        "to a server": TlsStream.to_server(ours.dup(), client, "", None),
    }


@pytest.mark.parametrize("which", ["of a client", "to a server"])
def test_a_read_returns_after_each_record_as_a_peer_could_send_those_without_content_for_ever(pair, which):
    made = streams(pair)
    try:
        assert not mode(made[which].tls) & AUTO_RETRY
        fresh = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).wrap_socket(pair, server_side=True, do_handshake_on_connect=False)
        with fresh:
            assert mode(fresh._sslobj) & AUTO_RETRY, "Python no longer asks for it, so there is nothing to take back"
    finally:
        for stream in made.values():
            stream.close()


def test_what_is_not_as_expected_is_left_alone(pair, monkeypatch):
    made = streams(pair)
    try:
        wrapped = made["of a client"].tls
        assert libssl.read_one_record_at_a_time(wrapped)
        fields = libssl._fields
        monkeypatch.setattr(libssl, "_fields", lambda thing, count: [None, *fields(thing, count)][:count])  # all is one place further on
        assert not libssl.read_one_record_at_a_time(wrapped)
        monkeypatch.undo()
        monkeypatch.setattr(libssl, "_library", lambda: None)
        assert not libssl.read_one_record_at_a_time(wrapped)
    finally:
        for stream in made.values():
            stream.close()
