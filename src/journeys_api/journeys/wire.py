"""Wire shapes of journeys (journeys page; JC 1.26 for the types of ids)."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import orjson

from journeys_api.commands.wire import instant
from journeys_api.journeys.action_types import BRANCHES, HIDDEN
from journeys_api.journeys.checks import Stray
from journeys_api.journeys.queries import NewJourney
from journeys_api.journeys.reading import ReadAction, ReadJourney
from journeys_api.journeys.trees import Row
from journeys_api.journeys.warnings import CannotRun
from journeys_api.models import Journey, JourneyAction
from journeys_api.stats.windows import Window
from journeys_api.stats.wire import action_series, action_stats

AnyJourney = Journey | ReadJourney
AnyAction = JourneyAction | ReadAction | Row


def passed(stored: Any) -> Any:
    """Stored JSON: its text goes out as it is, never parsed; what has been parsed already stays."""
    return orjson.Fragment(stored) if isinstance(stored, str) else stored


def head(journey: AnyJourney | NewJourney) -> dict[str, object]:
    """What every shape of a journey starts with."""
    return {
        "JourneyID": str(journey.journey_id),
        "JourneyName": journey.name,
        "Trigger": journey.trigger,
    }


def trigger_parameters(journey: AnyJourney) -> object:
    """The trigger's parameters; none at all is `[]` (rulings 5)."""
    return passed(journey.trigger_parameters) if journey.trigger_parameters not in ({}, "{}") else []


def created(journey: NewJourney) -> dict[str, object]:
    """As `journey.create` answers it."""
    return {
        **head(journey),
        "Status": str(journey.status),
        "Notes": journey.notes,
        "CreatedAt": instant(journey.created_at),
        "UpdatedAt": instant(journey.updated_at),
    }


def updated(journey: Journey) -> dict[str, object]:
    """As `journey.update` answers it."""
    return {**described(journey), "UpdatedAt": instant(journey.updated_at)}


def described(journey: AnyJourney) -> dict[str, object]:
    """As `journey.clone` answers it, and as `journey.get` starts."""
    return {
        **head(journey),
        "TriggerParameters": trigger_parameters(journey),
        "Status": str(journey.status),
        "Notes": journey.notes,
    }


def settings(journey: AnyJourney) -> dict[str, object]:
    """What create and update take and the contract's page never shows again; added to `journey.get`."""
    return {
        "Run_Criteria": passed(journey.run_criteria),
        "Run_Criteria_Operator": journey.run_criteria_operator,
        "Rate_Limit_Per_Hour": journey.rate_limit_per_hour,
        "Rate_Limit_Per_Day": journey.rate_limit_per_day,
        "CreatedAt": instant(journey.created_at),
        "UpdatedAt": instant(journey.updated_at),
    }


def switched(journey: Journey) -> dict[str, object]:
    """As `journey.enable` and `journey.disable` answer it."""
    return {**head(journey), "Status": str(journey.status), "UpdatedAt": instant(journey.updated_at)}


def warnings(found: Sequence[CannotRun]) -> list[dict[str, object]]:
    """`Warnings` of `journey.enable`, a key of ours."""
    return [
        {"ActionID": None if each.action_id is None else str(each.action_id), "Message": each.message} for each in found
    ]


def strays(found: Sequence[Stray]) -> list[dict[str, object]]:
    """`Warnings` of `journey.update` (JC 1.6), one for each action."""
    by_action: dict[int, list[dict[str, object]]] = {}
    for each in found:
        by_action.setdefault(each.action_id, []).append(
            {
                "FieldID": each.field_id,
                "FieldName": each.field_name,
                "FieldListID": each.list_id,
                "Reason": "missing" if each.is_missing else "foreign_list",
            }
        )
    return [
        {
            "Code": 1,
            "Type": "DecisionFieldNotOnTriggerList",
            "ActionID": str(action_id),
            "Message": "A Decision names fields that are not on the trigger's list",
            "Fields": fields,
        }
        for action_id, fields in by_action.items()
    ]


def listed(journey: AnyJourney) -> dict[str, object]:
    """A row of `journey.list`, without its numbers."""
    return {
        **head(journey),
        "TriggerParameters": trigger_parameters(journey),
        "Status": str(journey.status),
    }


def action_tree(
    actions: Sequence[AnyAction],
    totals: Mapping[int, Any],
    days: Mapping[int, Mapping[date, Any]] | None = None,
    window: Window | None = None,
) -> list[dict[str, object]]:
    """Full action objects; a Decision's branches under `Actions` (rulings 6). `actions` in `OrderNo` order.

    Args:
        days: numbers by action and day of the window; None of the window: the actions have no series.
    """
    roots: list[dict[str, object]] = []
    branches: dict[tuple[int, str], list[dict[str, object]]] = {}
    for action in actions:
        counted = totals.get(action.action_id)
        answered: dict[str, object] = {
            "ActionID": str(action.action_id),
            "OrderNo": action.order_no,
            "Action": action.action,
            "ActionParameters": _parameters(action),
            "Notes": action.notes,
            "Published": action.is_published,
            "CompletedRuns": counted.completed_runs if counted else 0,
            "Stats": action_stats(action.action, counted),
        }
        if window is not None and action.action == "SendEmail":
            answered |= action_series(counted, (days or {}).get(action.action_id, {}), window)
        if action.action in BRANCHES:
            sides: dict[str, list[dict[str, object]]] = {}
            for name, branch in zip(BRANCHES[action.action], ("true", "false"), strict=True):
                sides[name] = branches[(action.action_id, branch)] = []
            answered["Actions"] = sides
        # a child's number is above its parent's: the parent's branches are there already
        siblings = roots if action.parent_action_id is None else branches[(action.parent_action_id, action.branch)]
        siblings.append(answered)
    return roots


def _parameters(action: AnyAction) -> Any:
    stored = action.parameters
    if action.action != "Webhook":
        return passed(stored)
    parameters = orjson.loads(stored) if isinstance(stored, str) else stored
    security = parameters.get("WebhookSecurity")
    if isinstance(security, dict) and security.get("SecretKey"):
        return {**parameters, "WebhookSecurity": {**security, "SecretKey": HIDDEN}}
    return parameters


def published(actions: Sequence[AnyAction], touched: Sequence[int]) -> list[dict[str, object]]:
    """The touched actions in request order, `Published` as text (rulings 6)."""
    by_id = {action.action_id: action for action in actions}
    return [
        {"ActionID": str(action_id), "Published": "true" if by_id[action_id].is_published else "false"}
        for action_id in touched
    ]


def person(row: Any) -> dict[str, object]:
    """One row of `journey.action.subscribers` (JC 1.13); of a deleted subscriber, id and address are kept."""
    reached, subscriber, is_suppressed = row
    return {
        "SubscriberID": str(reached.subscriber_id),
        "EmailAddress": (subscriber or reached).email_address,
        "Suppressed": bool(is_suppressed),
        "BounceType": subscriber.bounce_type.value if subscriber else "",
        "SubscriptionStatus": subscriber.status.value if subscriber else "",
        "SubscriptionDate": instant(subscriber.subscribed_at if subscriber else None),
        "SubscriptionIP": (subscriber.subscription_ip if subscriber else "") or "0.0.0.0",  # noqa: S104 (the vendor's empty address)
        "UnsubscriptionDate": instant(subscriber.unsubscribed_at if subscriber else None),
        "UnsubscriptionIP": (subscriber.unsubscription_ip if subscriber else "") or "0.0.0.0",  # noqa: S104
        "OptInDate": instant(subscriber.opted_in_at if subscriber else None),
    }
