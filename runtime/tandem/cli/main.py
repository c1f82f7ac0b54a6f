"""Reads the command line and runs one command. Exit status: 0 done, 1 it did not work (or something is not as it should be), 2 wrong usage."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import Any, Optional

from .. import __version__
from .._model import Document, ModelError, check_document
from .._paths import Paths
from ..release import release_digest
from .status import collect, render


def main(arguments: Optional[list[str]] = None) -> int:
    given = _parser().parse_args(arguments)
    # Who started us may have blocked these, and a blocked mask is inherited.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD})
    if hasattr(given, "json"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a reader that has seen enough (head, less) is no error
    paths = Paths(str(Path(given.prefix).absolute()))
    result: int = given.run(paths, given)
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tandem", description="One node of a Tandem load balancer.")
    parser.add_argument("--prefix", default="/", help="where the node's files lie (default: /)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    status = commands.add_parser("status", help="what this node is doing; exit status 1 if something is wrong")
    status.set_defaults(run=_status)
    check = commands.add_parser("check", help="check a document without using it")
    check.add_argument("file", type=Path, metavar="FILE")
    check.set_defaults(run=_check)
    version = commands.add_parser("version", help="release, Python and accelerators in use")
    version.set_defaults(run=_version)
    for command in (status, check, version):
        command.add_argument("--json", action="store_true", help="for programs")
    commands.add_parser("proxy", help="run the proxy service").set_defaults(run=_proxy)
    worker = commands.add_parser("proxy-worker", help="run one worker of the proxy (started by it)")
    worker.add_argument("channel", type=int)
    worker.set_defaults(run=_worker)
    commands.add_parser("keepalive", help="run the keepalive service").set_defaults(run=_keepalive)
    commands.add_parser("keepalive-ended", help="take the floating IPs off (run when the keepalive service has ended)").set_defaults(
        run=_keepalive_ended
    )
    manager = commands.add_parser("manager", help="run the services where there is no systemd")
    manager.add_argument("action", choices=("run", "start", "stop", "status", "wait"))
    manager.set_defaults(run=_manager)
    return parser


def _status(paths: Paths, given: argparse.Namespace) -> int:
    found = collect(paths)
    print(json.dumps(found, indent=2, sort_keys=True) if given.json else render(found))
    return 0 if found["healthy"] else 1


def _check(_paths: Paths, given: argparse.Namespace) -> int:
    problems: list[str] = []
    document = Document()
    try:
        document = Document.from_stored(json.loads(given.file.read_bytes()))
        problems = [str(problem) for problem in check_document(document)]
    except ModelError as error:
        problems = [str(problem) for problem in error.problems]
    except OSError as error:
        problems = [f"{given.file}: cannot read it: {error.strerror}. Give the path of a document."]
    except (ValueError, RecursionError) as error:
        problems = [f"{given.file}: it is not JSON ({error}). Give a document as the modules write it."]
    if given.json:
        answer: dict[str, Any] = {"ok": not problems, "problems": problems}
        if not problems:
            answer.update(generation=document.generation, digest=document.digest)
        print(json.dumps(answer, indent=2, sort_keys=True))
    elif problems:
        print("\n".join(problems))
    else:
        print(f"{given.file}: generation {document.generation}, digest {document.digest[:12]}: no rule is broken.")
    return 1 if problems else 0


def _version(_paths: Paths, given: argparse.Namespace) -> int:
    try:
        import uvloop  # type: ignore[import-not-found,unused-ignore]

        accelerators = {"uvloop": str(uvloop.__version__)}
    except ImportError:
        accelerators = {}
    python = ".".join(str(part) for part in sys.version_info[:3])
    if given.json:
        print(json.dumps({"version": __version__, "release": release_digest(), "python": python, "accelerators": accelerators}, sort_keys=True))
    else:
        listed = ", ".join(f"{name} {number}" for name, number in accelerators.items()) or "none"
        print(f"tandem {__version__}, release {release_digest()[:12]}, Python {python}, accelerators: {listed}")
    return 0


def _proxy(paths: Paths, _given: argparse.Namespace) -> int:
    from ..proxy import supervisor

    return supervisor.main(paths)


def _worker(_paths: Paths, given: argparse.Namespace) -> int:
    from ..proxy import worker

    return worker.main(given.channel)


def _keepalive(paths: Paths, _given: argparse.Namespace) -> int:
    from ..keepalive import service

    return service.main(paths)


def _keepalive_ended(paths: Paths, _given: argparse.Namespace) -> int:
    from ..keepalive import service

    return service.let_go(paths)


def _manager(paths: Paths, given: argparse.Namespace) -> int:
    from .. import manager

    return manager.main(paths, given.action)
