"""Clients that abuse TLS once hands are shaken: records that cost them nothing and us much."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import subprocess

import pytest

from tandem.pace import in_thread
from tests.support.proxy_lab import Client, Lab, in_lab, until
from tests.support.tls import client_side
from tests.support.tls_records import KEY_UPDATE_NOT_REQUESTED, KEY_UPDATE_REQUESTED, Records, shake_hands
from tests.unit.runtime.proxy.test_engine_handshakes import REQUEST, others_are_served, refused, site


async def secret_client(lab: Lab, tmp_path, client: Client | None = None) -> tuple[Client, Records]:
    """Hands are shaken, and the tickets that follow are not read."""
    context = client_side()
    context.keylog_filename = str(tmp_path / "keys")
    client = client or await lab.client()
    await shake_hands(client.reader, client.writer, context)
    return client, Records(tmp_path / "keys")


def turns(lab: Lab) -> int:
    return int(lab.engine.call(lambda: lab.reactor.turns))


@in_lab
async def test_a_request_in_records_of_a_byte_is_answered(lab: Lab, tmp_path):
    await site(lab)
    client, records = await secret_client(lab, tmp_path)
    client.send(b"".join(records.record(REQUEST[at : at + 1]) for at in range(len(REQUEST))))
    await until(lambda: lab.web["responses_2xx"] == 1)


@pytest.mark.parametrize("message", [KEY_UPDATE_NOT_REQUESTED, KEY_UPDATE_REQUESTED], ids=["not to be answered", "to be answered"])
@in_lab
async def test_a_flood_of_key_updates_is_followed_one_in_a_turn_so_that_nobody_waits_for_it(lab: Lab, tmp_path, message: bytes):
    """In one call of OpenSSL's 2.7 MB of them took 3.5 s, in which nobody else was served."""
    await site(lab)
    client, records = await secret_client(lab, tmp_path)
    flood = b"".join(records.key_update(message) for _turn in range(2000)) + records.record(REQUEST)
    before = turns(lab)
    client.send(flood)
    await others_are_served(lab)
    await until(lambda: lab.web["responses_2xx"] == 2)
    assert turns(lab) - before >= 2000


@in_lab
async def test_who_has_key_updates_answered_and_reads_no_answer_costs_nothing_until_it_reads(lab: Lab, tmp_path):
    lab.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # which connections inherit
    await site(lab)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", lab.port))
    lab.clients.append(Client(*await asyncio.open_connection(sock=sock)))
    client, records = await secret_client(lab, tmp_path, lab.clients[-1])
    client.writer.transport.pause_reading()
    client.send(b"".join(records.key_update(KEY_UPDATE_REQUESTED) for _turn in range(5000)) + records.record(REQUEST))
    turned = [turns(lab)]
    while len(turned) < 2 or turned[-1] - turned[-2] > 20:  # as long as something can be followed
        assert len(turned) < 40, turned
        await asyncio.sleep(0.05)
        turned.append(turns(lab))
    client.writer.transport.resume_reading()
    reads = asyncio.ensure_future(client.reader.read(-1))
    await until(lambda: lab.web["responses_2xx"] == 1)
    reads.cancel()


@in_lab
async def test_empty_records_without_end_break_the_connection(lab: Lab, tmp_path):
    await site(lab)
    client, records = await secret_client(lab, tmp_path)
    client.send(b"".join(records.record(b"") for _turn in range(20)) + records.record(REQUEST))
    await until(lambda: lab.web["responses_2xx"] == 1)
    client.send(b"".join(records.record(b"") for _turn in range(2000)))
    await refused(client)
    await until(lambda: lab.web["connections"] == 0)
    await others_are_served(lab)


@in_lab
async def test_a_record_that_was_not_sealed_with_the_key_breaks_the_connection(lab: Lab, tmp_path):
    await site(lab)
    client, records = await secret_client(lab, tmp_path)
    sealed = bytearray(records.record(REQUEST))
    sealed[-1] ^= 1
    client.send(bytes(sealed))
    await refused(client)
    await until(lambda: lab.web["connections"] == 0)
    assert lab.web["requests"] == 0


async def openssl(lab: Lab, *options: str, lines: bytes, until_said: bytes) -> bytes:
    """What s_client says: it is given lines, and left alone until it has said something or has ended."""
    program = shutil.which("openssl")
    assert program, "This test needs openssl, which is missing. Install it: apt-get install openssl"
    command = [program, "s_client", "-connect", f"127.0.0.1:{lab.port}", "-servername", "shop.test", "-crlf", *options]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
    said = b""
    try:
        while b"Verify return code" not in said:
            said += await asyncio.wait_for(process.stdout.read(65536), 5)
        for line in lines.splitlines(keepends=True):
            process.stdin.write(line)
            await process.stdin.drain()
            await asyncio.sleep(0.05)  # a command stands alone in what s_client reads at a time
        while until_said not in said and (piece := await asyncio.wait_for(process.stdout.read(65536), 5)):
            said += piece
        return said
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@in_lab
async def test_a_client_that_asks_to_renegotiate_is_refused(lab: Lab):
    await site(lab)
    said = await openssl(lab, "-tls1_2", lines=b"R\n", until_said=b"no renegotiation")
    assert b"RENEGOTIATING" in said
    assert b"no renegotiation" in said
    assert lab.web["handshakes"] == 1
    await others_are_served(lab)


@in_lab
async def test_a_client_of_openssl_updates_its_keys_and_asks_on(lab: Lab):
    await site(lab)
    said = await openssl(lab, "-tls1_3", lines=b"K\nk\nGET / HTTP/1.1\nHost: a\n\n", until_said=b"200 OK")
    assert said.count(b"KEYUPDATE") == 2
    assert b"200 OK" in said


@in_lab
async def test_no_ticket_lets_a_client_send_early_data(lab: Lab, tmp_path):
    await site(lab)
    ticket = tmp_path / "ticket"
    await openssl(lab, "-tls1_3", "-sess_out", str(ticket), lines=b"GET / HTTP/1.1\nHost: a\n\n", until_said=b"200 OK")
    shown = await in_thread(subprocess.check_output, ["openssl", "sess_id", "-in", ticket, "-noout", "-text"])
    assert b"TLS session ticket:" in shown
    assert b"Max Early Data: 0" in shown
