"""Who a request is from, by what trusted proxies wrote."""

from __future__ import annotations

import pytest

from tandem.http.named_client import NamedClient
from tandem.http.networks import Networks
from tandem.http.request import read_request

TRUSTED = Networks(("192.0.2.0/24", "2001:db8:5::/48"))


@pytest.mark.parametrize(
    ("fields", "client"),
    [
        (["X-Forwarded-For: 203.0.113.9"], "203.0.113.9"),
        (["x-forwarded-for:203.0.113.9"], "203.0.113.9"),
        (["X-Forwarded-For: 10.0.0.1, 203.0.113.9"], "203.0.113.9"),  # what the client itself wrote does not count
        (["X-Forwarded-For: 10.0.0.1, 203.0.113.9, 192.0.2.7, 2001:db8:5::1"], "203.0.113.9"),
        (["X-Forwarded-For: 10.0.0.1", "X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 192.0.2.7"], "203.0.113.9"),
        (["X-Forwarded-For: 192.0.2.8, 192.0.2.7"], "192.0.2.8"),  # a proxy's own request
        (["X-Forwarded-For: 2001:DB8::1"], "2001:db8::1"),
        (["X-Forwarded-For: [2001:db8::1]:443"], "2001:db8::1"),
        (["X-Forwarded-For: [2001:db8::1]"], "2001:db8::1"),
        (["X-Forwarded-For: 203.0.113.9:51000"], "203.0.113.9"),
        (["X-Forwarded-For: ::ffff:203.0.113.9"], "203.0.113.9"),
        (["X-Forwarded-For: ::ffff:192.0.2.1, 192.0.2.7"], "192.0.2.1"),
        (["X-Forwarded-For: [2001:db8::1]junk"], ""),
        (["X-Forwarded-For: 203.0.113.9:junk"], ""),
        (["X-Forwarded-For: [203.0.113.9]:80"], "203.0.113.9"),
        (["X-Forwarded-For: 203.0.113.9, unknown"], ""),
        (["X-Forwarded-For: unknown, 192.0.2.7"], ""),
        (["X-Forwarded-For: 203.0.113.9,"], ""),
        (["X-Forwarded-For:"], ""),
        (["X-Forwarded-For: fe80::1%eth0"], ""),
        (["X-Forwarded-For: 203.0.113.09"], ""),
        (["X-Forwarded-For: 203.0.113.9 10.0.0.1"], ""),
        (["X-Real-IP: 203.0.113.9"], ""),
        ([], ""),
    ],
)
def test_the_client_is_the_last_in_the_list_who_is_no_trusted_proxy(fields, client):
    head = "\r\n".join(["GET / HTTP/1.1", "Host: a", *fields, "", ""])
    assert NamedClient("X-Forwarded-For", TRUSTED).of(read_request(head.encode())) == client


def test_of_a_list_without_end_only_the_end_is_read():
    head = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9" + ", 192.0.2.7" * 5000 + "\r\n\r\n"
    assert NamedClient("X-Forwarded-For", TRUSTED).of(read_request(head.encode())) == "192.0.2.7"
