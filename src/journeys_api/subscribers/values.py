"""Values of custom fields as subscribers have them: which may be given, where they are kept, what a change was."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.fields import values as field_values
from journeys_api.fields.errors import InvalidFieldValue
from journeys_api.models import CustomField, Subscriber
from journeys_api.subscribers import queries
from journeys_api.subscribers.errors import FieldValueTaken, RequiredFieldMissing, UnknownFields, ValueNotKept

Given = Mapping[str, object]
"""Submitted values by the id of their field, in ASCII digits."""


class Missing(Enum):
    """Which submitted value of a required field counts as missing."""

    NONE = "none"
    BLANK = "blank"
    """The empty text, as the vendor's older calls had it."""
    EMPTY = "empty"
    """Also blank text and arrays without a member that is not empty."""


@dataclass(frozen=True)
class Rules:
    """Which of the fields' own rules a call enforces. An unknown field and a value that cannot be kept never pass."""

    missing: Missing
    validates: bool
    """Whether values must pass their field's validation method, and be unique where the field wants that."""
    wants_all: bool = False
    """Whether a required field that was not submitted must have a value, or a default that it gets."""


LENIENT = Rules(Missing.NONE, validates=False)
STRICT = Rules(Missing.EMPTY, validates=True, wants_all=True)


@dataclass(frozen=True)
class Change:
    """One value that is another now; no value is the empty text."""

    field_id: int
    old: str
    new: str


@dataclass(frozen=True)
class Values:
    """Accepted values: field id → text, the empty text for a value to be removed."""

    listed: dict[str, str] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)
    """Those of global fields, which belong to the address and not to one list's subscriber."""


def defaults(fields: Iterable[CustomField]) -> dict[str, str]:
    """What a new subscriber of the list gets for fields without a value; global fields have no defaults (AC 7.3)."""
    return {str(each.field_id): each.default_value for each in fields if each.list_id and each.default_value}


def refuse_unknown(fields: Sequence[CustomField], given: Given) -> None:
    """Make sure that every value is for a field of the list or a global one.

    Raises:
        UnknownFields: not so; it names them all.
    """
    known = {str(each.field_id) for each in fields}
    unknown = [name for name in given if name not in known]
    if unknown:
        raise UnknownFields(unknown)


async def judge(
    session: AsyncSession,
    fields: Sequence[CustomField],
    given: Given,
    *,
    rules: Rules,
    owner_id: int,
    list_id: int,
    address: str,
    stored: Values,
) -> Values:
    """The values to keep, if the rules let them pass. Each field is judged in the order given: missing, then invalid,
    then not unique; what is missing altogether comes last.

    Args:
        given: values of fields of the list; those of other fields are left out.
        address: whose values they are to be; a value of their own is theirs already.
        stored: what the subscriber has before, or, for a new one, gets by default.

    Raises:
        RequiredFieldMissing, FieldValueTaken, InvalidFieldValue: as the rules say.
        ValueNotKept: no text can be made of a value.

    Source: AC 2.5, `EnforceRequiredFields`.
    """
    by_id = {str(each.field_id): each for each in fields}
    accepted: dict[str, str] = {}
    unique: dict[int, str] = {}
    failure: RequiredFieldMissing | InvalidFieldValue | None = None
    for field_id, value in given.items():
        each = by_id.get(field_id)
        if each is None:
            continue
        try:
            accepted[field_id] = _accepted(each, value, rules)
        except (RequiredFieldMissing, InvalidFieldValue) as error:
            failure = error
            break
        if rules.validates and each.is_unique and accepted[field_id]:
            unique[each.field_id] = accepted[field_id]
    if unique:
        await _refuse_taken(session, by_id, unique, owner_id=owner_id, list_id=list_id, address=address)
    if failure is not None:
        raise failure
    if rules.wants_all:
        _refuse_absent(fields, {**stored.listed, **stored.shared, **accepted})
    return _placed(by_id, accepted)


def _accepted(each: CustomField, value: object, rules: Rules) -> str:
    is_missing = {
        Missing.NONE: False,
        Missing.BLANK: value == "",
        Missing.EMPTY: field_values.is_empty(value),
    }[rules.missing]
    if each.is_required and is_missing:
        raise RequiredFieldMissing(each)
    if rules.validates:
        return field_values.check_value(each, value)
    try:
        return field_values.normalised(each, value)
    except InvalidFieldValue:
        raise ValueNotKept(each.field_name) from None


async def _refuse_taken(
    session: AsyncSession,
    by_id: Mapping[str, CustomField],
    unique: Mapping[int, str],
    *,
    owner_id: int,
    list_id: int,
    address: str,
) -> None:
    await queries.lock_unique_values(session, owner_id=owner_id, values=unique)
    wanted = _placed(by_id, {str(field_id): value for field_id, value in unique.items()})
    if await queries.is_list_value_taken(
        session, owner_id=owner_id, list_id=list_id, values=wanted.listed, besides=address
    ) or await queries.is_global_value_taken(session, owner_id=owner_id, values=wanted.shared, besides=address):
        raise FieldValueTaken


def _refuse_absent(fields: Sequence[CustomField], having: Mapping[str, str]) -> None:
    for each in fields:
        if each.is_required and not having.get(str(each.field_id)):
            raise RequiredFieldMissing(each)


def _placed(by_id: Mapping[str, CustomField], values: Mapping[str, str]) -> Values:
    return Values(
        {field_id: value for field_id, value in values.items() if by_id[field_id].list_id},
        {field_id: value for field_id, value in values.items() if not by_id[field_id].list_id},
    )


async def keep(session: AsyncSession, subscriber: Subscriber, values: Values, *, now: datetime) -> list[Change]:
    """Write accepted values of one subscriber, whose row the caller has locked; what is not named stays.

    Every value that one call gives one subscriber is written here.

    Returns:
        What is another value than before.
    """
    before = dict(subscriber.custom_values)
    changes = _changes(before, values.listed)
    if changes:
        subscriber.custom_values = _without_empty({**before, **values.listed})
        subscriber.updated_at = now
    if values.shared:
        address = subscriber.email_address
        shared = await queries.lock_global_values(session, owner_id=subscriber.owner_id, address=address)
        shared_changes = _changes(shared, values.shared)
        if shared_changes:
            await queries.merge_global_values(
                session,
                owner_id=subscriber.owner_id,
                address=address,
                values=_without_empty(values.shared),
                removed=[field_id for field_id, value in values.shared.items() if not value],
            )
        changes += shared_changes
    return changes


def _changes(before: Mapping[str, str], values: Mapping[str, str]) -> list[Change]:
    return [
        Change(int(field_id), before.get(field_id, ""), value)
        for field_id, value in values.items()
        if before.get(field_id, "") != value
    ]


def _without_empty(values: Mapping[str, str]) -> dict[str, str]:
    return {field_id: value for field_id, value in values.items() if value}
