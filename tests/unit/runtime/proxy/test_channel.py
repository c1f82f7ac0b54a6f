"""The channel between supervisor and worker, on real socket pairs: descriptors, limits, and what is no message."""

from __future__ import annotations

import asyncio
import gc
import os
import socket

import pytest

from tandem.proxy.channel import Channel, ChannelBroken, share, shared


class Side:
    """One end of a pair as a Channel; the other end is a plain socket."""

    def __init__(self):
        ours, self.other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.other.settimeout(5)
        self.got, self.ends = [], 0
        self.channel = Channel(asyncio.get_running_loop(), ours, lambda *message: self.got.append(message), self._end)

    def _end(self):
        self.ends += 1


async def settled(condition):
    for _turn in range(500):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("waited in vain")


def descriptors():
    # What other tests have left in circles is not this one's: it would go some time, and be missing here.
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def in_loop(test):
    def run():
        before = descriptors()

        async def scenario():
            side = Side()
            try:
                await test(side)
            finally:
                side.channel.close()
                side.other.close()

        asyncio.run(scenario())
        assert descriptors() == before, "a descriptor is left open"

    run.__name__ = test.__name__
    return run


@in_loop
async def test_messages_come_in_order_with_their_descriptors_and_the_end_once(side):
    content = {"text": "ä" * 200_000}
    memory = share(content)
    for number in range(300):  # more than the kernel's buffer takes at once: the rest waits
        side.channel.send({"type": "load", "seq": number}, [memory] * (number % 3))
    os.close(memory)
    for number in range(300):
        packet, got, _flags, _address = await asyncio.get_running_loop().run_in_executor(None, socket.recv_fds, side.other, 65536, 16)
        assert packet == b'{"type":"load","seq":%d}' % number
        assert len(got) == number % 3
        # All share one file offset, and each reads all of it.
        assert all(shared(descriptor) == content for descriptor in got)
    socket.send_fds(side.other, [b'{"type":"a"}'], [0, 1])
    side.other.send(b'{"type":"b"}')
    side.other.close()
    await settled(lambda: side.ends)
    assert [message for message, _got in side.got] == [{"type": "a"}, {"type": "b"}]
    for descriptor in side.got[0][1]:
        os.close(descriptor)
    side.channel.send({"type": "too late"})
    await asyncio.sleep(0)
    assert side.ends == 1


@in_loop
async def test_a_packet_or_a_queue_beyond_its_limit_is_refused_by_the_sender(side):
    with pytest.raises(AssertionError):
        side.channel.send({"type": "x" * 65536})
    with pytest.raises(AssertionError):
        side.channel.send({"type": "x"}, [0] * 17)
    with pytest.raises(ChannelBroken, match="takes nothing"):
        for _packet in range(20_000):
            side.channel.send({"type": "x"}, [0] if _packet % 100 == 0 else [])
    assert side.ends == 0


@pytest.mark.parametrize(
    "packet",
    [b"\xff\xfe", b"{", b"[]", b"{}", b'{"type": 7}', b"[" * 60_000, b'{"type":"' + b"x" * 70_000 + b'"}'],
    ids=["no text", "cut off", "no object", "no type", "a type that is no word", "nested too deep", "too large"],
)
def test_what_is_no_message_ends_the_channel_and_leaks_no_descriptor(packet):
    @in_loop
    async def scenario(side):
        socket.send_fds(side.other, [packet], [0, 1])
        await settled(lambda: side.ends == 1)
        assert side.got == []
        assert side.other.recv(10) == b""

    scenario()


@in_loop
async def test_more_descriptors_than_a_message_may_carry_end_the_channel(side):
    socket.send_fds(side.other, [b'{"type":"a"}'], [0] * 40)
    await settled(lambda: side.ends == 1)
    assert side.got == []


def test_memory_that_holds_no_json_is_told_and_closed():
    before = descriptors()
    for content in (b"", b"{", b"\xff"):
        memory = os.memfd_create("t")
        os.write(memory, content)
        with pytest.raises(ValueError):
            shared(memory)
    reader, writer = os.pipe()
    os.close(writer)
    with pytest.raises((OSError, ValueError)):
        shared(reader)
    assert descriptors() == before
