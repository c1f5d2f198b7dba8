"""Jobs: one id for one job, units that are done once, wrong arguments told before anything runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import cast

import pytest

from cluster.cli_output import WrongUse
from cluster.jobs.journal import JobJournal, histories, history_of, subject_of
from cluster.jobs.kinds import KINDS, kind_of
from cluster.jobs.run import Worker, attempt
from cluster.jobs.work import Job, Kind, Options, Place, Result, Tell
from cluster.settings import Settings
from events.codec import Codec
from events.envelope import Event
from events.errors import CorruptLog, VersionConflict
from events.journal import Journal
from events.memory_keystore import MemoryKeyStore
from events.memory_log import MemoryLog
from events.sealing import KeyRing

UNITS = ("one", "two", "three")
JOB = Job(kind="count", data="/data", arguments=("--to=3",))


@pytest.fixture
def journal() -> Journal:
    return Journal(MemoryLog(0), Codec(KeyRing(MemoryKeyStore())))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(settings=Settings(data_dir=tmp_path))


async def _units(place: Place, options: Options) -> Sequence[str]:
    return UNITS


async def _work(place: Place, options: Options, unit: str, tell: Tell) -> Result:
    return {"letters": len(unit)}


def _total(results: Mapping[str, Result]) -> Result:
    return {"letters": sum(result["letters"] for result in results.values())}


#: A kind that counts letters: what a job does is not what these tests are about.
COUNT = Kind(
    name="count",
    summary="count letters",
    arguments=KINDS["export"].arguments[2:4],
    check=lambda directory, options: None,
    units=_units,
    work=_work,
    total=_total,
)


class Working:
    """Does units and notes which; ends in `error` before the unit `until`."""

    def __init__(self, *, until: str = "", error: BaseException | None = None) -> None:
        self.done: list[str] = []
        self._until = until
        self._error = error

    async def __call__(self, units: Sequence[str]) -> AsyncGenerator[tuple[str, Result], None]:
        for unit in units:
            if self._error is not None and unit == self._until:
                raise self._error
            self.done.append(unit)
            yield unit, {"letters": len(unit)}


class Killed(BaseException):
    """What happens to a driver that hears nothing any more."""


async def perform(place: Place, journal: Journal, working: Working) -> Result:
    return await attempt(COUNT, JOB, place, journal, cast(Worker, working), lambda line: None)


async def recorded(journal: Journal) -> list[Event]:
    return [event async for event in journal.read(user=subject_of(JOB.job_id))]


def test_id_is_the_same_when_the_arguments_say_the_same(tmp_path: Path) -> None:
    """Order, spelling and the folder one stands in do not make another job."""
    export = KINDS["export"]
    path = str(tmp_path / "a.jsonl")
    one = export.job(tmp_path, [path, "--from", "5", "--to", "9"])
    same = export.job(tmp_path, ["--to=09", f"{tmp_path}/b/../a.jsonl", "--from=5"])
    assert one.job_id == same.job_id
    assert export.job(tmp_path, [path, "--from", "6"]).job_id != one.job_id
    assert export.job(tmp_path / "other", list(one.arguments)).job_id != one.job_id
    assert KINDS["verify"].job(tmp_path, []).job_id != KINDS["rebuild"].job(tmp_path, []).job_id


def test_arguments_hold_no_name_when_a_user_is_named(tmp_path: Path) -> None:
    """The log and Ray see the opaque id, which is the same for the name and for itself."""
    replay = KINDS["replay"]
    out = str(tmp_path / "state.json")
    named = replay.job(tmp_path, ["--user", "ann@example.org", "--out", out])
    assert "ann" not in " ".join(named.arguments)
    opaque = next(one for one in named.arguments if one.startswith("--user="))
    assert opaque.startswith("--user=usr_")
    assert replay.job(tmp_path, [opaque, "--out", out]).job_id == named.job_id


@pytest.mark.parametrize(
    ("kind", "arguments", "told"),
    [
        ("verify", ["--fast"], "unrecognized arguments: --fast"),
        ("rebuild", ["--projection", "dreams"], "dreams is no projection; there are core"),
        ("replay", ["--to", "yesterday"], "'yesterday' is no moment"),
        ("eval", ["poems", "x.json"], "'poems' is none; choose from locomo, extraction"),
        ("eval", [], "required: SET, FILE"),
        ("eval", ["locomo", "x.json", "--limit-conversations", "0"], "whole number from 1 up"),
        ("backup", ["/backup"], "required: --keys-to"),
        ("restore", ["", "--keys-from", "/keys"], "it is empty; expected a path"),
        ("export", ["x.jsonl", "--from", "-3"], "--from"),
    ],
)
def test_wrong_arguments_are_told_before_anything_runs(
    kind: str, arguments: list[str], told: str
) -> None:
    """One line, which names the kind of job and what is wrong."""
    with pytest.raises(WrongUse) as refusal:
        KINDS[kind].options(arguments)
    assert told in refusal.value.message
    assert refusal.value.message.startswith(f"{kind}: ")
    assert "\n" not in refusal.value.message


def test_unknown_kind_is_refused() -> None:
    """The line names those there are."""
    with pytest.raises(WrongUse, match="rebuild, replay, verify, eval, export, backup, restore"):
        kind_of("dream")


async def test_job_is_in_the_log_from_beginning_to_end(place: Place, journal: Journal) -> None:
    """Submitted, one event a unit, finished: all under the job's own subject, in clear."""
    assert await perform(place, journal, Working()) == {"letters": 11}
    events = await recorded(journal)
    kinds = [event.envelope.type for event in events]
    assert kinds == ["JobSubmitted", *["JobProgressed"] * 3, "JobFinished"]
    assert {event.envelope.correlation_id for event in events[1:]} == {events[0].id}
    assert not any(event.envelope.sealed for event in events)
    history = (await histories(journal))[JOB.job_id]
    assert (history.state, history.result, history.total) == ("succeeded", {"letters": 11}, 3)


async def test_job_goes_on_where_its_driver_was_lost(place: Place, journal: Journal) -> None:
    """What an attempt has recorded as done, the next one does not do again."""
    with pytest.raises(Killed):
        await perform(place, _mute_at_the_end(journal), Working(until="three", error=Killed()))
    assert (await history_of(journal, JOB.job_id)).state == "running"
    working = Working()
    assert await perform(place, journal, working) == {"letters": 11}
    assert working.done == ["three"]
    units = [
        event.payload.unit  # type: ignore[attr-defined]
        for event in await recorded(journal)
        if event.envelope.type == "JobProgressed"
    ]
    assert units == list(UNITS)
    assert (await history_of(journal, JOB.job_id)).attempt == 2


def _mute_at_the_end(journal: Journal) -> Journal:
    """Return the journal of a driver that is killed: it cannot say that it ended."""

    class Mute(Journal):
        async def append(self, events, *, expected=None):  # type: ignore[no-untyped-def]
            if type(events[0].payload).__name__ == "JobFinished":
                raise Killed
            return await journal.append(events, expected=expected)

    return Mute(journal._log, journal.codec)


async def test_job_goes_on_after_a_failure_that_it_tells(place: Place, journal: Journal) -> None:
    """The reason is in the log; what was done stays done."""
    broken = Working(until="two", error=CorruptLog("position 7 is gone"))
    with pytest.raises(CorruptLog):
        await perform(place, journal, broken)
    history = await history_of(journal, JOB.job_id)
    assert (history.state, history.error) == ("failed", "position 7 is gone")
    working = Working()
    await perform(place, journal, working)
    assert working.done == ["two", "three"]


async def test_reason_quotes_nobody_when_the_error_is_not_ours(
    place: Place, journal: Journal
) -> None:
    """A library's error may hold what a person said; the log gets its kind alone."""
    with pytest.raises(ValueError, match="Ann"):
        await perform(place, journal, Working(until="one", error=ValueError("Ann said it")))
    assert (await history_of(journal, JOB.job_id)).error == "ValueError"


async def test_job_begins_anew_when_it_had_succeeded(place: Place, journal: Journal) -> None:
    """A success is an end: submitted again, everything is done and recorded again."""
    await perform(place, journal, Working())
    working = Working()
    await perform(place, journal, working)
    assert working.done == list(UNITS)
    history = await history_of(journal, JOB.job_id)
    assert (history.attempt, history.state) == (2, "succeeded")
    assert len(await recorded(journal)) == 10


async def test_driver_writes_nothing_more_when_another_took_over(
    place: Place, journal: Journal
) -> None:
    """Thought lost, it comes back: its unit is refused, and it says nothing about the end."""
    late = await JobJournal.begin(journal, JOB)
    await perform(place, journal, Working())
    before = len(await recorded(journal))
    with pytest.raises(VersionConflict, match="took"):
        await late.progressed("one", 3, {"letters": 3})
    with pytest.raises(VersionConflict, match="took"):
        await late.finished("failed", {}, "lost")
    assert len(await recorded(journal)) == before


async def test_one_of_two_drivers_begins_when_both_begin_at_once(journal: Journal) -> None:
    """Both have read the same history; the log takes one of them."""

    class Slow(Journal):
        async def append(self, events, *, expected=None):  # type: ignore[no-untyped-def]
            await JobJournal.begin(journal, JOB)
            return await journal.append(events, expected=expected)

    with pytest.raises(VersionConflict, match="began at this moment"):
        await JobJournal.begin(Slow(journal._log, journal.codec), JOB)
    assert (await history_of(journal, JOB.job_id)).attempt == 1
