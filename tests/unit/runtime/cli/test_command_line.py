"""The command line as an operator types it: status, check and version, on nodes that run, that do not, and that are not as they should be."""

from __future__ import annotations

import copy
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tandem._model import HealthCheck, Server, to_stored
from tests.support.node import FLOATING, PAIR_KEY, PROGRAM, backend, free_port, frontend, pair, until

OLD_PYTHONS = [Path(sys.executable), *sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/3.9.*/bin/python3"))]


def status(node):
    """(exit status, what --json tells, the lines for people)."""
    told, shown = node.run("status", "--json"), node.run("status")
    assert told.stderr == shown.stderr == ""
    assert told.returncode == shown.returncode
    return told.returncode, json.loads(told.stdout), shown.stdout


def is_active_beside_a_standby(told, shown):
    """Whether both looks found the node active, its proxy told of it, and its peer on standby."""
    election = told["keepalive"]["load_balancers"]["edge"]
    peers = [peer["state"] for peer in election["peers"].values()]
    return (
        told["healthy"]
        and told["proxy"]["load_balancers"]["edge"]["active"]
        and (election["state"], peers) == ("active", ["standby"])
        and re.search(r"^load balancer edge: active .*\n(?:  .*\n)*?  peer .*: standby, ", shown, re.MULTILINE)
        and "problems" not in shown
    )


def is_healthy(node):
    return node.run("status").returncode == 0


@pytest.fixture
def two(nodes, shops):
    """Two nodes of one load balancer with one shop, both running and healthy: (lb-a, lb-b, what they hold, port)."""
    heartbeat, port = free_port(socket.SOCK_DGRAM), free_port()
    quick = HealthCheck(interval_ms=200, timeout_ms=200)
    things = [FLOATING, pair(heartbeat), backend(shops(), check=quick), frontend(port, addresses=())]
    made = [nodes("lb-a"), nodes("lb-b")]
    for node in made:
        node.store.write_secret(PAIR_KEY, "a-key-that-both-share")
        node.write(*things)
        assert node.run("manager", "start").returncode == 0
    until(lambda: all(is_healthy(node) for node in made))
    yield (*made, things, port)
    for node in made:
        assert node.run("manager", "stop").returncode == 0


def test_status_tells_of_a_pair_that_is_well_and_then_of_what_is_not(two):
    one, other, things, port = two
    # In one look each: on a machine that stands still for 300 ms the two change places, and rightly so.
    code, told, shown = until(lambda: next((seen for seen in map(status, (one, other)) if is_active_beside_a_standby(*seen[1:])), None))
    assert (code, told["healthy"], told["problems"]) == (0, True, [])
    assert told["proxy"]["frontends"]["edge/web"]["listening"] == [f"127.0.0.100:{port}"]
    for line in (
        rf"node {told['node']}: generation 1, digest [0-9a-f]{{12}}",
        r"  proxy      running \(process \d+, 1 workers\), generation 1, release checkout, acceleration none: .+",
        r"  keepalive  running \(process \d+\), generation 1, release checkout",
        r"load balancer edge: active for .*; role (master|backup), priority \d+",
        r"  peer lb-[ab]: standby, heard \d+ms ago, same document",
        r"  floating IP ip 127.0.0.100/8: held",
        rf"  frontend web: 127.0.0.100:{port}; 0 connections, 0 requests",
        r"  backend shop: 0 sessions",
        r"    s1 +127.0.0.1:\d+ +up +for .*: connected in \d+ ms; 0 sessions",
    ):
        assert re.search(f"^{line}$", shown, re.MULTILINE), (line, shown)
    assert "problems" not in shown

    # The other node is given another document.
    other.load(*things[:-1], frontend(port, addresses=(), max_connections=7))
    other.keepalive.load(other.generation)
    problem = 'load balancer "edge": peer lb-[ab] has another document: run the playbook on both nodes'
    until(lambda: not is_healthy(one) and not is_healthy(other))
    for node in (one, other):
        code, told, shown = status(node)
        assert re.fullmatch(problem, told["problems"][0]), told["problems"]
        assert "ANOTHER DOCUMENT" in shown
        assert re.search(f"^problems:\n  {problem}$", shown, re.MULTILINE)

    # A document on disk that nobody has loaded, a backend without a server, a document that is broken.
    one.load(*things[:2], backend(Server("dead", "127.0.0.1", free_port()), check=HealthCheck(type="tcp")), things[3])
    told = status(one)[1]
    assert 'backend "edge/shop": no server is up' in told["problems"]
    assert f"keepalive runs generation 1, but generation {one.generation} is on disk" in told["problems"]
    one.paths.desired.write_text("{")
    code, told, shown = status(one)
    assert (code, told["generation"], told["digest"]) == (1, None, None)
    assert told["proxy"]["ready"] is True
    assert "not JSON" in told["problems"][0]
    assert "digest unknown" in shown


def test_status_of_a_node_that_is_stopped_or_bare_says_so(node):
    for name in ("lb-a", ""):
        if not name:
            node.paths.node.unlink()
        code, told, shown = status(node)
        assert (code, told["healthy"], told["node"], told["generation"], told["proxy"], told["keepalive"]) == (1, False, name, 0, None, None)
        assert [problem.split(":")[0] for problem in told["problems"]] == ["proxy is not running", "keepalive is not running"]
        assert shown.startswith(f"node {name or '(without a name yet)'}: generation 0")
        assert "  proxy      not running\n  keepalive  not running\n" in shown


def check(node, path):
    told, shown = node.run("check", "--json", str(path)), node.run("check", str(path))
    assert told.stderr == shown.stderr == ""
    assert told.returncode == shown.returncode
    answer = json.loads(told.stdout)
    assert answer["ok"] is (told.returncode == 0)
    return told.returncode, answer, shown.stdout


def test_check_tells_what_is_wrong_with_a_document_without_using_it(node, shops):
    node.write(backend(shops()), frontend(80))
    good = node.paths.desired
    code, answer, shown = check(node, good)
    digest = node.store.read().digest
    assert (code, answer) == (0, {"ok": True, "problems": [], "generation": 1, "digest": digest})
    assert shown == f"{good}: generation 1, digest {digest[:12]}: no rule is broken.\n"
    node.write(frontend(80, backend="shopp"), frontend(443, "tls", backend="shop"))
    code, answer, shown = check(node, node.paths.desired)
    assert code == 1
    assert [problem.partition(",")[0] for problem in answer["problems"]] == [
        'frontend "edge/tls": default_backend is "shop"',
        'frontend "edge/web": default_backend is "shopp"',
    ]
    assert shown.splitlines() == answer["problems"]
    other = node.prefix / "other.json"
    for content, words in (
        (b"{", "it is not JSON"),
        (b"\xff\xfe", "it is not JSON"),
        (b"[" * 200_000, "it is not JSON"),
        (b"[]", "schema"),
        (b"", "not JSON"),
    ):
        other.write_bytes(content)
        code, answer, shown = check(node, other)
        assert (code, words in answer["problems"][0], words in shown) == (1, True, True), (content[:10], shown)
    assert "No such file" in check(node, node.prefix / "none.json")[1]["problems"][0]
    assert "Is a directory" in check(node, node.prefix)[1]["problems"][0]


@pytest.fixture
def pipe_signal():
    """The command line lets a broken pipe end its process, which here is pytest's."""
    before = signal.getsignal(signal.SIGPIPE)
    yield
    signal.signal(signal.SIGPIPE, before)


def test_no_change_to_a_document_makes_check_fail_in_another_way_than_with_words(shops, capsys, tmp_path, pipe_signal):
    """A thousand documents, each with one value or key that does not belong there; in this process, for speed."""
    from tandem.cli.main import main

    document = {"schema": 1, "generation": 1, "objects": {"floating_ips": {}, "load_balancers": {}, "backends": {}, "frontends": {}}}
    for thing in (FLOATING, pair(7694), backend(shops()), frontend(80)):
        document["objects"][thing.KIND][thing.key] = to_stored(thing)
    path, chance, outcomes = tmp_path / "document.json", random.Random(3), {0: 0, 1: 0}
    for _document in range(1000):
        broken = copy.deepcopy(document)
        place = broken
        while True:
            key = chance.choice(list(place) if isinstance(place, dict) else list(range(len(place))))
            if not isinstance(place[key], (dict, list)) or not place[key] or chance.random() < 0.15:
                break
            place = place[key]
        wrong = chance.choice([None, True, -1, 10**30, 1.5, "", "\0", "x" * 5000, [], {}, [[]], {"a": 1}, float("nan"), "::1", "300.1.1.1"])
        if chance.random() < 0.2 and isinstance(place, dict):
            place["new"] = place.pop(key)
        else:
            place[key] = wrong
        path.write_text(json.dumps(broken))
        outcomes[main(["check", str(path)])] += 1
        said = capsys.readouterr()
        assert said.out.strip(), broken
        assert said.err == ""
    assert min(outcomes.values()) > 20


def test_version_tells_release_python_and_acceleration(node):
    told = json.loads(node.run("version", "--json").stdout)
    assert set(told) == {"version", "release", "python", "acceleration"}
    assert (told["release"], told["python"]) == ("checkout", ".".join(str(part) for part in sys.version_info[:3]))
    shown = node.run("version")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert re.fullmatch(rf"tandem {told['version']}, release checkout, Python {told['python']}, acceleration: none: .+\n", shown.stdout)


def test_a_wrong_command_line_is_told_with_the_usage(node):
    for words in ((), ("statsu",), ("check",), ("status", "--jsno"), ("manager", "begin")):
        ran = node.run(*words)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert ran.stderr.startswith("usage: tandem ")
        assert "Traceback" not in ran.stderr


def test_a_reader_that_leaves_early_is_no_error(node):
    """As with head or less: here a pipe whose other end is closed already."""
    reader, writer = os.pipe()
    os.close(reader)
    ran = subprocess.run(node.command("status"), stdout=writer, stderr=subprocess.PIPE, text=True, timeout=20, check=False)
    os.close(writer)
    assert ran.stderr == ""
    assert ran.returncode in (1, -signal.SIGPIPE)


@pytest.mark.parametrize("python", [OLD_PYTHONS[-1]], ids=["the oldest found"])
def test_a_node_with_the_oldest_python_runs_and_tells(node, python):
    node.write()
    command = [str(python), "-I", str(PROGRAM), "--prefix", str(node.prefix)]

    def run(*words):
        return subprocess.run([*command, *words], env={**os.environ, "TANDEM_WORKERS": "1"}, capture_output=True, text=True, timeout=60, check=False)

    assert json.loads(run("version", "--json").stdout)["python"].startswith("3.")
    assert run("check", str(node.paths.desired)).returncode == 0
    node.store.write_secret(PAIR_KEY, "a-key-that-both-share")
    node.paths.desired.unlink()
    started = run("manager", "start")
    assert (started.returncode, started.stderr) == (0, "")
    told = json.loads(run("status", "--json").stdout)
    assert told["problems"] == []
    assert run("status").returncode == 0
    assert run("manager", "stop").returncode == 0
