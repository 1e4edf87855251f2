"""Which enabled journeys an event lets its subscriber into (JC 4, rulings 5)."""

from collections import defaultdict
from collections.abc import Iterable
from operator import itemgetter
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
        self._by_subject: dict[tuple[int, str, int], dict[int, TriggerParameters]] = defaultdict(dict)
        self._by_id: dict[tuple[int, int], Journey] = {}
        # many events of a batch are of one kind, subject and list
        self._near: dict[tuple[int, str, int, int], list[tuple[int, TriggerParameters]]] = {}
        for journey in journeys:
            parameters = load(journey.trigger, journey.trigger_parameters)
            self._by_id[(journey.owner_id, journey.journey_id)] = journey
            for subject in _subjects(parameters):
                self._by_subject[(journey.owner_id, journey.trigger, subject)][journey.journey_id] = parameters

    def matching(self, event: Row[Any]) -> list[int]:
        """The journeys that the event lets its subscriber into, criteria of subscribers apart; in their order."""
        owner_id, kind, subject_id = event.owner_id, event.kind, event.subject_id
        if kind in (START, PULLED):
            journey = self._by_id.get((owner_id, subject_id))
            return [] if journey is None or (kind == PULLED and journey.trigger != PULLED) else [subject_id]
        asked = (owner_id, kind, subject_id, event.list_id)
        near = self._near.get(asked)
        if near is None:
            near = self._near[asked] = self._found(*asked)
        return [journey_id for journey_id, parameters in near if _fits(parameters, event)]

    def _found(self, owner_id: int, kind: str, *subjects: int) -> list[tuple[int, TriggerParameters]]:
        found: dict[int, TriggerParameters] = {}
        for subject in (ANY, *subjects):
            found |= self._by_subject.get((owner_id, kind, subject), {})
        return sorted(found.items(), key=itemgetter(0))


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
