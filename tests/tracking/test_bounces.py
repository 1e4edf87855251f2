"""Bounces and complaints: mails go out by SMTP, and what mail servers send back comes in by the doors."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from journeys_api.app import Application
from journeys_api.bounces.message_ids import name_of
from journeys_api.bounces.queries import _LATEST
from journeys_api.clock import SetClock
from journeys_api.http.tracking.inbound import AT_ONCE
from journeys_api.settings import Settings
from journeys_api.work import Worker
from tests.conftest import ADMIN_KEY, SECRET_KEY, Client, Maker, no_thread_is_free
from tests.delivery.mail.sinks import Sink
from tests.engine.conftest import Audience, Work, address, audience, email_id, running
from tests.tracking.reports import FROM, bounce, complaint, sent, vacation

__all__ = ["address", "audience", "email_id"]

WAIT = {"Action": "Wait", "WaitAmount": 1, "WaitUnit": "days"}


@dataclass
class Post:
    """A journey that mails by SMTP, and the doors that its mails come back to."""

    api: Client
    work: Work
    sink: Sink
    audience: Audience
    email_id: int
    journey_id: int = 0

    async def mail(self, address: str, **action: Any) -> tuple[int, Message]:
        """Subscribe an address and send it a mail; the subscriber, and the mail as the server got it."""
        if not self.journey_id or action:
            sending = {"Action": "SendEmail", "EmailID": self.email_id, **action}
            sending["From"] = {"Name": "News", "Email": "news@example.com"}
            self.journey_id = await running(self.api, sending)
        subscriber_id = await self.audience.subscribe(address)
        return subscriber_id, await self.again(subscriber_id)

    async def again(self, subscriber_id: int) -> Message:
        """Send a subscriber the mail; as the server got it."""
        await self.audience.enter(self.journey_id, subscriber_id)
        await self.work.run()
        return sent(self.sink.messages[-1])

    async def come_back(self, raw: bytes, key: str = ADMIN_KEY) -> dict[str, Any]:
        """Post a mail that came back, as a mail server's forwarder does."""
        headers = {"Content-Type": "message/rfc822", "Authorization": f"Bearer {key}"}
        answer = await self.api.http.post("/inbound/mail", content=raw, headers=headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def outcome(self, raw: bytes) -> str:
        """What became of it."""
        return str((await self.come_back(raw))["Outcome"])

    async def tell(self, events: Any) -> httpx.Response:
        """Post what a provider tells."""
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        return await self.api.http.post("/inbound/events", content=json.dumps(events), headers=headers)

    async def outcomes(self, *events: dict[str, Any]) -> list[str]:
        """What became of each."""
        answer = await self.tell(list(events))
        assert answer.status_code == 200, answer.text
        return list(answer.json()["Outcomes"])

    async def numbers(self) -> tuple[int, int, int, int]:
        """Sent, bounced, complaints and unsubscriptions of the journey."""
        stats = (await self.api.ok("journey.get", JourneyID=self.journey_id))["JourneyStats"]["AggregatedEmailActions"]
        return tuple(stats[f"{name}Count"] for name in ("Send", "Bounce", "SpamComplaint", "Unsubscribe"))

    async def state(self, subscriber_id: int) -> tuple[str, str]:
        """Bounce type and status of a subscriber."""
        seen = await self.audience.view(subscriber_id)
        return seen["BounceType"], seen["SubscriptionStatus"]

    async def suppressed(self, address: str) -> list[tuple[str, str]]:
        """Scope and source of what keeps mail from an address."""
        found = await self.api.ok("suppression.check", EmailAddresses=[address])
        return [(each["Scope"], each["SuppressionSource"]) for each in found["Results"][address]["MatchedScopes"]]

    async def filtered(self, kind: str) -> list[str]:
        """The addresses that the filter of the action's people finds."""
        actions = (await self.api.ok("journey.get", JourneyID=self.journey_id))["Actions"]
        found = await self.api.ok(
            "journey.action.subscribers",
            JourneyID=self.journey_id,
            ActionID=actions[0]["ActionID"],
            FilterJSON=[kind],
        )
        return [row["EmailAddress"] for row in found["Subscribers"]]


@pytest.fixture
async def post(
    app: Application, settings: Settings, tmp_path: Path, api: Client, audience: Audience, email_id: int
) -> AsyncIterator[Post]:
    """A worker that sends to an SMTP server of the test's own, with an address for bounces."""
    async with Sink().open() as sink:
        own = settings.model_copy(
            update={
                "smtp_url": SecretStr(sink.url()),
                "data_dir": tmp_path,
                "bounce_address": "bounces@example.com",
            }
        )
        clock = SetClock(datetime.now(UTC))
        worker = Worker(own, clock=clock)
        yield Post(api, Work(worker, clock, tmp_path), sink, audience, email_id)
        await worker.close()


def return_path(post: Post) -> str:
    """Where the last mail comes back to."""
    (command,) = post.sink.connections[-1].said("MAIL FROM")[-1:]
    return command.partition("<")[2].partition(">")[0]


async def test_every_mail_carries_its_name(post: Post, address: str) -> None:
    _, mail = await post.mail(address)

    name = mail["X-MessageID"]
    assert mail["Message-ID"] == f"<{name}@example.com>"
    assert return_path(post) == f"bounces+{name}@example.com"


@pytest.mark.parametrize("by", ["envelope", "Message-ID", "X-MessageID"])
async def test_a_hard_bounce_counts_once_and_ends_mail_to_the_address(post: Post, address: str, by: str) -> None:
    subscriber_id, mail = await post.mail(address)
    if by == "envelope":
        report = bounce(None, address, to=return_path(post))
    else:
        del mail["X-MessageID" if by == "Message-ID" else "Message-ID"]
        report = bounce(mail, address, whole=by == "Message-ID")

    outcomes = [await post.outcome(report) for _ in range(3)]

    assert outcomes == ["recorded", "repeated", "repeated"]
    assert await post.numbers() == (1, 1, 0, 0)
    assert await post.state(subscriber_id) == ("Hard", "Subscribed")
    assert [source for _, source in await post.suppressed(address)] == ["Hard Bounced"]
    assert await post.filtered("bounced") == [address]
    await post.audience.enter(post.journey_id, subscriber_id)
    await post.work.run()
    assert len(post.sink.messages) == 1


async def test_a_hard_bounce_marks_the_address_on_every_list_of_its_account_only(
    post: Post, address: str, make: Maker
) -> None:
    other = Audience(post.api, int((await post.api.ok("list.create", SubscriberListName="Other"))["ListID"]))
    on_other = await other.subscribe(address.upper())
    stranger = await make.client()
    theirs = Audience(stranger, int((await stranger.ok("list.create", SubscriberListName="Theirs"))["ListID"]))
    on_theirs = await theirs.subscribe(address)
    _, mail = await post.mail(address)

    await post.come_back(bounce(mail, address))

    assert (await other.view(on_other))["BounceType"] == "Hard"
    assert (await theirs.view(on_theirs))["BounceType"] == "Not Bounced"
    found = await stranger.ok("suppression.check", EmailAddresses=[address])
    assert found["Results"][address]["IsSuppressed"] is False


async def test_three_soft_bounces_in_a_row_make_a_hard_one(post: Post, address: str) -> None:
    subscriber_id, mail = await post.mail(address)
    states = []
    for _ in range(3):
        report = bounce(mail, address, status="5.2.2", diagnostic="smtp; 552 5.2.2 mailbox full")
        assert await post.outcome(report) == "recorded"
        assert await post.outcome(report) == "repeated"
        states.append((await post.state(subscriber_id))[0])
        if states[-1] != "Hard":
            mail = await post.again(subscriber_id)

    assert states == ["Soft", "Soft", "Hard"]
    assert await post.numbers() == (3, 3, 0, 0)
    assert [source for _, source in await post.suppressed(address)] == ["Hard Bounced"]


async def test_an_operator_who_takes_the_mark_off_ends_the_row(post: Post, address: str) -> None:
    subscriber_id, mail = await post.mail(address)
    for _ in range(2):
        await post.outcome(bounce(mail, address, status="5.2.2", diagnostic="smtp; 552 5.2.2 mailbox full"))
        mail = await post.again(subscriber_id)
    await post.audience.update(subscriber_id, BounceType="Not Bounced")

    await post.outcome(bounce(mail, address, status="5.2.2", diagnostic="smtp; 552 5.2.2 mailbox full"))

    assert (await post.state(subscriber_id))[0] == "Soft"


async def test_what_is_opened_ends_the_row_and_what_is_blocked_is_not_in_it(post: Post, address: str) -> None:
    subscriber_id, mail = await post.mail(address)
    for turn in range(4):
        await post.outcome(bounce(mail, address, status="4.2.2", diagnostic="smtp; 452 4.2.2 full"))
        mail = await post.again(subscriber_id)
        await post.outcome(bounce(mail, address, status="5.7.1", diagnostic="smtp; 550 5.7.1 blocked"))
        mail = await post.again(subscriber_id)
        if turn == 1:
            await post.work.change(
                "INSERT INTO message_touches SELECT owner_id, subscriber_id, 1, now() FROM subscribers "
                "WHERE subscriber_id = :id",
                id=subscriber_id,
            )

    assert await post.state(subscriber_id) == ("Soft", "Subscribed")
    assert (await post.numbers())[1] == 8
    assert await post.suppressed(address) == []


async def test_a_hard_bounce_after_a_soft_one_of_the_same_mail_counts_once_and_is_heeded(
    post: Post, address: str
) -> None:
    subscriber_id, mail = await post.mail(address)

    await post.outcome(bounce(mail, address, status="4.4.1", diagnostic="smtp; 451 busy"))
    assert [await post.outcome(bounce(mail, address)) for _ in range(2)] == ["recorded", "repeated"]

    assert await post.state(subscriber_id) == ("Hard", "Subscribed")
    assert (await post.numbers())[1] == 1


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded"])
async def test_a_report_of_anything_but_a_failure_changes_nothing(post: Post, address: str, action: str) -> None:
    subscriber_id, mail = await post.mail(address)

    assert await post.outcome(bounce(mail, address, action=action)) == "ignored"

    assert (await post.state(subscriber_id), await post.numbers()) == (("Not Bounced", "Subscribed"), (1, 0, 0, 0))


async def test_a_complaint_takes_the_person_off_and_tells_journeys(post: Post, address: str) -> None:
    left = await running(post.api, WAIT, Trigger="ListUnsubscription", Trigger_ListID=post.audience.list_id)
    subscriber_id, mail = await post.mail(address)
    report = complaint(mail, address)

    assert [await post.outcome(report) for _ in range(2)] == ["recorded", "repeated"]
    await post.work.move()

    assert await post.state(subscriber_id) == ("Not Bounced", "Unsubscribed")
    assert [source for _, source in await post.suppressed(address)] == ["SPAM complaint"]
    assert await post.numbers() == (1, 0, 1, 0)
    assert await post.filtered("spam_complaint") == [address]
    assert await post.work.ends(left) == [("active", None)]


async def test_what_comes_back_from_a_whitelisted_address_suppresses_nobody(
    post: Post, make: Maker, address: str
) -> None:
    assert post.api.account
    await post.api.ok("user.update", UserID=post.api.account.user_id, WhiteListedEmailAddresses=f"^boss-{address}$")
    bounced, mail = await post.mail(f"boss-{address}")
    complained, other_mail = await post.mail(f"boss-{address}-not-at.example")

    outcomes = await post.outcomes(
        {"type": "bounce", "message_id": mail["Message-ID"], "severity": "hard"},
        {"type": "complaint", "message_id": mail["Message-ID"]},
        {"type": "complaint", "message_id": other_mail["Message-ID"]},
    )

    assert outcomes == ["recorded"] * 3
    assert await post.state(bounced) == ("Hard", "Unsubscribed")
    assert await post.suppressed(f"boss-{address}") == []
    assert await post.state(complained) == ("Not Bounced", "Unsubscribed")
    assert await post.suppressed(f"boss-{address}-not-at.example") == [("SystemWide", "SPAM complaint")]


async def test_a_complaint_without_the_mail_is_known_by_its_envelope(post: Post, address: str) -> None:
    subscriber_id, _ = await post.mail(address)

    report = complaint(None, more=f"Original-Mail-From: <{return_path(post)}>\r\n")

    assert await post.outcome(report) == "recorded"
    assert (await post.state(subscriber_id))[1] == "Unsubscribed"


async def test_a_forged_report_changes_nobody(post: Post, address: str) -> None:
    victim = f"victim-{address}"
    victim_id, theirs = await post.mail(victim)
    mine_id, mine = await post.mail(address)
    # another mail's id with the proof of mine, a proof of another server, and whatever names no mail
    forged = theirs["X-MessageID"].partition(".")[0] + "." + mine["X-MessageID"].partition(".")[2]
    theirs.replace_header("X-MessageID", forged)
    theirs.replace_header("Message-ID", f"<{name_of(b'another key', 1)}@example.com>")

    assert await post.outcome(bounce(theirs, victim, to=f"bounces+{forged}@example.com")) == "unknown"
    assert await post.outcome(complaint(theirs, victim)) == "unknown"
    assert await post.outcome(bounce(None, victim)) == "unknown"
    never_sent = name_of(SECRET_KEY.encode(), 2**62)
    assert await post.outcome(bounce(None, victim, to=f"bounces+{never_sent}@example.com")) == "unknown"
    # a report about my own mail that names the victim is about my own mail
    assert await post.outcome(bounce(mine, victim)) == "recorded"

    assert await post.state(victim_id) == ("Not Bounced", "Subscribed")
    assert await post.suppressed(victim) == []
    assert (await post.state(mine_id))[0] == "Hard"


async def test_what_comes_back_from_a_copy_is_not_the_subscribers(post: Post, address: str) -> None:
    subscriber_id, mail = await post.mail(address, CC=[{"Name": "Boss", "Email": "boss@example.com"}])

    assert await post.outcome(bounce(mail, "boss@example.com")) == "of another recipient"
    assert await post.state(subscriber_id) == ("Not Bounced", "Subscribed")
    assert await post.outcome(bounce(mail, address)) == "recorded"


async def test_automatic_answers_and_reports_about_reports_set_nothing_off(post: Post, address: str) -> None:
    subscriber_id, mail = await post.mail(address)
    before = len(post.sink.messages)

    assert await post.outcome(vacation(return_path(post))) == "ignored"
    assert await post.outcome(bounce(sent(bounce(mail, address)), FROM, to=return_path(post))) == "ignored"
    await post.work.run(hours=1)

    assert len(post.sink.messages) == before
    assert await post.state(subscriber_id) == ("Not Bounced", "Subscribed")


async def test_a_mail_that_nobody_had_time_to_read_may_be_sent_again(post: Post, address: str) -> None:
    subscriber_id, mail = await post.mail(address)
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    with no_thread_is_free():
        answer = await post.api.http.post("/inbound/mail", content=bounce(mail, address), headers=headers)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert await post.outcome(bounce(mail, address)) == "recorded"
    assert (await post.state(subscriber_id))[0] == "Hard"


async def test_a_mail_that_breaks_off_is_no_failure_of_ours(app: Application) -> None:
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/inbound/mail",
        "query_string": b"",
        "headers": [(b"x-inbound-key", ADMIN_KEY.encode()), (b"content-length", b"1000")],
    }
    arriving = iter([{"type": "http.request", "body": b"From: a", "more_body": True}, {"type": "http.disconnect"}])
    answered: list[Any] = []

    async def receive() -> Any:
        return next(arriving)

    async def send(message: Any) -> None:
        answered.append(message)

    await app(scope, receive, send)

    assert answered[0]["status"] == 408


async def test_a_bomb_is_told_apart_and_counted(post: Post) -> None:
    nested = b"".join(b'Content-Type: multipart/a; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(10_000))

    assert await post.outcome(nested) == "unparseable"
    assert await post.outcome(b"X: " + b"a" * 1024 * 1024) == "ignored"
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    metrics = (await post.api.http.get("/metrics", headers=headers)).text
    assert 'journeys_inbound_total{door="mail",outcome="unparseable"}' in metrics


@pytest.mark.parametrize(
    ("answers", "kind", "suppressed"),
    [
        ({"RCPT": "550 5.1.1 no such user"}, "Hard", True),
        ({"RCPT": "552 5.2.2 mailbox full"}, "Soft", False),
        ({"RCPT": "554 5.7.1 relay access denied"}, "Not Bounced", False),
        ({"DOT": "554 5.1.1 nobody there after all"}, "Hard", True),
        ({"DOT": "550 this looks like spam"}, "Not Bounced", False),
    ],
)
async def test_a_refusal_of_the_recipient_is_a_bounce(
    post: Post, address: str, answers: dict[str, str], kind: str, suppressed: bool
) -> None:
    subscriber_id, _ = await post.mail(f"first-{address}")
    post.sink.answers = answers
    subscriber_id = await post.audience.subscribe(address)
    await post.audience.enter(post.journey_id, subscriber_id)
    await post.work.run()

    assert (await post.state(subscriber_id))[0] == kind
    assert bool(await post.suppressed(address)) is suppressed
    assert await post.numbers() == (1, 1, 0, 0)
    assert await post.filtered("bounced") == [address]


async def test_a_refusal_of_the_sender_says_nothing_of_the_recipient(post: Post, address: str) -> None:
    await post.mail(f"first-{address}")
    post.sink.answers = {"MAIL": "550 5.1.1 whoever you are"}
    subscriber_id = await post.audience.subscribe(address)
    await post.audience.enter(post.journey_id, subscriber_id)
    await post.work.run()

    assert await post.state(subscriber_id) == ("Not Bounced", "Subscribed")
    assert await post.numbers() == (1, 0, 0, 0)


async def test_a_mail_put_off_too_long_is_a_soft_bounce(post: Post, address: str) -> None:
    await post.mail(f"first-{address}")
    post.sink.answers = {"RCPT": "450 4.2.1 later"}
    subscriber_id = await post.audience.subscribe(address)
    await post.audience.enter(post.journey_id, subscriber_id)
    await post.work.run()
    assert (await post.numbers())[1] == 0

    await post.work.run(hours=73)

    assert (await post.state(subscriber_id))[0] == "Soft"
    assert (await post.numbers())[1] == 1


async def test_providers_tell_by_name_or_by_address(post: Post, address: str) -> None:
    people = [await post.mail(f"{name}-{address}") for name in ("hard", "soft", "spam", "left", "by-address")]
    hard, soft, spam, left = (mail for _, mail in people[:4])
    told: list[dict[str, Any]] = [
        {"type": "bounce", "message_id": hard["Message-ID"], "severity": "hard", "timestamp": 1_700_000_000},
        {"Type": "Bounced", "X_Message_ID": soft["X-MessageID"], "status": "4.2.2", "diagnostic": "full"},
        {"type": "complaint", "message_id": spam["Message-ID"], "timestamp": "2026-01-02T03:04:05Z"},
        {"type": "unsubscribe", "message_id": left["Message-ID"]},
        {"type": "bounce", "email": f"BY-ADDRESS-{address}", "diagnostic": "550 5.1.1 no such user"},
        {"type": "bounce", "email": "nobody-of-ours@example.com"},
        {"type": "bounce", "message_id": "<1.abc@example.com>", "email": address},
        {"type": "delivered", "message_id": hard["Message-ID"]},
    ]

    first = await post.outcomes(*told)
    second = await post.outcomes(*told)

    assert first == [*["recorded"] * 5, "unknown", "unknown", "ignored"]
    assert second == [*["repeated"] * 5, "unknown", "unknown", "ignored"]
    states = [await post.state(subscriber_id) for subscriber_id, _ in people]
    assert states == [
        ("Hard", "Subscribed"),
        ("Soft", "Subscribed"),
        ("Not Bounced", "Unsubscribed"),
        ("Not Bounced", "Unsubscribed"),
        ("Hard", "Subscribed"),
    ]
    assert await post.numbers() == (5, 3, 1, 1)
    days = (await post.api.ok("journey.get", JourneyID=post.journey_id))["JourneyStats"]["AggregatedDaysEmailActions"]
    assert sum(day["BounceCount"] for day in days.values()) == 3, "none before the mail was made"


async def test_the_same_at_once_is_one(post: Post, address: str) -> None:
    subscriber_id, mail = await post.mail(address)
    event = {"type": "bounce", "message_id": mail["Message-ID"], "severity": "soft"}

    answers = await asyncio.gather(*(post.outcomes(event, event) for _ in range(6)))

    assert sorted(outcome for each in answers for outcome in each).count("recorded") == 1
    assert (await post.state(subscriber_id))[0] == "Soft"
    assert (await post.numbers())[1] == 1


async def test_what_many_events_came_to_is_told_in_their_order(post: Post, address: str) -> None:
    _, mail = await post.mail(address)
    event = {"type": "bounce", "message_id": mail["Message-ID"], "severity": "hard"}
    unknown = {"type": "bounce", "email": "nobody-of-ours@example.com"}

    outcomes = await post.outcomes(*[unknown, *[event] * (2 * AT_ONCE), unknown])

    assert outcomes == ["unknown", "recorded", *["repeated"] * (2 * AT_ONCE - 1), "unknown"]
    assert (await post.numbers())[1] == 1


async def test_mails_to_one_address_on_two_lists_may_bounce_at_once(post: Post, address: str) -> None:
    other = Audience(post.api, int((await post.api.ok("list.create", SubscriberListName="Other"))["ListID"]))
    people = [(await post.mail(address))[0], await other.subscribe(address)]
    await other.enter(post.journey_id, people[1])
    await post.work.run()
    names = [sent(message)["Message-ID"] for message in post.sink.messages]
    tell = [{"type": "bounce", "message_id": name, "severity": "hard"} for name in names]

    answers = []
    for _ in range(5):
        await post.work.change(
            "UPDATE subscribers SET bounce_type = 'Not Bounced' WHERE subscriber_id = ANY(:people)", people=people
        )
        answers += await asyncio.gather(*(post.tell(event) for event in tell))

    assert [answer.status_code for answer in answers] == [200] * 10
    assert (await post.numbers())[1] == 2


@pytest.mark.parametrize(
    "events",
    [
        7,
        [7],
        {},
        {"type": "bounce"},
        {"type": "nonsense", "email": "a@example.com"},
        {"type": "bounce", "email": "no address"},
        {"type": "bounce", "email": "a@example.com", "severity": "medium"},
        {"type": "bounce", "email": "a@example.com", "timestamp": "yesterday"},
        {"type": "bounce", "email": "a@example.com", "timestamp": 1e300},
        {"type": "bounce", "email": "a@example.com", "status": ["5.1.1"]},
        {"type": "bounce", "message_id": "a\x00b"},
        [{"type": "bounce", "email": "a@example.com"}] * 501,
    ],
)
async def test_events_that_are_none_are_refused_whole(post: Post, events: Any) -> None:
    assert (await post.tell(events)).status_code == 400


async def test_the_doors_open_to_their_key_and_the_administrators_only(post: Post, address: str) -> None:
    _, mail = await post.mail(address)
    raw = bounce(mail, address)
    http = post.api.http
    assert post.api.account

    for headers in (
        {},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {post.api.account.api_key}"},
        {"Authorization": "Basic ???"},
        {b"X-Inbound-Key": "ü".encode()},
    ):
        for door in ("mail", "events"):
            answer = await http.post(f"/inbound/{door}", content=raw, headers=headers)
            assert answer.status_code == 401
    form = {"EmailMessage": raw.decode(), "MailFrom": ""}
    as_form = await http.post("/inbound/mail", data=form, auth=("anybody", ADMIN_KEY))
    repeated = await http.post("/inbound/mail", content=raw, headers={"X-Inbound-Key": ADMIN_KEY})

    both = {"Authorization": "Basic ???", "X-Inbound-Key": ADMIN_KEY}
    beside = await http.post("/inbound/mail", content=raw, headers=both)

    assert [each.json()["Outcome"] for each in (as_form, repeated, beside)] == ["recorded", "repeated", "repeated"]
    assert (await http.post("/inbound/mail", data={"x": "y"}, auth=("", ADMIN_KEY))).status_code == 400
    assert (await http.get("/inbound/mail")).status_code == 405


async def test_a_pending_subscribers_confirmation_may_bounce_as_well(post: Post, address: str) -> None:
    await post.api.ok("list.update", SubscriberListID=post.audience.list_id, OptInMode="Double")
    subscriber_id = await post.audience.subscribe(address)
    await post.work.run()
    mail = sent(post.sink.messages[-1])

    assert await post.outcome(bounce(mail, address)) == "recorded"

    assert await post.state(subscriber_id) == ("Hard", "Opt-In Pending")


async def test_what_comes_back_of_a_deleted_subscribers_mail_counts_and_suppresses(post: Post, address: str) -> None:
    subscriber_id, mail = await post.mail(address)
    await post.api.ok(
        "subscribers.delete", SubscriberListID=post.audience.list_id, Subscribers=[subscriber_id], Suppressed=False
    )

    assert await post.outcome(bounce(mail, address)) == "recorded"
    assert await post.outcome(complaint(mail, address)) == "recorded"
    assert await post.numbers() == (1, 1, 1, 0)
    assert await post.suppressed(address) == [("AccountWide", "Hard Bounced"), ("SystemWide", "SPAM complaint")]


@pytest.mark.parametrize("kind", ["complaint", "unsubscribe"])
async def test_a_repeated_report_takes_nobody_off_who_came_back(
    post: Post, admin: Client, address: str, kind: str
) -> None:
    subscriber_id, mail = await post.mail(address)
    event = {"type": kind, "x_message_id": mail["X-MessageID"]}
    first = await post.outcomes(event)
    if kind == "complaint":
        await admin.ok("suppression.delete", EmailAddress=address)
    await post.audience.subscribe(address)

    again = await post.outcomes(event, event)

    assert (first, again) == (["recorded"], ["repeated", "repeated"])
    assert await post.state(subscriber_id) == ("Not Bounced", "Subscribed")
    assert await post.suppressed(address) == []


async def test_a_repeated_bounce_marks_nobody_whom_an_operator_has_cleared(post: Post, address: str) -> None:
    subscriber_id, mail = await post.mail(address)
    await post.outcome(bounce(mail, address))
    await post.audience.update(subscriber_id, BounceType="Not Bounced")
    await post.api.ok("suppression.delete", EmailAddress=address)

    assert await post.outcome(bounce(mail, address)) == "repeated"

    assert await post.state(subscriber_id) == ("Not Bounced", "Subscribed")
    assert await post.suppressed(address) == []


async def test_a_repeated_complaint_about_a_confirmation_takes_nobody_off(
    post: Post, admin: Client, address: str
) -> None:
    await post.api.ok("list.update", SubscriberListID=post.audience.list_id, OptInMode="Double")
    subscriber_id = await post.audience.subscribe(address)
    await post.work.run()
    event = {"type": "complaint", "x_message_id": sent(post.sink.messages[-1])["X-MessageID"]}
    first = await post.outcomes(event)
    await admin.ok("suppression.delete", EmailAddress=address)
    await post.audience.subscribe(address)

    again = await post.outcomes(event)

    assert (first, again) == (["recorded"], ["repeated"])
    assert await post.state(subscriber_id) == ("Not Bounced", "Opt-In Pending")


async def test_who_has_left_does_not_leave_by_another_mail(post: Post, address: str) -> None:
    subscriber_id, mail = await post.mail(address)
    other = await post.again(subscriber_id)
    gone_id, of_gone = await post.mail(f"gone-{address}")
    await post.api.ok("subscribers.delete", SubscriberListID=post.audience.list_id, Subscribers=[gone_id])
    told = [{"type": "unsubscribe", "x_message_id": each["X-MessageID"]} for each in (mail, other, of_gone)]

    at_once = await post.outcomes(*told[:2])
    later = await post.outcomes(*told[1:])

    assert at_once + later == ["recorded", *["repeated"] * 3]
    assert (await post.state(subscriber_id))[1] == "Unsubscribed"
    assert (await post.numbers())[3] == 1


async def test_a_bounce_of_a_mail_to_an_old_address_says_nothing_of_the_new_one(post: Post, address: str) -> None:
    old, new = address, f"new-{address}"
    subscriber_id, mail = await post.mail(old)
    mails = [mail, *[await post.again(subscriber_id) for _ in range(3)]]
    other = Audience(post.api, int((await post.api.ok("list.create", SubscriberListName="Other"))["ListID"]))
    on_other = await other.subscribe(old.upper())
    await post.audience.update(subscriber_id, EmailAddress=new)

    for each in mails[1:]:
        assert await post.outcome(bounce(each, old, status="5.2.2", diagnostic="smtp; 552 full")) == "recorded"
    assert await post.outcome(bounce(mail, old)) == "recorded"

    assert await post.state(subscriber_id) == ("Not Bounced", "Subscribed")
    assert await post.suppressed(new) == []
    assert await post.suppressed(old) == [("AccountWide", "Hard Bounced")]
    assert (await other.view(on_other))["BounceType"] == "Hard"
    assert (await post.numbers())[1] == 4


async def test_a_complaint_about_a_mail_to_an_old_address_suppresses_that(post: Post, address: str) -> None:
    new = f"new-{address}"
    subscriber_id, mail = await post.mail(address)
    await post.audience.update(subscriber_id, EmailAddress=new)

    assert await post.outcome(complaint(mail, address)) == "recorded"

    assert await post.state(subscriber_id) == ("Not Bounced", "Subscribed")
    assert await post.suppressed(new) == []
    assert await post.suppressed(address) == [("SystemWide", "SPAM complaint")]
    assert await post.numbers() == (1, 0, 1, 0)


async def test_who_leaves_by_a_mail_to_an_old_address_leaves(post: Post, address: str) -> None:
    subscriber_id, mail = await post.mail(address)
    await post.audience.update(subscriber_id, EmailAddress=f"new-{address}")

    assert await post.outcomes({"type": "unsubscribe", "x_message_id": mail["X-MessageID"]}) == ["recorded"]

    assert (await post.state(subscriber_id))[1] == "Unsubscribed"


async def test_a_mail_that_was_sent_before_addresses_were_kept_is_about_todays(post: Post, address: str) -> None:
    subscriber_id, mail = await post.mail(address)
    await post.work.change("UPDATE deliveries SET recipient = NULL WHERE subscriber_id = :id", id=subscriber_id)

    assert await post.outcome(bounce(mail, address)) == "recorded"

    assert (await post.state(subscriber_id))[0] == "Hard"
    assert await post.suppressed(address) == [("AccountWide", "Hard Bounced")]


async def test_an_address_alone_means_the_last_mail_that_went_to_it(post: Post, make: Maker, address: str) -> None:
    subscriber_id, _ = await post.mail(address)
    await post.again(subscriber_id)
    await post.audience.update(subscriber_id, EmailAddress=f"new-{address}")
    await post.again(subscriber_id)
    # nothing went to whoever has the address now
    stranger = await make.client()
    theirs = Audience(stranger, int((await stranger.ok("list.create", SubscriberListName="Theirs"))["ListID"]))
    await theirs.subscribe(address)

    assert await post.outcomes({"type": "bounce", "email": address.upper(), "severity": "soft"}) == ["recorded"]

    bounced = await post.work.rows(
        "SELECT rank() OVER (ORDER BY delivery_id) AS place, activity FROM deliveries WHERE subscriber_id = :id",
        id=subscriber_id,
    )
    assert [(row.place, row.activity) for row in bounced] == [(1, 0), (2, 64), (3, 0)]
    assert await post.state(subscriber_id) == ("Not Bounced", "Subscribed")


async def test_the_last_mail_to_an_address_is_one_index_entry(post: Post, address: str) -> None:
    async with post.work.worker.sessions() as session:
        # the table is small, and reading all of it would be as good
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = await session.execute(text(f"EXPLAIN {_LATEST.text}"), {"addresses": [address]})
        lines = [row[0] for row in plan]

    assert any("Backward using ix_deliveries_recipient" in line for line in lines), lines


def test_a_bounce_address_must_leave_room_for_names() -> None:
    for wrong in ("bounces", "@example.com", "a+b@example.com", "a" * 20 + "@example.com", "a@b c"):
        with pytest.raises(ValueError, match="bounce_address"):
            Settings(_env_file=None, bounce_address=wrong)  # type: ignore[call-arg]
    assert Settings(_env_file=None, bounce_address="").bounce_address is None  # type: ignore[call-arg]
