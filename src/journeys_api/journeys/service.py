"""Rules of journeys: their making, their triggers, their trees."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.emails import service as emails
from journeys_api.emails.errors import EmailNotFound
from journeys_api.errors import DomainError
from journeys_api.fields import service as fields
from journeys_api.fields.errors import FieldNotFound
from journeys_api.journeys import checks, insiders, pulls, queries, trees
from journeys_api.journeys.errors import (
    ActionNotFound,
    JourneyGone,
    JourneyNotFound,
    PulledListNotFound,
    TriggeredByItself,
    TriggerEmailNotFound,
    TriggerFieldNotFound,
    TriggerJourneyNotFound,
    TriggerListNotFound,
    TriggerTagNotFound,
)
from journeys_api.journeys.triggers import (
    EmailParameters,
    FieldParameters,
    JourneyParameters,
    PullParameters,
    TagParameters,
    Trigger,
    TriggerParameters,
)
from journeys_api.lanes import Lane
from journeys_api.models import Journey, JourneyAction, JourneyStatus
from journeys_api.sealing.vault import Vault
from journeys_api.tags import service as tags
from journeys_api.tags.errors import TagNotFound

LONGEST_NAME = 1000
"""Characters of a journey's name."""


@dataclass(frozen=True)
class Settings:
    """What create and update may say of a journey; None: not said."""

    name: str | None = None
    notes: str | None = None
    run_criteria: list[Any] | None = None
    run_criteria_operator: str | None = None
    rate_limit_per_hour: int | None = None
    rate_limit_per_day: int | None = None

    def apply(self, journey: Journey) -> None:
        """Set what is said."""
        for name, value in vars(self).items():
            if value is not None:
                setattr(journey, name, value)


@dataclass(frozen=True)
class WithActions:
    """A journey and its present actions in order."""

    journey: Journey
    actions: Sequence[JourneyAction | trees.Row]


@dataclass(frozen=True)
class Checked(WithActions):
    """A journey whose tree was saved, and what of it would not do."""

    doubts: Sequence[checks.Doubt] = ()


class ActionsDoubtful(DomainError):
    """An action of the tree would not do"""

    def __init__(self, doubts: Sequence[checks.Doubt]) -> None:
        super().__init__()
        self.doubts = doubts


class DecisionsStray(DomainError):
    """A Decision names a field that is not on the trigger's list"""


async def create_journey(
    lane: Lane,
    *,
    owner_id: int,
    trigger: Trigger,
    trigger_parameters: TriggerParameters,
    settings: Settings,
    now: datetime,
) -> queries.NewJourney:
    """Make a disabled journey without actions, in one statement.

    Args:
        trigger_parameters: `check_references` has found what they name, if they name anything.

    Source: journeys, "Create a Journey".
    """
    return await queries.insert_journey(
        lane,
        owner_id=owner_id,
        trigger=trigger.value,
        trigger_parameters=trigger_parameters.wire(),
        said={name: value for name, value in vars(settings).items() if value is not None},
        now=now,
    )


async def check_references(session: AsyncSession, *, owner_id: int, parameters: TriggerParameters) -> None:
    """Make sure that what a trigger names is there and the account's; list 0 and email 0 stand for any.

    Raises:
        The error of the first reference that is not, in the order of the documented codes.
    """
    list_ids = {list_id for list_id in getattr(parameters, "list_ids", ()) if list_id}
    if list_ids - await queries.known_list_ids(session, owner_id=owner_id, list_ids=list_ids):
        raise TriggerListNotFound
    match parameters:
        case PullParameters(list_id=int(list_id)):
            if not await queries.known_list_ids(session, owner_id=owner_id, list_ids=[list_id]):
                raise PulledListNotFound
        case EmailParameters(email_id=int(email_id)) if email_id:
            try:
                await emails.get_email(session, owner_id=owner_id, email_id=email_id)
            except EmailNotFound:
                raise TriggerEmailNotFound from None
        case TagParameters(tag_id=int(tag_id)):
            try:
                await tags.get_tag(session, owner_id=owner_id, tag_id=tag_id)
            except TagNotFound:
                raise TriggerTagNotFound from None
        case FieldParameters(field_id=int(field_id)):
            try:
                await fields.get_field(session, owner_id=owner_id, field_id=field_id)
            except FieldNotFound:
                raise TriggerFieldNotFound from None
        case JourneyParameters(journey_id=int(journey_id)):
            try:
                await queries.journey(session, owner_id=owner_id, journey_id=journey_id)
            except JourneyNotFound:
                raise TriggerJourneyNotFound from None


async def journey_for_update(session: AsyncSession, *, owner_id: int, journey_id: int) -> Journey:
    """The account's journey, locked until the transaction ends, or JourneyNotFound."""
    return await queries.journey_for_update(session, owner_id=owner_id, journey_id=journey_id)


async def update_journey(
    session: AsyncSession,
    *,
    journey: Journey,
    trigger: Trigger,
    trigger_parameters: TriggerParameters | None,
    settings: Settings,
    now: datetime,
    is_strict: bool = False,
) -> Sequence[checks.Stray]:
    """Change a locked journey; the fields of its Decisions that are not on the lists it now has, if these changed.

    Args:
        trigger_parameters: None leaves trigger and parameters as they are.
        is_strict: whether such fields are refused.

    Raises:
        As `check_references`, and TriggeredByItself.
        DecisionsStray: the caller is strict.

    Source: journeys, "Update a Journey".
    """
    lists = checks.trigger_lists(journey)
    if trigger_parameters is not None:
        await check_references(session, owner_id=journey.owner_id, parameters=trigger_parameters)
        if getattr(trigger_parameters, "journey_id", None) == journey.journey_id:
            raise TriggeredByItself
        journey.trigger = trigger.value
        journey.trigger_parameters = trigger_parameters.wire()
    settings.apply(journey)
    journey.updated_at = now
    await session.flush()
    if trigger_parameters is not None and journey.status is JourneyStatus.ENABLED:
        await pulls.plan(session, [journey], now=now)
    if checks.trigger_lists(journey) == lists:
        return []
    actions = await queries.actions(session, owner_id=journey.owner_id, journey_id=journey.journey_id)
    placed = [
        checks.Placed(action.action_id, f"action {action.order_no}", action.action, action.parameters)
        for action in actions
    ]
    strays = await checks.strays(session, journey=journey, actions=placed)
    if is_strict and strays:
        raise DecisionsStray(", ".join(f"field {stray.field_id}" for stray in strays))
    return strays


async def journeys_after(
    session: AsyncSession, *, owner_id: int, journey_id: int, status: JourneyStatus | None, most: int
) -> list[Journey]:
    """The account's next journeys behind one, ascending by id; of one status, or (None) of any."""
    statement = queries.owned_journeys(owner_id).where(Journey.journey_id > journey_id)
    if status is not None:
        statement = statement.where(Journey.status == status)
    return list(await session.scalars(statement.order_by(Journey.journey_id).limit(most)))


async def actions_of_journeys(
    session: AsyncSession, *, owner_id: int, journey_ids: Collection[int]
) -> dict[int, list[JourneyAction]]:
    """The present actions of journeys of the account, each journey's in the order of its tree."""
    return await queries.actions_of(session, owner_id=owner_id, journey_ids=journey_ids)


async def delete_journeys(
    session: AsyncSession, *, owner_id: int, journey_ids: Collection[int], now: datetime
) -> list[int]:
    """Delete those of these journeys that are the account's; their ids are "not found" from the commit on.

    Source: journeys, "Delete a Journey", "Delete Multiple Journeys"; rulings 6.
    """
    deleted = await queries.delete_journeys(session, owner_id=owner_id, journey_ids=journey_ids, now=now)
    if deleted:
        await insiders.end_all(session, owner_id=owner_id, journey_ids=deleted, now=now)
    return deleted


async def replace_actions(
    session: AsyncSession,
    *,
    owner_id: int,
    journey_id: int,
    elements: list[Any],
    vault: Vault,
    now: datetime,
    is_strict: bool = False,
) -> Checked:
    """Put the tree that `Actions` describes in place of the journey's; what is not listed is removed.

    Args:
        vault: seals the secrets of webhooks.
        is_strict: whether a tree that would not do is refused; otherwise what is wrong with it is answered.

    Raises:
        JourneyNotFound: no such journey in this account.
        ActionsRefused: an action cannot be kept.
        ActionsDoubtful: the caller is strict.

    Source: journeys, "Update Journey Actions"; rulings 6.
    """
    journey = await queries.journey_for_update(session, owner_id=owner_id, journey_id=journey_id)
    nodes = trees.read_tree(elements)
    stored = {
        action.action_id: action for action in await queries.actions(session, owner_id=owner_id, journey_id=journey_id)
    }
    trees.settle(nodes, stored, vault=vault)
    rows = await write_tree(session, journey=journey, nodes=nodes, stored=stored, now=now)
    placed = [checks.Placed(node.action_id, node.place, node.action, node.parameters) for node in trees.walk(nodes)]
    doubts = await checks.doubts_of(session, journey=journey, actions=placed)
    if is_strict and doubts:
        raise ActionsDoubtful(doubts)
    return Checked(journey, rows, doubts)


async def write_tree(
    session: AsyncSession,
    *,
    journey: Journey,
    nodes: Sequence[trees.Node],
    stored: Mapping[int, JourneyAction],
    now: datetime,
) -> Sequence[trees.Row]:
    """Write a settled tree of a locked journey: ids for the new, pointers for all, removal of what is gone.

    Answers its rows in order.

    A constant number of statements, whatever the size of the tree.
    """
    rows = (await _linked(session, [(journey, nodes)], now=now))[journey.journey_id]
    at = {"owner_id": journey.owner_id, "journey_id": journey.journey_id}
    removed = insiders.successors(list(stored.values()), rows)
    changed = insiders.changed_actions(list(stored.values()), rows)
    await queries.remove_actions(session, **at, successors=removed, now=now)
    await queries.update_actions(session, [row for row in rows if row.action_id in stored], **at)
    new = [row for row in rows if row.action_id not in stored]
    await queries.insert_actions(session, {journey.journey_id: new}, owner_id=journey.owner_id, now=now)
    await insiders.follow_edit(session, journey=journey, removed=removed, changed=changed, now=now)
    return rows


async def write_new_trees(
    session: AsyncSession, trees_of: Sequence[tuple[Journey, Sequence[trees.Node]]], *, owner_id: int, now: datetime
) -> None:
    """Write the trees of journeys of one account that have none yet, in as many statements as one takes."""
    await queries.insert_actions(session, await _linked(session, trees_of, now=now), owner_id=owner_id, now=now)


async def _linked(
    session: AsyncSession, trees_of: Sequence[tuple[Journey, Sequence[trees.Node]]], *, now: datetime
) -> dict[int, list[trees.Row]]:
    """The rows of settled trees by journey, every node with its id; the journeys know where their flow begins."""
    new = [node for _, nodes in trees_of for node in trees.walk(nodes) if not node.action_id]
    for node, action_id in zip(new, await queries.new_action_ids(session, len(new)), strict=True):
        node.action_id = action_id
    linked: dict[int, list[trees.Row]] = {}
    for journey, nodes in trees_of:
        rows = linked[journey.journey_id] = trees.flatten(nodes)
        journey.first_action_id = trees.link(rows)
        journey.flow_version += 1
        journey.updated_at = now
    await session.flush()
    return linked


async def publish_actions(
    session: AsyncSession, *, owner_id: int, journey_id: int, elements: list[Any], now: datetime
) -> tuple[WithActions, list[int]]:
    """Publish or unpublish some actions of a journey, all or none; answers the journey, and the actions touched.

    Args:
        elements: objects with `ActionID` and `Published`.

    Raises:
        JourneyNotFound: no such journey in this account.
        ActionNotFound: one of the actions is not the journey's.
        JourneyGone: the journey was not there any more when it was read again.

    Source: journeys, "Update Actions Published Status".
    """
    journey = await queries.journey_for_update(session, owner_id=owner_id, journey_id=journey_id)
    published = trees.read_published(elements)
    stored = await queries.actions(session, owner_id=owner_id, journey_id=journey_id)
    rows = trees.rows_of(stored)
    if not published.keys() <= {row.action_id for row in rows}:
        raise ActionNotFound
    for row in rows:
        row.is_published = published.get(row.action_id, row.is_published)
    touched = insiders.changed_actions(stored, rows)
    journey.first_action_id = trees.link(rows)
    journey.flow_version += 1
    journey.updated_at = now
    await session.flush()
    await queries.update_actions(session, rows, owner_id=owner_id, journey_id=journey_id)
    await insiders.follow_edit(session, journey=journey, removed=(), changed=touched, now=now)
    try:
        changed = await queries.journey(session, owner_id=owner_id, journey_id=journey_id)
        actions = await queries.actions(session, owner_id=owner_id, journey_id=journey_id)
        return WithActions(changed, actions), list(published)
    except JourneyNotFound:
        raise JourneyGone from None
