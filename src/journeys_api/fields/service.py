"""Rules of custom fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.fields import queries, validation
from journeys_api.fields.choices import Choice
from journeys_api.fields.errors import AliasTaken, FieldNotFound, FieldOfAnotherList, FieldStaysGlobal, RuleMissing
from journeys_api.fields.kinds import CHOICE_TYPES, FieldType, ValidationMethod, Visibility
from journeys_api.lists import service as lists
from journeys_api.models import CustomField

NEEDS_RULE = frozenset({ValidationMethod.CUSTOM, ValidationMethod.DATE, ValidationMethod.TIME})
"""Methods that an update wants a rule with; `customfield.create` wants one for Custom only."""
YEARS_AROUND = 10
"""A date field without a range of years offers so many before and after the year it is made in."""


@dataclass(frozen=True)
class FieldSettings:
    """What a new field is like."""

    field_name: str
    field_type: FieldType
    data_type: str = ""
    default_value: str = ""
    choices: Sequence[Choice] = ()
    validation_method: ValidationMethod = ValidationMethod.DISABLED
    validation_rule: str = ""
    merge_tag_alias: str = ""
    is_required: bool = False
    is_unique: bool = False
    is_unique_identifier: bool = False
    visibility: Visibility = Visibility.USER_ONLY
    years: str = ""
    """`YYYY-YYYY`, for a date field."""
    meta: Mapping[str, Any] = field(default_factory=dict)


async def fields_of_list(session: AsyncSession, *, owner_id: int, list_id: int) -> list[CustomField]:
    """The list's own fields and the account's global ones, in the order of their ids."""
    fields = queries.of_list(owner_id, list_id, with_global=True)
    return list(await session.scalars(fields.order_by(CustomField.field_id)))


async def get_field(session: AsyncSession, *, owner_id: int, field_id: int) -> CustomField:
    """The account's field, of whichever list.

    Raises:
        FieldNotFound: no such field in this account.
    """
    found = await session.scalar(queries.owned_fields(owner_id).where(CustomField.field_id == field_id))
    if found is None:
        raise FieldNotFound
    return found


async def list_fields(
    session: AsyncSession, *, owner_id: int, list_id: int, with_global: bool, order_by: str, descending: bool
) -> list[CustomField]:
    """The fields of a list in the order asked for.

    Args:
        with_global: also the account's global fields.
        order_by: `field_name`, `field_id`, `field_type`, `is_required`, `is_unique`, `visibility` or `is_global`;
            ties by id.

    Raises:
        ListNotFound: no such list in this account.
    """
    await lists.get_list(session, owner_id=owner_id, list_id=list_id)
    fields = queries.of_list(owner_id, list_id, with_global=with_global)
    return list(await session.scalars(queries.ordered(fields, order_by=order_by, descending=descending)))


async def create_field(
    session: AsyncSession,
    *,
    owner_id: int,
    list_id: int,
    is_global: bool,
    settings: FieldSettings,
    now: datetime,
) -> CustomField:
    """Make a field of a list, or, when global, of every list of the account.

    Nobody gets the default value by this: it counts for people who come later.

    Raises:
        ListNotFound: no such list in this account (also asked for a global field).
        AliasTaken: another field of the list or a global one has the alias; for a global field, any other.

    Source: AC 2.7, `customfield.create`; AC 7.3.
    """
    await queries.lock_owner(session, owner_id=owner_id)  # two fields must not take one alias
    await lists.get_list(session, owner_id=owner_id, list_id=list_id, for_update=True)
    field_list_id = 0 if is_global else list_id
    alias = settings.merge_tag_alias
    if alias and await queries.alias_is_taken(session, owner_id=owner_id, list_id=field_list_id, alias=alias, but=0):
        raise AliasTaken
    made = CustomField(
        owner_id=owner_id,
        list_id=field_list_id,
        field_name=settings.field_name,
        field_type=settings.field_type,
        data_type=settings.data_type,
        default_value=settings.default_value,
        choices=[choice.stored() for choice in settings.choices] if settings.field_type in CHOICE_TYPES else [],
        validation_method=settings.validation_method,
        validation_rule=settings.validation_rule,
        merge_tag_alias=alias,
        is_required=settings.is_required,
        is_unique=settings.is_unique,
        is_unique_identifier=settings.is_unique_identifier,
        visibility=settings.visibility,
        years=_years(settings.field_type, settings.years, now),
        meta=dict(settings.meta),
        created_at=now,
    )
    session.add(made)
    await session.flush()
    return made


async def update_field(
    session: AsyncSession,
    *,
    owner_id: int,
    field_id: int,
    list_id: int | None,
    is_global: bool | None,
    changes: Mapping[str, Any],
    now: datetime,
) -> CustomField:
    """Change what is sent of a field; the rest stays, choices too as long as the type has any.

    A field of a list that becomes global takes its values along, to the addresses of the subscribers.

    Args:
        list_id: the list that the caller believes the field to be of; None: no opinion.
        is_global: None: as it is.
        changes: column → value; `choices` as `Choice` objects.

    Raises:
        FieldNotFound: no such field in this account.
        ListNotFound: `list_id` is no list of the account.
        FieldOfAnotherList: the field is of another list.
        FieldStaysGlobal: a global field is asked to be one no more.
        RuleMissing: the validation method needs a rule, or the rule is no pattern that can be evaluated.
        AliasTaken: another field of the list or a global one has the alias.

    Source: AC 2.7, `customfield.update`; AC 7.3.
    """
    await queries.lock_owner(session, owner_id=owner_id)
    statement = queries.owned_fields(owner_id).where(CustomField.field_id == field_id)
    changed = await session.scalar(statement.with_for_update(key_share=True))
    if changed is None:
        raise FieldNotFound
    if list_id is not None:
        await lists.get_list(session, owner_id=owner_id, list_id=list_id)
        if changed.list_id not in (0, list_id):
            raise FieldOfAnotherList
    if is_global is False and changed.list_id == 0:
        raise FieldStaysGlobal
    old_list_id = changed.list_id
    new_list_id = 0 if is_global else old_list_id
    columns = _merged(changed, changes, now)
    alias = columns.get("merge_tag_alias", changed.merge_tag_alias)
    if alias and await queries.alias_is_taken(
        session, owner_id=owner_id, list_id=new_list_id, alias=alias, but=field_id
    ):
        raise AliasTaken
    if new_list_id != old_list_id:
        await queries.make_values_global(session, owner_id=owner_id, list_id=old_list_id, field_id=field_id)
    for column, value in columns.items():
        setattr(changed, column, value)
    changed.list_id = new_list_id
    await session.flush()
    return changed


def _merged(stored: CustomField, changes: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The columns to write: what is sent, and what follows from a new type."""
    columns = dict(changes)
    field_type = columns.get("field_type", stored.field_type)
    if "choices" in columns:
        columns["choices"] = [choice.stored() for choice in columns["choices"]]
    if field_type not in CHOICE_TYPES:
        columns["choices"] = []
    if field_type != stored.field_type:
        columns["data_type"] = ""
        if stored.validation_method == ValidationMethod.ENUM and field_type not in CHOICE_TYPES:
            columns.setdefault("validation_method", ValidationMethod.DISABLED)
    columns["years"] = _years(field_type, columns.get("years") or stored.years, now)
    if "validation_method" in changes or "validation_rule" in changes:
        _check_rule(
            columns.get("validation_method", stored.validation_method),
            columns.get("validation_rule", stored.validation_rule),
        )
    return columns


def _check_rule(method: str, rule: str) -> None:
    if method in NEEDS_RULE and not rule:
        raise RuleMissing
    if method == ValidationMethod.CUSTOM:
        try:
            validation.check_pattern(rule)
        except validation.PatternNotUnderstood:
            raise RuleMissing("the rule is not a regular expression that can be evaluated") from None


def _years(field_type: str, given: str, now: datetime) -> str:
    if field_type != FieldType.DATE:
        return ""
    return given or f"{now.year - YEARS_AROUND}-{now.year + YEARS_AROUND}"


async def delete_fields(session: AsyncSession, *, owner_id: int, field_ids: Sequence[int]) -> None:
    """Remove fields and everybody's values for them; ids that are not the account's are skipped.

    A list whose telephone field is removed has none from then on. No CustomFieldValueChanged comes of it: nobody's
    value changed, the field is gone.
    """
    gone = await queries.delete_fields(session, owner_id=owner_id, field_ids=field_ids)
    if gone:
        await lists.forget_phone_fields(session, owner_id=owner_id, field_ids=gone)
