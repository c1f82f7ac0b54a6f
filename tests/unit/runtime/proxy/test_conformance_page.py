"""Holds the page on HTTP conformance to the tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = (HERE.parents[3] / "docs/reference/http-conformance.md").read_text()


def test_every_test_that_the_page_names_exists():
    tests = "".join(path.read_text() for path in HERE.glob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 20
    assert {name for name in named if f"def {name}(" not in tests} == set()


def test_every_refused_case_is_on_the_page():
    cases = re.findall(r'^    "(RFC [0-9]+ [0-9.]+): (.+?)": ', (HERE / "test_http1.py").read_text(), re.MULTILINE)
    assert len(cases) > 80
    assert [f"{rule}: {case}" for rule, case in cases if f"| {rule} | {case} |" not in PAGE] == []
