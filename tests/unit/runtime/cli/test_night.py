"""What an operator types at night, on nodes that run: events, logs, top, what has changed, the way back, completion, and a bundle for a report."""

from __future__ import annotations

import io
import json
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading

import pytest

from tandem._accelerator import HOT
from tandem._model import Certificate, HealthCheck, LoadBalancer, Node, Observing, ObservingUser, Server
from tandem.cli import support_bundle
from tandem.cli.top import busiest, render
from tests.support.certificates import issued
from tests.support.node import ADDRESS, PAIR_KEY, PROGRAM, backend, free_port, frontend, get, occupied, pair, until

QUICK = HealthCheck(interval_ms=200, timeout_ms=200, fall=1, rise=1)


@pytest.fixture
def site(node, shops):
    """A proxy with two shops: (node, port, shops)."""
    two = [shops("one"), shops("two")]
    port = free_port()  # another than theirs
    node.start_proxy()
    node.load(backend(*two, check=QUICK), frontend(port))
    return node, port, two


def told(node, *words):
    run = node.run(*words, "--json")
    assert run.stderr == "", run.stderr
    return json.loads(run.stdout)


def texts(node, *words):
    return [(event["kind"], event["about"], event["text"]) for event in told(node, "events", *words)["events"]]


def test_events_tell_why_something_is_as_it_is_also_after_a_restart(site):
    node, _port, shops = site
    shops[1].close()
    until(lambda: any(kind == "server" and "down" in text for kind, _about, text in texts(node)))
    node.run("drain", "edge/shop/s1")
    (process,) = node.processes
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    kinds = [kind for kind, _about, _text in texts(node)]
    assert kinds[0] == "service" and kinds[-1] == "service"
    assert {"generation", "server", "operator"} <= set(kinds)
    assert [text for _kind, _about, text in texts(node, "edge/shop/s2", "--kind", "server")][-1].startswith("down: ")
    assert texts(node, "edge/shop/s1", "-n", "1")[0][2].startswith("set to drain by ")
    node.log.write_text("")
    node.start_proxy()
    until(lambda: [kind for kind, _about, text in texts(node, "--kind", "service")].count("service") == 3)
    lines = node.run("events").stdout.splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z  service     proxy: is ready, tandem .*", lines[0])


def test_events_of_nothing_are_none_and_of_files_that_may_not_be_read_an_error(node):
    run = node.run("events")
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "nothing is kept that fits\n")
    node.paths.events.mkdir(parents=True)
    assert node.run("events").returncode == 1


def test_top_shows_who_is_busy(site):
    node, port, _shops = site
    stop = threading.Event()

    def load():
        while not stop.is_set():
            get(port)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        found = told(node, "top", "--interval", "0.5")
    finally:
        stop.set()
        thread.join()
    assert found["frontends"][0]["frontend"] == "edge/web"
    assert found["frontends"][0]["requests_per_s"] > 1
    assert {row["server"] for row in found["servers"]} == {"edge/shop/s1", "edge/shop/s2"}
    assert sum(row["requests_per_s"] for row in found["servers"]) == pytest.approx(found["frontends"][0]["requests_per_s"], rel=0.2)
    shown = node.run("top", "--once", "--interval", "0.1").stdout
    assert "edge/shop/s1" in shown and "requests/s" in shown


def test_top_counts_from_nothing_what_began_anew_and_orders_by_rate():
    before = {"frontends": {"a": {"requests": 900}, "b": {"requests": 0}}, "backends": {}}
    after = {"frontends": {"a": {"requests": 10}, "b": {"requests": 100}, "c": {"requests": 20}}, "backends": {}}
    found = busiest(before, after, 10.0, 2)
    assert [(row["frontend"], row["requests_per_s"]) for row in found["frontends"]] == [("b", 10.0), ("c", 2.0)]
    assert render(found).splitlines()[0] == "of 10 s, the busiest first"


def test_status_is_watched_until_it_is_interrupted_and_the_last_look_counts(site, tmp_path):
    node, _port, _shops = site
    with (tmp_path / "shown").open("w") as shown:
        watching = subprocess.Popen(node.command("status", "--watch", "0.1"), stdout=shown)
    try:
        until(lambda: (tmp_path / "shown").read_text().count("node lb-a: ") >= 3)
        watching.send_signal(signal.SIGINT)
        assert watching.wait(20) == 1  # keepalive does not run
    finally:
        watching.kill()
        watching.wait()


def test_logs_show_the_ends_of_both_and_go_on(node, tmp_path):
    node.paths.log.mkdir(parents=True)
    (node.paths.log / "proxy.log").write_text("".join(f"info: proxy {number}\n" for number in range(300)))
    (node.paths.log / "keepalive.log").write_text("info: keepalive\n")
    lines = node.run("logs", "-n", "2").stdout.splitlines()
    assert lines == ["proxy     info: proxy 298", "proxy     info: proxy 299", "keepalive info: keepalive"]
    with (tmp_path / "shown").open("w") as shown:
        following = subprocess.Popen(node.command("logs", "--follow", "keepalive"), stdout=shown)
    try:
        until(lambda: (tmp_path / "shown").read_text() == "keepalive info: keepalive\n")
        with (node.paths.log / "keepalive.log").open("a") as log:
            log.write("info: later\n")
        until(lambda: (tmp_path / "shown").read_text().endswith("keepalive info: later\n"))
        following.send_signal(signal.SIGINT)
        assert following.wait(20) == 0
    finally:
        following.kill()
        following.wait()
    shutil.rmtree(node.paths.log)
    assert node.run("logs").returncode == 1


def test_what_changed_is_told_and_the_way_back_leads_through_the_same_checks(site, shops):
    node, port, two = site
    assert get(port)[0] == 200
    node.load(backend(two[0], Server("s9", ADDRESS, two[1].port), check=QUICK, balance="first"), frontend(port), frontend(free_port(), "extra"))
    assert [row["generation"] for row in told(node, "history")["generations"]] == [1, 2]
    differing = node.run("diff", "1", "--json")
    found = json.loads(differing.stdout)
    assert (differing.returncode, found["added"], found["removed"]) == (1, ['frontend "edge/extra"'], [])
    assert set(found["changed"]['backend "edge/shop"']) == {"balance", "servers"}
    assert 'balance: "roundrobin" -> "first"' in node.run("diff", "1").stdout
    assert node.run("diff", "2").returncode == 0
    assert node.run("diff", "7").returncode == 2
    foreseen = node.run("rollback", "1", "--check")
    assert (foreseen.returncode, node.proxy.status()["generation"]) == (0, 2)
    back = node.run("rollback", "1")
    assert (back.returncode, "The plays state the truth" in back.stderr) == (0, True)
    status = node.proxy.status()
    assert (status["generation"], list(status["frontends"])) == (3, ["edge/web"])
    assert node.run("diff", "1").stdout == "generations 1 and 3 state the same\n"
    assert get(port)[0] == 200


def test_a_way_back_that_is_none_changes_nothing(site):
    node, port, _two = site
    text = node.paths.desired.read_text()
    assert node.run("rollback", "9").returncode == 1
    node.store.write_secret(PAIR_KEY, "a-key-that-both-share")
    former = json.loads(text)
    former["objects"]["load_balancers"]["edge"]["heartbeat"].update(transport="udp", key="e" * 32)
    node.paths.history.mkdir(exist_ok=True)
    (node.paths.history / "desired-8.json").write_text(json.dumps({**former, "generation": 8}))
    lost = node.run("rollback", "8")
    assert (lost.returncode, 'load balancer "edge"' in lost.stderr) == (1, True)
    (node.paths.history / "desired-8.json").write_text("{")
    assert "cannot be read" in node.run("rollback", "8").stderr
    taken = json.loads(text)
    taken["objects"]["frontends"]["edge/web"]["port"] = free_port()
    (node.paths.history / "desired-8.json").write_text(json.dumps({**taken, "generation": 8}))
    with occupied(taken["objects"]["frontends"]["edge/web"]["port"]):
        refused = node.run("rollback", "8")
    assert (refused.returncode, "is taken" in refused.stderr) == (1, True), refused.stderr
    assert node.paths.desired.read_text() == text
    assert (node.proxy.status()["generation"], get(port)[0]) == (1, 200)


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        (["tandem", "ev"], {"events"}),
        (["tandem", "--prefix", "/x", "roll"], {"rollback"}),
        (["tandem", "explain", "--me"], {"--method"}),
        (["tandem", "logs", "keep"], {"keepalive"}),
        (["tandem", "completion", ""], {"bash", "zsh", "-h", "--help"}),
    ],
)
def test_bash_completes_what_there_is(node, line, offered):
    script = node.run("completion", "bash").stdout
    words = " ".join(f'"{word}"' for word in line)
    ask = f"{script}\nCOMP_WORDS=({words}); COMP_CWORD={len(line) - 1}; _tandem; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "--norc", "-c", ask], capture_output=True, text=True, check=False)
    assert (set(done.stdout.split()), done.stderr) == (offered, "")


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh (package zsh)")
def test_zsh_completes_what_there_is(node):
    script = node.run("completion", "zsh").stdout
    mocked = 'compdef() { :; }\n_files() { :; }\ncompadd() { shift; print -l -- "$@"; }\n'
    ask = f"{mocked}{script}\nwords=(tandem rollback --c); CURRENT=3; _tandem"
    done = subprocess.run(["zsh", "-f", "-c", ask], capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (["-h", "--help", "--check", "--json"], "")


def test_what_may_run_compiled_is_not_there_before_a_worker_asks_for_it():
    """A module that was imported as it is would stay as it is: an accelerator would be loaded for nothing."""
    hot = tuple(f"tandem.{place.replace('.py', '').replace('/', '.')}" for place in HOT)
    code = f"import sys; sys.path.insert(0, {str(PROGRAM.parents[1])!r}); import tandem.cli.main; print(*sorted(sys.modules))"
    imported = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "tandem.cli.main" in imported
    assert [name for name in imported if f"{name}.".startswith(tuple(f"{place}." for place in hot))] == []


HEARTBEAT, PASSWORD = "a-heartbeat-key-nobody-may-see", "a-password-nobody-may-see"


def test_a_bundle_has_what_helps_and_no_secret_wherever_it_stood(node, shops, tmp_path):
    made = issued("shop.test", ("shop.test",))
    mark, key = "key-" + "d" * 32, "key-" + "c" * 32
    edge = LoadBalancer(
        "edge",
        Node("lb-a", "127.0.0.11"),
        Node("lb-b", "127.0.0.12"),
        description=f"someone wrote {HEARTBEAT} here",
        observe=Observing(port=free_port(), users=(ObservingUser("anna", mark),)),
        heartbeat=pair(free_port()).heartbeat,
    )
    for name, secret in ((PAIR_KEY, HEARTBEAT), (mark, PASSWORD), (key, made.key)):
        node.store.write_secret(name, secret)
    node.start_proxy()
    node.load(edge, Certificate("edge", "shop", certificate=made.pem, private_key=key), backend(shops()), frontend(free_port()))
    node.paths.log.mkdir(parents=True)
    said = [
        "info: tandem-proxy is ready",
        f"warning: {PASSWORD} was tried",
        "warning: Authorization: Basic YW5uYTpzZWNyZXQtc2VjcmV0",
        "warning: cookie: session=0123456789",
        "warning: http://anna:hunter22@example.com/ was asked, with token=abcdef123456",
        '{"time":"2026-11-23T17:19:04.446Z","client":"198.51.100.77","method":"GET","target":"/?token=abcdef123456"}',
        '198.51.100.77 - - [23/Nov/2026:17:19:04 +0000] "GET /?q=private HTTP/1.1" 200 552',
        *made.key.splitlines(),
    ]
    (node.paths.log / "proxy.log").write_text("\n".join(said) + "\n")
    output = tmp_path / "bundle.tar.gz"
    run = node.run("support-bundle", "--output", str(output))
    assert (run.returncode, run.stdout.strip(), run.stderr) == (0, str(output), "")
    assert output.stat().st_mode & 0o777 == 0o600
    with tarfile.open(fileobj=io.BytesIO(output.read_bytes())) as archive:
        parts = {member.name.partition("/")[2]: archive.extractfile(member).read().decode() for member in archive.getmembers()}
    everything = "\n".join(parts.values())
    secrets = [
        HEARTBEAT,
        PASSWORD,
        *made.key.splitlines()[1:-1],
        "YW5uYTpzZWNyZXQtc2VjcmV0",
        "0123456789",
        "hunter22",
        "abcdef123456",
        "198.51.100.77",
    ]
    assert [secret for secret in secrets if secret in everything] == []
    assert {"about.json", "status.json", "events.jsonl", "files/desired.json", "logs/proxy.log", "system/sockets.txt"} <= set(parts)
    assert "info: tandem-proxy is ready" in parts["logs/proxy.log"]
    document = json.loads(parts["files/desired.json"])["objects"]["load_balancers"]["edge"]
    assert document["observe"]["users"] == [{"name": "anna", "password": mark}]  # whose fingerprints these are, helps
    assert json.loads(parts["status.json"])["proxy"]["generation"] == 1


def test_a_bundle_of_a_node_that_is_broken_is_one_too(node, tmp_path):
    node.paths.desired.write_text("{")
    output = tmp_path / "bundle.tar.gz"
    assert node.run("support-bundle", "--output", str(output)).returncode == 0
    assert output.exists()
    assert node.run("support-bundle", "--output", str(tmp_path / "nowhere/bundle")).returncode == 1


def test_what_looks_like_a_secret_is_masked_and_what_does_not_is_not():
    keep = ['"cookie_name": "shop"', '"type": "cookie",', '"password": "key-00112233445566778899aabbccddeeff"', "tokens are few", "http://a/b:c@d"]
    assert [text for text in keep if support_bundle.masked(text, []) != text] == []
    assert support_bundle.masked("Set-Cookie: a=b; Path=/\nnext", []) == "Set-Cookie: (secret)\nnext"
    assert support_bundle.masked('"api_key": "xyz"', []) == '"api_key": "(secret)"'
