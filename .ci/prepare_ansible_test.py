"""Lets `ansible-test sanity --local` bootstrap pip where only a package index can be reached.

For every virtual environment ansible-test fetches a bootstrap script from a server of its own, unless its cache has one. This puts one there that
takes pip from the Python at hand, and upgrades or installs from the configured index.
"""

import pathlib
import re

import ansible_test

BOOTSTRAP = """\
import subprocess
import sys

subprocess.run([sys.executable, "-m", "ensurepip", "--default-pip"], check=True)
wanted = [argument for argument in sys.argv[1:] if not argument.startswith("--no-")]
sys.exit(subprocess.run([sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *wanted]).returncode)
"""

internal = pathlib.Path(ansible_test.__file__).parent / "_internal"
sources = "".join(path.read_text() for path in internal.glob("*.py"))
cache = pathlib.Path("~/.ansible/test/cache").expanduser()
cache.mkdir(parents=True, exist_ok=True)
for version in sorted(set(re.findall(r"['\"](\d{2}\.\d+(?:\.\d+)?)['\"]", sources))):
    (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(BOOTSTRAP)
