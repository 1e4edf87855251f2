"""Wire shapes of lists."""

from journeys_api.commands.wire import instant, yes_no
from journeys_api.models import SubscriberList

ATTRIBUTES = {
    "HideInSubscriberArea": "false",
    "SendServiceIntegrationFailedNotification": "false",
    "SendActivityNotification": "false",
    "SubscriptionConfirmationPendingPageURL": "",
    "SubscriptionConfirmedPageURL": "",
    "SubscriptionErrorPageURL": "",
    "UnsubscriptionConfirmedPageURL": "",
    "UnsubscriptionErrorPageURL": "",
    "ReqByEmailSearchToAddress": "",
    "ReqByEmailSubscriptionCommand": "",
    "ReqByEmailUnsubscriptionCommand": "",
}
"""The settings that are kept and answered only, and what a list has that never set them."""


def list_row(found: SubscriberList) -> dict[str, object]:
    """A list with every setting, as `list.get` and `list.update` answer it.

    The tracker's keys are the vendor's and empty: its browser script is not part of this server, events come by
    `event.track`. The same holds for the synchronization with MySQL.
    """
    return {
        "ListID": found.list_id,
        "Name": found.name,
        "Description": found.description,
        "RelOwnerUserID": found.owner_id,
        "CreatedOn": instant(found.created_at),
        "ArchivedAt": instant(found.archived_at, absent=None),
        "OptInMode": found.opt_in_mode.value,
        "RelOptInConfirmationEmailID": found.opt_in_confirmation_email_id,
        "SenderName": found.sender_name,
        "SenderEmailAddress": found.sender_email_address,
        "SenderCompany": found.sender_company,
        "SenderAddress": found.sender_address,
        "OptOutScope": found.opt_out_scope,
        "OptOutSubscribeTo": found.opt_out_subscribe_to,
        "OptOutUnsubscribeFrom": found.opt_out_unsubscribe_from,
        "OptInSubscribeTo": found.opt_in_subscribe_to,
        "OptInUnsubscribeFrom": found.opt_in_unsubscribe_from,
        "OptOutAddToSuppressionList": yes_no(found.opt_out_add_to_suppression_list),
        "OptOutAddToGlobalSuppressionList": yes_no(found.opt_out_add_to_global_suppression_list),
        **ATTRIBUTES,
        **found.attributes,
        "SyncStatus": "Disabled",
        "SyncLastDateTime": "Never",
        "Options": {**found.options, "PhoneFieldID": found.phone_field_id},
        "EventListTrackerID": "",
        "EventUserTrackerID": "",
        "EventTrackerVariables": {},
        "EventTrackerJS": "",
        "EventTrackerProperties": [],
        "LastEventTrackedAt": None,
    }


def counted_list_row(found: SubscriberList, *, active_count: int, segment_count: int) -> dict[str, object]:
    """A list with its numbers. The vendor counts active subscribers under both names.

    `LastActivityAt` is not kept yet, and there are no public links that `EncryptedSaltedListID` could name.
    """
    return {
        **list_row(found),
        "SubscriberCount": active_count,
        "ActiveSubscriberCount": active_count,
        "SegmentCount": segment_count,
        "LastActivityAt": None,
        "EncryptedSaltedListID": "",
    }
