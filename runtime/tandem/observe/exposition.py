"""Pure: metrics as text, in the format of Prometheus (0.0.4) and in that of OpenMetrics (1.0.0), which differ in how families are called."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Union

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

Labels = Mapping[str, str]
Number = Union[int, float]


@dataclass(frozen=True)
class Sample:
    """``suffix`` is added to the family's name: ``_bucket`` and the like of a histogram."""

    labels: Labels
    value: Number
    suffix: str = ""


@dataclass
class Family:
    """``name`` is without ``_total`` and ``_info``. ``kind``: counter, gauge, histogram or info."""

    name: str
    kind: str
    help: str
    samples: list[Sample] = field(default_factory=list)

    def add(self, labels: Labels, value: Number, suffix: str = "") -> None:
        self.samples.append(Sample(labels, value, suffix))


def prefers_openmetrics(accept: str) -> bool:
    """Whether an Accept field prefers OpenMetrics to plain text (RFC 9110 12.5.1), as that of Prometheus does."""
    return _quality(accept, "application/openmetrics-text") > max(_quality(accept, "text/plain"), 0.0)


def _quality(accept: str, kind: str) -> float:
    """The quality that a type is given by its own name; 0 where it has none."""
    best = 0.0
    for item in accept.split(","):
        name, *parameters = [part.strip().lower() for part in item.split(";")]
        if name == kind:
            given = [parameter[2:] for parameter in parameters if parameter.startswith("q=")]
            try:
                quality = float(given[0]) if given else 1.0
            except ValueError:
                quality = 0.0
            best = max(best, quality if math.isfinite(quality) else 0.0)
    return best


def render(families: Iterable[Family], *, openmetrics: bool) -> bytes:
    """The whole text. Families without samples are left out."""
    lines: list[str] = []
    for family in families:
        if family.samples:
            lines += _lines(family, openmetrics)
    if openmetrics:
        lines.append("# EOF")
    return ("\n".join(lines) + "\n").encode()


def _lines(family: Family, openmetrics: bool) -> Iterator[str]:
    ending = {"counter": "_total", "info": "_info"}.get(family.kind, "")
    # Where OpenMetrics names the family, the older format names the samples, and it knows no info.
    called = family.name if openmetrics else family.name + ending
    kind = "gauge" if family.kind == "info" and not openmetrics else family.kind
    yield f"# HELP {called} {_help(family.help, openmetrics)}"
    yield f"# TYPE {called} {kind}"
    for sample in family.samples:
        labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels.items())
        yield f"{family.name}{sample.suffix or ending}{f'{{{labels}}}' if labels else ''} {sample.value}"


def _help(text: str, openmetrics: bool) -> str:
    return _escaped(text) if openmetrics else text.replace("\\", "\\\\").replace("\n", "\\n")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
