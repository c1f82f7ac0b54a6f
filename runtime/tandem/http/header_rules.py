"""The rules about header fields: which of those that came are left out of a message, and which lines are written into it.

What rules do to one another is settled when a document comes, not when a message does: a ``Plan`` says which fields go and which lines stay of
all that apply. Lines of one name keep their order; those of different names have none (RFC 9110 5.3). Which rules apply may differ from request to
request, so there is a plan for each set of them that has been met.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Optional

from .._model import Conditions, HeaderRule
from .conditions import Matcher, compiled
from .passing import Passing
from .request import Request
from .variables import CONNECTION, DOCUMENT, FIELDS, REQUEST, Lines, Moment, Template

_SAID_MAX = 64  # of plans, as a connection remembers them
_PLANS_MAX = 256  # of one list of rules; there are as many as conditions come true together
_NOTHING = Moment()
# What ``write`` may add to a request itself
_OURS = frozenset(
    b"connection cookie client-cert client-cert-subject expect forwarded host max-forwards te trailer upgrade via".split()
    + b"x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-proto".split()
)


class Rule:
    """A rule as it is given, in bytes. ``template``: None where nothing is written; ``when``: None where it always applies."""

    __slots__ = ("action", "key", "name", "template", "when")

    def __init__(self, action: str, name: str, value: str, known: Mapping[str, str], when: Optional[Matcher] = None) -> None:
        self.action = action
        self.when: Optional[Matcher] = when if when is not None and not when.always else None
        self.name = name.encode()
        self.key = self.name.lower()
        self.template: Optional[Template] = Template(value, known) if action != "remove" else None


class Plan:
    """What some rules come to. ``cut``: the names, in lower case, of the fields that are left out of what came."""

    __slots__ = ("_connection", "_cut_lines", "_fields", "_request", "cut", "cuts_ours", "fixed", "lasts", "varies")

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.cut = frozenset([rule.key for rule in rules if rule.action != "add"])
        self.cuts_ours: bool = not self.cut.isdisjoint(_OURS)
        self._cut_lines = re.compile(b"\n(?:%b):[^\r]*" % b"|".join([re.escape(key) for key in sorted(self.cut)]))
        kept: list[Rule] = []
        for rule in rules:
            if rule.action != "add":
                kept = [one for one in kept if one.key != rule.key]
            if rule.template is not None:
                kept.append(rule)
        lasting = {rule.key: DOCUMENT for rule in kept}
        lines: list[tuple[bytes, bytes, Template]] = []
        for rule in kept:
            if rule.template is not None and (rule.template.form or rule.template.variables):
                lasting[rule.key] = max(lasting[rule.key], rule.template.lasts)
                lines.append((rule.key, rule.name, rule.template))
        fixed, connection, fields, request = (
            [line[1:] for line in lines if lasting[line[0]] == lasts] for lasts in (DOCUMENT, CONNECTION, FIELDS, REQUEST)
        )
        self.fixed = b"".join([b"%b: %b\r\n" % (name, template.form.replace(b"%%", b"%")) for name, template in fixed])
        self._connection: Optional[Lines] = Lines(connection) if connection else None
        self._fields: Optional[Lines] = Lines(fields) if fields else None
        self._request: Optional[Lines] = Lines(request) if request else None
        self.lasts: bool = not connection and not fields  # what ``of_fields`` gives, as long as the document
        self.varies: bool = self._request is not None  # from one request to the next, though their fields are the same

    def of_fields(self, request: Request, passing: Passing) -> bytes:
        """The lines that are the same for all requests with the same fields on one connection."""
        text = self.fixed
        if self._connection is not None:
            said = passing.said.get(self)
            if said is None:
                if len(passing.said) >= _SAID_MAX:
                    passing.said.clear()
                said = passing.said[self] = self._connection.written(request, passing, _NOTHING)
            text += said
        return text if self._fields is None else text + self._fields.written(request, passing, _NOTHING)

    def of_request(self, request: Request, passing: Passing, moment: Moment) -> bytes:
        """The others."""
        return b"" if self._request is None else self._request.written(request, passing, moment)

    def kept(self, lines: bytes) -> bytes:
        """Of whole lines that we would write ourselves those that no rule leaves out."""
        if not self.cut or not lines:
            return lines
        return b"".join([line + b"\r\n" for line in lines.split(b"\r\n") if line and line.partition(b":")[0].lower() not in self.cut])

    def spans(self, raw: bytes, fields_start: int) -> list[tuple[int, int]]:
        """Where what is left out lies in a head."""
        if not self.cut:
            return []
        return [(found.start() + 1, found.end() + 2) for found in self._cut_lines.finditer(raw.lower(), fields_start - 1)]


class HeaderRules:
    """The rules of one direction, of a frontend and a backend together."""

    __slots__ = ("_always", "_asked", "_bits", "_plans", "_rules", "any", "names_server")

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules)
        self.any: bool = bool(rules)
        self._plans: dict[int, Plan] = {}
        # Each condition once, however many rules have the same
        conditions: list[Matcher] = []
        self._bits: list[int] = []  # by rule; 0: it always applies
        for rule in rules:
            if rule.when is not None and rule.when not in conditions:
                conditions.append(rule.when)
            self._bits.append(0 if rule.when is None else 1 << conditions.index(rule.when))
        self._asked: tuple[tuple[int, Matcher], ...] = tuple([(1 << number, when) for number, when in enumerate(conditions)])
        self._always: Optional[Plan] = Plan(self._rules) if not self._asked else None
        self.names_server: bool = any(rule.template is not None and rule.template.names_server for rule in rules)

    def plan(self, request: Request, passing: Passing) -> Plan:
        """What the rules that apply to this request come to: the same object for the same rules, as long as not too many sets of them are met."""
        if self._always is not None:
            return self._always
        applies = 0
        client = passing.whose.decode()
        for bit, when in self._asked:
            if when.matches(request, client):
                applies |= bit
        plan = self._plans.get(applies)
        if plan is None:
            if len(self._plans) >= _PLANS_MAX:
                self._plans.clear()
            chosen = [rule for rule, bit in zip(self._rules, self._bits) if not bit or applies & bit]
            plan = self._plans[applies] = Plan(chosen)
        return plan


def matchers_of(given: Sequence[HeaderRule], former: Mapping[Conditions, Matcher]) -> dict[Conditions, Matcher]:
    """The conditions of these rules, compiled, which may take a while; those that are in ``former`` are taken from there."""
    wanted = {conditions_of(one) for one in given}
    return {conditions: former.get(conditions) or compiled(conditions) for conditions in wanted}


def conditions_of(rule: HeaderRule) -> Conditions:
    """What a rule is for, without what it does."""
    return Conditions(**{field.name: getattr(rule, field.name) for field in dataclasses.fields(Conditions)})


def rules_of(given: Sequence[HeaderRule], known: Mapping[str, str], matchers: Mapping[Conditions, Matcher]) -> list[Rule]:
    """``known``: the values of the variables that are the same for all requests, by name; ``matchers``: their conditions compiled."""
    return [Rule(one.action, one.name, one.value, known, matchers[conditions_of(one)]) for one in given]
