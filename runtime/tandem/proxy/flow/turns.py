"""Whose turn it is in an exchange: who has to do something next, and so whose timeout counts. Pure.

A request goes up, its answer comes down, and both may be under way at once. In each direction one of the two has to move next: the one who is to
send, or the one who does not take what was sent. ``timeouts.client`` and ``timeouts.server`` count from the last byte that moved in either direction.
"""

from __future__ import annotations

from ...http.request import Request
from ...http.response import Response

NOBODY, CLIENT, SERVER, BOTH = range(4)


def whose_turn(request_whole: bool, answer_begun: bool, answer_whole: bool, client_blocked: bool, server_blocked: bool) -> int:
    """NOBODY, CLIENT, SERVER or BOTH. ``request_whole``: all of it was received; ``..._blocked``: that side does not take what it was sent."""
    up = NOBODY
    if server_blocked:
        up = SERVER
    elif not request_whole:
        up = CLIENT
    down = NOBODY
    if client_blocked:
        down = CLIENT
    elif (answer_begun and not answer_whole) or (not answer_begun and request_whole):
        down = SERVER
    if up in (NOBODY, down):
        return down
    return up if down == NOBODY else BOTH


def is_last_before_end(request: Request, response: Response, interims: tuple[int, ...]) -> bool:
    """Whether the client's connection cannot go on after an answer that comes before its request is whole."""
    # A client that waits for a 100 may send its body after all, or the next request: nobody can tell.
    return not response.keep_alive or (request.fields.expects_continue and 100 not in interims)
