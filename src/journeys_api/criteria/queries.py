"""What the records that rules name turn out to be."""

from sqlalchemy import BigInteger, ColumnElement, Select, any_, literal, select, union_all
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute

from journeys_api.criteria.tree import References
from journeys_api.models import CustomField, Journey, JourneyAction, Tag


def named_records(references: References, *, owner_id: int) -> Select[str, int, int]:
    """(kind, id, list) of the account's own records among those named, in one statement; the list of a journey is 0."""
    none = literal(0, BigInteger)
    found = union_all(
        select(
            literal("field").label("kind"), CustomField.field_id.label("id"), CustomField.list_id.label("list_id")
        ).where(CustomField.owner_id == owner_id, _among(CustomField.field_id, references.field_ids)),
        select(literal("tag"), Tag.tag_id, Tag.list_id).where(
            Tag.owner_id == owner_id, _among(Tag.tag_id, references.tag_ids)
        ),
        select(literal("journey"), Journey.journey_id, none).where(
            Journey.owner_id == owner_id,
            Journey.deleted_at.is_(None),
            _among(Journey.journey_id, references.journey_ids),
        ),
        # what was sent by an action that has been removed since is still known
        select(literal("action"), JourneyAction.action_id, none).where(
            JourneyAction.owner_id == owner_id, _among(JourneyAction.action_id, references.action_ids)
        ),
    ).subquery()
    return select(found.c.kind, found.c.id, found.c.list_id)


def _among(column: InstrumentedAttribute[int], ids: frozenset[int]) -> ColumnElement[bool]:
    return column == any_(literal(sorted(ids), ARRAY(BigInteger)))
