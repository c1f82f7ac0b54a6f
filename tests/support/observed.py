"""A load balancer that shows metrics and a page, asked as its users do; and what Prometheus' own readers make of the metrics."""

from __future__ import annotations

import base64
import dataclasses
import http.client
import shutil
import ssl
from pathlib import Path
from typing import Any, Optional

from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_plain

from tandem._model import Observing
from tests.support.network import free_port
from tests.support.node import ADDRESS, EDGE

OPENMETRICS = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5"
PROMTOOL = shutil.which("promtool")


def observed(port: Optional[int] = None, **options: Any) -> Any:
    """The load balancer of the tests with ``observe``."""
    return dataclasses.replace(EDGE, observe=Observing(port=port or free_port(), **options))


def ask(
    port: int, path: str, *, user: str = "", method: str = "GET", at: str = ADDRESS, context: Optional[ssl.SSLContext] = None, **fields: str
) -> tuple[int, Any, str]:
    """(status, fields, text) of one request; ``user`` is NAME:PASSWORD. Underscores in names of fields stand for hyphens."""
    plain = http.client.HTTPConnection(at, port, timeout=10)
    connection = plain if context is None else http.client.HTTPSConnection(at, port, timeout=10, context=context)
    given = {name.replace("_", "-"): value for name, value in fields.items()}
    if user:
        given["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
    try:
        connection.request(method, path, headers=given)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


Key = tuple[str, tuple[tuple[str, str], ...]]


def read(content: str, *, openmetrics: bool) -> dict[Key, float]:
    """Every sample by its name and sorted labels; raises ValueError for what is not of the format."""
    found: dict[Key, float] = {}
    for family in (read_openmetrics if openmetrics else read_plain)(content):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, key
            found[key] = sample.value
    return found


def metrics(port: int, *, openmetrics: bool = True, **options: Any) -> dict[Key, float]:
    """What is scraped now."""
    status, fields, content = ask(port, "/metrics", Accept=OPENMETRICS if openmetrics else "text/plain", **options)
    assert status == 200, content
    assert fields["Content-Type"].startswith("application/openmetrics-text" if openmetrics else "text/plain; version=0.0.4")
    return read(content, openmetrics=openmetrics)


def value(found: dict[Key, float], name: str, **labels: str) -> float:
    """The one sample of that name that has these labels."""
    matching = [number for (called, given), number in found.items() if called == name and set(labels.items()) <= set(given)]
    assert len(matching) == 1, (name, labels, sorted(key for key in found if key[0] == name))
    return matching[0]


def total(found: dict[Key, float], name: str) -> float:
    return sum(number for (called, _labels), number in found.items() if called == name)


DOCS = Path(__file__).resolve().parents[2] / "docs"
