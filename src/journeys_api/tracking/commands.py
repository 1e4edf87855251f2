"""The command that does what a link in a mail does, for those who have pages of their own (AC 2.5)."""

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import identifier, text
from journeys_api.commands.registry import Param, Refusal, Scope, command, missing, not_found
from journeys_api.links.tokens import Kind, read
from journeys_api.lists.errors import ListNotFound
from journeys_api.subscribers import confirmations
from journeys_api.subscribers.errors import NotPending, SubscriberNotFound, WrongConfirmationCode


@command(
    "subscriber.optin",
    scope=Scope.PUBLIC,
    counts_addresses=True,
    params=[
        Param("ListID", "list_id", identifier, missing=1, invalid=5, also=("SubscriberListID",), refers_to="list"),
        Param("SubscriberID", "subscriber_id", identifier, missing=2, invalid=5, refers_to="subscriber"),
        Param(
            "ConfirmationCode",
            "code",
            text,
            missing=3,
            invalid=4,
            doc="The last part of the confirmation link in the mail that asks for it",
        ),
    ],
    refusals=[
        missing(1, "ListID"),
        missing(2, "SubscriberID"),
        missing(3, "ConfirmationCode"),
        Refusal(4, "Invalid confirmation code"),
        not_found(5, "Subscriber not found"),
    ],
    errors={NotPending: 4, WrongConfirmationCode: 4, ListNotFound: 5, SubscriberNotFound: 5},
    title="Confirm a Subscription",
    source="AC 2.5",
    example={"ListID": 123, "SubscriberID": 456, "ConfirmationCode": "p3Jk0…"},
    answer={"RedirectURL": "https://example.com/subscribed"},
)
async def subscriber_optin(call: Call, *, list_id: int, subscriber_id: int, code: str) -> Body:
    """Confirm a pending subscription by the code that was mailed: what the page behind the link does.

    It may be repeated. Code 4 is also answered when the subscription does not wait any more. `RedirectURL` is the
    list's page for that, or empty.
    """
    found = await confirmations.opt_in(
        call.session,
        list_id=list_id,
        subscriber_id=subscriber_id,
        is_code_of=lambda owner_id: read(call.pepper, Kind.CONFIRM, code) == (owner_id, list_id, subscriber_id),
        ip_address=call.client_address,
        now=call.now,
    )
    return {"RedirectURL": found.attributes.get("SubscriptionConfirmedPageURL") or ""}
