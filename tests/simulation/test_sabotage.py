"""Without what keeps the promises the invariants break: a simulation that finds nothing wrong would else prove nothing.

Each test leaves one guard out, by SQL or by a variant built beside ours, and names the invariant that notices.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Row, text

from journeys_api.delivery import outbox
from journeys_api.delivery.outbox import Finished
from journeys_api.delivery.outcomes import Ending, Outcome
from journeys_api.delivery.sending import Sender
from journeys_api.engine import queues
from journeys_api.engine.isolation import Claimed
from journeys_api.engine.worker import Engine
from journeys_api.models import DeliveryKind
from tests.simulation.invariants import broken
from tests.simulation.world import World, sender_of

FIRST = 1_000_000_000
LEASE = timedelta(minutes=12)


async def _owing(world: World, people: int = 3) -> int:
    """Everybody has walked to the end and is owed a mail; the journey."""
    journey_id = await world.journey({"Action": "SendEmail", "EmailID": world.email_id})
    await world.let_in(journey_id, await world.put_people(people, first=FIRST))
    await world.worker.engine.run_until_quiet()
    return journey_id


async def _rescued(world: World) -> None:
    """The leases end, and what was under way is given back."""
    world.pass_time(minutes=13)
    async with world.sessions.begin() as session:
        await outbox.rescue(session, now=world.now)


async def _claim(world: World) -> outbox.Claims:
    async with world.sessions.begin() as session:
        return await outbox.claim(session, DeliveryKind.MAIL, limit=10, lease=LEASE, now=world.now)


async def _finish(world: World, claims: outbox.Claims, ending: Ending, *, is_fenced: bool) -> None:
    """Record the claims' ends, late; without the fence whoever has the deliveries now is overruled."""
    async with world.sessions.begin() as session:
        token: UUID = claims.token
        if not is_fenced:
            # a finish that does not ask for its own token: it takes whichever stands there
            ids = [row.delivery_id for row in claims.rows]
            found = await session.execute(
                text("SELECT lease_token FROM deliveries WHERE delivery_id = ANY(:ids) LIMIT 1"), {"ids": ids}
            )
            token = found.scalar_one()
        finished = [Finished(token, row, Outcome(ending)) for row in claims.rows]
        await outbox.finish(session, finished, now=world.now)


@pytest.mark.parametrize("is_fenced", [True, False], ids=["fenced", "unfenced"])
async def test_a_zombie_without_a_fence_lets_a_mail_be_sent_too_often(world: World, is_fenced: bool) -> None:
    await _owing(world)
    zombie = await _claim(world)
    world.mailer.taken += [row.delivery_id for row in zombie.rows]
    await _rescued(world)
    successor = await _claim(world)
    world.mailer.taken += [row.delivery_id for row in successor.rows]

    # the zombie's server said "not now" in the end: its finish reopens what the successor has sent
    await _finish(world, zombie, Ending.DEFERRED, is_fenced=is_fenced)
    await _finish(world, successor, Ending.ACCEPTED, is_fenced=True)
    world.pass_time(hours=1)
    for sender in world.worker.senders:
        await sender.run_until_quiet()

    found = await broken(world.sessions, accepted=world.mailer.taken, is_at_rest=False)
    too_often = [each for each in found if "more often than unknown ends explain" in each]
    assert bool(too_often) is not is_fenced


class SendsBeforeClaiming(Sender):
    """Hands messages over first and says so afterwards: a crash in between forgets that it did."""

    async def turn(self) -> int:
        """Send what is due, and die before it is written down."""
        async with self._sessions() as session:
            now = await self._clock.now(session)
            claims = await outbox.claim(session, DeliveryKind.MAIL, limit=10, lease=LEASE, now=now)
            prepared = await self._preparer.prepare(session, claims.rows)
            for row in claims.rows:
                attempt = prepared[row.delivery_id]
                assert not isinstance(attempt, Outcome)
                await attempt()
            await session.rollback()
        return 0


class DiesBeforeRecording(Sender):
    """Ours, killed between the server's answer and its recording."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._recorder.add = lambda finished: None  # type: ignore[method-assign]


@pytest.mark.parametrize(("kind", "is_ours"), [(DiesBeforeRecording, True), (SendsBeforeClaiming, False)])
async def test_sending_before_recording_sends_what_nobody_can_explain(
    world: World, kind: type[Sender], is_ours: bool
) -> None:
    await _owing(world)
    mortal = sender_of(world.sessions, world.app.settings, world.mailer, world.clock, kind=kind)

    await mortal.turn()
    await mortal.finish()
    await _rescued(world)
    for sender in world.worker.senders:
        await sender.run_until_quiet()

    found = await broken(world.sessions, accepted=world.mailer.taken)
    assert len(world.mailer.taken) == 6
    assert (found == []) is is_ours
    assert is_ours or "more often than unknown ends explain" in found[0]


async def _check_then_enter(world: World, journey_id: int, person: int, met: asyncio.Barrier) -> None:
    """What letting in would be without ON CONFLICT: look first, then insert."""
    async with world.sessions.begin() as session:
        inside = await session.execute(text("SELECT 1 FROM enrollments WHERE state = 'active'"))
        await met.wait()
        if not inside.all():
            await session.execute(
                text(
                    "INSERT INTO enrollments (owner_id, journey_id, list_id, subscriber_id, email_address, action_id, "
                    "entered_at, due_at, created_at) SELECT owner_id, :journey, :list, :person, 'a@example.com', "
                    "first_action_id, :now, :now, :now FROM journeys WHERE journey_id = :journey"
                ),
                {"journey": journey_id, "list": world.list_id, "person": person, "now": world.now},
            )


async def test_without_the_unique_index_a_race_lets_somebody_in_twice(world: World) -> None:
    journey_id = await world.journey({"Action": "Wait", "WaitAmount": 1, "WaitUnit": "hours"})
    (person,) = await world.put_people(1, first=FIRST)

    async def race() -> list[BaseException]:
        met = asyncio.Barrier(2)
        both = [_check_then_enter(world, journey_id, person, met) for _ in range(2)]
        return [each for each in await asyncio.gather(*both, return_exceptions=True) if each is not None]

    assert [type(each).__name__ for each in await race()] == ["IntegrityError"]
    assert "active twice" not in "\n".join(await broken(world.sessions))
    await world.change("DELETE FROM enrollments")
    await world.change("DROP INDEX uq_enrollments_active")
    assert await race() == []

    assert "somebody is active twice in one journey" in "\n".join(await broken(world.sessions))


@pytest.mark.parametrize("times", [1, 8])
async def test_eight_commands_at_once_let_somebody_in_once(world: World, times: int) -> None:
    journey_id = await world.journey({"Action": "Wait", "WaitAmount": 1, "WaitUnit": "hours"})
    ids = await world.put_people(3, first=FIRST)
    command = {"JourneyID": journey_id, "ListID": world.list_id}

    calls = [
        world.api.ok("subscriber.journey.trigger", **command, SubscriberID=each) for each in ids for _ in range(times)
    ]
    await asyncio.gather(*calls)
    await world.worker.engine.run_until_quiet()

    assert len(await world.rows("SELECT 1 FROM enrollments")) == len(ids)
    assert await broken(world.sessions) == []


async def test_without_the_effect_key_an_effect_is_owed_twice(world: World) -> None:
    await _owing(world)
    again = (
        "INSERT INTO deliveries (owner_id, kind, enrollment_id, action_id, visit, journey_id, list_id, subscriber_id, "
        "email_id, next_attempt_at, created_at) SELECT owner_id, kind, enrollment_id, action_id, visit, journey_id, "
        "list_id, subscriber_id, email_id, now(), now() FROM deliveries ON CONFLICT DO NOTHING"
    )

    await world.change(again)
    assert [each for each in await broken(world.sessions, is_at_rest=False) if "owed twice" in each] == []
    await world.change("DROP INDEX uq_deliveries_effect")
    await world.change(again)

    assert [each for each in await broken(world.sessions, is_at_rest=False) if "owed twice" in each] != []


class KeepsTimers(Engine):
    """Forgets to lock and to ask whether a timer is still the enrollment's own: steps are taken again."""

    async def _one(self, shard: int, work: Any, limit: int, claimed: Claimed) -> int:
        async with self._sessions.begin() as session:
            if not await queues.try_shard(session, shard):
                return 0
            now = await self._clock.now(session)
            kept: Sequence[Row[Any]] = []
            if work == self._step:
                rows = await session.execute(text("SELECT * FROM timers WHERE shard = :shard"), {"shard": shard})
                kept = rows.all()
                before = (await session.execute(text("SELECT * FROM enrollments WHERE state = 'active'"))).all()
            done = int(await work(session, shard, limit, claimed, now))
            if kept and done:
                await session.execute(
                    text("UPDATE enrollments SET seq = 0, action_id = :action, state = 'active', ended_at = NULL, "
                         "due_at = :due WHERE enrollment_id = ANY(:ids)"),
                    {"action": before[0].action_id, "due": now, "ids": [each.enrollment_id for each in before]},
                )  # fmt: skip
            return done


async def test_a_step_that_is_taken_again_forks_the_history(world: World) -> None:
    journey_id = await world.journey({"Action": "AddTag", "TargetTagID": world.tag_ids[0]})
    await world.let_in(journey_id, await world.put_people(2, first=FIRST, apart=16))
    engine = KeepsTimers(world.sessions, clock=world.clock)

    await engine.turn(FIRST % 16)

    found = "\n".join(await broken(world.sessions, is_at_rest=False))
    assert "a history has a gap or a fork" in found
    assert "an active enrollment has no timer" in found
    assert "the numbers of a journey are not those of its rows" in found


async def test_a_lost_timer_a_lost_round_and_a_wrong_number_are_noticed(world: World) -> None:
    journey_id = await world.journey({"Action": "Wait", "WaitAmount": 1, "WaitUnit": "hours"})
    await world.let_in(journey_id, await world.put_people(2, first=FIRST))
    await world.worker.engine.run_until_quiet()
    assert await broken(world.sessions) == []

    for sabotage, noticed in (
        ("DELETE FROM runnable_journeys", "not in the round"),
        ("INSERT INTO timers SELECT * FROM timers", "has two timers"),
        ("DELETE FROM timers", "has no timer"),
        ("UPDATE journey_totals SET active_count = active_count + 1", "numbers of a journey"),
        ("UPDATE action_totals SET total_count = total_count + 1", "numbers of an action"),
    ):
        await world.change(sabotage)
        assert noticed in "\n".join(await broken(world.sessions)), sabotage
