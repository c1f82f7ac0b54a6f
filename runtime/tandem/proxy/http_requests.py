"""The client's half of an HTTP session: its requests one after the other, and the end of its connection. ``http`` has the server's half."""

from __future__ import annotations

import re
from time import monotonic
from typing import TYPE_CHECKING, Optional

from . import http1
from .access_log import format_entry
from .chunked import ChunkedBody
from .endings import end_writing
from .http1 import BadMessage, Head
from .http1_write import cookie_value, error_response, request_head
from .session import Session
from .state import RESPONSES

if TYPE_CHECKING:
    import asyncio

    from .engine import Engine
    from .state import FrontendState

PENDING_BYTES_MAX = http1.HEAD_BYTES_MAX
_REPLAY_BYTES_MAX = 65536
_LINGER_S = 1.0
_EMPTY_LINES = re.compile(rb"(?:\r\n)+")
IDLE, HEAD, BUSY, ENDING = range(4)


class RequestSide(Session):
    """One client connection; the fields below the line are those of the request under way."""

    def __init__(self, engine: Engine, frontend: FrontendState) -> None:
        super().__init__(engine, frontend)
        self._state = IDLE
        self._pending = b""  # bytes of the next request, or of a body for which there is no server yet
        self._more = False  # the next request's first bytes are here, and will be looked at
        self._former: Optional[Head] = None  # the request before on this connection
        # ---
        self._request: Optional[Head] = None
        self._body_left = 0
        self._body_chunks: Optional[ChunkedBody] = None
        self._body_done = True
        self._sent: Optional[list[bytes]] = None  # what would have to be sent again; None once it cannot be
        self._sent_bytes = 0
        self._reused = False
        self._response: Optional[Head] = None
        self._response_bytes = b""
        self._response_left = 0
        self._response_chunks: Optional[ChunkedBody] = None
        self._status = 0
        self._keep_client = True
        self._began = 0.0
        self._bytes_out = 0
        self._server_name = ""
        self._unread = 0  # bytes of the answer that the client had not taken when we last looked

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.wait(self.frontend.request_s)

    def received(self, data: bytes) -> None:
        if self._state == BUSY:
            if self._body_done or self.upstream is None:
                self._hold(data)
            else:
                self._pass_body(data)
            return
        if self._more:
            self._hold(data)
            return
        if self._state == ENDING:
            return  # read and thrown away, so that the client sees our answer and not a reset
        if self._state == IDLE:
            if data[:1] == b"\r":
                data = _without_empty_lines(data)
                if not data:
                    return
            self._state, self._pending = HEAD, data
            self._next_request()
            if self._state == HEAD:
                self.wait(self.frontend.request_s)
            return
        self._pending = self._pending + data if self._pending else data
        self._next_request()

    def drain(self) -> None:
        self._keep_client = False
        if self._state == IDLE:
            self.transport.close()

    def client_ended(self) -> bool:
        if self._state == BUSY:
            if not self._body_done and self.upstream is not None and self._response is None:
                self.abort("the client left in the middle of its request")
            return True  # it may still read its answer
        return self._state == HEAD and self._more

    def _hold(self, data: bytes) -> None:
        self._pending += data
        if len(self._pending) >= PENDING_BYTES_MAX:
            self.transport.pause_reading()

    def _next_request(self) -> None:
        self._more = False
        if self._pending[:1] == b"\r":
            self._pending = _without_empty_lines(self._pending)
        try:
            end = http1.head_end(self._pending)
            if not end:
                if self.client_done:
                    self.transport.close()
                else:
                    self.transport.resume_reading()  # it was stopped if the rest of what was held was empty lines
                return
            raw, self._pending = self._pending[:end], self._pending[end:]
            request = http1.read_request(raw, self._former)
        except BadMessage as bad:
            self.frontend.counters["bad_requests"] += 1
            self._refuse(bad.status, str(bad))
            return
        self._former = request
        self._begin(request)

    def _begin(self, request: Head) -> None:
        self._state = BUSY
        self._request = request
        self._began = monotonic()
        self._body_left = request.length or 0
        self._body_chunks = ChunkedBody() if request.chunked else None
        self._body_done = not self._body_left and not request.chunked
        self._keep_client = request.keep_alive
        self._status = 0
        self._response, self._response_bytes, self._response_chunks = None, b"", None
        self.tried, self.retries = [], 0
        self.frontend.counters["requests"] += 1
        self._sent = None
        self.route()

    def route(self) -> None:
        request = self._request
        if request is None:
            raise AssertionError("a server for no request")
        self.backend = backend = self.frontend.backend_for(request)
        if backend is None:
            self.no_server("no route matches and there is no default backend")
            return
        self.cookie = cookie_value(request.cookie, backend.cookie_name) if backend.cookie_name and request.cookie else b""
        local = self._local() if request.lacks_host else b""
        head = request_head(request, self.client_bytes, self.frontend.config.forwarded_for, backend.cookie_name, local)
        if self._sent:  # routed before: the heads differ by the backends' cookies, the body is the same
            self._sent[0] = head
        else:
            self._sent, self._sent_bytes = [head], len(head)
        self.find_server(backend)

    def _local(self) -> bytes:
        """Where the client reached us, as a Host names it."""
        address, port = self.transport.get_extra_info("sockname")[:2]
        return (f"[{address}]:{port}" if ":" in address else f"{address}:{port}").encode()

    def _pass_body(self, data: bytes) -> None:
        """Passes on what belongs to the request's body; what comes after it is the next request's."""
        try:
            pieces, used = self._cut_body(data)
        except BadMessage as bad:
            self.frontend.counters["bad_requests"] += 1
            self._break_off(bad.status, str(bad))
            return
        if used >= 0:
            self._body_done = True
            if used < len(data):
                self._hold(data[used:])
        if self.upstream is None:
            return
        for piece in pieces:
            self._remember(piece)
        if pieces:
            self.upstream.transport.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if self._response is None:
            self.wait(self.frontend.client_s if self._waits_for_client() else self.server_s)

    def _cut_body(self, data: bytes) -> tuple[list[bytes], int]:
        if self._body_chunks is not None:
            return self._body_chunks.feed(data)
        if len(data) < self._body_left:
            self._body_left -= len(data)
            return [data], -1
        used, self._body_left = self._body_left, 0
        return [data if used == len(data) else data[:used]], used

    def _remember(self, piece: bytes) -> None:
        if self._sent is not None:
            self._sent_bytes += len(piece)
            if self._sent_bytes > _REPLAY_BYTES_MAX:
                self._sent = None
            else:
                self._sent.append(piece)

    def _waits_for_client(self) -> bool:
        """Whether the next step is the client's: more of its request, which the server would take."""
        return not self._body_done and (self.upstream is None or self.upstream.writable)

    @property
    def server_s(self) -> float:
        return self.backend.server_s if self.backend is not None else self.frontend.client_s

    # Writing to the client, and what is waited for when it does not read

    def _to_client(self, data: bytes) -> None:
        self._bytes_out += len(data)
        self.transport.write(data)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.tunnelling:
            return
        if self._state == BUSY:
            if not self._looks_for_server():
                self.wait(self.frontend.client_s if self._response is None and self._waits_for_client() else self.server_s)
        elif self._more:
            self._next_request()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._state == BUSY and not self.tunnelling and not self._looks_for_server():
            self._unread = self.transport.get_write_buffer_size()
            self.wait(self.frontend.client_s)

    def _still_unread(self) -> None:
        """The time for a client that does not read is up: it gets as much again if it has read something since."""
        unread = self.transport.get_write_buffer_size()
        if unread >= self._unread > 0:
            self.abort("the client does not read its answer")
            return
        self._unread = unread
        self.wait(self.frontend.client_s if unread else _LINGER_S)

    # Ends

    def connection_lost(self, exc: Optional[Exception]) -> None:
        under_way = self._state == BUSY
        super().connection_lost(exc)
        if under_way:
            self._state = ENDING
            self._ended_request(self.problem or ("" if self.tunnelling else "the client left before its answer was complete"))

    def _break_off(self, status: int, why: str) -> None:
        """Ends a request that cannot be finished: with an error, while none of an answer has gone out."""
        if self._response is None:
            self._refuse(status, why)
        else:
            # Part of an answer is out: only breaking off tells the client that it is not whole (RFC 9112 8).
            self.abort(why)

    def _refuse(self, status: int, why: str) -> None:
        """Answers with an error of our own and ends the connection."""
        self._drop_upstream()
        self.leave_server()
        head_only = self._request is not None and self._request.method == b"HEAD"
        self._status = status
        self.frontend.counters[RESPONSES[status // 100]] += 1
        if not self.transport.is_closing():
            self._to_client(error_response(status, head_only))
        if self._began == 0.0:
            self._began = monotonic()
        self._ended_request(why)
        self._end()

    def _end(self) -> None:
        """Closes in order: no more from us, then the client's rest is read and thrown away until it closes, for a second at most (RFC 9112 9.6)."""
        left_over, self._pending = self._pending, b""
        self._state = ENDING
        if self.transport.is_closing():
            return
        self._unread = self.transport.get_write_buffer_size()
        self.wait(self.frontend.client_s if self._unread else _LINGER_S)
        if self.client_done or (self._body_done and not self._unread and not left_over and self._status < 400):
            self.transport.close()
            return
        end_writing(self.transport)
        self.transport.resume_reading()

    def _drop_upstream(self) -> None:
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.close()

    def _ended_request(self, why: str = "") -> None:
        self.frontend.counters["bytes_out"] += self._bytes_out
        log = self.frontend.config.access_log
        if log != "none":
            self.engine.log(format_entry(log, self._log_fields(why), self.engine.wall_clock()))

    def _log_fields(self, why: str) -> dict[str, object]:
        request, backend = self._request, self.backend
        return {
            "client": self.client,
            "frontend": self.frontend.key,
            "backend": backend.key if backend is not None and request is not None else "",
            "server": self._server_name,
            "method": request.method.decode() if request else "",
            "target": request.target.decode() if request else "",
            "version": f"HTTP/1.{request.minor}" if request else "",
            "host": request.host.decode() if request else "",
            "user_agent": request.field(b"user-agent").decode("latin-1") if request else "",
            "referer": request.field(b"referer").decode("latin-1") if request else "",
            "status": self._status,
            "bytes": self._bytes_out + self.tunnelled_bytes,
            "duration_ms": round((monotonic() - self._began) * 1000, 1),
            "retries": self.retries,
            "problem": why,
        }


def _without_empty_lines(data: bytes) -> bytes:
    """RFC 9112 2.2: empty lines before a request are skipped."""
    found = _EMPTY_LINES.match(data)
    return data[found.end() :] if found else data
