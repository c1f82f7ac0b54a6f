"""Separate hardware: what a node reads of itself, and what two such answers prove."""

from __future__ import annotations

import pytest

from plugins.module_utils._hardware import Evidence, Identity, from_plain, link_digest, read_compared, read_identity, refusal, separation
from plugins.module_utils._model import LoadBalancer, from_options

ONE = Identity("boot-1", "machine-1", "dmi-1", "bare")
TWO = Identity("boot-2", "machine-2", "dmi-2", "bare")
VIRTUAL = Identity("boot-2", "machine-2", "dmi-2", "virtual")
BLIND = Identity("boot-2", "machine-2", "", "bare")


def edge(domains=("", ""), **options):
    master = {"node": "lb-a", "address": "192.0.2.11", "fault_domain": domains[0]}
    backup = {"node": "lb-b", "address": "192.0.2.12", "fault_domain": domains[1]}
    return from_options(LoadBalancer, {"name": "edge", "master": master, "backup": backup, **options})


def found(peer, domains=("", ""), own=ONE, compared=None):
    fresh = {} if peer is None else {"lb-b": peer}
    return separation(edge(domains), "lb-a", Evidence(own, fresh, compared or {}))


DIFFERENT, EQUAL, HALF = ("rack-1", "rack-2"), ("rack-1", "rack-1"), ("rack-1", "")
CASES = {
    "bare metal with other identities": (TWO, ("", ""), "proved", "bare metal"),
    "bare metal, and fault domains besides": (TWO, DIFFERENT, "proved", "bare metal"),
    "the same boot id": (Identity("boot-1", "x", "y", "bare"), DIFFERENT, "violated", "one kernel"),
    "the same DMI identity": (Identity("x", "y", "dmi-1", "bare"), DIFFERENT, "violated", "one machine"),
    "the same machine id": (Identity("x", "machine-1", "y", "bare"), DIFFERENT, "violated", "same machine id"),
    "the same fault domain": (TWO, EQUAL, "violated", 'fault_domain "rack-1"'),
    "virtual machines of different fault domains": (VIRTUAL, DIFFERENT, "declared", '"rack-1"'),
    "an unknown peer of another fault domain": (None, DIFFERENT, "declared", "was not compared"),
    "an unknown peer": (None, ("", ""), "unproved", "lb-b is not known"),
    "a virtual machine": (VIRTUAL, ("", ""), "unproved", "lb-b is a virtual machine"),
    "one fault domain alone": (VIRTUAL, HALF, "unproved", "lb-b has no fault_domain"),
    "a DMI identity that cannot be read": (BLIND, ("", ""), "unproved", "of lb-b cannot be read"),
    "nodes that know nothing of themselves": (Identity(), ("", ""), "unproved", "cannot be read"),
}


@pytest.mark.parametrize("case", CASES)
def test_two_nodes_compare(case):
    peer, domains, result, word = CASES[case]
    one = found(peer, domains)
    assert one.result == result
    assert word in one.reason
    assert one.way_out or result in ("proved", "declared")


def test_nothing_known_on_either_side_is_no_sameness():
    assert found(Identity(), own=Identity()).result == "unproved"


def test_a_stored_answer_counts_as_it_was_compared_and_as_things_are_now():
    assert found(None, compared={"lb-b": (ONE, TWO)}).result == "proved"
    rebooted = Identity("boot-9", "machine-1", "", "bare")
    assert found(None, own=rebooted, compared={"lb-b": (Identity("boot-1"), Identity("boot-1"))}).result == "violated"
    moved_here = Identity("boot-2", "machine-1", "dmi-1", "bare")
    assert found(None, own=moved_here, compared={"lb-b": (ONE, TWO)}).result == "violated"
    assert found(TWO, compared={"lb-b": (ONE, ONE)}).result == "proved", "a fresh answer replaces the stored one"


def test_the_refusal_names_option_reason_and_way_out():
    told = str(refusal(edge(), found(Identity("boot-1"))))
    for word in (
        'load balancer "edge"',
        "allow_same_hardware is false",
        "lb-a and lb-b run on one kernel",
        "separate hardware",
        "allow_same_hardware: true",
    ):
        assert word in told


# Reading

METAL = {
    "proc/sys/kernel/random/boot_id": "0a1b2c3d-0000-4000-8000-000000000001\n",
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "sys/class/dmi/id/product_uuid": "4c4c4544-0035-4d10-8052-b4c04f4e3332\n",
    "sys/class/dmi/id/product_serial": "5MR4N32\n",
    "sys/class/dmi/id/sys_vendor": "Dell Inc.\n",
    "proc/cpuinfo": "processor\t: 0\nflags\t\t: fpu vme de pse\n",
}


@pytest.fixture
def machine(tmp_path):
    def make(changes):
        for name, content in {**METAL, **changes}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            if content is not None:
                path.write_text(content)
        return read_identity(tmp_path)

    return make


def test_a_bare_machine_tells_digests_and_never_the_values(machine):
    identity = machine({})
    assert identity.kind == "bare"
    assert all(len(value) == 32 for value in (identity.boot, identity.machine, identity.dmi))
    told = str(identity.plain())
    assert not any(value.strip() in told for name, value in METAL.items() if name not in ("proc/cpuinfo", "sys/class/dmi/id/sys_vendor"))
    assert from_plain(identity.plain()) == identity


@pytest.mark.parametrize(
    "changes",
    [
        {"proc/cpuinfo": "flags\t\t: fpu hypervisor vme\n"},
        {"sys/class/dmi/id/sys_vendor": "QEMU\n"},
        {"sys/class/dmi/id/sys_vendor": "Amazon EC2\n", "sys/class/dmi/id/product_name": "t3.small\n"},
        {"proc/1/environ": "PATH=/bin\0container=systemd-nspawn\0"},
        {"run/systemd/container": "systemd-nspawn\n"},
        {"sys/hypervisor/type": "xen\n"},
    ],
)
def test_virtual_machines_and_containers_are_known_by_their_marks(machine, changes):
    assert machine(changes).kind == "virtual"


def test_a_providers_whole_machine_is_bare(machine):
    assert machine({"sys/class/dmi/id/sys_vendor": "Amazon EC2\n", "sys/class/dmi/id/product_name": "m5.metal\n"}).kind == "bare"


@pytest.mark.parametrize(
    "empty",
    [
        "00000000-0000-0000-0000-000000000000",
        "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "03000200-0400-0500-0006-000700080009",
        "To be filled by O.E.M.",
    ],
)
def test_what_boards_carry_that_nobody_filled_in_is_no_identity(machine, empty):
    serial = machine({"sys/class/dmi/id/product_uuid": empty})
    assert serial.dmi == machine({"sys/class/dmi/id/product_uuid": None}).dmi != ""
    assert machine({"sys/class/dmi/id/product_uuid": empty, "sys/class/dmi/id/product_serial": "Default string"}).dmi == ""


def test_containers_with_boot_ids_of_their_own_making_are_known_by_the_kernel_they_share(machine):
    mounted = "1021 693 0:85 /.#boot-id//deleted /proc/sys/kernel/random/boot_id ro - tmpfs tmpfs rw\n"
    kernel = {"proc/self/mountinfo": mounted, "proc/stat": "cpu 1 2\nbtime 1795445063\n", "proc/version": "Linux 6.1\n", "proc/cmdline": "quiet\n"}
    one = machine(kernel)
    assert one.boot
    assert machine({**kernel, "proc/sys/kernel/random/boot_id": "another one\n"}).boot == one.boot
    assert machine({**kernel, "proc/stat": "cpu 1 2\nbtime 1795445099\n"}).boot != one.boot


def test_a_machine_id_that_is_not_set_yet_is_none(machine):
    assert machine({"etc/machine-id": "uninitialized\n"}).machine == ""


def test_this_machine_is_the_same_as_itself_and_says_so_twice_alike():
    assert read_identity() == read_identity()
    assert found(read_identity(), own=read_identity()).result == "violated"


def test_a_record_that_is_broken_proves_nothing(tmp_path):
    path = tmp_path / "hardware.json"
    assert read_compared(path) == {}
    path.write_text("{")
    assert read_compared(path) == {}
    path.write_text('{"lb-b": [], "lb-c": {"own": {"boot": 7}}}')
    assert read_compared(path) == {"lb-c": (Identity(), Identity())}


def test_hardware_addresses_leave_a_node_as_digests_too(machine):
    links = machine({"sys/class/net/eth0/address": "52:54:00:12:34:56\n", "sys/class/net/lo/address": "00:00:00:00:00:00\n"}).links
    assert links == link_digest("52:54:00:12:34:56")
    assert "52:54" not in links
