"""The SendEmail actions of journeys, with the emails that they send."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, BigInteger, and_, any_, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.journeys import queries
from journeys_api.journeys.errors import ActionNotFound
from journeys_api.models import Email, Journey, JourneyAction, JourneyStatus

SENDS = "SendEmail"


class SendingAction(NamedTuple):
    """A SendEmail action; the texts are empty where its email is not there."""

    action_id: int
    journey_id: int
    journey_name: str
    order_no: int
    is_published: bool
    email_id: int
    """0: none is chosen."""
    email_name: str
    subject: str


async def check_slice(session: AsyncSession, *, owner_id: int, journey_id: int, action_id: int | None) -> None:
    """Whether numbers of a journey, or of one of its SendEmail actions, may be asked for.

    Raises:
        JourneyNotFound: no such journey in this account.
        ActionNotFound: no such action in this journey, or it sends no email.
    """
    await queries.journey(session, owner_id=owner_id, journey_id=journey_id)
    if action_id is not None:
        found = await session.scalar(
            queries.owned_actions(owner_id, journey_id).where(JourneyAction.action_id == action_id)
        )
        if found is None or found.action != SENDS:
            raise ActionNotFound


async def sending_actions(
    session: AsyncSession,
    *,
    owner_id: int,
    journey_id: int | None,
    only_enabled: bool = False,
    only_published: bool = False,
) -> list[SendingAction]:
    """The present SendEmail actions of the account's journeys, or of one, in order of journey and `OrderNo`."""
    statement = (
        select(JourneyAction, Journey.name)
        .join(Journey, and_(Journey.journey_id == JourneyAction.journey_id, Journey.owner_id == owner_id))
        .where(
            JourneyAction.owner_id == owner_id,
            JourneyAction.action == SENDS,
            JourneyAction.removed_at.is_(None),
            Journey.deleted_at.is_(None),
        )
        .order_by(JourneyAction.journey_id, JourneyAction.order_no)
    )
    if journey_id is not None:
        statement = statement.where(JourneyAction.journey_id == journey_id)
    if only_enabled:
        statement = statement.where(Journey.status == JourneyStatus.ENABLED)
    if only_published:
        statement = statement.where(JourneyAction.is_published)
    rows = (await session.execute(statement)).all()
    chosen = {action.action_id: _email_id(action.parameters) for action, _ in rows}
    emails = await _emails(session, owner_id=owner_id, email_ids=sorted(set(chosen.values())))
    found = []
    for action, journey_name in rows:
        email_id = chosen[action.action_id]
        name, subject = emails.get(email_id, ("", ""))
        found.append(
            SendingAction(
                action.action_id,
                action.journey_id,
                journey_name,
                action.order_no,
                action.is_published,
                email_id,
                name,
                subject,
            )
        )
    return found


def _email_id(parameters: dict[str, Any]) -> int:
    given = str(parameters.get("EmailID") or "0")
    return int(given) if given.isascii() and given.isdigit() else 0


async def _emails(session: AsyncSession, *, owner_id: int, email_ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """(name, subject) of those of the emails that are there."""
    rows = await session.execute(
        select(Email.email_id, Email.name, Email.subject).where(
            Email.owner_id == owner_id,
            Email.deleted_at.is_(None),
            Email.email_id == any_(literal(list(email_ids), ARRAY(BigInteger))),
        )
    )
    return {row.email_id: (row.name, row.subject) for row in rows}
