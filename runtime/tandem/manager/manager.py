"""Starts proxy and keepalive in one process group, and forward where there is something for it to do; starts again what dies, and stops all in order.

Nothing is ever signalled that is not the very process that a pid file names.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from .._client import Client, NotRunning, Refused
from .._paths import Paths
from .._process import recorded, start_time, write_pid_file
from ..release import program_command

SERVICES = ("proxy", "forward", "keepalive")
_START_S = 20.0
_ANSWER_S = 10.0  # the status of a large document takes a while
_LOCK_S = 2.0
_STOP_S = {"keepalive": 5.0, "forward": 10.0, "proxy": 10.0}
_WANTED_S = 0.25  # between two looks whether forward is wanted, while it is not
_BACKOFF_MIN_S, _BACKOFF_MAX_S, _LIFE_S = 0.05, 5.0, 10.0
_LOG_BYTES_MAX = 10 * 1024 * 1024
_POLL_S = 0.02


def main(paths: Paths, action: str) -> int:
    return {"run": run, "start": start, "stop": stop, "status": status, "wait": wait}[action](paths)


def start(paths: Paths) -> int:
    """Starts the manager in the background and returns when both answer, the proxy with workers; 1, with the end of their logs, when they do not."""
    if recorded(paths.manager_pid) is not None:
        return _wait_until_answering(paths, None)
    try:
        paths.log.mkdir(mode=0o755, parents=True, exist_ok=True)
        with open(paths.log / "manager.log", "ab") as log:
            command = [*program_command(), "--prefix", paths.prefix, "manager", "run"]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/")
    except OSError as error:
        print(f"error: the manager cannot be started: {error}", file=sys.stderr)
        return 1
    return _wait_until_answering(paths, process)


def wait(paths: Paths) -> int:
    """Returns when both services answer, the proxy with workers, whoever started them."""
    return _wait_until_answering(paths, None)


def stop(paths: Paths) -> int:
    """Stops the manager and with it the services, also those that a killed manager left behind; returns when they have ended."""
    try:
        pid = recorded(paths.manager_pid)
        if pid is not None and not _stop_manager(paths, pid):
            return 1
        _end_leftovers(paths)
    except PermissionError:
        print(f"error: the services below {paths.prefix} are another user's. Run this as that user, or as root.", file=sys.stderr)
        return 1
    return 0


def _stop_manager(paths: Paths, pid: int) -> bool:
    deadline = time.monotonic() + sum(_STOP_S.values()) + 5
    with contextlib.suppress(ProcessLookupError, FileNotFoundError, ValueError):  # it has ended
        started = start_time(pid)
        os.kill(pid, signal.SIGTERM)
        while start_time(pid) == started:
            if time.monotonic() > deadline:
                print(f"error: the manager (process {pid}) has not stopped in time; see {paths.log / 'manager.log'}", file=sys.stderr)
                return False
            time.sleep(_POLL_S)
    return True


def status(paths: Paths) -> int:
    pid = recorded(paths.manager_pid)
    print(json.dumps({"running": pid is not None, "pid": pid}))
    return 0 if pid is not None else 1


def run(paths: Paths) -> int:
    """The manager itself, in the foreground."""
    try:
        paths.run.mkdir(mode=0o755, parents=True, exist_ok=True)
        folder = os.open(paths.run, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        print(f"error: the manager cannot use {paths.run}: {error.strerror}", file=sys.stderr)
        return 1
    try:
        if not _locked(folder, paths):
            print(f"error: another manager runs (see {paths.manager_pid}); stop it first (tandem manager stop)", file=sys.stderr)
            return 1
        return _Manager(paths).run()
    except OSError as error:
        print(f"error: the manager cannot go on: {error}", file=sys.stderr)
        return 1
    finally:
        os.close(folder)


def _locked(folder: int, paths: Paths) -> bool:
    """Takes the lock that a manager holds for life: of two that start at once, both would find no pid file. Waits for one that is just ending."""
    deadline = time.monotonic() + _LOCK_S
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if recorded(paths.manager_pid) is not None or time.monotonic() > deadline:
                return False
        time.sleep(_POLL_S)


@dataclass
class _Child:
    name: str
    process: Optional[subprocess.Popen[bytes]] = None
    began: float = 0.0
    due: float = 0.0  # when it is to be started again
    backoff_s: float = 0.0


class _Manager:
    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._children = {name: _Child(name) for name in SERVICES}

    def run(self) -> int:
        _end_leftovers(self._paths)
        write_pid_file(self._paths.manager_pid, os.getpid())
        # Blocked and waited for, so that no signal is lost between a look at the children and the wait; the services unblock them at their start.
        signals = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        asked = None
        try:
            while asked is None or asked.si_signo == signal.SIGCHLD:
                for child in self._children.values():
                    self._tend(child)
                    _bound_log(self._log(child.name))
                _bound_log(self._log("manager"))
                asked = signal.sigtimedwait(signals, self._nap_s())
        finally:
            self._stop_all()
            self._paths.manager_pid.unlink(missing_ok=True)
        return 0

    def _nap_s(self) -> float:
        now = time.monotonic()
        idle = [child for child in self._children.values() if child.process is None]
        return min([max(0.0, child.due - now) if self._wants(child) else _WANTED_S for child in idle] + [1.0])

    def _wants(self, child: _Child) -> bool:
        return child.name != "forward" or self._paths.forward_wanted.exists()

    def _tend(self, child: _Child) -> None:
        now = time.monotonic()
        if child.process is not None:
            ended = child.process.poll()
            if ended is None:
                return
            if self._wants(child):
                self._put_off(child, now, f"ended unasked (status {ended})")
            child.process = None
        if now >= child.due and self._wants(child):
            try:
                self._launch(child, now)
            except OSError as error:
                self._put_off(child, now, f"cannot be started ({error})")

    def _put_off(self, child: _Child, now: float, why: str) -> None:
        long_life = child.process is not None and now - child.began > _LIFE_S
        child.backoff_s = _BACKOFF_MIN_S if long_life else min(max(child.backoff_s * 2, _BACKOFF_MIN_S), _BACKOFF_MAX_S)
        child.due, child.process = now + child.backoff_s, None
        print(f"error: {child.name} {why}; it is started again in {child.backoff_s:g} s", file=sys.stderr, flush=True)

    def _launch(self, child: _Child, now: float) -> None:
        self._paths.log.mkdir(mode=0o755, parents=True, exist_ok=True)
        command = [*program_command(), "--prefix", self._paths.prefix, child.name]
        with open(self._log(child.name), "ab") as log:
            child.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        child.began = now
        try:
            write_pid_file(_pid_file(self._paths, child.name), child.process.pid)
        except (OSError, ValueError) as error:  # a full disk, or it has ended already: neither may end the others
            print(f"warning: {child.name} (process {child.process.pid}) is not written down: {error}", file=sys.stderr, flush=True)

    def _stop_all(self) -> None:
        """keepalive first, which hands the floating IPs over; forward, which takes its table away; then the proxy, which lets its clients finish."""
        for name in reversed(SERVICES):
            child = self._children[name]
            if child.process is not None:
                _end(child.process.pid, _STOP_S[name], child.process)
            _pid_file(self._paths, name).unlink(missing_ok=True)

    def _log(self, name: str) -> Path:
        return self._paths.log / f"{name}.log"


def _end_leftovers(paths: Paths) -> None:
    """Services of a manager that was killed: they go before new ones come. Raises PermissionError."""
    for name in reversed(SERVICES):
        pid = recorded(_pid_file(paths, name))
        if pid is not None:
            print(f"warning: {name} (process {pid}) was left over from a former manager and is stopped", file=sys.stderr, flush=True)
            _end(pid, _STOP_S[name], None)
        _pid_file(paths, name).unlink(missing_ok=True)


def _pid_file(paths: Paths, name: str) -> Path:
    return paths.run / f"{name}.pid"


def _end(pid: int, within_s: float, child: Optional[subprocess.Popen[bytes]]) -> None:
    """SIGTERM, and SIGKILL for one that does not end in time."""
    try:
        started = start_time(pid)
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + within_s
        while (child.poll() is None) if child is not None else (start_time(pid) == started):
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                print(f"warning: process {pid} did not stop within {within_s:g} s and was killed", file=sys.stderr, flush=True)
                break
            time.sleep(_POLL_S)
        if child is not None:
            child.wait()
    except PermissionError:
        raise
    except (OSError, ValueError):
        return  # it has ended


def _bound_log(log: Path) -> None:
    """Keeps a log and one former part, so that a busy access log cannot fill the disk. The services write with O_APPEND, so truncating is safe."""
    try:
        if log.exists() and log.stat().st_size > _LOG_BYTES_MAX:
            shutil.copyfile(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)
    except OSError as error:
        print(f"warning: {log}: cannot be shortened: {error.strerror}", file=sys.stderr, flush=True)


def _wait_until_answering(paths: Paths, process: Optional[subprocess.Popen[bytes]]) -> int:
    deadline = time.monotonic() + _START_S
    waiting = {"proxy": paths.proxy_socket, "keepalive": paths.keepalive_socket}
    while waiting:
        # A manager writes itself down once what a former one left is gone; until then it would be the leftovers that answer.
        up = process is None or recorded(paths.manager_pid) is not None
        for name, path in list(waiting.items()) if up else ():
            try:
                told = Client(path, _ANSWER_S).status()
            except (NotRunning, Refused):
                continue
            if told.get("workers") != []:  # without any it does not serve yet, and cannot say what they run
                del waiting[name]
        # One that ended because another was started at the same moment leaves the waiting to us.
        ended = process is not None and process.poll() is not None and recorded(paths.manager_pid) is None
        if waiting and (time.monotonic() > deadline or ended):
            why = "the manager has ended" if ended else f"{' and '.join(waiting)} did not answer within {_START_S:g} s"
            print(f"error: {why}", file=sys.stderr)
            for name in (*waiting, "manager"):
                print(_last_lines(paths.log / f"{name}.log"), file=sys.stderr)
            return 1
        if waiting:
            time.sleep(_POLL_S)
    return 0


def _last_lines(log: Path) -> str:
    try:
        return "\n".join([f"{log}:", *(f"  {line}" for line in log.read_text(errors="replace").splitlines()[-10:])])
    except OSError:
        return f"{log}: nothing was written"
