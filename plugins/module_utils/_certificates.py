# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at certificates on the node before they are put in force: whether OpenSSL takes them with their keys, when they end, and whether the proxy's
account can read those that are files of the node. What their texts must be, the model knows.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import ssl
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Optional

from ._model import Certificate, Document, ModelError, Problem, certificates, chain, chain_shown, describe, to_options, utc
from ._paths import Paths
from ._store import Store, StoreError
from ._this_node import this_node
from ._units import GROUP

WARN_DAYS = 14
_DAY_S = 86_400
_ACCOUNT = "tandem-proxy"
# What the unit hides from the service (systemd.exec(5): ProtectHome, PrivateTmp).
_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
# A key of another kind than the certificate's is one without a certificate, in OpenSSL's words.
_SAID = {
    "NO_CERTIFICATE_ASSIGNED": ("which is not the key of this certificate", "Give the key that the certificate was asked for with."),
    "KEY_VALUES_MISMATCH": ("which is not the key of this certificate", "Give the key that the certificate was asked for with."),
    "KEY_TYPE_MISMATCH": ("which is not the key of this certificate", "Give the key that the certificate was asked for with."),
    "EE_KEY_TOO_SMALL": ("which is too short for OpenSSL on this node", "Make a new one: of 2048 bits or more with RSA, or ECDSA with P-256."),
}


def examine(paths: Paths, have: Document, want: Document, secrets: Mapping[str, str], keys: Iterable[str], *, now_s: float) -> list[str]:
    """Warnings about the certificates ``keys`` of the wanted document. Raises ModelError where one that is new or changed cannot be used.

    One that is in force already is only warned of, whatever time has made of it: no other change shall have to wait for it.
    """
    warnings, problems = [], []
    for key in keys:
        one = want.certificates[key]
        if not _whole(one):
            continue  # the model says what is wrong
        found = _Look(paths, one, secrets, now_s)
        if have.certificates.get(key) == one:
            warnings += [str(problem) for problem in found.problems] if one.certificate_path else []
            warnings += found.over or found.soon
            continue
        problems += found.problems
        if not found.problems:
            problems += [found.problem_of_end] if found.over else []
            warnings += found.soon + (_nameless(want, key, found.names) if found.read else [])
    if problems:
        raise ModelError(*problems)
    return warnings


def _whole(one: Certificate) -> bool:
    """Whether it is either texts or files."""
    text, file = (one.certificate, one.private_key), (one.certificate_path, one.private_key_path)
    return (all(text) and not any(file)) or (all(file) and not any(text))


class _Look:
    """One certificate, looked at."""

    def __init__(self, paths: Paths, one: Certificate, secrets: Mapping[str, str], now_s: float) -> None:
        self.where = describe("certificates", one.key)
        self.problems: list[Problem] = []
        self.option, self.value = ("certificate_path", one.certificate_path) if one.certificate_path else ("certificate", "(PEM)")
        self.key_option, self.key_value = ("private_key_path", one.private_key_path) if one.certificate_path else ("private_key", "(hidden)")
        text, key = self._files(paths, one) if one.certificate_path else (one.certificate, _stored_key(paths, one, secrets))
        self.read = certificates(text)
        self.names = self.read[0].names if self.read else ()
        if text and key:
            self._try(text, key)
        self.over, self.soon = self._ends(now_s)

    def _files(self, paths: Paths, one: Certificate) -> tuple[str, str]:
        text, key = self._text(self.option, one.certificate_path), self._text(self.key_option, one.private_key_path)
        if self.problems:
            return "", ""
        if "ENCRYPTED" in key:
            rule, way_out = "but the key in it is encrypted, and nobody is there to type a passphrase", "Decrypt it: openssl pkey -in FILE."
            self.problems.append(Problem(self.where, self.key_option, self.key_value, rule, way_out))
        try:
            # The key may lie in the same file.
            text = chain("".join(_blocks_of(text, "CERTIFICATE")))
            if not text:
                raise ValueError("but no certificate in PEM is in it", "Name the file that has it.")
        except ValueError as error:
            rule, way_out = error.args
            self.problems.append(Problem(self.where, self.option, self.value, rule, way_out))
        if not self.problems and this_node(paths).get("service_manager") == "systemd":
            self.problems += _out_of_reach(self.where, {self.option: one.certificate_path, self.key_option: one.private_key_path})
        return ("", "") if self.problems else (text, key)

    def _text(self, option: str, path: str) -> str:
        try:
            return Path(path).read_text()
        except OSError as error:
            rule = f"which cannot be read on this node: {os.strerror(error.errno or 0)}"
        except ValueError:
            rule = "which is no text in PEM"
        self.problems.append(Problem(self.where, option, path, rule, "Put it there before this task, on every node of the load balancer."))
        return ""

    def _try(self, text: str, key: str) -> None:
        """OpenSSL's own word, by which the proxy will have to go as well."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            with _in_memory(text) as certificate_file, _in_memory(key) as key_file:
                context.load_cert_chain(certificate_file, key_file, password=lambda: b"")
        except ssl.SSLError as error:
            reason = str(error.reason or "no reason given")
            rule, way_out = _SAID.get(reason, (f"which OpenSSL does not take with its certificate ({reason})", "Look at both with openssl."))
            self.problems.append(Problem(self.where, self.key_option, self.key_value, rule, way_out))

    def _ends(self, now_s: float) -> tuple[list[str], list[str]]:
        """(that it is over, that it will be soon or is not valid yet): sentences."""
        if not self.read:
            return [], []
        first = self.read[0]
        if first.not_after_s <= now_s:
            return [f"{self.where} was valid until {utc(first.not_after_s)}: clients refuse it. Renew it."], []
        left = int(first.not_after_s - now_s) // _DAY_S
        soon = [f"{self.where} is valid until {utc(first.not_after_s)}, for {_days(left)} more. Renew it."] if left < WARN_DAYS else []
        early = [f"{self.where} is valid only from {utc(first.not_before_s)} on: clients refuse it until then."] if first.not_before_s > now_s else []
        return [], soon + early

    @property
    def problem_of_end(self) -> Problem:
        rule = f"but it was valid until {utc(self.read[0].not_after_s)}"
        return Problem(self.where, self.option, self.value, rule, "Give one that is valid now.")


def told(one: Certificate, now_s: float) -> dict[str, Any]:
    """A certificate as load_balancer_info shows it: what it says of itself, also where it is a file of the node, and the days that are left."""
    shown = to_options(one)
    text = one.certificate
    if one.certificate_path:
        try:
            text = chain("".join(_blocks_of(Path(one.certificate_path).read_text(), "CERTIFICATE")))
        except (OSError, ValueError):
            return {**shown, "days_left": None}
        shown["certificate"] = chain_shown(text)
    return {**shown, "days_left": int((certificates(text)[0].not_after_s - now_s) // _DAY_S) if text else None}


def _stored_key(paths: Paths, one: Certificate, secrets: Mapping[str, str]) -> str:
    """The key that is given now, or lies on the node already; "" where neither is so, as in check mode after a task that would have written it."""
    if one.private_key in secrets:
        return secrets[one.private_key]
    try:
        return Store(paths).read_secret(one.private_key) if one.private_key else ""
    except StoreError:
        return ""


def _nameless(want: Document, key: str, names: tuple[str, ...]) -> list[str]:
    users = [describe("frontends", one) for one, frontend in sorted(want.frontends.items()) if key in frontend.certificates]
    if names or not users:
        return []
    return [f"{describe('certificates', key)} has no subjectAltName, so no browser takes it for any host; {', '.join(users)} shows it."]


def _blocks_of(text: str, label: str) -> Iterator[str]:
    begin, end = f"-----BEGIN {label}-----", f"-----END {label}-----"
    for part in text.split(begin)[1:]:
        yield f"{begin}{part.partition(end)[0]}{end}\n"


@contextlib.contextmanager
def _in_memory(text: str) -> Iterator[str]:
    """A path that OpenSSL can read a text from which shall lie on no disk."""
    handle = os.memfd_create("tandem")
    try:
        view = memoryview(text.encode())
        while view:
            view = view[os.write(handle, view) :]
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


def _out_of_reach(where: str, paths: Mapping[str, str]) -> Iterator[Problem]:
    """What the proxy under systemd, with its account and in its sandbox, cannot read."""
    closed = _closed_to(_ACCOUNT, list(paths.values()))
    for option, path in paths.items():
        real = os.path.realpath(path)
        hidden = next((folder for folder in _HIDDEN if real.startswith(f"{folder}/")), None)
        if hidden:
            yield Problem(where, option, path, f"but the proxy's unit hides {hidden} from it", "Put the file elsewhere, such as below /etc.")
        elif path in closed:
            way_out = f"Give it to that account, with mode 0600, and open the folders above it to the account (chown {_ACCOUNT}, setfacl)."
            yield Problem(where, option, path, f"which the account {_ACCOUNT} cannot read", way_out)


def _closed_to(account: str, paths: list[str]) -> set[str]:
    """Those of the paths that an account cannot read, by the kernel's word: access lists and modules of its security count too."""
    entry = _entry(account)
    if entry is None or os.geteuid() != 0:
        return set()
    group = _group(entry)
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            os.initgroups(account, group)
            os.setgid(group)
            os.setuid(entry.pw_uid)
            os._exit(sum(1 << place for place, path in enumerate(paths) if not _opens(path)))
        os._exit(0)
    closed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {path for place, path in enumerate(paths) if closed > 0 and closed >> place & 1}


def _entry(account: str) -> Optional[pwd.struct_passwd]:
    try:
        return pwd.getpwnam(account)
    except KeyError:
        return None  # before the first deployment


def _group(account: pwd.struct_passwd) -> int:
    """The group that the unit has its account run with."""
    try:
        return grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return account.pw_gid


def _opens(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _days(count: int) -> str:
    return "a day" if count == 1 else f"{count} days"
