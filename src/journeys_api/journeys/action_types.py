"""The eighteen action types: a typed model each, canonical names, values kept as given (JC 3, rulings 6).

Nothing is required when a tree is saved: an absent, null, "" or 0 parameter is "not chosen yet" and answered as it was
given. A value that is there and cannot be of its type is refused, naming its place.
"""

import re
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from journeys_api.commands.reading import Unreadable, array, comma_members, mapping, scalar_text, truth, whole
from journeys_api.strict_json import fold

HIDDEN = "********"
"""What a webhook's secret key is answered as; sent back, it keeps the stored key."""
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):[0-5][0-9]")
_BOOLEANS = frozenset({"1", "true", "yes", "on", "0", "false", "no", "off"})


def _kept(read: Any) -> BeforeValidator:
    """A validator that keeps null and "" (not chosen yet) and reads everything else."""

    def validate(value: Any) -> Any:
        if value is None or value == "":
            return value
        try:
            return read(value)
        except Unreadable:
            raise ValueError("cannot be read") from None

    return BeforeValidator(validate)


def _one_of(*words: str) -> Any:
    known = {fold(word): word for word in words}

    def read(value: Any) -> str:
        word = known.get(fold(scalar_text(value)))
        if word is None:
            raise Unreadable
        return word

    return read


def _boolean(value: Any) -> bool:
    if scalar_text(value).lower() not in _BOOLEANS:
        raise Unreadable
    return truth(value)


def _clock(value: Any) -> str:
    text = scalar_text(value)
    if not _CLOCK.fullmatch(text):
        raise Unreadable
    return text.rjust(5, "0")


def _days(value: Any) -> list[str]:
    named = [day.lower() for day in comma_members(value)]
    if not set(named) <= set(DAYS):
        raise Unreadable
    return [day for day in DAYS if day in named]


def _id_or_ids(value: Any) -> int | list[int]:
    if isinstance(value, str) and not value.strip().isdigit():
        value = comma_members(value)
    if isinstance(value, list | dict):
        return [whole(item) for item in array(value)]
    return whole(value)


def _text_or_texts(value: Any) -> str | list[str]:
    if isinstance(value, list | dict):
        return [scalar_text(item) for item in array(value)]
    return scalar_text(value)


def _rules(value: Any) -> list[Any]:
    rules = array(value)
    if not all(isinstance(rule, list | dict) for rule in rules):
        raise Unreadable
    return rules


def _free_form(value: Any) -> dict[str, Any]:
    return mapping(value, is_free=True)


def _number(least: int, most: int) -> Any:
    return lambda value: whole(value, least=least, most=most)


def _structure(value: Any) -> Any:
    if value is None or value == "":
        return value
    try:
        return mapping(value)
    except Unreadable:
        raise ValueError("cannot be read") from None


def _structures(value: Any) -> Any:
    if value is None or value == "":
        return value
    try:
        return array(value)
    except Unreadable:
        raise ValueError("cannot be read") from None


Id = Annotated[Any, _kept(whole)]
"""An id, 0, null or "": digits become an int."""
IdOrIds = Annotated[Any, _kept(_id_or_ids)]
Text = Annotated[Any, _kept(scalar_text)]
Flag = Annotated[Any, _kept(_boolean)]
Clock = Annotated[Any, _kept(_clock)]
"""`HH:MM`."""
Days = Annotated[Any, _kept(_days)]
"""Some of `mon … sun`, in the week's order."""
Rules = Annotated[Any, _kept(_rules)]
"""RulesJson; judged by `criteria` when it is used."""
FreeForm = Annotated[Any, _kept(_free_form)]
"""A map whose own names keep their spelling."""
Amount = Annotated[Any, _kept(_number(0, 10**9))]
Operator = Annotated[Any, _kept(_one_of("and", "or"))]


class Parameters(BaseModel):
    """Parameters by wire name in any case; unknown names are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    _spelling: ClassVar[dict[str, str]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        cls._spelling = {fold(field.alias or name): field.alias or name for name, field in cls.model_fields.items()}

    @model_validator(mode="before")
    @classmethod
    def _in_canonical_spelling(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            raise ValueError("cannot be read")
        return {cls._spelling.get(fold(name), name): value for name, value in given.items()}

    def wire(self) -> dict[str, Any]:
        """What was given, by canonical name."""
        return self.model_dump(by_alias=True, exclude_unset=True)


def _named(alias: str) -> Any:
    return Field(default=None, alias=alias)


class NoParameters(Parameters):
    """DeleteSubscriber, ExitThisJourney, ExitAllOtherJourneys, ExitAllJourneys."""


class WaitParameters(Parameters):
    """Wait, and then perhaps for a window of the week in the owner's time zone (JC 3.2)."""

    unit: Annotated[Any, _kept(_one_of("seconds", "minutes", "hours", "days"))] = _named("WaitUnit")
    amount: Amount = _named("WaitAmount")
    has_window: Flag = _named("TimeConstraintEnabled")
    not_before: Clock = _named("DontSendBefore")
    not_after: Clock = _named("DontSendAfter")
    allowed_days: Days = _named("AllowedDays")


class UpdateCustomFieldValueParameters(Parameters):
    """Write a field of the subscriber; the value may have merge tags."""

    target_field_id: Id = _named("TargetCustomFieldID")
    new_value: Text = _named("NewCustomFieldValue")


class TargetListParameters(Parameters):
    """Subscribe, Unsubscribe."""

    target_list_id: Id = _named("TargetListID")


class TargetJourneyParameters(Parameters):
    """StartJourney."""

    target_journey_id: Id = _named("TargetJourneyID")


class ExitJourneyParameters(Parameters):
    """ExitJourney: one journey, or several."""

    target_journey_ids: IdOrIds = _named("TargetJourneyID")


class TargetTagParameters(Parameters):
    """AddTag, RemoveTag."""

    target_tag_id: Id = _named("TargetTagID")


class WebhookSecurity(Parameters):
    """How a webhook proves who sent it."""

    method: Text = _named("Method")
    secret_key: Text = _named("SecretKey")
    header_name: Text = _named("HeaderName")


class WebhookParameters(Parameters):
    """POST to an address of the owner's (JC 3.6)."""

    url: Text = _named("WebhookURL")
    security: Annotated[WebhookSecurity | str | None, BeforeValidator(_structure)] = _named("WebhookSecurity")
    body: FreeForm = _named("WebhookBody")
    headers: FreeForm = _named("WebhookHeaders")


class YesNoParameters(Parameters):
    """The old branch (JC 3.4)."""

    left: Text = _named("CriteriaLeft")
    operator: Text = _named("CriteriaOperator")
    right: Annotated[Any, _kept(_text_or_texts)] = _named("CriteriaRight")
    option: Text = _named("CriteriaOption")


class DecisionParameters(Parameters):
    """A branch by criteria (JC 3.3)."""

    operator: Operator = _named("CriteriaOperator")
    criteria: Rules = _named("Criteria")


class Person(Parameters):
    """A name and an address; merge tags are allowed in both."""

    name: Text = _named("Name")
    email: Text = _named("Email")


People = Annotated[list[Person] | str | None, BeforeValidator(_structures)]


class SendEmailParameters(Parameters):
    """Send an email (JC 3.5)."""

    email_id: Id = _named("EmailID")
    sender_domain_id: Id = _named("SenderDomainID")
    sender: Annotated[Person | str | None, BeforeValidator(_structure)] = _named("From")
    reply_to: Annotated[Person | str | None, BeforeValidator(_structure)] = _named("ReplyTo")
    cc: People = _named("CC")
    bcc: People = _named("BCC")


class DeliveryWindow(Parameters):
    """When a short message may leave."""

    timezone: Text = _named("timezone")
    start_time: Clock = _named("start_time")
    end_time: Clock = _named("end_time")
    days: Days = _named("days")


class SendSMSParameters(Parameters):
    """Send a short message; its names are snake_case on the wire too (JC 3.7)."""

    message: Text = None
    gateway_id: Id = None
    sender_id: Text = None
    skip_if_no_phone: Flag = None
    max_retry_attempts: Annotated[Any, _kept(_number(0, 10))] = None
    priority: Annotated[Any, _kept(_one_of("normal", "high"))] = None
    delivery_window_enabled: Flag = None
    delivery_window: Annotated[DeliveryWindow | str | None, BeforeValidator(_structure)] = None
    include_link: Flag = None
    link_url: Text = None
    link_expiry_hours: Annotated[Any, _kept(_number(0, 8760))] = None
    link_utm_source: Text = None
    link_utm_medium: Text = None
    link_utm_campaign: Text = None


class DebugParameters(Parameters):
    """Sleep and log; for testing journeys."""

    sleep_seconds: Amount = _named("SleepSeconds")
    message: Text = _named("DebugMessage")


ACTION_TYPES: dict[str, type[Parameters]] = {
    "Wait": WaitParameters,
    "UpdateCustomFieldValue": UpdateCustomFieldValueParameters,
    "Unsubscribe": TargetListParameters,
    "DeleteSubscriber": NoParameters,
    "ExitJourney": ExitJourneyParameters,
    "ExitThisJourney": NoParameters,
    "ExitAllOtherJourneys": NoParameters,
    "ExitAllJourneys": NoParameters,
    "Webhook": WebhookParameters,
    "StartJourney": TargetJourneyParameters,
    "Subscribe": TargetListParameters,
    "AddTag": TargetTagParameters,
    "RemoveTag": TargetTagParameters,
    "YesNo": YesNoParameters,
    "Decision": DecisionParameters,
    "SendEmail": SendEmailParameters,
    "SendSMS": SendSMSParameters,
    "Debug": DebugParameters,
}
"""Canonical name → model of the parameters."""

BRANCHES: dict[str, tuple[str, str]] = {"Decision": ("True", "False"), "YesNo": ("Yes", "No")}
"""Action types with branches → what their true and their false side are called on the wire."""

_BY_FOLDED_NAME = {fold(name): name for name in ACTION_TYPES}


def action_type_named(name: object) -> str | None:
    """The canonical name of an action type, from any case; None when there is none."""
    return _BY_FOLDED_NAME.get(fold(name)) if isinstance(name, str) else None
