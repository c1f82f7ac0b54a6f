"""What is in force when a worker refuses, and when certificates are renewed at a bad moment. Listeners and files are real; the workers are not, as no
real one refuses a document that holds against all rules."""

from __future__ import annotations

import asyncio
import dataclasses
import os

import pytest

from tandem._model import Certificate, Document, Frontend, LoadBalancer, Node
from tandem._paths import Paths
from tandem._store import Store
from tandem.proxy.service import document as documents
from tandem.proxy.service.in_force import InForce, NotUsed
from tandem.proxy.service.workers import WorkerRefused
from tests.support.node import ADDRESS, free_port, occupied
from tests.support.tls import pair

EDGE = LoadBalancer("edge", master=Node("a", "192.0.2.1"), backup=Node("b", "192.0.2.2"))


class Obedient:
    """Workers that do as they are told, but for the documents in ``refused`` (by generation)."""

    def __init__(self):
        self.refused = set()
        self.told = []

    async def load(self, what):
        generation = documents.json_slices.loads(what.document)["generation"]
        if generation in self.refused:
            raise WorkerRefused("worker 1 does not take it")
        self.told.append((generation, sorted(want.place[1] for want, *_held in what.held)))

    def rows(self, _document):
        return {}

    def health(self, changed):
        pass


@pytest.fixture
def store(tmp_path):
    paths = Paths(tmp_path)
    for folder in (paths.etc, paths.keys, paths.run, paths.state):
        folder.mkdir(parents=True, exist_ok=True)
    return Store(paths)


def write(store, generation, *things):
    document = Document()
    for thing in (EDGE, *things):
        document = document.with_object(thing)
    with store.lock(1.0):
        store.write(dataclasses.replace(document, generation=generation))


def listens(port, name="web"):
    return Frontend("edge", name, port, (ADDRESS,), redirect_to_https=True)


def run(store, workers, test):
    async def whole():
        failures = []
        ours = InForce(store, workers, lambda: failures.append("the program has failed"))
        await ours.start()
        try:
            await test(ours)
        finally:
            ours.stop()
        assert failures == []

    asyncio.run(whole())


def test_after_a_worker_has_refused_a_document_the_former_one_is_whole_again_with_what_it_has_yet_to_bind(store):
    taken, free, workers = free_port(), free_port(), Obedient()
    workers.refused.add(2)

    async def test(ours):
        with pytest.raises(NotUsed, match="does not take it"):
            write(store, 2, listens(free))
            await ours.load(2)
        assert ours.document.generation == 1
        assert list(ours.listening.sockets) == []
        assert list(ours.problems()) == [(ADDRESS, taken)]
        assert ours.listening.is_missing

    write(store, 1, listens(taken))
    with occupied(taken):
        run(store, workers, test)
    assert workers.told == [(1, []), (1, [])]


def test_a_listener_that_both_documents_want_is_kept_when_a_worker_refuses(store):
    both, workers = free_port(), Obedient()
    workers.refused.add(2)

    async def test(ours):
        before = dict(ours.listening.sockets)
        write(store, 2, listens(both), listens(free_port(), "new"))
        with pytest.raises(NotUsed):
            await ours.load(2)
        assert ours.listening.sockets == before

    write(store, 1, listens(both))
    run(store, workers, test)


def test_a_certificate_that_is_renewed_while_a_document_is_read_is_taken_up_later(store, tmp_path, monkeypatch):
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"

    def renew(made):
        for path, text in ((key, made.key), (chain, made.chain)):
            path.with_suffix(".new").write_text(text)
            os.replace(path.with_suffix(".new"), path)

    former, new = pair("shop.test"), pair("shop.test", "new.test")
    renew(former)
    watched = Certificate("edge", "shop", certificate_path=str(chain), private_key_path=str(key), watch=True)
    really_read = documents.read_pairs

    def renewed_as_it_is_read(*arguments):
        found = really_read(*arguments)
        renew(new)
        return found

    async def test(ours):
        write(store, 2, watched, listens(free_port()))
        with monkeypatch.context() as patched:
            patched.setattr(documents, "read_pairs", renewed_as_it_is_read)
            await ours.load(2)
        assert ours.loaded.pairs["edge/shop"].names == former.names
        await ours.take_up_renewed()
        assert ours.loaded.pairs["edge/shop"].names == new.names

    write(store, 1, watched, listens(free_port()))
    run(store, Obedient(), test)


def test_a_certificate_that_could_not_be_read_is_taken_up_when_its_mode_is_mended(store, tmp_path):
    chain, key, made = tmp_path / "chain.pem", tmp_path / "key.pem", pair("shop.test")
    chain.write_text(made.chain)
    key.write_text(made.key)
    watched = Certificate("edge", "shop", certificate_path=str(chain), private_key_path=str(key), watch=True)
    write(store, 1, watched)
    before = documents.read(store)
    os.chmod(key, 0o640)
    assert documents.renewed(before, store.paths.keys, []).files != before.files
