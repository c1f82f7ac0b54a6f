"""A warm interpreter that forks: what a new process would first have to import, a run from here has already.

A run differs from a new process in nothing else: its code, environment, folder, umask and standard streams are its own, and it ends as Python ends.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from io import FileIO
from pathlib import Path

_REQUEST_BYTES_MAX = 1 << 17


class Warm:
    """The interpreter ``python`` with ``modules`` imported; those in ``cold`` are imported by each run itself. It ends with this process."""

    def __init__(self, python: str, modules: list[str], cold: list[str], path: Path) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
        with theirs:
            self._server = subprocess.Popen(
                [python, __file__, json.dumps({"modules": modules, "cold": cold})], stdin=theirs, env=environment, start_new_session=True
            )

    def run(self, code: str, *, given: str, env: Mapping[str, str], within_s: float) -> subprocess.CompletedProcess[str]:
        """Runs ``code`` as `python -c` would, with ``given`` as its input. Raises TimeoutExpired when it, or who has its output, goes on."""
        request = {"code": code, "env": dict(env), "folder": os.getcwd(), "umask": _umask()}
        with contextlib.ExitStack() as stack:
            pipes = [os.pipe() for _stream in ("input", "output", "errors", "process id, and its end")]
            # As files, since a number that is closed twice may be another thread's by then.
            feed = stack.enter_context(open(pipes[0][1], "wb", buffering=0))
            streams = [stack.enter_context(open(reading, "rb", buffering=0)) for reading, _writing in pipes[1:]]
            theirs = [pipes[0][0], *(writing for _reading, writing in pipes[1:])]
            try:
                socket.send_fds(self._control, [json.dumps(request).encode()], theirs)
            finally:
                for end in theirs:
                    os.close(end)
            output, errors = _talk(feed, streams, given.encode(), code, within_s)
        return subprocess.CompletedProcess(code, 0, output.decode(), errors.decode())


def _talk(feed: FileIO, streams: list[FileIO], given: bytes, code: str, within_s: float) -> tuple[bytes, bytes]:
    """Writes the input and reads the rest side by side, until all have ended."""
    told = dict.fromkeys(streams, b"")
    output, errors, process_id = streams
    deadline = time.monotonic() + within_s
    with selectors.DefaultSelector() as selector:
        os.set_blocking(feed.fileno(), False)
        selector.register(feed, selectors.EVENT_WRITE, feed)
        for stream in streams:
            selector.register(stream, selectors.EVENT_READ, stream)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                with contextlib.suppress(ValueError, ProcessLookupError):
                    os.kill(int(told[process_id]), signal.SIGKILL)
                raise subprocess.TimeoutExpired(code, within_s, told[output], told[errors])
            for stream in [key.data for key, _events in ready]:
                if stream is feed:
                    with contextlib.suppress(BrokenPipeError):
                        given = given[feed.write(given) or 0 :]
                        if given:
                            continue
                    selector.unregister(feed)
                    feed.close()
                elif piece := stream.read(1 << 16):
                    told[stream] += piece
                else:
                    selector.unregister(stream)
    return told[output], told[errors]


def _umask() -> int:
    """os.umask would have to change it, for all threads."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("Umask:")[2].split()[0], 8)


def serve(control: socket.socket) -> str:
    """Forks for each request; returns its code in the process that is to run it. Ends with who asks."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for runs: their end closes a pipe
    gc.collect()
    gc.freeze()
    while True:
        request, ends, _flags, _address = socket.recv_fds(control, _REQUEST_BYTES_MAX, 4)
        if not request:
            os._exit(0)
        if os.fork() == 0:
            break
        for end in ends:
            os.close(end)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    wanted = json.loads(request)
    os.chdir(wanted["folder"])
    os.umask(wanted["umask"])
    os.environ.clear()
    os.environ.update(wanted["env"])
    for stream, end in enumerate(ends[:3]):
        os.dup2(end, stream)
        os.close(end)
    os.write(ends[3], str(os.getpid()).encode())
    os.set_inheritable(ends[3], False)
    return wanted["code"]


def _warm_up(modules: list[str], cold: list[str]) -> None:
    for name in modules:
        importlib.import_module(name)
    for name in cold:
        if sys.modules.pop(name, None) is not None:
            package, _dot, last = name.rpartition(".")
            if package:
                delattr(sys.modules[package], last)


if __name__ == "__main__":
    _warm_up(**json.loads(sys.argv[1]))
    del sys.path[0], sys.argv[1:]
    _listening = socket.socket(fileno=os.dup(0))
    with open(os.devnull) as _nothing:
        os.dup2(_nothing.fileno(), 0)
    sys.argv[0] = "-c"
    exec(compile(serve(_listening), "<string>", "exec"), {"__name__": "__main__"})
