"""What is said of things that happen several times a second: a line at most every ten seconds, and who sends heartbeats that do not count."""

from __future__ import annotations

from ..log import say
from .clock import Clock

_AGAIN_S = 10.0
_TEXTS_MAX = 1000
_SENDERS_MAX = 16
_REMEMBERED_S = 60.0


def reason(error: OSError) -> str:
    """What went wrong, in the system's words: a time-out has none of them."""
    return error.strerror or str(error) or "no answer in time"


class Complaints:
    """The log of what happens again and again, and the senders that status names as problems."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._said: dict[str, float] = {}
        self._senders: dict[str, tuple[str, float]] = {}

    def about(self, text: str, level: str = "warning", kind: str = "") -> None:
        """Logs a line, the same one at most every ten seconds; with a ``kind``, one of that kind, for what any stranger can have said of as many
        senders as there are addresses."""
        now, what = self._clock(), kind or text
        if what in self._said and now - self._said[what] < _AGAIN_S:
            return
        if len(self._said) >= _TEXTS_MAX:
            self._said.clear()
        self._said[what] = now
        say(level, text)

    def about_sender(self, sender: str, text: str, kind: str = "") -> None:
        """The same, and a problem until a minute has passed without it, or the sender is heeded. Of many senders the latest ones are kept."""
        self.about(text, kind=kind)
        self._senders.pop(sender, None)
        self._senders[sender] = text, self._clock()
        if len(self._senders) > _SENDERS_MAX:
            del self._senders[next(iter(self._senders))]

    def heeded(self, sender: str) -> None:
        self._senders.pop(sender, None)

    def problems(self) -> list[str]:
        now = self._clock()
        self._senders = {sender: (text, at) for sender, (text, at) in self._senders.items() if now - at <= _REMEMBERED_S}
        return [text for _sender, (text, _at) in sorted(self._senders.items())]
