"""Server states as modules and runtime share them: what is asked for, what lies in the file, and how long somebody waits."""

from __future__ import annotations

import dataclasses
import itertools
import stat

import pytest

from plugins.module_utils import _states as states
from plugins.module_utils._client import NotRunning
from plugins.module_utils._model import ModelError
from plugins.module_utils._paths import Paths
from plugins.module_utils._states import Setting
from plugins.module_utils._store import Store, StoreError

DRAINED = Setting("drain", "move", "anna", 1000)
READY = Setting("ready")


@pytest.fixture
def store(tmp_path):
    return Store(Paths(str(tmp_path)))


@pytest.mark.parametrize(
    ("have", "state", "sticky", "want", "changed"),
    [
        (None, None, None, READY, False),
        (None, "ready", None, READY, False),
        (None, "drain", None, Setting("drain", "keep"), True),
        (None, "drain", "move", Setting("drain", "move"), True),
        (DRAINED, None, None, Setting("drain", "move"), False),
        (DRAINED, "drain", None, Setting("drain", "move"), False),
        (DRAINED, "drain", "keep", Setting("drain", "keep"), True),
        (DRAINED, None, "keep", Setting("drain", "keep"), True),
        (DRAINED, "maint", None, Setting("maint", "keep"), True),
        (DRAINED, "ready", None, READY, True),
        (Setting("maint"), "maint", None, Setting("maint"), False),
        (Setting("maint"), "drain", None, Setting("drain", "keep"), True),
    ],
)
def test_what_is_left_out_stays_as_it_is_and_what_is_so_already_is_no_change(have, state, sticky, want, changed):
    found = states.wanted(have, state, sticky)
    assert found == want
    assert states.same(have, found) is not changed


@pytest.mark.parametrize("state", ["ready", "maint", None])
def test_bound_clients_are_spoken_of_where_a_server_is_drained_only(state):
    with pytest.raises(ModelError, match="Leave it out, or give state: drain"):
        states.wanted(None, state, "move")


def test_the_file_gives_back_what_was_written_and_ready_is_what_is_not_in_it(store):
    assert states.read(store.paths) == {}
    written = states.with_setting({("edge/shop", "s1"): DRAINED}, ("edge/shop", "s2"), Setting("maint", by="ben", since_s=7))
    states.write(store, written)
    assert states.read(store.paths) == written
    assert stat.S_IMODE(store.paths.states.stat().st_mode) == 0o640
    states.write(store, states.with_setting(written, ("edge/shop", "s1"), READY))
    assert set(states.read(store.paths)) == {("edge/shop", "s2")}


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"schema": 9, "servers": {}}', '{"schema": 1, "servers": {"a/b": {"s": {"state": "up"}}}}']
)
def test_a_file_that_is_none_of_ours_is_named_with_a_way_out(store, content):
    store.paths.state.mkdir(parents=True)
    store.paths.states.write_text(content)
    with pytest.raises(StoreError, match="Remove it: all servers are ready then"):
        states.read(store.paths)


def test_who_set_it_is_one_short_line_whatever_was_given():
    signed = states.signed(DRAINED, "an\nna\x1b[31m" + "x" * 100, 1234.9)
    assert (signed.by, signed.since_s) == (("anna[31m" + "x" * 100)[:64], 1234)
    assert states.shown(dataclasses.replace(signed, since_s=2000), 1000.0)["set_since_ms"] == 0, "the clock was set back"


class Scripted:
    """A server whose looks are foretold."""

    words = 'server "edge/shop/s1"'

    def __init__(self, *looks):
        self.looks = iter(looks)

    def look(self):
        found = next(self.looks)
        if isinstance(found, Exception):
            raise found
        return found


def wait_for(wait, timeout_s, *looks):
    """(the view at the end, how long each pause was)."""
    clock, pauses = itertools.count(), []
    first, *rest = looks
    view = states.waited(Scripted(*rest), first, wait, timeout_s, clock=lambda: next(clock) * 0.1, sleep=pauses.append)
    return view, pauses


BUSY, EMPTY = {"drained": False, "state": "up", "sessions": 2}, {"drained": True, "state": "up", "sessions": 0}


def test_waiting_ends_with_what_was_waited_for_and_looks_less_often_as_it_lasts():
    view, pauses = wait_for("drained", 60.0, BUSY, BUSY, NotRunning("restarting"), BUSY, BUSY, BUSY, BUSY, EMPTY)
    assert view == EMPTY
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.5, 0.5, 0.5]


def test_waiting_ends_with_its_time_and_says_what_is_left():
    view, _pauses = wait_for("drained", 0.35, *[BUSY] * 9)
    assert view == BUSY
    said = states.why_not(Scripted(), view, "drained", "30s")
    assert said.startswith('server "edge/shop/s1" is not drained after 30s; requests and sessions under way at it on this node: 2.')
    down = {"drained": False, "state": "down", "sessions": 0, "last_check": "Connection refused"}
    assert wait_for("healthy", 0.0, down) == (down, [])
    assert "it is down (Connection refused)" in states.why_not(Scripted(), down, "healthy", "1s")
    assert "not every worker has answered" in states.why_not(Scripted(), {**down, "state": "up"}, "drained", "1s")


def test_nothing_is_waited_for_when_it_is_not_asked_or_there_already():
    for wait in ("none", "drained", "healthy"):
        assert wait_for(wait, 60.0, EMPTY) == (EMPTY, [])
