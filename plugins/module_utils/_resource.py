# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one base of all modules that change the document: arguments, check mode, diff, errors, and the transaction.

What a module wants is a function from the former document to the new one (see ``_change``); all effects are here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Optional

from ansible.module_utils.basic import AnsibleModule

from . import _certificates as certificates
from . import _forwarding as forwarding
from . import _scripts as scripts
from ._access import LOCK_ARGUMENTS, locked, read_document, told
from ._change import Given, all_removed, all_stated, refuse_bad_name, refuse_other_name, refuse_stranger, removed
from ._client import Client, NotRunning, Refused, is_listening
from ._conflict import Claim, probe
from ._hardware import Evidence, Separation, doubts, from_plain, kept_of, read_compared, read_identity, separations, to_record
from ._kinds import HOOKS
from ._model import (
    KINDS,
    Backend,
    Document,
    FloatingIP,
    LoadBalancer,
    ModelError,
    Object,
    argument_spec,
    check_document,
    describe,
    offered,
    public_texts,
    to_options,
)
from ._node import NODE_ARGUMENTS
from ._node_file import NodeFile
from ._paths import Paths
from ._plan import Change, diff, plan
from ._services import frontend_problems
from ._store import Store, StoreError

Secrets = dict[str, str]
Wanted = Callable[[Document, Secrets], Document]
Deploy = Callable[[AnsibleModule, Paths, Callable[[], None]], bool]
Shown = Callable[[Document, list[Change]], Mapping[str, Any]]
Planned = tuple[Document, Document, list[Change], dict[str, Separation]]


class Transaction:
    """One module's run against the document of one node."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.node: str = module.params["node"]
        self.paths = Paths(module.params["prefix"])
        self.store = Store(self.paths)
        self.secrets: Secrets = {}

    def run(self, change: Wanted, shown: Shown, deploy: Optional[Deploy] = None, pairs: Sequence[str] = ()) -> None:
        """Makes the document what ``change`` says and ends the module. ``deploy`` (the runtime) says whether it changes the node.

        ``pairs`` are the load balancers that this run states: their nodes must be on separate hardware.
        """
        with told(self.module), locked(self.module, self.store, lambda: self._planned(change, pairs)):
            self.node_file = NodeFile(self.paths.node)
            with self.node_file.kept_on_failure():
                result = self._carry_out(self._planned(change, pairs), shown, deploy, bool(pairs))
        self.module.exit_json(**result)

    def _carry_out(self, planned: Planned, shown: Shown, deploy: Optional[Deploy], pairs: bool) -> dict[str, Any]:
        """Does it, or in check mode foretells it, and returns the module's result."""
        have, want, changes, separate = planned
        for sentence in doubts(separate):
            self.module.warn(sentence)
        wrong_modes = self.store.wrong_modes()
        deployed = self._deployed(deploy, lambda: self._refuse_taken(have, want))
        behind = not changes and self._behind(want)
        result = self._result(want, changes, shown, separate)
        result["changed"] = bool(changes or deployed or behind or wrong_modes)
        if self.module.check_mode:
            return {**result, "tandem_assumed": self._assumed(want)}
        if changes:
            self._apply(have, want)
        elif behind:
            self._load(want.generation)
        with self._harmless():
            self._tidy(want)
            if pairs:
                self._note_compared(want)
        for sentence in frontend_problems(self.paths):
            self.module.warn(sentence)
        return result

    def _deployed(self, deploy: Optional[Deploy], before: Callable[[], None]) -> bool:
        """Whether ``deploy`` changes the node. ``before`` is called before anything is changed, also where nothing is to be deployed."""
        if deploy:
            return deploy(self.module, self.paths, before)
        before()
        return False

    def _assumed(self, want: Document) -> dict[str, Any]:
        stored = want.to_stored()
        return {self.paths.prefix: {"generation": self.store.read().generation, "objects": stored["objects"]}}

    def _planned(self, change: Wanted, pairs: Sequence[str]) -> Planned:
        """(the document in force, the new one, what differs, how separate the pairs are). Raises ModelError; changes nothing."""
        refuse_bad_name(self.node)
        have = read_document(self.module, self.store)
        want = change(have, self.secrets)
        changes = plan(have, want)
        if changes:
            want = dataclasses.replace(want, generation=have.generation + 1)
            problems = check_document(want)
            if problems:
                raise ModelError(*problems)
        if pairs:
            self._refuse_other_name(want)
        return have, want, changes, self._separate(have, want, pairs)

    def _refuse_other_name(self, want: Document) -> None:
        """Deploying names the node; see ``_change``."""
        renamed = refuse_other_name(want, self.node, NodeFile(self.paths.node).name, str(self.paths.node))
        if renamed:
            self.module.warn(renamed)

    def _separate(self, have: Document, want: Document, pairs: Sequence[str]) -> dict[str, Separation]:
        """Compares hardware. Raises ModelError where it is the same; asks the controller for what a new pair lacks."""
        self.evidence = self._evidence()
        stated = [want.load_balancers[key] for key in pairs]
        fresh = [one for one in stated if one.key not in have.load_balancers or have.load_balancers[one.key].nodes != one.nodes]
        self._ask_for_peers({peer for one in fresh for peer in self._peers(one) if not self.evidence.pairs(peer)})
        return separations(stated, self.node, self.evidence)

    def _refuse_taken(self, have: Document, want: Document) -> None:
        """Raises ModelError where another machine answers for an address that this node newly takes part in holding."""
        before = {_place(have.floating_ips[name]) for one in self._own(have) for name in one.floating_ips}
        claims, peers = [], set()
        for one in self._own(want):
            others = self._peers(one)
            links = frozenset(link for peer in others if peer in self.evidence.fresh for link in self.evidence.fresh[peer].links.split())
            taken = [want.floating_ips[name] for name in one.floating_ips if _place(want.floating_ips[name]) not in before]
            claims += [Claim(floating_ip, tuple(others.values()), links) for floating_ip in taken]
            peers |= set(others) if taken else set()
        found = probe(claims)
        for sentence in found.unprobed:
            self.module.warn(sentence)
        if found.problems:
            self._ask_for_peers(peers - set(self.evidence.fresh))  # the stranger may be a peer whose interfaces nobody has told us of yet
            raise ModelError(*found.problems)

    def _own(self, document: Document) -> list[LoadBalancer]:
        return [one for _key, one in sorted(document.load_balancers.items()) if self.node in {member.node for member in one.nodes}]

    def _peers(self, load_balancer: LoadBalancer) -> dict[str, str]:
        """The other nodes of a load balancer, with their own addresses."""
        return {member.node: member.address for member in load_balancer.nodes if member.node != self.node}

    def _evidence(self) -> Evidence:
        known = (self.module.params.get("tandem_peers") or {}).get("known") or {}
        fresh = {str(name): from_plain(one) for name, one in known.items()}
        return Evidence(read_identity(), fresh, read_compared(self.paths.hardware))

    def _ask_for_peers(self, unknown: set[str]) -> None:
        """Ends the module when the controller can still find out what is not known of the hardware of peers."""
        given = self.module.params.get("tandem_peers") or {}
        if given.get("ask") and unknown:
            self.module.exit_json(changed=False, needs_peers=sorted(unknown), tandem_hardware=self.evidence.own.plain())

    def _note_compared(self, want: Document) -> None:
        """Keeps what was compared, for later runs that meet this node alone; no change of the node in a user's eyes."""
        peers = {member.node for one in want.load_balancers.values() for member in one.nodes} - {self.node}
        compared = {**self.evidence.compared, **{peer: (kept_of(self.evidence.own), kept_of(other)) for peer, other in self.evidence.fresh.items()}}
        kept = {peer: pair for peer, pair in sorted(compared.items()) if peer in peers}
        if kept != self.evidence.compared:
            self.store.write_record(self.paths.hardware, to_record(kept))

    def _result(self, want: Document, changes: list[Change], shown: Shown, separate: Mapping[str, Separation]) -> dict[str, Any]:
        return {
            **({"separation": {key: one.told() for key, one in separate.items()}} if separate else {}),
            "tandem_hardware": self.evidence.own.plain(),
            "generation": want.generation,
            "digest": want.digest,
            "diff": diff(changes),
            **shown(want, changes),
        }

    def _apply(self, have: Document, want: Document) -> None:
        new = set(self.secrets) - self.store.secrets()
        try:
            for mark in sorted(new):
                self.store.write_secret(mark, self.secrets[mark])
            self.store.write(want)
        except StoreError:
            self._remove_secrets(new)
            raise
        try:
            self._load(want.generation)
        except (Refused, NotRunning) as error:
            self._go_back(have, new, error)

    def _tidy(self, want: Document) -> None:
        """What a run leaves behind, this one or one that was ended half-way. Raises StoreError, OSError."""
        self._remove_secrets(self.store.secrets() - want.secrets)
        self.store.prune_history()
        self.store.set_modes()

    @contextlib.contextmanager
    def _harmless(self) -> Iterator[None]:
        """What fails here undoes no change that is in force already, so it is a warning."""
        try:
            yield
        except (StoreError, OSError) as error:
            self.module.warn(f"All is in force as stated, but something was left undone: {error}")

    def _load(self, generation: int) -> None:
        """Proxy first: an address must not arrive before the listeners that serve it."""
        for client in self._services():
            client.load(generation)

    def _go_back(self, have: Document, new_secrets: set[str], error: Exception) -> None:
        """Ends the module, with the former document in force."""
        after = "The former document is in force again."
        try:
            self.node_file.put_back()  # before the former document, which may know the node by its former name alone
            self.store.restore(have)
            self._remove_secrets(new_secrets)
            self._load(have.generation)
        except (StoreError, OSError) as second:
            after = str(second)
        except (Refused, NotRunning) as second:
            after = f"The former document was put back, but loading it failed too: {second}."
        listed = getattr(error, "problems", [])
        told_by = "The runtime refused the new document" if isinstance(error, Refused) else "The runtime did not take the new document"
        self.module.fail_json(msg=f"{told_by}: {error}. {after}".replace("..", "."), problems=listed)

    def _services(self) -> list[Client]:
        """The services that listen. One that does not is not running, and takes the document when it is started."""
        sockets = (self.paths.proxy_socket, self.paths.keepalive_socket)
        found = [Client(path) for path in sockets if is_listening(path)]
        if len(found) < len(sockets) and self.paths.current.exists():
            self.module.warn("The runtime is deployed but not running on this node; the document takes effect when it is started.")
        return found

    def _behind(self, want: Document) -> bool:
        """Whether a running service does not use the document on disk, or not all of it."""
        if not want.generation:
            return False
        told = [client.status() for client in self._services()]
        return any(status.get("generation") != want.generation or status.get("failure") for status in told)

    def _remove_secrets(self, marks: set[str]) -> None:
        for mark in sorted(marks):
            self.store.remove_secret(mark)


def _place(floating_ip: FloatingIP) -> tuple[str, str, str]:
    """Where a floating IP is held: what is held elsewhere now is newly taken."""
    return floating_ip.ip, floating_ip.attach, floating_ip.interface


def run_object(cls: type[Object], deploy: Optional[Deploy] = None) -> None:
    """The module for objects of one class: ``state`` present or absent, all options from the model."""
    hooks = HOOKS[cls.KIND]
    arguments = {**argument_spec(cls), **hooks.arguments, "state": {"type": "str", "choices": ["present", "absent"], "default": "present"}}
    module = AnsibleModule({**arguments, **LOCK_ARGUMENTS, **NODE_ARGUMENTS}, supports_check_mode=True)
    options = _options_of(cls, module.params)
    _let_public(module, {cls.KIND: [options]})
    kind, key = cls.KIND, cls.key_of(options)
    present = module.params["state"] == "present"
    pairs = [key] if present and hooks.names_nodes else []

    def change(have: Document, secrets: Secrets) -> Document:
        if not present:
            return removed(have, kind, key, module.params)
        want = all_stated(have, {kind: [options]}, secrets, "merged")
        _examine(module, have, want, secrets, {kind: [options]})
        refuse_stranger(want, module.params["node"], pairs)
        return want

    Transaction(module).run(change, _show_object(kind, key), deploy if present else None, pairs)


def run_config(deploy: Deploy) -> None:
    """The module for any number of objects: ``state`` merged, replaced, overridden or absent."""
    arguments: dict[str, Any] = {kind: {"type": "list", "elements": "dict", "options": argument_spec(cls)} for kind, cls in KINDS.items()}
    arguments["allow_empty"] = {"type": "bool", "default": False}
    arguments["state"] = {"type": "str", "choices": ["merged", "replaced", "overridden", "absent"], "default": "merged"}
    module = AnsibleModule({**arguments, **LOCK_ARGUMENTS, **NODE_ARGUMENTS}, supports_check_mode=True)
    state = module.params["state"]
    given = {kind: list(module.params[kind] or []) for kind in KINDS}
    _let_public(module, given)
    naming = [] if state == "absent" else [kind for kind in KINDS if HOOKS[kind].names_nodes]
    pairs = [KINDS[kind].key_of(options) for kind in naming for options in given[kind]]

    def change(have: Document, secrets: Secrets) -> Document:
        if state == "absent":
            return all_removed(have, given)
        want = all_stated(have, given, secrets, state, allow_empty=module.params["allow_empty"])
        _examine(module, have, want, secrets, given)
        refuse_stranger(want, module.params["node"], pairs)
        return want

    Transaction(module).run(change, _show_changes, deploy if pairs else None, pairs)


def _let_public(module: AnsibleModule, given: Given) -> None:
    """Texts that no_log keeps out of the node's log, and that are no secrets: what they are part of, such as a document, must not be cut."""
    for kind, members in given.items():
        for options in members:
            module.no_log_values.difference_update(public_texts(KINDS[kind], options))


def _examine(module: AnsibleModule, have: Document, want: Document, secrets: Secrets, given: Given) -> None:
    """Raises ModelError where a certificate that is stated cannot be used, or a frontend not be served; warns of scripts that would not be run."""
    forwarding.examine(want, [KINDS[kind].key_of(options) for kind in given if HOOKS[kind].are_forwarded for options in given[kind]])
    keys = [KINDS[kind].key_of(options) for kind in given if HOOKS[kind].are_examined for options in given[kind]]
    for sentence in certificates.examine(Paths(module.params["prefix"]), have, want, secrets, keys, now_s=time.time()):
        module.warn(sentence)
    for sentence in scripts.foreseen(Paths(module.params["prefix"]), want, [Backend.key_of(options) for options in given.get("backends", ())]):
        module.warn(sentence)


def _options_of(cls: type[Object], params: Mapping[str, Any]) -> dict[str, Any]:
    """The model's part of a module's parameters."""
    return {name: params.get(name) for name, *_rest in offered(cls)}


def _show_object(kind: str, key: str) -> Shown:
    """The result of a module for one object: the object in a user's words, None where there is none."""

    def shown(want: Document, changes: list[Change]) -> Mapping[str, Any]:
        thing = want.objects(kind).get(key)
        return {"object": None} if thing is None else {"object": to_options(thing), **HOOKS[kind].shown(want, thing)}

    return shown


def _show_changes(want: Document, changes: list[Change]) -> Mapping[str, Any]:
    """The result of a module for many objects: which of them were created, changed and removed, and all that there are."""
    lines = [{"object": describe(change.kind, change.key), "action": change.action, "options": sorted(change.fields)} for change in changes]
    return {"changes": lines, "objects": show_objects(want)}


def show_objects(document: Document) -> dict[str, list[dict[str, Any]]]:
    """All objects in a user's words, by kind, sorted by key."""
    return {kind: [to_options(thing) for _key, thing in sorted(document.objects(kind).items())] for kind in KINDS}
