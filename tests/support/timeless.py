"""An event loop in which waiting takes no time: where no socket is ready, the clock goes on to the next timer at once. Sockets are real."""

from __future__ import annotations

import asyncio
import functools
import inspect
import selectors

_PASSED_MAX_S = 100_000.0


class _Selector(selectors.DefaultSelector):
    def __init__(self):
        super().__init__()
        self.passed_s = 0.0

    def select(self, timeout=None):
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        assert timeout is not None, "nothing is ready, and no timer is armed: this would wait for ever"
        self.passed_s += timeout
        assert self.passed_s < _PASSED_MAX_S, "this waits in vain"
        return ready


class TimelessLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self._waits = _Selector()
        super().__init__(self._waits)

    def time(self):
        return 1000.0 + self._waits.passed_s

    def run_in_executor(self, executor, function, *arguments):
        """At once: what a thread does takes no time either."""
        done = self.create_future()
        try:
            done.set_result(function(*arguments))
        except Exception as error:  # noqa: BLE001 - for who awaits it
            done.set_exception(error)
        return done


async def _end_the_rest():
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


def timeless(test):
    """Runs an async test in such a loop. Fixtures are given as to any test."""

    @functools.wraps(test)
    def in_loop(*arguments, **fixtures):
        loop, broken = TimelessLoop(), []
        # A server of a test whose handler is cancelled at the end says so in a callback of asyncio's own.
        loop.set_exception_handler(
            lambda _loop, context: None if isinstance(context.get("exception"), asyncio.CancelledError) else broken.append(context)
        )
        try:
            loop.run_until_complete(test(*arguments, **fixtures))
            loop.run_until_complete(_end_the_rest())
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()
        assert broken == [], "a callback, or a task that nobody awaits, has failed"

    in_loop.__signature__ = inspect.signature(test)
    return in_loop
