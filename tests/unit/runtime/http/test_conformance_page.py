"""Holds the page on HTTP conformance to the tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = (HERE.parents[3] / "docs/reference/http-conformance.md").read_text()


def test_every_test_that_the_page_names_exists():
    tests = "".join(path.read_text() for path in HERE.parent.rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 20
    assert {name for name in named if f"def {name}(" not in tests} == set()


def test_every_refused_case_is_on_the_page():
    sources = "".join((HERE / f"test_{name}.py").read_text() for name in ("requests", "responses", "chunked"))
    cases = re.findall(r'^    "(RFC [0-9]+ [0-9.]+): (.+?)": ', sources, re.MULTILINE)
    assert len(cases) > 120
    assert [f"{rule}: {case}" for rule, case in cases if f"| {rule} | {case} |" not in PAGE] == []
    others = r"(?: (?:[0-9]{3}|passes|waits|closes) \|){2}$"  # HAProxy and nginx: no case is left out when they are asked
    on_page = re.findall(r"^\| (RFC [0-9]+ [0-9.]+) \| (.+?) \| (?:[0-9]{3}|400 \(502 from a server\)) \|" + others, PAGE, re.MULTILINE)
    assert set(on_page) == set(cases), "and no case that is not tested"
