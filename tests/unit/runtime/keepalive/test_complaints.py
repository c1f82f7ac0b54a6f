"""What is said again and again, and who is named as a problem."""

from __future__ import annotations

import pytest

from tandem.keepalive import complaints
from tandem.keepalive.complaints import Complaints


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(complaints, "say", lambda level, text: lines.append(f"{level}: {text}"))
    return lines


def test_the_same_line_is_said_every_ten_seconds_and_another_one_at_once(clock, said):
    one = Complaints(clock)
    for tenth in range(0, 250, 3):
        clock.now = tenth / 10
        one.about("cannot be sent")
    one.about("another", "error")
    assert said == ["warning: cannot be sent"] * 3 + ["error: another"]


def test_what_strangers_can_have_said_of_them_is_a_line_in_ten_seconds_whoever_they_claim_to_be(clock, said):
    one = Complaints(clock)
    for number in range(2000):
        clock.now = number / 100
        one.about_sender(f"2001:db8::{number:x}", f"from {number}", "a stranger")
    assert said == ["warning: from 0", "warning: from 1000"]
    one.about("of another kind")
    assert len(said) == 3


def test_lines_that_are_all_different_are_not_remembered_without_a_bound(clock, said):
    one = Complaints(clock)
    for number in range(5000):
        one.about(f"line {number}")
    assert len(said) == 5000
    assert len(one._said) <= 1000


def test_a_sender_is_a_problem_until_a_minute_has_passed_without_it_or_it_is_heeded(clock, said):
    one = Complaints(clock)
    for second in (0, 30, 59):
        clock.now = second
        one.about_sender("192.0.2.66", "a stranger at 192.0.2.66")
        one.about_sender("192.0.2.12", "the wrong key")
    assert one.problems() == ["the wrong key", "a stranger at 192.0.2.66"]
    one.heeded("192.0.2.12")
    clock.now = 118
    assert one.problems() == ["a stranger at 192.0.2.66"]
    clock.now = 120
    assert one.problems() == []


def test_of_many_senders_the_latest_are_kept(clock, said):
    one = Complaints(clock)
    for number in range(1000):
        one.about_sender(f"2001:db8::{number:x}", f"number {number}")
    assert len(one.problems()) == 16
    assert "number 999" in one.problems()
