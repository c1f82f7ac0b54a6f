"""Background tasks that do not die unseen: whoever starts one says what happens when it fails."""

from __future__ import annotations

import asyncio
import functools
import traceback
from collections.abc import Callable, Coroutine
from typing import Any

from .log import say

_tasks: set[asyncio.Task[Any]] = set()  # asyncio itself holds its tasks weakly


def supervise(work: Coroutine[Any, Any, Any], name: str, on_failure: Callable[[], None]) -> asyncio.Task[Any]:
    """Starts ``work``. When it raises, that is logged with its traceback and ``on_failure()`` is called; a task that was cancelled, or has done
    what it had to do, has not failed. A service's ``on_failure`` ends the process with a failure, so that the service manager starts it afresh."""
    task = asyncio.get_running_loop().create_task(work, name=name)
    _tasks.add(task)
    task.add_done_callback(functools.partial(_ended, on_failure))
    return task


def _ended(on_failure: Callable[[], None], task: asyncio.Task[Any]) -> None:
    _tasks.discard(task)
    error = None if task.cancelled() else task.exception()
    if error is not None:
        say("error", f"{task.get_name()} ended unexpectedly: {_traceback(error)}")
        on_failure()


def say_uncaught(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """For ``loop.set_exception_handler``: what a callback raised goes to the log as everything does, and the loop goes on."""
    error = context.get("exception")
    what = context.get("message", "an error in the event loop")
    say("error", what if error is None else f"{what}: {_traceback(error)}")


def _traceback(error: BaseException) -> str:
    return "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()
