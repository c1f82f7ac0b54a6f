# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the nodes of a load balancer are on separate hardware: what a node can say of its own, and how two such answers compare.

Reading forks nothing and needs no privileges, but without root a node cannot read its DMI identity. Only digests leave the node.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Optional

from ._model import LoadBalancer, ModelError, Node, Problem, describe

BARE, VIRTUAL, UNKNOWN = "bare", "virtual", "unknown"
# From the worst to the best; the worst of all pairs is the load balancer's.
RESULTS = ("violated", "unproved", "declared", "proved")
_FILE_BYTES_MAX = 65_536
_LINKS_MAX = 64
# What boards carry whose maker has filled in nothing: equal on machines that are not the same.
_EMPTY_WORDS = re.compile(
    r"to be filled.*|default.*|not (specified|applicable|available)|system serial number|chassis serial.*|none|n/?a|oem|unknown|invalid"
)
_EMPTY_IDENTITIES = {"", "0123456789", "123456789", "1234567890", "0123456789abcdef"}
# The UUID that many boards leave the factory with, in both of its byte orders.
_EMPTY_IDENTITIES |= {"03000200040005000006000700080009", "00020003000400050006000700080009"}
_HYPERVISORS = re.compile(
    r"qemu|kvm|vmware|virtualbox|innotek|xen|bochs|parallels|bhyve|virtual machine|nutanix"
    r"|openstack|amazon|google|alibaba|digitalocean|vserver|scaleway"
)


@dataclass(frozen=True)
class Identity:
    """Digests of what tells one machine from another, "" where the node cannot know it; ``kind`` is bare, virtual or unknown.

    ``links`` are those of its interfaces' hardware addresses: by them a peer is known where it answers for an address.
    """

    boot: str = ""
    machine: str = ""
    dmi: str = ""
    kind: str = UNKNOWN
    links: str = ""

    def plain(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True)
class Separation:
    """One of RESULTS for a load balancer as one node sees it, the reason in words, and whether it is let pass."""

    result: str
    reason: str
    allowed: bool
    way_out: str = ""

    def told(self) -> dict[str, Any]:
        return {"result": self.result, "reason": self.reason, "allowed": self.allowed}


@dataclass(frozen=True)
class Evidence:
    """What is known of this node and its peers: fresh answers, and the pairs (own, peer's) that were compared before."""

    own: Identity
    fresh: Mapping[str, Identity]
    compared: Mapping[str, tuple[Identity, Identity]]

    def pairs(self, peer: str) -> list[tuple[Identity, Identity]]:
        """A stored answer may be older than the last boot of either, so it is held against then and now."""
        if peer in self.fresh:
            return [(self.own, self.fresh[peer])]
        if peer in self.compared:
            then, other = self.compared[peer]
            return [(then, other), (self.own, other)]
        return []


def from_plain(data: Any) -> Identity:
    """The identity that ``plain`` gave; what is no text in it counts as unknown."""
    given = data if isinstance(data, Mapping) else {}
    return Identity(**{name: str(given[name]) for name in Identity().plain() if isinstance(given.get(name), str)})


def read_compared(path: Path) -> dict[str, tuple[Identity, Identity]]:
    """What was compared before. A record that is missing or broken proves nothing, and the next comparison writes it anew."""
    try:
        data = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    pairs = data.items() if isinstance(data, dict) else ()
    return {str(peer): (from_plain(pair.get("own")), from_plain(pair.get("peer"))) for peer, pair in pairs if isinstance(pair, dict)}


def kept_of(identity: Identity) -> Identity:
    """What of an identity is worth keeping: interfaces come and go."""
    return replace(identity, links="")


def to_record(compared: Mapping[str, tuple[Identity, Identity]]) -> dict[str, Any]:
    return {peer: {"own": own.plain(), "peer": other.plain()} for peer, (own, other) in compared.items()}


# Comparing


def separation(load_balancer: LoadBalancer, node: str, evidence: Evidence) -> Separation:
    """How separate ``node`` is from each of the others; the worst of it."""
    own = next(member for member in load_balancer.nodes if member.node == node)
    found = [_pair(own, other, evidence) for other in load_balancer.nodes if other.node != node]
    result, reason, way_out = min(found, key=lambda one: RESULTS.index(one[0]))
    return Separation(result, reason, load_balancer.allow_same_hardware, way_out)


def separations(stated: Iterable[LoadBalancer], node: str, evidence: Evidence) -> dict[str, Separation]:
    """The same for each of the load balancers, by key. Raises ModelError where one must not be: violated and not allowed."""
    found = {one.key: (one, separation(one, node, evidence)) for one in stated}
    refused = [refusal(one, result) for one, result in found.values() if result.result == "violated" and not result.allowed]
    if refused:
        raise ModelError(*refused)
    return {key: result for key, (_one, result) in found.items()}


def doubts(found: Mapping[str, Separation]) -> list[str]:
    """What is unproved, in sentences."""
    return [
        f"{describe('load_balancers', key)}: separate hardware is unproved: {one.reason}. {one.way_out}"
        for key, one in found.items()
        if one.result == "unproved" and not one.allowed
    ]


def refusal(load_balancer: LoadBalancer, found: Separation) -> Problem:
    """The error for a load balancer that must not be: violated and not allowed."""
    rule = f"but {found.reason}, so one failure can take them all; nothing was changed"
    way_out = f"{found.way_out} Where it is known and wanted, as in a trial on one machine, give allow_same_hardware: true."
    return Problem(describe("load_balancers", load_balancer.key), "allow_same_hardware", False, rule, way_out)


def _pair(own: Node, other: Node, evidence: Evidence) -> tuple[str, str, str]:
    """(result, reason, way out) for two nodes."""
    both = f"{own.node} and {other.node}"
    pairs = evidence.pairs(other.node)
    for mine, theirs in pairs:
        same = _same(mine, theirs)
        if same:
            return "violated", f"{both} {same[0]}", same[1]
    if own.fault_domain and own.fault_domain == other.fault_domain:
        return "violated", f'{both} are both in fault_domain "{own.fault_domain}"', "Give each node the fault_domain that it is in, or move one."
    if pairs and all(one.kind == BARE and one.dmi for pair in pairs for one in pair):
        return "proved", f"{both} are bare metal with DMI identities and boot ids of their own", ""
    if own.fault_domain and other.fault_domain:
        unseen = "" if pairs else f"; the hardware of {other.node} was not compared"
        return "declared", f'{own.node} is in fault_domain "{own.fault_domain}", {other.node} in "{other.fault_domain}"{unseen}', ""
    reason, way_out = _doubt(own, other, pairs)
    return "unproved", reason, way_out


def _same(mine: Identity, theirs: Identity) -> Optional[tuple[str, str]]:
    """What says that two identities are of one machine, and the way out; None where nothing does."""
    separate = "Put the nodes on separate hardware."
    if mine.boot and mine.boot == theirs.boot:
        return "run on one kernel", separate
    if mine.dmi and mine.dmi == theirs.dmi:
        return "are one machine (their DMI identities are equal)", separate
    if mine.machine and mine.machine == theirs.machine:
        cloned = "If one was cloned from the other, empty its /etc/machine-id, run systemd-machine-id-setup and reboot it."
        return "have the same machine id", f"{separate} {cloned}"
    return None


def _doubt(own: Node, other: Node, pairs: list[tuple[Identity, Identity]]) -> tuple[str, str]:
    """Why it is not proved, and what would settle it."""
    declare = "Give every node a fault_domain, such as its rack, site or virtualisation host."
    missing = [member.node for member in (own, other) if not member.fault_domain]
    if len(missing) == 1:
        return f"{missing[0]} has no fault_domain while the other node has one", declare
    if not pairs:
        return f"the hardware of {other.node} is not known to {own.node}", f"Run the task on both nodes in one play. {declare}"
    names = {own.node: [pair[0] for pair in pairs], other.node: [pair[1] for pair in pairs]}
    virtual = [name for name, seen in names.items() if any(one.kind == VIRTUAL for one in seen)]
    if virtual:
        what = (
            "are virtual machines or containers, which cannot know their"
            if len(virtual) > 1
            else "is a virtual machine or container and cannot know its"
        )
        return f"{' and '.join(virtual)} {what} hardware", declare
    blind = " and ".join(name for name, seen in names.items() if any(one.kind != BARE or not one.dmi for one in seen))
    return f"the DMI identity of {blind} cannot be read", f"Run the task as root (become: true). {declare}"


# Reading


def read_identity(root: Path = Path("/")) -> Identity:
    """What this node can say of its hardware. ``root`` is where /proc, /sys, /etc and /run are found."""
    machine = _text(root / "etc/machine-id")
    return Identity(
        boot=_digest("boot", _boot(root)),
        machine=_digest("machine", machine if re.fullmatch(r"[0-9a-f]{32}", machine) else ""),
        dmi=_digest("dmi", _dmi(root)),
        kind=_kind(root),
        links=_links(root),
    )


def _links(root: Path) -> str:
    found = {_text(path) for path in (root / "sys/class/net").glob("*/address")}
    return " ".join(link_digest(address) for address in sorted(found - {"", "00:00:00:00:00:00"})[:_LINKS_MAX])


def link_digest(address: str) -> str:
    """Names a hardware address as ``Identity.links`` does; who hears one on the wire can tell whether it is among them."""
    return _digest("link", address)


def _boot(root: Path) -> str:
    """The kernel's boot id. systemd-nspawn mounts one of its own making over it in every container; then the kernel is named by what it is,
    how it was started, and the second in which that was."""
    boot_id = "proc/sys/kernel/random/boot_id"
    mounted = [line.split()[4] for line in _text(root / "proc/self/mountinfo").splitlines() if line.count(" ") > 4]
    if f"/{boot_id}" not in mounted:
        return _text(root / boot_id)
    moment = re.search(r"^btime \d+$", _text(root / "proc/stat"), re.MULTILINE)
    return f"{moment[0]} {_text(root / 'proc/version')} {_text(root / 'proc/cmdline')}" if moment else ""


def _dmi(root: Path) -> str:
    """The board's UUID, else its serial number; on boards without DMI the device tree's serial number."""
    dmi = root / "sys/class/dmi/id"
    for path in (dmi / "product_uuid", dmi / "product_serial", dmi / "board_serial", root / "sys/firmware/devicetree/base/serial-number"):
        given = _text(path).lower()
        bare = re.sub(r"[^0-9a-z]", "", given)
        if bare not in _EMPTY_IDENTITIES and len(set(bare)) > 1 and not _EMPTY_WORDS.fullmatch(given):
            return f"{path.name}:{bare}"
    return ""


def _kind(root: Path) -> str:
    """As systemd-detect-virt(1) decides, from the same files. An unprivileged process may see less: then it is unknown, not bare."""
    if _in_container(root) or (root / "sys/hypervisor/type").exists():
        return VIRTUAL
    processors = _text(root / "proc/cpuinfo")
    if re.search(r"^flags\s*:.*\bhypervisor\b", processors, re.MULTILINE) or (root / "sys/firmware/devicetree/base/hypervisor").exists():
        return VIRTUAL
    dmi = root / "sys/class/dmi/id"
    names = " ".join(_text(dmi / name) for name in ("sys_vendor", "product_name", "bios_vendor", "board_vendor")).lower()
    # Providers rent out whole machines too, and say so in the name of the product (Amazon's end in ".metal").
    if _HYPERVISORS.search(names) and "metal" not in names:
        return VIRTUAL
    return BARE if names.strip() or (root / "sys/firmware/devicetree/base/model").exists() else UNKNOWN


def _in_container(root: Path) -> bool:
    marks = ("run/systemd/container", "run/.containerenv", ".dockerenv", "proc/vz")
    if any((root / mark).exists() for mark in marks):
        return True
    return any(entry.startswith("container=") for entry in _text(root / "proc/1/environ").split("\0"))


def _text(path: Path) -> str:
    """A small file's text, "" where it is not there, not ours to read, or no hardware answers behind it."""
    try:
        with path.open("rb") as file:
            return file.read(_FILE_BYTES_MAX).decode(errors="replace").strip(" \n\t\0")
    except OSError:
        return ""


def _digest(what: str, value: str) -> str:
    """Names a value without telling it: machine-id(5) asks that the id itself does not leave the machine."""
    return hashlib.sha256(f"tandem.lb {what}\0{value}".encode()).hexdigest()[:32] if value else ""
