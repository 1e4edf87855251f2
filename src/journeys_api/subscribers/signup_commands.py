"""The commands that need no credential: subscribe and unsubscribe (AC 2.5, rulings 2)."""

from typing import Any

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import boolean, bounded_text, email_address, identifier
from journeys_api.commands.registry import Param, Reading, Refusal, Scope, command, missing, not_found
from journeys_api.criteria import Criteria, CriteriaNotEvaluable
from journeys_api.emails.errors import EmailNotFound
from journeys_api.fields.errors import InvalidFieldValue
from journeys_api.lists.errors import ListNotFound
from journeys_api.subscribers import signup, wire
from journeys_api.subscribers.errors import (
    AccountDisabled,
    AddressTaken,
    AlreadyUnsubscribed,
    FieldValueTaken,
    NotTheListsOwner,
    RequiredFieldMissing,
    SubscriberLimitExceeded,
    SubscriberNotFound,
)
from journeys_api.subscribers.parameters import (
    RULES_REFUSED,
    any_id,
    custom_field_family,
    judge_rules,
    list_id,
    list_ids,
    rules_params,
    source,
    source_ref,
)
from journeys_api.subscribers.selection import Selection
from journeys_api.subscribers.signup import Subscription, Unsubscription

_ip_text = bounded_text(64)
"""Whatever the page says that shows the form: rows of the vendor's hold texts beside addresses."""


@command(
    "subscriber.subscribe",
    scope=Scope.PUBLIC,
    counts_addresses=True,
    params=[
        Param(
            "ListID",
            "list_ids",
            list_ids,
            missing=1,
            invalid=4,
            also=("SubscriberListID",),
            doc="All of one account; values go to the first.",
            refers_to="list",
        ),
        Param("EmailAddress", "email_address", email_address, missing=2, invalid=5),
        Param("IPAddress", "ip_address", _ip_text, missing=3),
        Param(
            "CustomFieldN",
            "custom_values",
            custom_field_family,
            default={},
            doc="The value of the field with the id N; as many as there are fields.",
            family="CustomField",
        ),
        Param(
            "EnforceRequiredFields",
            "enforces_fields",
            boolean,
            default=False,
            doc="Also refuse when a required field is not submitted at all.",
        ),
        Param("Source", "source", source, default="API"),
        Param("SourceRef", "source_ref", source_ref, default=""),
    ],
    refusals=[
        missing(1, "ListID"),
        missing(2, "EmailAddress"),
        missing(3, "IPAddress"),
        Refusal(4, "Invalid ListID"),
        Refusal(5, "Invalid EmailAddress"),
        Refusal(6, "Required custom field missing"),
        Refusal(7, "Custom field value is not unique"),
        Refusal(8, "Invalid custom field value"),
        Refusal(9, "Duplicate email address"),
        Refusal(10, "Subscription failed"),
        Refusal(11, "Invalid user information"),
        Refusal(101, "Plugin validation failed"),
    ],
    errors={
        ListNotFound: 4,
        RequiredFieldMissing: 6,
        FieldValueTaken: 7,
        InvalidFieldValue: 8,
        AddressTaken: 9,
        SubscriberLimitExceeded: 10,
        AccountDisabled: 11,
    },
    failure=Refusal(10, "Subscription failed", 500),
    title="Subscribe to a List",
    source="AC 2.5",
    example={"ListID": "123", "EmailAddress": "subscriber@example.com", "IPAddress": "192.168.1.1"},
    answer={
        "SubscriberID": 456,
        "RedirectURL": "https://example.com/confirmation",
        "Subscriber": {
            "SubscriberID": 456,
            "EmailAddress": "subscriber@example.com",
            "SubscriptionStatus": "Opt-In Pending",
        },
    },
)
async def subscriber_subscribe(call: Call, **told: Any) -> Body:
    """Subscribe to one list or several: at once, or pending where the list wants a confirmation. Who left before comes
    back. `RedirectURL` is the list's page for that, or empty.

    A submitted value must fit its field; fields that the list does not have are ignored. Code 10 is also answered
    when the account may not have more subscribers; there are no plugins, so that 101 is not answered.
    """
    subscriber, found = await signup.subscribe(call.session, wanted=Subscription(**told), now=call.now)
    return wire.subscribed(subscriber, found)


_INVALID_RULES = Refusal(7, RULES_REFUSED)


def _check_unsubscribe(reading: Reading) -> None:
    judge_rules(reading, _INVALID_RULES)
    if not any(reading.has(name) for name in ("address", "subscriber_id", "rules")):
        reading.refuse(3)


@command(
    "subscriber.unsubscribe",
    scope=Scope.PUBLIC,
    counts_addresses=True,
    params=[
        list_id(missing=1, invalid=4),
        Param("IPAddress", "ip_address", _ip_text, missing=2),
        Param("EmailAddress", "address", email_address, invalid=6),
        Param("SubscriberID", "subscriber_id", any_id, refers_to="subscriber"),
        *rules_params(invalid=7),
        Param("CampaignID", "campaign_id", identifier, invalid=8, doc="Accepted; there are no campaigns."),
        Param("EmailID", "email_id", identifier, invalid=10, default=0, refers_to="email"),
        Param("AutoResponderID", "responder_id", identifier, invalid=8, doc="Accepted; there are none."),
        Param("Channel", "channel", bounded_text(250), doc="Accepted; nothing depends on it."),
        Param(
            "AddToGlobalSuppression",
            "adds_to_global_suppression",
            boolean,
            default=False,
            doc="Suppress the address for everybody; without the credential of the list's account, for that account.",
        ),
        Param(
            "BypassListSuppressionSettings",
            "bypasses_settings",
            boolean,
            default=False,
            doc="Do not suppress the address because the list's settings say so.",
        ),
        Param("Preview", "is_preview", boolean, default=False, doc="Only judge."),
    ],
    refusals=[
        missing(1, "ListID"),
        missing(2, "IPAddress"),
        missing(3, "EmailAddress/SubscriberID"),
        Refusal(4, "Invalid ListID"),
        Refusal(5, "Invalid user information"),
        Refusal(6, "Invalid EmailAddress"),
        _INVALID_RULES,
        Refusal(8, "Invalid CampaignID"),
        Refusal(9, "Subscriber already unsubscribed", 409),
        Refusal(10, "Invalid EmailID"),
        Refusal(11, "Invalid query builder response"),
    ],
    errors={
        ListNotFound: 4,
        NotTheListsOwner: 5,
        SubscriberNotFound: not_found(7, "Subscriber not found"),
        AlreadyUnsubscribed: 9,
        EmailNotFound: 10,
        CriteriaNotEvaluable: 11,
    },
    check=_check_unsubscribe,
    title="Unsubscribe from a List",
    source="AC 2.5",
    example={"ListID": 123, "EmailAddress": "subscriber@example.com", "IPAddress": "192.168.1.1"},
    answer={"RedirectURL": "https://example.com/unsubscribe-confirmed"},
)
async def subscriber_unsubscribe(
    call: Call,
    *,
    list_id: int,
    ip_address: str,
    address: str | None,
    subscriber_id: int | None,
    rules: Criteria | None,
    email_id: int,
    bypasses_settings: bool,
    adds_to_global_suppression: bool,
    is_preview: bool,
    **_accepted: object,
) -> Body:
    """Leave a list, with all that the list's settings want then. `RedirectURL` is the list's page for that, or empty.

    Nobody needs a credential to leave. `RulesJSON` takes everybody of the list that the rules match, and needs the
    credential of the list's own account (else code 5): a stranger must not empty a list.
    """
    wanted = Unsubscription(
        list_id=list_id,
        ip_address=ip_address,
        # forms send 0 beside an address
        subscriber_id=subscriber_id or (0 if address is None else None),
        email_address=address,
        selection=None if rules is None else Selection(rules=rules),
        email_id=email_id,
        adds_to_global_suppression=adds_to_global_suppression,
        heeds_suppression_settings=not bypasses_settings,
        is_preview=is_preview,
    )
    found = await signup.unsubscribe(
        call.session,
        wanted=wanted,
        caller_id=call.principal.user_id,
        is_administrator=call.principal.kind == "admin",
        now=call.now,
    )
    return wire.unsubscribed(found)
