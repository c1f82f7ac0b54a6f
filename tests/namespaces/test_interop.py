"""Pairs with others that speak VRRP (RFC 9568): the distribution's keepalived and FRR on lb-b, each standing by and active, ours on lb-a."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.namespaces.test_network import neighbour
from tests.namespaces.topology import VIP, VIP6, address, address6, document, eventually

OURS, THEIRS = "lb-a", "lb-b"
FRR = Path("/usr/lib/frr")
KEEPALIVED = """
global_defs {{
  vrrp_garp_master_delay 1
}}
vrrp_instance edge {{
  state BACKUP
  interface eth0
  virtual_router_id 51
  version 3
  priority 150
  advert_int 0.3
  nopreempt
  {heard_by}
  virtual_ipaddress {{
    {vip} dev eth0
  }}
}}
"""
UNICAST = """unicast_src_ip {source}
  unicast_peer {{
    {peer}
  }}"""


class Keepalived:
    """keepalived on a host. ``state`` is what it logged last."""

    def __init__(self, hosts, folder, mode, family):
        self._log = folder / "log"
        source, peer = (address(THEIRS), address("lb-a")) if family == 4 else (address6(THEIRS), address6("lb-a"))
        heard_by = UNICAST.format(source=source, peer=peer) if mode == "unicast" else ""
        if family == 6:
            heard_by += "\n  native_ipv6" + ("\n  unicast_ttl 255" if mode == "unicast" else "")  # it would be 64, as of what has passed routers
        config = folder / "keepalived.conf"
        config.write_text(KEEPALIVED.format(heard_by=heard_by, vip=f"{VIP}/24" if family == 4 else f"{VIP6}/64"))
        pids = [f"--pid={folder}/k.pid", f"--vrrp_pid={folder}/v.pid", f"--checkers_pid={folder}/c.pid"]
        with self._log.open("w") as log:
            words = ["--dont-fork", "--log-console", "--vrrp", f"--use-file={config}", *pids]
            self._process = hosts.start(THEIRS, "keepalived", *words, stderr=log, stdout=log)

    def state(self):
        states = re.findall(r"Entering (BACKUP|MASTER) STATE", self._log.read_text())
        return {"BACKUP": "standby", "MASTER": "active"}[states[-1]] if states else ""

    def leave(self):
        self._process.terminate()

    def close(self):
        self._process.terminate()
        self._process.wait(timeout=10)


class Frr:
    """zebra and vrrpd on a host. The address is on an interface with the virtual router's hardware address, which zebra lets answer while active."""

    def __init__(self, hosts, folder, family):
        self._hosts, self._family, self._folder = hosts, family, folder
        hardware = "00:00:5e:00:01:33" if family == 4 else "00:00:5e:00:02:33"  # RFC 9568 7.3
        vip = f"{VIP}/24" if family == 4 else f"{VIP6}/64"
        hosts.on(THEIRS, "ip", "link", "add", "vrrp51", "link", "eth0", "type", "macvlan", "mode", "bridge")
        hosts.on(THEIRS, "ip", "link", "set", "vrrp51", "address", hardware)
        hosts.on(THEIRS, "ip", "addr", "add", vip, "dev", "vrrp51", *(["nodad"] if family == 6 else []))
        hosts.on(THEIRS, "ip", "link", "set", "vrrp51", "up")
        # As its manual asks: else Linux answers for the address on the other interface too, also while FRR stands by.
        hosts.on(THEIRS, "sysctl", "-qw", "net.ipv4.conf.eth0.arp_ignore=1")
        options = ["version 3", "priority 150", "advertisement-interval 300", f"ip {VIP}" if family == 4 else f"ipv6 {VIP6}"]
        (folder / "zebra.conf").write_text("")
        (folder / "vrrpd.conf").write_text("interface eth0\n" + "".join(f" vrrp 51 {option}\n" for option in options) + " no vrrp 51 preempt\n")
        for path in (folder, folder / "zebra.conf", folder / "vrrpd.conf"):
            shutil.chown(path, "frr", "frr")
        self._processes = []
        try:
            for program in ("zebra", "vrrpd"):
                words = ["-f", f"{folder}/{program}.conf", "-i", f"{folder}/{program}.pid", "-z", f"{folder}/zserv", "--vty_socket", folder]
                with (folder / f"{program}.log").open("w") as log:
                    self._processes.append(hosts.start(THEIRS, FRR / program, *words, "-A", "127.0.0.1", stdout=log, stderr=log))
                eventually(lambda program=program: (folder / f"{program}.vty").exists())
        except BaseException:
            self.close()
            raise

    def state(self):
        """As vrrpd itself says it."""
        shown = self._hosts.on(THEIRS, "vtysh", "--vty_socket", self._folder, "-d", "vrrpd", "-c", "show vrrp", check=False).stdout
        lines = [line for line in shown.splitlines() if line.strip().startswith(f"Status (v{self._family})")]
        return {"Backup": "standby", "Master": "active"}.get(lines[0].split()[-1] if lines else "", "")

    def leave(self):
        self._hosts.on(THEIRS, "vtysh", "--vty_socket", self._folder, "-d", "vrrpd", "-c", "conf t", "-c", "interface eth0", "-c", "no vrrp 51")

    def close(self):
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(timeout=10)
        self._hosts.on(THEIRS, "ip", "link", "del", "vrrp51", check=False)


@pytest.fixture
def theirs(hosts):
    """Starts one of them, and waits until it stands by; ended afterwards."""
    with contextlib.ExitStack() as ended:

        def start(program, mode, family):
            # Not below pytest's own folder, which is root's alone: FRR runs as an account of its own.
            folder = Path(ended.enter_context(tempfile.TemporaryDirectory(prefix="tandem-interop-")))
            made = Frr(hosts, folder, family) if program == "frr" else Keepalived(hosts, folder, mode, family)
            ended.callback(made.close)
            eventually(lambda: made.state() == "standby")
            return made

        yield start


def hardware_of(hosts, host, link="eth0"):
    return hosts.on(host, "cat", f"/sys/class/net/{link}/address").stdout.strip()


def known_by(hosts, host, program, mode, family):
    """The address by which a host is known to the other: to a group of IPv6 a link-local one (RFC 9568 5.1.2.1), with FRR that of the virtual
    router's hardware address."""
    if family == 4:
        return address(host)
    if mode == "unicast":
        return address6(host)
    if program == "frr" and host == THEIRS:
        return "fe80::200:5eff:fe00:233%eth0"
    shown = json.loads(hosts.on(host, "ip", "-json", "-6", "addr", "show", "dev", "eth0").stdout)
    return next(entry["local"] for entry in shown[0]["addr_info"] if entry.get("scope") == "link") + "%eth0"


def found_at(hosts, ip):
    """The hardware address by which the client finds the address, asked anew."""
    hosts.on("client", "ip", "neigh", "flush", "dev", "eth0", check=False)
    ask = f"import socket; s = socket.socket(socket.AF_INET{'6' if ':' in ip else ''}); s.settimeout(0.3); s.connect_ex(('{ip}', 80))"
    hosts.on("client", sys.executable, "-c", ask, check=False)
    return neighbour(hosts, ip)


NEEDS_FRR = pytest.mark.skipif(not FRR.is_dir(), reason="needs frr from the distribution's packages")
PEERS = [
    ("keepalived", "unicast", 4),
    ("keepalived", "multicast", 4),
    ("keepalived", "unicast", 6),
    ("keepalived", "multicast", 6),
    pytest.param(("frr", "multicast", 4), marks=NEEDS_FRR),
    pytest.param(("frr", "multicast", 6), marks=NEEDS_FRR),
]


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: f"{peer[0]} by {peer[1]}, IPv{peer[2]}")
@pytest.mark.usefixtures("pair")  # which clears away what is left
def test_it_pairs_with_others_in_both_roles(hosts, theirs, peer):
    program, mode, family = peer
    vip, link = VIP if family == 4 else VIP6, "vrrp51" if program == "frr" else "eth0"
    nodes = {"master": {"node": OURS, "address": known_by(hosts, OURS, *peer)}, "backup": {"node": THEIRS, "address": known_by(hosts, THEIRS, *peer)}}
    hosts.write(document(heartbeat={"transport": "vrrp", "mode": mode}, **nodes))
    hosts.boot(OURS)
    eventually(lambda: hosts.state(OURS) == "active")
    other = theirs(program, mode, family)
    assert (hosts.state(OURS), found_at(hosts, vip)) == ("active", hardware_of(hosts, OURS))

    hosts.kill(OURS)
    eventually(lambda: other.state() == "active")
    eventually(lambda: not hosts.holds(OURS, vip))  # the killed one's lease runs out
    eventually(lambda: found_at(hosts, vip) == hardware_of(hosts, THEIRS, link))

    hosts.boot(OURS)
    eventually(lambda: hosts.state(OURS) == "standby" and hosts.view(OURS)["peers"][THEIRS]["last_heard_ms"] is not None)
    assert (other.state(), hosts.view(OURS)["transitions"]) == ("active", 1), "it has waited since it started"

    other.leave()  # it resigns
    moment = time.monotonic()
    eventually(lambda: hosts.state(OURS) == "active")
    assert time.monotonic() - moment < 0.9, "a resignation is not waited out"
    eventually(lambda: found_at(hosts, vip) == hardware_of(hosts, OURS))
