"""Which interface an address belongs to, and that modules and runtime mean the same one."""

from __future__ import annotations

import itertools

import pytest

from plugins.module_utils import _conflict
from plugins.module_utils._interfaces import Address, Link, having, holding_network
from plugins.module_utils._model import FloatingIP

ONE, TWO, THREE = Link(2, "eth0", b"\2" * 6), Link(3, "eth1", b"\3" * 6), Link(300, "bond0", b"\4" * 6)
BOTH = [Address(2, "192.0.2.11/24"), Address(3, "192.0.2.12/24"), Address(300, "192.0.2.13/24")]


def test_of_interfaces_on_one_network_it_is_the_one_with_the_lowest_index_in_whatever_order_the_kernel_tells_them():
    for links in itertools.permutations((ONE, TWO, THREE)):
        for addresses in itertools.permutations(BOTH):
            assert holding_network("192.0.2.100", links, addresses) == ONE


def test_the_longest_prefix_counts_before_the_index():
    addresses = [Address(2, "10.0.0.1/8"), Address(3, "10.1.0.1/16"), Address(2, "2001:db8::1/32"), Address(3, "2001:db8::2/64")]
    assert holding_network("10.1.2.3", [ONE, TWO], addresses) == TWO
    assert holding_network("10.2.2.3", [ONE, TWO], addresses) == ONE
    assert holding_network("2001:db8::9", [ONE, TWO], addresses) == TWO


def test_an_address_is_no_reason_for_itself_and_an_interface_that_has_gone_is_none():
    assert holding_network("192.0.2.100", [ONE], [Address(2, "192.0.2.100/24")]) is None
    assert holding_network("192.0.2.100", [ONE], [Address(9, "192.0.2.11/24")]) is None
    assert having("192.0.2.12", [ONE, TWO], BOTH) == TWO
    assert having("192.0.2.99", [ONE, TWO], BOTH) is None


@pytest.mark.parametrize("named", ["", "eth1"])
def test_another_holder_is_asked_for_on_the_interface_where_the_runtime_puts_the_address(monkeypatch, named):
    asked = {}

    class Kernel:
        def links(self):
            return [TWO, ONE]

        def addresses(self):
            return list(reversed(BOTH))

        def close(self):
            asked["closed"] = True

    def ask(interfaces):
        asked.update(interfaces)
        return {interface: {} for interface in interfaces}

    monkeypatch.setattr(_conflict, "Netlink", Kernel)
    monkeypatch.setattr(_conflict, "_unfit", lambda _interface: "")
    monkeypatch.setattr(_conflict, "_ask", ask)
    _conflict.probe([_conflict.Claim(FloatingIP("vip", "192.0.2.100/24", interface=named)), _conflict.Claim(FloatingIP("mine", "192.0.2.11/24"))])
    wanted = named or holding_network("192.0.2.100", [ONE, TWO], BOTH).name
    assert asked == {wanted: {"192.0.2.100"}, "closed": True}, "and not for what this node has"
