"""Checks by a script: how it ends decides; as whom it runs, what it is told, and which programs are not run at all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import pytest

from tandem._model import HealthCheck
from tandem._programs import NOBODY, NotRun, trusted
from tandem.checks.probe import Target, probe
from tandem.checks.script import Checked, Scripts
from tests.support.node import alive
from tests.support.waiting import until

CHECKED = Checked("edge/shop", "s1", "192.0.2.21", 8080)


@pytest.fixture
def folder():
    """One whose parents nobody else can change, which pytest's own need not be."""
    made = Path(tempfile.mkdtemp(prefix="tandem-script-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def script(folder, text, mode=0o755, name="check"):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(mode)
    return path


def result(path, timeout_ms=5000):
    check = HealthCheck(type="script", script=str(path), timeout_ms=timeout_ms)
    return asyncio.run(probe(Target("192.0.2.21", 8080, check, backend="edge/shop", name="s1")))


def test_exit_status_0_passes_and_no_other_end_does(folder):
    for text, passes, words in (
        ("exit 0", True, "exit status 0 in "),
        ("echo all is well; echo really", True, 'exit status 0: "all is well\\nreally" in '),
        ("echo no >&2; exit 3", False, 'exit status 3: "no" in '),
        ("kill -9 $$", False, "ended by SIGKILL in "),
    ):
        passed, said = result(script(folder, text))
        assert passed == passes
        assert said.startswith(words), said


def test_a_script_is_told_what_haproxy_tells_and_nothing_of_the_service(folder, monkeypatch):
    monkeypatch.setenv("TANDEM_SECRET", "x")
    told = folder / "told"
    told.touch()
    told.chmod(0o666)
    passed, said = result(script(folder, f'(echo "$@"; env; pwd; id -u; cat) >{told}'))
    assert passed, said
    lines = told.read_text().splitlines()
    assert lines[0] == "NOT_USED NOT_USED 192.0.2.21 8080"
    names = {line.partition("=")[0] for line in lines if "=" in line} - {"PWD", "OLDPWD", "SHLVL", "_"}
    assert names == {
        "PATH",
        "LC_ALL",
        "TANDEM_LOAD_BALANCER",
        "TANDEM_TIMEOUT_MS",
        *(f"HAPROXY_PROXY_{word}" for word in ("NAME", "ADDR", "PORT")),
        *(f"HAPROXY_SERVER_{word}" for word in ("NAME", "ADDR", "PORT")),
    }
    assert {"HAPROXY_PROXY_NAME=shop", "HAPROXY_SERVER_NAME=s1", "HAPROXY_SERVER_ADDR=192.0.2.21", "HAPROXY_SERVER_PORT=8080"} <= set(lines)
    place, uid = lines[-2:]
    assert place == "/"
    assert uid == str(os.geteuid() or NOBODY)  # never root


def test_a_script_that_takes_too_long_is_ended_with_all_that_it_has_started(folder):
    pids = folder / "pids"
    pids.touch()
    pids.chmod(0o666)
    began = time.monotonic()
    passed, said = result(script(folder, f"echo begun; sleep 60 & echo $! >{pids}; echo $$ >>{pids}; trap '' TERM; wait"), timeout_ms=500)
    assert (passed, said) == (False, 'the script did not end within 500 ms: "begun"')
    assert time.monotonic() - began < 8
    started = [int(pid) for pid in pids.read_text().split()]
    assert len(started) == 2
    until(lambda: not any(map(alive, started)))
    # What one that has ended leaves running goes too.
    assert result(script(folder, f"sleep 60 & echo $! >{pids}"))[0]
    until(lambda: not alive(int(pids.read_text())))


def test_a_script_that_floods_is_read_and_only_its_beginning_is_kept(folder):
    passed, said = result(script(folder, "head -c 3000000 /dev/zero | tr '\\0' x; exit 1"))
    assert not passed
    assert said.startswith("exit status 1: ")
    assert len(said) < 250


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "none", "cannot be run: No such file or directory"),
        (lambda folder: folder, "is not a file"),
        (lambda folder: script(folder, "exit 0", 0o644), "the account that runs it may not execute it"),
        (lambda folder: script(folder, "exit 0", 0o775), "can be changed by others than root and the account that runs it"),
        (lambda folder: script(folder, "exit 0", 0o757), "can be changed by others"),
        (lambda folder: (folder.chmod(0o777), script(folder, "exit 0"))[1], "can be changed by others"),
    ],
    ids=["none", "a folder", "not executable", "of a group", "of all", "in a folder of all"],
)
def test_a_script_that_others_may_write_or_that_cannot_be_executed_is_not_run(folder, make, words):
    passed, said = result(make(folder))
    assert not passed
    assert words in said


def why_not(path, uid):
    try:
        assert trusted(str(path), uid) == os.path.realpath(path)
    except NotRun as why:
        return str(why)
    return ""


def test_a_link_is_followed_once_and_must_lie_where_nobody_else_could_put_another(folder):
    real, links = script(folder, "echo ran"), folder / "links"
    links.mkdir()
    link = links / "check"
    link.symlink_to(real)
    assert result(link)[0]
    links.chmod(0o777)
    passed, said = result(link)
    assert not passed
    assert f"{links} can be changed by others" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file to somebody else")
def test_whose_a_script_may_be(folder):
    path = script(folder, "exit 0", 0o700)
    assert "may not execute it" in why_not(path, NOBODY)
    os.chown(path, NOBODY, NOBODY)
    assert why_not(path, NOBODY) == ""
    os.chown(path, 12345, 12345)
    assert "can be changed by others" in why_not(path, NOBODY)
    os.chown(path, 0, NOBODY)
    path.chmod(0o750)
    assert why_not(path, NOBODY) == ""
    link = folder / "link"
    link.symlink_to(path)  # it is what it leads to
    assert why_not(link, NOBODY) == ""


def test_a_script_whose_interpreter_is_missing_says_so(folder):
    path = folder / "check"
    path.write_text("#!/nowhere/at/all\n")
    path.chmod(0o755)
    passed, said = result(path)
    assert not passed
    assert said.endswith("cannot be run: No such file or directory")


def test_no_more_scripts_run_at_a_time_than_may_and_the_others_wait_without_losing_their_time(folder):
    running = folder / "running"
    running.mkdir(mode=0o777)
    running.chmod(0o777)
    path = script(folder, f"touch {running}/$$; until [ -e {folder}/go ]; do sleep 0.05; done; rm {running}/$$")
    check = HealthCheck(type="script", script=str(path), timeout_ms=20_000)

    async def scenario():
        scripts = Scripts(at_once=2)
        results = [asyncio.ensure_future(scripts.run(check, CHECKED)) for _script in range(5)]
        seen = set()
        for _look in range(2000):
            await asyncio.sleep(0.01)
            seen.add(len(list(running.iterdir())))
            if 2 in seen:
                break
        (folder / "go").touch()
        assert all(passed for passed, _said in await asyncio.gather(*results))
        assert max(seen) == 2

    asyncio.run(scenario())


def test_a_check_that_is_cancelled_leaves_neither_a_program_nor_a_descriptor(folder):
    pids = folder / "pids"
    pids.touch()
    pids.chmod(0o666)
    path = script(folder, f"echo $$ >{pids}; sleep 60")

    async def scenario():
        before = len(os.listdir("/proc/self/fd"))
        check = asyncio.ensure_future(Scripts().run(HealthCheck(type="script", script=str(path), timeout_ms=60_000), CHECKED))
        while not pids.read_text():
            await asyncio.sleep(0.01)
        check.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await check
        pid = int(pids.read_text())
        for _look in range(500):
            if not alive(pid) and len(os.listdir("/proc/self/fd")) <= before:
                return
            await asyncio.sleep(0.01)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        raise AssertionError("something is left")

    asyncio.run(scenario())
