"""The watch over interfaces: the kernel's socket, and what goes wrong with it. That a cable tells is shown in tests/namespaces."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from tandem.keepalive.link_watch import LinkWatch
from tests.support.keepalive_fakes import refused
from tests.support.timeless import timeless


class Socket:
    """One whose messages, or errors, are put into ``inbox``."""

    def __init__(self, error=None):
        self.near, self.far = socket.socketpair()
        self.error, self.inbox, self.closed = error, [], False

    def __call__(self, *_kind):
        return self

    def fileno(self):
        return self.near.fileno()

    def bind(self, address):
        assert address == (0, 1), "links only: each renewal of a lease is told to who asks for addresses"
        if self.error:
            raise self.error

    def setblocking(self, blocking):
        self.near.setblocking(blocking)

    def recv(self, size):
        if not self.inbox:
            raise BlockingIOError
        self.near.recv(1)
        message = self.inbox.pop(0)
        if isinstance(message, Exception):
            raise message
        return message

    def close(self):
        self.closed = True

    def put(self, *messages):
        self.inbox += messages
        self.far.send(b"." * len(messages))


@timeless
async def test_many_messages_are_one_change_and_a_queue_that_ran_over_is_one_too():
    sock, changes = Socket(), []
    watch = LinkWatch(lambda: changes.append(True), sock)
    sock.put(b"one", b"two", b"three")
    await asyncio.sleep(0.1)
    assert len(changes) == 1
    sock.put(refused(errno.ENOBUFS))
    await asyncio.sleep(0.1)
    assert (len(changes), sock.closed) == (2, False)
    watch.close()
    watch.close()
    assert sock.closed


@pytest.mark.parametrize("late", [False, True])
@timeless
async def test_a_watch_that_the_kernel_refuses_is_said_and_ends_nothing(late, capsys):
    sock, changes = Socket(None if late else refused(errno.EPERM)), []
    LinkWatch(lambda: changes.append(True), sock)
    if late:
        sock.put(refused(errno.EIO))
        await asyncio.sleep(0.1)
    assert (sock.closed, len(changes)) == (True, int(late))
    assert "asked every second" in capsys.readouterr().err


def test_the_kernel_of_this_machine_lets_it_watch(capsys):
    async def scenario():
        LinkWatch(lambda: None).close()

    asyncio.run(scenario())
    assert capsys.readouterr().err == ""
