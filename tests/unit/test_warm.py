"""A run from the warm interpreter is like a process of its own: nothing of one run is in another, and what goes wrong is seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.collection import link_collection, run_python
from tests.support.node import alive
from tests.support.waiting import until
from tests.support.warm import Warm


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    return Warm(sys.executable, ["json", "colorsys", "wave"], ["wave"], tmp_path_factory.mktemp("path"))


def ran(warm, code, given="", within_s=20.0, **environment):
    return warm.run(code, given=given, env={**os.environ, **environment}, within_s=within_s)


def test_it_is_told_what_a_new_process_is_told(warm, tmp_path, monkeypatch):
    code = "import os, sys; print(os.getcwd(), os.environ.get('MARK'), os.umask(0), sys.argv, __name__, sys.stdin.read()); print(1, file=sys.stderr)"
    monkeypatch.chdir(tmp_path)
    former = os.umask(0o027)
    try:
        here = ran(warm, code, "given", MARK="mine")
        new = subprocess.run(
            [sys.executable, "-c", code], input="given", env={**os.environ, "MARK": "mine"}, capture_output=True, text=True, timeout=20, check=True
        )
    finally:
        os.umask(former)
    assert (here.stdout, here.stderr) == (new.stdout, new.stderr)


def test_what_one_run_changes_no_other_sees(warm):
    change = "import colorsys, os; colorsys.ONE_THIRD = 7; os.environ['LEFT'] = '1'; os.chdir('/')"
    look = "import colorsys, os; print(colorsys.ONE_THIRD, os.environ.get('LEFT'), os.getcwd())"
    assert ran(warm, change).stderr == ""
    assert ran(warm, look).stdout == f"{1 / 3} None {os.getcwd()}\n"


def test_only_what_is_to_be_warm_has_been_imported(warm):
    assert ran(warm, "import sys; print('colorsys' in sys.modules, 'wave' in sys.modules)").stdout == "True False\n"


def test_much_goes_in_and_out_and_many_run_side_by_side(warm):
    much = "x" * 3_000_000
    with ThreadPoolExecutor(4) as pool:
        for answer in pool.map(lambda _number: ran(warm, "import sys; print(sys.stdin.read(), end='')", much), range(4)):
            assert answer.stdout == much


def test_runs_of_many_threads_do_not_meet_at_their_pipes(warm):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: ran(warm, "import sys; print(sys.stdin.read())", str(number)).stdout, range(160)))
    assert answers == [f"{number}\n" for number in range(160)]


def test_an_error_is_seen_and_what_was_to_happen_at_the_end_happens(warm):
    answer = ran(warm, "import atexit; atexit.register(print, 'cleaned up'); raise ValueError('wrong')")
    assert answer.stdout == "cleaned up\n"
    assert answer.stderr.endswith("ValueError: wrong\n")
    assert ran(warm, "raise SystemExit('in words')").stderr == "in words\n"


def test_input_that_nobody_reads_is_no_error(warm):
    assert ran(warm, "print('done')", "x" * 1_000_000).stdout == "done\n"


@pytest.mark.parametrize(
    "code", ["while True: pass", "import subprocess; subprocess.Popen(['timeout', '5', 'tail', '-f', '/dev/null'], stderr=subprocess.DEVNULL)"]
)
def test_what_does_not_end_or_leaves_its_output_to_who_does_not_is_a_failure(warm, code):
    said = "import os; print(os.getpid(), flush=True)\n"
    with pytest.raises(subprocess.TimeoutExpired) as late:
        ran(warm, said + code, within_s=0.5)
    until(lambda: not alive(int(late.value.output.split()[0])))


def test_a_module_run_imports_what_looks_at_the_version_by_itself(tmp_path):
    code = "import sys; print([name for name in sys.modules if name.endswith('._floor')], 'ansible.module_utils.basic' in sys.modules)"
    assert run_python(sys.executable, code, given=json.dumps({}), collections=link_collection(tmp_path)).stdout == "[] True\n"
