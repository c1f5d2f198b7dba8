"""Moving people to another model over a log in memory, with the agents running and without."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from actors.embedding import Embedded, HashEmbedder
from actors.embedding_queue import LocalEmbedding
from actors.local import local_backend
from actors.past.past import Past
from actors.past.queries import AskPast, Recalled
from actors.queries import GetState, SearchMemories, StateView
from cluster.reembedding import BATCH_PASSAGES_MAX, Moved, Person, PersonView, move_people
from events.catalogue import (
    EmbeddingModelSwitched,
    MemoryEmbedded,
    MessageEmbedded,
    ReembeddingBegun,
    UserRegistered,
)
from events.codec import Codec
from events.envelope import NewEvent
from events.errors import CommandRejected, Unavailable
from events.journal import Journal
from events.memory_keystore import MemoryKeyStore
from events.memory_log import MemoryLog
from events.sealing import KeyRing
from events.signals import MemorySignals
from projections.base import state_hash
from projections.rebuild import rebuild
from projections.retrieval_projection import RetrievalProjection
from projections.snapshots import NoSnapshots
from tests.unit.builders import new_message
from tests.unit.fakes.remembered import LINES, PEOPLE, remembered_log

OLD, NEW = HashEmbedder(), HashEmbedder(16)
ANN, BEN = (Person(name=user[4:], user=user, tenant="org") for user in PEOPLE)
VECTORS = frozenset({MessageEmbedded.__name__, MemoryEmbedded.__name__})


class Counting:
    """A model that counts its texts, and goes away after so many calls."""

    def __init__(self, model: HashEmbedder = NEW, calls_max: int = 1000) -> None:
        self.texts: list[str] = []
        self._model = model
        self._calls = calls_max

    async def embed(self, texts: Sequence[str]) -> Embedded:
        if not self._calls:
            raise Unavailable("it went away")
        self._calls -= 1
        self.texts += texts
        return Embedded(self._model.model_id, self._model.embed(texts))


async def move(
    journal: Journal, *people: Person, embedding: Counting | None = None, dry_run: bool = False
) -> list[Moved]:
    """Move people to the new model."""
    embedding = embedding or Counting()
    return await move_people(journal, people, embedding, NEW.model_id, dry_run=dry_run)


async def view_of(journal: Journal, person: Person) -> PersonView:
    """Return what a person's passages are now."""
    view = PersonView(journal, person.user)
    await view.catch_up()
    return view


async def test_person_is_moved_when_all_their_passages_are_embedded() -> None:
    """Each text once, in order: begun, vectors, switched; nobody else is touched."""
    journal, embedding = await remembered_log(), Counting()
    start = await journal.last_position()
    (moved,) = await move(journal, ANN, embedding=embedding)
    assert (moved.before, moved.model, moved.is_switched) == ("hash-64", "hash-16", True)
    assert moved.passages == moved.lacking == len(embedding.texts) > len(LINES)
    kinds = [event.envelope.type async for event in journal.read(start)]
    assert kinds[0] == ReembeddingBegun.__name__
    assert set(kinds[1:-1]) == VECTORS
    assert kinds[-1] == EmbeddingModelSwitched.__name__
    assert (await view_of(journal, ANN)).models == ("hash-16",)
    assert (await view_of(journal, BEN)).models == ("hash-64",)
    assert not any("4071" in text for text in embedding.texts)


async def test_dry_run_tells_what_lacks_and_changes_nothing() -> None:
    """Somebody who said nothing lacks nothing."""
    journal = await remembered_log()
    end = await journal.last_position()
    nobody = Person(name="zed", user="usr_zed", tenant="org")
    ann, zed = await move(journal, ANN, nobody, dry_run=True)
    assert ann.lacking == ann.passages > 0
    assert (ann.model, ann.is_switched) == ("hash-64", False)
    assert (zed.passages, zed.lacking, zed.before) == (0, 0, "")
    assert await move(journal, nobody) == [zed]
    assert await journal.last_position() == end


async def test_move_that_was_stopped_goes_on_where_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every text is embedded once in all; searches stay with the old model until the end."""
    monkeypatch.setattr("cluster.reembedding.BATCH_PASSAGES_MAX", 4)
    journal = await remembered_log()
    stopped, resumed = Counting(calls_max=2), Counting()
    with pytest.raises(Unavailable, match="went away"):
        await move(journal, ANN, embedding=stopped)
    assert (await view_of(journal, ANN)).models == ("hash-64", "hash-16")
    (moved,) = await move(journal, ANN, embedding=resumed)
    assert moved.is_switched
    assert len(stopped.texts) + len(resumed.texts) == moved.passages
    end = await journal.last_position()
    idle = Counting()
    (again,) = await move(journal, ANN, embedding=idle)
    assert (again.lacking, again.is_switched, idle.texts) == (0, False, [])
    assert await journal.last_position() == end


async def test_same_move_by_two_at_once_is_one_move(monkeypatch: pytest.MonkeyPatch) -> None:
    """What both append has the same ids: the log takes it once."""
    monkeypatch.setattr("cluster.reembedding.BATCH_PASSAGES_MAX", 1)
    journal = await remembered_log()
    start = await journal.last_position()

    class Meanwhile(Counting):
        """Lets somebody else do the whole move before its first answer."""

        async def embed(self, texts: Sequence[str]) -> Embedded:
            if not self.texts:
                self.texts += texts
                await move(journal, ANN)
            return await super().embed(texts)

    (moved,) = await move(journal, ANN, embedding=Meanwhile())
    assert moved.model == "hash-16"
    kinds = [event.envelope.type async for event in journal.read(start)]
    assert len(kinds) == moved.passages + 2
    assert BATCH_PASSAGES_MAX > 1


async def test_moving_there_and_back_ends_in_the_old_vectors() -> None:
    """A second move to the same model is another one: its events are not taken for the first's."""
    journal = await remembered_log()
    await move(journal, ANN)
    back = await move_people(journal, [ANN], Counting(OLD), OLD.model_id)
    assert (back[0].before, back[0].model) == ("hash-16", "hash-64")
    (moved,) = await move(journal, ANN)
    assert moved.is_switched
    assert (await view_of(journal, ANN)).lacking("hash-16") == []


async def test_model_whose_vectors_change_their_length_is_refused() -> None:
    """It would be embedded for ever: what is told is that it is another model."""
    journal = await remembered_log()
    with pytest.raises(Unavailable):
        await move(journal, ANN, embedding=Counting(HashEmbedder(16), calls_max=0))
    stopped = Counting(HashEmbedder(8), calls_max=1)
    view = await view_of(journal, ANN)
    assert view.models[-1] == "hash-16"
    await journal.append([vector_of_another_length(view)])
    with pytest.raises(CommandRejected, match="of another length"):
        await move(journal, ANN, embedding=stopped)


def vector_of_another_length(view: PersonView) -> NewEvent:
    """Return a vector under the new model's name that is not of its length."""
    first = view.lacking("hash-16")[0]
    payload = MessageEmbedded(message_id=first.id, model="hash-16", vector=b"\0\0" * 16)
    return NewEvent(
        event_id="evt_other",
        payload=payload,
        tenant="org",
        user=ANN.user,
        correlation_id="cor",
        producer="test",
    )


async def test_erased_person_is_left_out() -> None:
    """Who is erased while they are moved is no failure."""
    keystore = MemoryKeyStore(b"m" * 32)
    keys = KeyRing(keystore)
    journal = await remembered_log(keys)

    class Erasing(Counting):
        async def embed(self, texts: Sequence[str]) -> Embedded:
            keystore.destroy(ANN.user)
            return await super().embed(texts)

    assert await move(journal, ANN, embedding=Erasing()) == []


async def test_agents_go_on_while_a_person_is_moved() -> None:
    """Searches and new messages before, meanwhile and after; then live and rebuilt are equal.

    As of a moment before the switch, the past is searched by the old vectors.
    """
    journal = Journal(MemoryLog(0), Codec(KeyRing(MemoryKeyStore(b"m" * 32))))
    backend_of = local_backend([journal], MemorySignals(), OLD, others=[NEW])
    query = SearchMemories(
        user=ANN.user, tenant="org", query="antique copper lamps", method="embedding"
    )
    async with backend_of as backend:

        async def say(line: str, number: int) -> int:
            (position,) = await backend.append(0, [new_message(line, number)])
            await backend.wait_handled(0, position, timeout_s=20)
            return position

        async def best() -> str:
            end = await journal.last_position()
            found = await backend.ask(0, "search", query, min_position=end, timeout_s=20)
            return str(found.results[0].text)

        class Talking(Counting):
            """Says something while the first texts are being embedded."""

            async def embed(self, texts: Sequence[str]) -> Embedded:
                if not self.texts:
                    await say("My neighbour Bo collects antique copper kettles.", 90)
                    assert "lamps" in await best()
                return await super().embed(texts)

        await backend.append(0, [registered()])
        for number, line in enumerate(LINES):
            before = await say(line, number)
        assert "lamps" in await best()
        (moved,) = await move(journal, ANN, embedding=Talking())
        assert (moved.model, moved.is_switched) == ("hash-16", True)
        assert "lamps" in await best()
        await say("My cousin Wanda collects antique copper kettles.", 91)
        view = await view_of(journal, ANN)
        assert view.models == ("hash-16",)
        assert view.lacking("hash-16") == []
        live: StateView = await backend.ask(0, "search", GetState())
        rebuilt = RetrievalProjection()
        await rebuild(rebuilt, journal, live.position)
        assert state_hash(rebuilt) == live.state_hash
    past = Past(
        journal,
        snapshots=NoSnapshots(),
        embedding=LocalEmbedding(OLD, NEW),
        keys=journal.codec.keys,
    )
    then: Recalled = await past.ask(AskPast(agent="search", query=query, as_of=before))
    assert "lamps" in then.answer.results[0].text
    await past.close()


def registered() -> NewEvent:
    """Return that Ann is known by a name."""
    return NewEvent(
        event_id="evt_ann",
        payload=UserRegistered(external_id="ann"),
        tenant="org",
        user=ANN.user,
        correlation_id="cor",
        producer="test",
    )
