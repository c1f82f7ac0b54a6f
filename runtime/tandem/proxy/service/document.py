"""A document with what is computed from it once: its digest, and the bytes that workers are given."""

from __future__ import annotations

import contextlib
import gc
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Optional

from ... import json_slices
from ..._model import Document, ModelError, check_document
from ..._store import Store
from ...tls.materials import Files, Pairs, read_pairs, to_plain, watched_files
from .passwords import read_hashes


@dataclass(frozen=True)
class LoadedDocument:
    """``certificates`` are those with their keys, ``passwords`` the hashes of users', in JSON: they are for workers alone, and shown to nobody.
    ``files``: what the files of those that are watched were before they were read, so that whatever is renewed while they are read is seen later."""

    document: Document
    digest: str
    encoded: bytes
    certificates: bytes = field(default=b"{}", repr=False)
    pairs: Pairs = field(default_factory=dict, repr=False)
    files: Files = field(default_factory=dict)
    passwords: bytes = field(default=b"{}", repr=False)


def loaded(
    document: Document, pairs: Optional[Pairs] = None, files: Optional[Files] = None, hashes: Optional[Mapping[str, str]] = None
) -> LoadedDocument:
    encoded, certificates = json_slices.dumps(document.to_stored()), json.dumps(to_plain(pairs or {})).encode()
    passwords = json.dumps(hashes or {}).encode()
    return LoadedDocument(document, document.digest, encoded, certificates, pairs or {}, files or {}, passwords)


def renewed(former: LoadedDocument, keys: Path, lost: list[str]) -> LoadedDocument:
    """The same where no file that is watched has changed. Else with the certificates that lie on the node now, and with the former one for each that
    cannot be used; ``lost`` gets why. To be called in a thread."""
    files = watched_files(former.document)
    if files == former.files:
        return former
    pairs = {**former.pairs, **read_pairs(former.document, keys, lost)}
    return replace(former, certificates=json.dumps(to_plain(pairs)).encode(), pairs=pairs, files=files)


def read(store: Store, lost: Optional[list[str]] = None) -> LoadedDocument:
    """The document on disk, held against all rules. Takes seconds for a large one: to be called in a thread. Raises ModelError, StoreError.

    ``lost`` gets what is wrong with certificates and passwords, which is a ModelError without it.
    """
    with _out_of_the_collectors_sight():
        document = store.read(json_slices.loads)
        problems = check_document(document)
        if problems:
            raise ModelError(*problems)
        files = watched_files(document)
        keys = store.paths.keys
        return loaded(document, read_pairs(document, keys, lost), files, read_hashes(document, keys, lost))


@contextlib.contextmanager
def _out_of_the_collectors_sight() -> Iterator[None]:
    """What is made within is never looked at by the cyclic garbage collector, which stops all threads for as long as it takes (50 ms and more for a
    large document), and again whenever much else comes and goes. It has no cycles, so it goes when it is no longer used, as everything does."""
    gc.collect()  # little, since what former documents left is not looked at: no garbage is to be kept with what is frozen below
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
