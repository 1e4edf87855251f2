"""Which enabled journeys an event lets its subscriber into (JC 4, rulings 5)."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row

from journeys_api.criteria import matches_event
from journeys_api.journeys.triggers import (
    EmailParameters,
    FieldParameters,
    JourneyParameters,
    ListParameters,
    RevenueParameters,
    TagParameters,
    Trigger,
    TriggerParameters,
    WebsiteEventParameters,
    load,
)
from journeys_api.models import Journey
from journeys_api.trigger_events import START

PULLED = Trigger.SCHEDULED_PULL.value
"""Kind of what a pull writes down; the subject is the journey that takes the person."""
ANY = 0
"""The subject of a journey whose trigger does not name one."""


class Matcher:
    """The enabled journeys of some accounts, by trigger and subject: an event finds its few without trying all."""

    def __init__(self, journeys: Iterable[Journey]) -> None:
        self._by_subject: dict[tuple[int, str, int], list[tuple[Journey, TriggerParameters]]] = defaultdict(list)
        self._by_id: dict[tuple[int, int], Journey] = {}
        for journey in journeys:
            parameters = load(journey.trigger, journey.trigger_parameters)
            self._by_id[(journey.owner_id, journey.journey_id)] = journey
            for subject in _subjects(parameters):
                self._by_subject[(journey.owner_id, journey.trigger, subject)].append((journey, parameters))

    def matching(self, event: Row[Any]) -> list[Journey]:
        """The journeys that the event lets its subscriber into, criteria of subscribers apart."""
        if event.kind in (START, PULLED):
            journey = self._by_id.get((event.owner_id, event.subject_id))
            return [] if journey is None or (event.kind == PULLED and journey.trigger != PULLED) else [journey]
        found: dict[int, Journey] = {}
        for subject in {ANY, event.subject_id, event.list_id}:
            for journey, parameters in self._by_subject.get((event.owner_id, event.kind, subject), ()):
                if _fits(parameters, event):
                    found[journey.journey_id] = journey
        return [found[journey_id] for journey_id in sorted(found)]


def _subjects(parameters: TriggerParameters) -> tuple[int, ...]:
    match parameters:
        case ListParameters(list_ids=ids):
            return ids or (ANY,)
        case EmailParameters(email_id=int(subject)) | TagParameters(tag_id=int(subject)):
            return (subject,)
        case JourneyParameters(journey_id=int(subject)) | FieldParameters(field_id=int(subject)):
            return (subject,)
    return (ANY,)


def _fits(parameters: TriggerParameters, event: Row[Any]) -> bool:
    match parameters:
        case ListParameters(list_ids=ids):
            return _is_one_of(event.list_id, ids)
        case EmailParameters(email_id=subject):
            return subject in (ANY, event.subject_id)
        case TagParameters(tag_id=subject) | JourneyParameters(journey_id=subject):
            return bool(subject == event.subject_id)
        case FieldParameters(list_ids=ids, field_id=subject, criteria=criteria):
            return (
                subject in (None, event.subject_id)
                and _is_one_of(event.list_id, ids)
                and matches_event(list(criteria), {"": event.payload.get("value", "")})
            )
        case RevenueParameters():
            return int(event.payload.get("revenue_cents", 0)) >= parameters.cents
        case WebsiteEventParameters(list_ids=ids, criteria=criteria):
            properties = event.payload.get("Event", {}).get("Property", {})
            return _is_one_of(event.list_id, ids) and matches_event(list(criteria), properties)
    return True


def _is_one_of(list_id: int, ids: tuple[int, ...]) -> bool:
    return not ids or ANY in ids or list_id in ids
