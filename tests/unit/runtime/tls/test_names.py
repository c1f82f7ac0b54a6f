"""Certificates by the names they are for: which one a client gets, and what a server's may be for (RFC 9525)."""

from __future__ import annotations

import pytest

from tandem.tls.names import CertificateIndex, name_matches

MATCHES = [
    ("a.test", "a.test"),
    ("A.Test", "a.tEST"),
    ("a.test", "a.test."),
    ("*.a.test", "b.a.test"),
    ("*.A.test", "B.a.test."),
    ("*.a.test", "xn--bcher-kva.a.test"),
    ("*.test", "a.test"),
    ("localhost", "localhost"),
    ("my_app.test", "my_app.test"),
    ("192.0.2.1", "192.0.2.1"),
    ("2001:db8::1", "2001:DB8:0:0:0:0:0:1"),
    ("2001:0DB8:0000::0001", "2001:db8::1"),
    ("fe80::1", "fe80::1%eth0"),
]
DIFFERS = [
    ("a.test", "b.test"),
    ("a.test", "b.a.test"),
    ("*.a.test", "a.test"),
    ("*.a.test", "c.b.a.test"),
    ("*.a.test", ".a.test"),
    ("*.a.test", "*.a.test"),
    ("b*.a.test", "bb.a.test"),
    ("*b.a.test", "bb.a.test"),
    ("**.a.test", "bb.a.test"),
    ("b.*.test", "b.a.test"),
    ("*.*.test", "b.a.test"),
    ("*", "test"),
    ("*.", "test."),
    ("*..test", "a..test"),
    ("xn--*.a.test", "xn--bcher-kva.a.test"),
    ("", ""),
    ("", "a.test"),
    ("a.test", ""),
    ("a.test.", "a.test"),
    ("k.test", "\u212a.test"),  # the Kelvin sign, whose lower case is k
    ("\u212a.test", "k.test"),
    ("192.0.2.1", "192.0.2.2"),
    ("*.0.2.1", "192.0.2.1"),
    ("*.192.0.2.1", "a.192.0.2.1"),
    ("*.2001:db8::1", "a.2001:db8::1"),
    ("2001:db8::1", "2001:db8::2"),
    ("::ffff:192.0.2.1", "192.0.2.1"),
]


@pytest.mark.parametrize(("pattern", "name"), MATCHES)
def test_a_certificates_name_is_for_this_one_RFC_9525_6(pattern, name):
    assert name_matches(pattern, name)
    assert CertificateIndex([([pattern], 0, 9, "it")]).find(name, 5) == "it"


@pytest.mark.parametrize(("pattern", "name"), DIFFERS)
def test_a_certificates_name_is_not_for_this_one_RFC_9525_6(pattern, name):
    assert not name_matches(pattern, name)
    assert CertificateIndex([([pattern], 0, 9, "it")]).find(name, 5) is None


def test_the_exact_name_comes_before_the_wildcard_whichever_was_given_first():
    wildcard, exact = (["*.a.test"], 0, 9, "wildcard"), (["b.a.test"], 0, 9, "exact")
    for certificates in ([wildcard, exact], [exact, wildcard]):
        index = CertificateIndex(certificates)
        assert [index.find(name, 5) for name in ("b.a.test", "c.a.test", "a.test")] == ["exact", "wildcard", None]


def test_a_valid_one_comes_before_one_that_is_over_or_not_yet_valid_even_if_only_a_wildcard_covers_the_name():
    index = CertificateIndex([(["b.a.test"], 0, 4, "over"), (["b.a.test"], 8, 9, "to come"), (["*.a.test"], 2, 6, "wildcard")])
    assert [index.find("b.a.test", now) for now in (1, 3, 5, 7, 8)] == ["over", "over", "wildcard", "over", "to come"]
    index = CertificateIndex([(["a.test"], 0, 4, "over"), (["a.test"], 0, 9, "valid"), (["a.test"], 0, 9, "later")])
    assert [index.find("a.test", now) for now in (4, 4.5, 9, 9.5)] == ["over", "valid", "valid", "over"]


def test_where_none_is_valid_the_exact_one_given_first_is_found_so_that_the_client_can_say_what_is_wrong():
    index = CertificateIndex([(["*.a.test"], 0, 4, "wildcard"), (["b.a.test"], 0, 3, "first"), (["b.a.test"], 0, 4, "second")])
    assert index.find("b.a.test", 5) == "first"
    assert index.find("c.a.test", 5) == "wildcard"


def test_a_certificate_is_found_by_each_of_its_names():
    names = ["a.test", "*.a.test", "A.TEST", "192.0.2.1", "2001:db8::1", "no*.test"]
    index = CertificateIndex([(names, 0, 9, "it")])
    assert [index.find(name, 5) for name in ("a.test", "b.a.test", "192.0.2.1", "2001:db8:0::1", "now.test", "")] == ["it"] * 4 + [None, None]
    assert CertificateIndex([]).find("a.test", 5) is None


class Counted(dict):
    """Counts what is looked up."""

    looked_up = 0

    def get(self, *arguments):
        self.looked_up += 1
        return super().get(*arguments)


@pytest.mark.parametrize("count", [10, 10_000])
def test_a_look_up_costs_the_same_among_10_and_among_10_000_names(count):
    index = CertificateIndex([([f"{number}.test", f"*.{number}.test"], 0, 9, number) for number in range(count)])
    index._by_name = counted = Counted(index._by_name)
    assert [index.find(f"{name}.test", 5) for name in (count - 1, f"a.{count - 1}", "none", "a.none")] == [count - 1, count - 1, None, None]
    assert counted.looked_up == 1 + 2 + 2 + 2  # the wildcard too, unless the name itself is there
