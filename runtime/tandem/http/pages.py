"""What clients see that no server has answered: a short page of ours, or the user's own; or that they are to go elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

from .write import REASONS, own_response

_FIELDS = b"Content-Type: text/html\r\nCache-Control: no-cache\r\n"


class Page:
    """``fields``: whole lines that speak of the content."""

    __slots__ = ("content", "fields", "status")

    def __init__(self, status: int, fields: bytes, content: bytes) -> None:
        self.status = status
        self.fields = fields
        self.content = content

    def answer(self, head_only: bool, date: bytes, fields: bytes, *, keep_alive: bool = False) -> bytes:
        """The whole answer, with these fields: ``self.fields``, or what rules have made of them."""
        return own_response(self.status, fields, date, self.content, head_only=head_only, keep_alive=keep_alive)


def page(status: int, content: str, content_type: str) -> Page:
    """The user's own. It is about this moment, so nobody is to keep it."""
    return Page(status, b"Content-Type: %b\r\nCache-Control: no-store\r\n" % content_type.encode(), content.encode())


def elsewhere(status: int, location: bytes) -> Page:
    return Page(status, b"Location: %b\r\nCache-Control: no-store\r\n" % location, b"")


def page_for(status: int, pages: Mapping[int, Page]) -> Page:
    found = pages.get(status)
    if found is not None:
        return found
    reason = REASONS.get(status, b"Error")
    return Page(status, _FIELDS, b"<!doctype html><title>%d %b</title><h1>%d %b</h1>\n" % (status, reason, status, reason))
