"""Which message a conversion counts for, and what of its money is summed."""

import asyncio
import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from journeys_api.activities.service import Fact, record_facts
from journeys_api.links.tokens import Kind, sign, sign_attribution, sign_click
from journeys_api.models import ActivityKind
from tests.conftest import SECRET_KEY, Client, Maker
from tests.engine.conftest import Audience, Work, running
from tests.subscribers.people import create, make_list
from tests.tracking.conftest import BROWSER

WAIT = {"Action": "Wait", "WaitAmount": 1, "WaitUnit": "days"}


@dataclass
class Shop:
    """A list with a journey that mails whoever comes to it, and a visitor who may buy."""

    api: Client
    work: Work
    audience: Audience
    journey_id: int
    email_id: int
    address: str
    delivery_id: int

    @property
    def mark(self) -> str:
        """What the visitor's mail gave the targets of its links."""
        assert self.api.account
        return sign_attribution(SECRET_KEY.encode(), self.api.account.user_id, self.delivery_id)

    async def buy(self, number: int = 1, value: object = "19.90", *, door: str = "rest", **given: Any) -> None:
        """Report an order; more of its properties by `properties`, more parameters by name."""
        sale = {"conversion-id": f"order-{number}", "conversion-name": "Order", "conversion-value": value}
        given = {"ListID": self.audience.list_id, "Email": self.address, **given}
        properties = {**sale, **given.pop("properties", {})}
        await self.api.at(door).ok("event.track", Event="conversion", Properties=properties, **given)

    async def open(self, *, days_ago: float = 0) -> None:
        """Open the mail."""
        assert self.api.account
        at = self.work.clock.instant - timedelta(days=days_ago)
        async with self.work.worker.sessions.begin() as session:
            fact = Fact(self.api.account.user_id, self.delivery_id, ActivityKind.OPENED, at)
            await record_facts(session, [fact], now=at)

    async def visit(self, kind: Kind = Kind.CLICK, *, agent: str = BROWSER) -> None:
        """Follow a link of the mail, or look at its picture, as the visitor's browser does just now."""
        assert self.api.account
        key, owner_id = SECRET_KEY.encode(), self.api.account.user_id
        clicked = sign_click(key, owner_id, self.delivery_id, "https://shop.example/")
        token = clicked if kind is Kind.CLICK else sign(key, kind, owner_id, self.delivery_id)
        answer = await self.api.http.get(f"/t/{kind.value}/{token}", headers={"User-Agent": agent})
        assert answer.status_code == (302 if kind is Kind.CLICK else 200)

    async def numbers(self) -> tuple[int, float]:
        """Conversions and revenue of the journey."""
        stats = (await self.api.ok("journey.get", JourneyID=self.journey_id))["JourneyStats"]
        found = stats["AggregatedEmailActions"]
        assert found["TotalRevenue"] == stats["TotalRevenue"] == sum(day["Amount"] for day in stats["DaysRevenue"])
        return found["ConversionCount"], found["TotalRevenue"]

    async def ledger(self) -> list[tuple[int, dict[str, Any]]]:
        """Cents and detail of the conversions of the account's messages."""
        assert self.api.account
        rows = await self.work.rows(
            "SELECT revenue_cents, detail FROM message_activities WHERE owner_id = :owner AND kind = 'converted' "
            "ORDER BY occurred_at",
            owner=self.api.account.user_id,
        )
        return [tuple(row) for row in rows]


@pytest.fixture
async def shop(api: Client, audience: Audience, work: Work, email_id: int, address: str) -> Shop:
    """The visitor has been sent the journey's mail."""
    journey_id = await running(
        api,
        {"Action": "SendEmail", "EmailID": email_id, "From": {"Name": "News", "Email": "news@example.com"}},
        Trigger="ListSubscription",
        Trigger_ListID=audience.list_id,
    )
    await audience.subscribe(address)
    await work.run()
    rows = await work.rows("SELECT delivery_id FROM deliveries WHERE journey_id = :journey", journey=journey_id)
    return Shop(api, work, audience, journey_id, email_id, address, rows[0].delivery_id)


async def test_a_conversion_counts_for_the_message_that_was_opened_last(shop: Shop, door: str) -> None:
    await shop.open()

    await shop.buy(door=door)
    await shop.buy(door=door)
    await shop.buy(2, 0.1, door=door)

    assert await shop.numbers() == (2, 20.0)
    actions = (await shop.api.ok("journey.get", JourneyID=shop.journey_id))["Actions"]
    converted = await shop.api.ok(
        "journey.action.subscribers",
        JourneyID=shop.journey_id,
        ActionID=actions[0]["ActionID"],
        FilterJSON=["converted"],
    )
    assert [row["EmailAddress"] for row in converted["Subscribers"]] == [shop.address]
    [person] = (await shop.api.ok("subscribers.search", ListID=shop.audience.list_id, Operator="and"))["Subscribers"]
    alone = await shop.api.ok("subscriber.get", ListID=shop.audience.list_id, EmailAddress=shop.address)
    assert person["TotalRevenue"] == alone["TotalRevenue"] == 20
    assert {row["ActivityType"] for row in alone["SubscriberActivity"]} >= {"email open", "journey start"}


async def test_a_conversion_counts_for_the_same_persons_message_of_another_list(shop: Shop, door: str) -> None:
    other = await make_list(shop.api)
    await create(shop.api, other, shop.address.upper())
    await shop.open()

    await shop.buy(door=door, ListID=other)
    await shop.buy(2, door=door, ListID=await make_list(shop.api))  # is new there

    assert await shop.numbers() == (2, 39.8)


async def test_an_order_that_is_reported_on_two_lists_counts_once(shop: Shop) -> None:
    lists = (shop.audience.list_id, await make_list(shop.api))
    await create(shop.api, lists[1], shop.address)
    await shop.open()

    await shop.buy(1, ListID=lists[0])
    await shop.buy(1, ListID=lists[1], properties={"pr": shop.mark})
    await asyncio.gather(*(shop.buy(2, "5", ListID=list_id) for list_id in lists))

    assert await shop.numbers() == (2, 24.9)
    assert shop.api.account
    told = await shop.work.rows(
        "SELECT kind FROM trigger_events WHERE owner_id = :owner", owner=shop.api.account.user_id
    )
    kinds = [row.kind for row in told]
    assert (kinds.count("WebsiteEvent_conversion"), kinds.count("RevenueHit")) == (4, 2)


async def test_without_a_list_the_person_is_on_the_one_of_the_last_message(shop: Shop, door: str) -> None:
    await create(shop.api, await make_list(shop.api), shop.address)
    spent = await running(shop.api, WAIT, Trigger="RevenueHit", Trigger_Value="1")
    hashed = hashlib.sha256(shop.address.encode()).hexdigest()

    await shop.buy(door=door, ListID=None)
    await shop.open()
    await shop.buy(2, door=door, ListID=None)
    await shop.buy(3, door=door, ListID=None, Email=None, ID=hashed)
    await shop.work.move()

    assert await shop.numbers() == (2, 39.8)
    rows = await shop.work.rows("SELECT list_id FROM enrollments WHERE journey_id = :journey", journey=spent)
    assert [row.list_id for row in rows] == [shop.audience.list_id]


async def test_conversions_at_once_count_once(shop: Shop) -> None:
    await shop.open()

    await asyncio.gather(*(shop.buy(1) for _ in range(6)))

    assert await shop.numbers() == (1, 19.9)


@pytest.mark.parametrize("kind", [Kind.CLICK, Kind.OPEN])
async def test_who_buys_at_once_buys_because_of_the_message(shop: Shop, door: str, kind: Kind) -> None:
    await shop.visit(kind)
    await shop.buy(door=door)
    await shop.buy(2, door=door, ListID=await make_list(shop.api))

    assert await shop.numbers() == (2, 39.8)
    await shop.work.run(minutes=1)  # the visit is judged
    await shop.buy(3, door=door)
    assert await shop.numbers() == (3, 59.7)


async def test_the_last_of_visits_and_touches_counts(shop: Shop, email_id: int) -> None:
    rows = await shop.work.rows("SELECT subscriber_id FROM deliveries WHERE delivery_id = :id", id=shop.delivery_id)
    other = await running(shop.api, {"Action": "SendEmail", "EmailID": email_id})
    await shop.audience.enter(other, rows[0].subscriber_id)
    await shop.work.run()
    (sent,) = await shop.work.rows("SELECT delivery_id FROM deliveries WHERE journey_id = :journey", journey=other)
    first, second = shop, replace(shop, journey_id=other, delivery_id=sent.delivery_id)

    await first.open()
    await second.visit()
    await shop.buy()
    assert (await first.numbers(), await second.numbers()) == ((0, 0), (1, 19.9))
    await first.open(days_ago=-1)
    await shop.buy(2)
    assert (await first.numbers(), await second.numbers()) == ((1, 19.9), (1, 19.9))


async def test_a_visit_of_a_machine_or_of_somebody_else_is_no_touch(shop: Shop, make: Maker) -> None:
    stranger = await make.client()
    list_id = await make_list(stranger)
    await create(stranger, list_id, shop.address)

    await shop.visit(agent="Googlebot/2.1 (+http://www.google.com/bot.html)")
    await shop.buy()
    await shop.visit()
    await shop.buy(2, Email="friend@example.com")
    await replace(shop, api=stranger).buy(3, ListID=list_id)

    assert await shop.numbers() == (0, 0)


@pytest.mark.parametrize(("days", "count"), [(29.9, 1), (30.1, 0)])
async def test_an_open_counts_within_the_window(shop: Shop, days: float, count: int) -> None:
    await shop.open(days_ago=days)

    await shop.buy()

    assert (await shop.numbers())[0] == count


async def test_without_a_message_a_conversion_is_kept_and_starts_journeys(shop: Shop) -> None:
    hit = await running(shop.api, WAIT, Trigger="RevenueHit", Trigger_Value="19.90")
    more = await running(shop.api, WAIT, Trigger="RevenueHit", Trigger_Value="19.91")
    converted = await running(shop.api, WAIT, Trigger="EmailConversion", Trigger_EmailID=0)

    await shop.buy()
    await shop.work.move()

    assert await shop.numbers() == (0, 0)
    assert await shop.work.ends(hit) == [("active", None)]
    assert await shop.work.ends(more) == await shop.work.ends(converted) == []


async def test_a_sale_of_nothing_is_a_hit_of_nothing(shop: Shop) -> None:
    any_hit = await running(shop.api, WAIT, Trigger="RevenueHit", Trigger_Value=0)
    of_a_cent = await running(shop.api, WAIT, Trigger="RevenueHit", Trigger_Value="0.01")
    assert shop.api.account
    await shop.api.ok("user.update", UserID=shop.api.account.user_id, Currency="EUR")

    await shop.buy(1, "5", properties={"conversion-currency": "USD"})
    await shop.work.move()
    assert await shop.work.ends(any_hit) == []
    await shop.buy(2, "0.00")
    await shop.work.move()

    assert await shop.work.ends(any_hit) == [("active", None)]
    assert await shop.work.ends(of_a_cent) == []


async def test_the_mark_of_a_link_counts_before_what_was_opened_last(shop: Shop, email_id: int) -> None:
    other = await running(
        shop.api,
        {"Action": "SendEmail", "EmailID": email_id, "From": {"Name": "News", "Email": "news@example.com"}},
    )
    rows = await shop.work.rows("SELECT subscriber_id FROM deliveries WHERE delivery_id = :id", id=shop.delivery_id)
    await shop.audience.enter(other, rows[0].subscriber_id)
    await shop.work.run()
    first, mark = shop.journey_id, shop.mark
    shop.journey_id = other
    (sent,) = await shop.work.rows("SELECT delivery_id FROM deliveries WHERE journey_id = :journey", journey=other)
    shop.delivery_id = sent.delivery_id
    await shop.open()

    await shop.buy(properties={"pr": mark})
    await shop.buy(2, properties={"pr": mark[:-1]})

    assert await shop.numbers() == (1, 19.9)
    shop.journey_id = first
    assert await shop.numbers() == (1, 19.9)


async def test_journeys_that_wait_for_the_emails_conversion_start(shop: Shop) -> None:
    own = await running(shop.api, WAIT, Trigger="EmailConversion", Trigger_EmailID=shop.email_id)
    another = await shop.api.ok("email.create")
    others = await running(shop.api, WAIT, Trigger="EmailConversion", Trigger_EmailID=another["EmailID"])

    await shop.buy(1, properties={"pr": shop.mark, "isSilent": True})
    await shop.work.move()
    assert await shop.work.ends(own) == []
    await shop.buy(2, properties={"pr": shop.mark})
    await shop.work.move()

    assert await shop.work.ends(own) == [("active", None)]
    assert await shop.work.ends(others) == []
    assert await shop.numbers() == (2, 39.8)


async def test_a_mark_tells_who_the_visitor_is_when_nothing_else_does(shop: Shop) -> None:
    await shop.buy(Email=None, UUID="v-1", properties={"pr": shop.mark})
    await shop.buy(2, Email=None, UUID="v-1", properties={"pr": shop.mark})

    assert await shop.numbers() == (2, 39.8)


async def test_a_mark_of_somebody_elses_mail_does_not_count_for_it(shop: Shop, make: Maker) -> None:
    await shop.buy(Email="friend@example.com", properties={"pr": shop.mark})
    stranger = Shop(await make.client(), shop.work, shop.audience, 0, 0, shop.address, shop.delivery_id)
    sale = {"conversion-id": "1", "conversion-name": "x", "conversion-value": 1, "pr": shop.mark}
    await stranger.api.ok("event.track", Event="conversion", UUID="v", Properties=sale)
    await stranger.api.ok("event.track", Event="conversion", UUID="v", Properties={**sale, "pr": stranger.mark})

    assert await shop.numbers() == (0, 0)
    assert await stranger.ledger() == []


async def test_the_first_named_currency_is_the_accounts_and_others_are_not_summed(shop: Shop) -> None:
    hit = await running(shop.api, WAIT, Trigger="RevenueHit", Trigger_Value="100")
    await shop.open()

    for number, (value, currency) in enumerate(
        [("1", None), ("2.50", "eur"), ("500", "USD"), ("4", None), ("8", " EUR "), ("99", "bitcoins, if you please")]
    ):
        quantity = {"conversion-quantity": 3} if currency == "USD" else {}
        await shop.buy(number, value, properties={"conversion-currency": currency, **quantity})
    await shop.work.move()

    assert await shop.numbers() == (6, 15.5)
    ledger = await shop.ledger()
    assert [cents for cents, _ in ledger] == [100, 250, 0, 400, 800, 0]
    assert [detail.get("currency") for _, detail in ledger] == [
        None,
        "EUR",
        "USD",
        "EUR",
        "EUR",
        "BITCOINS, IF YOU PLE",
    ]
    assert ledger[2][1] == {
        "conversion_id": "order-2",
        "name": "Order",
        "amount": "500",
        "quantity": "3",
        "currency": "USD",
    }
    assert await shop.work.ends(hit) == []
    assert (await shop.api.ok("user.current"))["UserInfo"]["Currency"] == "EUR"


async def test_an_account_says_itself_what_it_counts_in(shop: Shop) -> None:
    assert shop.api.account
    user_id = shop.api.account.user_id
    await shop.open()
    await shop.api.ok("user.update", UserID=user_id, Currency="usd")
    await shop.buy(1, "1", properties={"conversion-currency": "EUR"})
    await shop.buy(2, "2", properties={"conversion-currency": "USD"})

    assert await shop.numbers() == (2, 2.0)
    assert await shop.api.codes("user.update", UserID=user_id, Currency="Euro") == [20]
    assert (await shop.api.ok("user.current"))["UserInfo"]["Currency"] == "USD"


async def test_an_account_keeps_the_currency_that_revenue_was_counted_in(shop: Shop, door: str) -> None:
    assert shop.api.account
    api, user_id = shop.api.at(door), shop.api.account.user_id
    await shop.open()
    await shop.buy(1, "5", properties={"conversion-currency": "USD"}, door=door)
    for currency in ("EUR", ""):
        assert await api.codes("user.update", UserID=user_id, Currency=currency, City="Ulm") == [21]
    await shop.work.move()  # folded
    assert await api.codes("user.update", UserID=user_id, Currency="EUR") == [21]

    await api.ok("user.update", UserID=user_id, Currency="usd", FirstName="Ann")
    await shop.buy(2, "7", properties={"conversion-currency": "EUR"}, door=door)

    assert await shop.numbers() == (2, 5.0)
    told = (await api.ok("user.current"))["UserInfo"]
    assert (told["Currency"], told["FirstName"], told["City"]) == ("USD", "Ann", "")


async def test_a_currency_that_nothing_was_counted_in_changes(shop: Shop) -> None:
    assert shop.api.account
    user_id = shop.api.account.user_id
    await shop.buy(1, "5", properties={"conversion-currency": "EUR"})
    for currency in ("", "USD"):
        await shop.api.ok("user.update", UserID=user_id, Currency=currency)
    await shop.open()
    await shop.buy(2, "2", properties={"conversion-currency": "USD"})

    assert await shop.numbers() == (1, 2.0)


async def test_the_largest_amounts_are_told_to_the_cent(shop: Shop) -> None:
    await shop.open()
    for number in range(3):
        await shop.buy(number, "9999999999.99")

    assert await shop.numbers() == (3, 29999999999.97)


@pytest.mark.parametrize(
    ("rules", "starts"),
    [
        ([{"Property": "$pageTitle", "Operator": "contains", "Value": "shop"}], True),
        ([{"Property": "page_view.$page_title", "Operator": "matches regex", "Value": "^Our"}], True),
        ([{"Property": "price", "Operator": "greater than", "Value": "9.5"}], True),
        ([{"Property": "price", "Operator": "greater than", "Value": "10"}], False),
        ([{"Property": "absent", "Operator": "doesn't equal", "Value": "x"}], True),
        ([{"Property": "absent", "Operator": "does not contain", "Value": "x"}], True),
        ([{"Property": "price", "Operator": "is set"}, {"Property": "absent", "Operator": "is set"}], False),
        ([], True),
    ],
)
async def test_journeys_of_events_start_when_all_criteria_match(shop: Shop, rules: list[Any], starts: bool) -> None:
    waiting = await running(
        shop.api,
        WAIT,
        Trigger="WebsiteEvent_pageView",
        Trigger_ListID=shop.audience.list_id,
        Trigger_Criteria=rules,
    )
    properties = {"$pageTitle": "Our Shop", "price": "10.0"}

    for event in ("page_view", "other"):
        await shop.api.ok("event.track", Event=event, Email=shop.address, Properties=properties)
    await shop.work.move()

    assert bool(await shop.work.ends(waiting)) is starts
