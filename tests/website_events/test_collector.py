"""What browsers report under a public key: it adds events, and changes nobody."""

import asyncio
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from journeys_api.app import Application, create_app
from journeys_api.links.tokens import sign_attribution
from journeys_api.settings import Settings
from tests.conftest import SECRET_KEY, Client, Maker
from tests.engine.conftest import Audience, Work, running
from tests.undone import undone

WAIT = {"Action": "Wait", "WaitAmount": 1, "WaitUnit": "days"}
SALE = {"conversion-id": "o-1", "conversion-name": "Order", "conversion-value": "19.90"}
VICTIM = "victim@example.com"


@dataclass
class Site:
    """A website of a list."""

    api: Client
    work: Work
    audience: Audience
    key: str
    identity_key: str

    async def report(self, *events: dict[str, Any], **given: Any) -> httpx.Response:
        """Post events as the tracker does."""
        body = {"key": self.key, "uuid": "v-1", "events": events, **given}
        return await self.api.http.post(
            "/t/e", content=json.dumps(body), headers={"Content-Type": "text/plain;charset=UTF-8"}
        )

    def sign(self, address: str) -> str:
        """What the website's server says of a visitor who has logged in."""
        return hmac.new(self.identity_key.encode(), address.lower().encode(), hashlib.sha256).hexdigest()

    async def kept(self) -> list[tuple[str, int | None]]:
        """Name and subscriber of the account's events, in order."""
        assert self.api.account
        rows = await self.work.rows(
            "SELECT name, subscriber_id FROM website_events WHERE owner_id = :owner ORDER BY event_id",
            owner=self.api.account.user_id,
        )
        return [tuple(row) for row in rows]

    async def told(self) -> list[str]:
        """The kinds of what journeys have been told of the account."""
        assert self.api.account
        rows = await self.work.rows(
            "SELECT kind FROM trigger_events WHERE owner_id = :owner ORDER BY event_id", owner=self.api.account.user_id
        )
        return [row.kind for row in rows if row.kind != "ListSubscription"]


def event(name: str = "page_view", properties: Any = None, **more: Any) -> dict[str, Any]:
    return {"id": str(uuid4()), "event": name, "properties": properties or {}, **more}


@pytest.fixture
async def site(api: Client, audience: Audience, work: Work) -> Site:
    """The website of an empty list."""
    found = await api.ok("website_events.tracker", ListID=audience.list_id)
    return Site(api, work, audience, found["SiteKey"], found["IdentityKey"])


async def test_the_tracker_is_served_to_every_site_and_may_be_kept(site: Site) -> None:
    script = await site.api.http.get("/t/tracker.js")
    again = await site.api.http.get("/t/tracker.js", headers={"If-None-Match": script.headers["etag"]})

    assert (script.status_code, again.status_code) == (200, 304)
    assert len(script.content) < 4096
    assert script.headers["content-type"].startswith("text/javascript")
    assert script.headers["cache-control"] == "public, max-age=3600"
    assert script.headers["access-control-allow-origin"] == "*"


async def test_an_account_gets_what_its_pages_need(site: Site, make: Maker, door: str) -> None:
    found = await site.api.at(door).ok("website_events.tracker", ListID=site.audience.list_id)
    stranger = await make.client()

    expected = f'<script src="http://journeys.test/t/tracker.js" data-key="{site.key}" async></script>'
    assert found["Snippet"] == expected
    assert found["IdentityKey"] not in expected
    assert await stranger.at(door).codes("website_events.tracker", ListID=site.audience.list_id) == [3]
    assert await stranger.at(door).codes("website_events.tracker") == [1]
    assert await stranger.at(door).codes("website_events.tracker", ListID="x") == [2]
    reader = await make.client(permissions=["Subscribers.Get"])
    assert await reader.at(door).codes("website_events.tracker", ListID=site.audience.list_id) == [99999]


async def test_the_page_that_shows_it_needs_a_key_of_ours(site: Site) -> None:
    shown = await site.api.http.get("/t/tracker", params={"key": site.key})
    forged = await site.api.http.get("/t/tracker", params={"key": '"><script>alert(1)</script>'})

    assert (shown.status_code, forged.status_code) == (200, 404)
    assert f'data-key="{site.key}"' in shown.text
    assert "script-src 'self' 'nonce-" in shown.headers["content-security-policy"]
    assert "<script>" not in forged.text


async def test_browsers_of_other_sites_may_post(site: Site) -> None:
    asked = await site.api.http.options("/t/e", headers={"Origin": "https://shop.example"})
    answer = await site.report(event())

    assert (asked.status_code, answer.status_code, answer.content) == (204, 204, b"")
    for each in (asked, answer, await site.report()):
        assert each.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in each.headers
    assert await site.kept() == [("pageView", None)]


async def test_the_mark_of_a_mail_tells_who_the_visitor_is(site: Site, email_id: int, address: str) -> None:
    journey_id = await running(
        site.api,
        {"Action": "SendEmail", "EmailID": email_id, "From": {"Name": "News", "Email": "news@example.com"}},
        Trigger="ListSubscription",
        Trigger_ListID=site.audience.list_id,
    )
    looked = await running(site.api, WAIT, Trigger="WebsiteEvent_pageView", Trigger_ListID=site.audience.list_id)
    subscriber_id = await site.audience.subscribe(address)
    await site.work.run()
    (row,) = await site.work.rows("SELECT * FROM deliveries WHERE journey_id = :journey", journey=journey_id)
    mark = sign_attribution(SECRET_KEY.encode(), row.owner_id, row.delivery_id)

    await site.report(event(), event("conversion", SALE), pr=mark)
    await site.report(event("Cart"))
    await site.report(event("Cart"), uuid="v-2", pr=mark[:-2])
    await site.work.move()

    assert await site.kept() == [
        ("pageView", subscriber_id),
        ("conversion", subscriber_id),
        ("Cart", subscriber_id),
        ("Cart", None),
    ]
    assert await site.work.ends(looked) == [("active", None)]
    stats = (await site.api.ok("journey.get", JourneyID=journey_id))["JourneyStats"]["AggregatedEmailActions"]
    assert (stats["ConversionCount"], stats["TotalRevenue"]) == (1, 19.9)


async def test_the_same_event_fifty_times_is_one_and_enters_one_journey(site: Site) -> None:
    subscriber_id = await site.audience.subscribe(VICTIM)
    waiting = await running(site.api, WAIT, Trigger="WebsiteEvent_customEvent", Trigger_ListID=site.audience.list_id)
    await site.api.ok("event.track", ListID=site.audience.list_id, Event="page_view", Email=VICTIM, UUID="v-1")
    same = event("Cart")

    answers = []
    for _ in range(5):  # no more at once than there are connections: on a slow machine the others would have 503
        answers += await asyncio.gather(*(site.report(same, same) for _ in range(5)))
    await site.work.move()

    assert {answer.status_code for answer in answers} == {204}
    assert await site.kept() == [("pageView", subscriber_id), ("Cart", subscriber_id)]
    assert await site.work.ends(waiting) == [("active", None)]


async def test_events_of_a_transaction_that_was_undone_are_kept_all_the_same(site: Site) -> None:
    assert site.api.account

    async with undone(site.work.worker.sessions, table="website_events", owner_id=site.api.account.user_id):
        answer = await site.report(event("Cart"))

    assert answer.status_code == 204
    assert await site.kept() == [("Cart", None)]


async def test_a_forged_identity_changes_nobody_and_starts_nothing(site: Site) -> None:
    field_id = await site.audience.field(MergeTagAlias="Town")
    subscriber_id = await site.audience.subscribe(VICTIM, **{f"CustomField{field_id}": "Ulm"})
    before = await site.audience.view(subscriber_id)

    for given in (
        {"email": VICTIM},
        {"email": VICTIM, "signature": site.sign("other@example.com")},
        {"email": VICTIM, "signature": "ü"},
        {"Email": VICTIM, "Signature": site.sign(VICTIM)},
        {"email": "new@example.com", "identify": {"Town": "Bonn"}},
    ):
        more = {"IdentifyProperties": {"Town": "Bonn"}}
        answer = await site.report(event("identify", **more), event("page_view"), **{**given, **more})
        assert answer.status_code == 204

    assert await site.audience.view(subscriber_id) == before
    assert await site.told() == []
    assert {who for _, who in await site.kept()} == {None}
    lists = await site.api.ok("subscribers.get", SubscriberListID=site.audience.list_id, SubscriberSegment="Active")
    assert [row["EmailAddress"] for row in lists["Subscribers"]] == [VICTIM]


async def test_a_signed_identity_ties_the_visitor_to_a_subscriber_and_makes_none(site: Site) -> None:
    subscriber_id = await site.audience.subscribe(VICTIM)

    await site.report(event("identify"), email="Victim@example.com", signature=site.sign(VICTIM))
    await site.report(event("page_view"))
    await site.report(event("identify"), uuid="v-2", email="new@example.com", signature=site.sign("new@example.com"))

    assert await site.kept() == [("identify", subscriber_id), ("pageView", subscriber_id), ("identify", None)]
    assert await site.told() == ["WebsiteEvent_identify", "WebsiteEvent_pageView"]


async def test_the_key_of_one_list_says_nothing_of_another_account(site: Site, make: Maker) -> None:
    stranger = await make.client()
    made = await stranger.ok("list.create", SubscriberListName="Theirs")
    theirs = await stranger.ok("website_events.tracker", ListID=made["ListID"])
    await site.audience.subscribe(VICTIM)

    await site.report(event("identify"), key=theirs["SiteKey"], email=VICTIM, signature=site.sign(VICTIM))

    assert (await site.kept(), await site.told()) == ([], [])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"\xff", 400),
        (b"x" * 65_537, 413),
        ({"uuid": "\x00"}, 400),
        ({"uuid": ""}, 400),
        ({"uuid": "v" * 256}, 400),
        ({"events": []}, 400),
        ({"events": [{}]}, 400),
        ({"events": [event(id="x")]}, 400),
        ({"events": [event("")]}, 400),
        ({"events": [event() for _ in range(21)]}, 400),
        ({"events": [event(properties={f"p{number}": 1 for number in range(200)})]}, 400),
        ({"events": [event(properties={"p": "a\x00b"})]}, 400),
        ({"events": [event(properties="text")]}, 400),
        ({"events": [event(), event("conversion", {**SALE, "conversion-value": "lots"})]}, 400),
        ({"events": [event("conversion", {"conversion-id": "1"})]}, 400),
        ({"email": "no address"}, 400),
        ({"key": "x"}, 403),
        ({"key": None}, 403),
        ({"key": ["x"]}, 400),
        ({"pr": {"a": 1}}, 400),
    ],
)
async def test_what_is_no_report_is_refused_whole(site: Site, body: Any, status: int) -> None:
    if isinstance(body, bytes):
        answer = await site.api.http.post("/t/e", content=body)
    else:
        answer = await site.report(*body.get("events", [event()]), **body)

    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert await site.kept() == []


async def test_a_deleted_list_takes_its_site_key_with_it(site: Site) -> None:
    await site.api.ok("lists.delete", Lists=str(site.audience.list_id))

    assert (await site.report(event())).status_code == 403


async def test_a_browser_that_reports_too_often_is_told_to_wait(settings: Settings, site: Site) -> None:
    limited = create_app(settings.model_copy(update={"rate_limits": "on"}))
    transport = httpx.ASGITransport(app=limited)
    async with httpx.AsyncClient(transport=transport, base_url="http://journeys.test") as http:
        for _ in range(600):
            limited.rate_limits.hit_browser("127.0.0.1")
        answer = await http.post("/t/e", content=b"{}")
    await limited.close()

    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_names_of_strangers_events_are_not_remembered(site: Site, app: Application) -> None:
    await site.report(event("Odd", {"odd": 1}))
    unknown = await site.api.ok("website_events.properties", ListID=site.audience.list_id)
    await site.audience.subscribe(VICTIM)
    await site.report(event("Cart", {"price": 1}), event("identify"), email=VICTIM, signature=site.sign(VICTIM))

    assert unknown["Properties"] == {}
    known = await site.api.ok("website_events.properties", ListID=site.audience.list_id)
    assert known["Properties"] == {"Cart": ["eventName", "price"]}


async def test_a_list_remembers_no_end_of_names(site: Site) -> None:
    await site.audience.subscribe(VICTIM)
    assert site.api.account
    await site.work.change(
        "INSERT INTO website_event_properties (owner_id, list_id, event_name, property) "
        "SELECT :owner, :list, 'Cart', 'name' || n FROM generate_series(1, 10000) AS n",
        owner=site.api.account.user_id,
        list=site.audience.list_id,
    )

    answer = await site.report(event("Cart", {"more": 1}), email=VICTIM, signature=site.sign(VICTIM))
    names = await site.work.rows(
        "SELECT property FROM website_event_properties WHERE list_id = :list", list=site.audience.list_id
    )

    assert (answer.status_code, len(await site.kept())) == (204, 1)
    assert len(names) == 10_000
