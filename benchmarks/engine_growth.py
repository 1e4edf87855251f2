"""What work costs while ever more people are parked, and after many finished steps.

`steps`, `enrolling` and `mail` are measured in one database, which is filled to each of the sizes in turn; for `mail`
everybody parked has been sent one, too. `laps` are the same people over the same action again and again, while the
history grows.
"""

import argparse
import asyncio
import contextlib
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import engine_enrolling
import engine_ground as ground
import mail_delivery
from engine_ground import NOW

WAIT = ("Wait", {"WaitUnit": "days", "WaitAmount": 1})
STEPS, ENROLLING, MAIL = 1, 2, 3
"""Journeys; people are parked in the first."""
PARKED = 10_000_000_000
"""Ids of parked people begin here, so that those who move lie together as newcomers do."""
CHUNK = 500_000
KINDS = ("steps", "enrolling", "mail", "laps")
T = TypeVar("T")

_CONTENT = """
UPDATE emails SET content_type = 'Both', subject = $1, html_content = $2, plain_content = $3 WHERE email_id = 1
"""
_OWED = """
INSERT INTO deliveries (owner_id, kind, enrollment_id, action_id, visit, journey_id, list_id, subscriber_id, email_id,
                        next_attempt_at, created_at)
SELECT 1, 'mail', n, 300, 1, 3, 1, n, 1, now(), now() FROM generate_series($1::bigint, $2::bigint) n
"""
_SENT = """
INSERT INTO deliveries (owner_id, kind, enrollment_id, action_id, visit, journey_id, list_id, subscriber_id, email_id,
                        state, attempts, domain, reference, next_attempt_at, created_at, ended_at)
SELECT 1, 'mail', n, 300, 1, 3, 1, n, 1, 'sent', 1, 'example.com', '2.0.0 Ok', now(), now(), now()
FROM generate_series($1::bigint, $2::bigint) n
"""

Round = Callable[[int, int], ground.Timing]
"""The first and the last of new people → what it took to do the work for them, once they and it were there."""


@dataclass(frozen=True)
class Measured:
    """One line of a table, and one point of a plot."""

    people: int
    """Parked meanwhile; of laps: steps that were finished before."""
    per_second: float
    microseconds: float

    @classmethod
    def of(cls, people: int, side: ground.Side) -> "Measured":
        """The medians of the rounds."""
        return cls(people, side.per_second(), side.microseconds())


class Bench:
    """One database, and who has been put there so far."""

    def __init__(self, url: str, pool: ProcessPoolExecutor, given: argparse.Namespace) -> None:
        self._url = url
        self._pool = pool
        self._given = given
        self._parked = self._last = 0

    def _run(self, *statements: tuple[object, ...]) -> None:
        """Statements with their parameters, each for itself."""

        async def run() -> None:
            connection = await ground.connect(self._url)
            for statement, *parameters in statements:
                await connection.execute(statement, *parameters, timeout=3600)
            await connection.close()

        asyncio.run(run())

    def make(self) -> None:
        """The journeys, and what the mail says."""

        async def run() -> None:
            connection = await ground.connect(self._url)
            await ground.make_journey(connection, STEPS, [WAIT, WAIT])
            subject = engine_enrolling.TAGGED
            await ground.make_journey(connection, ENROLLING, [WAIT], trigger="Tag", subject=subject)
            await ground.make_journey(connection, MAIL, [("SendEmail", {"EmailID": 1})])
            await connection.close()

        asyncio.run(run())
        content = mail_delivery.contents("{{ Subscriber:EmailAddress }}", "{{ Link:Unsubscribe }}")
        # who is put in takes the number of the person; who is let in takes one that nobody has
        self._run(("SELECT setval(pg_get_serial_sequence('enrollments', 'enrollment_id'), $1)", PARKED // 10))
        self._run((_CONTENT, *content), ("UPDATE lists SET sender_email_address = 'news@example.com'",))

    async def _put_in(self, first: int, last: int, action_id: int, due_at: datetime) -> None:
        connection = await ground.connect(self._url)
        await ground.put_in(connection, first, last, journey_id=STEPS, action_id=action_id, due_at=due_at)
        await connection.close()

    def park(self, size: int, *, mailed: bool) -> None:
        """Let people wait for a year, until there are so many of them."""
        for begin in range(self._parked + 1, size + 1, CHUNK):
            first, last = PARKED + begin, PARKED + min(begin + CHUNK - 1, size)
            asyncio.run(self._put_in(first, last, 101, NOW + timedelta(days=365)))
            if mailed:
                self._run((_SENT, first, last))
        self._parked = size
        # what filling left to be written shall not be written while something is measured
        self._run(("VACUUM ANALYZE",))
        asyncio.run(ground.checkpoint(self._url))

    def steps(self, first: int, last: int) -> ground.Timing:
        """As many people, whose wait is over."""
        asyncio.run(self._put_in(first, last, 100, NOW))
        return ground.timed(self._pool, ground.by_engine, self._url)

    def enrolling(self, first: int, last: int) -> ground.Timing:
        """As many events, each of which lets somebody in."""
        asyncio.run(engine_enrolling.tell(self._url, first, last))
        timing = ground.timed(self._pool, engine_enrolling.by_batches, self._url)
        asyncio.run(engine_enrolling.check(self._url, first, last))
        ground.timed(self._pool, ground.by_engine, self._url)  # to their wait: nobody else shall find them due
        return timing

    def mail(self, port: int, folder: Path, first: int, last: int) -> ground.Timing:
        """As many mails, handed to a server and recorded."""
        self._run((ground.PEOPLE, first, last), (_OWED, first, last))
        postmaster = asyncio.run(ground.postmaster_of(self._url))
        used = ground.processor_of(postmaster)
        spent = asyncio.run(mail_delivery.ours(self._url, port, folder, last - first + 1))
        return ground.Timing(spent.wall, spent.processor + ground.processor_of(postmaster) - used)

    def while_parked(self, rounds: dict[str, tuple[int, Round]]) -> dict[str, list[Measured]]:
        """Name → how many people each round of it needs, and the round; all of them at each size."""
        found: dict[str, list[Measured]] = {name: [] for name in rounds}
        for size in self._given.sizes:
            self.park(size, mailed="mail" in rounds)
            sides = {name: ground.Side(name, sample) for name, (sample, _) in rounds.items()}
            for number in range(self._given.rounds + 1):
                for name, (sample, once) in rounds.items():
                    first, self._last = self._last + 1, self._last + sample
                    timing = once(first, self._last)
                    if number:  # the first round warms up
                        sides[name].rounds.append(timing)
            for name, side in sides.items():
                found[name].append(Measured.of(size, side))
        return found

    def laps(self) -> list[Measured]:
        """Each lap of the same people over the same action, while the history grows."""
        sample = self._given.lap
        asyncio.run(self._put_in(1, sample, 100, NOW))
        found = []
        for number in range(self._given.laps):
            self._again()
            timing = ground.timed(self._pool, ground.by_engine, self._url)
            found.append(Measured.of(number * sample, ground.Side("engine", sample, [timing])))
        return found[1:]

    def _again(self) -> None:
        """Everybody stands at the first action once more."""
        self._run(
            ("DELETE FROM timers",),
            ("UPDATE enrollments SET action_id = 100, due_at = $1, entered_at = $2", NOW, NOW - timedelta(days=1)),
            ("VACUUM timers, enrollments, runnable_journeys, counter_deltas",),
            (
                "INSERT INTO timers (shard, journey_id, due_at, owner_id, enrollment_id) "
                "SELECT subscriber_id % 16, journey_id, due_at, owner_id, enrollment_id FROM enrollments",
            ),
            ("UPDATE runnable_journeys SET next_due_at = $1", NOW),
        )


def some_of(kind: Callable[[str], T]) -> Callable[[str], list[T]]:
    """Read several of a kind, with commas between them."""
    return lambda given: [kind(each) for each in given.split(",")]


def thirds(laps: list[Measured]) -> dict[str, Measured]:
    """The medians of the first laps and of the last, under what they are."""
    third = max(1, len(laps) // 3)
    parts = {"first third of the laps": laps[:third], "last third of the laps": laps[-third:]}
    return {
        name: Measured(
            part[0].people,
            statistics.median(each.per_second for each in part),
            statistics.median(each.microseconds for each in part),
        )
        for name, part in parts.items()
    }


def publish(name: str, title: str, shown: dict[str, Measured], found: Sequence[Measured]) -> None:
    """A table of what is shown, and the whole series beside it."""
    first, *_ = shown.values()
    rows = [
        (
            label,
            f"{each.per_second:,.0f}",
            f"{first.per_second / each.per_second:.2f}x",
            f"{each.microseconds:,.0f}",
            f"{each.microseconds / first.microseconds:.2f}x",
        )
        for label, each in shown.items()
    ]
    columns = ("while", "a second", "slower than the first", "µs of processor", "dearer")
    ground.publish(f"growth_{name}", title, columns, rows, [asdict(each) for each in found])


@contextlib.contextmanager
def rounds_of(bench: Bench, given: argparse.Namespace) -> Iterator[dict[str, tuple[int, Round]]]:
    """What is measured while people are parked, with all it needs."""
    with contextlib.ExitStack() as stack:
        rounds: dict[str, tuple[int, Round]] = {}
        if "steps" in given.what:
            rounds["steps"] = (given.sample, bench.steps)
        if "enrolling" in given.what:
            rounds["enrolling"] = (given.sample, bench.enrolling)
        if "mail" in given.what:
            port = stack.enter_context(mail_delivery.sink())
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            rounds["mail"] = (given.mails, partial(bench.mail, port, folder))
        yield rounds


def main() -> None:
    """Print the tables and write the JSON beside them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--what", type=some_of(str), default=["steps", "enrolling", "laps"], help=", ".join(KINDS))
    parser.add_argument("--sizes", type=some_of(int), default=[10_000, 100_000, 1_000_000], help="parked, ascending")
    parser.add_argument("--sample", type=int, default=20_000, help="people, or events, of a round")
    parser.add_argument("--mails", type=int, default=2_000, help="of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lap", type=int, default=20_000, help="people of a lap")
    parser.add_argument("--laps", type=int, default=16)
    given = parser.parse_args()
    with ground.workers() as pool:
        if set(given.what) - {"laps"}:
            with ground.database() as url:
                bench = Bench(url, pool, given)
                bench.make()
                with rounds_of(bench, given) as rounds:
                    found = bench.while_parked(rounds)
            for name, line in found.items():
                shown = {f"{each.people:,} parked": each for each in line}
                publish(name, f"{name}, {rounds[name][0]:,} people at a time", shown, line)
        if "laps" in given.what:
            with ground.database("laps") as url:
                bench = Bench(url, pool, given)
                bench.make()
                laps = bench.laps()
            publish("laps", f"{given.laps * given.lap:,} steps in {given.laps:,} laps", thirds(laps), laps)


if __name__ == "__main__":
    main()
