"""`make demo`: the main job as it is used, told on the terminal with measured figures. `story.py stop` ends what it left running.

`make lab-demo` tells the same on hosts of the lab.
Each step checks that it happened as told; the first one that did not ends the story with its reason and exit status 1.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

from nodes import Site, cleaned_up_on_failure
from pair import HERE, NODES, Pair, Play, StoryError, until
from traffic import Outcome, answered, answered_by, ask, outage_s


def main() -> int:
    arguments = _arguments()
    site = Site(arguments.state.resolve(), arguments.port)
    try:
        if arguments.what == "stop":
            _stop(site)
        else:
            with cleaned_up_on_failure(site):
                _tell(site)
    except StoryError as reason:
        print(f"\nThis did not happen as told: {reason}", file=sys.stderr)
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The main job of Tandem, shown on this machine.")
    parser.add_argument("what", nargs="?", choices=("tell", "stop"), default="tell")
    parser.add_argument("--state", type=Path, default=HERE.parent / ".demo", help="where the nodes and their logs lie")
    parser.add_argument("--port", type=int, default=8080, help="the frontend's port; the servers and heartbeats use the next two")
    return parser.parse_args()


def _stop(site: Site) -> None:
    stopped = site.stop()
    print(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing of the demo runs.")


def _tell(site: Site) -> None:
    began = time.monotonic()
    if site.stop():
        say("A former demo was still running and has been stopped.")
    shutil.rmtree(site.state, ignore_errors=True)
    site.state.mkdir(parents=True)
    for name in site.servers:
        site.start_server(name)
    say(f"Three web servers run: {', '.join(f'{name} on {at}' for name, at in site.servers.items())}, port {site.port + 1}.")
    tell(site)
    _farewell(site, time.monotonic() - began)


def tell(pair: Pair, bare: bool = True) -> None:
    """The story, from the playbook's first run on. ``bare``: the nodes have nothing of Tandem yet."""
    _bring_up(pair, bare)
    _balance(pair)
    _lose_a_server(pair)
    _lose_the_active_node(pair)
    _run_again(pair)
    _preview_an_edit(pair)


def _bring_up(pair: Pair, bare: bool) -> None:
    title("One playbook makes two nodes a load balancer")
    play = pair.play(pair.playbook)
    _recap(pair, play)
    if play.total("failed") or play.total("unreachable") or (bare and not play.total("changed")):
        raise StoryError("the first run should have changed both nodes and failed on none")
    began = time.monotonic()
    until(lambda: ask(pair.address, pair.port).server, 10, f"the floating IP {pair.address} answering")
    say(f"It took {play.seconds:.1f} s; {time.monotonic() - began:.1f} s later the floating IP {pair.address} answered.")
    until(lambda: len(pair.up()) == len(pair.servers), 10, "all servers passing their health checks")


def _balance(pair: Pair) -> None:
    title("Requests are spread over the servers")
    outcomes = [ask(pair.address, pair.port) for _request in range(30)]
    _require_all_answered(outcomes)
    say(f"30 requests to http://{pair.address}:{pair.port}/ were answered by {_shares(outcomes)}.")
    if len(answered_by(outcomes)) != len(pair.servers):
        raise StoryError("not every server answered")


def _lose_a_server(pair: Pair) -> None:
    title("A server dies")
    victim = sorted(pair.servers)[1]
    with pair.stream() as stream:
        until(lambda: len(stream.outcomes) >= 50, 10, "the stream of requests beginning")
        moment = pair.kill_server(victim)
        until(lambda: victim not in pair.up(), 10, f"the health check noticing that {victim} is dead")
        noticed = time.monotonic() - moment
        seen = len(stream.outcomes)
        until(lambda: len(stream.outcomes) >= seen + 100, 10, f"traffic going on without {victim}")
    after = [outcome for outcome in stream.outcomes if outcome.started_s > moment]
    failed = [outcome for outcome in after if outcome.server is None]
    say(f"{victim} {pair.server_death} while a client asked every 10 ms; its health check noticed after {noticed * 1000:.0f} ms.")
    say(f"{len(after)} requests since: {len(failed)} failed; the others were answered by {_shares(after)}.")
    # What it was answering in the moment of its death is lost; every later request must have found another server.
    if [outcome for outcome in failed if outcome.started_s > moment + 0.1]:
        raise StoryError("requests failed long after the server had died")
    pair.start_server(victim)
    until(lambda: victim in pair.up(), 10, f"{victim} passing its health checks again")
    say("It was started again, passed its health checks, and is back.")


def _lose_the_active_node(pair: Pair) -> None:
    title("The active node dies")
    active = until(pair.active, 10, "exactly one node being active")
    other = next(node for node in NODES if node != active)
    until(lambda: pair.node_state(other) == "standby", 10, f"{other} standing by")
    with pair.stream() as stream:
        until(lambda: len(stream.outcomes) >= 50, 10, "the stream of requests beginning")
        moment = pair.kill_node(active)
        until(lambda: pair.node_state(other) == "active", 10, f"{other} becoming active")
        seen = len(answered(stream.outcomes))
        until(lambda: len(answered(stream.outcomes)) >= seen + 100, 10, f"traffic going on through {other}")
    after = [outcome for outcome in stream.outcomes if outcome.started_s > moment]
    failed = sum(outcome.server is None for outcome in stream.outcomes)
    say(f"{active}, which held {pair.address}, {pair.node_death}, while a client asked every 10 ms.")
    say(f"After {outage_s(stream.outcomes, moment) * 1000:.0f} ms the floating IP answered again, from {other}.")
    say(f"{failed} requests failed in between; of {len(after)} since the kill, {len(after) - failed} were answered.")
    if pair.active() != other:
        raise StoryError(f"{other} does not say that it is active")
    pair.boot_node(active)
    until(lambda: pair.node_state(active) == "standby", 10, f"{active} standing by")
    say(f"{active} was booted again and stands by: with failback: never, {other} stays active.")


def _run_again(pair: Pair) -> None:
    title("The same playbook again changes nothing")
    play = pair.play(pair.playbook)
    _recap(pair, play)
    if play.total("changed"):
        raise StoryError("the second run should have changed nothing")


def _preview_an_edit(pair: Pair) -> None:
    title("An edit is shown before it is made")
    edited = pair.state / "site-edited.yml"
    text = pair.playbook.read_text()
    line, new, words = pair.edit
    if line not in text:
        raise StoryError(f"{short(pair.playbook)} no longer holds the line that this step edits")
    edited.write_text(text.replace(line, new))
    before = [pair.status(node).get("generation") for node in NODES]
    play = pair.play(edited, "--check", "--diff", "--limit", NODES[0])
    say(f"{words} in the playbook; ansible-playbook --check --diff shows, for {NODES[0]}:")
    print("\n".join(f"    {line}" for line in _diff(play.output)))
    if not _diff(play.output) or [pair.status(node).get("generation") for node in NODES] != before:
        raise StoryError("the diff should have shown the change, and nothing should have been changed")


def _farewell(site: Site, seconds: float) -> None:
    title(f"That was the main job, in {seconds:.0f} s")
    say(f"The pair is left running. Point a browser at http://{site.address}:{site.port}/ and reload it.")
    program = site.prefix(NODES[0]) / "opt/tandem/current/bin/tandem"
    say(f"See a node's view:  {short(program)} --prefix {short(site.prefix(NODES[0]))} status")
    say("Stop everything:    make demo-stop")


def _require_all_answered(outcomes: list[Outcome]) -> None:
    failed = sum(outcome.server is None for outcome in outcomes)
    if failed:
        raise StoryError(f"{failed} of {len(outcomes)} requests failed")


def _shares(outcomes: list[Outcome]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in answered_by(outcomes).items())


def _diff(output: str) -> list[str]:
    """The lines of a diff in what ansible-playbook printed: from "--- before" to the next empty line."""
    shown: list[str] = []
    inside = False
    for line in output.splitlines():
        inside = line.startswith("--- before") or (inside and bool(line.strip()) and not line.startswith(("changed:", "ok:")))
        shown += [line] if inside else []
    return shown


def _recap(pair: Pair, play: Play) -> None:
    say(f"$ ansible-playbook {short(pair.playbook)}")
    for host, counts in sorted(play.recap.items()):
        words = "  ".join(f"{word}={counts[word]}" for word in ("ok", "changed", "unreachable", "failed"))
        say(f"  {host} : {words}")


def title(text: str) -> None:
    print(f"\n== {text}", flush=True)


def say(text: str) -> None:
    print(f"   {text}", flush=True)


def short(path: Path) -> str:
    """The path as seen from the checkout, where it lies in it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


if __name__ == "__main__":
    sys.exit(main())
