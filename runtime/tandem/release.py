"""Which release of the runtime this process runs, and how it starts another process of the same release."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


@functools.lru_cache(maxsize=1)
def release_digest() -> str:
    """The digest under which this release lies (the name of its folder in ``releases``); "checkout" when it is run from sources."""
    root = _PACKAGE.parent
    return root.name if root.parent.name == "releases" else "checkout"


def program_command() -> list[str]:
    """The command that runs this very release, whatever ``current`` points to by now."""
    return [sys.executable, "-I", str(_PACKAGE / "__main__.py")]
