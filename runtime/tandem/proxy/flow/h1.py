"""A client that speaks HTTP/1: its requests one after the other, each an exchange, and the end of its connection. States are in ``http/states``."""

from __future__ import annotations

from typing import Optional

from ...http import states
from ...http.body import Body, Data, SizedBody, part
from ...http.chunked import ChunkedBody
from ...http.head import HEAD_BYTES_MAX, BadMessage, HeadBuffer
from ...http.pages import Page
from ...http.passing import Passing
from ...http.request import Request, read_request
from ...http.response import Response
from ...http.states import ANSWER, BODY, HEAD, IDLE, LINGER, REST, move
from ...http.write import response_head
from ...tls.stream import TlsStream
from ..context import Context
from ..pool.frontends import FrontendState
from ..pool.peer import Peer
from .admission import admit
from .answers import error_answer
from .connection import Connection, Stream
from .exchange import Exchange
from .logged import log_refused
from .server import ServerConnection
from .tunnel import Tunnel
from .whose import Whose

AHEAD_BYTES_MAX = HEAD_BYTES_MAX  # held of what the client sends before its turn; no more is read then
_BULK_BYTES = 65536
_FIRST_S = 0.2  # for the first request of who connected when no more are taken: it follows the handshake at once
_LINGER_S = 1.0  # for a client that has nothing more to send to close its side
_LATE_BYTES_MAX_S = 300.0  # how long a client may go on sending once its last answer, or the answer to what it sends, is out


class H1Client:
    """One client connection; it is the ``ClientStream`` of one exchange at a time."""

    takes_chunks = True
    exchange: Optional[Exchange] = None
    _former: Optional[Request] = None  # the request before on this connection
    _tunnel: Optional[Tunnel] = None
    _keep = True  # whether the connection goes on after the answer under way
    _ahead_bytes = 0
    _looking = False  # what came ahead is to be looked at in the next turn
    _began = 0.0  # when the head began to arrive; 0.0 before
    _late_until = 0.0
    _problem = ""

    def __init__(self, context: Context, frontend: FrontendState, sock: Stream, peer: Peer) -> None:
        self.context, self.frontend = context, frontend
        self._whose = Whose(peer, sock if isinstance(sock, TlsStream) else None)
        self._heads = HeadBuffer(requests=True)
        self._learn_options()
        self.state = IDLE
        self._reactor, self._wheel = context.reactor, context.wheel
        self.connection = Connection(context, sock, self)
        self.connection.on_closed = self._closed
        self.connection.heeds_resets = True
        self.plain = self.connection.plain
        self._body: Optional[Body] = None  # of the request that is arriving
        self._ahead: list[bytes] = []  # bytes that came before their turn

    def begin(self) -> None:
        self.connection.begin()
        self.wait(self.frontend.request_s)

    def _learn_options(self) -> None:
        self._configured = self.frontend.configured
        self._heads.most = self.frontend.config.max_head
        self._whose.begin(self.frontend)
        self._turn()

    def _turn(self) -> None:
        self.passing: Passing = self._whose.passing
        self.peer, self.client = self._whose.peer, self._whose.peer.address

    # What comes

    def received(self, connection: Connection, data: Data) -> None:
        self.frontend.counters.bytes_in += len(data)
        state = self.state
        if state <= HEAD:
            if self._looking:
                self._hold(data)
            else:
                self._read_head(bytes(data))
        elif state == LINGER:
            self._late(len(data))
        elif state != ANSWER and self.exchange is not None and (self.exchange.connection is not None or self.exchange.over):
            self._read_body(data)
        else:
            self._hold(data)

    def ended(self, connection: Connection) -> None:
        state, exchange = self.state, self.exchange
        if connection.broken:
            connection.close()
        elif state == BODY and exchange is not None:
            if exchange.connection is not None or exchange.over:
                exchange.client_ended()
            # else what is left of the request may lie here, for the server that is to come
        elif state == ANSWER and exchange is not None:
            if exchange.placement.queued:
                self._problem = "the client left while it waited for a server"
                connection.close()
            # else it may still read its answer
        elif not (state <= HEAD and self._looking):
            connection.close()

    def _hold(self, data: Data) -> None:
        self._ahead.append(bytes(data))
        self._ahead_bytes += len(data)
        if self._ahead_bytes >= AHEAD_BYTES_MAX:
            self.connection.pause()

    def _take_ahead(self) -> bytes:
        ahead, self._ahead, self._ahead_bytes = self._ahead, [], 0
        return ahead[0] if len(ahead) == 1 else b"".join(ahead)

    def _read_head(self, data: bytes) -> None:
        try:
            raw = self._heads.take(data)
            if not raw:
                self._incomplete()
                return
            if self.state == IDLE:
                self.state = move(IDLE, states.BYTES)
            request = read_request(raw, self._former)
        except BadMessage as bad:
            self.frontend.counters.bad_requests += 1
            self._refuse_head(bad)
            return
        rest, self._heads.rest = self._heads.rest, b""
        if rest:
            self._hold(rest)
        self._former = request
        self._serve(request)

    def _incomplete(self) -> None:
        if self.connection.read_ended:
            self.connection.close()
            return
        if self.state == IDLE and self._heads.size:
            self.state = move(IDLE, states.BYTES)
            self._began = self.context.reactor.now
            self.wait(self.frontend.request_s)
        self.connection.resume()  # it was stopped if what was held ahead was not a whole head

    def _serve(self, request: Request) -> None:
        fields = request.fields
        if self._configured != self.frontend.configured:
            self._learn_options()
        if self._whose.named is not None and self._whose.changes(self.frontend, request):
            self._turn()
        self._keep = fields.keep_alive
        self.takes_chunks = bool(fields.minor)
        if fields.chunked or fields.length:
            self._body = ChunkedBody(most=self.frontend.config.max_body) if fields.chunked else SizedBody(fields.length)
            self.state = move(HEAD, states.PARTIAL)
        else:
            self.state = move(HEAD, states.WHOLE)
        self.frontend.counters.requests += 1
        exchange = self.exchange = Exchange(self.context, self, request)
        if self._began:
            exchange.head_s = exchange.began - self._began
            self._began = 0.0
        if self.frontend.gated or fields.max_forwards == 0:
            admit(self.context, exchange)
        else:
            exchange.route()

    def _read_body(self, data: Data) -> None:
        """Passes on what belongs to the request's body; what comes after it is the next request's."""
        body, exchange = self._body, self.exchange
        if body is None or exchange is None:
            raise AssertionError("a body of no request")
        try:
            pieces, used = body.feed(data)
        except BadMessage as bad:
            self._body = None
            exchange.bad_body(bad)
            return
        whole = used >= 0
        if whole:
            self._body = None
            self.connection.bulk = 0
            if used < len(data):
                self._hold(part(data, used, len(data)))
        elif isinstance(body, SizedBody):
            self.connection.bulk = body.left if body.left > _BULK_BYTES else 0
        was = self.state
        if whole:
            self.state = move(was, states.BODY_END)
        if exchange.over:
            self._late(0)
        else:
            exchange.body(pieces, whole)
        if whole and was == REST:
            self.exchange = None
            self._next()

    # What an exchange wants: it knows this as its ClientStream

    @property
    def blocked(self) -> bool:
        return self.connection.blocked

    def goes_on(self, wanted: bool) -> bool:
        self._keep = self._keep and wanted and not (self.context.draining or self.frontend.gone)
        return self._keep

    def wait(self, seconds: float) -> None:
        self._wheel.set(self.connection, self._reactor.now + seconds)

    def resume_body(self) -> None:
        self.connection.resume()
        if self._ahead and self.state == BODY:
            self._read_body(self._take_ahead())
        if self.state == BODY and self.connection.read_ended and self.exchange is not None:
            self.exchange.client_ended()

    def pause_body(self) -> None:
        self.connection.pause()

    def reads_on(self) -> bool:
        return self.connection.reads_on()

    def interim(self, head: bytes) -> None:
        self.data(head)

    def answer(self, response: Response, extra: bytes, data: Data, last: bool) -> None:
        if last or self.context.draining or self.frontend.gone or (self.connection.read_ended and not self._ahead):
            self._keep = False
        connection = b"close" if not self._keep else (b"" if self.takes_chunks else b"keep-alive")
        head = response_head(response, connection, extra)
        self.data(head + bytes(data) if data else head)

    def data(self, data: Data) -> None:
        if self.exchange is not None:
            self.exchange.bytes_out += len(data)
        self.connection.send(data)

    def answered(self) -> None:
        if not self._keep or (self.connection.read_ended and not self._ahead):
            self._linger()
        elif self.state == BODY:
            self.state = move(BODY, states.ANSWERED)
            self._late_until = self.context.reactor.now + _LATE_BYTES_MAX_S
            self.wait(self.frontend.client_s)
            self.connection.resume()
            if self._ahead:  # of the body, where the answer was given before any of it was wanted
                self._read_body(self._take_ahead())
        else:
            self.exchange = None
            self.state = move(self.state, states.ANSWERED)
            self._next()

    def refuse(self, status: int, why: str, page: Optional[Page] = None) -> None:
        self._send_error(status, self.exchange is not None and self.exchange.request.method == b"HEAD", page)

    def break_off(self, why: str) -> None:
        self._problem = why
        if self._tunnel is not None:
            self._tunnel.problem = why
        self.connection.reset()

    def tunnel(self, response: Response, head: bytes, early: bytes, server: ServerConnection) -> None:
        exchange = self.exchange
        if exchange is None or exchange.backend is None:
            raise AssertionError("a tunnel for no exchange")
        self.data(head)
        self.state = move(self.state, states.SWITCHED)
        self.connection.heeds_resets = False
        self._tunnel = Tunnel(self.context, self.frontend, exchange.backend.tunnel_s, self.connection, server)
        ahead = self._take_ahead()
        self._tunnel.begin(to_client=early, to_server=ahead)

    # Between requests

    def _next(self) -> None:
        """The answer is out: on to the next request, which may be here already."""
        if len(self._ahead) == 0:
            if not self._keep:  # it was drained since its answer went out
                self.connection.close()
                return
            self.wait(self.frontend.keepalive_s)
            self.connection.resume()  # a server that was slow to take the request may have stopped it
            return
        self.wait(self.frontend.request_s)
        self._looking = True
        if not self.connection.blocked:
            # Not from here: a client that sends thousands of requests at once must not nest as many calls, nor keep others waiting.
            self.context.reactor.soon(self._look)

    def _look(self) -> None:
        if self._looking and not self.connection.blocked and not self.connection.closed:
            self._looking = False
            self._read_head(self._take_ahead())

    def flushed(self, connection: Connection) -> None:
        if self._looking:
            self._look()
        elif self.exchange is not None and not self.exchange.over:
            self.exchange.client_flushed()

    def drain(self) -> None:
        """The connection is to end with its next answer. A request that is here already, or on its way from who has just come, still gets its own."""
        self._keep = False
        if self.state != IDLE or self._looking:
            return
        self.connection.readable()
        if self.state == IDLE and self._former is None:
            self.wait(_FIRST_S)
        elif self.state == IDLE and not self._looking:
            self.connection.close()

    # Ends

    def expired(self, connection: Connection, now: float) -> None:
        """The connection's deadline has passed."""
        state, exchange = self.state, self.exchange
        if state == HEAD:
            self.frontend.counters.bad_requests += 1
            self._refuse_head(self._heads.refusal(408, "the request's head did not come within timeouts.request"))
        elif state == REST and exchange is not None:
            if exchange.upload_overdue():
                self._linger()
        elif state in (BODY, ANSWER) and exchange is not None:
            exchange.overdue()
        elif connection.reads_on():
            self.wait(self.frontend.client_s)  # it is slow, but still takes its last answer
        elif self._looking or (state == LINGER and connection.blocked):
            self.abort("the client does not read its answer")
        else:
            connection.close()

    def abort(self, why: str) -> None:
        """Ends the connection at once, with a reset."""
        self.break_off(why)

    def _refuse_head(self, bad: BadMessage) -> None:
        """Answers a request that was not even begun."""
        if self.state == IDLE:
            self.state = move(IDLE, states.BYTES)
        self.exchange = None
        sent = self._send_error(bad.status, bad.method == b"HEAD")
        self.frontend.counters.bytes_out += sent
        if self.frontend.config.access_log != "none":
            log_refused(self, self.context, bad, sent, self._reactor.now - self._began if self._began else 0.0)

    def _send_error(self, status: int, head_only: bool, page: Optional[Page] = None) -> int:
        answer = error_answer(status, self.frontend, self.exchange, page=page, head_only=head_only, date=self.context.date())
        self.frontend.counters.responses[status // 100] += 1
        self.data(answer)
        self._linger()
        return len(answer)

    def _linger(self) -> None:
        """Closes in order: no more from us, then what the client still sends is read and thrown away until it closes (RFC 9112 9.6)."""
        complete = self.state == ANSWER and not self._ahead
        exchange = self.exchange
        self.state = move(self.state, states.LAST)
        self._take_ahead()
        connection = self.connection
        connection.bulk = 0
        if connection.closed:
            return
        failed = exchange is None or exchange.status >= 400
        if connection.read_ended or (complete and not connection.blocked and not failed):
            connection.close()
            return
        self._late_until = self.context.reactor.now + _LATE_BYTES_MAX_S
        self.wait(_LINGER_S if self._body is None and not connection.blocked else self.frontend.client_s)
        connection.end()
        connection.resume()

    def _late(self, size: int) -> None:
        """The client goes on sending what nobody waits for: for as long as it does, up to a bound."""
        if self.context.reactor.now > self._late_until:
            self.connection.close()
        else:
            self.wait(self.frontend.client_s)

    def _closed(self) -> None:
        """The socket is closed, whoever did it."""
        under_way = self.state in (BODY, ANSWER)
        self.state = move(self.state, states.CLOSE)
        exchange, self.exchange = self.exchange, None
        tunnel, self._tunnel = self._tunnel, None
        if tunnel is not None:
            tunnel.client_closed()
            if exchange is not None:
                exchange.tunnelled_bytes = tunnel.bytes_out
                exchange.client_lost(self._problem or tunnel.problem)
        elif exchange is not None:
            exchange.client_lost(self._problem or ("the client left before its answer was complete" if under_way else ""))
        self._whose.left()
        self.frontend.left(self)
