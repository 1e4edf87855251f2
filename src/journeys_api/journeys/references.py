"""Which of the records that actions and triggers name are there and may be used."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Select,
    String,
    any_,
    case,
    cast,
    literal,
    or_,
    select,
    union_all,
)
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


def records_among(named: Collection[Named], *, owner_id: int) -> Select[str, int, str]:
    """(kind, id, note) of those that the account has; the note says what is wrong, of a domain its name."""

    def among(kind: str, column: InstrumentedAttribute[int]) -> ColumnElement[bool]:
        ids = sorted(each.record_id for each in named if each.kind == kind)
        return column == any_(literal(ids, ARRAY(BigInteger)))

    fine = literal("", String)
    present = Journey.owner_id == owner_id, Journey.deleted_at.is_(None)
    is_off = case((Journey.status == JourneyStatus.DISABLED, literal("disabled", String)), else_=fine)
    is_inactive = case((SmsGateway.status != GatewayStatus.ACTIVE, literal("not active", String)), else_=fine)
    may_use = or_(SmsGateway.is_global, literal(owner_id, BigInteger) == any_(SmsGateway.user_ids))
    everything = union_all(
        select(cast(literal("email"), String).label("kind"), Email.email_id.label("id"), fine.label("note")).where(
            Email.owner_id == owner_id, Email.deleted_at.is_(None), among("email", Email.email_id)
        ),
        select(literal("sender domain"), SenderDomain.domain_id, SenderDomain.name).where(
            SenderDomain.owner_id == owner_id,
            SenderDomain.status == DomainStatus.ENABLED,
            among("sender domain", SenderDomain.domain_id),
        ),
        select(literal("list"), SubscriberList.list_id, fine).where(
            SubscriberList.owner_id == owner_id, among("list", SubscriberList.list_id)
        ),
        select(literal("tag"), Tag.tag_id, fine).where(Tag.owner_id == owner_id, among("tag", Tag.tag_id)),
        select(literal("custom field"), CustomField.field_id, fine).where(
            CustomField.owner_id == owner_id, among("custom field", CustomField.field_id)
        ),
        select(literal("journey"), Journey.journey_id, fine).where(*present, among("journey", Journey.journey_id)),
        select(literal("target journey"), Journey.journey_id, is_off).where(
            *present, among("target journey", Journey.journey_id)
        ),
        select(literal("gateway"), SmsGateway.gateway_id, is_inactive).where(
            may_use, among("gateway", SmsGateway.gateway_id)
        ),
    ).subquery()
    return select(everything.c.kind, everything.c.id, everything.c.note)
