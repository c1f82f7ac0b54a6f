"""Tries an accelerator before it is used: all of it is loaded, and one exchange over loopback goes through it, in a child that may crash."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import threading
from collections.abc import Callable

from .. import acceleration
from .._accelerator import Verdict
from .._model import Backend, Document, Frontend, HealthCheck, LoadBalancer, Node, Server
from .._paths import Paths
from ..release import program_command

_CHILD_S = 60.0
_EXCHANGE_S = 20.0
_ADDRESS = "127.0.0.1"
# More than one read each: large bodies are read in another way than heads, and all of their bytes have to come over.
_BODY = b"".join(b"%07d " % number for number in range(40_000))
_REQUEST = b"POST /check HTTP/1.1\r\nHost: check\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(_BODY) + _BODY
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(_BODY) + _BODY


def check(paths: Paths) -> None:
    """Checks the accelerator that lies here for this release and Python, and notes in its folder whether it has passed. None is no fault."""
    folder = acceleration.folder_for(paths)
    if folder.is_dir():
        Verdict.of(folder, _why_not(paths)).write(folder)


def _why_not(paths: Paths) -> str:
    command = [*program_command(), "--prefix", paths.prefix, "accelerated-exchange"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_CHILD_S, check=False)
    except subprocess.TimeoutExpired:
        return f"its exchange had not ended after {_CHILD_S:g} s"
    if run.returncode < 0:
        return f"it ended its process by {signal.Signals(-run.returncode).name}"
    said = (run.stdout + run.stderr).strip().splitlines()
    return (said[-1] if said else f"its process ended with status {run.returncode}") if run.returncode else ""


def in_child(paths: Paths) -> int:
    """The child's part: exit status 0, or the reason as the last line."""
    why = acceleration.load(acceleration.folder_for(paths)) or _exchange()
    if why:
        print(why)
    return 1 if why else 0


def _exchange() -> str:
    """One request through an engine of this process to a server of this process, and its answer back. Returns what went wrong, or ""."""
    from ..proxy.context import Context
    from ..proxy.reactor import Reactor
    from ..proxy.worker.engine import Engine

    said: list[str] = []
    reactor = Reactor(on_error=lambda error: said.append(f"{type(error).__name__}: {error}"))
    engine = Engine(Context(reactor, lambda _line: None, said.append))
    with contextlib.ExitStack() as stack:
        server, listener = (stack.enter_context(socket.create_server((_ADDRESS, 0))) for _count in range(2))
        server.settimeout(_EXCHANGE_S)
        place = listener.getsockname()
        document = _document(place[1], server.getsockname()[1])
        engine.apply(document, {("check/web", _ADDRESS, place[1]): listener.dup()})
        answers: list[bytes] = []
        ends = [
            threading.Thread(target=_serve, args=(server, said), daemon=True),
            threading.Thread(target=_ask, args=(place, answers, said, lambda: reactor.wake(reactor.stop)), daemon=True),
        ]
        for end in ends:
            end.start()
        reactor.later(_EXCHANGE_S, reactor.stop)
        reactor.run()
        engine.close()
        reactor.turn(0.0)
        reactor.dispose()
    whole = b"".join(answers)
    if said or not (whole.startswith(b"HTTP/1.1 200 ") and whole.endswith(b"\r\n\r\n" + _BODY)):
        return said[0] if said else f"an exchange through it was answered by {len(whole)} bytes that begin {whole[:60]!r}"
    return ""


def _document(port: int, server_port: int) -> Document:
    document = Document()
    for thing in (
        LoadBalancer("check", Node("one", _ADDRESS), Node("other", "127.0.0.2")),
        Backend("check", "shop", servers=(Server("s1", _ADDRESS, server_port),), health_check=HealthCheck(type="none")),
        Frontend("check", "web", port, addresses=(_ADDRESS,), default_backend="shop"),
    ):
        document = document.with_object(thing)
    return document


def _serve(server: socket.socket, said: list[str]) -> None:
    try:
        sock, _peer = server.accept()
        with sock:
            sock.settimeout(_EXCHANGE_S)
            got = b""
            while not got.endswith(_BODY[-8:]):
                piece = sock.recv(65536)
                if not piece:
                    break
                got += piece
            if not got.endswith(b"\r\n\r\n" + _BODY):
                said.append("the body of its request did not arrive as it was sent")
                return
            sock.sendall(_ANSWER)
            sock.recv(1)  # until the proxy closes, so that no reset overtakes the answer
    except OSError as error:
        said.append(f"the server of its exchange: {error}")


def _ask(place: tuple[str, int], answers: list[bytes], said: list[str], done: Callable[[], None]) -> None:
    try:
        with socket.create_connection(place, _EXCHANGE_S) as sock:
            sock.sendall(_REQUEST)
            while piece := sock.recv(65536):
                answers.append(piece)
    except OSError as error:
        said.append(f"the client of its exchange: {error}")
    finally:
        done()
