"""What a field rule is about: a subscriber's own columns, and the values of custom fields (AC 7.1, 7.3)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, func, literal, select
from sqlalchemy.orm import InstrumentedAttribute

from journeys_api.criteria import values
from journeys_api.criteria.tree import Scope
from journeys_api.criteria.values import BadValue
from journeys_api.models import BounceType, GlobalValues, Subscriber, SubscriptionStatus
from journeys_api.strict_json import fold


class Kind(Enum):
    """What a field's values are."""

    TEXT = "text"
    NUMBER = "number"
    CHOICE = "choice"
    INSTANT = "date"
    CUSTOM = "custom field"
    """A text that may look like a number or a date: it is compared as what it looks like."""


@dataclass(frozen=True)
class Physical:
    """A column of the subscriber."""

    kind: Kind
    column: InstrumentedAttribute[Any]
    choices: type[StrEnum] | None = None

    def subject(self, scope: Scope) -> ColumnElement[Any]:
        """The column itself."""
        return self.column.expression

    def text(self, scope: Scope) -> ColumnElement[str]:
        """The value as the API answers it; no value is the empty text."""
        if self.kind is Kind.INSTANT:
            return func.coalesce(func.to_char(func.timezone("UTC", self.column), "YYYY-MM-DD HH24:MI:SS"), "")
        return self.column.expression if self.kind is Kind.TEXT else cast(self.column, Text)


@dataclass(frozen=True)
class EmailDomain:
    """What follows the last @ of the address."""

    kind = Kind.TEXT
    choices = None

    def subject(self, scope: Scope) -> ColumnElement[Any]:
        """As `text`."""
        return self.text(scope)

    def text(self, scope: Scope) -> ColumnElement[str]:
        """The domain."""
        return func.split_part(Subscriber.email_address, "@", -1)


@dataclass(frozen=True)
class Custom:
    """A custom field, of a list or of the whole account."""

    field_id: int
    kind = Kind.CUSTOM
    choices = None

    def subject(self, scope: Scope) -> ColumnElement[Any]:
        """As `text`."""
        return self.text(scope)

    def text(self, scope: Scope) -> ColumnElement[str]:
        """The value; no value is the empty text.

        A global field has its values in `global_values`: one look by key for each person without a value of their own,
        spared when the scope knows that the field is a list's.
        """
        key = literal(str(self.field_id), Text)
        own = Subscriber.custom_values[key].astext
        if scope.global_field_ids is not None and self.field_id not in scope.global_field_ids:
            return func.coalesce(own, "")
        shared = GlobalValues.__table__.alias()
        of_the_address = (
            select(shared.c.custom_values[key].astext)
            .where(shared.c.owner_id == scope.owner_id, shared.c.email_address == func.lower(Subscriber.email_address))
            .correlate_except(shared)
            .scalar_subquery()
        )
        return func.coalesce(own, of_the_address, "")


Field = Physical | EmailDomain | Custom

_EMAIL = Physical(Kind.TEXT, Subscriber.email_address)
PHYSICAL: Mapping[str, Field] = {
    "subscriberid": Physical(Kind.NUMBER, Subscriber.subscriber_id),
    "emailaddress": _EMAIL,
    "email": _EMAIL,
    "emaildomain": EmailDomain(),
    "bouncetype": Physical(Kind.CHOICE, Subscriber.bounce_type, BounceType),
    "subscriptionstatus": Physical(Kind.CHOICE, Subscriber.status, SubscriptionStatus),
    "subscriptiondate": Physical(Kind.INSTANT, Subscriber.subscribed_at),
    "subscriptionip": Physical(Kind.TEXT, Subscriber.subscription_ip),
    "unsubscriptiondate": Physical(Kind.INSTANT, Subscriber.unsubscribed_at),
    "unsubscriptionip": Physical(Kind.TEXT, Subscriber.unsubscription_ip),
    "optindate": Physical(Kind.INSTANT, Subscriber.opted_in_at),
    "subscriptionsource": Physical(Kind.TEXT, Subscriber.source),
    "subscriptionsourceref": Physical(Kind.TEXT, Subscriber.source_ref),
}
"""Folded `field_id` → the field. Source: criteria-syntax "Filtering By Custom Fields", and v6.0.1's vocabulary."""

_CUSTOM = re.compile(r"(?:customfield)?:?([0-9]{1,40})")


def is_custom(value: object) -> bool:
    """Whether a `field_id` names a custom field."""
    try:
        return isinstance(read_field(value), Custom)
    except BadValue:
        return False


def read_field(value: object) -> Field:
    """The field that a `field_id` names: a column, the id of a custom field, `CustomField<ID>` or `CustomField:<ID>`.

    Raises:
        BadValue: none of these.
    """
    name = fold(values.text(value))
    if name in PHYSICAL:
        return PHYSICAL[name]
    matched = _CUSTOM.fullmatch(name)
    if matched is None:
        raise BadValue(f"unknown field {values.quoted(value)}")
    return Custom(values.identifier(matched[1]))
