"""What the targets are tried with: a file for each, in it a bytes literal in each line, so that one can read what is there."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path


def path_of(target: str) -> Path:
    return Path(__file__).parent / f"{target}.txt"


def read(target: str) -> list[bytes]:
    return [ast.literal_eval(line) for line in path_of(target).read_text().splitlines()]


def write(target: str, inputs: Iterable[bytes]) -> None:
    path_of(target).write_text("".join(f"{one!r}\n" for one in sorted(inputs, key=lambda one: (len(one), one))))
