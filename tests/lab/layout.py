"""Who the hosts of a lab are and what is written for them: addresses, keys, disks, and how ssh and Ansible find them. Starts nothing."""

from __future__ import annotations

import ipaddress
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.lab.tree import USER, USER_ID, LabError, run

TOP = Path(__file__).resolve().parents[2]
HOSTS = {"lb-a": 11, "lb-b": 12, "app-1": 21, "app-2": 22, "client": 31}
NODES = ("lb-a", "lb-b")
SERVERS = ("app-1", "app-2")
SERVER_PORT = 8080
FLOATING = 100

_SSH_CONFIG = """\
# Hosts of the lab: ssh -F {state}/ssh_config lb-a
Host {hosts}
    User {user}
    IdentityFile "{state}/key"
    IdentitiesOnly yes
    UserKnownHostsFile "{state}/known_hosts"
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    ConnectTimeout 5
    ServerAliveInterval 2
    ServerAliveCountMax 3
"""
_INVENTORY = """\
# The hosts of the lab. ssh_config, beside this file, says how to reach them.
all:
  vars:
    ansible_python_interpreter: /usr/bin/python3
    ansible_ssh_args: -F "{state}/ssh_config" -o ControlMaster=auto -o ControlPersist=30s -o ControlPath="{state}/ssh-{{{{ inventory_hostname }}}}"
    lab_network: {network}
    lab_network6: "{network6}"
    floating_ip: {floating}
    floating_ip6: "{floating6}"
  children:
    lb:
      hosts:
{lb}
    apps:
      hosts:
{apps}
    clients:
      hosts:
{clients}
"""
_NETWORK = """\
[Match]
Name=host0

[Network]
Address={address}/24
Address={address6}/64
LinkLocalAddressing=ipv6
IPv6AcceptRA=no
IPv6DuplicateAddressDetection=0
"""
_SHOP = f"""\
[Unit]
Description=A small web server that answers its name
After=network.target

[Service]
ExecStart=/usr/bin/python3 /opt/shop/shop.py %H 0.0.0.0 {SERVER_PORT}
DynamicUser=yes

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class Layout:
    """A lab's files below ``state`` and its addresses in network ``number``; each lab of a machine has a number of its own."""

    state: Path
    number: int

    @property
    def bridge(self) -> str:
        return f"tandem-lab{self.number}"

    def machine(self, host: str) -> str:
        """nspawn names the host's link after this; a link's name has 15 characters at most (if_nametoindex(3))."""
        return f"tl{self.number}-{host}"

    def link(self, host: str) -> str:
        return f"vb-{self.machine(host)}"

    def address(self, place: int) -> str:
        return f"10.98.{self.number}.{place}"

    def address6(self, place: int) -> str:
        return str(ipaddress.IPv6Address(f"fd98:{self.number}::{place}"))

    def folder(self, host: str) -> Path:
        return self.state / "hosts" / host

    def write(self) -> None:
        """Keys, ssh_config, known_hosts, inventory.yml and the hosts' disks, as far as they are missing."""
        (self.state / "hosts").mkdir(exist_ok=True)
        _make_key(self.state / "key", "tandem-lab")
        for host in HOSTS:
            if not self.folder(host).exists():
                self._write_host(host)
        keys = {host: (self.folder(host) / "upper/etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2] for host in HOSTS}
        known = [f"{host},{self.address(place)},{self.address6(place)} {' '.join(keys[host])}\n" for host, place in HOSTS.items()]
        (self.state / "known_hosts").write_text("".join(known))
        (self.state / "ssh_config").write_text(self._ssh_config())
        (self.state / "inventory.yml").write_text(self._inventory())

    def _ssh_config(self) -> str:
        names = "".join(f"\nHost {host}\n    HostName {self.address(place)}\n" for host, place in HOSTS.items())
        return _SSH_CONFIG.format(state=self.state, hosts=" ".join(HOSTS), user=USER) + names

    def _inventory(self) -> str:
        def listed(*hosts: str) -> str:
            return "\n".join(
                f'        {host}:\n          address: {self.address(HOSTS[host])}\n          address6: "{self.address6(HOSTS[host])}"'
                for host in hosts
            )

        return _INVENTORY.format(
            state=self.state,
            network=f"{self.address(0)}/24",
            network6=f"{ipaddress.IPv6Address(f'fd98:{self.number}::')}/64",
            floating=self.address(FLOATING),
            floating6=self.address6(FLOATING),
            lb=listed(*NODES),
            apps=listed(*SERVERS),
            clients=listed("client"),
        )

    def _write_host(self, host: str) -> None:
        """Below a temporary name first: a host's folder that is there is whole. ``upper`` is what its disk has beyond the tree."""
        fresh = self.folder(f".{host}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        upper = fresh / "upper"
        for folder in (upper, fresh / "work", fresh / "root"):
            folder.mkdir(parents=True)
        known = "".join(f"{self.address(place)} {name}\n{self.address6(place)} {name}\n" for name, place in HOSTS.items())
        network = _NETWORK.format(address=self.address(HOSTS[host]), address6=self.address6(HOSTS[host]))
        _place(upper / "etc/machine-id", f"{secrets.token_hex(16)}\n", 0o444)
        _place(upper / "etc/hostname", f"{host}\n")
        _place(upper / "etc/hosts", f"127.0.0.1 localhost\n::1 localhost\n{known}")
        _place(upper / "etc/systemd/network/10-lab.network", network)
        (upper / "etc/ssh").mkdir()
        _make_key(upper / "etc/ssh/ssh_host_ed25519_key", host)
        _place(upper / f"home/{USER}/.ssh/authorized_keys", (self.state / "key.pub").read_text(), 0o600)
        for path in (upper / f"home/{USER}", upper / f"home/{USER}/.ssh", upper / f"home/{USER}/.ssh/authorized_keys"):
            os.chown(path, USER_ID, USER_ID)
        if host in SERVERS:
            _place(upper / "opt/shop/shop.py", (TOP / "demo/shop.py").read_text())
            _place(upper / "etc/systemd/system/shop.service", _SHOP)
            wants = upper / "etc/systemd/system/multi-user.target.wants"
            wants.mkdir()
            (wants / "shop.service").symlink_to("/etc/systemd/system/shop.service")
        if host == "client":
            _place(upper / "opt/load.py", (TOP / "tests/namespaces/load.py").read_text())
        fresh.rename(self.folder(host))


def _place(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def _make_key(path: Path, comment: str) -> None:
    if path.exists():
        return
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
    made = run(*command, within_s=60)
    if made.returncode:
        raise LabError(f"ssh-keygen failed: {made.stderr.strip()}")
