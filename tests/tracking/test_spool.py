"""Visits while the database is away: kept on disk, answered all the same, and brought in once."""

import asyncio
import secrets
import shutil
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from journeys_api.app import Application
from journeys_api.clock import Clock, FrozenClock, SystemClock
from journeys_api.db import make_engine, make_sessions
from journeys_api.models import ActivityKind
from journeys_api.settings import Settings
from journeys_api.tracking.hit_writer import HitWriter
from journeys_api.tracking.hits import Hit, Mark, is_committed, leave_mark
from journeys_api.tracking.spool import Spool
from tests.tracking.lines import Line

PATIENCE = 30.0


@dataclass
class Visits:
    """Visits of one account that nobody else's test looks at."""

    app: Application
    directory: Path
    line: Line
    owner_id: int = field(default_factory=lambda: 2**50 + secrets.randbelow(2**50))

    def hit(self, number: int = 1, *, at: datetime | None = None) -> Hit:
        """A click on a message, just now unless it was at another time."""
        return Hit(
            self.owner_id, number, ActivityKind.CLICKED, at or datetime.now(UTC), "https://shop.example/", None, "", "ü"
        )

    async def kept(self) -> list[int]:
        """The messages in the database, one for each visit."""
        async with self.app.sessions() as session:
            found = await session.scalars(
                text("SELECT delivery_id FROM tracking_hits WHERE owner_id = :owner ORDER BY delivery_id"),
                {"owner": self.owner_id},
            )
            return list(found)

    def files(self) -> list[Path]:
        """What lies on disk."""
        return sorted(self.directory.glob("*"))

    async def is_remembered(self, path: Path) -> bool:
        """Whether the database knows that a file was brought in."""
        async with self.app.sessions() as session:
            found = await session.scalar(text("SELECT 1 FROM spooled_files WHERE name = :name"), {"name": path.name})
            return found is not None

    @asynccontextmanager
    async def writer(
        self, *, patience: float = PATIENCE, clock: Clock | None = None, **spool: Any
    ) -> AsyncIterator[HitWriter]:
        """A process that writes visits over the line."""
        engine = make_engine(self.line.url, pool_size=2, statement_timeout=timedelta(seconds=10))
        made = HitWriter(
            make_sessions(engine), Spool(self.directory, **spool), clock=clock or SystemClock(), patience=patience
        )
        try:
            yield made
        finally:
            await made.close()
            await engine.dispose()


@pytest.fixture
async def visits(app: Application, settings: Settings, tmp_path: Path) -> AsyncIterator[Visits]:
    """A line to the application's database, and a directory of the test's own."""
    assert settings.database_url
    async with Line(settings.database_url).open() as line:
        yield Visits(app, tmp_path / "hits", line)


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for what another task does."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 (the other task tells nobody)
                await asyncio.sleep(0.01)
    except TimeoutError:
        pytest.fail(what)


async def test_visits_that_come_in_together_are_one_transaction(visits: Visits) -> None:
    async with visits.writer() as writer:
        await asyncio.gather(*(writer.write(visits.hit(number)) for number in range(200)))

    assert await visits.kept() == list(range(200))
    assert (writer.tally.written, writer.tally.spooled, writer.tally.lost) == (200, 0, 0)
    assert writer.tally.batches <= 2
    assert visits.files() == []


async def test_visits_go_to_disk_while_the_database_is_away_and_come_back_once(visits: Visits) -> None:
    async with visits.writer() as writer:
        visits.line.cut()
        for number in range(3):
            await writer.write(visits.hit(number))
        on_disk = visits.files()
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (visits.directory, *on_disk)]
        before = await visits.kept()
        visits.line.mend()
        await until(lambda: not visits.files(), "what was on disk is not brought in")
        await writer.write(visits.hit(3))

    assert len(on_disk) == 1
    assert modes == [0o700, 0o600]
    assert before == []
    assert await visits.kept() == [0, 1, 2, 3]
    assert (writer.tally.written, writer.tally.spooled, writer.tally.replayed) == (1, 3, 3)


async def test_a_silent_database_keeps_visitors_no_longer_than_the_patience_and_only_the_first(visits: Visits) -> None:
    async with visits.writer(patience=0.2) as writer:
        await writer.write(visits.hit(0))
        visits.line.fall_silent()
        await writer.write(visits.hit(1))
        asked = writer.tally.batches
        for number in range(2, 50):
            await writer.write(visits.hit(number))
        assert writer.tally.batches == asked
        visits.line.mend()
        await until(lambda: not visits.files(), "what was on disk is not brought in")

    assert await visits.kept() == list(range(50))


async def test_a_commit_that_nobody_heard_of_is_not_done_twice(visits: Visits) -> None:
    async with visits.writer(patience=5) as writer:
        await writer.write(visits.hit(0))
        visits.line.silent_after = b"COMMIT"
        await writer.write(visits.hit(1))
        assert writer.tally.spooled == 1
        async with asyncio.timeout(PATIENCE):
            while await visits.kept() != [0, 1]:  # noqa: ASYNC110 (the database tells nobody)
                await asyncio.sleep(0.01)
        visits.line.mend()
        await until(lambda: not visits.files(), "what was on disk is not brought in")
        await writer.write(visits.hit(2))

    assert await visits.kept() == [0, 1, 2]


# asked of the locks: what a transaction sees of the others' activity is what it saw first
WAITING = "SELECT EXISTS (SELECT FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid)))"


async def test_the_first_commit_of_a_process_is_waited_for_while_it_is_under_way(visits: Visits) -> None:
    mark, now = Mark(secrets.token_hex(8), 1), datetime.now(UTC)

    async def ask() -> bool:
        async with visits.app.sessions.begin() as session:
            return await is_committed(session, mark, now=now)

    async with visits.app.sessions() as writing:
        await leave_mark(writing, mark, now=now)
        asking = asyncio.create_task(ask())
        while not asking.done() and not await writing.scalar(text(WAITING)):  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.01)
        await writing.commit()

    assert await asking


async def test_a_commit_that_never_arrived_is_made_up_for(visits: Visits) -> None:
    async with visits.writer(patience=5) as writer:
        await writer.write(visits.hit(0))
        visits.line.loses = b"COMMIT"
        await writer.write(visits.hit(1))
        assert writer.tally.spooled == 1
        visits.line.mend()
        await until(lambda: not visits.files(), "what was on disk is not brought in")

    assert await visits.kept() == [0, 1]


async def test_a_file_that_is_there_again_is_not_read_again(visits: Visits, tmp_path: Path) -> None:
    """As after a crash between the commit and the deletion."""
    async with visits.writer() as writer:
        visits.line.cut()
        await writer.write(visits.hit())
        [path] = visits.files()
        shutil.copy(path, tmp_path / "copy")
        visits.line.mend()
        await until(lambda: not visits.files(), "what was on disk is not brought in")
        shutil.copy(tmp_path / "copy", path)

        assert await writer.replay()

    assert await visits.kept() == [1]
    assert visits.files() == []


async def spooled(visits: Visits, writer: HitWriter, hit: Hit) -> tuple[Path, bytes]:
    """Let a visit go to disk and come back; the file that it was in, and what that held."""
    visits.line.cut()
    await writer.write(hit)
    [path] = visits.files()
    content = path.read_bytes()
    visits.line.mend()
    await until(lambda: not visits.files(), "what was on disk is not brought in")
    await until(lambda: not writer.is_away, "the database is still taken for away")
    return path, content


async def test_what_is_forgotten_of_files_cannot_count_one_twice(visits: Visits) -> None:
    clock = FrozenClock(datetime.now(UTC))
    async with visits.writer(clock=clock) as writer:
        path, content = await spooled(visits, writer, visits.hit(1))
        clock.tick(timedelta(days=394))
        await spooled(visits, writer, visits.hit(2, at=clock.now()))
        is_kept = await visits.is_remembered(path)
        clock.tick(timedelta(days=2))
        last, _ = await spooled(visits, writer, visits.hit(3, at=clock.now()))
        is_forgotten = not await visits.is_remembered(path)
        path.write_bytes(content)

        assert await writer.replay()

    assert (is_kept, is_forgotten) == (True, True)
    assert await visits.is_remembered(last)
    assert await visits.kept() == [1, 2, 3]
    [refused] = visits.files()
    assert (refused.suffix, refused.read_bytes()) == (".refused", content)
    assert not await visits.is_remembered(path)


async def test_a_mark_is_remembered_as_long_as_its_file_may_come_back(visits: Visits) -> None:
    clock = FrozenClock(datetime.now(UTC))
    async with visits.writer(clock=clock, patience=5) as writer:
        visits.line.silent_after = b"COMMIT"
        await writer.write(visits.hit(1))
        async with asyncio.timeout(PATIENCE):
            while await visits.kept() != [1]:  # noqa: ASYNC110 (the database tells nobody)
                await asyncio.sleep(0.01)
        await writer.close()
        [path] = visits.files()
        content = path.read_bytes()
    path.unlink()
    visits.line.mend()
    clock.tick(timedelta(days=364))
    async with visits.writer(clock=clock) as later:
        await spooled(visits, later, visits.hit(2, at=clock.now()))
        path.write_bytes(content)

        assert await later.replay()

    assert await visits.kept() == [1, 2]
    assert visits.files() == []


@pytest.mark.parametrize(("days", "kept", "suffixes"), [(364, [1], []), (366, [], [".refused"])])
async def test_a_file_is_brought_in_by_itself_for_a_year(
    visits: Visits, days: int, kept: list[int], suffixes: list[str]
) -> None:
    clock = FrozenClock(datetime.now(UTC))
    visits.line.cut()
    async with visits.writer(clock=clock) as writer:
        await writer.write(visits.hit(1))
    visits.line.mend()
    clock.tick(timedelta(days=days))
    async with visits.writer(clock=clock) as later:
        assert await later.replay()

    assert await visits.kept() == kept
    assert [path.suffix for path in visits.files()] == suffixes


async def test_what_a_dead_process_left_is_brought_in_and_a_living_ones_left_alone(visits: Visits) -> None:
    visits.line.cut()
    async with visits.writer() as first:
        await first.write(visits.hit())
        whole = Line(str(visits.app.settings.database_url))
        async with whole.open():
            other = Visits(visits.app, visits.directory, whole, visits.owner_id)
            async with other.writer() as second:
                assert await second.replay()
                while_alive = await visits.kept()
                await first.close()
                assert await second.replay()

    assert while_alive == []
    assert await visits.kept() == [1]
    assert visits.files() == []


async def test_half_a_line_spoils_nothing(visits: Visits) -> None:
    async with visits.writer() as writer:
        visits.line.cut()
        await writer.write(visits.hit(1))
        [path] = visits.files()
        with path.open("ab") as file:
            file.write(b'{"mark":null,"hits":[[1,2,"clic')
        visits.line.mend()
        await until(lambda: not visits.files(), "what was on disk is not brought in")

    assert await visits.kept() == [1]


async def test_beyond_its_size_the_spool_takes_nothing_and_visitors_are_answered(visits: Visits) -> None:
    async with visits.writer(most_bytes=400) as writer:
        visits.line.cut()
        for number in range(10):
            await writer.write(visits.hit(number))
        assert sum(path.stat().st_size for path in visits.files()) <= 400

    tally = writer.tally
    assert tally.spooled > 0
    assert tally.lost > 0
    assert tally.spooled + tally.lost == 10


async def test_what_the_database_will_never_take_is_set_aside(visits: Visits) -> None:
    wrong = Hit(visits.owner_id, 1, ActivityKind.CONVERTED, datetime.now(UTC))
    async with visits.writer() as writer:
        await writer.write(wrong)
        await until(lambda: [path.suffix for path in visits.files()] == [".refused"], "it is not set aside")
        await until(lambda: not writer.is_away, "the database is still taken for away")
        await writer.write(visits.hit(2))

    assert await visits.kept() == [2]
    assert writer.tally.written == 1
