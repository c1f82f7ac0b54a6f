"""An HTTPS site on hosts, as docs/how-to/https.md has it: what curl, a browser and clients under load get of it, and where its keys are."""

from __future__ import annotations

import hashlib
import re
import subprocess
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from tests.lab.browser import NEEDED, Browser
from tests.lab.https_site import CHANGES, NAMES, PIPELINING, PORT, HttpsSite
from tests.lab.layout import NODES, SERVERS
from tests.lab.machines import ensure_packages
from tests.lab.test_failover import settled
from tests.support.certificates import issued
from tests.support.waiting import until

LOAD = Path(__file__).with_name("tls_load.py")
ACCOUNTS = ("tandem-proxy", "tandem-keepalive")
KEYS = "/etc/tandem/keys"
# Every file but the kernel's own.
SEARCH = "find / -mindepth 1 -maxdepth 1 ! -path /proc ! -path /sys -exec grep --recursive --text --fixed-strings --files-with-matches --file=- {} +"


@pytest.fixture(scope="module", autouse=True)
def clients(request):
    """What asks here, beside the tests' own clients."""
    ensure_packages(request.config.pluginmanager.get_plugin("terminalreporter").write_line, {**NEEDED, "curl": "curl"})


@pytest.fixture(scope="module")
def site(clients, pair, tmp_path_factory):
    settled(pair)
    with HttpsSite(pair, tmp_path_factory.mktemp("https")) as made:
        yield made


def curl(site, url, *arguments):
    """(curl's exit status, the heads of all answers and the last body)."""
    command = ["curl", "--silent", "--include", "--max-time", "10", *arguments, url]
    for host in (*NAMES.values(), "other.example.com"):
        command += ["--resolve", f"{host}:80:{site.pair.address}", "--resolve", f"{host}:{PORT}:{site.pair.address}"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.returncode, run.stdout


def trusting(site):
    return "--cacert", str(site.folder / "authority.pem")


def fingerprint(made):
    return hashlib.sha256(made.x509.public_bytes(serialization.Encoding.DER)).hexdigest()


def processes(pair, node, account):
    """The process ids of all that runs under this account."""
    command = f'grep --files-with-matches --perl-regexp "^Uid:\\t$(id -u {account})\\t" /proc/[0-9]*/status'
    return sorted(path.split("/")[2] for path in pair.hosts.run(node, command, sudo=True).stdout.split())


def test_five_tasks_make_the_site_and_find_nothing_to_change_afterwards(site):
    assert site.checked.total("changed") == site.applied.total("changed") == len(NODES) * CHANGES
    assert site.play("-e", PIPELINING).total("changed") == 0


def test_curl_gets_each_name_with_its_certificate_is_sent_on_from_port_80_and_told_to_come_by_https(site):
    for host in NAMES.values():
        status, answer = curl(site, f"https://{host}/cart?x=1", *trusting(site))
        assert status == 0
        assert answer.startswith("HTTP/1.1 200 ")
        assert "\nstrict-transport-security: max-age=300\n" in answer.lower()
        status, answer = curl(site, f"http://{host}/cart?x=1")
        assert answer.startswith("HTTP/1.1 308 ")
        assert f"\nlocation: https://{host}/cart?x=1\n" in answer.lower()
        assert "strict-transport-security" not in answer.lower()
        status, answer = curl(site, f"http://{host}/cart?x=1", "--location", *trusting(site))
        assert (status, answer.count("HTTP/1.1 200 ")) == (0, 1)
    refused = 60  # curl(1): the certificate is not from an authority that is trusted, or not for this name
    assert curl(site, f"https://{NAMES['shop']}/")[0] == refused
    assert curl(site, "https://other.example.com/", *trusting(site))[0] == refused


def test_a_browser_shows_both_names_and_comes_by_https_alone_once_it_was_there(site, tmp_path):
    browser = Browser(tmp_path / "home", site.authority.pem)
    everywhere = dict.fromkeys(NAMES.values(), site.pair.address)
    for host in NAMES.values():
        assert "<h1>Hello from app-" in browser.visit(f"http://{host}/", everywhere)
    # The browser remembers: nobody is at port 80 any more.
    assert "<h1>Hello from app-" in browser.visit(f"http://{host}/", {f"{host}:80": "127.0.0.1:1", **everywhere})
    stranger = Browser(tmp_path / "stranger")
    assert "Hello" not in stranger.visit(f"https://{NAMES['shop']}/", everywhere)


def test_a_server_whose_certificate_is_from_another_authority_is_asked_for_nothing(site):
    first, second = SERVERS
    site.serve(second, issued("A stranger's authority", authority=True))
    try:
        site.wait_for({first})
        answers = [curl(site, f"https://{NAMES['shop']}/", *trusting(site))[1] for _time in range(6)]
        assert all(f"\nx-served-by: {first}\n" in answer.lower() for answer in answers), answers
    finally:
        site.serve(second, site.servers_authority)
    site.wait_for({first, second})


def test_a_certificate_is_renewed_and_the_proxy_told_to_look_under_load_without_a_failure(site, figure):
    pair, host = site.pair, NAMES["shop"]
    active = settled(pair)
    before, running = fingerprint(site.certificates["shop"]), processes(pair, active, "tandem-proxy")
    renewed = fingerprint(site.renew("shop"))
    told = {"address": pair.address, "port": PORT, "authority": site.authority.pem, "hosts": list(NAMES.values())}
    load = pair.program("client", LOAD, given=told)

    def asked(kept, since=0.0):
        return [line for line in list(load.found) if line["kept"] == kept and line["began"] > since]

    def goes_on(since):
        until(lambda: min(len(asked(kept, since)) for kept in (True, False)) >= 40, 20, "requests on kept and on new connections")

    try:
        goes_on(0)
        assert site.play("-e", PIPELINING).total("changed") == len(NODES)
        played = time.monotonic()  # containers share the kernel's clock
        goes_on(played)
        pair.hosts.run(active, "systemctl reload tandem-proxy", sudo=True)
        goes_on(time.monotonic())
    finally:
        load.end()
    lines, new = load.found, [line for line in load.found if line["host"] == host and not line["kept"]]
    assert settled(pair) == active, "the floating IP has stayed where it was; where it moves, connections end"
    assert processes(pair, active, "tandem-proxy") == running
    failed = [(line["host"], line["kept"], line["reason"], line["began"]) for line in lines if line["reason"] or line["closed"]]
    assert failed == []
    assert {line["certificate"] for line in new if line["began"] > played} == {renewed}
    assert {line["certificate"] for line in lines if line["host"] != host} == {fingerprint(site.certificates["blog"])}
    assert {line["certificate"] for line in new} == {before, renewed}
    slowest = max(line["ended"] - line["began"] for line in lines)
    counted = f"{sum(line['kept'] for line in lines)} requests on kept connections, {sum(not line['kept'] for line in lines)} on new ones"
    figure(f"lab, a certificate renewed and the proxy reloaded under load: {counted}, none failed, the slowest took {slowest * 1000:.0f} ms")


@pytest.mark.parametrize("node", NODES)
def test_keys_lie_in_one_folder_and_nowhere_else_on_a_node(site, node):
    run = site.pair.hosts.run
    kept = run(node, f"find {KEYS} -printf '%p %M %u\\n'", sudo=True).stdout.splitlines()
    files = sorted(line.split()[0] for line in kept if line.split()[1].startswith("-"))
    assert f"{KEYS} drwx------ tandem-proxy" in kept
    assert sorted(kept) == sorted([f"{KEYS} drwx------ tandem-proxy", *(f"{file} -rw------- tandem-proxy" for file in files)])
    assert sorted(run(node, f"cat {file}", sudo=True).stdout for file in files) == sorted(made.key for made in site.certificates.values())
    searched = run(node, SEARCH, sudo=True, check=False, given="\n".join(site.traces()) + "\n")
    assert sorted(searched.stdout.splitlines()) == files, searched
    left = run(node, "find / -xdev -path '*/.ansible/tmp/*' -o -path '*/tmp/ansible*'", sudo=True).stdout
    assert left == ""


def test_no_key_is_in_what_ansible_says_or_keeps_in_a_journal_or_in_a_process_list(site):
    journals = {node: site.pair.hosts.run(node, "journalctl --all --output=export --no-pager", sudo=True).stdout for node in NODES}
    assert all("tandem-proxy.service" in journal for journal in journals.values())
    kept = [path.read_text(errors="replace") for path in (site.pair.state / "ansible").rglob("*") if path.is_file()]
    said = [*site.outputs, *journals.values(), *kept]
    assert [trace for trace in site.traces() for text in said if trace in text] == []
    # From -vvv on, Ansible shows what goes over its connections, also the texts of certificates: they are no secrets, but nothing to be shown either.
    told = [line for output in site.outputs for line in output.splitlines() if not re.match(r"<lb-[ab]> \(", line)]
    assert [line for line in told if "-----BEGIN" in line] == []
    canary = {("canary", "cmdline"), ("canary", "environ")}  # sudo has the command in the environment too
    assert site.seen == dict.fromkeys(NODES, canary), "the watch finds what is in a process list, and found nothing else"


@pytest.mark.parametrize("node", NODES)
def test_nobody_else_reads_a_key_from_its_file_or_from_the_memory_of_a_service(site, node):
    run = site.pair.hosts.run
    proxy = processes(site.pair, node, "tandem-proxy")
    places = [KEYS, *run(node, f"find {KEYS} -type f", sudo=True).stdout.split(), *(f"/proc/{process}/mem" for process in proxy)]
    places += [f"/proc/{process}/environ" for process in proxy]
    assert len(places) > 1 + len(NAMES)
    opening = "; ".join(f"(: <{place}) 2>/dev/null && echo {place}" for place in places)
    others = ("nobody --regid nogroup --clear-groups", "tandem-keepalive --regid tandem --init-groups")
    for other in others:
        assert run(node, f"setpriv --reuid {other} sh -c '{opening}; :'", sudo=True).stdout == ""
    assert run(node, f"{opening}; :", sudo=True).stdout.split() == places, "they can be opened, by who may"


@pytest.mark.parametrize("node", NODES)
def test_no_service_leaves_a_core_or_keeps_a_key_in_a_file_in_memory(site, node):
    run = site.pair.hosts.run
    for account in ACCOUNTS:
        running = processes(site.pair, node, account)
        main = run(node, f"systemctl show {account} -p MainPID -p LimitCORE -p LimitCORESoft").stdout.split()
        assert {"LimitCORE=0", "LimitCORESoft=0"} < set(main)
        assert next(line for line in main if line.startswith("MainPID=")).partition("=")[2] in running
        for process in running:
            limits = run(node, f"cat /proc/{process}/limits", sudo=True).stdout
            assert [line.split()[4:6] for line in limits.splitlines() if line.startswith("Max core file size")] == [["0", "0"]]
            assert run(node, f"cat /proc/{process}/coredump_filter", sudo=True).stdout == "00000000\n"
            opened = run(node, f"find /proc/{process}/fd -printf '%l\\n'", sudo=True).stdout
            assert "socket:" in opened
            in_memory = {line for line in opened.splitlines() if "memfd" in line}
            assert in_memory <= {f"/memfd:tandem-{table} (deleted)" for table in ("rates", "places")}, "numbers that workers share"
