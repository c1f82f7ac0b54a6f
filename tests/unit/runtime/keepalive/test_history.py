"""Why it moved: ten moves of each load balancer, also after a restart, and whatever became of the file."""

from __future__ import annotations

import asyncio
import json

import pytest

from tandem._paths import Paths
from tandem.keepalive import history as history_module
from tandem.keepalive.history import History


def history(tmp_path, failures=None, wall=lambda: 1000.0):
    made = History(Paths(str(tmp_path)), lambda: (failures or []).append(True), wall)
    made.read()
    return made


async def noted(one, *moves):
    for move in moves:
        one.note(*move)
    await one.settle(30)


def test_the_last_ten_moves_are_there_after_a_restart_with_their_reasons_the_latest_first(tmp_path):
    async def before():
        one = history(tmp_path)
        await noted(one, *(("edge", "standby", "active", f"reason {number}") for number in range(14)), ("other", "active", "fault", "its proxy"))

    asyncio.run(before())

    async def after():
        one = history(tmp_path, wall=lambda: 1060.0)
        assert [move["why"] for move in one.view("edge")] == [f"reason {number}" for number in range(13, 3, -1)]
        assert one.view("other") == [{"at_s": 1000, "from": "active", "to": "fault", "why": "its proxy"}]
        assert one.view("none") == []

    asyncio.run(after())
    assert Paths(str(tmp_path)).moves.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b'{"load_balancers": 1}', b'{"load_balancers": {"edge": [{}]}}', b"[" * 5000])
def test_a_file_that_cannot_be_read_is_begun_anew(tmp_path, content, capsys):
    async def scenario():
        path = Paths(str(tmp_path)).moves
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        one = history(tmp_path)
        assert one.view("edge") == []
        await noted(one, ("edge", "standby", "active", "x" * 1000))
        assert len(json.loads(path.read_bytes())["load_balancers"]["edge"][0]["why"]) == 300

    asyncio.run(scenario())
    assert "former moves are not known" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_told_once_and_keeps_nothing_from_happening(tmp_path, capsys):
    async def scenario():
        (tmp_path / "var").write_text("no folder")
        one = history(tmp_path)
        for number in range(3):
            await noted(one, ("edge", "standby", "active", str(number)))
        assert len(one.view("edge")) == 3

    asyncio.run(scenario())
    assert capsys.readouterr().err.count("is not kept across a restart") == 1


def test_many_moves_at_once_are_written_in_few_turns_and_the_last_one_is_among_them(tmp_path, monkeypatch):
    written = []

    async def scenario():
        one = history(tmp_path)
        monkeypatch.setattr(one, "_replace", lambda content: written.append(json.loads(content)))
        await noted(one, *(("edge", "standby", "active", str(number)) for number in range(100)))

    asyncio.run(scenario())
    assert len(written) <= 2
    assert written[-1]["load_balancers"]["edge"][-1]["why"] == "99"


def test_of_more_load_balancers_than_any_node_has_the_oldest_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr(history_module, "_LOAD_BALANCERS_MAX", 2)

    async def scenario():
        one = history(tmp_path)
        await noted(one, *((name, "standby", "active", "") for name in ("a", "b", "c")))
        assert [len(one.view(name)) for name in ("a", "b", "c")] == [0, 1, 1]

    asyncio.run(scenario())
