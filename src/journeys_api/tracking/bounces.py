"""What comes back of mails, and what follows: bounces, complaints, and providers' unsubscriptions.

A hard bounce says that an address will never take mail: it is hard bounced on every list of the account and suppressed
there. A soft one is of today; three in a row make a hard one, where a row ends with anything that the person opens or
clicks. A block is about the sender or the message: it is counted, and the person stays as they are. A complaint takes
the person off the list and suppresses the address for the whole server, as the link in a mail does that says so.

Source: AC 2.11, 7.1, 7.5; reliability S101.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.activities.service import Fact, record_facts
from journeys_api.journeys.action_types import Person, SendEmailParameters
from journeys_api.lists import service as lists
from journeys_api.lists.errors import ListNotFound
from journeys_api.models import ActivityKind, DeliveryKind, Subscriber, SuppressionSource
from journeys_api.subscribers import subscriptions
from journeys_api.subscribers.subscriptions import Leaving
from journeys_api.suppressions import service as suppressions
from journeys_api.suppressions.service import SYSTEM_WIDE
from journeys_api.tracking import bounce_queries as queries


class ReturnKind(StrEnum):
    """What came back of a mail; the first three as `delivery.severity.Severity`."""

    HARD = "hard"
    SOFT = "soft"
    BLOCK = "block"
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"


class Verdict(StrEnum):
    """What became of it."""

    RECORDED = "recorded"
    REPEATED = "repeated"
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


async def record_returns(session: AsyncSession, returns: Sequence[Return], *, now: datetime) -> list[Verdict]:
    """Record what came back of mails, with all that follows; what became of each.

    The same again changes nothing. A number counts once a mail, also when a hard bounce follows a soft one.
    """
    mails = await queries.mails(session, {each.delivery_id for each in returns})
    verdicts = [_judged(each, mails.get(each.delivery_id)) for each in returns]
    taken = [each for each, verdict in zip(returns, verdicts, strict=True) if verdict is Verdict.RECORDED]
    if not taken:
        return verdicts
    # people before messages, as everybody does who changes both
    await queries.lock_people(session, [(mails[each.delivery_id], each.kind is ReturnKind.HARD) for each in taken])
    facts = [_fact(each, mails[each.delivery_id], now) for each in taken]
    counted = await record_facts(session, facts, now=now)
    # a mail of no journey has no ledger to tell a repetition by
    is_new = {
        id(each): was_counted or mails[each.delivery_id].kind != DeliveryKind.MAIL.value
        for each, was_counted in zip(taken, counted, strict=True)
    }
    await _bounce(session, [each for each in taken if each.kind is ReturnKind.HARD or is_new[id(each)]], mails, now)
    for kind in (ReturnKind.COMPLAINT, ReturnKind.UNSUBSCRIBE):
        await _take_off(session, kind, [mails[each.delivery_id] for each in taken if each.kind is kind], now)
    return [
        Verdict.REPEATED if verdict is Verdict.RECORDED and not is_new[id(each)] else verdict
        for each, verdict in zip(returns, verdicts, strict=True)
    ]


def _judged(came: Return, mail: Row[Any] | None) -> Verdict:
    if mail is None:
        return Verdict.UNKNOWN
    if came.addresses and (mail.email_address or "").lower() not in came.addresses and _has_copies(mail):
        return Verdict.OF_ANOTHER
    return Verdict.RECORDED


def _has_copies(mail: Row[Any]) -> bool:
    """Whether a mail went to others as well. One that did not may still come back from another address: forwarded."""
    if mail.parameters is None:
        return False
    chosen = SendEmailParameters.model_validate(mail.parameters)
    return any(isinstance(each, Person) for people in (chosen.cc, chosen.bcc) for each in people or ())


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


async def _bounce(
    session: AsyncSession, bounces: Sequence[Return], mails: Mapping[int, Row[Any]], now: datetime
) -> None:
    soft: dict[tuple[int, int], int] = defaultdict(int)
    hard: dict[int, set[str]] = defaultdict(set)
    for each in bounces:
        mail = mails[each.delivery_id]
        if each.kind is ReturnKind.SOFT:
            soft[mail.owner_id, mail.subscriber_id] += 1
        elif each.kind is ReturnKind.HARD and mail.email_address is not None:
            hard[mail.owner_id].add(mail.email_address)
    for person in await queries.count_soft(session, soft, now=now):
        hard[person.owner_id].add(person.email_address)
    for owner_id, addresses in sorted(hard.items()):
        await queries.mark_hard(session, owner_id=owner_id, addresses=addresses, now=now)
        await suppressions.suppress(
            session,
            scope=(owner_id, 0),
            addresses=addresses,
            source=SuppressionSource.HARD_BOUNCED,
            reason=SuppressionSource.HARD_BOUNCED.value,
            now=now,
        )


async def _take_off(session: AsyncSession, kind: ReturnKind, mails: Sequence[Row[Any]], now: datetime) -> None:
    """Take people off the lists that the mails were of, with all that the lists' settings want then."""
    if kind is ReturnKind.COMPLAINT:
        # before leaving: the list's own settings may suppress the address as well, and the first reason stays
        await suppressions.suppress(
            session,
            scope=SYSTEM_WIDE,
            addresses={mail.email_address for mail in mails if mail.email_address is not None},
            source=SuppressionSource.SPAM_COMPLAINT,
            reason=SuppressionSource.SPAM_COMPLAINT.value,
            now=now,
        )
    people: dict[tuple[int, int], set[int]] = defaultdict(set)
    for mail in mails:
        people[mail.owner_id, mail.list_id].add(mail.subscriber_id)
    for (owner_id, list_id), ids in sorted(people.items()):
        try:
            found = await lists.get_list(session, owner_id=owner_id, list_id=list_id)
        except ListNotFound:
            continue
        await subscriptions.leave(
            session, found=found, who=Subscriber.subscriber_id.in_(sorted(ids)), leaving=Leaving(ip_address=""), now=now
        )
