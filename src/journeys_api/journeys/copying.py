"""Copies of journeys: a clone within the account, and a copy into another account."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api import criteria
from journeys_api.accounts import service as accounts
from journeys_api.accounts.errors import UserNotFound
from journeys_api.emails import service as emails
from journeys_api.errors import DomainError
from journeys_api.journeys import queries, trees
from journeys_api.journeys.service import LONGEST_NAME, WithActions, write_new_trees
from journeys_api.journeys.triggers import Trigger
from journeys_api.models import Journey, JourneyAction, JourneyStatus
from journeys_api.strict_json import fold

REFERENCES = (
    "SenderDomainID",
    "TargetListID",
    "TargetTagID",
    "TargetCustomFieldID",
    "TargetJourneyID",
    "gateway_id",
)
"""Action parameters that name a record of the account and mean nothing in another."""

MOST_COPIED = 10_000
"""Journeys and actions that one call clones, together: copies can be copied again, and all are made in memory."""


class SourceUserNotFound(DomainError):
    """Source user not found"""


class TargetUserNotFound(DomainError):
    """Target user not found"""


@dataclass
class Copied:
    """What a copy into another account made, and what it had to leave behind."""

    journey: Journey
    emails: dict[int, int] = field(default_factory=dict)
    """Source email → its copy, once each."""
    reset: list[str] = field(default_factory=list)
    """Names of the parameters that were set to 0 or emptied."""

    def note(self, name: str) -> None:
        """Remember a parameter's name, once."""
        if name not in self.reset:
            self.reset.append(name)


async def clone_journey(
    session: AsyncSession, *, owner_id: int, journey_id: int, name: str, now: datetime
) -> WithActions:
    """Make a disabled copy in the same account: trigger, criteria, caps and the whole tree under new ids.

    Nobody is inside it, and it has no numbers.

    Raises:
        JourneyNotFound: no such journey in this account.

    Source: journeys, "Clone a Journey"; JC 1.2.
    """
    source = await queries.journey(session, owner_id=owner_id, journey_id=journey_id)
    copy = (await _clone(session, [(name, source)], owner_id=owner_id, now=now))[journey_id]
    return WithActions(copy, await queries.actions(session, owner_id=owner_id, journey_id=copy.journey_id))


async def clone_journeys(
    session: AsyncSession, *, owner_id: int, journey_ids: Collection[int], suffix: str, now: datetime
) -> dict[int, int]:
    """Clone those of these journeys that are the account's, each under its own name, a blank and `suffix`.

    A constant number of statements, whatever the number of journeys. Answers source → copy. What would make more than
    `MOST_COPIED` rows is passed over, in the order given.

    Source: JC 1.20.
    """
    sizes = await queries.action_counts(session, owner_id=owner_id, journey_ids=journey_ids)
    chosen: set[int] = set()
    room = MOST_COPIED
    for journey_id in dict.fromkeys(journey_ids):
        if journey_id in sizes and sizes[journey_id] < room:
            chosen.add(journey_id)
            room -= 1 + sizes[journey_id]
    sources = await queries.journeys_among(session, owner_id=owner_id, journey_ids=chosen)
    copies = await _clone(
        session, [(_suffixed(source.name, suffix), source) for source in sources], owner_id=owner_id, now=now
    )
    return {source_id: copy.journey_id for source_id, copy in copies.items()}


def _suffixed(name: str, suffix: str) -> str:
    """What is too long loses the end of the name first, so that the suffix still tells copies apart."""
    room = max(0, LONGEST_NAME - len(suffix) - 1)
    return f"{name[:room]} {suffix}".strip()[:LONGEST_NAME]


async def _clone(
    session: AsyncSession, named: Sequence[tuple[str, Journey]], *, owner_id: int, now: datetime
) -> dict[int, Journey]:
    """Disabled copies of an account's journeys under these names; source → copy."""
    copies = {
        source.journey_id: Journey(
            owner_id=owner_id,
            name=name,
            notes=f"Copy of journey {source.name}",
            trigger=source.trigger,
            trigger_parameters=source.trigger_parameters,
            run_criteria=source.run_criteria,
            **_kept_settings(source),
            created_at=now,
            updated_at=now,
        )
        for name, source in named
    }
    session.add_all(copies.values())
    await session.flush()
    actions = await queries.actions_of(session, owner_id=owner_id, journey_ids=copies.keys())
    trees_of = [(copy, _as_new(actions.get(source_id, []))) for source_id, copy in copies.items()]
    await write_new_trees(session, trees_of, owner_id=owner_id, now=now)
    return copies


async def copy_to_user(
    session: AsyncSession,
    *,
    journey_id: int,
    source_user_id: int,
    target_user_id: int,
    name: str | None,
    now: datetime,
) -> Copied:
    """Make a disabled copy with trigger Manual in another account.

    Emails of SendEmail actions are copied once each; every other reference to a record of the source, and every secret,
    is reset and named.

    Args:
        name: None: `Copy of <original name>`.

    Raises:
        SourceUserNotFound, TargetUserNotFound, JourneyNotFound: looked up in this order.

    Source: journeys, "Copy Journey to Another User"; rulings 6.
    """
    await _require_user(session, source_user_id, SourceUserNotFound)
    await _require_user(session, target_user_id, TargetUserNotFound)
    source = await queries.journey(session, owner_id=source_user_id, journey_id=journey_id)
    actions = await queries.actions(session, owner_id=source_user_id, journey_id=journey_id)
    copy = Journey(
        owner_id=target_user_id,
        name=f"Copy of {source.name}"[:LONGEST_NAME] if name is None else name,
        notes=source.notes,
        trigger=Trigger.MANUAL.value,
        trigger_parameters={},
        run_criteria=[],
        **_kept_settings(source),
        created_at=now,
        updated_at=now,
    )
    session.add(copy)
    await session.flush()
    copied = Copied(copy)
    if source.run_criteria:
        copied.note("Run_Criteria")
    copied.emails = await emails.copy_emails(
        session,
        owner_id=source_user_id,
        email_ids={email_id for action in actions if (email_id := _email_id(action))},
        to_owner_id=target_user_id,
        now=now,
    )
    nodes = _as_new(actions)
    for node in trees.walk(nodes):
        _reset(node, copied)
    await write_new_trees(session, [(copy, nodes)], owner_id=target_user_id, now=now)
    return copied


async def _require_user(session: AsyncSession, user_id: int, otherwise: type[DomainError]) -> None:
    try:
        await accounts.get_user(session, user_id=user_id)
    except UserNotFound:
        raise otherwise from None


def _kept_settings(source: Journey) -> dict[str, Any]:
    return {
        "run_criteria_operator": source.run_criteria_operator,
        "rate_limit_per_hour": source.rate_limit_per_hour,
        "rate_limit_per_day": source.rate_limit_per_day,
        "status": JourneyStatus.DISABLED,
    }


def _as_new(actions: Sequence[JourneyAction]) -> list[trees.Node]:
    """Stored actions as a tree without ids; a child's order number is above its parent's."""
    roots: list[trees.Node] = []
    by_id: dict[int, trees.Node] = {}
    for action in actions:
        node = trees.Node(
            place="",
            action=action.action,
            parameters=dict(action.parameters),
            notes=action.notes,
            is_published=action.is_published,
        )
        by_id[action.action_id] = node
        if action.parent_action_id is None:
            roots.append(node)
        else:
            parent = by_id[action.parent_action_id]
            (parent.true_branch if action.branch == "true" else parent.false_branch).append(node)
    return roots


def _email_id(action: JourneyAction) -> int:
    return int(action.parameters.get("EmailID") or 0) if action.action == "SendEmail" else 0


def _reset(node: trees.Node, copied: Copied) -> None:
    parameters = node.parameters
    for name in REFERENCES:
        if parameters.get(name) not in (None, "", 0, [], [0]):
            parameters[name] = 0
            copied.note(name)
    if node.action == "SendEmail" and parameters.get("EmailID"):
        parameters["EmailID"] = copied.emails.get(parameters["EmailID"], 0)
        if not parameters["EmailID"]:
            copied.note("EmailID")
    _reset_secrets(parameters, copied)
    if parameters.get("Criteria"):
        kept, was_reset = _without_naming_rules(parameters["Criteria"])
        parameters["Criteria"] = kept
        if was_reset:
            copied.note("Criteria")
    if node.action == "YesNo":
        _reset_yes_no(parameters, copied)


def _reset_secrets(parameters: dict[str, Any], copied: Copied) -> None:
    security = parameters.get("WebhookSecurity")
    if isinstance(security, dict) and security.get("SecretKey"):
        parameters["WebhookSecurity"] = {**security, "SecretKey": ""}
        copied.note("SecretKey")
    if parameters.get("WebhookHeaders"):
        parameters["WebhookHeaders"] = {}
        copied.note("WebhookHeaders")


def _reset_yes_no(parameters: dict[str, Any], copied: Copied) -> None:
    """Its left side may be `CustomField:<id>`; for Opens and Clicks its right side is ids of campaigns."""
    left = fold(str(parameters.get("CriteriaLeft") or ""))
    if left.startswith("customfield"):
        parameters["CriteriaLeft"] = ""
        copied.note("CriteriaLeft")
    elif left in {"opens", "clicks"} and parameters.get("CriteriaRight"):
        parameters["CriteriaRight"] = ""
        copied.note("CriteriaRight")


def _without_naming_rules(rules: Any) -> tuple[list[Any], bool]:
    """The criteria without rules that name a record of the account, or groups emptied so; and whether any went."""
    kept: list[Any] = []
    was_reset = False
    for item in rules if isinstance(rules, list) else []:
        if isinstance(item, list):
            inner, inner_was_reset = _without_naming_rules(item)
            was_reset = was_reset or inner_was_reset
            if inner or not inner_was_reset:
                kept.append(inner)
        elif isinstance(item, dict) and criteria.names_records(item):
            was_reset = True
        else:
            kept.append(item)
    return kept, was_reset
