"""How the servers of a service write an answer: whole, and in pieces, so that the loop serves others meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

_PIECE_BYTES = 65536
REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    413: "Content Too Large",
    414: "URI Too Long",
    417: "Expectation Failed",
    421: "Misdirected Request",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}


async def send(writer: asyncio.StreamWriter, status: int, kind: str, content: bytes, fields: Sequence[str] = (), *, body: bool = True) -> None:
    """One answer, after which the connection closes; ``kind`` is its Content-Type. Without ``body``, as HEAD asks for, its length is only said."""
    lines = [f"HTTP/1.1 {status} {REASONS[status]}", f"Content-Type: {kind}", f"Content-Length: {len(content)}", *fields, "Connection: close", "", ""]
    writer.write("\r\n".join(lines).encode())
    for at in range(0, len(content) if body else 0, _PIECE_BYTES):
        writer.write(content[at : at + _PIECE_BYTES])
        await writer.drain()
