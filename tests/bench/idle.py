"""The memory that a client costs a proxy while its connection is kept and nothing is asked."""

from __future__ import annotations

import contextlib
import resource
import socket
import statistics

from . import proxies
from .machine import Setting, Subject, Unable, free_port, start
from .proxies import REFERENCE
from .table import spread, table

CONNECTIONS = 5000
_ROOM = CONNECTIONS + 200
_FILES = 2 * _ROOM + 500  # HAProxy wants two for each connection that it may have


def measure(setting: Setting) -> str:
    allow_files(_FILES)
    commands = {REFERENCE: proxies.haproxy(clients=_ROOM), "nginx": proxies.nginx(clients=2 * _ROOM)}  # it closes idle ones where few are left
    commands.update({name: proxies.tandem(runtime) for name, runtime in setting.runtimes.items()})
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _round in range(setting.rounds):
        for name, command in commands.items():
            # A process of its own each time: what was there for clients before would do for new ones.
            with contextlib.ExitStack() as stack:
                port = free_port()
                subject = start(stack, setting, name, port, command(setting, name, port), core=setting.proxy_core)
                figures[name].append(_grown(name, subject))
    rows = []
    for name, mine in figures.items():
        ratios = [own / other for (own, _total), (other, _all) in zip(mine, figures[REFERENCE])]
        each, whole = statistics.median(own for own, _total in mine), statistics.median(total for _own, total in mine)
        rows.append([name, f"{each:.1f} KiB", f"{whole / 1024:.0f} MiB", spread(ratios)])
    return table([f"memory at {CONNECTIONS} idle connections", "each", "the process", f"times {REFERENCE}'s"], rows)


def _grown(name: str, subject: Subject) -> tuple[float, float]:
    """(KiB that each connection added, KiB of the process). The kernel's own part, sockets and their buffers, is not in it."""
    try:
        _asked(subject.port).close()  # what is made for the first one only
        before = subject.pss_kib()
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(_asked(subject.port)) for _count in range(CONNECTIONS)]
            after = subject.pss_kib()
            for sock in socks:
                sock.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    raise Unable(f"{name} has closed idle connections ({len(sock.recv(100))} bytes before it did), so their memory is unknown")
    except OSError as error:
        raise Unable(f"{name} failed with {CONNECTIONS} idle connections: {error}") from error
    return (after - before) / CONNECTIONS, after


def _asked(port: int) -> socket.socket:
    """A connection on which one request was answered. Raises OSError."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=10)
    sock.sendall(f"GET /small HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    answer = b""
    while not answer.endswith(b"x" * 128):
        data = sock.recv(65536)
        if not data:
            sock.close()
            raise OSError(f"a connection was closed after {answer[:200]!r}")
        answer += data
    if not answer.startswith(b"HTTP/1.1 200 "):
        sock.close()
        raise OSError(f"the answer was {answer[:200]!r}")
    return sock


def allow_files(wanted: int) -> None:
    """Lets this process, and those that it starts, open so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard if hard == resource.RLIM_INFINITY else max(hard, wanted)))
        except (ValueError, PermissionError) as error:
            raise Unable(f"{CONNECTIONS} connections need {wanted} open files, and {hard} are allowed: raise that (ulimit -Hn, as root)") from error
