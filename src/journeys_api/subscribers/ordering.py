"""By what subscribers can be sorted and searched (AC 2.5 `subscribers.get`)."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Numeric, Text, case, cast, func, literal, select
from sqlalchemy.orm import aliased

from journeys_api.criteria.comparisons import is_number
from journeys_api.fields.errors import FieldNotFound
from journeys_api.fields.validation import holds_numbers
from journeys_api.models import CustomField, GlobalValues, Subscriber
from journeys_api.strict_json import fold

# lower(email_address) and not the address: the unique index is in this order
_ADDRESS: ColumnElement[Any] = func.lower(Subscriber.email_address)
_ORDERS: dict[str, ColumnElement[Any]] = {
    "emailaddress": _ADDRESS,
    "subscriberid": Subscriber.subscriber_id.expression,
    "bouncetype": Subscriber.bounce_type.expression,
    "subscriptionstatus": Subscriber.status.expression,
    "subscriptiondate": Subscriber.subscribed_at.expression,
    "subscriptionip": Subscriber.subscription_ip.expression,
    "unsubscriptiondate": Subscriber.unsubscribed_at.expression,
    "unsubscriptionip": Subscriber.unsubscription_ip.expression,
    "optindate": Subscriber.opted_in_at.expression,
    "subscriptionsource": Subscriber.source.expression,
    "subscriptionsourceref": Subscriber.source_ref.expression,
}
_FIELD_NAME = re.compile(r"customfield([0-9]{1,40})")


@dataclass(frozen=True)
class Order:
    """How a page is sorted."""

    wire_field: str = "EmailAddress"
    """A column's wire name, or `CustomField<ID>`; whatever else sorts by address."""
    is_descending: bool = False

    @property
    def field_id(self) -> int | None:
        """The custom field it names, whether or not there is one."""
        named = _FIELD_NAME.fullmatch(fold(self.wire_field))
        return int(named[1]) if named else None


def order_of(order: Order, known: Sequence[CustomField]) -> list[ColumnElement[Any]]:
    """A total order. Who has no value comes last, going up as going down; of a field of numbers, who has no number.

    Args:
        known: the fields of the list, global ones included; needed only where the order names one.
    """
    by = _ORDERS.get(fold(order.wire_field), _ADDRESS)
    if order.field_id is not None:
        with suppress(FieldNotFound):
            by = _value(order.field_id, known, as_number=True)
    if order.is_descending:
        return [by.desc().nulls_last() if by is not _ADDRESS else by.desc(), Subscriber.subscriber_id.desc()]
    return [by.asc(), Subscriber.subscriber_id.expression]


@dataclass(frozen=True)
class Search:
    """A text to find in a column or in the values of a custom field."""

    field: str | int
    """A folded wire name of `SEARCHED`, or the id of a custom field."""
    keyword: str


def _shown(column: Any) -> ColumnElement[str]:
    return func.to_char(func.timezone("UTC", column), "YYYY-MM-DD HH24:MI:SS")


SEARCHED: dict[str, ColumnElement[str]] = {
    "emailaddress": Subscriber.email_address.expression,
    "subscriberid": cast(Subscriber.subscriber_id, Text),
    "subscriptiondate": _shown(Subscriber.subscribed_at),
    "subscriptionip": Subscriber.subscription_ip.expression,
    "optindate": _shown(Subscriber.opted_in_at),
}
"""Folded wire name → what is searched, as the API shows it. No index helps: the whole segment is read."""


def contains(search: Search, known: Sequence[CustomField]) -> ColumnElement[bool]:
    """Whose column or value contains the text, in any case.

    Args:
        known: the fields of the list, global ones included.

    Raises:
        FieldNotFound: the field is none of them.
    """
    searched = SEARCHED[search.field] if isinstance(search.field, str) else _value(search.field, known)
    return searched.icontains(search.keyword, autoescape=True)


def _value(field_id: int, known: Sequence[CustomField], *, as_number: bool = False) -> ColumnElement[Any]:
    found = next((each for each in known if each.field_id == field_id), None)
    if found is None:
        raise FieldNotFound
    key = literal(str(field_id), Text)
    shape = _number if as_number and holds_numbers(found) else _as_it_is
    if found.list_id:
        return shape(Subscriber.custom_values[key].astext)
    shared = aliased(GlobalValues)
    return (
        select(shape(shared.custom_values[key].astext))
        .where(shared.owner_id == Subscriber.owner_id, shared.email_address == func.lower(Subscriber.email_address))
        .correlate(Subscriber)
        .scalar_subquery()
    )


def _as_it_is(value: ColumnElement[str]) -> ColumnElement[Any]:
    return value


def _number(value: ColumnElement[str]) -> ColumnElement[Any]:
    """The number that a text is; NULL for what is none. Some three times the cost of the text."""
    return case((is_number(value), cast(value, Numeric)))
