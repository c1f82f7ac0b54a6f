"""What is remembered in the fields of a request, as requests with the same fields follow on the same connection."""

from __future__ import annotations


class Rewritten:
    """What rules make of a request's fields, and what they add to the answer that depends on these alone; and for what."""

    __slots__ = ("added", "added_passing", "added_plan", "written", "written_local", "written_passing", "written_plan")

    def __init__(self) -> None:
        self.written: bytes = b""
        self.written_plan: object = None
        self.written_passing: object = None
        self.written_local: bytes = b""
        self.added: bytes = b""
        self.added_plan: object = None
        self.added_passing: object = None
