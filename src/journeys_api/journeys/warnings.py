"""What of a journey cannot run as it stands, told when it is enabled (rulings 5, 6).

The same is found again where it happens: a step that cannot run fails with its reason, an event that lets nobody in is
recorded. Here it is said before anybody waits for it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api import criteria
from journeys_api.criteria import Criteria, CriteriaInvalid
from journeys_api.delivery import personalization
from journeys_api.delivery.web_urls import UrlRefused, parse_url
from journeys_api.journeys import queries
from journeys_api.journeys.action_types import (
    ACTION_TYPES,
    BRANCHES,
    DecisionParameters,
    ExitJourneyParameters,
    Parameters,
    Person,
    SendEmailParameters,
    SendSMSParameters,
    TargetJourneyParameters,
    TargetListParameters,
    TargetTagParameters,
    UpdateCustomFieldValueParameters,
    WebhookParameters,
    YesNoParameters,
)
from journeys_api.journeys.references import Named, records_among
from journeys_api.journeys.triggers import PullParameters, TriggerParameters, load
from journeys_api.models import (
    Journey,
    JourneyAction,
)
from journeys_api.segments.service import criteria_of_segments

WHOLE_JOURNEY = 0
"""Stands for an action's id where a warning is about the journey itself."""


@dataclass(frozen=True)
class CannotRun:
    """One thing that cannot run."""

    action_id: int | None
    """None: the journey itself, its trigger or `Run_Criteria`."""
    message: str


@dataclass
class _Found:
    """What reading actions and trigger brought up; keys are action ids, or `WHOLE_JOURNEY`."""

    named: list[tuple[int, str, Named]] = field(default_factory=list)
    """Where, what it is called there, and the record."""
    warnings: list[tuple[int, str]] = field(default_factory=list)
    criteria: dict[int, Criteria] = field(default_factory=dict)
    senders: dict[int, str] = field(default_factory=dict)
    """Action → the address that must be of its sender domain."""

    def name(self, action_id: int, kind: str, record_id: object, *, chosen: str) -> None:
        """Note a record that is named, or that none is; `chosen` is what is said then."""
        if isinstance(record_id, int) and record_id:
            self.named.append((action_id, kind, Named(kind, record_id)))
        else:
            self.warnings.append((action_id, chosen))


async def warnings_of(session: AsyncSession, *, journey: Journey) -> list[CannotRun]:
    """Everything about the journey that cannot run, in order of its actions; the journey's own first.

    Actions that nobody comes to (unpublished, or within an unpublished branch) are not judged. Three statements, and
    one for each level of segments that name segments, whatever the size of the tree.
    """
    actions = await queries.actions(session, owner_id=journey.owner_id, journey_id=journey.journey_id)
    reached = list(_reached(actions))
    found = _Found()
    _read_journey(found, journey)
    if not reached:
        found.warnings.append((WHOLE_JOURNEY, "no action is published: whoever enters completes at once"))
    for action in reached:
        _read_action(found, action)
    found.warnings.extend((at, _OVERTAKEN) for at in _overtaken(journey, reached))
    await _judge_records(session, found, journey)
    await _judge_criteria(session, found, owner_id=journey.owner_id)
    names = {action.action_id: action.action for action in reached}
    place = {WHOLE_JOURNEY: 0} | {action.action_id: action.order_no for action in reached}
    return [
        CannotRun(action_id or None, f"{names[action_id]}: {message}" if action_id else message)
        for action_id, message in sorted(found.warnings, key=lambda one: place[one[0]])
    ]


def _reached(actions: Sequence[JourneyAction]) -> Iterator[JourneyAction]:
    """The published actions whose branches are published too; parents come before their branches."""
    open_branches: set[int | None] = {None}
    for action in actions:
        if action.is_published and action.parent_action_id in open_branches:
            if action.action in BRANCHES:
                open_branches.add(action.action_id)
            yield action


def _read_journey(found: _Found, journey: Journey) -> None:
    _read_trigger(found, load(journey.trigger, journey.trigger_parameters))
    try:
        found.criteria[WHOLE_JOURNEY] = criteria.parse(journey.run_criteria, operator=journey.run_criteria_operator)
    except CriteriaInvalid as error:
        found.warnings.append((WHOLE_JOURNEY, f"Run_Criteria: {error}"))


def _read_trigger(found: _Found, parameters: TriggerParameters) -> None:
    for name, kind in (
        ("email_id", "email"),
        ("tag_id", "tag"),
        ("field_id", "custom field"),
        ("journey_id", "journey"),
    ):
        record_id = getattr(parameters, name, None)
        # 0 stands for any email, and is no tag, field or journey
        if record_id or (record_id == 0 and kind != "email"):
            found.named.append((WHOLE_JOURNEY, f"trigger's {kind}", Named(kind, record_id)))
    for list_id in _lists_of(parameters):
        if list_id:
            found.named.append((WHOLE_JOURNEY, "trigger's list", Named("list", list_id)))
    if isinstance(parameters, PullParameters):
        found.warnings.extend((WHOLE_JOURNEY, each) for each in _pull_problems(parameters))
    rules = list(getattr(parameters, "criteria", ()))
    try:
        problems = criteria.trigger_problems(rules)
    except CriteriaInvalid as error:
        problems = [str(error)]
    found.warnings.extend((WHOLE_JOURNEY, f"Trigger_Criteria{each}") for each in problems)


def _lists_of(parameters: TriggerParameters) -> list[int]:
    """The lists that a trigger names; 0 stands for any."""
    list_ids = (getattr(parameters, "list_id", None), *getattr(parameters, "list_ids", ()))
    return [list_id for list_id in list_ids if list_id is not None]


def _pull_problems(parameters: PullParameters) -> Iterator[str]:
    if parameters.has_window and not parameters.allowed_days:
        yield "no day is allowed: nobody is ever pulled"
    if not parameters.counts[1]:
        yield "a pull takes nobody"
    if parameters.has_frequency_cap and parameters.frequency_cap is None:
        yield "the frequency cap has no count or no period, and keeps nobody out"


def _read_action(found: _Found, action: JourneyAction) -> None:
    parameters: Parameters = ACTION_TYPES[action.action].model_validate(action.parameters)
    at = action.action_id
    match parameters:
        case SendEmailParameters():
            _read_send_email(found, at, parameters)
        case SendSMSParameters():
            if not parameters.message:
                found.warnings.append((at, "the message is empty"))
            found.name(at, "gateway", parameters.gateway_id, chosen="no gateway is chosen")
        case WebhookParameters():
            found.warnings.extend((at, each) for each in _webhook_problems(parameters.url))
        case TargetListParameters():
            found.name(at, "list", parameters.target_list_id, chosen="no list is chosen")
        case TargetTagParameters():
            found.name(at, "tag", parameters.target_tag_id, chosen="no tag is chosen")
        case UpdateCustomFieldValueParameters():
            found.name(at, "custom field", parameters.target_field_id, chosen="no custom field is chosen")
        case TargetJourneyParameters():
            found.name(at, "target journey", parameters.target_journey_id, chosen="no journey is chosen")
        case ExitJourneyParameters(target_journey_ids=given):
            targets = [target for target in (given if isinstance(given, list) else [given]) if target]
            for target in targets or [0]:
                found.name(at, "journey", target, chosen="no journey is chosen")
        case DecisionParameters() | YesNoParameters():
            try:
                found.criteria[at] = _criteria(parameters)
            except CriteriaInvalid as error:
                found.warnings.append((at, f"the criteria cannot be read: {error}"))


def _criteria(parameters: DecisionParameters | YesNoParameters) -> Criteria:
    if isinstance(parameters, DecisionParameters):
        return criteria.parse(parameters.criteria, operator=parameters.operator or "and")
    return criteria.from_yes_no(
        parameters.left or "", parameters.operator or "", parameters.right or "", parameters.option or ""
    )


def _read_send_email(found: _Found, at: int, parameters: SendEmailParameters) -> None:
    found.name(at, "email", parameters.email_id, chosen="no email is chosen")
    if parameters.sender_domain_id:
        found.named.append((at, "sender domain", Named("sender domain", parameters.sender_domain_id)))
        if isinstance(parameters.sender, Person) and parameters.sender.email:
            found.senders[at] = parameters.sender.email


_OVERTAKEN = "it is withdrawn when the person is unsubscribed or deleted right behind it: put a Wait between"


def _overtaken(journey: Journey, reached: Sequence[JourneyAction]) -> set[int]:
    """The messages behind which people are unsubscribed or deleted before these can have left."""
    lists = _lists_of(load(journey.trigger, journey.trigger_parameters))
    inside: dict[tuple[int | None, str], list[JourneyAction]] = {}
    for action in reached:
        inside.setdefault((action.parent_action_id, action.branch), []).append(action)
    overtaken: set[int] = set()

    def leaves_own(action: JourneyAction) -> bool:
        """Whether it may be the list that people come from; as far as the trigger tells."""
        list_id = action.parameters.get("TargetListID")
        return bool(list_id) and (not lists or 0 in lists or list_id in lists)

    def walk(place: tuple[int | None, str], fresh: frozenset[int]) -> frozenset[int]:
        """Go along; `fresh` are the messages that nobody has waited behind."""
        for action in inside.get(place, ()):
            at = action.action_id
            if action.action in ("SendEmail", "SendSMS"):
                fresh |= {at}
            elif action.action == "Wait":
                fresh = frozenset()
            elif action.action in BRANCHES:
                fresh = walk((at, "true"), fresh) | walk((at, "false"), fresh)
            elif action.action == "DeleteSubscriber" or (action.action == "Unsubscribe" and leaves_own(action)):
                overtaken.update(fresh)
        return fresh

    walk((None, ""), frozenset())
    return overtaken


def _webhook_problems(url: str | None) -> Iterator[str]:
    """What is wrong with an address; one with merge tags is known only when they are filled in."""
    if not url:
        yield "the webhook has no address"
        return
    if not personalization.compile(url).is_static:
        if url.lower().startswith("http://"):
            yield _PLAIN
        return
    try:
        address = parse_url(url)
    except UrlRefused as refused:
        yield f"the address cannot be called ({refused})"
        return
    if address.scheme == "http":
        yield _PLAIN
    if not address.may_be_public:
        yield "the address is not public: only a server that allows private addresses calls it"


_PLAIN = "the address is plain http: whoever is on the way can read and change what is sent"


async def _judge_records(session: AsyncSession, found: _Found, journey: Journey) -> None:
    """Which of the named records are gone, or there and cannot be used."""
    if not found.named:
        return
    rows = await records_among(session, {named for _, _, named in found.named}, owner_id=journey.owner_id)
    there = {Named(row.kind, row.id): row.note for row in rows}
    for at, what, named in found.named:
        note = there.get(named)
        if named.kind == "sender domain":
            if note is None:
                found.warnings.append((at, "the sender domain is not enabled"))
            elif at in found.senders and not _is_of(found.senders[at], note):
                found.warnings.append((at, "the sender is not of the chosen sender domain"))
        elif note is None:
            found.warnings.append((at, f"the {what} is gone"))
        elif note and named.record_id != journey.journey_id:
            found.warnings.append((at, f"the {what} is {note}"))


def _is_of(sender: str, domain: str) -> bool:
    """As the sender judges it when the mail leaves."""
    at = sender.rpartition("@")[2].lower()
    return at == domain.lower() or at.endswith(f".{domain.lower()}")


async def _judge_criteria(session: AsyncSession, found: _Found, *, owner_id: int) -> None:
    """Which of the criteria cannot be evaluated, and why."""
    together = Criteria(tuple(chain.from_iterable(each.groups for each in found.criteria.values())))
    segments: Mapping[int, Criteria] = await criteria_of_segments(session, owner_id=owner_id, of=together)
    judged = await criteria.problems_of_many(session, found.criteria, owner_id=owner_id, segments=segments)
    for at, problems in judged.items():
        lead = "the criteria cannot be evaluated" if at else "Run_Criteria cannot be evaluated"
        found.warnings.extend((at, f"{lead}: {each}") for each in problems)
