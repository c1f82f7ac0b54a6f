"""The HTTPS site of docs/how-to/https.md on the hosts of the lab: its play, certificates from an authority of its own, and servers that speak TLS."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.lab.lab_pair import LabPair
from tests.lab.layout import FLOATING, NODES, SERVERS, TOP
from tests.support.certificates import Made, issued
from tests.support.ssh import Lines
from tests.support.waiting import until

from pair import Play  # isort: skip  # tests.lab.lab_pair puts the demo on the path

NAMES = {name: f"{name}.example.com" for name in ("shop", "blog")}
PORT, SERVER_PORT = 443, 8443
# Of the play's tasks: certificates, backend and frontends; the floating IP and the load balancer are those of site.yml.
CHANGES = 3
# Without it a module lies in a file of the node while it runs, with its arguments; with it, in its input.
PIPELINING = "ansible_pipelining=true"
CANARY = "a text that is in the process list, for the watch to find"
_PAGE = TOP / "docs/how-to/https.md"
_SERVERS_NAME = "shop.internal.example.com"
_WATCH = Path(__file__).with_name("watch_processes.py")
_RUN = "/run/shop-tls"
_START = f"""\
set -eu
umask 077
mkdir -p {_RUN}
cat >{_RUN}/server.pem
systemctl stop shop-tls 2>/dev/null || :
systemd-run --quiet --collect --unit=shop-tls python3 /opt/shop/shop.py "$(hostname)" 0.0.0.0 {SERVER_PORT} {_RUN}/server.pem
"""
# Everything that the site has beyond site.yml, which is the pair that other tests look at.
_BACK = """
- hosts: lb
  become: true
  gather_facts: false
  tasks:
    - tandem.lb.config:
        backends: [{load_balancer: edge, name: shop, port: 8080, tls: {}}]
        frontends: [{load_balancer: edge, name: web, redirect_to_https: false}]
    - tandem.lb.config:
        state: absent
        frontends: [{load_balancer: edge, name: web-tls}]
        certificates: [{load_balancer: edge, name: shop}, {load_balancer: edge, name: blog}]
"""


class HttpsSite:
    """``with HttpsSite(pair, folder) as site``: the pair of site.yml has become the site, and is afterwards what it was.

    ``outputs`` is all that Ansible has said, at its most talkative; ``seen`` what was found in process lists while it ran, by host.
    """

    def __init__(self, pair: LabPair, folder: Path) -> None:
        self.pair, self.folder, self.files = pair, folder, folder / "files"
        self.outputs: list[str] = []
        self.seen: dict[str, set[tuple[str, str]]] = {node: set() for node in NODES}
        self.authority = issued("The clients' authority", authority=True, ends=3000)
        self.servers_authority = issued("The servers' authority", authority=True, ends=3000)
        self.certificates = {name: issued(host, (host,), self.authority) for name, host in NAMES.items()}
        self.all_made = list(self.certificates.values())

    def __enter__(self) -> HttpsSite:
        self.before = self._objects()
        try:
            self._write()
            for server in SERVERS:
                self.serve(server, self.servers_authority)
            self.checked = self.play("--check", "-e", PIPELINING, "--start-at-task", "The certificates")
            self.applied = self.play()
            self.wait_for(set(SERVERS))
        except BaseException:
            self._put_back()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self._put_back()

    # The play and its files

    def _write(self) -> None:
        self.files.mkdir()
        (self.folder / "password").write_text("the vault's password")
        (self.folder / "authority.pem").write_text(self.authority.pem)
        (self.files / "our-servers-ca.pem").write_text(self.servers_authority.pem)
        (self.folder / "site.yml").write_text(self._documented())
        (self.folder / "back.yml").write_text(_BACK)
        self._put(*NAMES)

    def _documented(self) -> str:
        """The first play of the page, at the addresses of this lab, which end as those of the documentation do."""
        text = re.findall(r"```yaml\n(.*?)```", _PAGE.read_text(), re.DOTALL)[0]
        floating = self.pair.lab.layout.address(FLOATING)
        play = yaml.safe_load(text.replace("192.0.2.", floating.removesuffix(str(FLOATING))))
        play[0]["gather_facts"] = False  # nobody asks for them, and they take their time
        balancers = [task["tandem.lb.load_balancer"] for task in play[0]["tasks"] if "tandem.lb.load_balancer" in task]
        for options in balancers:
            options["allow_same_hardware"] = True  # the hosts of the lab share this machine and its kernel
        return yaml.safe_dump(play, sort_keys=False)

    def _put(self, *names: str) -> None:
        """Certificates and keys where the play finds them, the keys encrypted: on the controller, too, none lies about."""
        for name in names:
            (self.files / f"{NAMES[name]}.pem").write_text(self.certificates[name].pem)
            command = [_tool("ansible-vault"), "encrypt", "--vault-password-file", "password", "--output", f"files/{NAMES[name]}.key"]
            subprocess.run(command, input=self.certificates[name].key, cwd=self.folder, check=True, capture_output=True, text=True, timeout=60)

    def renew(self, name: str) -> Made:
        """A new certificate, with a new key and one more name; it is in use once ``play`` has been called."""
        host = NAMES[name]
        self.certificates[name] = issued(host, (host, f"www.{host}"), self.authority)
        self.all_made.append(self.certificates[name])
        self._put(name)
        return self.certificates[name]

    def play(self, *arguments: str) -> Play:
        with self._watch():
            play = self.pair.play(self.folder / "site.yml", "-vvv", "--diff", "--vault-password-file", str(self.folder / "password"), *arguments)
        self.outputs.append(play.output)
        return play

    # The servers

    def serve(self, server: str, by: Made) -> None:
        """Has the server speak TLS, with a certificate of that authority, from now on."""
        made = issued(_SERVERS_NAME, (_SERVERS_NAME,), by)
        self.pair.hosts.run(server, _START, sudo=True, given=made.pem + made.key)

    def wait_for(self, servers: set[str]) -> None:
        until(lambda: self.pair.up() == servers, 30, f"just {', '.join(sorted(servers))} being up")

    # Keys, and where they are

    def traces(self) -> list[str]:
        """Texts of which each is a part of a key that was ever used, and of nothing else.

        A key's first two lines in PEM hold the secret number, the third only what the certificate says too. In a text that was encoded as a whole
        they are at one of three places.
        """
        found = []
        for made in self.all_made:
            lines = made.key.splitlines()
            secret = made.key.encode()[len(lines[0]) + 1 + 48 :][:44]
            found += lines[1:3]
            found += [base64.b64encode(b"-" * shift + secret).decode()[4:-8] for shift in range(3)]
        return found

    @contextlib.contextmanager
    def _watch(self) -> Iterator[None]:
        """Has both nodes look for keys in the arguments and environments of all their processes meanwhile."""
        given = {**{f"key {number}": text for number, text in enumerate(self.traces())}, "canary": CANARY}
        watches = {node: self.pair.program(node, _WATCH, CANARY, given=given, sudo=True) for node in NODES}
        try:
            yield
        finally:
            for node, lines in watches.items():
                self.seen[node] |= _found_by(lines)

    # Putting back

    def _objects(self) -> dict[str, Any]:
        return {node: json.loads(self.pair.hosts.run(node, "cat /etc/tandem/desired.json", sudo=True).stdout)["objects"] for node in NODES}

    def _put_back(self) -> None:
        with contextlib.ExitStack() as stack:
            for server in SERVERS:
                command = f"systemctl stop shop-tls; rm -rf {shlex.quote(_RUN)}"
                stack.callback(self.pair.hosts.run, server, command, sudo=True, check=False)
            self.pair.play(self.folder / "back.yml")
            self.wait_for(set(SERVERS))
            assert self._objects() == self.before, "the pair is what it was"


def _found_by(watch: Lines) -> set[tuple[str, str]]:
    watch.end()
    assert watch.found, "the watch has looked, and told"
    return set(map(tuple, watch.found[0]["found"]))


def _tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))
