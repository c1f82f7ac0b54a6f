"""The answer to a request that is beyond the limits of its frontend."""

from __future__ import annotations

import math

from ...http.pages import page_for
from ..pool.limits import Over
from .answers import own_fields
from .exchange import Exchange


def answer_over(exchange: Exchange, over: Over) -> None:
    """Who asks too often may ask again on the same connection (RFC 6585 4); an upload is not worth reading."""
    if over.status != 429:
        exchange.fail(over.status, over.why)
        return
    frontend, request = exchange.frontend, exchange.request
    frontend.counters.limited += 1
    keep = exchange.stream.goes_on(exchange.request_whole and not request.fields.expects_continue)
    page = page_for(429, frontend.writings.pages)
    fields = own_fields(exchange, page.fields + b"Retry-After: %d\r\n" % max(1, math.ceil(over.wait_s)))
    exchange.answer_here(429, page.answer(request.method == b"HEAD", exchange.context.date(), fields, keep_alive=keep), over.why)
