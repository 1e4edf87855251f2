"""Pictures and links of a mail that a journey sent, as its recipient and everybody else ask for them."""

import email
import email.policy
import random
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from journeys_api.app import create_app
from journeys_api.links.tokens import read_attribution
from journeys_api.settings import Settings
from journeys_api.tracking.visitors import machine_named
from journeys_api.work import Worker
from tests.conftest import SECRET_KEY, Client, Maker
from tests.delivery.mail.sinks import Sink
from tests.engine.conftest import Audience, Work, running
from tests.tracking.agents import BOTS, PEOPLE, PROXIES
from tests.tracking.conftest import BROWSER, ONE, TWO, Sent, links_of, part_of, send


async def test_an_opened_picture_and_followed_links_count_once(sent: Sent) -> None:
    picture = [await sent.follow("picture") for _ in range(3)]
    clicked = await sent.follow("one")
    await sent.judge()
    again = [await sent.follow("one"), await sent.follow("one")]

    assert {answer.status_code for answer in picture} == {200}
    assert [(answer.status_code, answer.headers["Location"]) for answer in (clicked, *again)] == [(302, ONE)] * 3
    assert await sent.numbers() == {"OpenCount": 1, "ClickCount": 1}
    ledger = await sent.ledger()
    assert [(row.kind, row.is_counted) for row in ledger] == [
        ("opened", True), ("opened", False), ("opened", False),
        ("clicked", True), ("clicked", False), ("clicked", False),
    ]  # fmt: skip
    assert ledger[3].detail == {"target": ONE, "ip": "127.0.0.1", "user_agent": BROWSER}


async def test_a_click_alone_is_an_open(sent: Sent) -> None:
    await sent.follow("two")

    assert await sent.numbers() == {"OpenCount": 1, "ClickCount": 1}


async def test_the_plain_text_is_tracked_and_every_mail_names_itself(sent: Sent) -> None:
    [link] = [word.rstrip(".") for word in sent.text.split() if "/t/k/" in word]
    answer = await sent.follow(link)

    assert answer.headers["Location"] == "https://shop.example/plain"
    assert "/t/u/" in sent.text
    message_id = str(sent.mail["Message-ID"])
    assert message_id.startswith(f"<{sent.mail['X-MessageID']}@")


@pytest.mark.parametrize(("trigger", "link"), [("EmailOpen", "picture"), ("EmailLinkClick", "one")])
async def test_journeys_that_wait_for_it_start(sent: Sent, trigger: str, link: str) -> None:
    waiting = await running(
        sent.api,
        {"Action": "Wait", "WaitAmount": 1, "WaitUnit": "days"},
        Trigger=trigger,
        Trigger_EmailID=sent.email_id,
    )

    await sent.follow(link)
    await sent.judge()

    assert [address for address, _ in await sent.work.history(waiting)] == [sent.address]


async def test_the_picture_is_the_same_for_everybody_and_everything(sent: Sent) -> None:
    path = sent.links["picture"]
    others = [path[:-1] + ("A" if path[-1] != "A" else "B"), "/t/o/x", "/t/o/", "/t/o/a/b", "/t/o/%00%FF", path + "/"]

    answers = [await sent.follow(each) for each in (path, path, *others, sent.links["one"].replace("/k/", "/o/"))]

    assert {(answer.status_code, answer.content, tuple(answer.headers.items())) for answer in answers} == {
        (200, answers[0].content, tuple(answers[0].headers.items()))
    }
    assert answers[0].content.startswith(b"GIF89a")
    assert len(answers[0].content) == 42
    assert answers[0].headers["Content-Type"] == "image/gif"
    assert answers[0].headers["Cache-Control"] == "no-store"
    assert "set-cookie" not in answers[0].headers
    assert await sent.numbers() == {"OpenCount": 1}


async def test_no_changed_link_leads_anywhere(sent: Sent) -> None:
    token = sent.links["one"].rpartition("/")[2]
    chance = random.Random(91)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    forged = set[str]()
    while len(forged) < 300:
        place = chance.randrange(len(token))
        forged.add(token[:place] + chance.choice(letters) + token[place + 1 :])
        forged.add(token[:place])
    forged -= {token, ""}

    answers = [await sent.follow(f"/t/k/{each}") for each in sorted(forged)]
    answers += [await sent.follow(f"/t/{kind}/{token}") for kind in "sbfuacrxpz"]
    answers += [
        await sent.follow(f"/t/k/{sent.links[each].rpartition('/')[2]}") for each in ("picture", "leave", "view")
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert not any("location" in answer.headers for answer in answers)
    assert await sent.numbers() == {}


async def test_a_parameter_of_the_url_leads_nowhere_else(sent: Sent) -> None:
    answer = await sent.follow(sent.links["one"] + "?url=https://evil.example/&target=//evil.example")

    assert answer.headers["Location"] == ONE
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_scripts_and_other_schemes_are_never_tracked(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    links = '<a href="javascript:alert(1)">a</a><a href="data:text/html,x">b</a><a href="//evil.example">c</a>'
    document = f'<html><body>{links}<a href="{{{{ Link:Unsubscribe }}}}">leave</a></body></html>'

    sent = await send(api, audience, work, address, html=document)

    assert links in sent.html
    assert "/t/k/" not in sent.html


HEADERS = [
    {"Sec-Purpose": "prefetch"},
    {"Sec-Purpose": "prefetch;anonymous-client-ip"},
    {"Purpose": "prefetch"},
    {"X-Purpose": "preview"},
    {"X-Moz": "prefetch"},
]


async def test_machines_are_written_down_and_counted_nowhere(sent: Sent) -> None:
    async def ask(headers: dict[str, str], method: str = "GET") -> None:
        for link in ("picture", "one"):
            answer = await sent.follow(link, method, headers=headers)
            assert answer.status_code == (200 if link == "picture" else 302)

    for headers in HEADERS:
        await ask(headers)
    for agent in BOTS:
        await ask({"User-Agent": agent})
    await ask({}, "HEAD")

    assert await sent.numbers() == {}
    ledger = await sent.ledger()
    assert len(ledger) == 2 * (len(HEADERS) + len(BOTS) + 1)
    assert all(row.automated and not row.is_counted for row in ledger)
    assert {"HEAD", "prefetch", "Apple privacy proxy"} <= {row.automated for row in ledger}


@pytest.mark.parametrize("agent", PEOPLE)
async def test_browsers_and_mail_programs_are_people(sent: Sent, agent: str) -> None:
    await sent.follow("picture", headers={"User-Agent": agent})
    await sent.follow("one", headers={"User-Agent": agent})

    assert [row.automated for row in await sent.ledger()] == [None, None]


async def test_pictures_that_a_providers_server_fetches_are_opens(sent: Sent) -> None:
    for agent in PROXIES:
        await sent.follow("picture", headers={"User-Agent": agent})

    assert await sent.numbers() == {"OpenCount": 1}
    assert [row.detail["proxy"] for row in await sent.ledger()] == list(PROXIES.values())


async def test_several_links_at_once_are_a_scanners(sent: Sent) -> None:
    for link in ("one", "two", "view"):
        await sent.follow(link)

    assert await sent.numbers() == {}
    assert {row.automated for row in await sent.ledger()} == {"several links at once"}


async def test_what_a_visitor_says_of_itself_is_kept_harmless(sent: Sent) -> None:
    agent = "<script>alert(1)</script>" + "x" * 10_000

    await sent.follow("one", headers={"User-Agent": agent})

    [opened, clicked] = await sent.ledger()
    assert clicked.detail["user_agent"] == agent[:400]
    assert opened.kind == "clicked" or opened.detail["implied"]


async def test_no_link_is_tracked_where_the_sender_domain_does_not_want_it(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    domain = await api.ok("user.senderdomain.create", SenderDomain="shop.example", LinkTracking=False)
    sender = {"Name": "Shop", "Email": "news@shop.example"}

    sent = await send(api, audience, work, address, action={"SenderDomainID": int(domain["DomainID"]), "From": sender})

    assert ("/t/k/" in sent.html, "/t/k/" in sent.text, "/t/o/" in sent.html) == (False, False, True)


@pytest.mark.parametrize("links", [True, False])
async def test_nothing_is_tracked_where_the_email_does_not_want_it(
    api: Client, audience: Audience, work: Work, address: str, links: bool
) -> None:
    sent = await send(api, audience, work, address, OpenTracking=False, LinkTracking=links)

    assert ("/t/k/" in sent.html, "/t/k/" in sent.text, "/t/o/" in sent.html) == (links, links, False)
    assert "/t/u/" in sent.html


async def test_utm_marks_are_added_to_links(api: Client, audience: Audience, work: Work, address: str) -> None:
    sent = await send(
        api, audience, work, address, UTMTracking=True, UTMSource="news", UTMMedium="email", UTMCampaign="a b"
    )

    answer = await sent.follow("one")

    assert answer.headers["Location"] == ONE + "&utm_source=news&utm_medium=email&utm_campaign=a%20b"


async def test_a_target_may_be_told_which_message_led_there(settings: Settings, sent: Sent) -> None:
    application = create_app(settings.model_copy(update={"click_parameter": "pr"}))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=application), base_url="http://journeys.test"
    ) as client:
        answer = await client.get(sent.links["one"])
    await application.close()

    before, _, token = answer.headers["Location"].rpartition("&pr=")
    assert before == ONE
    [row] = await sent.work.rows("SELECT * FROM deliveries WHERE journey_id = :journey", journey=sent.journey_id)
    assert read_attribution(SECRET_KEY.encode(), token) == (row.owner_id, row.delivery_id)


async def test_confirmations_are_not_tracked(api: Client, make: Maker, work: Work) -> None:
    made = await api.ok("list.create", SubscriberListName="Double", SenderEmailAddress="news@example.com")
    email_id = int((await api.ok("email.create"))["EmailID"])
    document = (
        '<body><a href="https://shop.example/">x</a><a href="{{ Link:Confirm }}">y</a>{{ Link:WebBrowser }}</body>'
    )
    await api.ok("email.update", EmailID=email_id, ValidateScope="OptIn", Subject="Confirm", HTMLContent=document)
    await api.ok("list.update", SubscriberListID=made["ListID"], OptInMode="Double", OptInConfirmationEmailID=email_id)
    await Audience(api, int(made["ListID"])).subscribe("double@example.com")

    await work.run()

    [mail] = work.mails_to("double@example.com")
    document = part_of(mail, "html")
    assert 'href="https://shop.example/"' in document
    assert "/t/c/" in document
    assert not any(f"/t/{kind}/" in document for kind in "okb")


async def test_a_mail_over_smtp_leads_back_the_same_way(
    settings: Settings, api: Client, audience: Audience, work: Work
) -> None:
    async with Sink().open() as sink:
        over_smtp = Worker(
            settings.model_copy(update={"smtp_url": SecretStr(sink.url()), "data_dir": work.maildir.parent}),
            clock=work.clock,
        )
        maildir, work.worker = work.worker, over_smtp
        email_id = int((await api.ok("email.create"))["EmailID"])
        await api.ok(
            "email.update", EmailID=email_id, ValidateScope="AutoResponder", Subject="Hello",
            HTMLContent=f'<a href="{TWO}">two</a><a href="{{{{ Link:Unsubscribe }}}}">leave</a>',
        )  # fmt: skip
        journey_id = await running(
            api,
            {"Action": "SendEmail", "EmailID": email_id},
            Trigger="ListSubscription",
            Trigger_ListID=audience.list_id,
        )
        await audience.subscribe("smtp@example.com")
        await work.run()
        await over_smtp.close()
        work.worker = maildir
        [message] = [email.message_from_bytes(each, policy=email.policy.default) for each in sink.messages]

    sent = Sent(api, audience, work, "smtp@example.com", journey_id, email_id, 0, links_of(part_of(message, "html")))
    await sent.follow("picture")
    answer = await sent.follow("two")

    assert answer.headers["Location"] == TWO
    assert await sent.numbers() == {"OpenCount": 1, "ClickCount": 1}


def test_every_bot_here_is_known_by_name_alone() -> None:
    known: dict[str, Any] = {agent: machine_named(agent) for agent in BOTS}
    assert all(known.values()), known
    assert [machine_named(agent) for agent in PEOPLE] == [None] * len(PEOPLE)
