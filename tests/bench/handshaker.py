"""A client of TLS that opens a connection for each request, with full handshakes alone or with resumed ones alone, and sees to it that they are.

``handshaker.py PORT PATH full|resumed PLACES`` has so many connections at a time. It writes "ready" once there was one exchange in each place: then
there are sessions to resume. It goes on for as many seconds as the line says that it is sent, ends what is under way, and prints how many exchanges
that was and how long it took, as a JSON list. What it offers in a handshake stands in the file that OPENSSL_CONF names, as Python has no say in the
ciphers of TLS 1.3 (before 3.15).
"""

from __future__ import annotations

import gc
import json
import select
import socket
import ssl
import sys
import time
from typing import Optional

_NAME = "bench.test"
_AGREED = ("TLSv1.3", "TLS_AES_128_GCM_SHA256")
_SILENT_S = 5.0


class Place:
    """One connection after the other, each for one request; resumed is the session of the one before, as tickets are for one use (RFC 8446 C.4)."""

    def __init__(self, port: int, path: str, context: ssl.SSLContext, resumes: bool) -> None:
        self._port, self._context, self._resumes = port, context, resumes
        self._request = f"GET {path} HTTP/1.1\r\nHost: {_NAME}\r\nConnection: close\r\n\r\n".encode()
        self._session: Optional[ssl.SSLSession] = None

    def begin(self) -> int:
        """Connects; returns the descriptor to wait for. Raises OSError."""
        sock = socket.create_connection(("127.0.0.1", self._port), timeout=_SILENT_S)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = self._context.wrap_socket(sock, server_hostname=_NAME, do_handshake_on_connect=False, session=self._session)
        self._answer = b""
        self._asked = False
        self.ended()
        return self._sock.fileno()

    def ended(self) -> bool:
        """Goes as far as it can without waiting; whether the answer is there and the connection has ended. Raises OSError, ValueError."""
        try:
            if not self._asked:
                self._sock.do_handshake()
                self._verify()
                self._sock.sendall(self._request)
                self._asked = True
            data = self._sock.recv(65536)
            while data:
                self._answer += data
                data = self._sock.recv(65536)
        except ssl.SSLWantReadError:
            return False
        if not self._answer.startswith(b"HTTP/1.1 200 "):
            raise ValueError(f"the answer was {self._answer[:200]!r}")
        if self._resumes:
            self._session = self._sock.session  # the tickets came with the answer
        self._sock.close()
        return True

    def _verify(self) -> None:
        cipher = self._sock.cipher()
        agreed = (self._sock.version(), cipher[0] if cipher else None)
        if agreed != _AGREED:
            raise ValueError(f"{agreed} was agreed on, not {_AGREED}")
        if self._sock.session_reused is not (self._session is not None):
            raise ValueError(f"a handshake was {'resumed' if self._sock.session_reused else 'full'}, and should have been the other")


class Clients:
    """All places, whose connections are under way side by side."""

    def __init__(self, port: int, path: str, resumes: bool, places: int) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # whose the certificate is, is not asked; that the proxy has its key, OpenSSL verifies anyway
        self._places = [Place(port, path, context, resumes) for _count in range(places)]

    def run(self, seconds: float) -> tuple[int, float]:
        """One exchange in each place, and others until so much time has passed. Returns how many there were, and how long they took."""
        clock, poll = time.perf_counter, select.epoll()
        began, done = clock(), 0
        under_way: dict[int, Place] = {}

        def begin(place: Place) -> None:
            descriptor = place.begin()
            poll.register(descriptor, select.EPOLLIN)
            under_way[descriptor] = place

        for place in self._places:
            begin(place)
        while under_way:
            events = poll.poll(_SILENT_S)
            if not events:
                raise ValueError(f"{len(under_way)} connections are under way, and nothing has come for {_SILENT_S:g} s")
            for descriptor, _what in events:
                place = under_way[descriptor]
                if place.ended():  # the descriptor is closed, and with it epoll's entry
                    done += 1
                    del under_way[descriptor]
                    if clock() - began < seconds:
                        begin(place)
        return done, clock() - began


def main(port: int, path: str, kind: str, places: int) -> None:
    gc.disable()
    try:
        clients = Clients(port, path, kind == "resumed", places)
        clients.run(0)
        print("ready", flush=True)
        print(json.dumps(clients.run(float(sys.stdin.readline()))))
    except (OSError, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
