"""What people do on an account's website: events and orders, by the website's server and by browsers."""

import asyncio
import hmac
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.end_to_end.counts import Counts, Person
from tests.end_to_end.installation import CURRENCY, Installation
from tests.end_to_end.post_office import Mail

BIG = 5000
"""Cents from which on an order is a big one."""


@dataclass(eq=False)
class Order:
    """Something bought, to be reported more than once."""

    person: Person
    number: str
    cents: int
    currency: str
    mark: str
    """The mark that the buyer came with; "" is none."""
    marks: dict[str, bool]

    @property
    def properties(self) -> dict[str, Any]:
        """As a conversion has them."""
        named = {"conversion-currency": self.currency} if self.currency else {}
        value = f"{self.cents / 100:.2f}"
        sale = {"conversion-id": self.number, "conversion-name": "Order", "conversion-value": value}
        return {**sale, **named, **self.marks}


@dataclass
class Shop:
    """A website with a tracker, and whom its visitors become."""

    each: Installation
    counts: Counts
    list_id: int
    site_key: str
    identity_key: str
    visitors: dict[str, set[str]] = field(default_factory=lambda: {"Cart": set(), "page_view": set()})
    """Event → the addresses that it is known of."""
    buyers: dict[str, set[str]] = field(default_factory=dict)
    """Subject of the mail that brought them → addresses."""
    big_spenders: set[str] = field(default_factory=set)
    _orders: list[Order] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)

    async def visit(self, person: Person, chance: random.Random) -> None:
        """Somebody looks around, fills a cart, perhaps buys, and all is reported in any order."""
        orders = [self._order(person, chance) for _ in range(chance.choice([0, 0, 1, 1, 2]))]
        reports: list[Order | str] = [chance.choice(["Cart", "page_view"])]
        for order in orders:
            reports += [order] * chance.randint(1, 3)
            self._bought(order)
        chance.shuffle(reports)

        async def report(either: Order | str) -> None:
            if isinstance(either, Order):
                await self._report(either, chance)
            else:
                await self._event(person, either, chance)

        if chance.random() < 0.5:
            async with asyncio.TaskGroup() as group:
                for each in reports:
                    group.create_task(report(each))
        else:
            for each in reports:
                await report(each)

    async def remind(self, chance: random.Random) -> None:
        """Old orders are reported once more, as if they had brought more."""
        for order in chance.sample(self._orders, len(self._orders) // 4):
            order.cents += 10_000
            await self._report(order, chance)

    async def be_visited_by_strangers(self) -> None:
        """Events of nobody known, or only a test of the website's, count nowhere."""
        sale = {"conversion-id": "order-1", "conversion-name": "Order", "conversion-value": "99.00"}
        await self._browse({"uuid": "stranger"}, "conversion", sale)
        await self._browse({"uuid": "stranger", "pr": "forged"}, "conversion", sale)
        await self._browse({"uuid": "stranger", "email": "p0@one.example", "signature": "forged"}, "conversion", sale)
        await self.each.ask("event.track", Event="conversion", Email="nobody@example.com", Properties=sale)

    def _order(self, person: Person, chance: random.Random) -> Order:
        # numbers are the buyer's own: somebody else may have the same
        number = self._numbers[person.address] = self._numbers.get(person.address, 0) + 1
        marks = [mail.mark for mail in person.mails if mail.mark]
        order = Order(
            person,
            f"order-{number}",
            chance.randint(1, 9999),
            chance.choice(["", "", CURRENCY, CURRENCY.lower(), "USD"]),
            chance.choice(marks) if marks and chance.random() < 0.5 else "",
            chance.choice([{}, {}, {}, {}, {"isSilent": True}, {"isTest": True}]),
        )
        self._orders.append(order)
        return order

    def _bought(self, order: Order) -> None:
        if "isTest" in order.marks:
            return
        person = order.person
        mail = next((mail for mail in person.mails if order.mark and mail.mark == order.mark), person.touched)
        cents = order.cents if order.currency.upper() in ("", CURRENCY) else 0
        if mail is not None:
            self.counts.happened_again("ConversionCount", mail, cents)
        if "isSilent" not in order.marks:
            if mail is not None:
                self.buyers.setdefault(mail.subject, set()).add(person.address)
            if cents >= BIG:
                self.big_spenders.add(person.address)

    async def _report(self, order: Order, chance: random.Random) -> None:
        mark = {"pr": order.mark} if order.mark else {}
        if chance.random() < 0.5:
            await self._track(order.person, "conversion", {**order.properties, **mark})
        else:
            await self._browse({**self._signed(order.person), **mark}, "conversion", order.properties)

    async def _event(self, person: Person, event: str, chance: random.Random) -> None:
        marked: Sequence[Mail] = [mail for mail in person.mails if mail.mark]
        match chance.choice(["server", "signed", "mark" if marked else "server"]):
            case "server":
                await self._track(person, event, {"colour": "green"})
            case "signed":
                await self._browse(self._signed(person), event, {"colour": "green"}, times=2)
            case _:
                who = {"uuid": f"visitor-{person.address}", "pr": chance.choice(marked).mark}
                await self._browse(who, event, {"colour": "green"}, times=2)
        self.visitors[event].add(person.address)

    def _signed(self, person: Person) -> dict[str, str]:
        signature = hmac.new(self.identity_key.encode(), person.address.encode(), "sha256").hexdigest()
        return {"uuid": f"browser-of-{person.address}", "email": person.address, "signature": signature}

    async def _track(self, person: Person, event: str, properties: dict[str, Any]) -> None:
        await self.each.ask(
            "event.track", Event=event, ListID=self.list_id, Email=person.address, Properties=properties
        )

    async def _browse(self, who: dict[str, str], event: str, properties: dict[str, Any], times: int = 1) -> None:
        """A browser reports, and perhaps reports the same again because it heard nothing."""
        noted = {"id": str(uuid.uuid4()), "event": event, "properties": properties}
        for _ in range(times):
            report = {"key": self.site_key, **who, "events": [noted]}
            reply = await self.each.send("POST", "/t/e", json=report)
            assert reply.status == 204, reply.answer.text
