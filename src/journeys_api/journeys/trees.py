"""Action trees: read from the wire, flattened to rows, compiled to the pointers that the engine follows. No I/O."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from journeys_api import criteria
from journeys_api.commands.reading import Unreadable, array, mapping, scalar_text, truth, whole
from journeys_api.criteria import CriteriaInvalid
from journeys_api.journeys.action_types import (
    ACTION_TYPES,
    BRANCHES,
    HIDDEN,
    DecisionParameters,
    WebhookParameters,
    action_type_named,
)
from journeys_api.journeys.errors import ActionNotFound, ActionsRefused
from journeys_api.models import JourneyAction
from journeys_api.sealing.vault import Vault
from journeys_api.strict_json import fold

MAX_ACTIONS = 500
MAX_DEPTH = 32
"""How deep branches may nest."""

_ABOUT_THE_ACTION = frozenset(
    {"action", "actionid", "actionparameters", "actions", "completedruns", "notes", "orderno", "published", "stats"}
)


@dataclass
class Node:
    """An action as it was sent. `action_id` 0 and None of the rest: not said."""

    place: str
    """Where it stands in the input, such as `Actions[1].Actions.True[0]`."""
    action: str
    parameters: dict[str, Any]
    action_id: int = 0
    notes: str | None = None
    is_published: bool | None = None
    true_branch: list["Node"] = field(default_factory=list)
    false_branch: list["Node"] = field(default_factory=list)

    def walk(self) -> Iterator["Node"]:
        """Itself and all below it, depth first, the true side before the false side."""
        yield self
        for child in (*self.true_branch, *self.false_branch):
            yield from child.walk()


def walk(nodes: Sequence[Node]) -> Iterator[Node]:
    """All nodes of a tree in the order of their `OrderNo`."""
    for node in nodes:
        yield from node.walk()


def read_tree(elements: list[Any]) -> list[Node]:
    """The tree that `Actions` describes (rulings 6).

    Raises:
        ActionsRefused: an unknown type, an unreadable parameter or id, too many or too deep.
    """
    nodes = [_read_node(element, f"Actions[{index}]", 0) for index, element in enumerate(elements)]
    if sum(1 for _ in walk(nodes)) > MAX_ACTIONS:
        raise ActionsRefused(f"more than {MAX_ACTIONS} actions")
    return nodes


def _read_node(element: Any, place: str, depth: int) -> Node:
    if not isinstance(element, dict):
        raise ActionsRefused(place)
    given = {fold(name): value for name, value in element.items()}
    action = action_type_named(given.get("action"))
    if action is None:
        raise ActionsRefused
    under = _read_under(given.get("actionparameters"), place)
    if given.get("actions") in (None, ""):
        branches = _read_branches(action, under.get("actions"), f"{place}.ActionParameters", depth)
    else:
        branches = _read_branches(action, given["actions"], place, depth)
    return Node(
        place=place,
        action=action,
        parameters=_read_parameters(action, given, under, place),
        action_id=_read_scalar(whole, given.get("actionid"), f"{place}.ActionID") or 0,
        notes=_read_scalar(scalar_text, given.get("notes"), f"{place}.Notes", keeps_empty=True),
        is_published=_read_scalar(truth, given.get("published"), f"{place}.Published"),
        true_branch=branches[0],
        false_branch=branches[1],
    )


def _read_scalar(read: Any, value: Any, place: str, *, keeps_empty: bool = False) -> Any:
    if value is None or (value == "" and not keeps_empty):
        return None
    try:
        return read(value)
    except Unreadable:
        raise ActionsRefused(place) from None


def _read_under(under: Any, place: str) -> dict[str, Any]:
    """What stands under `ActionParameters`, by folded name."""
    try:
        return {fold(name): value for name, value in mapping(under).items()} if under not in (None, "") else {}
    except Unreadable:
        raise ActionsRefused(f"{place}.ActionParameters") from None


def _read_parameters(action: str, given: Mapping[str, Any], under: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The parameters, flat or under `ActionParameters`; flat wins."""
    flat = {name: value for name, value in given.items() if name not in _ABOUT_THE_ACTION}
    try:
        parameters = ACTION_TYPES[action].model_validate({**under, **flat})
    except ValidationError as error:
        where = ".".join(str(step) for step in error.errors()[0]["loc"] if not _is_of_a_union(step))
        raise ActionsRefused(f"{place}.{where}") from None
    if isinstance(parameters, DecisionParameters):
        # not by the model, which reads stored actions, too: those of a Decision that fails must still be read
        try:
            criteria.check(parameters.criteria)
        except CriteriaInvalid:
            raise ActionsRefused(f"{place}.Criteria") from None
    return parameters.wire()


def _is_of_a_union(step: int | str) -> bool:
    """Whether a step of pydantic's location names a member of a union rather than a parameter."""
    return isinstance(step, str) and (step in {"str", "Person", "WebhookSecurity", "DeliveryWindow"} or "[" in step)


def _read_branches(action: str, given: Any, place: str, depth: int) -> tuple[list[Node], list[Node]]:
    sides: dict[bool, list[Node]] = {True: [], False: []}
    try:
        branches = mapping(given) if given not in (None, "") else {}
    except Unreadable:
        raise ActionsRefused(f"{place}.Actions") from None
    for name, value in branches.items():
        side = {"true": True, "yes": True, "false": False, "no": False}.get(fold(name))
        here = f"{place}.Actions.{name}"
        try:
            elements = array(value) if value not in (None, "", {}) else []
        except Unreadable:
            raise ActionsRefused(here) from None
        # what would be dropped silently is refused: a third side, or branches of an action that has none
        if elements and (side is None or action not in BRANCHES or depth >= MAX_DEPTH):
            raise ActionsRefused(here)
        if side is not None:
            sides[side].extend(
                _read_node(element, f"{here}[{index}]", depth + 1) for index, element in enumerate(elements)
            )
    return sides[True], sides[False]


def read_published(elements: list[Any]) -> dict[int, bool]:
    """Action → whether it shall be published, in the order asked. An unknown `Published` is false (JC A-23).

    Raises:
        ActionNotFound: an element without a proper id.
    """
    asked: dict[int, bool] = {}
    for element in elements:
        given = {fold(name): value for name, value in element.items()} if isinstance(element, dict) else {}
        try:
            asked[whole(given.get("actionid"))] = given.get("published") is not None and truth(given["published"])
        except Unreadable:
            raise ActionNotFound from None
    return asked


def settle(nodes: Sequence[Node], stored: Mapping[int, JourneyAction], *, vault: Vault) -> None:
    """Fill in what the nodes leave to the stored actions of their journey: notes, published, hidden secrets.

    Args:
        stored: the journey's present actions by id.
        vault: seals the secrets that are new.

    Raises:
        ActionsRefused: an id that is not the journey's, or that stands twice; a hidden key where none is stored.
    """
    seen: set[int] = set()
    for node in walk(nodes):
        before = None
        if node.action_id:
            before = stored.get(node.action_id)
            if before is None or node.action_id in seen:
                raise ActionsRefused(f"{node.place}.ActionID")
            seen.add(node.action_id)
        if node.notes is None:
            node.notes = before.notes if before else ""
        if node.is_published is None:
            node.is_published = before.is_published if before else False
        _settle_secret(node, before, vault)


def _settle_secret(node: Node, before: JourneyAction | None, vault: Vault) -> None:
    """A hidden secret is the stored one, any other a new one, which is sealed whatever it looks like."""
    security = node.parameters.get("WebhookSecurity")
    if node.action != "Webhook" or not isinstance(security, dict) or not security.get("SecretKey"):
        return
    if security["SecretKey"] != HIDDEN:
        security["SecretKey"] = vault.seal(security["SecretKey"])
        return
    kept = stored_secret(before)
    if kept is None:
        raise ActionsRefused(f"{node.place}.WebhookSecurity.SecretKey")
    security["SecretKey"] = kept


def stored_secret(action: JourneyAction | None) -> str | None:
    """The secret key of a stored webhook action, as it is stored."""
    if action is None or action.action != "Webhook":
        return None
    security = WebhookParameters.model_validate(action.parameters).security
    return security.secret_key if security is not None and not isinstance(security, str) else None


@dataclass
class Row:
    """One action as it is stored; ids are known."""

    action_id: int
    parent_action_id: int | None
    branch: str
    order_no: int
    action: str
    parameters: dict[str, Any]
    notes: str
    is_published: bool
    next_action_id: int | None = None
    true_action_id: int | None = None
    false_action_id: int | None = None


def flatten(nodes: Sequence[Node]) -> list[Row]:
    """The rows of a settled tree in which every node has its id, in `OrderNo` order, not yet linked."""
    rows: list[Row] = []

    def add(siblings: Sequence[Node], parent: int | None, branch: str) -> None:
        for node in siblings:
            rows.append(
                Row(
                    action_id=node.action_id,
                    parent_action_id=parent,
                    branch=branch,
                    order_no=len(rows) + 1,
                    action=node.action,
                    parameters=node.parameters,
                    notes=node.notes or "",
                    is_published=bool(node.is_published),
                )
            )
            add(node.true_branch, node.action_id, "true")
            add(node.false_branch, node.action_id, "false")

    add(nodes, None, "")
    return rows


def rows_of(actions: Sequence[JourneyAction]) -> list[Row]:
    """The rows of stored actions, in order, to be linked anew."""
    return [
        Row(
            action_id=action.action_id,
            parent_action_id=action.parent_action_id,
            branch=action.branch,
            order_no=action.order_no,
            action=action.action,
            parameters=action.parameters,
            notes=action.notes,
            is_published=action.is_published,
        )
        for action in actions
    ]


def link(rows: Sequence[Row]) -> int | None:
    """Set the pointers of all rows and answer the first published action.

    A branch's end goes on behind its Decision. An unpublished action is stepped over, an unpublished Decision together
    with its branches; those who stand on one when it is unpublished still have a way out.
    """
    siblings: dict[tuple[int | None, str], list[Row]] = {}
    for row in rows:
        siblings.setdefault((row.parent_action_id, row.branch), []).append(row)

    def chain(parent: int | None, branch: str, behind: int | None) -> int | None:
        following = behind
        for row in reversed(siblings.get((parent, branch), [])):
            row.next_action_id = following
            if row.action in BRANCHES:
                row.true_action_id = chain(row.action_id, "true", following)
                row.false_action_id = chain(row.action_id, "false", following)
            if row.is_published:
                following = row.action_id
        return following

    return chain(None, "", None)
