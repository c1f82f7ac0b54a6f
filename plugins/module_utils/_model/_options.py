# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How an option is declared, read, stored and offered to Ansible: once, on the dataclass field it becomes.

Three forms of one object: the *options* a user gives (words such as ``interval: 3s``, None where left out), the frozen
dataclass (``interval_ms=3000``), and the *stored* form of the document (the dataclass, all written out, as plain JSON).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional, TypeVar

from ._problems import ModelError, Problem
from ._values import duration_ms, duration_text, fingerprint

T = TypeVar("T")
Reader = Callable[[str], str]

FILE = "_file"  # what the option of a file has after the name of the option that takes its text


@dataclass(frozen=True)
class Option:
    """The declaration of one option. ``kind`` is one of str, int, bool, duration, strings, labels, object, objects.

    ``read`` turns a given string into its normal form or raises ValueError((rule, way_out)); ``key`` is the field that
    names the members of ``objects``; ``ordered`` says that the order of a list has a meaning; ``inline`` that a name may be given as the options
    of the object that it names, which the hooks of its kind take apart. ``shown`` makes of a long public text what people are shown in its place;
    ``file`` says that the text may be that of a file on the controller, by an option of its own (``certificate_file``), which the controller reads.
    The value of a ``secret`` becomes its fingerprint, after ``mark``, which says to the store whose it is.
    """

    kind: str
    choices: tuple[str, ...] = ()
    minimum: int = 0
    maximum: int = 0
    read: Optional[Reader] = None
    of: Any = None
    key: str = ""
    ordered: bool = False
    inline: bool = False
    secret: bool = False
    mark: str = ""
    shown: Optional[Callable[[str], Any]] = None
    file: bool = False

    @property
    def unsaid(self) -> str:
        """What messages say in place of a value that nobody is to see, or to read; "" where they say it."""
        return "(hidden)" if self.secret else "(PEM)" if self.shown else ""


def option(kind: str, default: Any = dataclasses.MISSING, **declaration: Any) -> Any:
    """A dataclass field that is an option; without a default it must be given when the object is created."""
    # pylint: disable=invalid-field-call
    metadata = {"option": Option(kind, **declaration)}
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=metadata)
    if callable(default):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def declared(cls: Any) -> list[tuple[str, str, Option, Any]]:
    """(option name, field name, declaration, default or MISSING) of every option of ``cls``, in order."""
    rows = []
    for field in dataclasses.fields(cls):
        declaration: Option = field.metadata["option"]
        name = field.name[: -len("_ms")] if declaration.kind == "duration" else field.name
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        rows.append((name, field.name, declaration, default))
    return rows


def offered(cls: Any) -> list[tuple[str, Option, Any]]:
    """(option name, declaration, default or MISSING) of every option that a user may give, those of files of the controller too."""
    rows = []
    for name, _field, declaration, default in declared(cls):
        rows.append((name, declaration, default))
        if declaration.file:
            rows.append((name + FILE, Option("str"), ""))
    return rows


def from_options(
    cls: type[T],
    options: Mapping[str, Any],
    have: Optional[T] = None,
    *,
    where: str = "",
    secrets: Optional[dict[str, str]] = None,
) -> T:
    """The object a user's options make of ``have`` (None: a new one).

    An option left out (or None) keeps what ``have`` has, or takes the default on creation; an empty list or dict clears. The
    values of secrets are put into ``secrets`` under the fingerprints that the object holds. Raises ModelError.
    """
    made: T = _from_options(cls, options, have, _Place(where, ""), {} if secrets is None else secrets)
    return made


def to_stored(value: Any) -> Any:
    """The plain form of an object (or of a field of one) for JSON, every default written out."""
    if isinstance(value, (str, int)):  # nearly always
        return value
    if isinstance(value, tuple):
        return [to_stored(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: to_stored(getattr(value, name)) for name in _fields_of(type(value))}
    return dict(value) if isinstance(value, Mapping) else value


@functools.cache
def _fields_of(cls: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))


@functools.cache
def _stored_rows(cls: Any) -> dict[str, tuple[Option, Any, Any]]:
    """(declaration, default or MISSING, its stored form) of every option of ``cls``, by its field."""
    return {field_name: (declaration, default, to_stored(default)) for _name, field_name, declaration, default in declared(cls)}


def from_stored(cls: type[T], data: Any, *, where: str = "") -> T:
    """The object that ``to_stored`` wrote. Raises ModelError where the data is anything else."""
    stored: T = _from_stored(cls, data, _Place(where, ""))
    return stored


def to_options(value: Any) -> dict[str, Any]:
    """The object in a user's words: durations as text, nested objects as dicts. Secrets stay fingerprints."""
    shown: dict[str, Any] = {}
    for name, field_name, declaration, _default in declared(type(value)):
        content = getattr(value, field_name)
        if declaration.kind == "duration":
            shown[name] = duration_text(content)
        elif declaration.kind == "object":
            shown[name] = to_options(content)
        elif declaration.kind == "objects":
            shown[name] = [to_options(item) for item in content]
        elif declaration.shown:
            shown[name] = declaration.shown(content)
        else:
            shown[name] = to_stored(content)
    return shown


def secrets_of(thing: Any) -> Iterator[str]:
    """The fingerprints of the secrets in an object."""
    for _name, field_name, declaration, _default in declared(type(thing)):
        value = getattr(thing, field_name)
        if declaration.secret and value:
            yield value
        elif declaration.kind in ("object", "objects"):
            for member in value if declaration.kind == "objects" else (value,):
                yield from secrets_of(member)


def public_texts(cls: Any, options: Any) -> Iterator[str]:
    """The given texts that are too long to be shown, and no secrets."""
    for name, _field, declaration, _default in declared(cls) if isinstance(options, Mapping) else ():
        given = options.get(name)
        if declaration.shown and isinstance(given, str) and "PRIVATE KEY" not in given:
            yield given
        elif declaration.kind in ("object", "objects"):
            for member in given if isinstance(given, list) else (given,):
                yield from public_texts(declaration.of, member)


def argument_spec(cls: Any) -> dict[str, Any]:
    """Ansible's argument_spec for the options of ``cls``, with those required that make its key. No defaults: left out means *leave as it is*."""
    spec = {name: _argument(declaration) for name, declaration, _default in offered(cls)}
    for name in getattr(cls, "KEY", ()):
        spec[name]["required"] = True
    for name, argument in spec.items():
        if name.endswith("key_path"):
            argument.setdefault("no_log", False)  # where a key lies is no secret, though Ansible would guess so from the name
    return spec


def _argument(declaration: Option) -> dict[str, Any]:
    kind = declaration.kind
    if kind == "object":
        return {"type": "dict", "options": argument_spec(declaration.of)}
    if kind == "objects":
        nested = argument_spec(declaration.of)
        if declaration.key:
            nested[declaration.key]["required"] = True
        return {"type": "list", "elements": "dict", "options": nested}
    if kind == "strings":
        return {"type": "list", "elements": "raw" if declaration.inline else "str"}
    spec: dict[str, Any] = {"type": {"duration": "str", "labels": "dict"}.get(kind, kind)}
    if declaration.choices:
        spec["choices"] = list(declaration.choices)
    if declaration.unsaid:
        spec["no_log"] = True  # for the node's log; results may show what is not secret (see ``_resource``)
    return spec


@dataclass(frozen=True)
class _Place:
    """Where in the user's statement we are, for messages."""

    where: str
    path: str

    def inner(self, name: str) -> _Place:
        return _Place(self.where, f"{self.path}.{name}" if self.path else name)

    def wrong(self, value: object, rule: str, way_out: str) -> ModelError:
        return ModelError(Problem(self.where, self.path, value, rule, way_out))


def _from_options(cls: Any, options: Mapping[str, Any], have: Any, place: _Place, secrets: dict[str, str]) -> Any:
    rows = declared(cls)
    files = {name + FILE for name, _field, declaration, _default in rows if declaration.file}
    for name in sorted(files & set(options)):
        if options[name] is not None:
            way_out = "Run the module by its full name, tandem.lb.*, so that its action plugin does."
            raise place.inner(name).wrong(options[name], "but the controller has not read it", way_out)
    unknown = sorted(set(options) - files - {name for name, *_rest in rows}, key=str)
    if unknown:
        raise place.inner(str(unknown[0])).wrong(options[unknown[0]], "but there is no such option", f"Options are: {_names_of(cls)}.")
    values = {}
    for name, field_name, declaration, default in rows:
        given = options.get(name)
        inner = place.inner(name)
        if given is not None:
            before = getattr(have, field_name) if have is not None else None
            values[field_name] = _read(given, before, declaration, inner, secrets)
        elif have is not None:
            values[field_name] = getattr(have, field_name)
        elif default is not dataclasses.MISSING:
            values[field_name] = default
        else:
            raise inner.wrong(None, "but it has no default", "Give it when the object is created.")
    return _made(cls, values)


def _names_of(cls: Any) -> str:
    return ", ".join(name for name, *_rest in declared(cls))


def _made(cls: Any, values: dict[str, Any]) -> Any:
    made = cls(**values)
    canonical = getattr(made, "canonical", None)
    return canonical() if canonical else made


def _read(given: Any, have: Any, declaration: Option, place: _Place, secrets: dict[str, str]) -> Any:
    kind = declaration.kind
    if kind == "object":
        if not isinstance(given, Mapping):
            raise _no_map(given, declaration, place)
        # Ansible fills the suboptions that were left out with None, so "{}" arrives as a dict of Nones: both clear.
        cleared = not any(item is not None for item in given.values())
        return _from_options(declaration.of, given, None if cleared else have, place, secrets)
    if kind in ("objects", "strings") and not isinstance(given, (list, tuple)):
        raise place.wrong(given, "but it is a list", "Give one, such as [].")
    if kind == "objects":
        return _read_members(given, have, declaration, place, secrets)
    if kind == "strings":
        items = [_read_scalar(item, declaration, place) for item in given]
        return tuple(items) if declaration.ordered else tuple(sorted(set(items)))
    if kind == "labels":
        if not isinstance(given, Mapping):
            raise place.wrong(given, "but it is a map of names and texts", "Give one, such as {site: north}.")
        return {str(name): str(text) for name, text in sorted(given.items(), key=str)}
    value = _read_scalar(given, declaration, place)
    if declaration.secret and value:
        mark = declaration.mark + fingerprint(value)
        secrets[mark] = value
        return mark
    return value


def _no_map(given: Any, declaration: Option, place: _Place) -> ModelError:
    return place.wrong(given, "but it is a map of options", f"Options are: {_names_of(declaration.of)}.")


def _read_members(given: Any, have: Any, declaration: Option, place: _Place, secrets: dict[str, str]) -> tuple[Any, ...]:
    key = declaration.key
    before = {getattr(item, key): item for item in have or ()} if key else {}
    members: list[Any] = []
    for index, item in enumerate(given):
        if not isinstance(item, Mapping):
            raise _no_map(item, declaration, _Place(place.where, f"{place.path}[{index}]"))
        name = item.get(key)
        known = before.get(name) if isinstance(name, (str, int)) else None
        inner = _Place(place.where, f"{place.path}[{name or index}]")
        members.append(_from_options(declaration.of, item, known, inner, secrets))
    _refuse_same_key(members, declaration, place)
    return tuple(members)


def _refuse_same_key(members: Sequence[Any], declaration: Option, place: _Place) -> None:
    key = declaration.key
    names = [getattr(member, key) for member in members] if key else []
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise place.wrong(twice[0], f"which is the {key} of two members", f"Give every member a {key} of its own.")


def _read_scalar(given: Any, declaration: Option, place: _Place) -> Any:
    if declaration.kind == "bool":
        if not isinstance(given, bool):
            raise place.wrong(given, "but it is true or false", "Give one of them.")
        return given
    if declaration.kind == "duration":
        return _in_range(_called(duration_ms, given, place), declaration, place, duration_text)
    if declaration.kind == "int":
        if isinstance(given, bool) or not isinstance(given, int):
            raise place.wrong(given, "but it is a whole number", "Give one.")
        return _in_range(given, declaration, place, str)
    if not isinstance(given, str):
        raise place.wrong(declaration.unsaid or given, "but it is a text", "Put it in quotes.")
    if declaration.choices and given not in declaration.choices:
        raise place.wrong(given, f"which is none of {', '.join(declaration.choices)}", "Give one of them.")
    return _called(declaration.read, given, place, unsaid=declaration.unsaid) if declaration.read else given


def _in_range(value: int, declaration: Option, place: _Place, text: Callable[[int], str]) -> int:
    low, high = declaration.minimum, declaration.maximum
    if value < low or (high and value > high):
        limits = f"{text(low)} to {text(high)}" if high else f"{text(low)} or more"
        shown = text(value) if declaration.kind == "duration" else value
        raise place.wrong(shown, f"which is outside {limits}", "Give a value within the limits.")
    return value


def _called(read: Callable[[Any], Any], given: Any, place: _Place, *, unsaid: str = "") -> Any:
    try:
        return read(given)
    except ValueError as error:
        rule, way_out = error.args
        raise place.wrong(unsaid or given, rule, way_out) from None


def _from_stored(cls: Any, data: Any, place: _Place) -> Any:
    if not isinstance(data, dict):
        raise place.wrong(data, "but it is an object", "The document is broken; state it again with the modules.")
    from_former = getattr(cls, "from_former", None)
    data = from_former(data) if from_former else data
    rows = _stored_rows(cls)
    # A former release did not write the options that it did not have: they are at their defaults.
    missing = {name for name, (_declaration, default, _stored) in rows.items() if name not in data and default is dataclasses.MISSING}
    odd = sorted(missing | (data.keys() - rows.keys()))
    if odd:
        rule = "which this release does not know" if odd[0] in data else "but it is missing"
        raise place.inner(odd[0]).wrong(data.get(odd[0]), rule, "The document was written by another release; state it again.")
    values = {}
    for name, (declaration, default, stored) in rows.items():
        given = data.get(name, stored)
        # Most are at their defaults, and need not be looked at again; but true is no 1.
        as_default = given is stored or (given == stored and type(given) is type(stored))
        values[name] = default if as_default else _stored_value(given, declaration, place.inner(name))
    return _made(cls, values)


def _stored_value(value: Any, declaration: Option, place: _Place) -> Any:
    kind = declaration.kind
    if kind == "object":
        return _from_stored(declaration.of, value, place)
    if kind in ("objects", "strings"):
        if not isinstance(value, list):
            raise place.wrong(value, "but it is a list", "The document is broken; state it again with the modules.")
        if kind == "objects":
            members = tuple(_from_stored(declaration.of, item, place) for item in value)
            _refuse_same_key(members, declaration, place)
            return members
        return tuple(_read_scalar(item, declaration, place) for item in value)
    if kind == "labels":
        if not isinstance(value, dict):
            raise place.wrong(value, "but it is a map", "The document is broken; state it again with the modules.")
        return {str(name): str(text) for name, text in sorted(value.items())}
    if kind == "duration":
        if isinstance(value, bool) or not isinstance(value, int):
            raise place.wrong(value, "but it is a whole number of milliseconds", "The document is broken; state it again.")
        return _in_range(value, declaration, place, duration_text)
    if declaration.secret:
        return str(value)
    return _read_scalar(value, declaration, place)
