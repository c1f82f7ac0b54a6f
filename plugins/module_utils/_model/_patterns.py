# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Regular expressions as automata: each byte of a text costs one step, whatever the expression and the text are. Pure.

``re`` goes back and tries again, so that some expressions take it a time that is exponential in the length of a text, and many harmless ones, such as
``/a/.*/b``, a quadratic one; clients choose the texts. Here an expression is read by ``re``'s own parser and made a deterministic automaton
(Thompson, "Regular Expression Search Algorithm", 1968; Rabin and Scott's subset construction). What has none (backreferences, look-arounds), or
one that is too large (``.*a.{20}``), is refused when it is stated.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

try:
    from re import _parser as _sre  # type: ignore[attr-defined]
except ImportError:  # before Python 3.11
    import sre_parse as _sre  # type: ignore[import-not-found,no-redef,unused-ignore]  # pylint: disable=deprecated-module

LENGTH_MAX = 1000  # of an expression
STATES_MAX = 1000
_NODES_MAX = 4000
_WORK_MAX = 400_000  # steps of the construction: about a tenth of a second
_FLAGS = re.IGNORECASE | re.DOTALL | re.VERBOSE

NEVER, FOUND = 0, 1  # the states that are not left again
_ALL = (1 << 256) - 1
_TOO_LARGE = ("whose automaton would be too large, so that it could not be asked in a bounded time", "Bound less, or compare fewer things with it.")


@dataclass(frozen=True)
class Automaton:
    """``rows[state][class]`` is the next state, ``classes[byte]`` the class; it begins in ``start``, and ``ends[state]`` says whether the end of the
    text completes a match."""

    classes: bytes
    rows: tuple[tuple[int, ...], ...]
    ends: tuple[bool, ...]
    start: int

    def found(self, text: bytes) -> bool:
        """Whether the expression matches anywhere in the text."""
        state = self.start
        for number in text.translate(self.classes):
            state = self.rows[state][number]
            if state <= FOUND:
                break
        return self.ends[state]


@functools.lru_cache(maxsize=1024)
def automaton(expression: str, *, ignore_case: bool = False) -> Automaton:
    """Raises ValueError(rule, way_out) for what is no expression, or has no automaton of a bounded size."""
    if len(expression) > LENGTH_MAX:
        raise ValueError(f"which is longer than {LENGTH_MAX} characters", "Divide it, or compare with something shorter.")
    if not expression.isascii() or not expression.isprintable():
        raise ValueError("which has characters other than printable ASCII", "Write them as the bytes that requests carry, such as \\xc3\\xbc.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of what other versions of Python might read otherwise
            tree = _sre.parse(expression.encode())
    except RecursionError:
        raise ValueError("which nests too deeply", "Write it flatter.") from None
    except (re.error, OverflowError) as error:
        raise ValueError(f"which is not a regular expression: {error}", "Correct it.") from None
    if tree.state.flags & ~int(_FLAGS):
        raise ValueError("which sets flags other than i, s and x", "Leave them out.")
    try:
        graph = _Graph(bool(tree.state.flags & re.DOTALL))
        start = graph.node()
        final = graph.sequence(tree, start, ignore_case or bool(tree.state.flags & re.IGNORECASE))
        return _Construction(graph, start, final).automaton()
    except RecursionError:
        raise ValueError("which nests too deeply", "Write it flatter.") from None


def _mask(numbers: Iterable[int]) -> int:
    return functools.reduce(lambda mask, number: mask | 1 << number, numbers, 0)


_SPACES = _mask(b" \t\n\r\f\v")
_DIGITS = _mask(range(48, 58))
_WORDS = _DIGITS | _mask(range(65, 91)) | _mask(range(97, 123)) | 1 << ord("_")
_CATEGORIES = {
    "CATEGORY_DIGIT": _DIGITS,
    "CATEGORY_NOT_DIGIT": _ALL & ~_DIGITS,
    "CATEGORY_SPACE": _SPACES,
    "CATEGORY_NOT_SPACE": _ALL & ~_SPACES,
    "CATEGORY_WORD": _WORDS,
    "CATEGORY_NOT_WORD": _ALL & ~_WORDS,
}
_BEGINS = ("AT_BEGINNING", "AT_BEGINNING_STRING")
_ENDS = ("AT_END", "AT_END_STRING")
_UPPER_TO_LOWER = 32


def _folded(mask: int) -> int:
    """With the other case of each ASCII letter in it."""
    upper = _mask(range(65, 91))
    return mask | (mask & upper) << _UPPER_TO_LOWER | (mask & upper << _UPPER_TO_LOWER) >> _UPPER_TO_LOWER


class _Graph:
    """The nondeterministic automaton: of each node where it goes freely, at the beginning or the end of the text only, or with one byte of a set."""

    def __init__(self, any_is_all: bool) -> None:
        self.free: list[list[int]] = []
        self.at_begin: list[list[int]] = []
        self.at_end: list[list[int]] = []
        self.byte: list[tuple[int, int]] = []  # (set of bytes, next node)
        self._any = _ALL if any_is_all else _ALL & ~(1 << 10)
        self._makers: dict[str, Callable[[Any, int, bool], int]] = {
            "LITERAL": self._literal,
            "NOT_LITERAL": self._not_literal,
            "ANY": lambda _argument, at, _fold: self._step(at, self._any),
            "IN": self._one_of,
            "BRANCH": self._branch,
            "SUBPATTERN": self._group,
            "MAX_REPEAT": self._repeat,
            "MIN_REPEAT": self._repeat,
            "AT": self._anchor,
        }

    def node(self) -> int:
        if len(self.byte) >= _NODES_MAX:
            raise ValueError(*_TOO_LARGE)
        self.free.append([])
        self.at_begin.append([])
        self.at_end.append([])
        self.byte.append((0, 0))
        return len(self.byte) - 1

    def sequence(self, items: Any, at: int, fold: bool) -> int:
        """Adds what ``re``'s parser has read, from a node on; returns the node where it ends."""
        for operation, argument in items:
            make = self._makers.get(str(operation))
            if make is None:
                word = {"GROUPREF": "a backreference", "ASSERT": "a look-around", "ASSERT_NOT": "a look-around"}.get(str(operation))
                raise ValueError(f"which has {word or 'a construct'} that cannot be decided in one pass over a text", "Say it without.")
            at = make(argument, at, fold)
        return at

    def _step(self, at: int, mask: int) -> int:
        here, there = self.node(), self.node()
        self.free[at].append(here)
        self.byte[here] = (mask, there)
        return there

    def _literal(self, number: int, at: int, fold: bool) -> int:
        return self._step(at, _folded(1 << number) if fold else 1 << number)

    def _not_literal(self, number: int, at: int, fold: bool) -> int:
        return self._step(at, _ALL & ~(_folded(1 << number) if fold else 1 << number))

    def _one_of(self, members: Any, at: int, fold: bool) -> int:
        mask, negated = 0, False
        for operation, argument in members:
            what = str(operation)
            if what == "NEGATE":
                negated = True
            elif what == "LITERAL":
                mask |= 1 << argument
            elif what == "RANGE":
                mask |= _mask(range(argument[0], argument[1] + 1))
            else:
                mask |= _CATEGORIES[str(argument)]
        mask = _folded(mask) if fold else mask
        return self._step(at, _ALL & ~mask if negated else mask)

    def _branch(self, argument: Any, at: int, fold: bool) -> int:
        end = self.node()
        for items in argument[1]:
            here = self.node()
            self.free[at].append(here)
            self.free[self.sequence(items, here, fold)].append(end)
        return end

    def _group(self, argument: Any, at: int, fold: bool) -> int:
        _number, added, removed, items = argument
        if (added | removed) & ~int(re.IGNORECASE):
            raise ValueError("which sets flags other than i in a part of it", "Set flags at the beginning, or leave them out.")
        return self.sequence(items, at, (fold or bool(added & re.IGNORECASE)) and not removed & re.IGNORECASE)

    def _repeat(self, argument: Any, at: int, fold: bool) -> int:
        low, high, items = argument
        for _time in range(low):
            at = self._again(items, at, fold)
        end = self.node()
        self.free[at].append(end)
        if high == _sre.MAXREPEAT:
            begin = self.node()
            self.free[end].append(begin)
            self.free[self.sequence(items, begin, fold)].append(end)
            return end
        for _time in range(high - low):
            at = self._again(items, at, fold)
            self.free[at].append(end)
        return end

    def _again(self, items: Any, at: int, fold: bool) -> int:
        here = self.node()
        self.free[at].append(here)
        return self.sequence(items, here, fold)

    def _anchor(self, argument: Any, at: int, _fold: bool) -> int:
        there = self.node()
        if str(argument) in _BEGINS:
            self.at_begin[at].append(there)
        elif str(argument) in _ENDS:
            self.at_end[at].append(there)
        else:
            raise ValueError("which asks for the boundary of a word", "Name the characters that may stand there.")
        return there


class _Construction:
    """The subsets of a graph's nodes that a text can lead to, each a state."""

    def __init__(self, graph: _Graph, start: int, final: int) -> None:
        self._graph, self._start, self._final = graph, start, final
        self._work = 0
        self._classes, self._of_mask = self._divided()

    def automaton(self) -> Automaton:
        first = self._reached([self._start], begin=True)
        # A match may begin later too, unless every way asks for the beginning of the text.
        later = self._reached([self._start])
        looks_on = self._final in self._reached([self._start], end=True) or any(self._graph.byte[node][0] for node in later)
        again = later if looks_on else frozenset()
        numbers: dict[frozenset[int], int] = {frozenset(): NEVER}
        rows: list[tuple[int, ...]] = [(NEVER,) * len(self._of_mask[0]), (FOUND,) * len(self._of_mask[0])]
        ends = [False, True]
        waiting = [first]
        # The first state is told from a later one of the same nodes, which is not at the beginning.
        start = FOUND if self._final in first else len(rows)
        at = 0
        while at < len(waiting) and start != FOUND:
            nodes = waiting[at]
            ends.append(self._final in (self._reached(nodes, end=True) if at else self._reached([self._start], begin=True, end=True)))
            row = []
            for targets in self._moves(nodes):
                reached = self._reached(targets) | again
                if self._final in reached:
                    row.append(FOUND)
                    continue
                if reached not in numbers:
                    waiting.append(reached)
                    numbers[reached] = len(waiting) + FOUND
                    if len(waiting) > STATES_MAX:
                        raise ValueError(*_TOO_LARGE)
                row.append(numbers[reached])
            rows.append(tuple(row))
            at += 1
        return Automaton(self._classes, tuple(rows), tuple(ends), start)

    def _divided(self) -> tuple[bytes, dict[int, list[int]]]:
        """The classes of the bytes that no set of the graph tells apart, and of each set (and of 0: all) its classes."""
        masks = sorted({mask for mask, _there in self._graph.byte if mask})
        numbers: dict[tuple[int, ...], int] = {}
        classes = bytes(numbers.setdefault(tuple(mask >> byte & 1 for mask in masks), len(numbers)) for byte in range(256))
        of_mask = {mask: [number for signature, number in numbers.items() if signature[place]] for place, mask in enumerate(masks)}
        return classes, {**of_mask, 0: list(range(len(numbers)))}

    def _moves(self, nodes: Iterable[int]) -> list[set[int]]:
        """Where each class leads."""
        moves: list[set[int]] = [set() for _class in self._of_mask[0]]
        for node in nodes:
            mask, there = self._graph.byte[node]
            if mask:
                for number in self._of_mask[mask]:
                    moves[number].add(there)
                self._count(len(self._of_mask[mask]))
        return moves

    def _reached(self, nodes: Iterable[int], *, begin: bool = False, end: bool = False) -> frozenset[int]:
        """All nodes that are reached freely."""
        graph = self._graph
        reached = set(nodes)
        waiting = list(reached)
        while waiting:
            node = waiting.pop()
            following = graph.free[node] + (graph.at_begin[node] if begin else []) + (graph.at_end[node] if end else [])
            new = [there for there in following if there not in reached]
            reached.update(new)
            waiting += new
            self._count(1 + len(following))
        return frozenset(reached)

    def _count(self, work: int) -> None:
        self._work += work
        if self._work > _WORK_MAX:
            raise ValueError(*_TOO_LARGE)
