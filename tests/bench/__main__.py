"""Measures and prints the tables, each as soon as it is there. See the package's docstring for how."""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from . import idle, kernel, latency, proxies, rates, rest
from .machine import DISTRIBUTIONS_PYTHON, Setting, Unable, described, free_port, python_of_nodes, start, tool

OWN = "Tandem"
TABLES: dict[str, Callable[[Setting], str]] = {
    **{name: functools.partial(rates.measure, load=load) for name, load in rates.LOADS.items()},
    "latency": latency.measure,
    "idle": idle.measure,
    "rest": rest.measure,
    "kernel": kernel.measure,
}
EXPLAINED = """\
Each figure is the median of {rounds} rounds of {seconds:g} s (the last two tables have their own); the lowest and the highest are in brackets.
*Beside* another proxy: what a second of processor time yields, when it yields 1 there; more is better. *Times* another proxy's: less is better.
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Tandem beside HAProxy and nginx, each alone on one core.")
    names = list(TABLES)
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", default=names, help=f"which tables: {', '.join(names)} (all)")
    parser.add_argument("--rounds", type=_positive(int), default=5, help="how often each is measured (5)")
    parser.add_argument("--seconds", type=_positive(float), default=2.0, help="how long each measurement takes (2)")
    parser.add_argument("--python", default="", help=f"what Tandem runs with ({DISTRIBUTIONS_PYTHON} if that is new enough, else this one)")
    parser.add_argument("--compiled", type=Path, metavar="FOLDER", help="a folder with a compiled package tandem, to be measured beside")
    parser.add_argument(
        "--release",
        type=Path,
        metavar="FOLDER",
        action="append",
        default=[],
        help="a folder with another package tandem, to be measured beside; may be given again. A worker.py in it is used instead of ours",
    )
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: sys.exit(1))
    try:
        bench(options.only, options.rounds, options.seconds, options.python or python_of_nodes(), runtimes(options.compiled, options.release))
    except Unable as reason:
        sys.exit(f"No benchmark: {reason}")
    except KeyboardInterrupt:
        sys.exit("Interrupted.")


def _positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    def read(text: str) -> float:
        value = kind(text)
        if value <= 0:
            raise argparse.ArgumentTypeError(f"{text} is not more than 0")
        return value

    return read


def runtimes(compiled: Path | None, releases: list[Path]) -> dict[str, Path]:
    """The folders that hold a package ``tandem``, by the name that is shown for each."""
    found = {OWN: Path(__file__).resolve().parents[2] / "runtime"}
    if compiled is not None:
        found[f"{OWN}, compiled"] = compiled.resolve()
    for release in releases:
        place = release.resolve()
        name = f"{OWN}, {place.parent.name if place.name == 'runtime' else place.name}"
        if name in found:
            raise Unable(f"two folders would be shown as {name!r}: give one of them another name")
        found[name] = place
    for place in found.values():
        if not (place / "tandem" / "__init__.py").exists():
            raise Unable(f"{place} holds no package tandem: give the folder in which it lies")
    return found


def bench(names: list[str], rounds: int, seconds: float, python: str, folders: dict[str, Path]) -> None:
    missing = [name for name in ("haproxy", "nginx", "wrk", "taskset") if not tool(name)]
    if missing:
        raise Unable(f"{', '.join(missing)} missing. On Debian and Ubuntu: apt-get install haproxy nginx-light wrk util-linux")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise Unable("it needs two cores, one for the proxy under test and one for the origin and the clients")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tandem-bench-")))
        folder.chmod(0o755)
        served = folder / "www"
        served.mkdir()
        (served / "small").write_bytes(b"x" * 128)
        (served / "10k").write_bytes(os.urandom(10 << 10))
        (served / "1m").write_bytes(os.urandom(1 << 20))
        proxies.write_tls(folder)
        setting = Setting(folder, cores[0], cores[1], python, folders, free_port(), rounds, seconds)
        start(stack, setting, "origin", setting.origin, proxies.origin(folder, setting.origin), core=setting.client_core)
        print(f"{described(python)}.\n\n{EXPLAINED.format(rounds=rounds, seconds=seconds)}", flush=True)
        for name in dict.fromkeys(names):
            if sys.stderr.isatty():
                print(f"measuring: {name} ", end="\r", file=sys.stderr, flush=True)
            print(TABLES[name](setting), flush=True)


if __name__ == "__main__":
    main()
