"""Visits of pictures, links and mails as pages: by people, by machines that say so, and by scanners."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.end_to_end.installation import MARK, Installation, Reply
from tests.end_to_end.post_office import Mail
from tests.tracking.agents import BOTS, PEOPLE, PROXIES

TARGETS = {
    "one": "https://shop.example/one?a=1&b=2",
    "two": "https://shop.example/two",
    "three": "https://shop.example/three",
}
KINDS = {"picture": "opened", **dict.fromkeys(TARGETS, "clicked"), "view": "browser_viewed"}
"""Link → what its visits are called in the ledger."""
AGENTS = [*PEOPLE, *PROXIES]
BROWSERS = PEOPLE[:4]
MACHINES: list[tuple[str, dict[str, str]]] = [
    *(("GET", {"User-Agent": agent}) for agent in BOTS),
    *(("HEAD", {"User-Agent": agent}) for agent in BROWSERS),
    ("GET", {"User-Agent": BROWSERS[0], "Sec-Purpose": "prefetch;prerender"}),
    ("GET", {"User-Agent": BROWSERS[1], "Purpose": "prefetch"}),
    ("GET", {"User-Agent": BROWSERS[2], "X-Purpose": "preview"}),
    ("GET", {"User-Agent": BROWSERS[3], "X-Moz": "prefetch"}),
]
"""Method and headers of those that say so themselves."""
APART = 1.2
"""Seconds after which two visits are no scanner's any more."""
QUICK = 0.8
"""Seconds within which two visits surely are, and within which nobody has waited for the database in vain."""


@dataclass
class Visits:
    """Asks for what mails link to, and keeps the least and the most that the ledger may then tell of each.

    A request that got no answer may have been written down, and one that got one must have been.
    """

    each: Installation
    least: Counter[tuple[int, str, bool | None]] = field(default_factory=Counter)
    """(delivery, kind, whether by a machine; None: either)."""
    most: Counter[tuple[int, str, bool | None]] = field(default_factory=Counter)
    bursts: Counter[bool] = field(default_factory=Counter)
    """By whether they surely were some."""

    async def by_person(self, mail: Mail, link: str, chance: random.Random, times: int = 1) -> None:
        """Somebody asks for the same once or more often, all at once."""
        agent = {"User-Agent": chance.choice(AGENTS)}
        await asyncio.gather(*(self._ask(mail, link, "GET", agent, by_machine=False) for _ in range(times)))

    async def by_machine(self, mail: Mail, link: str, chance: random.Random) -> None:
        """Something asks that says that it is a machine."""
        method, headers = chance.choice(MACHINES)
        await self._ask(mail, link, method, headers, by_machine=True)

    async def by_scanner(self, mail: Mail, links: Sequence[str], chance: random.Random) -> bool:
        """Something that looks like a browser asks for different links at once; whether that was surely so.

        Otherwise an outage came between: the server may take it for people that each took one link.
        """
        agent = {"User-Agent": chance.choice(BROWSERS)}
        troubles, is_calm, began = self.each.troubles, self._is_calm(), time.monotonic()
        replies = await asyncio.gather(*(self._ask(mail, link, "GET", agent, by_machine=None) for link in links))
        is_quick = time.monotonic() - began < QUICK and all(reply.requests == 1 for reply in replies)
        is_sure = is_calm and is_quick and self._is_calm() and self.each.troubles == troubles
        self.bursts[is_sure] += 1
        for link, reply in zip(links, replies, strict=True):
            self.least[mail.delivery_id, KINDS[link], True] += is_sure
            self.most[mail.delivery_id, KINDS[link], True] += reply.requests
            self.most[mail.delivery_id, KINDS[link], False] += 0 if is_sure else reply.requests
        return is_sure

    def _is_calm(self) -> bool:
        return not self.each.is_in_trouble and not self.each.spooled()

    async def _ask(
        self, mail: Mail, link: str, method: str, headers: dict[str, str], *, by_machine: bool | None
    ) -> Reply:
        path, kind = mail.links[link], KINDS[link]
        # a page needs the database; everything else is answered whatever became of it
        reply = await self.each.send(method, path, headers=headers, is_promised=link != "view")
        assert reply.status == (302 if link in TARGETS else 200), (link, reply.answer.text)
        if link in TARGETS:
            mail.mark = _mark_of(reply.answer.headers["location"], link)
        for by in {by_machine, None}:
            self.least[mail.delivery_id, kind, by] += 1
            self.most[mail.delivery_id, kind, by] += reply.requests
        return reply

    def __str__(self) -> str:
        answered, asked, by_machines = (
            sum(times for (_, _, by), times in each.items() if by is kind)
            for each, kind in ((self.least, None), (self.most, None), (self.least, True))
        )
        return (
            f"{answered} visits with {asked} requests, {by_machines} by machines; "
            f"{self.bursts[True]} bursts and {self.bursts[False]} that an outage spoilt"
        )

    async def check(self) -> None:
        """Compare with the ledger."""
        rows = await self.each.rows(
            "SELECT delivery_id, kind, automated IS NOT NULL AS by_machine, count(*) AS times FROM message_activities "
            "WHERE kind IN ('opened', 'clicked', 'browser_viewed') AND detail ->> 'implied' IS NULL GROUP BY 1, 2, 3"
        )
        written: Counter[tuple[int, str, bool | None]] = Counter()
        for row in rows:
            for by in (row["by_machine"], None):
                written[row["delivery_id"], row["kind"], by] += row["times"]
        wrong: dict[Any, tuple[int, int, int]] = {
            place: (self.least[place], written[place], self.most[place])
            for place in {*written, *self.least}
            if not self.least[place] <= written[place] <= self.most[place]
        }
        assert not wrong, "(least, written, most) by (delivery, kind, by a machine)"


def _mark_of(location: str, link: str) -> str:
    target, _, mark = location.rpartition(f"{MARK}=")
    assert target[:-1] == TARGETS[link], location
    assert parse_qs(urlsplit(location).query)[MARK] == [mark]
    return mark
