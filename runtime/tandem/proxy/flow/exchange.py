"""One request and its answer: its backend, its server, what was sent and could be sent again, its deadlines, its line in the access log.

It does not know whether its client speaks HTTP/1 or 2: the client's side is a ``ClientStream``. A request may be sent again, to a fresh connection or
another server, only while that cannot do harm: no byte of an answer is passed on, all of the request is still at hand, and its method is idempotent
(RFC 9110 9.2.2) or the connection never came about.
"""

from __future__ import annotations

from typing import Optional

from ...http.body import Body, Data, joined
from ...http.compression import GzipBody
from ...http.cookies import cookie_value
from ...http.head import BadMessage
from ...http.pages import Page
from ...http.request import Request
from ...http.response import Response
from ...http.write import passed_upgrade, request_head, response_head, switches_to_what_was_asked
from ...http.writing import Rewriting
from ..context import Context
from ..pool.backends import BackendState
from .again import ask_another, retried_for_nothing, retried_for_status
from .answers import answer_instead
from .connection import Connection
from .logged import log_request
from .placement import Placement
from .repeat import Repeatable
from .sending import answer_by_rules, seek_by_rules
from .server import ServerConnection
from .stream import ClientStream
from .turns import BOTH, CLIENT, SERVER, is_last_before_end, whose_turn

_INTERIM_MAX = 100  # interim answers to one request


class Exchange:
    """``body`` and the like are called by the stream; ``placed`` and ``received`` by the placement and by the connection to the server."""

    connection: Optional[ServerConnection] = None
    backend: Optional[BackendState] = None
    response: Optional[Response] = None
    status = 0
    bytes_out = 0
    head_s = 0.0  # that the request's head took to arrive
    server_name = ""
    request_id = b""
    user = b""  # who came in with a password
    rewriting: Optional[Rewriting] = None  # by rules
    packed: Optional[GzipBody] = None  # the answer's body, compressed
    tunnelled_bytes = 0  # to the client, after a switch of protocols; counted by the tunnel
    over = False  # the server's part is
    _logged = False
    answer_whole = False  # though the request is not (RFC 9112 9.3): the rest of that is passed on for a while
    _reused = False
    _cut = False  # the rest of the request's body will never come
    _interims: tuple[int, ...] = ()  # the interim answers that have come, by their status
    _problem = ""  # why it failed, for who ends it and does not know

    def __init__(self, context: Context, stream: ClientStream, request: Request) -> None:
        self.context, self.stream = context, stream
        self.frontend, self.request = stream.frontend, request
        self.request_whole = not (request.fields.length or request.fields.chunked)
        self.began = self.head_at = context.reactor.now
        self.placement = Placement(context, self, stream.peer)
        self.placement.repeatable = request.idempotent
        self._sent = Repeatable()
        self._answer_body: Optional[Body] = None
        if self.frontend.writings.names_requests:
            self.request_id = self.frontend.writings.believed(request, stream.passing) or context.unique.take()

    def answer_here(self, status: int, answer: bytes, why: str = "") -> None:
        """No server is asked: this is the whole answer. ``why``: for the log, where it is a refusal."""
        self.frontend.counters.responses[status // 100] += 1
        self.status, self.over = status, True
        self.stream.data(answer)
        self._log(why)
        self.stream.answered()

    def route(self) -> None:
        """Finds a server of the backend that the frontend's options of now choose."""
        request = self.request
        backend = self.backend = self.frontend.backend_for(request, self.stream.client, self.context.reactor.now)
        if backend is None:
            self.unplaced("no route matches and there is no default backend")
            return
        writing = backend.writing
        if writing.special or self.frontend.writings.writes or self.rewriting is not None:
            seek_by_rules(self, self._sent, backend)
            return
        fields = request.fields
        if writing.cookie_name:
            self.placement.cookie = cookie_value(fields.cookie, writing.cookie_name) if fields.cookie else b""
        local = self.stream.peer.local() if fields.lacks_host else b""
        self._sent.head = request_head(request, self.stream.passing, writing.cookie_name, local)
        self.placement.seek(backend)

    # The request, on its way up

    def placed(self, connection: ServerConnection, reused: bool) -> None:
        self.connection, self._reused = connection, reused
        self.server_name = connection.server.name
        if self.rewriting is not None:
            self._sent.head = self.rewriting.to_server(self.server_name)
        connection.send(self._sent.all())
        self._wait()
        if not self.request_whole:
            self.stream.resume_body()

    def body(self, pieces: list[Data], whole: bool) -> None:
        """More of the request's body, and whether that was all."""
        self.request_whole = whole
        connection = self.connection
        if connection is None or self._cut:
            return
        if pieces:
            self._sent.add(pieces)
            connection.send(joined(pieces))
            if connection.blocked and not whole:
                self.stream.pause_body()
        if self.answer_whole and whole:
            self._end_server(True)
        else:
            self._wait()

    def bad_body(self, bad: BadMessage) -> None:
        """The request's body is malformed."""
        self.frontend.counters.bad_requests += 1
        self.fail(bad.status, str(bad))

    def client_ended(self) -> None:
        """The client sends no more, though its request is not whole. Its answer may be under way."""
        if self.response is None:
            self.break_off("the client left in the middle of its request")
        elif self.answer_whole:
            self._end_server(False)
        else:
            self._cut = True
            if self.connection is not None:
                self.connection.end()
            self._wait()

    def client_lost(self, why: str) -> None:
        self._end_server(False)
        self._log(why)

    # The answer, on its way down

    def received(self, connection: Connection, data: Data) -> None:
        if self._answer_body is not None:
            self._pass(self._answer_body, data)
        elif self.answer_whole:
            self._end_server(False)  # bytes that nobody asked for; the rest of the request is not worth passing on
        else:
            self._read_head(bytes(data))

    def _read_head(self, data: bytes) -> None:
        connection, request = self.connection, self.request
        if connection is None:
            return
        try:
            while True:
                response = connection.read_head(data, request)
                if response is None:
                    return
                if response.status == 101 and not switches_to_what_was_asked(passed_upgrade(request, self.stream.passing), response.upgrade):
                    raise BadMessage(502, "a switch of protocols that nobody asked for (RFC 9110 15.2.2)")
                if response.status >= 400 and retried_for_status(response, request, self._sent, self.placement):
                    self.connection = None
                    ask_another(connection, self.placement, f"answered with status {response.status}")
                    return
                self._sent.forget()  # an answer has begun
                data, connection.heads.rest = connection.heads.rest, b""
                if response.status >= 200 or response.status == 101:
                    break
                # RFC 9110 15.2: interim answers go to the client, if it knows them
                self._interims += (response.status,)
                if len(self._interims) > _INTERIM_MAX:
                    raise BadMessage(502, f"more than {_INTERIM_MAX} interim answers to one request")
                if request.fields.minor:
                    self.stream.interim(response_head(response, b""))
                self._progress()
                if not data:
                    return
        except BadMessage as bad:
            self._server_failed(502, str(bad))
            return
        self._answer(connection, response, data)

    def _answer(self, connection: ServerConnection, response: Response, data: bytes) -> None:
        extra = b"" if response.has_date else b"Date: %b\r\n" % self.context.date()
        if self.frontend.hsts and not response.has_field(b"strict-transport-security"):
            extra += self.frontend.hsts
        if self.rewriting is not None or (self.backend is not None and self.backend.writing.own_cookie):
            response, extra = answer_by_rules(self, response, extra)
        if response.status == 101:
            self._begin_answer(response)
            self.connection = None
            self.stream.tunnel(response, response_head(response, b"upgrade", extra), data, connection)
            return
        if not (response.chunked or response.until_close) and len(data) >= response.length:
            if len(data) > response.length:
                data = data[: response.length]
                connection.spoiled = True
            self.stream.answer(response, extra, data, self._begin_answer(response))
            self._answered()
            return
        body = self._answer_body = self.packed or connection.body_of(response, len(data), self.stream.takes_chunks, self.stream.plain)
        try:
            pieces, used = body.feed(data) if data else ([], -1)
        except BadMessage as bad:
            self._server_failed(502, str(bad))
            return
        self.stream.answer(response, extra, joined(pieces), self._begin_answer(response))
        self._passed(len(data), used)

    def _begin_answer(self, response: Response) -> bool:
        """This is the answer that goes out. Returns whether the client's connection cannot go on after it."""
        self.response, self.status, self.head_at = response, response.status, self.context.reactor.now
        self.frontend.counters.responses[response.status // 100] += 1
        if response.status >= 500 and self.placement.server is not None:
            self.placement.server.counters.responses_5xx += 1
        ends = response.until_close or (response.chunked and not self.stream.takes_chunks) or self._cut
        return ends or (not self.request_whole and is_last_before_end(self.request, response, self._interims))

    def _pass(self, body: Body, data: Data) -> None:
        try:
            pieces, used = body.feed(data)
        except BadMessage as bad:
            self._server_failed(502, str(bad))
            return
        if pieces:
            self.stream.data(joined(pieces))
        self._passed(len(data), used)

    def _passed(self, size: int, used: int) -> None:
        if used < 0:
            self._progress()
            return
        if used < size and self.connection is not None:
            self.connection.spoiled = True
        self._answered()

    def _progress(self) -> None:
        """The server has sent something; if the client does not take it, no more is read."""
        if self.stream.blocked and self.connection is not None:
            self.connection.pause()
        self._wait()

    def client_flushed(self) -> None:
        """The client has taken all that it was sent."""
        if self.connection is not None:
            self.connection.resume()
            self._wait()

    def ended(self, connection: Connection) -> None:
        if self.answer_whole:
            self._end_server(False)
        elif self.response is None:
            self._no_answer(connection)
        elif self.response.until_close and not connection.broken:
            self._answered()
        else:
            self._server_failed(502, "the server closed the connection in the middle of its answer")

    def flushed(self, connection: Connection) -> None:
        """The server has taken all of the request that there was."""
        if not self.over:
            if not self.request_whole:
                self.stream.resume_body()
            self._wait()

    def _no_answer(self, connection: Connection) -> None:
        """The connection ended before a byte of the answer, or in its head."""
        server, former = self.placement.server, self.connection
        if server is None or former is None:
            return
        if self._reused:
            server.closed_after(self.began - former.idle_since)
        if former.heads.size or not retried_for_nothing(self.request, self._sent, self.placement, reused=self._reused):
            self._server_failed(502, "the server closed the connection without an answer")
            return
        self.connection = None
        if self._reused:  # the server closed it meanwhile, which says nothing against the server
            connection.close()
            self.placement.connect(server)
        else:
            server.counters.response_errors += 1
            ask_another(connection, self.placement, "closed the connection without an answer")

    def _answered(self) -> None:
        """The answer is complete. The request may not be: then what is left of it is passed on, if the server takes it (RFC 9112 9.5)."""
        connection, response = self.connection, self.response
        self._answer_body = None
        self.placement.answered(self.began, self.head_at)
        keep = response is not None and response.keep_alive
        if not self.request_whole and keep and not self._cut and connection is not None and connection.may_go_on:
            self.answer_whole = True
        else:
            self._end_server(keep and self.request_whole)
        self._log("")
        self.stream.answered()

    # Deadlines

    def _wait(self) -> None:
        """From now on it counts whose turn it is."""
        backend = self.backend
        if self.over or self.connection is None or backend is None:  # the placement has a deadline of its own
            return
        if self.request_whole and not self.stream.blocked:
            self.stream.wait(backend.server_s)
            return
        turn = self._turn()
        seconds = backend.server_s if turn == SERVER else self.frontend.client_s
        self.stream.wait(max(seconds, backend.server_s) if turn == BOTH else seconds)

    def _turn(self) -> int:
        blocked = self.connection is not None and self.connection.blocked
        return whose_turn(self.request_whole or self._cut, self.response is not None, self.answer_whole, self.stream.blocked, blocked)

    def expired(self, connection: Connection, now: float) -> None:
        """The server's connection has no deadline of its own while it is in use; this is an old one, of the pool."""

    def overdue(self) -> None:
        """The time of whose turn it is is up."""
        if self.over or self.placement.seeking:
            return
        turn = self._turn()
        # Who reads slowly, but reads, has the time again.
        if (self.stream.blocked and self.stream.reads_on()) or (turn != CLIENT and self._server_reads_on()):
            self._wait()
        elif turn == SERVER:
            self._server_failed(504, "the server was silent for longer than timeouts.server")
        elif self.stream.blocked:
            self.break_off("the client does not read its answer")
        elif turn == BOTH:
            self.break_off("both sides were silent for longer than their timeouts")
        else:
            self.fail(408, "the request's body stopped coming")

    def upload_overdue(self) -> bool:
        """The same once the answer is complete: whether the rest of the request has stopped moving."""
        if not self.over and self._turn() == SERVER and self._server_reads_on():
            self._wait()
            return False
        self._end_server(False)
        return True

    def _server_reads_on(self) -> bool:
        return self.connection is not None and self.connection.reads_on()

    # Ends

    def unplaced(self, why: str) -> None:
        answer_instead(self, why)

    def break_off(self, why: str) -> None:
        """Ends it at once."""
        self._end_server(False)
        self._problem = why
        self.stream.break_off(why)  # which knows what a tunnel has passed
        self._log(why)

    def _server_failed(self, status: int, why: str) -> None:
        if self.placement.server is not None:
            self.placement.server.counters.response_errors += 1
        self.fail(status, why)

    def fail(self, status: int, why: str, page: Optional[Page] = None) -> None:
        """Ends what cannot be finished: with an error, while none of an answer has gone out."""
        if self.response is not None or self.over:
            self.break_off(why)  # only that tells the client that its answer is not whole (RFC 9112 8)
            return
        self._end_server(False)
        self.status, self._problem = status, why
        self.stream.refuse(status, why, page)
        self._log(why)

    def _end_server(self, pooled: bool) -> None:
        """The server's part is over: its connection goes to the pool, or closes; its place goes to who waits for one."""
        self.over = True
        connection, self.connection = self.connection, None
        if connection is not None and pooled:
            connection.to_pool()
        elif connection is not None:
            connection.close()
        self.placement.finish()

    def _log(self, why: str) -> None:
        """Counts what went out, and writes the line of the access log where that is wanted; once."""
        if self._logged:
            return
        self._logged = True
        self.frontend.counters.bytes_out += self.bytes_out
        if self.frontend.config.access_log != "none":
            log_request(self, self._problem or why)
