"""Parameters and codes that several journey commands share."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from journeys_api import criteria
from journeys_api.commands.reading import (
    RawReader,
    Reader,
    Unreadable,
    array,
    as_given,
    boolean,
    bounded_text,
    day,
    identifier,
    number,
    scalar_text,
)
from journeys_api.commands.registry import Param, Reading, Refusal, invalid, missing, not_found
from journeys_api.criteria import CriteriaInvalid
from journeys_api.errors import NotReadable
from journeys_api.journeys import errors, schedules
from journeys_api.journeys.service import LONGEST_NAME
from journeys_api.journeys.triggers import Fault, Sent, Trigger
from journeys_api.stats.windows import MAX_DAYS, Window, WindowReversed, WindowTooLong, window

PERMISSION = "Campaign.Create"
STRICT = Param(
    "Strict",
    "is_strict",
    boolean,
    default=False,
    source="ours",
    doc="Whether what the vendor's newer releases refuse is refused here too; otherwise it is named in Warnings",
)
SHOWN = {"JourneyID": "456", "JourneyName": "Welcome Series", "Trigger": "ListSubscription"}
"""The journey of the contract's examples."""

JOURNEY_ID = Param(
    "JourneyID", "journey_id", identifier, missing=1, invalid=2, refers_to="journey", doc="ID of the journey"
)
JOURNEY_CODES = (
    missing(1, "JourneyID"),
    invalid(2, "JourneyID"),
    not_found(3, "Journey not found"),
)

NAME = bounded_text(LONGEST_NAME)
NOTES = bounded_text(100_000)


def _rules(value: Any, *, judge: Callable[[object], object]) -> list[Any]:
    """A list of rules; none at all may be written as null, "", [] or {} (rulings 5).

    Args:
        judge: raises CriteriaInvalid when it is none.
    """
    rules = array(value, takes_empty_object=True)
    try:
        judge(rules)
    except CriteriaInvalid:
        raise Unreadable from None
    return rules


RULES = Reader(
    partial(_rules, judge=criteria.check),
    {"type": "array", "items": {}, "description": "RulesJson; a JSON text of it is accepted"},
)
EVENT_RULES = Reader(
    partial(_rules, judge=criteria.parse_trigger),
    {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"Property": {"type": "string"}, "Operator": {"type": "string"}, "Value": {}},
        },
    },
)
OPERATOR = Reader(
    lambda value: "or" if scalar_text(value).lower() == "or" else "and", {"type": "string", "enum": ["and", "or"]}
)
SCHEDULE = Reader(
    as_given.parse,
    {"type": "object", "properties": {name: {} for name in schedules.NAMES.values()}, "additionalProperties": True},
)
PER_HOUR = number(0, 2**31 - 1)
PULLING = "JC 4.16"
"""Where ScheduledPull comes from."""

_TYPES = ", ".join(trigger.value for trigger in Trigger)


def settings_params(verb: str, *, clears_notes: bool) -> list[Param]:
    """Trigger and settings, as create and update take them.

    Args:
        verb: what the descriptions start with.
        clears_notes: whether "" clears the notes (update) or is absence (create), as it is of everything else.
    """
    ids = {"type": "integer", "description": "0 = any; an array or comma list is accepted", "minimum": 0}
    names = {"type": "string", "enum": [each.value for each in Trigger]}
    return [
        Param("Trigger", "trigger", RawReader(as_given.parse, names),
              doc=f"{verb} trigger type, one of {_TYPES}"),
        Param("Trigger_ListID", "trigger_list_id", RawReader(as_given.parse, ids), refers_to="list",
              doc="List of list-based triggers"),
        Param("Trigger_EmailID", "trigger_email_id", RawReader(as_given.parse, identifier.schema), refers_to="email",
              doc="Email of email-based triggers; 0 = any"),
        Param("Trigger_Value", "trigger_value", RawReader(as_given.parse, {"type": ["string", "integer", "number"]}),
              doc="Tag, custom field, amount or journey, as the trigger needs"),
        Param("TriggerParameters", "trigger_schedule", SCHEDULE, source=PULLING,
              doc="When and how many people ScheduledPull takes; other triggers do not read it"),
        Param("Trigger_Criteria", "trigger_criteria", EVENT_RULES,
              doc="Criteria of the event: all must match"),
        Param("Run_Criteria", "run_criteria", RULES,
              doc="Criteria that a subscriber must meet to enter; none: everybody"),
        Param("Run_Criteria_Operator", "run_criteria_operator", OPERATOR, also=("RunCriteriaOperator",),
              doc="How the groups of Run_Criteria are connected: and, or (default: and)"),
        Param("Rate_Limit_Per_Hour", "rate_limit_per_hour", PER_HOUR, invalid=18,
              doc="Entries in any hour; 0 = unlimited"),
        Param("Rate_Limit_Per_Day", "rate_limit_per_day", PER_HOUR, invalid=19,
              doc="Entries in any day; 0 = unlimited"),
        Param("Notes", "notes", NOTES, keeps_empty=clears_notes, doc="Journey notes"),
    ]  # fmt: skip


TRIGGER_CODES = (
    missing(4, "Trigger_ListID"),
    invalid(5, "Trigger_ListID"),
    not_found(6, "Trigger_ListID matching record not found"),
    missing(7, "Trigger_EmailID"),
    invalid(8, "Trigger_EmailID"),
    not_found(9, "Trigger_EmailID matching record not found"),
)
VALUE_CODES = (
    not_found(11, "Trigger_Value matching record not found"),
    Refusal(12, "Invalid Trigger_Value parameter (CustomFieldValueChanged)"),
    not_found(13, "Trigger_Value matching record not found (CustomFieldValueChanged)"),
    Refusal(14, "Invalid Trigger_Value parameter (RevenueHit)"),
    Refusal(15, "Missing Trigger_Value parameter (RevenueHit)"),
    Refusal(16, "Invalid Trigger_Value parameter (JourneyCompleted)"),
    not_found(17, "Trigger_Value matching record not found (JourneyCompleted)"),
    invalid(18, "rate_limit_per_hour"),
    invalid(19, "rate_limit_per_day"),
    Refusal(20, "Missing or invalid Trigger_ListID parameter for ScheduledPull trigger", source=PULLING),
    not_found(21, "Trigger_ListID matching record not found (ScheduledPull)", source=PULLING),
)
TRIGGER_ERRORS = {
    errors.TriggerListNotFound: 6,
    errors.TriggerEmailNotFound: 9,
    errors.TriggerTagNotFound: 11,
    errors.TriggerFieldNotFound: 13,
    errors.TriggerJourneyNotFound: 17,
    errors.PulledListNotFound: 21,
}
FAULT_CODES: Mapping[Fault, int] = {
    ("list_ids", "missing"): 4,
    ("list_ids", "invalid"): 5,
    ("email_id", "missing"): 7,
    ("email_id", "invalid"): 8,
    ("field_id", "invalid"): 12,
    ("amount", "invalid"): 14,
    ("amount", "missing"): 15,
    ("journey_id", "missing"): 16,
    ("journey_id", "invalid"): 16,
    ("list_id", "missing"): 20,
    ("list_id", "invalid"): 20,
}
"""Codes of what is wrong with a trigger's parameters, where create and update agree; a tag's differ."""


def refuse_fault(reading: Reading, fault: Fault, *, of_a_tag: int) -> None:
    """Add the code of what is wrong with a trigger's parameters.

    Args:
        of_a_tag: the command's own code for a tag that is missing or malformed.

    Raises:
        NotReadable: a key of `TriggerParameters`, for which there is no code.
    """
    if fault[0] in schedules.NAMES:
        raise schedules.refuse(fault[0])
    reading.refuse(of_a_tag if fault[0] == "tag_id" else FAULT_CODES[fault])


def sent_trigger(reading: Reading) -> Sent:
    """The `Trigger_…` parameters of a call; "" counts as not sent."""
    return Sent(
        list_id=reading["trigger_list_id"],
        email_id=reading["trigger_email_id"],
        value=reading["trigger_value"],
        criteria=reading["trigger_criteria"],
        schedule=reading["trigger_schedule"],
    )


def stats_params(start: str, end: str, *, invalid_start: int, invalid_end: int) -> list[Param]:
    """The two bounds of the statistics."""
    return [
        Param(start, "start_on", day, invalid=invalid_start, doc="First day of the statistics (default: 30 days ago)"),
        Param(end, "end_on", day, invalid=invalid_end, doc="Last day of the statistics (default: today)"),
    ]


SINCE_COUNTERS = "JC 1.4, 1.5 (5.9.1)"
EMAIL_ID = Param(
    "EmailID", "of_action_id", number(1), invalid=7, refers_to="action", source=SINCE_COUNTERS,
    doc="ActionID of a SendEmail action of the journey: numbers of its mails only",
)  # fmt: skip
INVALID_EMAIL_ID = Refusal(
    7,
    "Invalid EmailID parameter (not a positive integer, or not a SendEmail action on this journey)",
    source=SINCE_COUNTERS,
)
_ISP = re.compile(r"[a-zA-Z0-9.-]+")


def _domain(value: Any) -> str:
    text = scalar_text(value)
    if not _ISP.fullmatch(text):
        raise Unreadable
    return text.lower()


ISP = Param(
    "ISP", "domain", Reader(_domain, {"type": "string", "pattern": "^[a-zA-Z0-9.-]+$"}), invalid=8,
    source=SINCE_COUNTERS, doc="Recipient domain, such as gmail.com: numbers of mails to it only",
)  # fmt: skip
INVALID_ISP = Refusal(8, "Invalid ISP parameter (must match /^[a-zA-Z0-9.-]+$/)", source=SINCE_COUNTERS)
SKIP_STATS = Param(
    "SkipStats", "skips_stats", boolean, default=False, source=SINCE_COUNTERS, doc="Whether to leave JourneyStats out"
)
WITH_COUNTERS = Param(
    "IncludeActivityCounters", "with_activity", boolean, default=False, source=SINCE_COUNTERS,
    doc="Whether to add when the journey was last busy, how many different people it had, and numbers of the window",
)  # fmt: skip


def check_window(reversed_code: int, *bound_codes: int) -> Callable[[Reading], None]:
    """A check that turns `start_on` and `end_on` into `window`; bounds are defaulted, then compared (JC 1.4)."""

    def check(reading: Reading) -> None:
        start_on, end_on = reading.arguments.pop("start_on"), reading.arguments.pop("end_on")
        today = reading.now.date()
        try:
            reading["window"] = window(start_on, end_on, today=today)
        except WindowReversed:
            reading["window"] = Window(today, today)
            if not any(refusal.code in bound_codes for refusal in reading.refusals):
                reading.refuse(reversed_code)
        except WindowTooLong:
            raise NotReadable(f"the statistics' window is longer than {MAX_DAYS} days") from None

    return check
