"""JSON of megabytes, read and written member by member.

``json`` reads or writes a value in one call that holds the interpreter for all of it: a document of a thousand backends stops every other thread for
tens of milliseconds, an event loop among them. Here only single members of the outer objects are such calls, so work of this size can be done in a
thread beside a loop that must go on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_DEPTH = 3  # {"objects": {kind: {key: one object}}}
_scan = json.JSONDecoder().raw_decode
_blank = re.compile(r"[ \t\n\r]*").match
_encode = json.JSONEncoder(sort_keys=True).encode


def loads(content: bytes) -> Any:
    """What ``json.loads`` gives. Raises what it raises."""
    try:
        text = content.decode()
        value, end = _read(text, _after_blank(text, 0), _DEPTH)
        if _after_blank(text, end) == len(text):
            return value
    except (ValueError, IndexError):
        pass  # it is worded below
    return json.loads(content)


def _read(text: str, at: int, depth: int) -> tuple[Any, int]:
    """The value that begins there, and where it ends. Raises ValueError, IndexError."""
    if not depth or text[at] != "{":
        return _scan(text, at)
    members: dict[str, Any] = {}
    at = _after_blank(text, at + 1)
    if text[at] == "}":
        return members, at + 1
    while True:
        key, at = _scan(text, at)
        at = _after_blank(text, at)
        if not isinstance(key, str) or text[at] != ":":
            raise ValueError("no member of an object")
        members[key], at = _read(text, _after_blank(text, at + 1), depth - 1)
        at = _after_blank(text, at)
        if text[at] == "}":
            return members, at + 1
        if text[at] != ",":
            raise ValueError("no end of an object")
        at = _after_blank(text, at + 1)


def _after_blank(text: str, at: int) -> int:
    match = _blank(text, at)
    return match.end() if match else at


def dumps(value: Any) -> bytes:
    """What ``json.dumps`` gives with its keys sorted; those of the outer objects are texts."""
    return "".join(_write(value, _DEPTH)).encode()


def _write(value: Any, depth: int) -> Iterator[str]:
    if not depth or not isinstance(value, dict) or not value:
        yield _encode(value)
        return
    before = "{"
    for key in sorted(value):
        yield f"{before}{_encode(key)}: "
        yield from _write(value[key], depth - 1)
        before = ", "
    yield "}"
