"""A keepalive that only answers on its socket, as tests want it: for who is active on a node of a pair, and for handing over."""

from __future__ import annotations

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tandem._paths import Paths, socket_address


class FakeKeepalive(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """The one of the node ``me`` below ``prefix``. ``active`` is who is active, "" for nobody; who is asked to hand over does so, and ``successor``
    is active then. With ``refusal`` it refuses. ``asked`` are the bodies of what was asked for and not only checked."""

    daemon_threads = True

    def __init__(self, prefix: Path, me: str = "lb-a", active: str = "lb-a", *, successor: str = "lb-b", refusal: str = "") -> None:
        path = Paths(str(prefix)).keepalive_socket
        path.parent.mkdir(parents=True, exist_ok=True)
        with socket_address(path) as address:
            super().__init__(address, _Handler)
        self.me, self.active, self.successor, self.refusal = me, active, successor, refusal
        self.load_balancers = ["edge"]
        self.kept: dict[str, Any] = {"kept": True, "kept_reason": ""}
        self.asked: list[dict[str, Any]] = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def status(self) -> dict[str, Any]:
        states = {node: "active" if node == self.active else "standby" for node in ("lb-a", "lb-b")}
        state = states.pop(self.me)
        view = {"node": self.me, "state": state, "reason": "", "peers": {node: {"state": peer} for node, peer in states.items()}}
        return {"load_balancers": dict.fromkeys(self.load_balancers, view)}

    def switchover(self, body: dict[str, Any]) -> dict[str, Any]:
        moved = self.active == self.me != body["to"]
        if moved and not body["check"]:
            self.asked.append(body)
            self.active = self.successor
            return {"moved": moved, "node": self.me, **self.kept}
        return {"moved": moved, "node": self.me}

    def __exit__(self, *_error: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(200, self._keepalive.status())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._keepalive.refusal:
            self._answer(409, {"error": {"message": self._keepalive.refusal, "problems": []}})
        else:
            self._answer(200, self._keepalive.switchover(body))

    @property
    def _keepalive(self) -> FakeKeepalive:
        assert isinstance(self.server, FakeKeepalive)
        return self.server

    def _answer(self, status: int, answer: dict[str, Any]) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing to say."""
