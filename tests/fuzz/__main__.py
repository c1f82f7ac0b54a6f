"""``make fuzz``: each target for a while under atheris, in a process of its own, from what the corpus holds. A failing input is kept and named.

``--keep``: where nothing failed, what was found is added to the corpus.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
for folder in (TOP / "runtime", TOP):
    sys.path.insert(0, str(folder))

from tests.fuzz import corpus  # noqa: E402

NAMES = (
    "checks",
    "requests",
    "responses",
    "chunked_bodies",
    "client_hellos",
    "proxy_headers",
    "certificates",
    "pem_texts",
    "rules",
    "expressions",
    "dns_replies",
)
WORK = TOP / ".build" / "fuzz"
INPUT_BYTES_MAX = 4096
KEPT_BYTES_MAX = 600  # of one input


def run(name: str, *arguments: str) -> int:
    """One process of libFuzzer's, with its arguments; its exit status."""
    return subprocess.run([sys.executable, "-m", "tests.fuzz", "--inside", name, *arguments], cwd=TOP, check=False).returncode


def inside(name: str, arguments: list[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=["tandem"]):
        from tests.fuzz.targets import TARGETS
    atheris.Setup([name, *arguments], TARGETS[name])
    atheris.Fuzz()


def search(name: str, seconds: int) -> int:
    found = WORK / name
    shutil.rmtree(found, ignore_errors=True)
    found.mkdir(parents=True)
    for number, one in enumerate(corpus.read(name)):
        (found / f"kept-{number}").write_bytes(one)
    print(f"--- {name}: {seconds} s", flush=True)
    limits = (f"-max_total_time={seconds}", f"-max_len={INPUT_BYTES_MAX}", "-timeout=10", "-rss_limit_mb=1024")
    status = run(name, *limits, "-verbosity=0", "-print_final_stats=1", f"-artifact_prefix={WORK}/{name}-failed-", str(found))
    if status:
        print(f"{name} failed; the input lies in {WORK}. When it is mended, add it to {corpus.path_of(name).relative_to(TOP)}.", flush=True)
    return status


def keep(name: str) -> None:
    """What was found becomes the corpus; libFuzzer has kept of it what reaches something new, as short as it could."""
    found = {one.read_bytes() for one in (WORK / name).iterdir()}
    corpus.write(name, {one for one in found if len(one) <= KEPT_BYTES_MAX} | {one for one in corpus.read(name) if len(one) > KEPT_BYTES_MAX})


def main() -> int:
    if sys.argv[1:2] == ["--inside"]:
        inside(sys.argv[2], sys.argv[3:])
        return 0
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", default=NAMES, help=f"of {', '.join(NAMES)}; all by default")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--keep", action="store_true", help="write the corpus anew")
    options = parser.parse_args()
    failed = [name for name in options.targets if search(name, options.seconds)]
    if options.keep:
        for name in set(options.targets) - set(failed):
            keep(name)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
