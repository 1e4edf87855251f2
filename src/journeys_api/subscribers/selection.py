"""Choosing subscribers of one list: by their ids or by rules."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api import criteria
from journeys_api.accounts import service as accounts
from journeys_api.criteria import Criteria
from journeys_api.models import Subscriber
from journeys_api.segments import service as segments
from journeys_api.subscribers import queries
from journeys_api.subscribers.errors import SubscriberNotFound


@dataclass(frozen=True)
class Selection:
    """Whom of a list: those of the ids, or, without ids, those that the rules match."""

    subscriber_ids: Collection[int] = ()
    rules: Criteria | None = None


async def condition(
    session: AsyncSession, selection: Selection, *, owner_id: int, list_id: int, now: datetime
) -> ColumnElement[bool]:
    """The selected subscribers as a condition over `Subscriber`; the list's own only.

    Rules may touch the whole list, so the usual limit of a statement is lifted for them.

    Raises:
        CriteriaNotEvaluable: a rule cannot be evaluated; the vendor's calls answer a code of their own for that, and
            it tells the caller more than a success that changed nobody.
    """
    on_the_list = queries.of_list(owner_id, list_id)
    if selection.rules is None:
        return on_the_list & queries.one_of_ids(Subscriber.subscriber_id, selection.subscriber_ids)
    await queries.let_it_take_long(session)
    return on_the_list & await matched_by(session, selection.rules, owner_id=owner_id, list_id=list_id, now=now)


async def refuse_unknown_ids(session: AsyncSession, selection: Selection, who: ColumnElement[bool]) -> None:
    """Make sure that a selection by ids finds somebody; ids that are not on the list are otherwise passed over.

    Raises:
        SubscriberNotFound: none of the ids is on the list.
    """
    if selection.rules is None and await session.scalar(select(Subscriber.subscriber_id).where(who).limit(1)) is None:
        raise SubscriberNotFound


async def matched_by(
    session: AsyncSession, rules: Criteria, *, owner_id: int, list_id: int, now: datetime
) -> ColumnElement[bool]:
    """The subscribers of the list that the rules match, as a condition over `Subscriber`; days are the account's own.

    Raises:
        CriteriaNotEvaluable: a rule cannot be evaluated.
    """
    account, _ = await accounts.account_of(session, user_id=owner_id)
    return await criteria.compile(
        session,
        rules,
        owner_id=owner_id,
        list_id=list_id,
        now=now,
        time_zone=account.time_zone,
        segments=await segments.criteria_of_segments(session, owner_id=owner_id, of=rules),
    )
