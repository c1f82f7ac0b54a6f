"""`make demo`: the main job as it is used, told on the terminal with measured figures. `story.py stop` ends what it left running.

Each step checks that it happened as told; the first one that did not ends the story with its reason and exit status 1.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

from nodes import HERE, NODES, SERVERS, Play, Site, StoryError, cleaned_up_on_failure, until
from traffic import Outcome, Stream, answered_by, ask

ADDRESS = "127.0.0.100"


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
        _say("A former demo was still running and has been stopped.")
    shutil.rmtree(site.state, ignore_errors=True)
    site.state.mkdir(parents=True)
    _bring_up(site)
    _balance(site)
    _lose_a_server(site)
    _lose_the_active_node(site)
    _run_again(site)
    _preview_an_edit(site)
    _farewell(site, time.monotonic() - began)


def _bring_up(site: Site) -> None:
    _title("One playbook makes two nodes a load balancer")
    for name in SERVERS:
        site.start_server(name)
    _say(f"Three web servers run: {', '.join(f'{name} on {at}' for name, at in SERVERS.items())}, port {site.port + 1}.")
    play = site.play(HERE / "site.yml")
    _recap("ansible-playbook demo/site.yml", play)
    if play.total("failed") or play.total("unreachable") or not play.total("changed"):
        raise StoryError("the first run should have changed both nodes and failed on none")
    began = time.monotonic()
    until(lambda: ask(ADDRESS, site.port).server, 10, f"the floating IP {ADDRESS} answering")
    _say(f"It took {play.seconds:.1f} s; {time.monotonic() - began:.1f} s later the floating IP {ADDRESS} answered.")
    until(lambda: len(_up(site)) == len(SERVERS), 10, "all three servers passing their health checks")


def _balance(site: Site) -> None:
    _title("Requests are spread over the servers")
    outcomes = [ask(ADDRESS, site.port) for _request in range(30)]
    _require_all_answered(outcomes)
    _say(f"30 requests to http://{ADDRESS}:{site.port}/ were answered by {_shares(outcomes)}.")
    if len(answered_by(outcomes)) != len(SERVERS):
        raise StoryError("not every server answered")


def _lose_a_server(site: Site) -> None:
    _title("A server dies")
    with Stream(ADDRESS, site.port) as stream:
        until(lambda: len(stream.outcomes) >= 50, 10, "the stream of requests beginning")
        moment = site.kill_server("shop-2")
        until(lambda: "shop-2" not in _up(site), 10, "the health check noticing that shop-2 is dead")
        noticed = time.monotonic() - moment
        seen = len(stream.outcomes)
        until(lambda: len(stream.outcomes) >= seen + 100, 10, "traffic going on without shop-2")
    after = [outcome for outcome in stream.outcomes if outcome.started_s > moment]
    failed = [outcome for outcome in after if outcome.server is None]
    _say(f"shop-2 was killed with SIGKILL while a client asked every 10 ms; its health check noticed after {noticed * 1000:.0f} ms.")
    _say(f"{len(after)} requests since: {len(failed)} failed; the others were answered by {_shares(after)}.")
    # What shop-2 was answering in the moment of its death is lost; every later request must have found another server.
    if [outcome for outcome in failed if outcome.started_s > moment + 0.1]:
        raise StoryError("requests failed long after the server had died")
    site.start_server("shop-2")
    until(lambda: "shop-2" in _up(site), 10, "shop-2 passing its health checks again")
    _say("It was started again, passed its health checks, and is back.")


def _lose_the_active_node(site: Site) -> None:
    _title("The active node dies")
    active = until(site.active, 10, "exactly one node being active")
    other = next(node for node in NODES if node != active)
    until(lambda: site.node_state(other) == "standby", 10, f"{other} standing by")
    with Stream(ADDRESS, site.port) as stream:
        until(lambda: len(stream.outcomes) >= 50, 10, "the stream of requests beginning")
        moment = site.kill_node(active)
        first = until(lambda: _first_success(stream.outcomes, moment), 10, f"the floating IP answering from {other}")
        seen = len(stream.outcomes)
        until(lambda: len(stream.outcomes) >= seen + 100, 10, f"traffic going on through {other}")
    after = [outcome for outcome in stream.outcomes if outcome.started_s > moment]
    failed = sum(outcome.server is None for outcome in stream.outcomes)
    _say(f"All processes of {active}, which held {ADDRESS}, were killed with SIGKILL while a client asked every 10 ms.")
    _say(f"After {(first.ended_s - moment) * 1000:.0f} ms the floating IP answered again, from {other}.")
    _say(f"{failed} requests failed in between; of {len(after)} since the kill, {len(after) - failed} were answered.")
    if site.active() != other:
        raise StoryError(f"{other} does not say that it is active")
    site.boot_node(active)
    until(lambda: site.node_state(active) == "standby", 10, f"{active} standing by")
    _say(f"{active} was booted again and stands by: with failback: never, {other} stays active.")


def _run_again(site: Site) -> None:
    _title("The same playbook again changes nothing")
    play = site.play(HERE / "site.yml")
    _recap("ansible-playbook demo/site.yml", play)
    if play.total("changed"):
        raise StoryError("the second run should have changed nothing")


def _preview_an_edit(site: Site) -> None:
    _title("An edit is shown before it is made")
    edited = site.state / "site-edited.yml"
    text = (HERE / "site.yml").read_text()
    line = "- {name: shop-3, address: 127.0.0.23}"
    if line not in text:
        raise StoryError("demo/site.yml no longer holds the line that this step edits")
    edited.write_text(text.replace(line, "- {name: shop-3, address: 127.0.0.23, weight: 5}"))
    before = [site.status(node).get("generation") for node in NODES]
    play = site.play(edited, "--check", "--diff", "--limit", NODES[0])
    _say("shop-3 is given weight: 5 in the playbook; ansible-playbook --check --diff shows, for lb-a:")
    print("\n".join(f"    {line}" for line in _diff(play.output)))
    if not _diff(play.output) or [site.status(node).get("generation") for node in NODES] != before:
        raise StoryError("the diff should have shown the change, and nothing should have been changed")


def _farewell(site: Site, seconds: float) -> None:
    _title(f"That was the main job, in {seconds:.0f} s")
    _say(f"The pair is left running. Point a browser at http://{ADDRESS}:{site.port}/ and reload it.")
    program = site.prefix(NODES[0]) / "opt/tandem/current/bin/tandem"
    _say(f"See a node's view:  {_short(program)} --prefix {_short(site.prefix(NODES[0]))} status")
    _say("Stop everything:    make demo-stop")


def _up(site: Site) -> set[str]:
    """The servers that the proxy of the active node holds for up."""
    active = site.active()
    if active is None:
        return set()
    proxy = site.status(active).get("proxy") or {}
    servers = (proxy.get("backends") or {}).get("edge/shop", {}).get("servers", {})
    return {name for name, server in servers.items() if server["state"] == "up"}


def _first_success(outcomes: list[Outcome], moment: float) -> Outcome | None:
    return next((outcome for outcome in outcomes if outcome.started_s > moment and outcome.server), None)


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


def _recap(command: str, play: Play) -> None:
    _say(f"$ {command}")
    for host, counts in sorted(play.recap.items()):
        words = "  ".join(f"{word}={counts[word]}" for word in ("ok", "changed", "unreachable", "failed"))
        _say(f"  {host} : {words}")


def _title(text: str) -> None:
    print(f"\n== {text}", flush=True)


def _say(text: str) -> None:
    print(f"   {text}", flush=True)


def _short(path: Path) -> str:
    """The path as seen from the checkout, where it lies in it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


if __name__ == "__main__":
    sys.exit(main())
