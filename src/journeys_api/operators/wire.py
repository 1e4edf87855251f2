"""Wire shapes of the queue (JC 1.23): ids are numbers in this family."""

from datetime import datetime
from math import ceil
from typing import Any

from sqlalchemy import Row

from journeys_api.commands.wire import instant
from journeys_api.operators.counts import WINDOW, Queue, Throughput
from journeys_api.operators.entries import TouchState, touch_state
from journeys_api.operators.service import Crowd, Place

STUCK = "No entry can be stuck: a step is taken whole, in one transaction, or not at all."


def queue_stats(queue: Queue, throughput: Throughput) -> dict[str, object]:
    """`QueueStats`; in progress is nobody, since from outside everybody stands where the last step ended."""
    return {
        "TotalActive": queue.active,
        "NeverTouched": queue.states[TouchState.NEVER_TOUCHED],
        "WaitingForNextPass": queue.states[TouchState.WAITING],
        "SnoozedCount": queue.states[TouchState.SNOOZED],
        "OverdueCount": queue.states[TouchState.OVERDUE],
        "StuckCount": 0,
        "InProgressCount": 0,
        "FrozenCount": queue.frozen,
        "EstimatedDrainMinutes": minutes(queue.due, throughput),
        "IsEstimate": queue.is_estimate,
    }


def minutes(people: int, throughput: Throughput) -> int | None:
    """How long so many people take; None where nobody works."""
    if not people:
        return 0
    return ceil(people / throughput.per_minute) if throughput.moved else None


def speed(throughput: Throughput) -> dict[str, object]:
    """`Throughput` of a place in the queue."""
    return {"PerMinute": round(throughput.per_minute, 2), "PerSecond": round(throughput.per_minute / 60, 2)}


def measured(throughput: Throughput) -> dict[str, object]:
    """`Throughput` of the overview."""
    return {
        **speed(throughput),
        "MeasurementWindowMinutes": WINDOW.seconds // 60,
        "CompletionsInWindow": throughput.moved,
    }


def workers(throughput: Throughput) -> dict[str, object]:
    """`Workers`."""
    return {
        "Total": throughput.workers,
        "Healthy": throughput.healthy,
        "Unhealthy": throughput.workers - throughput.healthy,
    }


def _entry(row: Row[Any]) -> dict[str, object]:
    return {
        "EntryID": row.enrollment_id,
        "RelJourneyID": row.journey_id,
        "JourneyName": row.journey_name,
        "RelListID": row.list_id,
        "RelSubscriberID": row.subscriber_id,
        "EmailAddress": row.email_address,
    }


def _instants(row: Row[Any]) -> dict[str, object]:
    return {
        "CreatedAt": instant(row.created_at),
        "ActionUpdatedAt": instant(row.entered_at),
        "SnoozedUntil": instant(row.due_at) if row.due_at > row.entered_at else None,
    }


def queue_entry(row: Row[Any], *, now: datetime) -> dict[str, object]:
    """One of `QueueEntries`."""
    return {
        **_entry(row),
        "RelUserID": row.owner_id,
        "RelActionID": row.action_id,
        "ActionType": row.action,
        "ActionOrderNo": row.order_no,
        "TouchState": touch_state(row, now=now).value,
        "DueAt": instant(row.due_at),
        **_instants(row),
    }


def place(found: Place, throughput: Throughput, *, now: datetime) -> dict[str, object]:
    """One of `Entries`; in a disabled journey nobody is processed, and there is no estimate."""
    row = found.row
    estimated: int | None = None
    if row.journey_status == "Enabled":
        wait = max(0.0, (row.due_at - now).total_seconds() / 60)
        ahead = minutes(found.position.number, throughput) if found.state is not TouchState.SNOOZED else 0
        estimated = None if ahead is None else ceil(wait) + ahead
    return {
        **_entry(row),
        "Position": found.position.number,
        "IsEstimate": found.position.is_estimate,
        "EstimatedMinutesUntilProcessed": estimated,
        "TouchState": found.state.value,
        "DueAt": instant(row.due_at),
        "CurrentAction": {"ActionID": row.action_id, "Action": row.action, "OrderNo": row.order_no},
        **_instants(row),
    }


def action_meta(action: Row[Any]) -> dict[str, object]:
    """`ActionMeta`."""
    return {
        "ActionID": action.action_id,
        "ActionType": action.action,
        "OrderNo": action.order_no,
        "JourneyID": action.journey_id,
        "JourneyName": action.name,
        "JourneyStatus": action.status,
    }


def crowd(found: Crowd) -> dict[str, object]:
    """What `admin.journey.action.audit` says of the people at an action."""
    statuses, bounces = found.statuses, found.bounces
    return {
        "QueueState": {
            "TotalAtAction": found.total,
            "NeverTouched": found.states[TouchState.NEVER_TOUCHED],
            "WaitingForNextPass": found.states[TouchState.WAITING],
            "OverdueCount": found.states[TouchState.OVERDUE],
            "SnoozedCount": found.states[TouchState.SNOOZED],
            "InProgressCount": 0,
            "IsEstimate": found.is_estimate,
        },
        "SubscriptionBreakdown": {
            "Subscribed": statuses.get("Subscribed", 0),
            "Unsubscribed": statuses.get("Unsubscribed", 0),
            "OptInPending": statuses.get("Opt-In Pending", 0),
            "OptOutPending": statuses.get("Opt-Out Pending", 0),
            "SubscriberNotFound": statuses.get(None, 0),
        },
        "BounceBreakdown": {
            "NotBounced": bounces.get("Not Bounced", 0),
            "Hard": bounces.get("Hard", 0),
            "Soft": bounces.get("Soft", 0),
            "SubscriberNotFound": bounces.get(None, 0),
        },
        "CompletionCount": found.completed,
    }
