"""Another release of the collection, for tests of roll-outs: `python -m tests.support.next_release FOLDER` makes it below FOLDER.

It is what the next version would ship: everything that git knows of the checkout but the tests, with one line more in the runtime.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


def another_release(folder: Path) -> Path:
    """Makes it, anew if it is there, and returns the folder to search for collections."""
    place = folder / "ansible_collections" / "tandem" / "lb"
    shutil.rmtree(place, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=TOP, capture_output=True, check=True, timeout=60)
    for name in filter(None, listed.stdout.decode().split("\0")):
        source = TOP / name
        if name.startswith("tests/") or not (source.is_symlink() or source.is_file()):
            continue
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place / name, follow_symlinks=False)
    with (place / "runtime/tandem/__init__.py").open("a") as source:
        source.write("# the next release\n")
    return folder


if __name__ == "__main__":
    print(another_release(Path(sys.argv[1]).resolve()))
