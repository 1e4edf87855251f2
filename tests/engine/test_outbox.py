"""The outbox from outside: what is sent, held, withdrawn, tried again, and what a lost worker leaves behind."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.delivery import outbox
from journeys_api.delivery.outbox import Claimed, Finished, retry_at
from journeys_api.delivery.outcomes import Ending, Outcome
from journeys_api.delivery.sending import Attempt, Pace, Sender
from journeys_api.journeys.action_types import DAYS
from journeys_api.models import DeliveryKind
from journeys_api.settings import Settings
from journeys_api.work import Worker
from tests.conftest import Client
from tests.delivery.egress.servers import answer, serving
from tests.engine.conftest import Audience, Work, running, telephone

LEASE = timedelta(minutes=10)
OWED_AT = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "waits"),
    [
        ("mail", [60, 300, 900, 3600, *[4 * 3600] * 17]),
        ("confirmation", [60, 300, 900, 3600, *[4 * 3600] * 17]),
        ("webhook", [5, 300, 1800, 7200, 18000, 36000]),
        ("sms", [5, 300, 1800, 7200, 18000, 36000]),
    ],
)
def test_the_ladder_of_each_kind(kind: str, waits: list[int]) -> None:
    now = OWED_AT
    found: list[int] = []
    while True:
        again = retry_at(kind, attempts=len(found) + 1, first_at=OWED_AT, now=now)
        if again is None:
            break
        found.append(int((again - now).total_seconds()))
        now = again

    assert found == waits
    assert now - OWED_AT <= timedelta(hours=72)


async def owed_mail(api: Client, audience: Audience, work: Work, address: str, email_id: int) -> tuple[int, int]:
    """A journey that owes somebody a mail that is not sent yet; with the subscriber."""
    journey_id = await running(api, {"Action": "SendEmail", "EmailID": email_id})
    subscriber_id = await audience.subscribe(address)
    await audience.enter(journey_id, subscriber_id)
    await work.move()
    assert await work.deliveries(journey_id) == [("mail", "pending", None)]
    return journey_id, subscriber_id


@pytest.mark.parametrize("obstacle", ["not subscribed", "hard bounced", "suppressed", "the subscriber is gone"])
async def test_a_mail_that_is_not_wanted_any_more_is_withdrawn(
    api: Client, audience: Audience, work: Work, address: str, email_id: int, obstacle: str
) -> None:
    journey_id, subscriber_id = await owed_mail(api, audience, work, address, email_id)
    match obstacle:
        case "not subscribed":
            await api.ok("subscriber.unsubscribe", ListID=audience.list_id, EmailAddress=address, IPAddress="127.0.0.1")
        case "hard bounced":
            await audience.update(subscriber_id, BounceType="Hard")
        case "suppressed":
            await api.ok("suppression.import", EmailAddressesBulk=address.upper())
        case _:
            await work.change("DELETE FROM subscribers WHERE subscriber_id = :person", person=subscriber_id)

    await work.run()

    assert await work.deliveries(journey_id) == [("mail", "withdrawn", obstacle)]
    assert work.mails_to(address) == []
    assert await work.ends(journey_id) == [("completed", None)], "no delivery's end moves anybody"
    stats = (await api.ok("journey.get", JourneyID=journey_id))["JourneyStats"]
    assert stats["AggregatedEmailActions"]["SendCount"] == 0


async def owed_short_message(
    api: Client, admin: Client, audience: Audience, work: Work, address: str, *, url: str = "", **parameters: Any
) -> tuple[int, int]:
    """A journey that owes somebody a short message that is not sent yet; with the subscriber.

    Args:
        url: of the gateway; without one it logs.
    """
    gateway = {"GatewayType": "HTTP", "Credentials": {"URL": url}} if url else {}
    gateway_id, field_id = await telephone(api, admin, audience, **gateway)
    journey_id = await running(api, {"Action": "SendSMS", "message": "Hi", "gateway_id": gateway_id, **parameters})
    subscriber_id = await audience.subscribe(address, **{f"CustomField{field_id}": "+14155550123"})
    await audience.enter(journey_id, subscriber_id)
    await work.move()
    assert await work.deliveries(journey_id) == [("sms", "pending", None)]
    return journey_id, subscriber_id


@pytest.mark.parametrize("obstacle", ["not subscribed", None])
async def test_a_short_message_asks_for_the_subscription_and_not_for_the_address(
    api: Client, admin: Client, audience: Audience, work: Work, address: str, obstacle: str | None
) -> None:
    journey_id, subscriber_id = await owed_short_message(api, admin, audience, work, address)
    if obstacle:
        await api.ok("subscriber.unsubscribe", ListID=audience.list_id, EmailAddress=address, IPAddress="127.0.0.1")
    else:
        await audience.update(subscriber_id, BounceType="Hard")
        await api.ok("suppression.import", EmailAddressesBulk=address)

    await work.run()

    assert await work.deliveries(journey_id) == [("sms", "withdrawn" if obstacle else "sent", obstacle)]


async def test_what_a_disabled_journey_owes_is_held_until_it_is_enabled(
    api: Client, audience: Audience, work: Work, address: str, email_id: int
) -> None:
    journey_id, _ = await owed_mail(api, audience, work, address, email_id)
    await api.ok("journey.disable", JourneyID=journey_id)

    await work.run(hours=1)
    assert await work.deliveries(journey_id) == [("mail", "held", None)]
    await api.ok("journey.enable", JourneyID=journey_id)
    await work.run()

    assert await work.deliveries(journey_id) == [("mail", "sent", None)]
    assert len(work.mails_to(address)) == 1


async def test_a_held_mail_of_a_deleted_journey_is_withdrawn(
    api: Client, audience: Audience, work: Work, address: str, email_id: int
) -> None:
    journey_id, _ = await owed_mail(api, audience, work, address, email_id)
    await api.ok("journey.disable", JourneyID=journey_id)
    await work.run()

    await api.ok("journey.delete", JourneyID=journey_id)
    await work.run()

    assert await work.deliveries(journey_id) == [("mail", "withdrawn", "journey deleted")]


@pytest.mark.parametrize(("command", "end"), [("enable", ("sent", None)), ("delete", ("withdrawn", "journey deleted"))])
async def test_what_a_claim_holds_while_its_journey_is_enabled_or_deleted_is_not_forgotten(
    api: Client, audience: Audience, work: Work, address: str, email_id: int, command: str, end: tuple[str, str | None]
) -> None:
    journey_id, _ = await owed_mail(api, audience, work, address, email_id)
    await api.ok("journey.disable", JourneyID=journey_id)

    async with work.worker.sessions.begin() as session:
        await outbox.claim(session, DeliveryKind.MAIL, limit=100, lease=LEASE, now=work.clock.instant)
        await api.ok(f"journey.{command}", JourneyID=journey_id)
        await work.move()
    assert await work.deliveries(journey_id) == [("mail", "held", None)]
    await rescue(work)
    await work.run()

    assert await work.deliveries(journey_id) == [("mail", *end)]
    assert await work.rows("SELECT 1 FROM journey_jobs WHERE journey_id = :j", j=journey_id) == []


async def test_a_disabled_journey_goes_on_holding(
    api: Client, audience: Audience, work: Work, address: str, email_id: int
) -> None:
    journey_id, _ = await owed_mail(api, audience, work, address, email_id)
    await api.ok("journey.disable", JourneyID=journey_id)
    await work.run()

    await rescue(work)
    await work.run()

    assert await work.deliveries(journey_id) == [("mail", "held", None)]


async def test_a_webhook_is_tried_again_until_it_is_taken_and_holds_nobody(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    async with serving(answer(503)) as server:
        journey_id = await running(api, {"Action": "Webhook", "WebhookURL": server.url()}, {"Action": "Debug"})
        await audience.enter(journey_id, await audience.subscribe(address))
        await work.run()
        assert await work.ends(journey_id) == [("completed", None)]
        for seconds in (5, 300, 1800, 7200, 18000, 36000):
            assert await work.deliveries(journey_id) == [("webhook", "pending", "http_503")]
            tries = len(server.calls)
            await work.run(seconds=seconds + 1)
            assert len(server.calls) == tries + 1

    assert await work.deliveries(journey_id) == [("webhook", "refused", "http_503")]
    assert len({call.headers["webhook-id"] for call in server.calls}) == 1


async def test_a_receiver_may_ask_to_be_left_alone_for_longer(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    async with serving(answer(429, b"", "Retry-After: 600")) as server:
        journey_id = await running(api, {"Action": "Webhook", "WebhookURL": server.url()})
        await audience.enter(journey_id, await audience.subscribe(address))
        await work.run()
        await work.run(seconds=500)
        assert len(server.calls) == 1
        await work.run(seconds=105)
        assert len(server.calls) == 2


async def test_a_short_message_keeps_to_its_window_whenever_it_is_tried(
    api: Client, admin: Client, audience: Audience, work: Work, address: str
) -> None:
    work.pass_time(days=1)
    work.clock.instant = noon = work.clock.instant.replace(hour=12, minute=0, second=0, microsecond=0)
    window = {"start_time": "11:00", "end_time": "12:01", "days": list(DAYS)}

    async with serving(answer(503)) as server:
        journey_id, _ = await owed_short_message(
            api, admin, audience, work, address, url=server.url(), delivery_window_enabled=True, delivery_window=window
        )
        await work.run()
        await work.run(seconds=6)
        assert len(server.calls) == 2
        await work.run(minutes=6)
        assert len(server.calls) == 2, "its third try would be outside of the window"
        (row,) = await work.rows("SELECT attempts, next_attempt_at FROM deliveries WHERE journey_id = :j", j=journey_id)
        assert (row.attempts, row.next_attempt_at) == (2, noon + timedelta(hours=23))
        assert await work.deliveries(journey_id) == [("sms", "pending", "outside of the delivery window")]

        work.clock.instant = noon + timedelta(hours=23)
        await work.run()
        assert len(server.calls) == 3


@pytest.mark.parametrize(("most", "tries"), [(0, 1), ("2", 3), (10, 7), (None, 7)])
async def test_a_short_message_is_tried_again_as_often_as_its_action_says(
    api: Client, admin: Client, audience: Audience, work: Work, address: str, most: Any, tries: int
) -> None:
    async with serving(answer(503)) as server:
        journey_id, _ = await owed_short_message(
            api, admin, audience, work, address, url=server.url(), max_retry_attempts=most
        )
        for _ in range(8):
            await work.run(hours=11)

    assert len(server.calls) == tries
    assert await work.deliveries(journey_id) == [("sms", "refused", "http_503")]


async def take(work: Work, kind: DeliveryKind = DeliveryKind.MAIL) -> outbox.Claims:
    """Claim what is due, as a sender does that then says nothing more."""
    async with work.worker.sessions.begin() as session:
        return await outbox.claim(session, kind, limit=100, lease=LEASE, now=work.clock.instant)


async def finish(work: Work, claims: outbox.Claims, journey_id: int, outcome: Outcome) -> int:
    """Say how the journey's delivery of a claim ended; how many were still ours to say."""
    rows = [row for row in claims.rows if row.journey_id == journey_id]
    async with work.worker.sessions.begin() as session:
        said = [Finished(claims.token, row, outcome) for row in rows]
        return len(await outbox.finish(session, said, now=work.clock.instant))


async def rescue(work: Work) -> int:
    async with work.worker.sessions.begin() as session:
        return await outbox.rescue(session, now=work.clock.instant)


async def unknowns(work: Work, journey_id: int) -> int:
    (row,) = await work.rows("SELECT unknowns FROM deliveries WHERE journey_id = :j", j=journey_id)
    return int(row.unknowns)


async def test_who_lost_the_lease_changes_nothing(
    api: Client, audience: Audience, work: Work, address: str, email_id: int
) -> None:
    journey_id, _ = await owed_mail(api, audience, work, address, email_id)
    slow = await take(work)
    assert [row.journey_id for row in (await take(work)).rows] == [], "what is taken is not taken twice"

    work.pass_time(minutes=9)
    assert await rescue(work) == 0, "a lease that runs is left alone"
    work.pass_time(minutes=2)
    assert await rescue(work) == 1
    quick = await take(work)
    assert await finish(work, slow, journey_id, Outcome(Ending.REFUSED, "late")) == 0
    assert await work.deliveries(journey_id) == [("mail", "sending", None)]
    assert await finish(work, quick, journey_id, Outcome(Ending.ACCEPTED)) == 1
    assert await finish(work, slow, journey_id, Outcome(Ending.REFUSED, "later")) == 0

    assert await work.deliveries(journey_id) == [("mail", "sent", None)]
    assert await unknowns(work, journey_id) == 1


async def test_outcomes_are_recorded_in_the_order_that_others_lock_mails_in(
    api: Client, audience: Audience, work: Work, address: str, email_id: int
) -> None:
    """Somebody counts what became of two mails just when their sender records them: neither is undone."""
    journey_id, _ = await owed_mail(api, audience, work, address, email_id)
    await audience.enter(journey_id, await audience.subscribe(f"other-{address}"))
    await work.move()
    claims = await take(work)
    claims = replace(claims, rows=sorted(claims.rows, key=lambda row: row.delivery_id, reverse=True))
    mails = [row.delivery_id for row in claims.rows if row.journey_id == journey_id][::-1]
    lock = text("SELECT 1 FROM deliveries WHERE delivery_id = :mail FOR UPDATE")

    async with work.worker.sessions.begin() as other:
        await other.execute(lock, {"mail": mails[0]})
        recording = asyncio.create_task(finish(work, claims, journey_id, Outcome(Ending.ACCEPTED)))
        async with asyncio.timeout(20):
            while not await work.rows(_WAITING):  # noqa: ASYNC110 (the database is asked)
                await asyncio.sleep(0.01)
        await other.execute(text("SET LOCAL lock_timeout = '2s'"))
        await other.execute(lock, {"mail": mails[1]})

    assert len(mails) == 2
    assert await recording == 2


_WAITING = """
SELECT 1 FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%untried%'
"""


async def test_the_mail_of_a_lost_worker_is_sent_again_with_the_same_id(
    api: Client, audience: Audience, work: Work, address: str, email_id: int
) -> None:
    journey_id, _ = await owed_mail(api, audience, work, address, email_id)
    await take(work)
    work.pass_time(minutes=11)
    assert await rescue(work) == 1

    await work.run()

    assert await work.deliveries(journey_id) == [("mail", "sent", None)]
    assert await unknowns(work, journey_id) == 1
    (mail,) = work.mails_to(address)
    (row,) = await work.rows("SELECT delivery_id FROM deliveries WHERE journey_id = :j", j=journey_id)
    assert mail["Message-ID"].startswith(f"<{row.delivery_id}.")


async def test_the_short_message_of_a_lost_worker_is_not_sent_again(
    api: Client, admin: Client, audience: Audience, work: Work, address: str
) -> None:
    journey_id, _ = await owed_short_message(api, admin, audience, work, address)
    await take(work, DeliveryKind.SMS)
    work.pass_time(minutes=11)

    assert await rescue(work) == 1
    await work.run(days=1)

    assert await work.deliveries(journey_id) == [("sms", "refused", "the sender was lost; the outcome is unknown")]
    assert await unknowns(work, journey_id) == 1
    assert not (work.maildir.parent / "sms.log").exists()


@pytest.mark.parametrize(("ending", "state"), [(Ending.UNKNOWN, "pending"), (Ending.DEFERRED, "pending")])
async def test_only_an_unknown_end_counts_as_one(
    api: Client, audience: Audience, work: Work, address: str, email_id: int, ending: Ending, state: str
) -> None:
    journey_id, _ = await owed_mail(api, audience, work, address, email_id)

    await finish(work, await take(work), journey_id, Outcome(ending, "why"))

    assert await work.deliveries(journey_id) == [("mail", state, "why")]
    assert await unknowns(work, journey_id) == (1 if ending is Ending.UNKNOWN else 0)


async def test_workers_side_by_side_owe_and_send_everything_once(
    api: Client, audience: Audience, work: Work, address: str, email_id: int, settings: Settings
) -> None:
    journey_id = await running(
        api,
        {"Action": "SendEmail", "EmailID": email_id},
        {"Action": "SendEmail", "EmailID": email_id},
        Trigger="ListSubscription",
        Trigger_ListID=audience.list_id,
    )
    addresses = [f"{number:02}.{address}" for number in range(12)]
    for each in addresses:
        await audience.subscribe(each)
    own = settings.model_copy(update={"mail_dir": work.maildir, "data_dir": work.maildir.parent})
    others = [Worker(own, clock=work.clock) for _ in range(2)]
    work.pass_time()

    await asyncio.gather(*(worker.run_until_quiet() for worker in (work.worker, *others)))
    for worker in others:
        await worker.close()
    await work.run()

    assert await work.deliveries(journey_id) == [("mail", "sent", None)] * 24
    assert [len(work.mails_to(each)) for each in addresses] == [2] * 12
    assert await work.ends(journey_id) == [("completed", None)] * 12
    stats = (await api.ok("journey.get", JourneyID=journey_id))["JourneyStats"]
    assert stats["AggregatedEmailActions"]["SendCount"] == 24


async def test_later_mails_of_an_email_say_what_the_first_says(
    api: Client, audience: Audience, work: Work, email_id: int
) -> None:
    journey_id = await running(api, {"Action": "SendEmail", "EmailID": email_id})
    addresses = [f"person{number}@example.com" for number in range(4)]
    for each in addresses:
        await audience.enter(journey_id, await audience.subscribe(each))
        await work.run()

    said = []
    for each in addresses:
        [mail] = work.mails_to(each)
        bodies = [mail.get_body((kind,)) for kind in ("plain", "html")]
        text = "".join([str(body.get_content()) for body in bodies if body is not None])
        links = re.findall(r"http[^\s\"]+/t/[a-z]/[\w-]+", text)
        assert each in text
        assert len(set(links)) == 2, "to leave, and the picture"
        said.append((re.sub(r"/t/([a-z])/[\w-]+", r"/t/\1/", text).replace(each, "…"), mail.keys()))
        for link in links:
            assert link not in repr(said)
    assert said[1:] == said[:1] * 3


async def test_an_effect_has_one_row_whoever_writes_it(
    api: Client, audience: Audience, work: Work, address: str, email_id: int
) -> None:
    journey_id, _ = await owed_mail(api, audience, work, address, email_id)

    with pytest.raises(IntegrityError, match="uq_deliveries_effect"):
        await work.change(
            "INSERT INTO deliveries (owner_id, kind, enrollment_id, action_id, visit, journey_id, list_id, "
            "subscriber_id, next_attempt_at, created_at) SELECT owner_id, kind, enrollment_id, action_id, visit, "
            "journey_id, list_id, subscriber_id, next_attempt_at, created_at FROM deliveries WHERE journey_id = :j",
            j=journey_id,
        )


class Stumbling:
    """Prepares attempts that succeed, and falls over one journey's deliveries."""

    def __init__(self, journey_id: int) -> None:
        self.journey_id = journey_id

    async def prepare(self, session: AsyncSession, rows: Sequence[Claimed]) -> Mapping[int, Attempt | Outcome]:
        if any(row.journey_id == self.journey_id for row in rows):
            raise KeyError(self.journey_id)
        return {row.delivery_id: Outcome(Ending.ACCEPTED) for row in rows}


async def test_a_delivery_that_cannot_be_prepared_holds_up_no_other(
    api: Client, audience: Audience, work: Work, address: str, email_id: int
) -> None:
    broken, subscriber_id = await owed_mail(api, audience, work, address, email_id)
    fine = await running(api, {"Action": "SendEmail", "EmailID": email_id})
    await audience.enter(fine, subscriber_id)
    await work.move()
    sender = Sender(
        work.worker.sessions, [DeliveryKind.MAIL], Stumbling(broken), Pace(32, 32, lease=LEASE), clock=work.clock
    )

    await sender.run_until_quiet()

    assert await work.deliveries(fine) == [("mail", "sent", None)]
    assert await work.deliveries(broken) == [("mail", "pending", "internal error")]
