"""The modes that docs/reference/document.md states: whatever umask, default ACL or setgid folder a run meets, and whatever a former run has left."""

from __future__ import annotations

import dataclasses
import os
import re
import stat
import struct

import pytest

from plugins.plugin_utils._bundle import digest
from tests.support.certificates import issued
from tests.support.collection import CHECKOUT
from tests.support.objects import ALL, BACKEND

MADE = issued("shop.example.com", ("shop.example.com",))
ENCRYPTING = {**ALL, "certificates": [{"load_balancer": "edge", "name": "shop", "certificate": MADE.pem, "private_key": MADE.key}]}
PAGE = CHECKOUT / "docs/reference/document.md"
# acl(5), as the kernel stores it (linux/posix_acl_xattr.h): owner rwx, user 65534 rwx, group none, mask rwx, others none.
STRICT_ACL = struct.pack("<I", 2)
for entry in ((1, 7, 2**32 - 1), (2, 7, 65534), (4, 0, 2**32 - 1), (16, 7, 2**32 - 1), (32, 0, 2**32 - 1)):
    STRICT_ACL += struct.pack("<HHI", *entry)
MODES = re.compile(r"(0\d{3})(?:, programs 0755)?(?:,? ?folders? (0\d{3}))?(?:; 0770 under systemd)?")
NAMES = {"desired-N": r"desired-\d+", "FINGERPRINT": "[0-9a-f]+", "DIGEST/": "[0-9a-f]{64}(/.*)?", "*": "[a-z]+"}


def stated():
    """(pattern of the path, mode of files, mode of the folder) of each row of the reference's table."""
    rows = []
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        modes = MODES.fullmatch(cells[-1]) if len(cells) == 3 else None
        for name in re.findall(r"`([^`]+)`", cells[0]) if modes else ():
            pattern = re.sub("|".join(map(re.escape, NAMES)), lambda word: NAMES[word[0]], name)
            rows.append((pattern, modes[1], modes[2]))
    return rows


def wrong(host):
    """What lies below the prefix with another mode than the reference states, or with an access list."""
    rows, others = stated(), {}
    for path in sorted(host.prefix.rglob("*")):
        name = str(path.relative_to(host.prefix))
        if path.is_symlink() or name in ("etc", "opt", "run", "var", "var/log"):
            continue
        mode = next((modes[path.is_dir()] for pattern, *modes in rows if re.fullmatch(pattern, name)), None)
        mode = mode or next((folder for pattern, _file, folder in rows if folder and path.is_dir() and pattern.startswith(f"{name}/")), None)
        assert mode, f"the reference states no mode for {name}"
        expected = 0o755 if name.endswith("/bin/tandem") else int(mode, 8)
        found = stat.S_IMODE(path.stat().st_mode)
        if found != expected or "system.posix_acl_access" in os.listxattr(path):
            others[name] = (oct(found), oct(expected))
    return others


def test_the_reference_states_the_modes():
    assert len(stated()) > 10


def with_acl(path):
    for name in ("system.posix_acl_access", "system.posix_acl_default"):
        try:
            os.setxattr(path, name, STRICT_ACL)
        except OSError:
            pytest.skip(f"needs a file system with access lists for {path}")


@pytest.mark.parametrize("met", ["umask 077", "umask 027", "umask 000", "a default ACL", "a setgid folder"])
def test_every_file_and_folder_has_the_stated_mode_whatever_a_run_meets(host, met):
    mask = met.partition("umask ")[2]
    if met == "a default ACL":
        with_acl(host.prefix)
    elif met == "a setgid folder":
        if os.geteuid() == 0:
            os.chown(host.prefix, -1, 65534)
        host.prefix.chmod(0o2755)
    one = dataclasses.replace(host, before=f"import os; os.umask(0o{mask or '022'})")
    assert one.run("config", **ENCRYPTING).result.get("changed") is True
    assert one.run("backend", **BACKEND, max_retries=4).result["changed"] is True
    assert wrong(host) == {}
    assert one.run("config", **{**ENCRYPTING, "backends": []}).result["changed"] is False
    groups = {path.lstat().st_gid for path in host.prefix.rglob("*")}
    assert groups == {os.getegid()}


def test_the_next_run_mends_the_modes_and_foretells_it(host):
    host.run("config", **ENCRYPTING)
    release = host.prefix / "opt/tandem/releases" / digest()
    etc = host.prefix / "etc/tandem"
    kept = [release, release / "bin/tandem", release / "tandem/log.py", etc / "desired.json", etc / "node.json"]
    for path in (*kept, *(etc / "secrets").iterdir(), *(etc / "keys").iterdir()):
        path.chmod(0o777)
    (host.prefix / "opt/tandem").chmod(0o700)
    for run in ({"check": True}, {}):
        told = host.run("runtime", **run).result
        assert (told["changed"], told["done"]) == (True, ["modes set"]), told
    assert wrong(host) == {}
    (etc / "desired.json").chmod(0o600)
    assert [host.run("backend", check=check, **BACKEND).result["changed"] for check in (True, False, False)] == [True, True, False]
    assert wrong(host) == {}


def test_a_release_whose_content_is_another_is_made_anew(host):
    host.run("runtime")
    (host.prefix / "opt/tandem/releases" / digest() / "tandem/log.py").open("a").write("#")
    assert host.run("runtime", bundle={"digest": digest()}).result.get("needs_bundle") is True
    assert host.run("runtime").result["done"] == ["release installed"]
    assert host.run("runtime").result["changed"] is False


def test_what_a_run_that_was_ended_half_way_has_left_goes_with_the_next_one(host, seed):
    seed(host, ALL)
    host.run("runtime")
    secrets = host.prefix / "etc/tandem/secrets"
    keys = host.prefix / "etc/tandem/keys"
    left = [secrets / f".{'a' * 32}.4711", host.prefix / "etc/tandem/.desired.json.4711", secrets / ("b" * 32)]
    left += [keys / f".key-{'a' * 32}.4711", keys / f"key-{'b' * 32}"]
    keys.mkdir()
    for path in left:
        path.write_text("a secret that nobody names")
    assert host.run("backend", **BACKEND).result["changed"] is True, "one of them had a wrong mode"
    assert [path for path in left if path.exists()] == []
