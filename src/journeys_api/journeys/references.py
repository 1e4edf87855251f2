"""Which of the records that actions and triggers name are there and may be used."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Row,
    Select,
    String,
    any_,
    bindparam,
    case,
    cast,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from journeys_api.models import (
    CustomField,
    DomainStatus,
    Email,
    GatewayStatus,
    Journey,
    JourneyStatus,
    SenderDomain,
    SmsGateway,
    SubscriberList,
    Tag,
)


@dataclass(frozen=True)
class Named:
    """A record that an action or the trigger names."""

    kind: str
    record_id: int


KINDS = ("email", "sender domain", "list", "tag", "custom field", "journey", "target journey", "gateway")
_OWNER = bindparam("owner_id", type_=BigInteger)


def _among(kind: str, column: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    return column == any_(bindparam(kind.replace(" ", "_"), type_=ARRAY(BigInteger)))


def _everything() -> Select[str, int, str]:
    fine = literal("", String)
    present = Journey.owner_id == _OWNER, Journey.deleted_at.is_(None)
    is_off = case((Journey.status == JourneyStatus.DISABLED, literal("disabled", String)), else_=fine)
    is_inactive = case((SmsGateway.status != GatewayStatus.ACTIVE, literal("not active", String)), else_=fine)
    may_use = or_(SmsGateway.is_global, any_(SmsGateway.user_ids) == _OWNER)
    everything = union_all(
        select(cast(literal("email"), String).label("kind"), Email.email_id.label("id"), fine.label("note")).where(
            Email.owner_id == _OWNER, Email.deleted_at.is_(None), _among("email", Email.email_id)
        ),
        select(literal("sender domain"), SenderDomain.domain_id, SenderDomain.name).where(
            SenderDomain.owner_id == _OWNER,
            SenderDomain.status == DomainStatus.ENABLED,
            _among("sender domain", SenderDomain.domain_id),
        ),
        select(literal("list"), SubscriberList.list_id, fine).where(
            SubscriberList.owner_id == _OWNER, _among("list", SubscriberList.list_id)
        ),
        select(literal("tag"), Tag.tag_id, fine).where(Tag.owner_id == _OWNER, _among("tag", Tag.tag_id)),
        select(literal("custom field"), CustomField.field_id, fine).where(
            CustomField.owner_id == _OWNER, _among("custom field", CustomField.field_id)
        ),
        select(literal("journey"), Journey.journey_id, fine).where(*present, _among("journey", Journey.journey_id)),
        select(literal("target journey"), Journey.journey_id, is_off).where(
            *present, _among("target journey", Journey.journey_id)
        ),
        select(literal("gateway"), SmsGateway.gateway_id, is_inactive).where(
            may_use, _among("gateway", SmsGateway.gateway_id)
        ),
    ).subquery()
    return select(everything.c.kind, everything.c.id, everything.c.note)


_EVERYTHING = _everything()


async def records_among(
    session: AsyncSession, named: Collection[Named], *, owner_id: int
) -> Sequence[Row[str, int, str]]:
    """(kind, id, note) of those that the account has; the note says what is wrong, of a domain its name."""
    ids = {kind.replace(" ", "_"): sorted(each.record_id for each in named if each.kind == kind) for kind in KINDS}
    return (await session.execute(_EVERYTHING, {"owner_id": owner_id, **ids})).all()
