"""An HTTP session: each request is passed to a server and its answer passed back. ``http_requests`` reads the requests.

A request may be sent again, to a fresh connection or another server, only while that cannot do harm: no byte of an answer has been seen, all of the
request is still at hand, and its method is idempotent (RFC 9110 9.2.2) or the connection never came about. Other methods use a pooled connection
only within a second of its last use, since a server may close an idle connection in the very moment a request is sent on it, and nobody could tell
whether it was carried out.
"""

from __future__ import annotations

from time import monotonic

from . import http1
from .chunked import ChunkedBody
from .http1 import BadMessage, Head
from .http1_write import response_head
from .http_requests import BUSY, ENDING, HEAD, IDLE, PENDING_BYTES_MAX, RequestSide
from .state import IDLE_S, RESPONSES

_POOL_IDLE_UNSAFE_S = 1.0


class HttpSession(RequestSide):
    """A client connection with what it gets from servers."""

    def reuse_idle_s(self) -> float:
        return IDLE_S if self._request is not None and self._request.idempotent else _POOL_IDLE_UNSAFE_S

    def ready(self, reused: bool) -> None:
        self._reused = reused
        upstream = self.upstream
        self._server_name = self.server.name if self.server is not None else ""
        if upstream is None or self._sent is None:
            raise AssertionError("a request without its head")
        upstream.transport.write(self._sent[0] if len(self._sent) == 1 else b"".join(self._sent))
        if self._body_done:
            self.engine.wheel.set(self, monotonic() + self.server_s)
            return
        self.wait(self.frontend.client_s)
        self.transport.resume_reading()
        pending, self._pending = self._pending, b""
        if pending:
            self._pass_body(pending)
        if self.client_done and not self._body_done and self._state == BUSY:
            self.abort("the client left in the middle of its request")

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
                response = self._read_head(raw, request)
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
                    self._to_client(response_head(response, b""))
                self._response_bytes = rest
                if self._body_done:
                    self.wait(self.server_s)
                continue
            self._answer(request, response, rest)
            return

    def _read_head(self, raw: bytes, request: Head) -> Head:
        upstream = self.upstream
        if upstream is None or request.minor == 0:  # for a client of HTTP/1.0 fields are cut that the next client gets
            return http1.read_response(raw, request.method)
        upstream.former = response = http1.read_response(raw, request.method, upstream.former)
        return response

    def _answer(self, request: Head, response: Head, rest: bytes) -> None:
        self._response = response
        self._status = response.status
        self.frontend.counters[RESPONSES[response.status // 100]] += 1
        if response.status >= 500 and self.server is not None:
            self.server.counters["responses_5xx"] += 1
        if response.status == 101:
            self._to_client(response_head(response, b"upgrade"))
            early, self._pending = self._pending, b""
            if early and self.upstream is not None:
                self.upstream.transport.write(early)  # first, since a tunnel passes on at once that the client has ended
            self.start_tunnel()
            if rest:
                self._to_client(rest)
            return
        if request.minor == 0:
            response.cut_fields((b"transfer-encoding",))
        self._settle_keeping(request, response)
        connection = b"" if self._keep_client and request.minor == 1 else (b"keep-alive" if self._keep_client else b"close")
        head = response_head(response, connection, self._cookie_to_set())
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
        if ends or (self.client_done and not self._pending) or self.engine.draining or self.frontend.gone:
            self._keep_client = False

    def _cookie_to_set(self) -> bytes:
        backend, server = self.backend, self.server
        if backend is None or server is None or not backend.cookie_name:
            return b""
        return backend.cookie_to_set(server, self.cookie, self.engine.wall_clock())

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

    def _view_to_client(self, data: memoryview) -> None:
        self._bytes_out += len(data)
        self.engine.send(self.transport, data)
        self._server_progress()

    def _server_progress(self) -> None:
        """The server has sent something; if the client does not keep up it is the client's turn."""
        self.wait(self.server_s if self.writable else self.frontend.client_s)

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
            if response is not None and response.keep_alive and self._body_done:
                upstream.to_pool()
            else:
                upstream.close()
        self.leave_server()
        self._ended_request()
        if not self._keep_client or (self.client_done and not self._pending):
            self._end()
            return
        self._request = None
        self._began, self._bytes_out, self._server_name = 0.0, 0, ""
        if len(self._pending) < PENDING_BYTES_MAX:
            self.transport.resume_reading()  # a server that was slow to take the request may have stopped it
        if not self._pending:
            self._state = IDLE
            self.wait(self.frontend.keepalive_s)
            return
        self._state, self._more = HEAD, True
        self.wait(self.frontend.request_s)
        if self.writable:
            # Not from here: a client that pipelines thousands of requests must not nest as many calls.
            self.engine.loop.call_soon(self._next_pending)

    def _next_pending(self) -> None:
        if self._more and self.writable and not self.transport.is_closing():
            self._next_request()

    def _server_failed(self, status: int, why: str) -> None:
        if self.server is not None:
            self.server.counters["response_errors"] += 1
        self._break_off(status, why)

    def no_server(self, why: str) -> None:
        self._refuse(503, why)

    def timed_out(self, now: float) -> None:
        if self.tunnelling:
            self.abort("timeouts.tunnel")
        elif not self.writable or (self._state == ENDING and self.transport.get_write_buffer_size()):
            self._still_unread()
        elif self._state == BUSY:
            if self._response is None and self._waits_for_client():
                self._refuse(408, "the request's body stopped coming")
            else:
                self._server_failed(504, "the server was silent for longer than timeouts.server")
        elif self._state == HEAD:
            self.frontend.counters["bad_requests"] += 1
            self._refuse(408, "the request's head did not come within timeouts.request")
        elif self._state == ENDING:
            self.transport.abort()
        else:
            self.transport.close()
