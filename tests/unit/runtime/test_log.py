"""Writing to the log from a thread: nobody waits for the reader, and nothing is written that is not whole lines."""

from __future__ import annotations

import os
import sys
import threading
import time

from tandem import log
from tandem.log import LogWriter, said_aside, say


def read_all(reader: int) -> bytes:
    content = b""
    while piece := os.read(reader, 65536):
        content += piece
    os.close(reader)
    return content


def test_lines_come_out_as_they_went_in_and_the_last_are_waited_for():
    reader, writer = os.pipe()
    lines = [f"line {number} ä" for number in range(1000)]
    made = LogWriter(writer)
    for line in lines:
        made.write(line + "\n")
    made.close()
    os.close(writer)
    assert read_all(reader).decode().splitlines() == lines


def test_a_reader_that_stalls_costs_lines_and_they_are_counted(monkeypatch):
    monkeypatch.setattr(log, "_UNWRITTEN_BYTES_MAX", 100_000)
    monkeypatch.setattr(log, "_LAST_WORDS_S", 0.01)
    reader, writer = os.pipe()
    made, line = LogWriter(writer), "x" * 999
    for _turn in range(1000):
        made.write(line + "\n")
    made.close()  # nobody reads: it returns all the same
    content: list[bytes] = []
    reading = threading.Thread(target=lambda: content.append(read_all(reader)))
    reading.start()
    deadline = time.monotonic() + 5
    while made._done < made._given and time.monotonic() < deadline:
        time.sleep(0.005)
    os.close(writer)
    reading.join(5)
    kept = content[0].decode().splitlines()
    assert set(kept) == {line}
    assert 100 <= len(kept) < 200
    assert made._dropped == 1000 - len(kept)


def test_after_a_gap_a_line_says_how_many_are_missing(monkeypatch, tmp_path):
    with (tmp_path / "log").open("wb") as file:
        made = LogWriter(file.fileno())
        monkeypatch.setattr(log, "_UNWRITTEN_BYTES_MAX", -1)
        made.write("lost\nlost too\n")
        monkeypatch.setattr(log, "_UNWRITTEN_BYTES_MAX", 1000)
        made.write("kept\n")
        made.close()
    assert (tmp_path / "log").read_text() == "warning: 2 log lines were dropped\nkept\n"


def test_a_log_that_cannot_be_written_is_given_up_quietly():
    reader, writer = os.pipe()
    os.close(reader)
    made = LogWriter(writer)
    made.write("into the void\n")
    made.close()
    assert made._done == made._given
    os.close(writer)


def test_say_goes_aside_within_and_straight_outside(capfd):
    say("info", "before")
    with said_aside():
        say("warning", "within\nand more")
    say("error", "after")
    sys.stderr.flush()
    assert capfd.readouterr().err == "info: before\nwarning: within\nand more\nerror: after\n"
