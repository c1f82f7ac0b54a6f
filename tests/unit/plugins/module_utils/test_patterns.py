"""Regular expressions of options: what ``re`` finds is found, in a time that no text can make grow faster than its length."""

from __future__ import annotations

import random
import re
import time

import pytest

from plugins.module_utils._model import automaton
from plugins.module_utils._model._patterns import LENGTH_MAX

# Each takes ``re`` an exponential or a quadratic time for some text.
EVIL = {
    "(a+)+$": b"a" * 50_000 + b"!",
    "^(a|a)*$": b"a" * 50_000 + b"!",
    "(a|aa)+$": b"a" * 50_000 + b"!",
    "([a-z]+)*[0-9]": b"a" * 50_000,
    "(.*)*=": b"x" * 50_000,
    "(x+x+)+y": b"x" * 50_000,
    "/api/.*/end": b"/api/" * 10_000,
    ".*a.*b.*c$": b"ab" * 25_000,
    "^(([a-z])+.)+[A-Z]([a-z])+$": b"a" * 50_000,
    r"\s+$": b" " * 50_000 + b"x",
}


def made(rng, depth):
    """A random expression over few letters."""
    kind = rng.random()
    if depth == 0 or kind < 0.3:
        return rng.choice(["a", "b", "c", ".", "[ab]", "[^a]", r"\w", r"\D", "A", "[a-c]"])
    if kind < 0.5:
        return made(rng, depth - 1) + made(rng, depth - 1)
    if kind < 0.65:
        return f"({made(rng, depth - 1)}|{made(rng, depth - 1)})"
    if kind < 0.9:
        return f"(?:{made(rng, depth - 1)}){rng.choice(['*', '+', '?', '{2}', '{1,3}', '*?', '{2,}'])}"
    return rng.choice(["^%s", "%s$", r"\A%s", "(?i:%s)"]) % made(rng, depth - 1)


def test_what_re_finds_is_found_and_nothing_else():
    rng = random.Random(7)
    found = 0
    for _expression in range(600):
        text, ignore_case = made(rng, 4), rng.random() < 0.2
        ours, theirs = automaton(text, ignore_case=ignore_case), re.compile(text.encode(), re.IGNORECASE if ignore_case else 0)
        for _text in range(15):
            subject = "".join(rng.choice("abcA1/") for _byte in range(rng.randrange(9))).encode()
            assert ours.found(subject) == bool(theirs.search(subject)), (text, subject, ignore_case)
            found += ours.found(subject)
    assert 1000 < found < 8000  # both happen


@pytest.mark.parametrize("text", EVIL)
def test_the_time_for_a_text_made_to_take_long_grows_with_its_length_alone(text):
    subject, made_of_it = EVIL[text], automaton(text)

    def took(size):
        best = 1e9
        for _turn in range(3):
            began = time.perf_counter()
            made_of_it.found(subject[-size:])
            best = min(best, time.perf_counter() - began)
        return best

    assert took(50_000) < 10 * 4 * max(took(5_000), 1e-4)  # ten times the length; quadratic would be a hundred times


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (r"(a)\1", "a backreference"),
        ("(?=a)b", "a look-around"),
        ("a(?!b)", "a look-around"),
        ("(?<=a)b", "a look-around"),
        (r"\bshop\b", "the boundary of a word"),
        ("(?m)^a", "flags other than"),
        (".*a.{20}", "too large"),
        ("((a{100}){100}){100}", "too large"),
        ("(){100000}", "too large"),
        ("a{999999999999}", "not a regular expression"),
        ("[a", "not a regular expression"),
        ("(" * 499 + ")" * 499, "nests too deeply"),
        ("a" * (LENGTH_MAX + 1), "longer than"),
        ("\u00fc", "printable ASCII"),
    ],
)
def test_an_expression_that_has_no_bounded_automaton_is_refused_at_once(text, why):
    began = time.perf_counter()
    with pytest.raises(ValueError) as refused:
        automaton(text)
    assert why in refused.value.args[0]
    assert time.perf_counter() - began < 5


def test_usual_expressions_stay_small():
    assert len(automaton(r"\.(?:js|css|png|jpe?g|gif|ico|svg|woff2?)$").rows) < 50
    assert len(automaton(r"^/user/[0-9]+/(?:profile|orders)/?$").rows) < 50
    assert len(automaton(r"^/api/.*/items/.*$").rows) < 50
    assert len(automaton("[0-9a-f]{32}").rows) < 50
