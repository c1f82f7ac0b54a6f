"""What every scenario and playbook of the checkout holds to, read from its tasks."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

TOP = Path(__file__).resolve().parents[2]
WAITS_FOR = {"host", "port", "path", "state", "search_regex", "active_connection_states", "connect_timeout"}
SLEEPS = re.compile(r"(^|[\s;&|(/])u?sleep(\s|\()|time\.sleep\(")


def task_files():
    command = ["git", "ls-files", "-z", "--", "extensions", "playbooks", "roles", "demo", "tests"]
    listed = subprocess.run(command, cwd=TOP, capture_output=True, check=True)
    names = [name for name in listed.stdout.decode().split("\0") if name.endswith((".yml", ".yaml"))]
    return [name for name in names if not {"meta", "defaults"} & set(Path(name).parts)]


def tasks(node):
    """Every mapping below ``node``: tasks are among them, whatever blocks they are in."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from tasks(value)
    elif isinstance(node, list):
        for value in node:
            yield from tasks(value)


def sleeps(task):
    """Whether the task lets time pass without looking at anything. An ``until`` looks."""
    for key, value in task.items():
        module = str(key).rpartition(".")[2]
        if module == "pause" or (module.startswith("wait_for") and module != "wait_for_connection" and not WAITS_FOR & set(value or {})):
            return True
        if module in ("shell", "command", "raw", "script") and SLEEPS.search(yaml.dump(value, width=10_000)):
            return True
    return False


@pytest.mark.parametrize("name", task_files())
def test_no_task_sleeps_to_wait(name):
    for document in yaml.safe_load_all((TOP / name).read_text()):
        assert [task for task in tasks(document) if sleeps(task)] == []


@pytest.mark.parametrize(
    "task",
    [
        "ansible.builtin.pause: {seconds: 5}",
        "pause:",
        "ansible.builtin.wait_for: {timeout: 5}",
        "wait_for: {delay: 3}",
        "ansible.builtin.shell: systemctl start tandem-proxy && sleep 5",
        "ansible.builtin.command: {argv: [/bin/sleep, '5']}",
        "ansible.builtin.shell: {cmd: \"python3 -c 'import time; time.sleep(5)'\"}",
    ],
)
def test_tasks_that_sleep_are_known(task):
    assert sleeps(yaml.safe_load(task))


@pytest.mark.parametrize(
    "task",
    [
        "{ansible.builtin.command: ip address show, until: true, retries: 3, delay: 1}",
        "ansible.builtin.wait_for: {port: 80, timeout: 5}",
        "ansible.builtin.command: systemctl suspend-then-hibernate",
    ],
)
def test_tasks_that_look_at_something_are_not_meant(task):
    assert not sleeps(yaml.safe_load(task))
