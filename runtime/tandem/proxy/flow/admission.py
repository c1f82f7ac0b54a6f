"""What stands between a request's head and its way to a server, where anything does: limits, ACLs, the redirect to HTTPS, a password, Max-Forwards.

It ends in one of three ways: the request is routed, or answered here, or it waits: in a tarpit, or for its password to be verified.
"""

from __future__ import annotations

from typing import Optional

from ...http.access import REDIRECT, TARPIT, Verdict
from ...http.basic_auth import UNKNOWN, WELCOME, Attempt, BasicAuth
from ...http.pages import page_for
from ...http.write import last_recipient, redirect
from ..context import Context
from .answers import own_fields
from .exchange import Exchange
from .limited import answer_over

_DENIED = "an ACL denies it"
_VERIFIED_WITHIN_S = 60.0  # that a client's connection is kept for it; it takes a fraction of a second where not many guess
_SPARE_S = 1.0  # of a connection's deadline, which is there in case


def admit(context: Context, exchange: Exchange) -> None:
    """To be called once, when the exchange has begun."""
    frontend, stream, request = exchange.frontend, exchange.stream, exchange.request
    if frontend.limits is not None:
        over = frontend.limits.over(stream.peer, request.fields.length, context.reactor.now)
        if over is not None:
            answer_over(exchange, over)
            return
    access = frontend.entry.access
    if access is not None:
        verdict = access.judge(request, stream.client)
        if verdict is not None:
            _turn_away(context, exchange, verdict)
            return
    location = frontend.https_location(request) if frontend.config.redirect_to_https and stream.passing.scheme != b"https" else b""
    if location:
        # 308, so that what is sent elsewhere is sent there as it is, with its method and body (RFC 9110 15.4.9).
        _send_elsewhere(context, exchange, 308, location)
        return
    auth = frontend.entry.basic_auth
    if auth is None or not auth.asks(request, stream.client):
        _let_in(context, exchange)
    else:
        _ask_for_password(context, exchange, auth)


def _let_in(context: Context, exchange: Exchange) -> None:
    request = exchange.request
    answer = last_recipient(request, context.date()) if request.fields.max_forwards == 0 else b""
    if answer:
        exchange.stream.goes_on(False)
        exchange.answer_here(200, answer)
    else:
        exchange.route()


def _turn_away(context: Context, exchange: Exchange, verdict: Verdict) -> None:
    frontend, stream = exchange.frontend, exchange.stream
    if verdict.action != REDIRECT:
        frontend.counters.denied += 1
    if verdict.action == REDIRECT and verdict.location is not None:
        local = b"" if exchange.request.fields.host else stream.peer.local()
        _send_elsewhere(context, exchange, verdict.status, verdict.location.of(exchange.request, stream.passing.scheme, local))
    elif verdict.action == TARPIT and frontend.entry.tarpitted < frontend.entry.tarpit_limit:
        _Tarpit(context, exchange, verdict.status)
    else:
        exchange.fail(verdict.status, _DENIED)


def _send_elsewhere(context: Context, exchange: Exchange, status: int, location: bytes) -> None:
    keep = _goes_on(exchange)
    exchange.answer_here(status, redirect(status, location, context.date(), keep, own_fields(exchange, b"")))


def _goes_on(exchange: Exchange) -> bool:
    """Whether the client may go on after an answer of ours: not one that waits for a 100, who may send its body after all, or the next request."""
    return exchange.stream.goes_on(not exchange.request.fields.expects_continue)


class _Tarpit:
    """Holds one request for ``timeouts.tarpit``, then answers it: who guesses or scans gets on slowly, and does not know why."""

    def __init__(self, context: Context, exchange: Exchange, status: int) -> None:
        self._exchange, self._status = exchange, status
        frontend = exchange.frontend
        entry = frontend.entry
        entry.tarpitted += 1
        exchange.stream.wait(entry.tarpit_s + _SPARE_S)
        context.reactor.later(entry.tarpit_s, self._end)

    def _end(self) -> None:
        exchange = self._exchange
        exchange.frontend.entry.tarpitted -= 1
        if not exchange.over:
            exchange.fail(self._status, _DENIED)


def _ask_for_password(context: Context, exchange: Exchange, auth: BasicAuth) -> None:
    attempt = auth.attempt(exchange.request)
    if attempt is None:
        _challenge(context, exchange, auth)
        return
    known = auth.known(attempt)
    if known == WELCOME:
        exchange.user = attempt.name
        _let_in(context, exchange)
    elif known != UNKNOWN:
        _challenge(context, exchange, auth)
    else:
        _Verification(context, exchange, auth, attempt)


def _challenge(context: Context, exchange: Exchange, auth: BasicAuth) -> None:
    exchange.frontend.counters.unauthorized += 1
    keep = _goes_on(exchange)
    page = page_for(401, exchange.frontend.writings.pages)
    fields = own_fields(exchange, page.fields + auth.challenge)
    exchange.answer_here(401, page.answer(exchange.request.method == b"HEAD", context.date(), fields, keep_alive=keep))


class _Verification:
    """One request while a thread verifies its password."""

    def __init__(self, context: Context, exchange: Exchange, auth: BasicAuth, attempt: Attempt) -> None:
        self._context, self._exchange, self._auth, self._attempt = context, exchange, auth, attempt
        exchange.stream.wait(_VERIFIED_WITHIN_S)
        if not context.verifier.submit(exchange.stream.client, self._verify, self._told):
            exchange.fail(503, "too many passwords wait to be verified")

    def _verify(self) -> bool:
        """In the thread. Others may have shown the same meanwhile."""
        return self._auth.welcomes(self._attempt) or self._attempt.verify()

    def _told(self, verified: Optional[bool]) -> None:
        exchange = self._exchange
        if verified is not None:
            self._auth.learn(self._attempt, verified)
        if exchange.over:
            return
        if verified is None:
            exchange.fail(503, "the password could not be verified")
        elif verified:
            exchange.user = self._attempt.name
            _let_in(self._context, exchange)
        else:
            _challenge(self._context, exchange, self._auth)
