"""The process manager with real services: start, status, stop, crashes, leftovers, and what it must never signal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tandem.manager import manager
from tests.support.node import alive, children, until


def recorded(node, name):
    """The process that a pid file of the node names, if it lives."""
    return manager.recorded(node.paths.run / f"{name}.pid")


def processes(node):
    return {name: recorded(node, name) for name in ("manager", "proxy", "keepalive")}


def family(node):
    """All that lives of a node, workers too."""
    found = [pid for pid in processes(node).values() if pid]
    for pid in found:
        found += [child for child in children(pid) if child not in found]
    return found


@pytest.fixture
def managed(node):
    """A node whose manager runs; at the end nothing of it may live."""
    started = node.run("manager", "start")
    assert (started.returncode, started.stderr) == (0, "")
    yield node
    seen = family(node)
    node.run("manager", "stop")
    try:
        assert [pid for pid in seen if alive(pid)] == []
        logs = "".join(log.read_text(errors="replace") for log in node.paths.log.glob("*.log"))
        assert "Traceback" not in logs, logs
    finally:
        for pid in seen:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


def test_start_status_wait_and_stop(node):
    assert node.run("manager", "status").stdout == '{"running": false, "pid": null}\n'
    assert node.run("manager", "status").returncode == 1
    assert node.run("manager", "stop").returncode == 0
    assert node.run("manager", "start").returncode == 0
    running = processes(node)
    assert None not in running.values()
    status = node.run("manager", "status")
    assert (status.returncode, status.stdout) == (0, f'{{"running": true, "pid": {running["manager"]}}}\n')
    for again in ("start", "wait"):
        ran = node.run("manager", again)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    second = node.run("manager", "run")
    assert (second.returncode, second.stderr) == (
        1,
        f"error: another manager runs (see {node.paths.manager_pid}); stop it first (tandem manager stop)\n",
    )
    assert processes(node) == running
    whole = family(node)
    assert len(whole) == 4
    assert node.run("manager", "stop").returncode == 0
    assert [pid for pid in whole if alive(pid)] == []
    assert sorted(path.name for path in node.paths.run.iterdir()) == []
    # keepalive first, which hands the floating IPs over
    assert os.stat(node.paths.log / "keepalive.log").st_mtime_ns < os.stat(node.paths.log / "proxy.log").st_mtime_ns
    assert "ended unasked" not in (node.paths.log / "manager.log").read_text()


def test_a_proxy_that_answers_is_waited_for_until_it_has_workers(node, monkeypatch):
    told = {node.paths.proxy_socket: iter([{"workers": []}, {"workers": []}, {"workers": [{"pid": 7}]}]), node.paths.keepalive_socket: iter([{}])}

    class Telling:
        """Stands in for the services: real ones are in this moment for too short a time to be met in it."""

        def __init__(self, path, _timeout_s):
            self.status = lambda: next(told[path])

    monkeypatch.setattr(manager, "Client", Telling)
    monkeypatch.setattr(manager, "_POLL_S", 0.0)
    assert manager.wait(node.paths) == 0
    assert [list(left) for left in told.values()] == [[], []]


def test_of_managers_that_start_in_one_moment_one_runs_and_all_who_asked_are_content(node):
    starts = [node.start("manager", "start") for _start in range(4)]
    assert [start.wait(30) for start in starts] == [0, 0, 0, 0], node.log.read_text()
    proxies = [pid for pid in os.listdir("/proc") if pid.isdigit() and _is_manager_of(node, pid)]
    assert proxies == [str(recorded(node, "manager"))]
    assert node.run("manager", "stop").returncode == 0


def _is_manager_of(node, pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as line:
            words = line.read().decode().split("\0")
    except OSError:
        return False
    return str(node.prefix) in words and "manager" in words and "run" in words


def test_what_dies_is_started_again_after_pauses_that_grow(managed):
    for service in ("proxy", "keepalive"):
        for _kill in range(3):
            pid = recorded(managed, service)
            os.kill(pid, signal.SIGKILL)
            until(lambda pid=pid, service=service: recorded(managed, service) not in (None, pid))
    assert managed.run("manager", "wait").returncode == 0
    said = (managed.paths.log / "manager.log").read_text()
    for service in ("proxy", "keepalive"):
        pauses = re.findall(rf"error: {service} ended unasked \(status -9\); it is started again in ([0-9.]+) s", said)
        assert pauses == ["0.05", "0.1", "0.2"]


class Life:
    """A child as the manager tends it, whose process ends when told."""

    def __init__(self):
        self.ended = None

    def poll(self):
        return self.ended


def test_the_pause_is_bounded_and_begins_anew_after_a_long_life(node, capsys):
    tended = manager._Manager(node.paths)
    child, now, pauses = manager._Child("proxy"), 100.0, []
    for lived in (0.1,) * 9 + (11.0, 0.1):
        child.process, child.began = Life(), now - lived
        tended._put_off(child, now, "ended")
        pauses.append(child.backoff_s)
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 0.05, 0.1]
    assert capsys.readouterr().err.count("error: proxy ended; it is started again in") == 11


@pytest.mark.parametrize("then", ["start", "stop"])
def test_what_a_killed_manager_left_is_ended_by_the_next_start_or_stop(node, then):
    assert node.run("manager", "start").returncode == 0
    before = family(node)
    os.kill(recorded(node, "manager"), signal.SIGKILL)
    until(lambda: recorded(node, "manager") is None)
    assert len([pid for pid in before if alive(pid)]) == 3  # the services and a worker go on, and clients with them
    assert node.run("manager", "status").returncode == 1
    ran = node.run("manager", then)
    assert ran.returncode == 0, ran.stderr
    assert [pid for pid in before if alive(pid)] == []
    if then == "start":
        assert None not in processes(node).values()
        assert node.proxy.status()["pid"] == recorded(node, "proxy")
        assert (node.paths.log / "manager.log").read_text().count("was left over from a former manager and is stopped") == 2
    else:
        assert ran.stderr.count("was left over from a former manager and is stopped") == 2
    assert node.run("manager", "stop").returncode == 0


def test_a_pid_file_that_names_another_process_by_now_is_not_believed(node):
    """Ids are used again: the start time tells that this is not the one that was written down."""
    node.paths.run.mkdir(parents=True)
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        for name in ("manager", "proxy", "keepalive"):
            (node.paths.run / f"{name}.pid").write_text(f"{bystander.pid} 12345\n")
        assert node.run("manager", "status").returncode == 1
        assert node.run("manager", "stop").returncode == 0
        for wrong in ("", "x", f"{bystander.pid}", "-1 0", "99999999999999999999 1", "\0\xff", f"{bystander.pid} x y z"):
            (node.paths.run / "manager.pid").write_text(wrong)
            assert node.run("manager", "stop").returncode == 0 if wrong == "\0\xff" else recorded(node, "manager") is None
        assert node.run("manager", "start").returncode == 0
        assert node.run("manager", "stop").returncode == 0
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.parametrize("kin", [True, False], ids=["a child", "left over"])
def test_a_service_that_does_not_stop_in_its_time_is_killed(capsys, kin):
    stubborn = subprocess.Popen(
        [sys.executable, "-c", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"], stdout=-1
    )
    assert stubborn.stdout and stubborn.stdout.readline()
    began = time.monotonic()
    manager._end(stubborn.pid, 0.3, stubborn if kin else None)
    assert stubborn.wait(5) == -signal.SIGKILL
    assert 0.3 < time.monotonic() - began < 3
    stubborn.stdout.close()
    assert f"process {stubborn.pid} did not stop within 0.3 s and was killed" in capsys.readouterr().err


def test_logs_are_bounded_with_the_former_part_kept(node, monkeypatch, capsys):
    monkeypatch.setattr(manager, "_LOG_BYTES_MAX", 1000)
    log = node.prefix / "some.log"
    with log.open("ab", buffering=0) as writing:
        for line in range(100):
            writing.write(b"line %02d ----------------------------\n" % line)
            manager._bound_log(log)
            assert log.stat().st_size <= 1000
            lines = [*log.with_suffix(".log.1").read_text().splitlines()] if log.with_suffix(".log.1").exists() else []
            assert [*lines, *log.read_text().splitlines()][-1].startswith(f"line {line:02} ")
    assert len(lines) > 20
    manager._bound_log(node.prefix / "none.log")
    assert capsys.readouterr().err == ""


def test_a_manager_that_cannot_work_says_why(node):
    """Where a file lies in the place of a folder: no start, no run, no traceback."""
    node.paths.run.parent.mkdir(parents=True)
    node.paths.run.write_text("")
    for action, words in (("run", f"error: the manager cannot use {node.paths.run}: File exists"), ("start", "error: the manager has ended")):
        ran = node.run("manager", action)
        assert ran.returncode == 1
        assert ran.stderr.startswith(words)
        assert "Traceback" not in ran.stderr
    node.paths.run.unlink()
    for log in node.paths.log.iterdir():
        log.unlink()
    node.paths.log.rmdir()
    node.paths.log.write_text("")
    ran = node.run("manager", "start")
    assert (ran.returncode, ran.stderr.startswith("error: the manager cannot be started: ")) == (1, True), ran.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a process of another user")
def test_the_services_of_another_user_are_not_stopped_but_told_of(managed):
    code = "import os, runpy, sys; sys.path.insert(0, sys.argv[1]); from tandem.manager import manager; from tandem._paths import Paths; "
    code += "os.setuid(65534); sys.exit(manager.stop(Paths(sys.argv[2])))"
    for folder in (managed.prefix, *list(managed.prefix.parents)[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    runtime = str(manager.__file__).rpartition("/tandem/")[0]
    ran = subprocess.run([sys.executable, "-c", code, runtime, str(managed.prefix)], capture_output=True, text=True, timeout=20, check=False)
    assert (ran.returncode, ran.stderr) == (1, f"error: the services below {managed.prefix} are another user's. Run this as that user, or as root.\n")
    assert None not in processes(managed).values()
