"""One line of a service's log. Under systemd it carries its level for the journal (sd-daemon(3)); elsewhere the level is a word in front."""

from __future__ import annotations

import functools
import os
import sys

_JOURNAL = {"error": "<3>", "warning": "<4>", "info": "<6>"}


def say(level: str, text: str) -> None:
    """Writes ``text`` to standard error. ``level``: error, warning or info."""
    print(worded(level, text), file=sys.stderr, flush=True)


def worded(level: str, text: str) -> str:
    """The line, or lines, as they go to the log: the journal takes the level of each line from its first characters."""
    if _to_journal():
        return "\n".join(_JOURNAL[level] + line for line in text.splitlines())
    return f"{level}: {text}"


@functools.lru_cache(maxsize=1)
def _to_journal() -> bool:
    """Whether standard error is the journal's (systemd.exec(5), JOURNAL_STREAM: its device and inode)."""
    try:
        stream = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stream.st_dev}:{stream.st_ino}"
