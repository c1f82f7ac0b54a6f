"""What testssl.sh finds at frontends of both TLS profiles, on this machine's loopback. It needs no host of the lab, but a program of its own.

Left out of its checks are those of each cipher for each version (what ``-s`` and ``-f`` find, one by one), client simulations (which of many clients
can connect), and HTTP headers, which the servers behind write.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess

import pytest

from tandem._model import Certificate, FrontendTls
from tests.lab.machines import ensure_packages
from tests.support.node import ADDRESS, EDGE, Node, Shop, backend, free_port, frontend
from tests.support.tls import authority_pem, pair

# Protocols, kinds of ciphers, forward secrecy and groups, preferences, what the server shows, known vulnerabilities, and strange hellos
CHECKS = ("-p", "-s", "-f", "-P", "-S", "-U", "-g")
WITHIN_S = 600
PROFILES = ["intermediate", "modern"]
FINE = {"OK", "INFO", "LOW"}
NOT_OURS = {
    "engine_problem": "the machine's openssl, with which testssl.sh asks, has no GOST",
    "sessionresumption_ticket": "its openssl leaves before the tickets of TLS 1.3 have come, and then has none to resume with; our own tests do",
    "cert_revocation": "the test's certificate names neither a revocation list nor an OCSP responder",
    "cipher_order": "the client chooses, as the guidelines have it: all ciphers are strong. testssl.sh rates that by the ciphers since 3.2",
}


@pytest.fixture(scope="module")
def findings(request, tmp_path_factory) -> dict[str, list[dict[str, str]]]:
    """By profile. Both are asked at a time."""
    ensure_packages(request.config.pluginmanager.get_plugin("terminalreporter").write_line, {"testssl": "testssl.sh"})
    folder = tmp_path_factory.mktemp("testssl")
    authority = folder / "authority.pem"
    authority.write_text(authority_pem())
    ports = {profile: free_port() for profile in PROFILES}
    node, shop = Node(folder / "node"), Shop()
    asking = {}
    try:
        node.start_proxy()
        node.load(*documents(node, shop, ports))
        for profile, port in ports.items():
            command = ["testssl", *CHECKS, "--quiet", "--color=0", "--warnings=batch", "--nodns=none", f"--add-ca={authority}"]
            command += [f"--jsonfile={folder / profile}.json", f"{ADDRESS}:{port}"]
            with (folder / f"{profile}.log").open("wb") as log:
                asking[profile] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, start_new_session=True)
        for process in asking.values():
            process.wait(WITHIN_S)
        return {profile: json.loads((folder / f"{profile}.json").read_text()) for profile in ports}
    finally:
        for process in asking.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        node.close()
        shop.close()


def documents(node, shop, ports):
    """A frontend for each profile: intermediate with RSA, which most attacks are about, and modern with ECDSA, as the guidelines have it."""
    node.paths.keys.mkdir(parents=True)
    yield EDGE
    yield backend(shop)
    for number, (profile, port) in enumerate(ports.items()):
        made = pair("shop.test", ADDRESS, rsa=profile == "intermediate")
        secret = f"{number:064x}"
        (node.paths.keys / secret).write_text(made.key)
        yield Certificate("edge", profile, certificate=made.chain, private_key=secret)
        yield frontend(port, profile, tls=FrontendTls(certificates=(profile,), profile=profile))


@pytest.mark.parametrize("profile", PROFILES)
def test_testssl_finds_nothing_above_low(findings, profile):
    found = findings[profile]
    assert {"scanTime", "heartbleed", "secure_client_renego", "CRIME_TLS", "ROBOT", "cipher_order"} <= {one["id"] for one in found}
    bad = [(one["id"], one["severity"], one["finding"]) for one in found if one["severity"] not in FINE and one["id"].split()[0] not in NOT_OURS]
    assert not bad, bad


def test_testssl_sees_what_the_profiles_say(findings):
    said = {profile: {one["id"]: one["finding"] for one in found} for profile, found in findings.items()}
    for version, offered in {"SSLv2": [], "SSLv3": [], "TLS1": [], "TLS1_1": [], "TLS1_2": ["intermediate"], "TLS1_3": PROFILES}.items():
        assert [profile for profile in PROFILES if said[profile][version].startswith("offered")] == offered, version
    for found in said.values():
        curves = set((found.get("FS_ECDHE_curves") or found["PFS_ECDHE_curves"]).split())  # since 3.2, and before
        assert {"prime256v1", "secp384r1", "X25519"} <= curves <= {"prime256v1", "secp384r1", "X25519", "X25519MLKEM768"}
