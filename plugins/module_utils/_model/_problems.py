# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a user can do wrong, in one form: where, option, value, rule, way out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True)
class Problem:
    """One broken rule. ``where`` names the object ('frontend "edge/web"'), ``rule`` goes on after "OPTION is VALUE, "."""

    where: str
    option: str
    value: object
    rule: str
    way_out: str

    def __str__(self) -> str:
        subject = f"{self.where}: " if self.where else ""
        return readable(f"{subject}{self.option} is {_shown(self.value)}, {self.rule}. {self.way_out}")


class ModelError(Exception):
    """One or more problems in what the user stated; ``str()`` is what the user reads."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def readable(text: str) -> str:
    """The text, with escapes for what no encoding can write, so that whatever is wrong in it can be told."""
    return text.encode(errors="backslashreplace").decode()


def known(names: Iterable[str], wanted: str) -> str:
    """What exists, nearest first: the second half of every message about an unknown reference."""
    every = sorted(names)
    if not every:
        return "there are none yet"
    near = get_close_matches(wanted, every, n=1)
    listed = ", ".join(f'"{name}"' for name in every)
    return f"known are {listed}" + (f'; nearest is "{near[0]}"' if near else "")


def plain(value: object) -> str:
    """A value as a playbook has it: true, not True, and lists without Python's quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"[{', '.join(map(plain, value))}]" if isinstance(value, (list, tuple)) else str(value)


def _shown(value: object) -> str:
    if value is None:
        return "not given"
    return f'"{value}"' if isinstance(value, str) else plain(value)
