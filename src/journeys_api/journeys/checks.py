"""What of a tree that is saved would not do, by the codes of the vendor's newer releases (JC 1.6, 1.11).

A tree is kept with it all the same, unless the caller asks to be strict: clients of the contract's page know no such
refusal. What is not chosen yet is no matter here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import ARRAY, BigInteger, any_, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api import criteria
from journeys_api.commands.reading import Unreadable, email_address
from journeys_api.criteria import CriteriaInvalid
from journeys_api.delivery import personalization
from journeys_api.delivery.web_urls import UrlRefused, parse_url
from journeys_api.journeys.action_types import (
    ACTION_TYPES,
    DecisionParameters,
    ExitJourneyParameters,
    Parameters,
    Person,
    SendEmailParameters,
    TargetJourneyParameters,
    TargetListParameters,
    TargetTagParameters,
    UpdateCustomFieldValueParameters,
    WebhookParameters,
)
from journeys_api.journeys.references import Named, records_among
from journeys_api.journeys.triggers import load
from journeys_api.models import CustomField, Journey

FROM_MISSING, FROM_USERNAME, FROM_INCOMPLETE = 7, 8, 9
FIELD_OF_ANOTHER_LIST, FIELD_UNKNOWN = 10, 11
_NOT_FOUND = {"email": 12, "sender domain": 13, "list": 14, "tag": 15, "journey": 16, "custom field": 17}
URL_NOT_PUBLIC = 18


@dataclass(frozen=True)
class Placed:
    """An action to be checked."""

    action_id: int
    place: str
    """Where it stands in the call's input."""
    action: str
    parameters: Mapping[str, object]


@dataclass(frozen=True)
class Doubt:
    """One thing that would not do."""

    code: int
    action_id: int
    place: str
    """The action's place and, where there is one, the parameter."""


@dataclass(frozen=True)
class Stray:
    """A field that an action's criteria name and that is not of the journey's lists."""

    action_id: int
    place: str
    field_id: int
    field_name: str
    """Empty: there is no such field."""
    list_id: int

    @property
    def is_missing(self) -> bool:
        """Whether the account has no such field."""
        return not self.list_id


async def doubts_of(session: AsyncSession, *, journey: Journey, actions: Sequence[Placed]) -> list[Doubt]:
    """Everything about the actions that would not do, in their order. Two statements, whatever their number."""
    found: list[Doubt] = []
    named: list[tuple[Placed, str, Named]] = []
    for each in actions:
        parameters: Parameters = ACTION_TYPES[each.action].model_validate(each.parameters)
        named.extend((each, name, Named(kind, record)) for name, kind, record in _references(parameters) if record)
        for code, name in _by_itself(parameters):
            found.append(Doubt(code, each.action_id, f"{each.place}.{name}"))
    if named:
        rows = await records_among(session, {one for _, _, one in named}, owner_id=journey.owner_id)
        there = {(row.kind, row.id) for row in rows}
        found.extend(
            Doubt(_NOT_FOUND[one.kind], each.action_id, f"{each.place}.{name}")
            for each, name, one in named
            if (one.kind, one.record_id) not in there
        )
    for stray in await strays(session, journey=journey, actions=actions):
        code = FIELD_UNKNOWN if stray.is_missing else FIELD_OF_ANOTHER_LIST
        found.append(Doubt(code, stray.action_id, f"{stray.place}.Criteria, field {stray.field_id}"))
    order = {each.action_id: index for index, each in enumerate(actions)}
    return sorted(found, key=lambda doubt: (order[doubt.action_id], doubt.code))


async def strays(session: AsyncSession, *, journey: Journey, actions: Sequence[Placed]) -> list[Stray]:
    """The fields that Decisions name and that are neither on a list of the journey's trigger nor the account's own.

    Where the trigger names no list every field of the account will do. One statement.
    """
    named = [(each, field_id) for each in actions for field_id in sorted(_fields(each))]
    if not named:
        return []
    ids = sorted({field_id for _, field_id in named})
    rows = await session.execute(
        select(CustomField.field_id, CustomField.field_name, CustomField.list_id).where(
            CustomField.owner_id == journey.owner_id, CustomField.field_id == any_(literal(ids, ARRAY(BigInteger)))
        )
    )
    fields = {row.field_id: row for row in rows}
    lists = trigger_lists(journey)
    found = []
    for each, field_id in named:
        row = fields.get(field_id)
        if row is None:
            found.append(Stray(each.action_id, each.place, field_id, "", 0))
        elif row.list_id and lists and row.list_id not in lists:
            found.append(Stray(each.action_id, each.place, field_id, row.field_name, row.list_id))
    return found


def trigger_lists(journey: Journey) -> frozenset[int]:
    """The lists that the journey's people come from; empty: any."""
    parameters = load(journey.trigger, journey.trigger_parameters)
    lists = {*getattr(parameters, "list_ids", ()), getattr(parameters, "list_id", None)} - {None}
    return frozenset() if 0 in lists else frozenset(lists)


def _references(parameters: Parameters) -> Iterator[tuple[str, str, int]]:
    """(parameter, kind, id) of the records that an action names; 0 and None: not chosen yet."""
    match parameters:
        case SendEmailParameters():
            yield "EmailID", "email", parameters.email_id
            yield "SenderDomainID", "sender domain", parameters.sender_domain_id
        case TargetListParameters():
            yield "TargetListID", "list", parameters.target_list_id
        case TargetTagParameters():
            yield "TargetTagID", "tag", parameters.target_tag_id
        case TargetJourneyParameters():
            yield "TargetJourneyID", "journey", parameters.target_journey_id
        case ExitJourneyParameters(target_journey_ids=given):
            for target in given if isinstance(given, list) else [given]:
                yield "TargetJourneyID", "journey", target
        case UpdateCustomFieldValueParameters():
            yield "TargetCustomFieldID", "custom field", parameters.target_field_id


def _by_itself(parameters: Parameters) -> Iterator[tuple[int, str]]:
    """(code, parameter) of what an action's own values tell."""
    match parameters:
        case SendEmailParameters(sender=Person() as sender):
            if (code := _sender_fault(sender)) is not None:
                yield code, "From.Email"
        case WebhookParameters(url=url) if url and not _is_callable(url):
            yield URL_NOT_PUBLIC, "WebhookURL"


def _sender_fault(sender: Person) -> int | None:
    """The code of a From address; one with merge tags is known only when they are filled in."""
    if not sender.email:
        return FROM_MISSING if sender.name else None
    return _address_fault(sender.email)


@lru_cache(maxsize=1024)
def _address_fault(address: str) -> int | None:
    # the mails of an account come from a few addresses, and judging one costs as much as a statement
    if not personalization.compile(address).is_static:
        return None
    username, _, domain = address.rpartition("@")
    if not username or "." not in domain:
        return FROM_INCOMPLETE
    for tried, code in ((f"{username}@example.com", FROM_USERNAME), (address, FROM_INCOMPLETE)):
        try:
            email_address(tried)
        except Unreadable:
            return code
    return None


def _is_callable(url: str) -> bool:
    """Whether it is the address of a public web server, as far as the text tells."""
    if not personalization.compile(url).is_static:
        return True
    try:
        return parse_url(url).may_be_public
    except UrlRefused:
        return False


def _fields(each: Placed) -> frozenset[int]:
    parameters = ACTION_TYPES[each.action].model_validate(each.parameters)
    if not isinstance(parameters, DecisionParameters):
        return frozenset()
    try:
        return criteria.parse(parameters.criteria, operator=parameters.operator or "and").references.field_ids
    except CriteriaInvalid:
        return frozenset()
