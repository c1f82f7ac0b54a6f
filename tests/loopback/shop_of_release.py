"""The application of the rolling update: `shop_of_release.py start|restart NAME ADDRESS PORT PIDFILE RELEASE`; it takes its time for each answer.

It ends on SIGTERM at once, with whatever it was answering, and its new release is not there at once: an update that does not drain loses requests.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_ANSWER_S = 0.1
_START_S = 0.3


class _Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    name = release = ""

    def do_GET(self) -> None:
        if self.path != "/health":
            time.sleep(_ANSWER_S)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.send_header("X-Served-By", f"{self.name} {self.release}")
        self.end_headers()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to say."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    what, name, address, port, pid_file, release = sys.argv[1:]
    if what == "serve":
        _Shop.name, _Shop.release = name, release
        _Server((address, int(port)), _Shop).serve_forever()
    if what == "restart":
        pid = int(Path(pid_file).read_text())
        os.kill(pid, signal.SIGTERM)
        while Path(f"/proc/{pid}").exists() and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            time.sleep(0.01)
        time.sleep(_START_S)
    started = subprocess.Popen(
        [sys.executable, __file__, "serve", name, address, port, pid_file, release],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    Path(pid_file).write_text(str(started.pid))


if __name__ == "__main__":
    main()
