"""The sixteen triggers: which parameters each takes, and the typed form in which they are kept (JC 2.B, rulings 5)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from journeys_api.commands.reading import Unreadable, comma_members, scalar_text, whole
from journeys_api.journeys import schedules
from journeys_api.strict_json import fold

_AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,2})?")


class Trigger(StrEnum):
    """What lets subscribers in."""

    MANUAL = "Manual"
    LIST_SUBSCRIPTION = "ListSubscription"
    LIST_UNSUBSCRIPTION = "ListUnsubscription"
    EMAIL_OPEN = "EmailOpen"
    EMAIL_CONVERSION = "EmailConversion"
    EMAIL_LINK_CLICK = "EmailLinkClick"
    TAG = "Tag"
    UN_TAG = "UnTag"
    CUSTOM_FIELD_VALUE_CHANGED = "CustomFieldValueChanged"
    REVENUE_HIT = "RevenueHit"
    JOURNEY_COMPLETED = "JourneyCompleted"
    WEBSITE_EVENT_PAGE_VIEW = "WebsiteEvent_pageView"
    WEBSITE_EVENT_IDENTIFY = "WebsiteEvent_identify"
    WEBSITE_EVENT_CUSTOM_EVENT = "WebsiteEvent_customEvent"
    WEBSITE_EVENT_CONVERSION = "WebsiteEvent_conversion"
    SCHEDULED_PULL = "ScheduledPull"


_BY_FOLDED_NAME = {fold(trigger.value): trigger for trigger in Trigger}


def trigger_named(name: object) -> Trigger | None:
    """The trigger of that name, in any case; None for an unknown name and for what is no text."""
    return _BY_FOLDED_NAME.get(fold(name)) if isinstance(name, str) else None


_NO_RECORD: Mapping[str, tuple[object, ...]] = {
    "list_id": (None,),
    "list_ids": ((), (0,)),
    "email_id": (None, 0),
    "tag_id": (None,),
    "field_id": (None,),
    "journey_id": (None,),
}
"""Field → the values that name no record; 0 stands for any list or email, and is no tag, field or journey."""


class TriggerParameters(BaseModel):
    """Parameters of one trigger. Each subclass declares those that its triggers take."""

    model_config = ConfigDict(frozen=True)
    required: ClassVar[frozenset[str]] = frozenset()
    """Fields without which the trigger cannot be."""

    @property
    def names_records(self) -> bool:
        """Whether any of them names a record of the account, which has to be there."""
        return any(value not in _NO_RECORD[name] for name, value in self if name in _NO_RECORD)

    def wire(self) -> dict[str, Any]:
        """Their wire and stored form: `ListID` (`ListIDs` when several), `EmailID`, `Value`, `Criteria`, if given."""
        answered: dict[str, Any] = {}
        for name, value in self:
            if name == "list_ids":
                if len(value) == 1:
                    answered["ListID"] = value[0]
                elif value:
                    answered["ListIDs"] = list(value)
            elif name == "criteria":
                if value:
                    answered["Criteria"] = list(value)
            elif value is not None:
                answered["EmailID" if name == "email_id" else "Value"] = value
        return answered


class NoParameters(TriggerParameters):
    """Manual: nothing starts it but a call or another journey."""


class ListParameters(TriggerParameters):
    """ListSubscription, ListUnsubscription; list 0 stands for any list."""

    required: ClassVar[frozenset[str]] = frozenset({"list_ids"})
    list_ids: tuple[int, ...] = ()


class EmailParameters(TriggerParameters):
    """EmailOpen, EmailConversion, EmailLinkClick; email 0 stands for any email."""

    required: ClassVar[frozenset[str]] = frozenset({"email_id"})
    email_id: int | None = None


class TagParameters(TriggerParameters):
    """Tag, UnTag."""

    required: ClassVar[frozenset[str]] = frozenset({"tag_id"})
    tag_id: int | None = None


class FieldParameters(TriggerParameters):
    """CustomFieldValueChanged; without a field any field counts."""

    list_ids: tuple[int, ...] = ()
    field_id: int | None = None
    criteria: tuple[dict[str, Any], ...] = ()


class RevenueParameters(TriggerParameters):
    """RevenueHit: fires when a hit is at least this amount, in currency units, as it was written."""

    required: ClassVar[frozenset[str]] = frozenset({"amount"})
    amount: str | None = None

    @property
    def cents(self) -> int:
        """The amount in whole cents."""
        return int(Decimal(self.amount or "0") * 100)


class JourneyParameters(TriggerParameters):
    """JourneyCompleted."""

    required: ClassVar[frozenset[str]] = frozenset({"journey_id"})
    journey_id: int | None = None


class WebsiteEventParameters(TriggerParameters):
    """WebsiteEvent_*; without criteria every event of the kind counts."""

    list_ids: tuple[int, ...] = ()
    criteria: tuple[dict[str, Any], ...] = ()


class PullParameters(TriggerParameters):
    """ScheduledPull: every so often some people of one list, chosen at random (JC 4.16)."""

    required: ClassVar[frozenset[str]] = frozenset({"list_id"})
    list_id: int | None = None
    interval_value: int = 60
    interval_unit: str = "minutes"
    count_mode: str = "fixed"
    count_fixed: int = 10
    count_min: int = 1
    count_max: int | None = None
    """None: as `count_min`."""
    has_window: bool = False
    allowed_days: tuple[str, ...] = ()
    """With the window on, none means never: a Wait's default is every day."""
    not_before: str = "00:00"
    not_after: str = "23:59"
    has_frequency_cap: bool = False
    cap_count: int = 0
    cap_period: int = 0
    cap_unit: str = "days"

    @property
    def period(self) -> timedelta:
        """From one pull to the next; never below a minute."""
        return max(timedelta(minutes=1), schedules.UNITS[self.interval_unit] * self.interval_value)

    @property
    def counts(self) -> tuple[int, int]:
        """How many a pull takes, at least and at most."""
        if self.count_mode == "fixed":
            return self.count_fixed, self.count_fixed
        return self.count_min, max(self.count_min, self.count_max or 0)

    @property
    def frequency_cap(self) -> tuple[int, timedelta] | None:
        """How often one subscriber may enter in which time; None: any number of times."""
        if not (self.has_frequency_cap and self.cap_count and self.cap_period):
            return None
        return self.cap_count, schedules.UNITS[self.cap_unit] * self.cap_period

    def wire(self) -> dict[str, Any]:
        """As `TriggerParameters.wire`: `ListID`, and every key of the schedule with what counts for it."""
        settled = dict(self) | {"count_max": self.count_min if self.count_max is None else self.count_max}
        return {"ListID": self.list_id} | {
            name: list(settled[field]) if field == "allowed_days" else settled[field]
            for field, name in schedules.NAMES.items()
        }


PARAMETERS: dict[Trigger, type[TriggerParameters]] = {
    Trigger.MANUAL: NoParameters,
    Trigger.LIST_SUBSCRIPTION: ListParameters,
    Trigger.LIST_UNSUBSCRIPTION: ListParameters,
    Trigger.EMAIL_OPEN: EmailParameters,
    Trigger.EMAIL_CONVERSION: EmailParameters,
    Trigger.EMAIL_LINK_CLICK: EmailParameters,
    Trigger.TAG: TagParameters,
    Trigger.UN_TAG: TagParameters,
    Trigger.CUSTOM_FIELD_VALUE_CHANGED: FieldParameters,
    Trigger.REVENUE_HIT: RevenueParameters,
    Trigger.JOURNEY_COMPLETED: JourneyParameters,
    Trigger.WEBSITE_EVENT_PAGE_VIEW: WebsiteEventParameters,
    Trigger.WEBSITE_EVENT_IDENTIFY: WebsiteEventParameters,
    Trigger.WEBSITE_EVENT_CUSTOM_EVENT: WebsiteEventParameters,
    Trigger.WEBSITE_EVENT_CONVERSION: WebsiteEventParameters,
    Trigger.SCHEDULED_PULL: PullParameters,
}


@dataclass(frozen=True)
class Sent:
    """The `Trigger_…` parameters of a call as they came; None: not sent."""

    list_id: Any = None
    email_id: Any = None
    value: Any = None
    criteria: list[dict[str, Any]] | None = None
    schedule: Any = None
    """`TriggerParameters`, which ScheduledPull alone reads."""

    def of(self, field: str) -> Any:
        """What was sent for a field of `TriggerParameters`."""
        if field in schedules.NAMES:
            return schedules.sent(self.schedule, field)
        by_field = {
            "list_ids": self.list_id,
            "list_id": self.list_id,
            "email_id": self.email_id,
            "criteria": self.criteria,
        }
        return by_field.get(field, self.value)


Fault = tuple[str, Literal["missing", "invalid"]]
"""A field of `TriggerParameters` and what is wrong with it; each command has its own code for it."""


def read_parameters(
    trigger: Trigger, sent: Sent, *, stored: TriggerParameters | None = None
) -> tuple[TriggerParameters, list[Fault]]:
    """The typed parameters of a trigger, and everything that is wrong with them.

    Args:
        stored: the parameters kept so far, of the same trigger: what is not sent stays.
    """
    kind = PARAMETERS[trigger]
    values: dict[str, Any] = dict(stored) if stored is not None else {}
    faults: list[Fault] = []
    for field in kind.model_fields:
        given = sent.of(field)
        if given is None:
            if field in kind.required and field not in values:
                faults.append((field, "missing"))
            continue
        try:
            values[field] = _READERS[field](given)
        except Unreadable:
            faults.append((field, "invalid"))
    return kind.model_validate(values), faults


def load(trigger: str, stored: dict[str, Any]) -> TriggerParameters:
    """The typed form of what `wire` stored."""
    kind = PARAMETERS[Trigger(trigger)]
    values: dict[str, Any] = {}
    for field in kind.model_fields:
        if field == "list_ids":
            values[field] = tuple(stored.get("ListIDs", [stored["ListID"]] if "ListID" in stored else []))
        elif field == "criteria":
            values[field] = tuple(stored.get("Criteria", ()))
        elif field == "list_id" or field in schedules.NAMES:
            if (name := schedules.NAMES.get(field, "ListID")) in stored:
                values[field] = stored[name]
        elif (key := "EmailID" if field == "email_id" else "Value") in stored:
            values[field] = stored[key]
    return kind.model_validate(values)


def _list_ids(given: Any) -> tuple[int, ...]:
    ids = tuple(dict.fromkeys(whole(member) for member in comma_members(given)))
    if not ids:
        raise Unreadable
    return (0,) if 0 in ids else ids


def _field_id(given: Any) -> int | None:
    """None: any field."""
    return whole(given) or None


def _amount(given: Any) -> str:
    text = scalar_text(given)
    if isinstance(given, bool) or not _AMOUNT.fullmatch(text):
        raise Unreadable
    return text


_READERS: dict[str, Callable[[Any], Any]] = {
    **schedules.READERS,
    "list_id": lambda given: whole(given, least=1),
    "list_ids": _list_ids,
    "email_id": whole,
    "tag_id": whole,
    "field_id": _field_id,
    "journey_id": whole,
    "amount": _amount,
    "criteria": tuple,
}
