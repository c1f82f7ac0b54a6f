"""Answers compressed on their way to the client (gzip, RFC 1952), piece by piece as they come: nothing is kept but what zlib looks back at.

Which: those of the stated types that the server has left as they are and nobody has forbidden to change, and that clients of HTTP/1.1 take so.
"""

from __future__ import annotations

import re
import zlib
from typing import Optional

from .._model import Compression
from . import fields as grammar
from .body import Body, Data, SizedBody, Spliced
from .chunked import ChunkedBody
from .fields import BLANKS
from .request import Request
from .response import Response

_STATUSES = frozenset((200, 203, 403, 404, 410))
_NEVER = re.compile(rb"[ \t]*q=0(?:\.0*)?")  # a weight (RFC 9110 12.4.2)
_GZIP = 16 + zlib.MAX_WBITS  # gzip's frame around what deflate makes
# Of the content as it was: its length, parts of it, digests of it (RFC 9110 14.3, RFC 9530 2). Transfer-Encoding is written anew.
_CUT = frozenset((b"content-length", b"transfer-encoding", b"accept-ranges", b"etag", b"content-md5", b"content-digest", b"digest", b"repr-digest"))


class GzipBody:
    """The body of a server's answer, compressed, in chunks. ``live``: what has come is passed on at once, though more of it would compress better."""

    __slots__ = ("_inner", "_live", "_zlib")

    def __init__(self, inner: Body, level: int, live: bool) -> None:
        self._inner = inner
        self._live = live
        self._zlib = zlib.compressobj(level, zlib.DEFLATED, _GZIP)

    def feed(self, data: Data) -> tuple[list[Data], int]:
        pieces, used = self._inner.feed(data)
        out = b""
        for piece in pieces:
            out += self._zlib.compress(bytes(piece) if isinstance(piece, Spliced) else piece)
        if used >= 0:
            out += self._zlib.flush()
        elif self._live and pieces:
            out += self._zlib.flush(zlib.Z_SYNC_FLUSH)
        made: list[Data] = []
        if out:
            made.append(b"%x\r\n%b\r\n" % (len(out), out))
        if used >= 0:
            made.append(b"0\r\n\r\n")
        return made, used


class Packed:
    """An answer as it goes on: its body where that is compressed, and the lines to add to its head, before rules about fields and after them."""

    __slots__ = ("after", "before", "body", "response")

    def __init__(self, response: Response) -> None:
        self.response = response
        self.before: bytes = b""
        self.after: bytes = b""
        self.body: Optional[GzipBody] = None


class Packer:
    """Compresses the answers of one frontend."""

    __slots__ = ("_least", "_level", "_types")

    def __init__(self, config: Compression) -> None:
        self._types = frozenset([name.encode() for name in config.types])
        self._least = config.minimum
        self._level = config.level

    def pack(self, request: Request, response: Response, takes_chunks: bool) -> Packed:
        """``takes_chunks``: whether the client does."""
        packed = Packed(response)
        if response.status not in _STATUSES or response.until_close or not (response.chunked or response.length >= self._least):
            return packed
        values = grammar.values_by_name(response.raw, response.fields_start)
        if not self._may_be_packed(request, values):
            return packed
        if b"*" not in grammar.list_of(b",".join(values.get(b"vary", []))):
            packed.after = b"Vary: Accept-Encoding\r\n"  # also of one that is not, as caches must know (RFC 9110 12.5.5)
        if not takes_chunks or response.trailer or request.method == b"HEAD" or not accepts_gzip(request):
            return packed
        tags = values.get(b"etag", [])
        if len(tags) == 1:
            packed.before = b"ETag: %b\r\n" % (tags[0] if tags[0].startswith(b"W/") else b"W/" + tags[0])  # RFC 9110 8.8.1: other bytes
        packed.after += b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"
        inner: Body = ChunkedBody(framed=False, trailers=False, padded=True) if response.chunked else SizedBody(response.length)
        packed.body = GzipBody(inner, self._level, response.chunked)
        packed.response = response.without(grammar.spans_of(response.raw, response.fields_start, _CUT))
        packed.response.chunked, packed.response.length = True, 0
        return packed

    def _may_be_packed(self, request: Request, values: dict[bytes, list[bytes]]) -> bool:
        """Whether it is of a stated type, not encoded yet, and neither side forbids to change it (RFC 9111 5.2.1.6, 5.2.2.6)."""
        kinds = values.get(b"content-type", [])
        if len(kinds) != 1 or kinds[0].partition(b";")[0].strip(BLANKS).lower() not in self._types:
            return False
        if b"content-encoding" in values or b"content-range" in values:
            return False
        said = b", ".join([*values.get(b"cache-control", []), *request.fields.values_of(b"cache-control")])
        return b"no-transform" not in said.lower()


def accepts_gzip(request: Request) -> bool:
    """Whether the client takes gzip (RFC 9110 12.5.3); one that says nothing may take all, but had its reasons."""
    any_other = False
    for member in grammar.list_of(b",".join(request.fields.values_of(b"accept-encoding")).lower()):
        coding, _semicolon, weight = member.partition(b";")
        name = coding.strip(BLANKS)
        taken = _NEVER.fullmatch(weight) is None
        if name in (b"gzip", b"x-gzip"):
            return taken
        if name == b"*":
            any_other = taken
    return any_other
