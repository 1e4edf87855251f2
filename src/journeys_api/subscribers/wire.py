"""Wire shapes of subscribers."""

from collections.abc import Sequence

from journeys_api.commands.wire import instant, money
from journeys_api.models import Segment, Subscriber, SubscriberList, SubscriptionStatus, Tag
from journeys_api.subscribers.history import Happened
from journeys_api.subscribers.views import Membership, SubscriberView

NO_IP_ADDRESS = "0.0.0.0"  # noqa: S104 (what the vendor answers where there is none)


def columns(view: SubscriberView) -> dict[str, object]:
    """A subscriber's own columns and the values of the list's fields, global ones included; no value is ""."""
    found = view.subscriber
    row: dict[str, object] = {
        "SubscriberID": found.subscriber_id,
        "EmailAddress": found.email_address,
        "BounceType": found.bounce_type.value,
        "SubscriptionStatus": found.status.value,
        "SubscriptionDate": instant(found.subscribed_at),
        "SubscriptionIP": found.subscription_ip or NO_IP_ADDRESS,
        "UnsubscriptionDate": instant(found.unsubscribed_at),
        "UnsubscriptionIP": found.unsubscription_ip or NO_IP_ADDRESS,
        "OptInDate": instant(found.opted_in_at),
        "SubscriptionSource": found.source,
        "SubscriptionSourceRef": found.source_ref,
    }
    for field in view.fields:
        values = found.custom_values if field.list_id else view.shared_values
        row[f"CustomField{field.field_id}"] = values.get(str(field.field_id), "")
    return row


def information(view: SubscriberView) -> dict[str, object]:
    """What `subscriber.create` and `subscriber.get` tell. No page shows how website events look here: none are told."""
    return {
        "SubscriberInformation": columns(view),
        "Suppressed": view.is_suppressed,
        "SubscriberTags": tags(view.tags),
        "SubscriberSegments": [],
        "SubscriberJourneys": journeys(view.memberships),
        "SubscriberWebsiteEvents": [],
    }


def found_row(view: SubscriberView, revenue_cents: int) -> dict[str, object]:
    """A row of `subscribers.search`."""
    return {
        **columns(view),
        "SubscriberTags": tags(view.tags),
        "Suppressed": view.is_suppressed,
        "TotalRevenue": money(revenue_cents),
    }


def subscribed(subscriber: Subscriber, found: SubscriberList) -> dict[str, object]:
    """What `subscriber.subscribe` answers."""
    is_pending = subscriber.status is SubscriptionStatus.OPT_IN_PENDING
    page = "SubscriptionConfirmationPendingPageURL" if is_pending else "SubscriptionConfirmedPageURL"
    return {
        "SubscriberID": subscriber.subscriber_id,
        "RedirectURL": found.attributes.get(page) or "",
        "Subscriber": {
            "SubscriberID": subscriber.subscriber_id,
            "EmailAddress": subscriber.email_address,
            "SubscriptionStatus": subscriber.status.value,
        },
    }


def unsubscribed(found: SubscriberList) -> dict[str, object]:
    """What `subscriber.unsubscribe` answers."""
    return {"RedirectURL": found.attributes.get("UnsubscriptionConfirmedPageURL") or ""}


def tags(found: Sequence[Tag]) -> list[dict[str, object]]:
    """Tags as a subscriber carries them."""
    return [{"TagID": tag.tag_id, "TagName": tag.name} for tag in found]


def segments(found: Sequence[Segment]) -> list[dict[str, object]]:
    """Segments as a subscriber belongs to them."""
    return [{"SegmentID": segment.segment_id, "SegmentName": segment.name} for segment in found]


def journeys(found: Sequence[Membership]) -> object:
    """The journeys that a subscriber is in or has completed; an empty list where there is none."""
    if not found:
        return []
    return {
        "InProgress": [_in_progress(each) for each in found if each.is_active],
        "Completed": [_completed(each) for each in found if not each.is_active],
    }


def _entry(found: Membership) -> dict[str, object]:
    return {
        "JourneyID": found.journey.journey_id,
        "JourneyName": found.journey.name,
        "EntryID": found.enrollment.enrollment_id,
    }


def _in_progress(found: Membership) -> dict[str, object]:
    return {
        **_entry(found),
        "RelActionID": found.enrollment.action_id or 0,
        "SnoozedUntil": instant(found.snoozed_until, absent=None),
        "EnrolledAt": instant(found.enrollment.created_at),
        "CurrentStep": found.way.place_of(found.enrollment.action_id),
        "TotalSteps": found.way.total,
    }


def _completed(found: Membership) -> dict[str, object]:
    return {
        **_entry(found),
        "RelActionID": 0,
        "EnrolledAt": instant(found.enrollment.created_at),
        "CompletedAt": instant(found.enrollment.ended_at),
        "CurrentStep": found.way.total,
        "TotalSteps": found.way.total,
    }


def happening(row: Happened, subscriber: Subscriber) -> dict[str, object]:
    """A row of `SubscriberActivity`."""
    return {
        "ActivityDate": instant(row.happened_at),
        "UserID": str(subscriber.owner_id),
        "ListID": str(subscriber.list_id),
        "SubscriberID": str(subscriber.subscriber_id),
        "ActivityType": row.kind.value,
        "Parameters": row.parameters or [],
    }
