"""Reading and writing JSON in slices gives what json gives: the same values, the same bytes, the same errors."""

from __future__ import annotations

import json
import random

import pytest

from tandem import json_slices

VALUES = [
    None,
    3.5,
    "text",
    [],
    {},
    [{}],
    {"a": {}},
    {"b": 1, "a": {"z": [1, {"y": 2}], "k": {"deep": {"deeper": {"deepest": {"é": "\ud7ff", '"': "\\"}}}}}},
    {"objects": {"backends": {f"edge/b{number}": {"servers": [{"port": number}]} for number in range(50)}}, "schema": 1},
]


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_what_is_written_and_read_is_what_json_writes_and_reads(value):
    assert json_slices.dumps(value) == json.dumps(value, sort_keys=True).encode()
    for options in ({}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}):
        assert json_slices.loads(json.dumps(value, **options).encode()) == value
    assert json_slices.loads(b" \r\n\t" + json.dumps(value).encode() + b"\n ") == value


def test_what_is_no_json_is_the_same_error_as_ever_and_what_is_odd_is_read_alike():
    chance = random.Random(3)
    seeds = [json.dumps(value, indent=1).encode() for value in VALUES] + [b'{"a": 1, "a": {"b": 2, "b": 3}}', b"", b"[" * 100_000, b"\xef\xbb\xbf{}"]
    seeds.append('{"a": 1}'.encode("utf-16"))
    for turn in range(3000):
        content = bytearray(seeds[turn % len(seeds)])
        for _change in range(chance.randint(0, 2) if turn >= len(seeds) else 0):
            at = chance.randint(0, len(content))
            content[at : at + chance.randint(0, 2)] = bytes(chance.choice(b'{}[]",:1a \\') for _byte in range(chance.randint(0, 2)))
        results = []
        for loads in (json.loads, json_slices.loads):
            try:
                results.append(json.dumps(loads(bytes(content)), sort_keys=True))
            except (ValueError, RecursionError) as error:
                results.append(f"{type(error).__name__} {error}")
        assert results[0] == results[1], bytes(content)


def test_no_single_call_reads_or_writes_more_than_one_member(monkeypatch):
    longest = 0

    def measured(call):
        def measuring(*arguments):
            nonlocal longest
            result = call(*arguments)
            longest = max(longest, len(result) if isinstance(result, str) else result[1] - arguments[1])
            return result

        return measuring

    monkeypatch.setattr(json_slices, "_scan", measured(json_slices._scan))
    monkeypatch.setattr(json_slices, "_encode", measured(json_slices._encode))
    value = {"schema": 1, "objects": {"backends": {f"b{number}": {"servers": [{"port": 1}] * 10} for number in range(1000)}}}
    content = json_slices.dumps(value)
    assert json_slices.loads(content) == value
    assert 0 < longest < 300
