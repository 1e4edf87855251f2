"""What comes back of mails, and what follows: bounces, complaints, and providers' unsubscriptions.

A hard bounce says that an address will never take mail: it is hard bounced on every list of the account and suppressed
there. A soft one is of today; three in a row make a hard one, where a row ends with anything that the person opens or
clicks. A block is about the sender or the message: it is counted, and the person stays as they are. A complaint takes
the person off the list and suppresses the address for the whole server, as the link in a mail does that says so.

All of it is about the address that the mail went to. When its subscriber has another one by now, nothing is known of
that: it is neither marked nor suppressed, and a complaint unsubscribes nobody.

Source: AC 2.11, 7.1, 7.5; reliability S101.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.activities import service as activities
from journeys_api.activities.service import Fact
from journeys_api.bounces import queries
from journeys_api.journeys.action_types import Person, SendEmailParameters
from journeys_api.lists import service as lists
from journeys_api.lists.errors import ListNotFound
from journeys_api.models import ActivityKind, Subscriber, SuppressionSource
from journeys_api.subscribers import subscriptions
from journeys_api.subscribers.subscriptions import Leaving
from journeys_api.suppressions import service as suppressions
from journeys_api.suppressions.service import SYSTEM_WIDE


class ReturnKind(StrEnum):
    """What came back of a mail; the first three as `severity.Severity`."""

    HARD = "hard"
    SOFT = "soft"
    BLOCK = "block"
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"


class Verdict(StrEnum):
    """What became of it."""

    RECORDED = "recorded"
    REPEATED = "repeated"
    """It changes nothing: the same came back of the mail before, or who shall leave has left."""
    UNKNOWN = "unknown"
    """There is no such mail, or it was never tried."""
    OF_ANOTHER = "of another recipient"
    """The mail went to others in copy, and it is about one of them."""


FACTS = {
    ReturnKind.HARD: ActivityKind.BOUNCED,
    ReturnKind.SOFT: ActivityKind.BOUNCED,
    ReturnKind.BLOCK: ActivityKind.BOUNCED,
    ReturnKind.COMPLAINT: ActivityKind.SPAM_COMPLAINT,
    ReturnKind.UNSUBSCRIBE: ActivityKind.UNSUBSCRIBED,
}


@dataclass(frozen=True)
class Return:
    """One thing that came back."""

    delivery_id: int
    kind: ReturnKind
    occurred_at: datetime
    addresses: frozenset[str] = frozenset()
    """Whom it is about, in lower case, where it says so."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """`status`, `diagnostic`."""


@dataclass(frozen=True)
class _Mail:
    """A mail that something came back of, and who its subscriber is by now."""

    row: Row[Any]
    person: Row[Any] | None
    """None: gone."""

    @property
    def place(self) -> tuple[int, int]:
        """(owner, delivery)."""
        return self.row.owner_id, self.row.delivery_id

    @property
    def whose(self) -> tuple[int, int]:
        """(owner, subscriber)."""
        return self.row.owner_id, self.row.subscriber_id

    @property
    def address(self) -> str | None:
        """Whom it went to, in lower case; None: to somebody who is gone."""
        kept: str | None = self.row.recipient
        if kept is not None or self.person is None:
            return kept
        today: str = self.person.address
        return today

    @property
    def is_to_person(self) -> bool:
        """Whether it went to the address that the subscriber has today."""
        return self.person is not None and bool(self.address == self.person.address)


async def record_returns(session: AsyncSession, returns: Sequence[Return], *, now: datetime) -> list[Verdict]:
    """Record what came back of mails, with all that follows; what became of each.

    The same again changes nothing. A number counts once a mail, also when a hard bounce follows a soft one.
    """
    rows = await queries.mails(session, {each.delivery_id for each in returns})
    known = [(rows[each.delivery_id], each.kind is ReturnKind.HARD) for each in returns if each.delivery_id in rows]
    # people before messages, as everybody does who changes both
    people = await queries.lock_people(session, known) if known else {}
    mails = {row.delivery_id: _Mail(row, people.get((row.owner_id, row.subscriber_id))) for row in rows.values()}
    verdicts = [_judged(each, mails.get(each.delivery_id)) for each in returns]
    taken = [
        (each, mails[each.delivery_id])
        for each, verdict in zip(returns, verdicts, strict=True)
        if verdict is Verdict.RECORDED
    ]
    if not taken:
        return verdicts
    are_new = await _recorded(session, taken, now)
    new = [each for each, is_new in zip(taken, are_new, strict=True) if is_new]
    await _bounce(session, new, now)
    for kind in (ReturnKind.COMPLAINT, ReturnKind.UNSUBSCRIBE):
        await _take_off(session, kind, [mail for each, mail in new if each.kind is kind], now)
    news = iter(are_new)
    return [Verdict.REPEATED if verdict is Verdict.RECORDED and not next(news) else verdict for verdict in verdicts]


def _judged(came: Return, mail: _Mail | None) -> Verdict:
    if mail is None:
        return Verdict.UNKNOWN
    if came.addresses and (mail.address or "") not in came.addresses and _has_copies(mail.row):
        return Verdict.OF_ANOTHER
    return Verdict.RECORDED


def _has_copies(mail: Row[Any]) -> bool:
    """Whether a mail went to others as well. One that did not may still come back from another address: forwarded."""
    if mail.parameters is None:
        return False
    chosen = SendEmailParameters.model_validate(mail.parameters)
    return any(isinstance(each, Person) for people in (chosen.cc, chosen.bcc) for each in people or ())


async def _recorded(session: AsyncSession, taken: Sequence[tuple[Return, _Mail]], now: datetime) -> list[bool]:
    """Write down what came back of mails; whether each is new, and something follows from it."""
    counted = await activities.happened(session, {mail.place for _, mail in taken})
    hard = await activities.hard_bounced(
        session,
        {mail.place for each, mail in taken if each.kind is ReturnKind.HARD},
        since=min(mail.row.created_at for _, mail in taken),
    )
    have_left = {mail.whose for _, mail in taken if mail.person is None or mail.person.has_left}
    facts: list[Fact] = []
    are_new: list[bool] = []
    for each, mail in taken:
        bit = FACTS[each.kind].bit
        is_new = not counted[mail.place] & bit
        if each.kind is ReturnKind.HARD:
            is_new = mail.place not in hard
            hard.add(mail.place)
        elif each.kind is ReturnKind.UNSUBSCRIBE and mail.whose in have_left:
            # who left before does not leave again
            are_new.append(False)
            continue
        if is_new and (
            each.kind is ReturnKind.UNSUBSCRIBE or (each.kind is ReturnKind.COMPLAINT and mail.is_to_person)
        ):
            have_left.add(mail.whose)
        counted[mail.place] |= bit
        facts.append(_fact(each, mail.row, now))
        are_new.append(is_new)
    await activities.record_facts(session, facts, now=now)
    return are_new


def _fact(came: Return, mail: Row[Any], now: datetime) -> Fact:
    told = {"type": came.kind.value, **came.detail} if FACTS[came.kind] is ActivityKind.BOUNCED else came.detail
    return Fact(
        owner_id=mail.owner_id,
        delivery_id=mail.delivery_id,
        kind=FACTS[came.kind],
        # no clock but ours is believed further than the mail's own life
        occurred_at=max(mail.created_at, min(came.occurred_at, now)),
        detail={key: value for key, value in told.items() if value},
    )


async def _bounce(session: AsyncSession, came: Sequence[tuple[Return, _Mail]], now: datetime) -> None:
    soft: dict[tuple[int, int], int] = defaultdict(int)
    hard: dict[int, set[str]] = defaultdict(set)
    for each, mail in came:
        if each.kind is ReturnKind.SOFT and mail.is_to_person:
            soft[mail.whose] += 1
        elif each.kind is ReturnKind.HARD and mail.address is not None:
            hard[mail.row.owner_id].add(mail.address)
    for person in await queries.count_soft(session, soft, now=now):
        hard[person.owner_id].add(person.address)
    await queries.mark_hard(session, hard, now=now)
    for owner_id, addresses in sorted(hard.items()):
        await suppressions.suppress(
            session,
            scope=(owner_id, 0),
            addresses={owner_id: addresses},
            source=SuppressionSource.HARD_BOUNCED,
            reason=SuppressionSource.HARD_BOUNCED.value,
            now=now,
        )


async def _take_off(session: AsyncSession, kind: ReturnKind, mails: Sequence[_Mail], now: datetime) -> None:
    """Take people off the lists that the mails were of, with all that the lists' settings want then."""
    if kind is ReturnKind.COMPLAINT:
        complained: dict[int, set[str]] = defaultdict(set)
        for mail in mails:
            if mail.address is not None:
                complained[mail.row.owner_id].add(mail.address)
        # before leaving: the list's own settings may suppress the address as well, and the first reason stays
        await suppressions.suppress(
            session,
            scope=SYSTEM_WIDE,
            addresses=complained,
            source=SuppressionSource.SPAM_COMPLAINT,
            reason=SuppressionSource.SPAM_COMPLAINT.value,
            now=now,
        )
        # whoever complains reads the mail of the address that it went to
        mails = [mail for mail in mails if mail.is_to_person]
    people: dict[tuple[int, int], set[int]] = defaultdict(set)
    for mail in mails:
        people[mail.row.owner_id, mail.row.list_id].add(mail.row.subscriber_id)
    for (owner_id, list_id), ids in sorted(people.items()):
        try:
            found = await lists.get_list(session, owner_id=owner_id, list_id=list_id)
        except ListNotFound:
            continue
        await subscriptions.leave(
            session, found=found, who=Subscriber.subscriber_id.in_(sorted(ids)), leaving=Leaving(ip_address=""), now=now
        )


async def recipient_of(session: AsyncSession, *, owner_id: int, delivery_id: int | None) -> str | None:
    """The address that an account's mail went to, in lower case; None: there is no such mail, or it is not known."""
    return await queries.recipient_of(session, owner_id=owner_id, delivery_id=delivery_id)


async def latest_mails(session: AsyncSession, addresses: Collection[str]) -> dict[str, int]:
    """The last mail of a journey that was handed over for each address, in lower case, of whichever account."""
    return await queries.latest_mails(session, addresses) if addresses else {}
