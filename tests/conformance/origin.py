"""The server behind the proxies: it answers whatever reaches it whole, so that an answer of its own tells that a message was passed on."""

from __future__ import annotations

import re
import socketserver

ANSWER = b"HTTP/1.1 200 OK\r\nX-Origin: here\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
MARK = b"x-origin: here"  # HAProxy writes names in lower case
_PLACE = re.compile(rb"[A-Z]+ /response/(\d+)")


class Origin(socketserver.ThreadingTCPServer):
    """``responses``: what is answered to a request for /response/N, as it stands, before the connection ends."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, responses: list[bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.responses = responses
        self.port: int = self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """A proxy has broken off, as it should."""


class _Connection(socketserver.StreamRequestHandler):
    server: Origin

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline(1 << 18)
            if not line:
                return
            head += line
        if re.search(rb"\ntransfer-encoding:", head, re.IGNORECASE):
            if not self._skip_chunks():
                return
        else:
            length = re.search(rb"\ncontent-length:[ \t]*(\d{1,9})", head, re.IGNORECASE)
            self.rfile.read(min(int(length[1]), 1 << 20) if length else 0)
        place = _PLACE.match(head)
        self.wfile.write(self.server.responses[int(place[1])] if place else ANSWER)

    def _skip_chunks(self) -> bool:
        """As leniently as it goes: whatever a proxy passes on is answered."""
        while True:
            digits = re.match(rb"\s*([0-9a-fA-F]+)", self.rfile.readline(1 << 16))
            if digits is None:
                return False
            size = int(digits[1], 16)
            if not size:
                while self.rfile.readline(1 << 16).strip():
                    pass
                return True
            self.rfile.read(min(size, 1 << 20))
            self.rfile.readline(1 << 16)
