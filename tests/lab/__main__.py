"""`python -m tests.lab up | down | renew | power-on HOST | power-off HOST`: the lab by hand. `make lab-up` and `make lab-down` call it."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tests.lab.layout import HOSTS, TOP
from tests.lab.machines import Lab
from tests.lab.tree import USER, LabError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description="Hosts to try Tandem on: containers with systemd and sshd, on a bridge.")
    parser.add_argument("command", choices=("up", "down", "renew", "power-on", "power-off"))
    parser.add_argument("host", nargs="?", choices=tuple(HOSTS), help="with power-on and power-off")
    parser.add_argument("--state", type=Path, default=TOP / ".lab", help="where keys, inventory and the hosts' disks lie")
    arguments = parser.parse_args()
    if (arguments.host is not None) != arguments.command.startswith("power"):
        parser.error("power-on and power-off need a host, the others take none")
    try:
        carry_out(Lab(arguments.state), arguments.command, arguments.host)
    except LabError as reason:
        print(f"lab: {reason}", file=sys.stderr)
        return 1
    return 0


def carry_out(lab: Lab, command: str, host: str) -> None:
    if command in ("up", "renew"):
        began = time.monotonic()
        lab.up() if command == "up" else lab.renew()
        short = _short(lab.state)
        print(f"Up after {time.monotonic() - began:.1f} s: {', '.join(HOSTS)}; user {USER}, who may use sudo.")
        print(f"  ssh -F {short}/ssh_config lb-a")
        print(f"  .venv/bin/ansible-playbook -i {short}/inventory.yml PLAYBOOK")
    elif command == "down":
        lab.down()
        print("The lab is down; nothing of it is left but the cached file system.")
    elif command == "power-on":
        lab.power_on(host)
    else:
        lab.power_off(host)


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    sys.exit(main())
