"""What people, and machines in their name, do with mails; each counts itself."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from tests.end_to_end.counts import Counts, Person
from tests.end_to_end.installation import Installation
from tests.end_to_end.post_office import Mail
from tests.end_to_end.returns import Returns
from tests.end_to_end.visits import APART, MACHINES, TARGETS, Visits

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
FRIENDS = "friends.example"

Deed = Callable[[Person, Mail, random.Random], Awaitable[None]]


class Play:
    """Deeds with mails, at random."""

    def __init__(self, each: Installation, counts: Counts, visits: Visits, returns: Returns) -> None:
        self._each, self._counts, self._visits, self._returns = each, counts, visits, returns
        self._deeds: dict[Deed, int] = {
            self._nothing: 10,
            self._look: 22,
            self._follow: 18,
            self._look_and_follow: 6,
            self._view: 6,
            self._send_on: 4,
            self._leave_by_page: 2,
            self._leave_by_mail_program: 2,
            self._leave_by_provider: 1,
            self._leave_for_good: 1,
            self._complain_by_page: 1,
            self._complain_to_provider: 1,
            self._look_at_pages: 4,
            self._be_fetched: 14,
            self._be_scanned: 8,
        }
        """How often of a hundred."""

    async def turn(self, person: Person, chance: random.Random) -> None:
        """Something with each of somebody's mails, in any order."""
        mails = chance.sample(person.mails, len(person.mails))
        deeds = chance.choices([*self._deeds], [*self._deeds.values()], k=len(mails))
        if len(mails) > 1 and chance.random() < 0.2:
            # a click is judged later than a look that came after it
            deeds = [self._follow, *deeds[2:], self._look]
        for deed, mail in zip(deeds, mails, strict=True):
            await deed(person, mail, chance)

    async def _nothing(self, person: Person, mail: Mail, chance: random.Random) -> None:
        pass

    async def _look(self, person: Person, mail: Mail, chance: random.Random) -> None:
        await self._visits.by_person(mail, "picture", chance, chance.randint(1, 3))
        self._opened(person, mail)

    async def _follow(self, person: Person, mail: Mail, chance: random.Random) -> None:
        await self._visits.by_person(mail, chance.choice([*TARGETS]), chance, chance.randint(1, 3))
        self._clicked(person, mail)

    async def _look_and_follow(self, person: Person, mail: Mail, chance: random.Random) -> None:
        both = chance.sample(["picture", chance.choice([*TARGETS])], 2)
        await asyncio.gather(*(self._visits.by_person(mail, link, chance) for link in both))
        self._clicked(person, mail)

    async def _view(self, person: Person, mail: Mail, chance: random.Random) -> None:
        await self._visits.by_person(mail, "view", chance, chance.randint(1, 2))
        self._counts.happened("BrowserViewCount", mail)

    def _opened(self, person: Person, mail: Mail) -> None:
        self._counts.happened("OpenCount", mail)
        person.touched = mail

    def _clicked(self, person: Person, mail: Mail) -> None:
        self._counts.happened("ClickCount", mail)
        self._opened(person, mail)

    async def _send_on(self, person: Person, mail: Mail, chance: random.Random) -> None:
        """Who gets it counts it: their mails arrive at the end."""
        to = f"friend{chance.randrange(10**9)}-of-{mail.delivery_id}@{FRIENDS}"
        await self._page(mail, "forward")
        await self._press(mail, "forward", f"Act=forward&To={to}")

    async def _leave_by_page(self, person: Person, mail: Mail, chance: random.Random) -> None:
        await self._page(mail, "leave")
        for _ in range(chance.randint(1, 2)):
            await self._press(mail, "leave", "Act=unsubscribe")
        self._left(person, mail)

    async def _leave_by_mail_program(self, person: Person, mail: Mail, chance: random.Random) -> None:
        times = range(chance.randint(1, 2))
        await asyncio.gather(*(self._press(mail, "one-click", "List-Unsubscribe=One-Click") for _ in times))
        self._left(person, mail)

    async def _leave_for_good(self, person: Person, mail: Mail, chance: random.Random) -> None:
        await self._press(mail, "never", "Act=suppress")
        self._left(person, mail)
        person.is_suppressed = True

    async def _leave_by_provider(self, person: Person, mail: Mail, chance: random.Random) -> None:
        await self._returns.tell([{"type": "unsubscribe", "message_id": mail.name}] * chance.randint(1, 2))
        self._left(person, mail)

    def _left(self, person: Person, mail: Mail) -> None:
        if not person.has_left:  # whoever has left cannot leave again
            self._counts.happened("UnsubscribeCount", mail)
        person.has_left = True

    async def _complain_by_page(self, person: Person, mail: Mail, chance: random.Random) -> None:
        await self._press(mail, "abuse", "Act=report_abuse")
        self._complained(person, mail)

    async def _complain_to_provider(self, person: Person, mail: Mail, chance: random.Random) -> None:
        for _ in range(chance.randint(1, 2)):
            await self._returns.complain(mail, as_mail=chance.random() < 0.5)
        self._complained(person, mail)

    def _complained(self, person: Person, mail: Mail) -> None:
        self._counts.happened("SpamComplaintCount", mail)
        person.has_left = person.is_suppressed = True

    async def _look_at_pages(self, person: Person, mail: Mail, chance: random.Random) -> None:
        """Whoever looks at a page that could do something has not done it."""
        for link in ("leave", "abuse", "never", "forward", "one-click"):
            method, headers = chance.choice(MACHINES)
            await self._page(mail, link, method, headers)

    async def _be_fetched(self, person: Person, mail: Mail, chance: random.Random) -> None:
        link = chance.choice(["picture", "view", *TARGETS])
        for _ in range(chance.randint(1, 3)):
            await self._visits.by_machine(mail, link, chance)

    async def _be_scanned(self, person: Person, mail: Mail, chance: random.Random) -> None:
        links = chance.sample(["view", *TARGETS], chance.randint(2, 3))
        if await self._visits.by_scanner(mail, links, chance):
            return
        # nobody can tell what that was taken for: now it is somebody's, too
        await asyncio.sleep(APART)
        await self._follow(person, mail, chance)
        if "view" in links:
            await asyncio.sleep(APART)
            await self._view(person, mail, chance)

    async def _page(self, mail: Mail, link: str, method: str = "GET", headers: dict[str, str] | None = None) -> None:
        reply = await self._each.send(method, mail.links[link], headers=headers or {})
        assert reply.status == 200, (link, reply.answer.text)

    async def _press(self, mail: Mail, link: str, content: str) -> None:
        """Press the button behind a link."""
        reply = await self._each.send("POST", mail.links[link], content=content, headers=FORM)
        assert reply.status == 200, (link, reply.answer.text)


def count_friends(each: Installation, counts: Counts, people: dict[str, Person]) -> None:
    """Count what was sent on by what friends got."""
    by_delivery = {mail.delivery_id: mail for person in people.values() for mail in person.mails}
    for got in each.office.friends.mails.values():
        of = by_delivery[int(got.address.partition("-of-")[2].partition("@")[0])]
        assert got.subject.endswith(of.subject)
        counts.happened_again("ForwardCount", of)
