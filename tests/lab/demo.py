"""`make lab-demo`: the story of `make demo`, on hosts with systemd, over ssh, with VRRP on a real bridge."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tests.lab.lab_pair import LabPair
from tests.lab.layout import TOP
from tests.lab.machines import Lab
from tests.lab.tree import LabError

from pair import StoryError  # isort: skip  # tests.lab.lab_pair puts the demo on the path
from story import say, short, tell, title  # isort: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.lab.demo", description="The main job of Tandem, shown on hosts of the lab.")
    parser.add_argument("--state", type=Path, default=TOP / ".lab", help="where keys, inventory and the hosts' disks lie")
    began = time.monotonic()
    try:
        lab = Lab(parser.parse_args().state)
        lab.up()
        pair = LabPair(lab)
        bare = pair.bare()
        if not bare:
            say("The nodes already have what a former demo, or you, made on them: the first run may find nothing to change.")
        tell(pair, bare)
        title(f"That was the main job, on real hosts, in {time.monotonic() - began:.0f} s")
        say(f"The pair is left running. From this machine, http://{pair.address}/ is the floating IP.")
        say(f"See a node's view:  ssh -F {short(lab.state)}/ssh_config lb-a sudo /opt/tandem/current/bin/tandem status")
        say("Stop everything:    make lab-down")
        pair.stop()
    except (LabError, StoryError) as reason:
        print(f"\nThis did not happen as told: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
