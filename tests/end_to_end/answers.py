"""What the API tells of all that, compared with what the test counted."""

import itertools
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pytest

from tests.end_to_end.counts import FILTERS, SENT, Counts, Person
from tests.end_to_end.installation import Installation
from tests.end_to_end.shop import Shop
from tests.end_to_end.stage import DOMAINS, FAREWELL, WELCOME, Stage

STATS = {
    "EmailSent": SENT,
    "EmailOpened": "OpenCount",
    "EmailClicked": "ClickCount",
    "EmailConverted": "ConversionCount",
    "EmailUnsubscribed": "UnsubscribeCount",
    "EmailBounced": "BounceCount",
    "EmailSpamComplaint": "SpamComplaintCount",
    "TotalRevenue": "TotalRevenue",
}
"""Of an action."""
BY_DOMAIN = {
    "Sent": SENT,
    "Delivered": "DeliveryCount",
    "Opened": "OpenCount",
    "Clicked": "ClickCount",
    "Bounced": "BounceCount",
    "Unsubscribed": "UnsubscribeCount",
    "Complained": "SpamComplaintCount",
}
DAILY = (SENT, "OpenCount", "ClickCount", "TotalRevenue")
"""Of a day of an action."""
PAGE = 1000


@dataclass
class Answers:
    """Asks for every number."""

    each: Installation
    stage: Stage
    counts: Counts
    people: dict[str, Person]
    shop: Shop
    began_on: date

    async def check(self, door: str) -> None:
        """All of them, at one door."""
        stage, everybody = self.stage, len(self.people)
        for journey_id, subjects in ((stage.welcome, WELCOME), (stage.farewell, (FAREWELL,))):
            await self._journey(door, journey_id, subjects, active=0, total=everybody)
            await self._slices(door, journey_id, subjects)
        for name, addresses in self._waiting().items():
            assert addresses, name
            await self._journey(door, stage.waiting[name], (), active=len(addresses), total=len(addresses))
        await self._benchmark(door)
        for subject in (*WELCOME, FAREWELL):
            await self._people(door, subject)

    def _waiting(self) -> dict[str, Collection[str]]:
        """Journey that lets people in by what they do → who did it."""
        return {
            "Readers": self.counts.people("First", "OpenCount"),
            "Followers": {*self.counts.people("First", "ClickCount"), *self.counts.people("Second", "ClickCount")},
            "Buyers": self.shop.buyers["Second"],
            "Big spenders": self.shop.big_spenders,
            "Leavers": [person.address for person in self.people.values() if person.has_left],
            "Shoppers": self.shop.visitors["Cart"],
            "Visitors": self.shop.visitors["page_view"],
        }

    async def _journey(self, door: str, journey_id: int, subjects: Collection[str], *, active: int, total: int) -> None:
        """`journey.get` and `journey.list`."""
        expected = self.counts.numbers(subjects)
        told = await self.each.ask("journey.get", door=door, JourneyID=journey_id, IncludeActivityCounters=True)
        numbers = told["JourneyStats"]
        assert numbers["AggregatedEmailActions"] == expected
        assert numbers["WindowedEmailActions"] == expected
        assert (numbers["ActiveSubscribers"], numbers["TotalSubscribers"]) == (active, total)
        assert (numbers["TotalEnrolledLifetime"], numbers["TotalEnrolledInRange"]) == (total, total)
        assert numbers["TotalRevenue"] == expected["TotalRevenue"]
        self._series(numbers["AggregatedDaysEmailActions"], expected)
        self._series(numbers["AggregatedDaysEnrolments"], {"EnrolmentCount": total})
        self._series(_by_date(numbers["DaysRevenue"]), {"Amount": expected["TotalRevenue"]})
        listed = (await self.each.ask("journey.list", door=door))["Journeys"]
        [of_list] = [each["JourneyStats"] for each in listed if each["JourneyID"] == str(journey_id)]
        assert of_list == {key: numbers[key] for key in of_list}
        sends = [action for action in told["Actions"] if action["Action"] == "SendEmail"]
        for action, subject in zip(sends, subjects, strict=True):
            own = self.counts.numbers([subject])
            stats = {name: own[number] for name, number in STATS.items()}
            assert action["Stats"] == {"ActiveSubscribers": 0, "TotalSubscribers": total, **stats}
            assert (action["Revenue"], action["CompletedRuns"]) == (own["TotalRevenue"], total)
            self._series(_by_date(action["DailyStats"]), {name: own[name] for name in DAILY})
            self._series(_by_date(action["DaysRevenue"]), {"Amount": own["TotalRevenue"]})

    def _series(self, days: Any, expected: dict[str, float]) -> None:
        """Days that add up, all of it on those that the test has seen."""
        if not any(expected.values()):
            assert days == []
            return
        seen = {f"{self.began_on}", f"{datetime.now(UTC).date()}"}
        assert {day for day, numbers in days.items() if any(numbers.values())} <= seen
        sums: Counter[str] = Counter()
        for numbers in days.values():
            sums.update(numbers)
        assert {name: sums[name] for name in expected} == pytest.approx(expected)
        assert sums.keys() == expected.keys()

    async def _slices(self, door: str, journey_id: int, subjects: Collection[str]) -> None:
        """Numbers of one action's mails, and of those to one domain."""
        by_domain = (await self.each.ask("journey.stats.byisp", door=door, JourneyID=journey_id))["ByISP"]
        assert {row["Domain"] for row in by_domain} == set(DOMAINS)
        for row in by_domain:
            own = self.counts.numbers(subjects, row["Domain"])
            assert row == {"Domain": row["Domain"], **{name: own[number] for name, number in BY_DOMAIN.items()}}
            told = await self.each.ask("journey.get", door=door, JourneyID=journey_id, ISP=row["Domain"])
            assert told["JourneyStats"]["AggregatedEmailActions"] == own
        by_action = (await self.each.ask("journey.stats.byaction", door=door, JourneyID=journey_id))["Actions"]
        for action, subject in zip(by_action, subjects, strict=True):
            own = self.counts.numbers([subject])
            assert action["EmailName"] == subject
            assert action["Stats"] == {name: own[name] for name in action["Stats"]}
            self._series(_by_date(action["DailyStats"]), {name: own[name] for name in DAILY})
            asked = {"JourneyID": journey_id, "EmailID": self.stage.actions[subject]}
            told = await self.each.ask("journey.get", door=door, **asked)
            assert told["JourneyStats"]["AggregatedEmailActions"] == own

    async def _benchmark(self, door: str) -> None:
        """Rates of all journeys together, each weighted by what it sent."""
        journeys = [self.counts.numbers(subjects) for subjects in (WELCOME, (FAREWELL,))]
        sent = sum(each[SENT] for each in journeys)

        def rate(number: str) -> float:
            return sum(each[number] for each in journeys) / sent

        told = (await self.each.ask("account.journey.benchmark", door=door))["Benchmark"]
        opened = [each for each in journeys if each["OpenCount"]]
        expected = {
            "OpenRate": rate("OpenCount"),
            "ClickRate": rate("ClickCount"),
            "ClickToOpenRate": sum(each[SENT] * each["ClickCount"] / each["OpenCount"] for each in opened) / sent,
            "BounceRate": rate("BounceCount"),
            "UnsubscribeRate": rate("UnsubscribeCount"),
            "ComplaintRate": rate("SpamComplaintCount"),
            "RevenuePerSubscriber": rate("TotalRevenue"),
            "JourneyCount": 2,
            "TotalSent": sent,
        }
        assert told == pytest.approx(expected, abs=1e-6)

    async def _people(self, door: str, subject: str) -> None:
        """Who got a mail, and who of them did what; alone, together, and either."""
        reached = self.counts.people(subject, SENT, "BounceCount", is_any=True)
        rows = await self._pages(door, subject)
        assert [row["EmailAddress"] for row in rows] == reached
        for row in rows:
            person = self.people[row["EmailAddress"]]
            assert (row["BounceType"], row["Suppressed"]) == (person.bounces, person.is_suppressed), row
            assert row["SubscriptionStatus"] == ("Unsubscribed" if person.has_left else "Subscribed"), row
        for name, number in FILTERS.items():
            rows = await self._pages(door, subject, FilterJSON=[name])
            assert [row["EmailAddress"] for row in rows] == self.counts.people(subject, number), name
        operator = {"rest": "AND", "legacy": "OR"}[door]
        for pair in itertools.combinations(FILTERS, 2):
            who = self.counts.people(subject, *(FILTERS[name] for name in pair), is_any=operator == "OR")
            page = await self._page(door, subject, FilterJSON=[*pair], Operator=operator)
            assert page["TotalSubscribers"] == len(who), (pair, operator)
            assert [row["EmailAddress"] for row in page["Subscribers"]] == who[:PAGE]

    async def _pages(self, door: str, subject: str, **given: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        while True:
            page = await self._page(door, subject, RecordsFrom=len(rows), **given)
            rows += page["Subscribers"]
            if not page["Subscribers"] or len(rows) == page["TotalSubscribers"]:
                assert len(rows) == page["TotalSubscribers"]
                return rows

    async def _page(self, door: str, subject: str, **given: Any) -> dict[str, Any]:
        journey_id = self.stage.farewell if subject == FAREWELL else self.stage.welcome
        page = {"JourneyID": journey_id, "ActionID": self.stage.actions[subject], "RecordsPerRequest": PAGE}
        return await self.each.ask("journey.action.subscribers", door=door, **page, **given)


def _by_date(days: list[dict[str, Any]]) -> Any:
    """A list of days in the shape of those that are named by their date; none stays none."""
    assert [day["Date"] for day in days] == sorted(day["Date"] for day in days)
    named = {day["Date"]: {name: number for name, number in day.items() if name != "Date"} for day in days}
    return named or []
