"""`tandem events`: what has happened on this node, kept over restarts."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from .. import events
from .._paths import Paths


def run(paths: Paths, given: argparse.Namespace) -> int:
    try:
        found = [event for event in events.read(paths) if _wanted(event, given)]
    except OSError as error:
        print(f"{error.filename}: {error.strerror}. Run it as root, or as a member of the group tandem.", file=sys.stderr)
        return 1
    found = found[-given.lines :] if given.lines > 0 else found
    if given.json:
        print(json.dumps({"schema": 1, "events": found}, indent=2, sort_keys=True))
    elif found:
        print("\n".join(render(event) for event in found))
    else:
        print("nothing is kept that fits", file=sys.stderr)
    return 0


def _wanted(event: dict[str, Any], given: argparse.Namespace) -> bool:
    about = not given.about or event["about"] == given.about or event["about"].startswith(f"{given.about}/")
    return about and (not given.kind or event["kind"] in given.kind)


def render(event: dict[str, Any]) -> str:
    about = f"{event['about']}: " if event["about"] else ""
    return f"{event['time']}  {event['kind']:<11} {about}{event['text']}"
