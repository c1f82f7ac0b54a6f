"""Events: kept over restarts, bounded whatever happens, read back whatever somebody has done to the files."""

from __future__ import annotations

import asyncio
import json

import pytest

from tandem import events
from tandem._paths import Paths


@pytest.fixture
def paths(tmp_path):
    return Paths(str(tmp_path))


def keeping(paths, *notes):
    """A service's life in which these happen."""

    async def life():
        chronicle = events.Chronicle(paths, lambda: 1_795_000_000.25)
        with chronicle.kept():
            task = asyncio.ensure_future(chronicle.keep())
            for note in notes:
                events.note(*note)
            for _turn in range(3):
                await asyncio.sleep(0)
            task.cancel()
        return list(chronicle.recent)

    return asyncio.run(life())


def test_what_happened_is_there_after_a_restart_and_where_nobody_keeps_it_nothing_is_done(paths):
    events.note("server", "edge/shop/s1", "nobody keeps this")
    keeping(paths, ("server", "edge/shop/s1", "down: Connection refused"))
    keeping(paths, ("generation", "", "generation 2 is in use"))
    assert events.read(paths) == [
        {"time": "2026-11-18T11:06:40.250Z", "kind": "server", "about": "edge/shop/s1", "text": "down: Connection refused"},
        {"time": "2026-11-18T11:06:40.250Z", "kind": "generation", "about": "", "text": "generation 2 is in use"},
    ]
    assert paths.events.stat().st_mode & 0o777 == 0o640


def test_two_files_hold_no_more_than_they_may_and_the_newest_is_among_it(paths, monkeypatch):
    monkeypatch.setattr(events, "FILE_BYTES_MAX", 2000)
    for number in range(60):
        keeping(paths, ("server", f"edge/shop/s{number}", "x" * 2000))
    assert paths.events.stat().st_size <= 2000
    assert paths.former_events.stat().st_size <= 2000
    assert events.read(paths)[-1]["about"] == "edge/shop/s59"


def test_a_crowd_at_once_is_counted_and_not_kept_whole(paths):
    keeping(paths, *(("server", f"edge/shop/s{number}", "down") for number in range(1500)))
    kept = events.read(paths)
    assert len(kept) == 1001
    assert kept[-1]["text"] == "500 further events were not kept"


def test_lines_that_are_none_are_passed_over(paths):
    keeping(paths, ("service", "proxy", "is ready"))
    with paths.events.open("ab") as file:
        file.write(b'\xff\xfe\n{"time": 1}\n[]\n{"half')
    paths.former_events.write_text("nonsense\n")
    assert [event["text"] for event in events.read(paths)] == ["is ready"]


def test_a_place_that_cannot_be_written_is_a_warning_and_no_more(paths, capfd):
    paths.state.parent.mkdir(parents=True)
    paths.state.write_text("a file, and no folder")
    assert keeping(paths, ("service", "proxy", "is ready"))[-1]["text"] == "is ready"
    assert "events are not kept" in capfd.readouterr().err


def test_the_last_ones_of_a_former_life_are_at_hand_again(paths):
    keeping(paths, ("service", "proxy", "stops"))

    async def life():
        chronicle = events.Chronicle(paths)
        with chronicle.kept():
            task = asyncio.ensure_future(chronicle.keep())
            while not chronicle.recent:
                await asyncio.sleep(0.005)
            task.cancel()
        return json.dumps(list(chronicle.recent))

    assert '"stops"' in asyncio.run(asyncio.wait_for(life(), 10))
