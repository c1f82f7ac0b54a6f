"""Names of requests that came with them: taken from whom the forwarded fields are taken too, and in a form that no log stumbles at."""

from __future__ import annotations

import re

from .fields import BLANKS
from .passing import Passing
from .request import Request

_FORM = re.compile(rb"[A-Za-z0-9._~+/=:@-]{1,128}")


class RequestIdField:
    """The field that the name of a request comes in. ``believes``: whether one that came is ever taken."""

    __slots__ = ("_believes", "_field")

    def __init__(self, name: bytes, believes: bool) -> None:
        self._believes = believes
        self._field = re.compile(rb"\n" + re.escape(name) + rb":[ \t]*([^\r]*)", re.IGNORECASE)

    def believed(self, request: Request, passing: Passing) -> bytes:
        """The name that came, once, from whom it is believed; else b""."""
        if not self._believes or passing.mode != "append":
            return b""
        found: list[bytes] = self._field.findall(request.fields.raw, request.fields.fields_start - 1)
        name = found[0].rstrip(BLANKS) if len(found) == 1 else b""
        return name if _FORM.fullmatch(name) else b""
