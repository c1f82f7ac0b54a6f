"""Connections that outlive a move: `long_lived.py serve PORT` answers on a server, `long_lived.py use ADDRESS SECONDS` is the client.

The client reads a slow download at port 80 and talks to an echo at port 81, a line every 100 ms for SECONDS each, and prints what became of them: one
JSON object, the longest silence of each with it.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time

_LINE_S = 0.1
_PATIENCE_S = 5.0


def serve(port):
    with socket.create_server(("", port), backlog=100) as listener:
        while True:
            sock, _address = listener.accept()
            threading.Thread(target=_answer, args=(sock,), daemon=True).start()


def _answer(sock):
    with sock:
        try:
            asked = sock.recv(4096)
            if asked.startswith(b"GET /slow"):
                lines = int(asked.split()[1].rpartition(b"/")[2])
                sock.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
                for number in range(lines):
                    sock.sendall(b"%d\n" % number)
                    time.sleep(_LINE_S)
            elif asked.startswith(b"GET"):
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            while asked and not asked.startswith(b"GET"):
                sock.sendall(asked)
                asked = sock.recv(4096)
        except OSError:
            pass


def use(address, seconds):
    lines, found = int(seconds / _LINE_S), {}

    def note(name, count, silences, error=""):
        found[name] = {"whole": count == lines, "count": count, "of": lines, "longest_s": max(silences, default=0.0), "error": error}

    def download():
        count, silences, error = 0, [], ""
        try:
            with socket.create_connection((address, 80), _PATIENCE_S) as sock:
                sock.sendall(b"GET /slow/%d HTTP/1.1\r\nHost: x\r\n\r\n" % lines)
                content, at = b"", time.monotonic()
                while more := sock.recv(65536):
                    silences.append(time.monotonic() - at)
                    content, at = content + more, time.monotonic()
                count = sum(1 for line in content.partition(b"\r\n\r\n")[2].split(b"\n") if line.strip().isdigit())
        except OSError as failed:
            error = repr(failed)
        note("download", count, silences, error)

    def talk():
        count, silences, error = 0, [], ""
        try:
            with socket.create_connection((address, 81), _PATIENCE_S) as sock:
                for number in range(lines):
                    at = time.monotonic()
                    sock.sendall(b"line %d\n" % number)
                    if sock.recv(4096) != b"line %d\n" % number:
                        raise ConnectionError("another line came back")
                    silences.append(time.monotonic() - at)
                    count += 1
                    time.sleep(_LINE_S)
        except OSError as failed:
            error = repr(failed)
        note("echo", count, silences, error)

    threads = [threading.Thread(target=work) for work in (download, talk)]
    for thread in threads:
        thread.start()
    print("begun", flush=True)
    for thread in threads:
        thread.join()
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        use(sys.argv[2], float(sys.argv[3]))
