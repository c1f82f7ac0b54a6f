"""Reads the command line and runs one command. Exit status: 0 done, 1 it did not work (or something is not as it should be), 2 wrong usage."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import Any, Optional

from .. import __version__, acceleration
from .._client import NotRunning, Refused
from .._handover import NotMoved, Switchover
from .._model import Document, ModelError, check_document
from .._paths import Paths
from .._store import StoreError
from ..log import say
from ..release import release_digest
from . import completion, night, servers
from .status import collect, render

_SWITCHOVER_S = 5.0


def main(arguments: Optional[list[str]] = None) -> int:
    given = _parser().parse_args(arguments)
    # Who started us may have blocked these, and a blocked mask is inherited.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD})
    if hasattr(given, "json") or given.command in ("logs", "completion"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a reader that has seen enough (head, less) is no error
    paths = Paths(str(Path(given.prefix).absolute()))
    result: int = given.run(paths, given)
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tandem", description="One node of a Tandem load balancer.")
    parser.add_argument("--prefix", default="/", help="where the node's files lie (default: /)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    status = commands.add_parser("status", help="what this node is doing; exit status 1 if something is wrong")
    status.add_argument("--watch", nargs="?", type=float, const=2.0, metavar="SECONDS", help="again and again (every 2 s), until it is interrupted")
    status.set_defaults(run=_status)
    check = commands.add_parser("check", help="check a document without using it")
    check.add_argument("file", type=Path, metavar="FILE")
    check.set_defaults(run=_check)
    version = commands.add_parser("version", help="release, Python and accelerator in use")
    version.set_defaults(run=_version)
    listing = commands.add_parser("servers", help="all servers, what their checks say and what operators have set")
    listing.set_defaults(run=_servers)
    accelerator = commands.add_parser("acceleration", help="whether workers started now run compiled, and why not; exit status 1 if that is a fault")
    accelerator.add_argument("--check", action="store_true", help="try the accelerator that lies here first, and note whether it may be used")
    accelerator.set_defaults(run=_acceleration)
    moving = commands.add_parser("switchover", help="have the other node take a load balancer over, and wait until it has")
    moving.add_argument("load_balancer", metavar="LOAD_BALANCER")
    moving.add_argument("--to", default="", metavar="NODE", help="the node that is to be active; nothing happens where it is")
    moving.add_argument("--force", action="store_true", help="whether or not the other node is known to be able to take over")
    moving.add_argument("--grace", default="5m", metavar="TIME", help="how long connections that stand are kept at most (default: 5m)")
    moving.set_defaults(run=_switchover)
    for command in (status, check, version, accelerator, listing, moving, *_operations(commands), *_looks(commands)):
        command.add_argument("--json", action="store_true", help="for programs")
    commands.add_parser("proxy", help="run the proxy service").set_defaults(run=_proxy)
    worker = commands.add_parser("proxy-worker", help="run one worker of the proxy (started by it)")
    worker.add_argument("channel", type=int)
    worker.set_defaults(run=_worker)
    commands.add_parser("accelerated-exchange", help="one exchange through what is compiled (run by acceleration --check)").set_defaults(
        run=_accelerated_exchange
    )
    commands.add_parser("forward", help="run the forward service, which keeps the table of frontends that the kernel serves").set_defaults(
        run=_forward
    )
    commands.add_parser("keepalive", help="run the keepalive service").set_defaults(run=_keepalive)
    commands.add_parser("keepalive-ended", help="resign and take the floating IPs off (run when the keepalive service has ended)").set_defaults(
        run=_keepalive_ended
    )
    manager = commands.add_parser("manager", help="run the services where there is no systemd")
    manager.add_argument("action", choices=("run", "start", "stop", "status", "wait"))
    manager.set_defaults(run=_manager)
    return parser


def _looks(commands: Any) -> list[argparse.ArgumentParser]:
    """The commands that only look, and the way back to a former document."""
    completion.add(commands, _parser)
    return night.add(commands)


def _status(paths: Paths, given: argparse.Namespace) -> int:
    def look() -> tuple[str, int]:
        found = collect(paths)
        return json.dumps(found, indent=2, sort_keys=True) if given.json else render(found), 0 if found["healthy"] else 1

    if given.watch is not None:
        from . import top

        return top.watch(max(given.watch, 0.1), look)
    text, status = look()
    print(text)
    return status


def _operations(commands: Any) -> list[argparse.ArgumentParser]:
    """The commands that set the state of a server."""
    made = []
    for state, what in (
        ("drain", "take no new clients on a server; what is under way is finished"),
        ("maint", "take a server out of use, as if it was down"),
        ("ready", "take a server back into use"),
    ):
        command = commands.add_parser(state, help=what)
        command.add_argument("server", metavar="LOAD_BALANCER/BACKEND/SERVER")
        command.add_argument("--wait", action="store_true", help="return when it is " + ("healthy" if state == "ready" else "drained"))
        command.add_argument("--timeout", default="5m", metavar="TIME", help="how long to wait at most (default: 5m)")
        if state == "drain":
            command.add_argument("--move", action="store_true", help="clients that are bound to it go to others too")
        command.set_defaults(run=_operate)
        made.append(command)
    return made


def _servers(paths: Paths, given: argparse.Namespace) -> int:
    try:
        found = servers.collect(paths)
    except (NotRunning, Refused) as error:
        print(f"the proxy is not running: {error}", file=sys.stderr)
        return 1
    print(json.dumps(found, indent=2, sort_keys=True) if given.json else servers.render(found))
    return 0


def _operate(paths: Paths, given: argparse.Namespace) -> int:
    state = given.command
    wait = ("healthy" if state == "ready" else "drained") if given.wait else "none"
    sticky = ("move" if given.move else "keep") if state == "drain" else None
    reason = ""
    try:
        view = servers.operate(paths, given.server, state, drain_sticky=sticky, wait=wait, timeout=given.timeout)
    except servers.NotReached as error:
        view, reason = error.view, str(error)
    except (ModelError, StoreError, NotRunning, Refused) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(view, indent=2, sort_keys=True) if given.json else servers.render({given.server: view}))
    if reason:
        print(reason, file=sys.stderr)
    return 1 if reason else 0


def _switchover(paths: Paths, given: argparse.Namespace) -> int:
    try:
        grace_ms = servers.milliseconds("--grace", given.grace)
        moved = Switchover(paths, given.load_balancer, to=given.to, force=given.force, grace_ms=grace_ms).carry_out(_SWITCHOVER_S, elsewhere=False)
    except (ModelError, NotMoved, NotRunning, Refused) as error:
        print(error, file=sys.stderr)
        return 1
    active = moved.standing.active
    answer = {"changed": moved.changed, "active": active, "state": moved.standing.state, "kept": moved.kept, "kept_reason": moved.kept_reason}
    kept = "connections are kept" if moved.kept else f"connections are not kept: {moved.kept_reason}"
    how = f", {kept}" if moved.changed else " already"
    print(json.dumps(answer, indent=2, sort_keys=True) if given.json else f"{given.load_balancer}: {active} is active{how}")
    return 0


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


def _version(paths: Paths, given: argparse.Namespace) -> int:
    accelerated = acceleration.choose(paths).words
    python = ".".join(str(part) for part in sys.version_info[:3])
    if given.json:
        print(json.dumps({"version": __version__, "release": release_digest(), "python": python, "acceleration": accelerated}, sort_keys=True))
    else:
        print(f"tandem {__version__}, release {release_digest()[:12]}, Python {python}, acceleration: {accelerated}")
    return 0


def _acceleration(paths: Paths, given: argparse.Namespace) -> int:
    if given.check:
        from . import self_check

        self_check.check(paths)
    choice = acceleration.choose(paths)
    print(json.dumps({"acceleration": choice.words, "fault": choice.fault}, sort_keys=True) if given.json else choice.words)
    return 1 if choice.fault else 0


def _accelerated_exchange(paths: Paths, _given: argparse.Namespace) -> int:
    from . import self_check

    return self_check.in_child(paths)


def _proxy(paths: Paths, _given: argparse.Namespace) -> int:
    from ..proxy.service import supervisor

    return supervisor.main(paths)


def _worker(paths: Paths, given: argparse.Namespace) -> int:
    try:
        accelerated = acceleration.use(acceleration.choose(paths))
    except acceleration.Missing as error:
        say("error", str(error))
        return 1
    from ..proxy.worker import process as worker  # only now, as it brings the modules that may be compiled

    return worker.main(given.channel, accelerated)


def _forward(paths: Paths, _given: argparse.Namespace) -> int:
    from ..forward import service

    return service.main(paths)


def _keepalive(paths: Paths, _given: argparse.Namespace) -> int:
    from ..keepalive import service

    return service.main(paths)


def _keepalive_ended(paths: Paths, _given: argparse.Namespace) -> int:
    from ..keepalive import ended

    return ended.main(paths)


def _manager(paths: Paths, given: argparse.Namespace) -> int:
    from .. import manager

    return manager.main(paths, given.action)
