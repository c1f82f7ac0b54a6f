"""The commands for who is called at night, as they are typed. What each does is imported when it is run, and not before: services and their workers
come this way too, and must not have the modules in them that may run compiled (``acceleration.use``).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .._paths import Paths

KINDS = ("service", "generation", "role", "state", "peer", "server", "operator", "worker", "certificate")


def add(commands: Any) -> list[argparse.ArgumentParser]:
    """All of them; those that take ``--json`` are returned."""
    _add_logs(commands)
    return [_add_top(commands), _add_explain(commands), _add_events(commands), *_add_history(commands), _add_bundle(commands)]


def _add_logs(commands: Any) -> None:
    command = commands.add_parser("logs", help="the logs of both services")
    command.add_argument("-f", "--follow", action="store_true", help="go on with what comes")
    command.add_argument("-n", "--lines", type=int, default=100, metavar="COUNT", help="the last so many lines of each service (100)")
    command.add_argument("service", nargs="?", choices=("proxy", "keepalive"), help="of this service alone")
    command.set_defaults(run=_logs)


def _add_top(commands: Any) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        "top", help="the busiest frontends, backends and servers, measured for some seconds, again and again"
    )
    command.add_argument("--interval", type=float, default=2.0, metavar="SECONDS", help="how long each look measures (2)")
    command.add_argument("-n", "--lines", type=int, default=10, metavar="COUNT", help="so many of each (10)")
    command.add_argument("--once", action="store_true", help="look once, and end; so it is with --json too")
    command.set_defaults(run=_top)
    return command


def _add_explain(commands: Any) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        "explain", help="what a request would meet: listener, rules, route, server, and why; exit status 1 if nobody"
    )
    command.add_argument("url", metavar="URL", help="http://HOST[:PORT]/PATH, https://..., or tcp://HOST:PORT")
    command.add_argument("--method", default="GET", help="the request's method (default: GET)")
    command.add_argument("--from", dest="client", default="", metavar="ADDRESS", help="the client's address")
    command.add_argument("--header", action="append", default=[], metavar="'NAME: VALUE'", help="a field of the request; may be given again")
    command.add_argument("--load-balancer", default="", metavar="NAME", help="of this load balancer alone")
    command.set_defaults(run=_explain)
    return command


def _add_events(commands: Any) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        "events", help="what has happened on this node: moves, health, generations; kept over restarts"
    )
    belongs = "only of this object and what belongs to it: edge, edge/shop, edge/shop/s1"
    command.add_argument("about", nargs="?", default="", metavar="OBJECT", help=belongs)
    command.add_argument("--kind", action="append", choices=KINDS, default=[], help="only of this kind; may be given again")
    command.add_argument("-n", "--lines", type=int, default=50, metavar="COUNT", help="the last so many (50); 0: all that are kept")
    command.set_defaults(run=_events)
    return command


def _add_history(commands: Any) -> list[argparse.ArgumentParser]:
    history = commands.add_parser("history", help="the documents that this node keeps")
    diff = commands.add_parser("diff", help="what has changed since a former generation; exit status 1 if anything has, 2 if that cannot be told")
    diff.add_argument("generation", type=int, metavar="GENERATION")
    diff.add_argument("to", type=int, nargs="?", metavar="TO", help="and not to the one in force, but to this one")
    rollback = commands.add_parser("rollback", help="put a former generation in force on this node, as a new one, until the playbook runs again")
    rollback.add_argument("generation", type=int, metavar="GENERATION")
    rollback.add_argument("--check", action="store_true", help="only say what would change")
    for command in (history, diff, rollback):
        command.set_defaults(run=_history)
    return [history, diff, rollback]


def _add_bundle(commands: Any) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        "support-bundle", help="one file with everything for a bug report, without secrets and without the access log"
    )
    command.add_argument("--output", type=Path, metavar="FILE", help="where it is written (default: tandem-NODE-TIME.tar.gz here)")
    command.set_defaults(run=_bundle)
    return command


def _logs(paths: Paths, given: argparse.Namespace) -> int:
    from . import logs

    return logs.run(paths, given)


def _top(paths: Paths, given: argparse.Namespace) -> int:
    from . import top

    return top.run(paths, given)


def _explain(paths: Paths, given: argparse.Namespace) -> int:
    from . import explain

    return explain.run(paths, given)


def _events(paths: Paths, given: argparse.Namespace) -> int:
    from . import events

    return events.run(paths, given)


def _history(paths: Paths, given: argparse.Namespace) -> int:
    from . import history

    return history.run(paths, given)


def _bundle(paths: Paths, given: argparse.Namespace) -> int:
    from . import support_bundle

    return support_bundle.run(paths, given)
