"""A client that speaks HTTP/1.1: its requests one after the other, each passed to a server and its answer passed back.

A request may be sent again, to a fresh connection or another server, only while that cannot do harm: no byte of an answer has been seen, all of the
request is still at hand, and its method is idempotent (RFC 9110 9.2.2) or the connection never came about. Other methods use a pooled connection
only within a second of its last use, since a server may close an idle connection in the very moment a request is sent on it, and nobody could tell
whether it was carried out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from . import http1
from .access_log import format_entry
from .http1 import BadMessage, ChunkedBody, Head
from .session import Session
from .sticky import set_cookie

if TYPE_CHECKING:
    from .engine import Engine
    from .state import FrontendState

_PENDING_BYTES_MAX = http1.HEAD_BYTES_MAX
_REPLAY_BYTES_MAX = 65536
_LINGER_S = 1.0
_POOL_IDLE_S = 30.0
_POOL_IDLE_UNSAFE_S = 1.0
_IDLE, _HEAD, _BUSY, _ENDING = range(4)


class HttpSession(Session):
    """One client connection; the fields below the line are those of the request under way."""

    def __init__(self, engine: Engine, frontend: FrontendState) -> None:
        super().__init__(engine, frontend)
        self._state = _IDLE
        self._pending = b""  # bytes of the next request, or of a body for which there is no server yet
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

    # The client's side

    def connection_made(self, transport) -> None:  # type: ignore[no-untyped-def]
        super().connection_made(transport)
        self.wait(self.frontend.request_s)

    def received(self, data: bytes) -> None:
        if self._state == _BUSY:
            if self._body_done or self.upstream is None:
                self._hold(data)
            else:
                self._pass_body(data)
            return
        if self._state == _ENDING:
            return  # read and thrown away, so that the client sees our answer and not a reset
        self._pending = self._pending + data if self._pending else data
        if self._state == _IDLE:
            self._state = _HEAD
            self.wait(self.frontend.request_s)
        self._next_request()

    def drain(self) -> None:
        self._keep_client = False
        if self._state == _IDLE and not self._pending:
            self.transport.close()

    def client_ended(self) -> bool:
        if self._state == _BUSY:
            if not self._body_done:
                self.abort("the client left in the middle of its request")
            return True  # it may still read its answer
        return False

    def _hold(self, data: bytes) -> None:
        self._pending += data
        if len(self._pending) >= _PENDING_BYTES_MAX:
            self.transport.pause_reading()

    def _next_request(self) -> None:
        if self._pending.startswith(b"\r\n"):
            self._pending = self._pending[2:]  # RFC 9112 2.2: an empty line before a request is skipped
        try:
            end = http1.head_end(self._pending)
            if not end:
                if self.client_done:
                    self.transport.close()
                return
            raw, self._pending = self._pending[:end], self._pending[end:]
            request = http1.read_request(raw)
        except BadMessage as bad:
            self.frontend.counters["bad_requests"] += 1
            self._refuse(bad.status, str(bad))
            return
        self._begin(request)

    def _begin(self, request: Head) -> None:
        self._state = _BUSY
        self._request = request
        self._began = self.engine.loop.time()
        self._body_left = request.length or 0
        self._body_chunks = ChunkedBody() if request.chunked else None
        self._body_done = not self._body_left and not request.chunked
        self._keep_client = request.keep_alive
        self._status = self._bytes_out = 0
        self._server_name = ""
        self._response, self._response_bytes, self._response_chunks = None, b"", None
        self.tried, self.retries = [], 0
        self.frontend.counters["requests"] += 1
        backend = self.frontend.backend_for(request)
        if backend is None:
            self.no_server("no route matches and there is no default backend")
            return
        self.mark = http1.cookie_value(request.cookie, backend.cookie_name) if backend.cookie_name and request.cookie else b""
        head = http1.request_head(request, self.client.encode(), self.frontend.config.forwarded_for, backend.cookie_name)
        if request.expects_continue and self._pending:
            request.expects_continue = False  # the body is here already: nobody waits for a 100
        self._sent, self._sent_bytes = [head], len(head)
        self.find_server(backend)

    def _pass_body(self, data: bytes) -> None:
        """Passes on what belongs to the request's body; what comes after it is the next request's."""
        try:
            pieces, used = self._cut_body(data)
        except BadMessage as bad:
            self.frontend.counters["bad_requests"] += 1
            self._refuse(bad.status, str(bad))
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
            self.wait(self.server_s if self._body_done else self.frontend.client_s)

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

    # The server's side

    @property
    def server_s(self) -> float:
        return self.backend.server_s if self.backend is not None else self.frontend.client_s

    def may_reuse(self) -> bool:
        return True

    def reuse_idle_s(self) -> float:
        return _POOL_IDLE_S if self._request is not None and self._request.idempotent else _POOL_IDLE_UNSAFE_S

    def ready(self, reused: bool) -> None:
        self._reused = reused
        upstream = self.upstream
        self._server_name = self.server.name if self.server is not None else ""
        if upstream is None or self._sent is None:
            raise AssertionError("a request without its head")
        upstream.transport.write(self._sent[0] if len(self._sent) == 1 else b"".join(self._sent))
        if self._body_done:
            self.engine.wheel.set(self, self.engine.loop.time() + self.server_s)
            return
        self.wait(self.frontend.client_s)
        pending, self._pending = self._pending, b""
        if pending:
            self._pass_body(pending)
        self.transport.resume_reading()

    def upstream_received(self, data: memoryview) -> None:
        response = self._response
        if response is None:
            self._response_bytes = self._response_bytes + bytes(data) if self._response_bytes else bytes(data)
            self._read_response()
        elif response.length is not None:
            if len(data) < self._response_left:
                self._response_left -= len(data)
                self._view_to_client(data)
            else:
                self._pass_sized(bytes(data))
        elif self._response_chunks is not None:
            self._pass_chunks(bytes(data))
        else:
            self._view_to_client(data)

    def _read_response(self) -> None:
        request = self._request
        while request is not None:
            try:
                end = http1.head_end(self._response_bytes)
                if not end:
                    return
                raw, rest = self._response_bytes[:end], self._response_bytes[end:]
                response = http1.read_response(raw, request.method)
                if response.status == 101 and not request.upgrade:
                    raise BadMessage(502, "a switch of protocols that nobody asked for (RFC 9110 15.2.2)")
            except BadMessage as bad:
                self._server_failed(502, str(bad))
                return
            self._sent = None  # an answer has begun: the request is never sent again
            self._response_bytes = b""
            if response.status < 200 and response.status != 101:
                # RFC 9110 15.2: interim responses go to the client, if it knows them
                if request.minor == 1:
                    self._to_client(http1.response_head(response, b""))
                self._response_bytes = rest
                if self._body_done:
                    self.wait(self.server_s)
                continue
            self._answer(request, response, rest)
            return

    def _answer(self, request: Head, response: Head, rest: bytes) -> None:
        self._response = response
        self._status = response.status
        self.frontend.counters[f"responses_{response.status // 100}xx"] += 1
        if response.status >= 500 and self.server is not None:
            self.server.counters["responses_5xx"] += 1
        if response.status == 101:
            self._to_client(http1.response_head(response, b"upgrade"))
            self.start_tunnel()
            if rest:
                self._to_client(rest)
            return
        if response.chunked and request.minor == 0:
            response.cut_field(b"transfer-encoding")
        self._settle_keeping(request, response)
        connection = b"" if self._keep_client and request.minor == 1 else (b"keep-alive" if self._keep_client else b"close")
        head = http1.response_head(response, connection, self._cookie_to_set())
        if response.chunked:
            # A client of HTTP/1.0 knows no chunks: it gets the bare content, and the end of the connection as its end.
            self._response_chunks = ChunkedBody(framed=request.minor == 1)
            self._to_client(head)
            if rest:
                self._pass_chunks(rest)
            else:
                self._server_progress()
        elif response.length is not None:
            self._response_left = response.length
            if rest or not response.length:
                self._pass_sized(rest, head)
            else:
                self._to_client(head)
                self._server_progress()
        else:
            self._to_client(head + rest)
            self._server_progress()

    def _settle_keeping(self, request: Head, response: Head) -> None:
        """Whether the client's connection goes on after this answer."""
        ends = response.until_close or (response.chunked and request.minor == 0) or not self._body_done
        if ends or self.client_done or self.engine.draining or self.frontend.gone:
            self._keep_client = False

    def _cookie_to_set(self) -> bytes:
        backend, server = self.backend, self.server
        if backend is None or server is None or not backend.cookie_name or self.mark == server.mark:
            return b""
        return set_cookie(backend.config.sticky.cookie_name, server.mark, backend.config.sticky.ttl_ms)

    def _pass_sized(self, data: bytes, head: bytes = b"") -> None:
        if len(data) > self._response_left:
            # More than was promised: the rest is nobody's answer, so the connection cannot be used again.
            data = data[: self._response_left]
            if self.upstream is not None:
                self.upstream.ended = True
        self._response_left -= len(data)
        self._to_client(head + data if head else data)
        if self._response_left:
            self._server_progress()
        else:
            self._answered()

    def _pass_chunks(self, data: bytes) -> None:
        chunks = self._response_chunks
        if chunks is None:
            raise AssertionError("chunks without a chunked response")
        try:
            pieces, used = chunks.feed(data)
        except BadMessage as bad:
            self._server_failed(502, str(bad))
            return
        if pieces:
            self._to_client(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if used < 0:
            self._server_progress()
            return
        if used < len(data) and self.upstream is not None:
            self.upstream.ended = True
        self._answered()

    def _to_client(self, data: bytes) -> None:
        self._bytes_out += len(data)
        self.transport.write(data)

    def _view_to_client(self, data: memoryview) -> None:
        self._bytes_out += len(data)
        self.engine.send(self.transport, data)
        self._server_progress()

    def _server_progress(self) -> None:
        """The server has sent something; if the client does not keep up it is the client's turn."""
        self.wait(self.server_s if self.writable else self.frontend.client_s)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._state == _BUSY:
            self.wait(self.server_s)
        elif self._state == _HEAD and not self.tunnelling:
            self._next_request()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._state == _BUSY and not self.tunnelling:
            self._unread = self.transport.get_write_buffer_size()
            self.wait(self.frontend.client_s)

    def connection_lost(self, exc: Optional[Exception]) -> None:
        under_way = self._state == _BUSY
        super().connection_lost(exc)
        if under_way and self._request is not None:
            self._state = _ENDING
            self._ended_request("" if self.tunnelling else "the connection ended before the answer did")

    def upstream_writable(self) -> None:
        if not self._body_done or self.tunnelling:
            self.transport.resume_reading()

    def upstream_ended(self) -> None:
        response = self._response
        if response is not None and response.until_close and self.upstream is not None and not self.upstream.broken:
            self._answered()
        elif response is not None:
            self._server_failed(502, "the server closed the connection in the middle of its answer")
        else:
            self._no_answer()

    def _no_answer(self) -> None:
        """The connection ended before a byte of the answer, or in its head."""
        server, request = self.server, self._request
        if server is None or request is None:
            return
        if self._sent is None or self._response_bytes or not request.idempotent:
            self._server_failed(502, "the server closed the connection without an answer")
            return
        self._drop_upstream()
        if self._reused:
            # A pooled connection that the server closed meanwhile says nothing against the server.
            self.dispatch(server, fresh=True)
        else:
            server.counters["response_errors"] += 1
            self.again(server, f"{server.name} closed the connection without an answer")

    # Ends

    def _answered(self) -> None:
        """The answer is complete: the server's connection goes to the pool, the client's on to its next request."""
        upstream, self.upstream = self.upstream, None
        response = self._response
        if upstream is not None:
            if response is not None and response.keep_alive and self._body_done and self.transport is not None:
                upstream.to_pool()
            else:
                upstream.close()
        self.leave_server()
        self._ended_request()
        if not self._keep_client:
            self._end()
            return
        self._state = _IDLE
        self._request = None
        self.wait(self.frontend.keepalive_s)
        if self._pending:
            self._state = _HEAD
            self.wait(self.frontend.request_s)
            self.transport.resume_reading()
            if self.writable:
                # Not from here: a client that pipelines thousands of requests must not nest as many calls.
                self.engine.loop.call_soon(self._next_pending)

    def _next_pending(self) -> None:
        if self._state == _HEAD and self.writable and not self.transport.is_closing():
            self._next_request()

    def _server_failed(self, status: int, why: str) -> None:
        if self.server is not None:
            self.server.counters["response_errors"] += 1
        self._drop_upstream()
        if self._response is None:
            self._refuse(status, why)
        else:
            # Part of an answer is out: only breaking off tells the client that it is not whole (RFC 9112 8).
            self._ended_request()
            self.transport.abort()

    def no_server(self, why: str) -> None:
        self._refuse(503, why)

    def timed_out(self, now: float) -> None:
        if not self.writable or (self._state == _ENDING and self.transport.get_write_buffer_size()):
            self._still_unread()
        elif self._state == _BUSY:
            if not self._body_done and self._response is None:
                self._refuse(408, "the request's body stopped coming")
            else:
                self._server_failed(504, "the server did not answer within timeouts.server")
        elif self._state == _HEAD:
            self.frontend.counters["bad_requests"] += 1
            self._refuse(408, "the request's head did not come within timeouts.request")
        elif self._state == _ENDING:
            self.transport.abort()
        else:
            self.transport.close()

    def _refuse(self, status: int, why: str) -> None:
        """Answers with an error of our own and ends the connection."""
        self._drop_upstream()
        self.leave_server()
        head_only = self._request is not None and self._request.method == b"HEAD"
        self._status = status
        self.frontend.counters[f"responses_{status // 100}xx"] += 1
        if not self.transport.is_closing():
            self._to_client(http1.error_response(status, head_only))
        if self._began == 0.0:
            self._began = self.engine.loop.time()
        self._ended_request(why)
        self._end()

    def _end(self) -> None:
        """Closes in order: no more from us, then the client's rest is read and thrown away until it closes, for a second at most (RFC 9112 9.6)."""
        self._state = _ENDING
        self._pending = b""
        if self.transport.is_closing():
            return
        self._unread = self.transport.get_write_buffer_size()
        if self.client_done or (self._body_done and not self._unread and self._status < 400):
            self.transport.close()
            return
        self.transport.write_eof()
        self.transport.resume_reading()
        self.wait(self.frontend.client_s if self._unread else _LINGER_S)

    def _still_unread(self) -> None:
        """The time for a client that does not read is up: it gets as much again if it has read something since."""
        unread = self.transport.get_write_buffer_size()
        if unread >= self._unread > 0:
            self.abort("the client does not read its answer")
            return
        self._unread = unread
        self.wait(self.frontend.client_s if unread else _LINGER_S)

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
            "bytes": self._bytes_out,
            "duration_ms": round((self.engine.loop.time() - self._began) * 1000, 1),
            "retries": self.retries,
            "problem": why,
        }
