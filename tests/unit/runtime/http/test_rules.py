"""Rules found by host and path: the same as asking one after the other, and for a thousand as cheap as for ten."""

from __future__ import annotations

import random
import time

import pytest

from tandem._model import Comparison, Conditions
from tandem.http.conditions import compiled
from tandem.http.request import read_request
from tandem.http.rules import NONE, Rules

CLIENTS = ("192.0.2.1", "198.51.100.7", "2001:db8::1")


def asked(target, host, *fields, method="GET"):
    return read_request("\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {host}", *fields, "", ""]).encode())


def naive(rules, request, client):
    """What is wanted: each rule in turn."""
    for place, (conditions, inverted) in enumerate(rules):
        if compiled(conditions).matches(request, client) != inverted:
            return place
    return NONE


def random_conditions(rng):
    """Few of them at a time, of few values, so that many rules match many requests."""
    domains = ["a.test", "b.test", "x.a.test", "y.x.a.test"]
    paths = ["/", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/A", "/b"]
    some = {
        "host": lambda: rng.choice(domains),
        "subdomains": lambda: rng.choice(["test", *domains]),
        "host_prefix": lambda: rng.choice(["a", "x."]),
        "host_label": lambda: rng.choice(["a", "x"]),
        "path": lambda: rng.choice(paths),
        "path_prefix": lambda: rng.choice(paths),
        "path_regex": lambda: rng.choice(["b$", "^/a"]),
        "ignore_case": lambda: True,
        "methods": lambda: ("GET",),
        "sources": lambda: ("192.0.2.0/24",),
        "headers": lambda: (Comparison("x", value="1", invert=rng.random() < 0.3),),
    }
    names = rng.sample(sorted(some), rng.choice((1, 1, 2, 3)))
    return Conditions(**{name: some[name]() for name in names})


def random_request(rng):
    host = rng.choice(["a.test", "b.test", "x.a.test", "y.x.a.test", "z.y.x.a.test", "test", "other", "A.TEST:80"])
    target = rng.choice(["/", "//", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/a/b/c/d/e/f", "/A/b", "/b", "/ab", "/a/../b", "/%61", "*"])
    method = "OPTIONS" if target == "*" else rng.choice(["GET", "POST"])
    return asked(target, host, *rng.choice([[], ["X: 1"], ["X: 2"]]), method=method)


@pytest.mark.parametrize("seed", range(6))
def test_the_first_rule_that_matches_is_found_whatever_the_rules_are(seed):
    rng = random.Random(seed)
    found = set()
    for _document in range(25):
        rules = [(random_conditions(rng), rng.random() < 0.1) for _rule in range(rng.choice((1, 5, 20, 60)))]
        compiled_rules = Rules(rules)
        for _request in range(40):
            request, client = random_request(rng), rng.choice(CLIENTS)
            place = compiled_rules.first(request, client)
            assert place == naive(rules, request, client), (rules, request.raw)
            found.add(place)
    assert NONE in found
    assert len(found) > 8


def least(work, turns=7):
    """The shortest of several times, each of a few hundred calls."""
    best = 1e9
    for _turn in range(turns):
        began = time.perf_counter()
        for _call in range(300):
            work()
        best = min(best, time.perf_counter() - began)
    return best


@pytest.mark.parametrize(
    "make",
    [
        lambda n: Conditions(host=f"h{n}.test"),
        lambda n: Conditions(subdomains=f"d{n}.test"),
        lambda n: Conditions(path_prefix=f"/p{n}/"),
        lambda n: Conditions(host="h.test", path=f"/p{n}"),
    ],
)
def test_a_thousand_rules_cost_a_request_what_ten_do(make):
    requests = [asked("/p9/x", "h9.test"), asked("/p9", "h.test"), asked("/p9/x", "a.d9.test"), asked("/none", "none.test")]
    ten, thousand = (Rules([(make(n), False) for n in range(count)]) for count in (10, 1000))

    def times(rules):
        return least(lambda: [rules.first(request, "192.0.2.1") for request in requests])

    assert times(thousand) < 3 * times(ten)  # one after the other it would be a hundred times
