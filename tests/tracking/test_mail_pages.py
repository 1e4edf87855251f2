"""A mail as a page, sent on to a friend, complained about, and left: what it does and what it counts as."""

import asyncio
import re
from functools import partial

import httpx
import pytest
from sqlalchemy import text

from tests.conftest import ADMIN_KEY, Client
from tests.engine.conftest import Audience, Work, running
from tests.tracking.conftest import BROWSER, ONE, Sent, links_of, part_of
from tests.undone import undone

KNOWN = "ck_subscribers_status_known"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def post(sent: Sent, link: str, body: str) -> httpx.Response:
    return await sent.follow(link, "POST", content=body, headers=FORM)


async def status(sent: Sent) -> str:
    return str((await sent.audience.view(sent.subscriber_id))["SubscriptionStatus"])


async def delete(sent: Sent) -> None:
    await sent.api.ok("subscribers.delete", SubscriberListID=sent.audience.list_id, Subscribers=[sent.subscriber_id])


async def suppressed(sent: Sent, *more: str) -> dict[str, list[tuple[int, int, str]]]:
    """Owner, list and source of what suppresses the mail's address, and others."""
    found: dict[str, list[tuple[int, int, str]]] = {}
    for address in (sent.address, *more):
        rows = await sent.work.rows("SELECT * FROM suppressions WHERE email_address = :address", address=address)
        found[address] = [(row.owner_id, row.list_id, row.source) for row in rows]
    return found


async def test_looking_never_unsubscribes(sent: Sent) -> None:
    for _ in range(20):
        for method in ("GET", "HEAD"):
            for link in ("leave", "me", "abuse", "never", "forward"):
                assert (await sent.follow(link, method)).status_code == 200

    assert await status(sent) == "Subscribed"
    assert await sent.numbers() == {}
    assert await sent.ledger() == []


async def test_one_click_unsubscribes_and_counts_once(sent: Sent) -> None:
    left = await running(sent.api, {"Action": "Wait", "WaitAmount": 1, "WaitUnit": "days"},
                         Trigger="ListUnsubscription", Trigger_ListID=sent.audience.list_id)  # fmt: skip
    header = str(sent.mail["List-Unsubscribe"]).strip("<>")

    answers = [await post(sent, header, "List-Unsubscribe=One-Click") for _ in range(3)]

    assert [(answer.status_code, "location" in answer.headers) for answer in answers] == [(200, False)] * 3
    assert await status(sent) == "Unsubscribed"
    assert await sent.numbers() == {"UnsubscribeCount": 1}
    [fact] = await sent.ledger()
    assert (fact.kind, fact.is_counted) == ("unsubscribed", True)
    assert fact.detail == {"ip": "127.0.0.1", "user_agent": BROWSER, "channel": "List-Unsubscribe header"}
    assert [address for address, _ in await sent.work.history(left)] == [sent.address]


async def test_who_left_before_does_not_leave_again(sent: Sent) -> None:
    await sent.api.ok("subscriber.unsubscribe", ListID=sent.audience.list_id, SubscriberID=sent.subscriber_id,
                      IPAddress="127.0.0.1")  # fmt: skip

    answer = await post(sent, "leave", "Act=unsubscribe")

    assert answer.status_code == 200
    assert await sent.numbers() == {}


async def test_who_leaves_by_two_mails_at_once_leaves_once(sent: Sent) -> None:
    await sent.audience.enter(sent.journey_id, sent.subscriber_id)
    await sent.work.run()
    mails = sent.work.mails_to(sent.address)
    headers = [str(mail["List-Unsubscribe"]).strip("<>") for mail in mails]

    answers = await asyncio.gather(*(post(sent, header, "List-Unsubscribe=One-Click") for header in headers))

    assert [answer.status_code for answer in answers] == [200, 200]
    assert len(set(headers)) == 2
    assert await sent.numbers() == {"UnsubscribeCount": 1}


async def test_a_mail_program_may_unsubscribe_and_complain_at_once(sent: Sent) -> None:
    told = {"type": "complaint", "message_id": str(sent.mail["Message-ID"])}

    answers = list[httpx.Response]()
    for _ in range(5):
        await sent.work.change(
            "UPDATE subscribers SET status = 'Subscribed' WHERE subscriber_id = :person", person=sent.subscriber_id
        )
        answers += await asyncio.gather(
            post(sent, "leave", "Act=unsubscribe"),
            sent.api.http.post("/inbound/events", json=told, headers={"X-Inbound-Key": ADMIN_KEY}),
        )

    assert [answer.status_code for answer in answers] == [200] * 10
    assert (await sent.numbers())["SpamComplaintCount"] == 1


async def test_what_the_database_undoes_is_done_again(sent: Sent) -> None:
    assert sent.api.account
    told = {"type": "bounce", "severity": "block", "message_id": str(sent.mail["Message-ID"])}
    in_the_ledger = partial(
        undone, sent.work.worker.sessions, table="message_activities", owner_id=sent.api.account.user_id
    )

    async with in_the_ledger():
        sent_on = await post(sent, "forward", "To=friend@example.com&Act=forward")
    async with in_the_ledger():
        left = await post(sent, "leave", "Act=unsubscribe")
    async with in_the_ledger():
        bounced = await sent.api.http.post("/inbound/events", json=told, headers={"X-Inbound-Key": ADMIN_KEY})

    assert (sent_on.status_code, left.status_code, bounced.status_code) == (200, 200, 200)
    assert await status(sent) == "Unsubscribed"
    assert await sent.numbers() == {"ForwardCount": 1, "UnsubscribeCount": 1, "BounceCount": 1}


async def test_a_complaint_unsubscribes_and_suppresses_everywhere(sent: Sent) -> None:
    answers = [await post(sent, "abuse", "Act=report_abuse") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert await status(sent) == "Unsubscribed"
    assert await sent.numbers() == {"SpamComplaintCount": 1}
    rows = await sent.work.rows("SELECT * FROM suppressions WHERE email_address = :address", address=sent.address)
    assert [(row.owner_id, row.list_id, row.source) for row in rows] == [(0, 0, "SPAM complaint")]


@pytest.mark.parametrize(("link", "act"), [("leave", "unsubscribe"), ("abuse", "report_abuse")])
async def test_a_button_holds_no_message_while_it_waits_for_its_person(sent: Sent, link: str, act: str) -> None:
    of = {"owner": sent.api.account and sent.api.account.user_id, "person": sent.subscriber_id}
    waiting = "SELECT count(*) FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    people = "SELECT FROM subscribers WHERE owner_id = :owner AND subscriber_id = :person FOR UPDATE"
    messages = "SELECT FROM deliveries WHERE owner_id = :owner AND subscriber_id = :person FOR UPDATE NOWAIT"
    async with sent.work.worker.sessions.begin() as session:
        await session.execute(text(people), of)
        pressed = asyncio.create_task(post(sent, link, f"Act={act}"))
        async with asyncio.timeout(30):
            while not await session.scalar(text(waiting)):  # noqa: ASYNC110 (the database tells nobody)
                await asyncio.sleep(0.01)

        await session.execute(text(messages), of)

    assert (await pressed).status_code == 200


async def test_who_wants_no_mail_ever_gets_none(sent: Sent) -> None:
    answer = await post(sent, "never", "Act=suppress")

    assert answer.status_code == 200
    assert await status(sent) == "Unsubscribed"
    assert await sent.numbers() == {"UnsubscribeCount": 1}
    rows = await sent.work.rows("SELECT * FROM suppressions WHERE email_address = :address", address=sent.address)
    assert [(row.owner_id, row.list_id, row.source) for row in rows] == [(0, 0, "Unsubscribe")]


async def test_a_mail_is_shown_as_a_page_and_counted(sent: Sent) -> None:
    page = await sent.follow("view")

    assert page.status_code == 200
    assert f"Hi {sent.address}" in page.text
    links = links_of(page.text)
    assert "picture" not in links
    assert (await sent.follow(links["one"])).headers["Location"] == ONE
    policy = page.headers["Content-Security-Policy"]
    assert "sandbox allow-popups" in policy
    assert not any(word in policy for word in ("allow-scripts", "allow-same-origin", "allow-forms", "script-src"))
    assert "default-src 'none'" in policy
    assert {page.headers[name] for name in ("Referrer-Policy", "X-Content-Type-Options", "Cache-Control")} == {
        "no-referrer", "nosniff", "no-store",
    }  # fmt: skip


async def test_a_page_counts_as_viewed_once_and_a_machines_not_at_all(sent: Sent) -> None:
    await sent.follow("view", "HEAD")
    await sent.follow("view", headers={"User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)"})
    assert await sent.numbers() == {}

    await sent.follow("view")
    await sent.follow("view")

    assert await sent.numbers() == {"BrowserViewCount": 1}


async def test_a_text_mail_is_shown_as_text(api: Client, audience: Audience, work: Work, address: str) -> None:
    text = "<script>alert(1)</script> {{ Link:WebBrowser }} {{ Link:Unsubscribe }}"
    email_id = int((await api.ok("email.create"))["EmailID"])
    await api.ok("email.update", EmailID=email_id, ValidateScope="AutoResponder", Subject="<b>Hi", PlainContent=text)
    await running(
        api, {"Action": "SendEmail", "EmailID": email_id}, Trigger="ListSubscription", Trigger_ListID=audience.list_id
    )
    await audience.subscribe(address)
    await work.run()
    body = part_of(work.mails_to(address)[0], "plain")

    page = await api.http.get(body.split()[1])

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert "<script" not in page.text
    assert "&lt;b&gt;Hi" in page.text


async def test_pages_of_mails_that_are_gone_are_not_there(sent: Sent) -> None:
    await sent.api.ok("email.delete", EmailID=sent.email_id)

    assert (await sent.follow("view")).status_code == 404
    assert await sent.ledger() == []


async def test_a_mail_is_sent_on_to_a_friend(sent: Sent) -> None:
    page = await sent.follow("forward")
    names = re.findall(r'name="(\w+)"', page.text)
    friend = f"friend.of.{sent.address}"

    done = await post(sent, "forward", f"{names[-2]}={friend}&{names[-1]}=forward")
    await sent.judge()

    assert done.status_code == 200
    assert await sent.numbers() == {"ForwardCount": 1}
    [mail] = [mail for mail in sent.work.mails_to(friend) if str(mail["To"]) == friend]
    assert str(mail["Subject"]) == "Fwd: Hello"
    assert mail["List-Unsubscribe"] is None
    document = part_of(mail, "html")
    assert f"{sent.address} thought that you would like to read this mail." in document
    assert "/t/" not in document + part_of(mail, "plain")
    assert 'href="https://shop.example/two"' in document
    answer = await sent.api.ok("journey.get", JourneyID=sent.journey_id)
    assert answer["JourneyStats"]["AggregatedEmailActions"]["SendCount"] == 1


async def test_a_mail_is_sent_on_to_a_few_only(sent: Sent) -> None:
    bad = [
        await post(sent, "forward", f"To={to}&Act=forward") for to in ("", "nobody", "a@b.example%0ABcc:x@y.example")
    ]
    answers = [await post(sent, "forward", f"To=friend{number}@example.com&Act=forward") for number in range(7)]

    assert [answer.status_code for answer in bad] == [422] * 3
    assert [answer.status_code for answer in answers] == [200] * 5 + [422] * 2
    assert await sent.numbers() == {"ForwardCount": 5}


async def test_what_is_gone_is_not_sent_on_and_what_cannot_be_read_is_no_mail_that_is_gone(sent: Sent) -> None:
    of = {"person": sent.subscriber_id}
    change, rows = sent.work.change, sent.work.rows
    [[known]] = await rows("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = :name", name=KNOWN)
    await change(f"ALTER TABLE subscribers DROP CONSTRAINT {KNOWN}")
    try:
        await change("UPDATE subscribers SET status = 'Of the next release' WHERE subscriber_id = :person", **of)
        unreadable = await post(sent, "forward", "To=friend@example.com&Act=forward")
    finally:
        await change("DELETE FROM subscribers WHERE subscriber_id = :person", **of)
        await change(f"ALTER TABLE subscribers ADD CONSTRAINT {KNOWN} {known}")
    gone = await post(sent, "forward", "To=friend@example.com&Act=forward")

    assert (unreadable.status_code, gone.status_code) == (500, 404)


async def test_a_mail_of_nobody_any_more_is_not_offered_to_be_sent_on(sent: Sent) -> None:
    await delete(sent)

    answers = [await sent.follow("forward"), await post(sent, "forward", "To=friend@example.com&Act=forward")]

    assert [answer.status_code for answer in answers] == [404, 404]


@pytest.mark.parametrize(
    ("link", "act", "source", "counted"),
    [
        ("never", "suppress", "Unsubscribe", {}),
        ("abuse", "report_abuse", "SPAM complaint", {"SpamComplaintCount": 1}),
    ],
)
async def test_who_is_deleted_may_still_ask_for_no_mail(
    sent: Sent, link: str, act: str, source: str, counted: dict[str, int]
) -> None:
    await delete(sent)

    pages = [await sent.follow(link), *[await post(sent, link, f"Act={act}") for _ in range(2)]]

    assert [page.status_code for page in pages] == [200] * 3
    assert await suppressed(sent) == {sent.address: [(0, 0, source)]}
    assert await sent.numbers() == counted


async def test_who_wants_no_mail_gets_none_at_the_address_of_today_either(sent: Sent) -> None:
    new = f"new-{sent.address}"
    await sent.audience.update(sent.subscriber_id, EmailAddress=new)

    await post(sent, "never", "Act=suppress")

    assert await status(sent) == "Unsubscribed"
    assert await suppressed(sent, new) == {each: [(0, 0, "Unsubscribe")] for each in (sent.address, new)}


async def test_who_is_deleted_and_of_unknown_address_is_not_told_that_it_is_done(sent: Sent) -> None:
    await delete(sent)
    await sent.work.change("UPDATE deliveries SET recipient = NULL WHERE subscriber_id = :id", id=sent.subscriber_id)

    assert (await post(sent, "never", "Act=suppress")).status_code == 404


async def test_nothing_is_sent_on_to_who_does_not_want_it(sent: Sent) -> None:
    await sent.api.ok("suppression.import", ListID=sent.audience.list_id, EmailAddresses=["No@example.com"])

    await post(sent, "forward", "To=no@example.com&Act=forward")
    await sent.judge()

    assert sent.api.account
    rows = await sent.work.rows(
        "SELECT state, reason FROM deliveries WHERE owner_id = :owner AND kind = 'forward'",
        owner=sent.api.account.user_id,
    )
    assert [tuple(row) for row in rows] == [("withdrawn", "suppressed")]
