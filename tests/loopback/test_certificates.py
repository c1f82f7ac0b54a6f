"""A play that makes an HTTPS site from files of the controller, one of them a vault's: what its clients get, and where keys and texts in PEM are."""

from __future__ import annotations

import http.client
import json
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.loopback import test_play
from tests.loopback.test_play import NODES, changed
from tests.support.certificates import issued

site = test_play.site  # the fixture
AUTHORITY = issued("Our authority", authority=True, ends=3000)
FIRST = issued("shop.example.com", ("shop.example.com",), AUTHORITY)
RENEWED = issued("shop.example.com", ("shop.example.com", "www.shop.example.com"), AUTHORITY)
STRANGER = issued("stranger.example.com", ("stranger.example.com",), AUTHORITY)
PASSWORD = "the vault's password"
PLAY = """
- hosts: lb
  gather_facts: false
  vars:
    frontends:
      - load_balancer: edge
        name: web
        port: "{{ demo_port }}"
        default_backend: shop
        tls: {certificates: [shop], client_auth: optional, client_ca_file: authority.pem}
  tasks:
    - tandem.lb.floating_ip: {name: shop-ip, address: 127.0.0.100/8, attach: none}
    - tandem.lb.load_balancer:
        name: edge
        master: {node: lb-a, address: 127.0.0.11}
        backup: {node: lb-b, address: 127.0.0.12}
        allow_same_hardware: true
        floating_ips: [shop-ip]
        heartbeat: {transport: udp, port: "{{ demo_port | int + 2 }}", key: a key of this test alone}
    - name: The certificate
      tandem.lb.certificate: {load_balancer: edge, name: shop, certificate_file: shop.pem, private_key_file: shop.key}
    - tandem.lb.config:
        backends:
          - load_balancer: edge
            name: shop
            port: "{{ demo_port | int + 1 }}"
            servers: [{name: shop-1, address: 127.0.0.21}]
            health_check: {interval: 200ms, timeout: 100ms}
          - {load_balancer: edge, name: secure, port: 1, tls: {enabled: true, ca_file: authority.pem}}
        frontends: "{{ frontends }}"
"""


class Folder:
    """The play with its files, and the places on both sides where it may leave something."""

    def __init__(self, site, folder):
        self.site, self.folder, self.files = site, folder, folder / "files"
        self.files.mkdir(parents=True)
        (folder / "password").write_text(PASSWORD)
        (folder / "site.yml").write_text(PLAY)
        (self.files / "authority.pem").write_text(AUTHORITY.pem)
        site.environment = {
            "ANSIBLE_LOCAL_TEMP": str(site.folder / "local"),
            "ANSIBLE_LOG_PATH": str(site.folder / "ansible.log"),
            "ANSIBLE_VAULT_PASSWORD_FILE": str(folder / "password"),
        }

    def put(self, certificate, key):
        """The files of the play, the key encrypted."""
        (self.files / "shop.pem").write_text(certificate.pem)
        (self.files / "shop.key").write_text(key.key)
        command = [str(Path(sys.executable).with_name("ansible-vault")), "encrypt", "--vault-password-file", "password", "files/shop.key"]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True, timeout=60)

    def play(self, *arguments):
        return self.site.play(self.folder / "site.yml", "-vvv", "--diff", *arguments)

    def kept(self, *keys):
        """The keys lie in their folder on each node for their owner alone, and nowhere else; no text in PEM was in the output."""
        lines = {made: made.key.splitlines()[1] for made in (FIRST, RENEWED, STRANGER)}
        assert "-----BEGIN" not in self.site.output
        assert not any(line in self.site.output for line in lines.values())
        for made, line in lines.items():
            found = [path for path in self.site.folder.rglob("*") if path.is_file() and line in path.read_text(errors="replace")]
            wanted = {self.site.prefix(node) / "etc/tandem/keys" for node in NODES} if made in keys else set()
            assert {path.parent for path in found} == wanted
            assert {stat.S_IMODE(path.stat().st_mode) for path in found} <= {0o600}


@pytest.fixture
def folder(site, tmp_path):
    return Folder(site, tmp_path / "play")


def presented(site):
    """(names of the certificate that a client is shown, who served it)."""
    context = ssl.create_default_context(cadata=AUTHORITY.pem)
    context.check_hostname = False
    connection = http.client.HTTPSConnection("127.0.0.100", site.port, timeout=5, context=context)
    try:
        connection.request("GET", "/", headers={"Host": "shop.example.com"})
        answer = connection.getresponse()
        return [name for _kind, name in connection.sock.getpeercert()["subjectAltName"]], answer.headers["X-Served-By"]
    finally:
        connection.close()


def test_an_https_site_from_files_of_the_controller(site, folder, eventually):
    folder.put(FIRST, FIRST)
    bare = site.tree()
    assert set(changed(folder.play("--check"))) == {True}
    assert site.tree() == bare
    folder.kept()
    applied = folder.play()
    assert set(changed(applied)) == {True}
    shown = applied["The certificate", "lb-a"]["object"]["certificate"]
    assert (shown["subject"], shown["names"]) == ("CN=shop.example.com", ["shop.example.com"])
    folder.kept(FIRST)
    assert eventually(lambda: presented(site) == (["shop.example.com"], "shop-1"))
    assert set(changed(folder.play())) == {False}

    folder.put(RENEWED, STRANGER)
    refused = folder.play()
    assert all("is not the key of this certificate" in result["msg"] for result in refused.values() if result.get("failed")), json.dumps(refused)
    assert any(result.get("failed") for result in refused.values())
    folder.kept(FIRST)
    assert presented(site) == (["shop.example.com"], "shop-1")

    folder.put(RENEWED, RENEWED)
    assert changed({place: result for place, result in folder.play().items() if place[0] == "The certificate"}) == [True, True]
    folder.kept(RENEWED)
    assert eventually(lambda: presented(site) == (["shop.example.com", "www.shop.example.com"], "shop-1"))


def test_a_file_that_the_controller_lacks_is_named_and_a_text_beside_it_refused(site, folder):
    folder.put(FIRST, FIRST)
    (folder.files / "shop.pem").unlink()
    missing = folder.play("--check")
    told = [result["msg"] for place, result in missing.items() if place[0] == "The certificate"]
    assert len(told) == len(NODES)
    assert all('certificate_file is "shop.pem", but the controller cannot read it' in message for message in told), told
    playbook = folder.folder / "site.yml"
    playbook.write_text(playbook.read_text().replace("certificate_file: shop.pem", "certificate: a text, certificate_file: shop.pem"))
    both = folder.play("--check")
    told = [result["msg"] for place, result in both.items() if place[0] == "The certificate"]
    assert len(told) == len(NODES)
    assert all("but certificate gives its text too" in message for message in told), told
