"""Tables in Markdown, as ``docs/reference/performance.md`` has them."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The first column is words, the others are numbers."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """The median, and the lowest and the highest."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"
