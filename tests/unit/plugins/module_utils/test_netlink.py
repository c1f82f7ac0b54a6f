"""The rtnetlink client: on this machine's kernel, and on answers that a kernel gives only at times."""

from __future__ import annotations

import errno
import socket
import struct

import pytest

from plugins.module_utils._interfaces import Address
from plugins.module_utils._netlink import Netlink

DONE, ERROR, NEWLINK, NEWADDR, DELADDR, GETADDR = 3, 2, 16, 20, 21, 22
INTERRUPTED = 0x10


def attribute(kind, content):
    return struct.pack("=HH", 4 + len(content), kind) + content + b"\0" * (-len(content) % 4)


def address(index, packed, length, *more):
    return struct.pack("=BBBBI", 2, length, 0, 0, index) + attribute(1, packed) + b"".join(more)


def link(index, name, families, flags=1):
    return struct.pack("=BxHiII", 0, 1, index, flags, 0) + attribute(3, name.encode() + b"\0") + attribute(1, b"\2" * 6) + families


def ipv6(disabled, settings=60):
    values = [0] * settings
    values[26:27] = [int(disabled)] if settings > 26 else []
    return attribute(26, attribute(2, b"") + attribute(10, attribute(2, struct.pack(f"={settings}i", *values))))


class Kernel:
    """Sockets whose kernel gives the ``answers`` one by one: lists of (kind, flags, content), or an error to raise."""

    def __init__(self, *answers):
        self.answers, self.asked, self.opened, self.closed, self.left = list(answers), [], 0, 0, b""

    def __call__(self, *_kind):
        self.opened += 1
        return self

    def settimeout(self, seconds):
        assert 0 < seconds < 10, "a kernel that does not answer holds up nobody for long"

    def bind(self, _address):
        pass

    def close(self):
        self.closed += 1

    def send(self, message):
        self.asked.append((*struct.unpack_from("=IHHII", message), message[16:]))

    def recv(self, _size):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        number = self.asked[-1][3]
        return b"".join(packed(number, *one) for one in answer)


def packed(number, kind, flags, content):
    return struct.pack("=IHHII", 16 + len(content), kind, flags, number, 0) + content + b"\0" * (-len(content) % 4)


def test_this_machines_loopback_interface_is_found_with_its_address():
    netlink = Netlink()
    try:
        loopback = next(link for link in netlink.links() if link.name == "lo")
        assert any(held.link == loopback.index and held.cidr == "127.0.0.1/8" and held.valid_s is None for held in netlink.addresses())
        with pytest.raises(OSError, match=r"No such device|not permitted"):
            netlink.add(999_999, "192.0.2.1/24", 5)
        assert next(link for link in netlink.links() if link.name == "lo") == loopback, "the next request is answered all the same"
    finally:
        netlink.close()


def test_addresses_come_with_their_interface_prefix_and_what_is_left_of_their_lifetime():
    leased = attribute(6, struct.pack("=IIII", 0, 4, 0, 0))
    forever = attribute(6, struct.pack("=IIII", 0xFFFFFFFF, 0xFFFFFFFF, 0, 0))
    rows = [(NEWADDR, 2, address(2, bytes([192, 0, 2, 100]), 24, leased)), (NEWADDR, 2, address(3, bytes(15) + b"\1", 128, forever))]
    kernel = Kernel([rows[0]], [rows[1], (DONE, 2, b"\0" * 4)])
    assert Netlink(kernel).addresses() == [Address(2, "192.0.2.100/24", 4), Address(3, "::1/128", None)]
    assert kernel.asked[0][1:3] == (GETADDR, 1 | 0x300)


def test_an_interface_says_whether_it_takes_ipv6():
    rows = [link(2, "on", ipv6(False)), link(3, "off", ipv6(True)), link(4, "none", b""), link(5, "odd", ipv6(False, settings=3))]
    found = Netlink(Kernel([*((NEWLINK, 2, row) for row in rows), (DONE, 2, b"\0" * 4)])).links()
    assert {one.name: one.ipv6 for one in found} == {"on": True, "off": False, "none": False, "odd": False}


def test_a_list_that_changed_while_it_was_read_is_read_again():
    one, two = (address(2, bytes([192, 0, 2, last]), 24) for last in (1, 2))
    kernel = Kernel([(NEWADDR, 2, one), (DONE, 2 | INTERRUPTED, b"\0" * 4)], [(NEWADDR, 2, one), (NEWADDR, 2, two), (DONE, 2, b"\0" * 4)])
    assert len(Netlink(kernel).addresses()) == 2
    always = Kernel(*[[(DONE, INTERRUPTED, b"\0" * 4)]] * 9)
    assert Netlink(always).addresses() == []
    assert len(always.asked) == 5, "not for ever"


def test_the_rest_of_an_answer_that_nobody_read_is_passed_over():
    netlink = Netlink(kernel := Kernel())
    stale = packed(0, NEWADDR, 2, address(9, bytes([192, 0, 2, 9]), 24))
    kernel.recv = lambda _size: stale + packed(kernel.asked[-1][3], DONE, 0, b"\0" * 4)
    assert netlink.addresses() == []


def test_the_kernels_refusal_has_its_errno_and_the_socket_is_used_again():
    kernel = Kernel([(ERROR, 0, struct.pack("=i", -errno.EACCES))], [(ERROR, 0, struct.pack("=i", 0))])
    netlink = Netlink(kernel)
    with pytest.raises(PermissionError):
        netlink.add(2, "2001:db8::1/64", 4)
    netlink.remove(2, "192.0.2.1/24")
    assert [asked[1] for asked in kernel.asked] == [NEWADDR, DELADDR]
    assert (kernel.opened, kernel.closed) == (1, 0)


@pytest.mark.parametrize("error", [socket.timeout("timed out"), OSError(errno.ENOBUFS, "no buffers")])
def test_after_an_error_on_the_way_the_next_request_has_a_socket_of_its_own(error):
    kernel = Kernel(error, [(DONE, 2, b"\0" * 4)])
    netlink = Netlink(kernel)
    with pytest.raises(OSError, match=r"time|buffers"):
        netlink.addresses()
    assert netlink.addresses() == []
    assert (kernel.opened, kernel.closed) == (2, 1)


def test_an_ipv6_address_is_added_usable_at_once_and_never_preferred():
    kernel = Kernel([(ERROR, 0, struct.pack("=i", 0))], [(ERROR, 0, struct.pack("=i", 0))])
    netlink = Netlink(kernel)
    netlink.add(7, "2001:db8::1/64", 4)
    netlink.add(7, "192.0.2.1/24", 4)
    six, four = (asked[5] for asked in kernel.asked)
    assert struct.unpack_from("=BBBBI", six) == (10, 64, 0, 0, 7)
    assert attribute(6, struct.pack("=IIII", 0, 4, 0, 0)) in six
    assert attribute(8, struct.pack("=I", 2)) in six, "no duplicate address detection"
    assert attribute(6, struct.pack("=IIII", 4, 4, 0, 0)) in four


@pytest.mark.parametrize(("flags", "carrier"), [(0x10001, True), (0x1, False), (0x10000, False), (0x11043, True)])
def test_an_interface_has_a_carrier_when_it_is_up_and_what_is_below_it_is_too(flags, carrier):
    kernel = Kernel([(NEWLINK, 2, link(2, "eth0", b"", flags)), (DONE, 2, b"\0" * 4)])
    assert [one.carrier for one in Netlink(kernel).links()] == [carrier]
