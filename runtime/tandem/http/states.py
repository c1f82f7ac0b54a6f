"""The states of an HTTP/1 client connection (RFC 9112 9), as a table. Everything that affects the state is in this file.

IDLE      between two requests, or before the first
HEAD      a request's head is arriving
BODY      the head is read, the body is arriving; the answer may have begun
ANSWER    the request is whole, its answer is not
REST      the answer is whole, the request's body is not: it is still arriving (RFC 9112 9.3)
LINGER    the last answer is out: what still comes is read and thrown away, so that the client sees the answer and not a reset (RFC 9112 9.6)
TUNNEL    the protocol was switched (RFC 9110 7.8): this is no longer HTTP
CLOSED
"""

from __future__ import annotations

IDLE, HEAD, BODY, ANSWER, REST, LINGER, TUNNEL, CLOSED = range(8)
STATES = ("IDLE", "HEAD", "BODY", "ANSWER", "REST", "LINGER", "TUNNEL", "CLOSED")

# What happens to it:
#   BYTES       the first bytes of a request
#   WHOLE       a head was read that announces no body
#   PARTIAL     a head was read that announces a body
#   BODY_END    the request's body is complete
#   ANSWERED    the answer is complete, and the connection goes on
#   LAST        the answer is complete, and was the last; or a request was refused
#   SWITCHED    the answer was a 101
#   CLOSE       either side closed, or broke it off
BYTES, WHOLE, PARTIAL, BODY_END, ANSWERED, LAST, SWITCHED, CLOSE = range(8)
EVENTS = ("BYTES", "WHOLE", "PARTIAL", "BODY_END", "ANSWERED", "LAST", "SWITCHED", "CLOSE")

_MOVES = {
    IDLE: {BYTES: HEAD, CLOSE: CLOSED},
    HEAD: {WHOLE: ANSWER, PARTIAL: BODY, LAST: LINGER, CLOSE: CLOSED},
    BODY: {BODY_END: ANSWER, ANSWERED: REST, LAST: LINGER, CLOSE: CLOSED},
    ANSWER: {ANSWERED: IDLE, LAST: LINGER, SWITCHED: TUNNEL, CLOSE: CLOSED},
    REST: {BODY_END: IDLE, LAST: LINGER, CLOSE: CLOSED},
    LINGER: {CLOSE: CLOSED},
    TUNNEL: {CLOSE: CLOSED},
    CLOSED: {CLOSE: CLOSED},
}
_ILLEGAL = -1
_TABLE = tuple(tuple(_MOVES[state].get(event, _ILLEGAL) for event in range(len(EVENTS))) for state in range(len(STATES)))


class IllegalMove(Exception):
    """A mistake in the program: this cannot happen in that state."""


def move(state: int, event: int) -> int:
    """The next state. Raises IllegalMove."""
    after = _TABLE[state][event]
    if after == _ILLEGAL:
        raise IllegalMove(f"{EVENTS[event]} in {STATES[state]}")
    return after
