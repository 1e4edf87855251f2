"""What mail servers and providers say became of mails: as mails and as JSON, more than once, in any order."""

import random
from collections.abc import Sequence
from typing import Any

from tests.conftest import ADMIN_KEY
from tests.end_to_end.counts import Counts, Person
from tests.end_to_end.installation import Installation, crowd
from tests.end_to_end.post_office import Mail
from tests.tracking.reports import bounce, complaint, sent, vacation

KEY = {"Authorization": f"Bearer {ADMIN_KEY}"}
TAKEN = ("recorded", "repeated")
HARD = {"status": "5.1.1", "diagnostic": "smtp; 550 5.1.1 no such user"}
SOFT = {"status": "5.2.2", "diagnostic": "smtp; 552 5.2.2 mailbox full"}
BLOCK = {"status": "5.7.1", "diagnostic": "smtp; 554 5.7.1 message looks like spam"}
SOFT_MAKE_HARD = 3
"""Soft bounces without an open or a click between them."""
TOGETHER = 20
"""Events that a provider tells at once."""


class Returns:
    """The doors for what comes back."""

    def __init__(self, each: Installation, counts: Counts) -> None:
        self._each, self._counts = each, counts

    async def complain(self, mail: Mail, *, as_mail: bool) -> None:
        """Somebody has called a mail spam."""
        if as_mail:
            assert await self._come_back(complaint(sent(mail.raw), mail.address)) in TAKEN
        else:
            await self.tell([{"type": "complaint", "x_message_id": mail.name}])

    async def tell(self, events: Sequence[dict[str, Any]]) -> None:
        """Post what a provider tells; all of it is about mails of ours."""
        assert set(await self._outcomes(events)) <= {*TAKEN}

    async def _outcomes(self, events: Sequence[dict[str, Any]]) -> list[str]:
        reply = await self._each.send("POST", "/inbound/events", json=events, headers=KEY)
        assert reply.status == 200, reply.answer.text
        return list(reply.answer.json()["Outcomes"])

    async def _come_back(self, raw: bytes) -> str:
        headers = {**KEY, "Content-Type": "message/rfc822"}
        reply = await self._each.send("POST", "/inbound/mail", content=raw, headers=headers)
        assert reply.status == 200, reply.answer.text
        return str(reply.answer.json()["Outcome"])

    async def bounce(self, people: Sequence[Person], chance: random.Random) -> None:
        """Some mails bounce: as reports and as events, some twice, hard after soft and soft after hard."""
        reports: list[bytes] = []
        events: list[dict[str, Any]] = []
        for person in people:
            for mail in person.mails:
                for why in _bounces(chance):
                    if chance.random() < 0.5:
                        reports += [_report(mail, why, chance)] * chance.randint(1, 2)
                    else:
                        events += [_event(person, mail, why, chance)] * chance.randint(1, 2)
                    self._bounced(person, mail, why)
        chance.shuffle(reports)
        chance.shuffle(events)

        async def post(either: Any) -> None:
            if isinstance(either, bytes):
                assert await self._come_back(either) in TAKEN
            else:
                await self.tell(either)

        batches = [events[start : start + TOGETHER] for start in range(0, len(events), TOGETHER)]
        await crowd(post, [*batches, *reports])

    def _bounced(self, person: Person, mail: Mail, why: dict[str, str]) -> None:
        person.soft_bounces += why is SOFT and not self._counts.has_happened("BounceCount", mail)
        self._counts.happened("BounceCount", mail)
        if why is HARD or person.soft_bounces == SOFT_MAKE_HARD:
            person.bounces, person.is_suppressed = "Hard", True
        elif why is SOFT and person.bounces != "Hard":
            person.bounces = "Soft"

    def refused_at_the_door(self, people: dict[str, Person], *subjects: str) -> None:
        """Mails that the mail server refused when it was handed them."""
        for mail in self._each.office.refused.mails.values():
            if mail.subject in subjects:
                why = HARD if mail.address.startswith("gone") else SOFT
                self._bounced(people[mail.address], mail, why)

    async def be_lied_to(self, mail: Mail) -> None:
        """What is about no mail of ours, or about nothing, changes nothing."""
        number, _, proof = mail.name.partition(".")
        forged = f"{number}.{proof[::-1]}"
        told = [
            {"type": "bounce", "message_id": forged, "severity": "hard", "email": mail.address},
            {"type": "bounce", "email": "nobody-of-ours@example.com"},
            {"type": "delivered", "message_id": mail.name},
            {"type": "open", "message_id": mail.name},
        ]
        assert await self._outcomes(told) == ["unknown", "unknown", "ignored", "ignored"]
        assert await self._come_back(vacation(f"bounces+{mail.name}@example.com")) == "ignored"
        delay = bounce(sent(mail.raw), mail.address, action="delayed", status="4.4.7", diagnostic="smtp; 450 later")
        assert await self._come_back(delay) == "ignored"


def _bounces(chance: random.Random) -> list[dict[str, str]]:
    """How a mail bounces, in the order in which it is found out; mostly not at all."""
    kinds = chance.choices([[], [HARD], [SOFT], [BLOCK], [SOFT, HARD]], [80, 7, 7, 3, 3])[0]
    return chance.sample(kinds, len(kinds))


def _report(mail: Mail, why: dict[str, str], chance: random.Random) -> bytes:
    """As a mail, that names the mail by its headers, by all of it, or by the envelope."""
    how = chance.choice(["headers", "whole", "envelope"])
    original = None if how == "envelope" else sent(mail.raw)
    to = f"bounces+{mail.name}@example.com" if how == "envelope" else "news@example.com"
    return bounce(original, mail.address, to=to, whole=how == "whole", **why)


def _event(person: Person, mail: Mail, why: dict[str, str], chance: random.Random) -> dict[str, Any]:
    """As an event, that names the mail, or the address when it is the last one to it; dated as anybody likes."""
    is_last = mail is max(person.mails, key=lambda each: each.delivery_id)
    names: list[dict[str, str]] = [{"message_id": f"<{mail.name}@example.com>"}, {"x_message_id": mail.name}]
    named = chance.choice([*names, {"email": mail.address.upper()}] if is_last else names)
    dates: list[dict[str, Any]] = [{}, {"timestamp": 1_700_000_000}, {"timestamp": "2999-01-01T00:00:00Z"}]
    return {"type": "bounce", **named, **why, **chance.choice(dates)}
