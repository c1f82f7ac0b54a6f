"""What an exchange needs of its client's side, whichever version of HTTP that speaks."""

from __future__ import annotations

from typing import Optional, Protocol

from ...http.body import Data
from ...http.pages import Page
from ...http.passing import Passing
from ...http.response import Response
from ..pool.frontends import FrontendState
from ..pool.peer import Peer
from .server import ServerConnection


class ClientStream(Protocol):
    """The client's side of one exchange."""

    client: str  # its address
    peer: Peer
    frontend: FrontendState
    passing: Passing
    takes_chunks: bool  # else the bare content is wanted
    plain: bool  # whether what ``data`` is given goes out as it is, on a connection that is ``plain``

    @property
    def blocked(self) -> bool:
        """Whether the client does not take what it was sent."""

    def goes_on(self, wanted: bool) -> bool:
        """Settles whether the client's connection goes on after an answer of ours, which is wanted or not."""

    def wait(self, seconds: float) -> None:
        """``Exchange.overdue`` is to be called so many seconds from now."""

    def resume_body(self) -> None:
        """More of the request's body is wanted: ``Exchange.body`` is called with it."""

    def pause_body(self) -> None:
        """None is wanted for now."""

    def reads_on(self) -> bool:
        """Whether the client has taken anything since this was last asked."""

    def interim(self, head: bytes) -> None:
        """Passes on an interim answer."""

    def answer(self, response: Response, extra: bytes, data: Data, last: bool) -> None:
        """The head of the answer, ``extra`` fields added, with the first bytes of its body. ``last``: the client is to ask no more after it."""

    def data(self, data: Data) -> None:
        """More of the answer's body."""

    def answered(self) -> None:
        """The answer is complete; the exchange takes what is left of the request, unless it is ``over``."""

    def refuse(self, status: int, why: str, page: Optional[Page] = None) -> None:
        """Answers with an error of our own, or with this page, the exchange having ended."""

    def break_off(self, why: str) -> None:
        """Ends what has begun with a reset, the exchange having ended."""

    def tunnel(self, response: Response, head: bytes, early: bytes, server: ServerConnection) -> None:
        """The protocol is switched: the server's connection is the stream's from here on."""
