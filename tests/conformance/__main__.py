"""Sends each refused message of the tests to HAProxy and to nginx, set up as they come, and writes their answers beside ours into the page."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "runtime"))

from tests.unit.runtime.http.test_chunked import BAD_CHUNKS  # noqa: E402
from tests.unit.runtime.http.test_requests import REFUSED_REQUESTS  # noqa: E402
from tests.unit.runtime.http.test_responses import REFUSED_RESPONSES  # noqa: E402

from .origin import MARK, Origin  # noqa: E402

PAGE = TOP / "docs/reference/http-conformance.md"
_PATIENCE_S = 1.5
_ROW = re.compile(r"^\| (RFC [0-9]+ [0-9.]+) \| (.+?) \| ([0-9]{3}(?: \(502 from a server\))?) \|.*$")
_HEADER = "| requirement | case | answer |"
_CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
Key = tuple[str, str, str]  # the section's word, requirement, case

_HAPROXY = """global
  maxconn 1000
defaults
  mode http
  timeout connect 2s
  timeout client 5s
  timeout server 5s
frontend web
  bind 127.0.0.1:{port}
  default_backend origin
backend origin
  server origin 127.0.0.1:{origin}
"""
_NGINX = """daemon off;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://127.0.0.1:{origin}; proxy_http_version 1.1; }}
  }}
}}
"""


def messages() -> Iterator[tuple[Key, bytes]]:
    """Every refused case, as it goes over a connection; a chunked body with an end, for those who would go on reading."""
    for name, (raw, _status) in REFUSED_REQUESTS.items():
        yield ("requests", *split(name)), raw
    for name, stream in BAD_CHUNKS.items():
        yield ("bodies", *split(name)), _CHUNKED + stream + (b"\r\n" if stream.startswith(b"0") else b"0\r\n\r\n")
    for number, name in enumerate(REFUSED_RESPONSES):
        yield ("responses", *split(name)), b"GET /response/%d HTTP/1.1\r\nHost: a\r\n\r\n" % number


def split(name: str) -> tuple[str, str]:
    requirement, _colon, case = name.partition(": ")
    return requirement, case


def outcome(port: int, message: bytes, answers: bool) -> str:
    """What a proxy does with it. ``answers``: the server's answer is what is looked at, and not whether there is one."""
    with socket.create_connection(("127.0.0.1", port), 5) as sock:
        sock.settimeout(_PATIENCE_S)
        got = b""
        try:
            sock.sendall(message)
            while b"\r\n\r\n" not in got:
                piece = sock.recv(65536)
                if not piece:
                    break
                got += piece
        except socket.timeout:
            return "waits"
        except OSError:
            pass
    status = re.match(rb"HTTP/\d\.\d (\d{3})", got)
    if status is None:
        return "passes" if got and answers else "closes"
    if MARK in got.lower() or (answers and status[1] not in (b"502", b"500", b"503")):
        return "passes"
    return status[1].decode()


def asked(command: list[str], port: int) -> dict[Key, str]:
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    sys.exit(f"{command[0]} does not listen")
                time.sleep(0.05)
        with ThreadPoolExecutor(8) as pool:
            made = list(messages())
            found = pool.map(lambda one: outcome(port, one[1], one[0][0] == "responses"), made)
            return {key: result for (key, _message), result in zip(made, found)}
    finally:
        process.terminate()
        process.wait(10)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def rows(text: str, columns: list[tuple[str, dict[Key, str]]]) -> Iterator[str]:
    """The page's lines, with the columns behind our own answer."""
    section = ""
    added = len(columns)
    for line in text.splitlines():
        if line.startswith("## "):
            section = next((word for word in ("requests", "bodies", "responses") if f"{word} that are refused" in line.lower()), "")
        row = _ROW.match(line)
        if section and line.startswith(_HEADER):
            yield " | ".join((_HEADER.rstrip(" |"), *(name for name, _found in columns))) + " |"
        elif section and line.startswith("| --- | --- | --- |"):
            yield "| --- | --- | --- |" + " --- |" * added
        elif section and row:
            key = (section, row[1], row[2])
            yield f"| {row[1]} | {row[2]} | {row[3]} | " + " | ".join(found.get(key, "-") for _name, found in columns) + " |"
        else:
            yield line


def version(command: list[str], pattern: str) -> str:
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(pattern, said.stdout + said.stderr)
    return found[1] if found else "?"


def main() -> int:
    haproxy, nginx = (shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") for name in ("haproxy", "nginx"))
    if not haproxy or not nginx:
        sys.exit("HAProxy and nginx are needed: apt-get install haproxy nginx-light")
    origin = Origin(list(REFUSED_RESPONSES.values()))
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        columns = []
        for name, binary, text in (("HAProxy", haproxy, _HAPROXY), ("nginx", nginx, _NGINX)):
            port = free_port()
            config = Path(folder) / f"{name}.conf"
            config.write_text(text.format(port=port, origin=origin.port, folder=folder))
            command = [binary, "-db", "-f", str(config)] if name == "HAProxy" else [binary, "-p", folder, "-c", str(config)]
            told = version([binary, "-v"], r"(?:version |nginx/)([0-9][0-9.]*)")
            columns.append((f"{name} {told}", asked(command, port)))
    origin.shutdown()
    PAGE.write_text("\n".join(rows(PAGE.read_text(), columns)) + "\n")
    for name, found in columns:
        print(f"{name}: {sum(result == 'passes' for result in found.values())} of {len(found)} messages pass")
    return 0


if __name__ == "__main__":
    sys.exit(main())
