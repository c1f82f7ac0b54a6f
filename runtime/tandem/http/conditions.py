"""The conditions of routes, ACLs and the like, compiled into what a request is asked: only what they state, the cheapest first."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from .._model import Automaton, Comparison, Conditions, automaton
from .networks import Networks
from .paths import lies_under, normal
from .request import Request


class Check:
    """One condition."""

    def holds(self, request: Request, client: str) -> bool:
        """``client``: its address."""
        raise NotImplementedError


class Matcher:
    """All conditions together."""

    def __init__(self, checks: list[Check]) -> None:
        self.checks = checks
        self.always = not checks  # whether it holds for every request

    def matches(self, request: Request, client: str) -> bool:
        for check in self.checks:  # noqa: SIM110 - a generator costs more than all that is asked
            if not check.holds(request, client):
                return False
        return True


def compiled(conditions: Conditions, *, without_host: bool = False, without_path: bool = False) -> Matcher:
    """The conditions as one; without those of which an index has found already that they hold: ``host`` and ``subdomains``, ``path`` and
    ``path_prefix``."""
    checks: list[Check] = []
    if conditions.methods:
        checks.append(_Method(frozenset(method.encode() for method in conditions.methods)))
    if not without_host and (conditions.host or conditions.subdomains):
        checks.append(_Host(conditions.host.encode(), conditions.subdomains.encode()))
    if conditions.host_prefix or conditions.host_label:
        checks.append(_PartOfHost(conditions.host_prefix.encode(), conditions.host_label.encode()))
    if not without_path and (conditions.path or conditions.path_prefix):
        checks.append(_Path(normal(conditions.path.encode()), normal(conditions.path_prefix.encode()), conditions.ignore_case))
    if conditions.sources:
        checks.append(_Source(Networks(conditions.sources)))
    checks += [_Header(one.name.lower().encode(), _Value(one)) for one in conditions.headers]
    checks += [_Cookie(one.name.encode(), _Value(one)) for one in conditions.cookies]
    checks += [_Query(one.name.encode(), _Value(one)) for one in conditions.query]
    if conditions.host_regex:
        checks.append(_HostExpression(Expression(automaton(conditions.host_regex))))
    if conditions.path_regex:
        checks.append(_PathExpression(Expression(automaton(conditions.path_regex, ignore_case=conditions.ignore_case))))
    return Matcher(checks)


class Expression:
    """A regular expression: one step for each byte of a text, however it is made."""

    def __init__(self, made: Automaton) -> None:
        self._classes: bytes = made.classes
        self._rows: list[list[int]] = [list(row) for row in made.rows]
        self._ends: list[bool] = list(made.ends)
        self._start: int = made.start

    def found(self, text: bytes) -> bool:
        """Whether it matches anywhere in the text."""
        rows, state = self._rows, self._start
        for number in text.translate(self._classes):
            state = rows[state][number]
            if state <= 1:  # never, or found
                break
        return self._ends[state]


class _Method(Check):
    def __init__(self, methods: frozenset[bytes]) -> None:
        self._methods = methods

    def holds(self, request: Request, client: str) -> bool:
        return request.method in self._methods


class _Host(Check):
    def __init__(self, host: bytes, subdomains: bytes) -> None:
        self._host = host
        self._below = b"." + subdomains if subdomains else b""

    def holds(self, request: Request, client: str) -> bool:
        host = request.fields.route_host
        return (not self._host or host == self._host) and host.endswith(self._below)


class _PartOfHost(Check):
    def __init__(self, prefix: bytes, label: bytes) -> None:
        self._prefix, self._label = prefix, label

    def holds(self, request: Request, client: str) -> bool:
        host = request.fields.route_host
        return host.startswith(self._prefix) and (not self._label or self._label in host.split(b"."))


class _Path(Check):
    def __init__(self, path: bytes, prefix: bytes, ignore_case: bool) -> None:
        self._ignore_case = ignore_case
        self._path = path.lower() if ignore_case else path
        self._prefix = prefix.lower() if ignore_case else prefix

    def holds(self, request: Request, client: str) -> bool:
        path = request.normal_path
        if self._ignore_case:
            path = path.lower()
        return (not self._path or path == self._path) and lies_under(path, self._prefix)


class _Source(Check):
    def __init__(self, networks: Networks) -> None:
        self._networks = networks

    def holds(self, request: Request, client: str) -> bool:
        return self._networks.holds(client)


class _HostExpression(Check):
    def __init__(self, expression: Expression) -> None:
        self._expression = expression

    def holds(self, request: Request, client: str) -> bool:
        return self._expression.found(request.fields.route_host)


class _PathExpression(Check):
    def __init__(self, expression: Expression) -> None:
        self._expression = expression

    def holds(self, request: Request, client: str) -> bool:
        return self._expression.found(request.normal_path)


class _Value:
    """What is compared with the values of one name."""

    def __init__(self, comparison: Comparison) -> None:
        self._value = comparison.value.encode()
        self._prefix = comparison.prefix.encode()
        self._contains = comparison.contains.encode()
        self._expressions = [Expression(automaton(comparison.regex))] if comparison.regex else []
        self._inverted: bool = comparison.invert

    def holds(self, values: Iterable[bytes]) -> bool:
        for value in values:
            if self._fits(value):
                return not self._inverted
        return self._inverted

    def _fits(self, value: bytes) -> bool:
        if self._value:
            return value == self._value
        for expression in self._expressions:
            return expression.found(value)
        return value.startswith(self._prefix) and self._contains in value


class _Header(Check):
    def __init__(self, name: bytes, value: _Value) -> None:
        self._name, self._value = name, value

    def holds(self, request: Request, client: str) -> bool:
        return self._value.holds(request.fields.values_of(self._name))


class _Cookie(Check):
    def __init__(self, name: bytes, value: _Value) -> None:
        self._name, self._value = name, value

    def holds(self, request: Request, client: str) -> bool:
        values: list[bytes] = []
        for pair in request.fields.cookie.split(b";"):
            name, _equals, value = pair.partition(b"=")
            if name.strip() == self._name:
                values.append(value.strip())
        return self._value.holds(values)


class _Query(Check):
    """Parameters as forms write them (application/x-www-form-urlencoded), the name and the value decoded."""

    def __init__(self, name: bytes, value: _Value) -> None:
        self._name, self._value = name, value

    def holds(self, request: Request, client: str) -> bool:
        values: list[bytes] = []
        for parameter in request.target.partition(b"?")[2].split(b"&"):
            name, _equals, value = parameter.partition(b"=")
            if name == self._name or _unquoted(name) == self._name:
                values.append(_unquoted(value))
        return self._value.holds(values)


def _unquoted(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" ")) if b"%" in text or b"+" in text else text
