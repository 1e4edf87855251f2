"""The commands about a journey's actions (journeys page)."""

from typing import Any

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import (
    Reader,
    array,
    array_of_any,
    identifier,
    number,
    one_of,
    scalar_text,
    text,
)
from journeys_api.commands.registry import (
    HUNDRED_A_MINUTE,
    MIB,
    Envelope,
    Param,
    Reading,
    Refusal,
    Rejection,
    command,
    invalid,
    missing,
    not_found,
)
from journeys_api.journeys import checks, errors, people, service, wire
from journeys_api.journeys.parameters import PERMISSION, STRICT
from journeys_api.stats import queries as stats
from journeys_api.strict_json import fold

MAX_PAGE = 1000
DEFAULT_PAGE = 25

_JOURNEY_ID = Param(
    "JourneyID", "journey_id", identifier, missing=1, invalid=3, refers_to="journey", doc="ID of the journey"
)
_ACTIONS = Param("Actions", "elements", array_of_any, missing=2, invalid=4, doc="Array of action objects")
_CODES = (
    missing(1, "JourneyID"),
    missing(2, "Actions"),
    invalid(3, "JourneyID"),
    Refusal(4, "Invalid JourneyID parameter (Actions must be array)"),
    not_found(5, "Journey not found"),
)

_LATER = "JC 1.11"
_DOUBTS = (
    Refusal(checks.FROM_MISSING, "From email is required", source=_LATER),
    Refusal(checks.FROM_USERNAME, "From email username is invalid", source=_LATER),
    Refusal(checks.FROM_INCOMPLETE, "Enter a complete From email address", source=_LATER),
    Refusal(checks.FIELD_OF_ANOTHER_LIST, "Decision rule names a field of another list", source=_LATER),
    Refusal(checks.FIELD_UNKNOWN, "Decision rule names a field that does not exist", source=_LATER),
    Refusal(12, "Email not found", source=_LATER),
    Refusal(13, "Sender domain not found", source=_LATER),
    Refusal(14, "Subscriber list not found", source=_LATER),
    Refusal(15, "Subscriber tag not found", source=_LATER),
    Refusal(16, "Target journey not found", source=_LATER),
    Refusal(17, "Custom field not found", source=_LATER),
    Refusal(checks.URL_NOT_PUBLIC, "Invalid WebhookURL parameter", source=_LATER),
)
_DOUBT_CODES = {refusal.code: refusal for refusal in _DOUBTS}


def _refusal(doubt: checks.Doubt) -> Refusal:
    return _DOUBT_CODES[doubt.code].with_detail(doubt.place)


@command(
    "journey.actions.update",
    routes=[("PATCH", "/api/v1/journey.actions")],
    permission=PERMISSION,
    limit=HUNDRED_A_MINUTE,
    params=[_JOURNEY_ID, _ACTIONS, STRICT],
    refusals=[*_CODES, Refusal(6, "Invalid action type or Journey not found"), *_DOUBTS],
    errors={errors.JourneyNotFound: 5, errors.ActionsRefused: 6},
    envelope=Envelope.ERRORS,
    title="Update Journey Actions",
    example={
        "JourneyID": 456,
        "Actions": [
            {"action": "SendEmail", "emailid": 123, "from": {"name": "Support", "email": "support@example.com"}}
        ],
    },
    answer={
        "JourneyID": "456",
        "JourneyName": "Welcome Series",
        "Actions": [
            {
                "ActionID": "789",
                "Action": "SendEmail",
                "ActionParameters": {
                    "EmailID": 123,
                    "From": {"Name": "Support", "Email": "support@example.com"},
                },
            }
        ],
    },
    body_limit=MIB,
)
async def journey_actions_update(call: Call, *, journey_id: int, elements: list[Any], is_strict: bool) -> Body:
    """Replace the journey's action tree. Actions that come with their id keep history and statistics.

    What would not do (a From address, a record that is not the account's, a field that a Decision cannot know, a
    webhook's address) is kept and named in `Warnings`, with its code and the id of its action; without such the key is
    absent. With `Strict` it is refused by these codes, one for each, and nothing is changed.

    Source: journeys, "Update Journey Actions"; rulings 6; JC 3 for the types and their parameters, JC 1.11.
    """
    try:
        saved = await service.replace_actions(
            call.session,
            owner_id=call.owner_id,
            journey_id=journey_id,
            elements=elements,
            vault=call.vault,
            now=call.now,
            is_strict=is_strict,
        )
    except service.ActionsDoubtful as doubtful:
        raise Rejection(_refusal(doubt) for doubt in doubtful.doubts) from doubtful
    counted = await stats.totals_of_journey(call.lane, owner_id=call.owner_id, journey_id=journey_id)
    warned = [
        {"Code": doubt.code, "ActionID": str(doubt.action_id), "Message": _refusal(doubt).message}
        for doubt in saved.doubts
    ]
    return {
        **({"Warnings": warned} if warned else {}),
        "JourneyID": str(saved.journey.journey_id),
        "JourneyName": saved.journey.name,
        "Actions": wire.action_tree(saved.actions, counted.actions),
    }


@command(
    "journey.actions.published",
    routes=[("PATCH", "/api/v1/journey.actions.published")],
    permission=PERMISSION,
    limit=HUNDRED_A_MINUTE,
    params=[_JOURNEY_ID, _ACTIONS],
    refusals=[*_CODES, not_found(6, "Action not found"), not_found(7, "Journey not found after update")],
    errors={errors.JourneyNotFound: 5, errors.ActionNotFound: 6, errors.JourneyGone: 7},
    envelope=Envelope.ERRORS,
    title="Update Actions Published Status",
    example={"JourneyID": 456, "Actions": [{"actionid": 789, "published": "true"}]},
    answer={
        "JourneyID": "456",
        "JourneyName": "Welcome Series",
        "Actions": [{"ActionID": "789", "Published": "true"}],
    },
)
async def journey_actions_published(call: Call, *, journey_id: int, elements: list[Any]) -> Body:
    """Publish or unpublish actions, all of them or none.

    Source: journeys, "Update Actions Published Status".
    """
    saved, touched = await service.publish_actions(
        call.session, owner_id=call.owner_id, journey_id=journey_id, elements=elements, now=call.now
    )
    return {
        "JourneyID": str(saved.journey.journey_id),
        "JourneyName": saved.journey.name,
        "Actions": wire.published(saved.actions, touched),
    }


def _filters(value: Any) -> list[Any]:
    """The members of FilterJSON, not yet judged; a native array is accepted as well as its JSON text."""
    return array(value)


def _check_people(reading: Reading) -> None:
    filters: list[str] = []
    for member in reading.arguments.pop("filters") or []:
        if not isinstance(member, str) or fold(member) not in people.FILTERS:
            reading.refuse(6)
            break
        filters.append(fold(member))
    reading["page"] = people.Page(
        filters=tuple(dict.fromkeys(filters)),
        is_any=reading.arguments.pop("operator") == "OR",
        count=min(reading.arguments.pop("count") or DEFAULT_PAGE, MAX_PAGE),
        offset=reading.arguments.pop("offset") or 0,
        order=fold(reading.arguments.pop("order") or ""),
        is_descending=(reading.arguments.pop("direction") or "").upper() == "DESC",
    )


@command(
    "journey.action.subscribers",
    routes=[("GET", "/api/v1/journey.action.subscribers")],
    permission=PERMISSION,
    limit=HUNDRED_A_MINUTE,
    params=[
        _JOURNEY_ID,
        Param("ActionID", "action_id", identifier, missing=2, invalid=4, refers_to="action", doc="ID of the action"),
        Param("FilterJSON", "filters", Reader(_filters, {"type": "string"}), invalid=5,
              doc="JSON array of filter items: " + ", ".join(people.FILTERS)),
        Param("Operator", "operator", one_of("AND", "OR"), invalid=7,
              doc="How the filter items are connected: AND, OR (default: AND)"),
        Param("RecordsPerRequest", "count", number(0), doc="Records per page (default: 25, at most 1000)"),
        Param("RecordsFrom", "offset", number(0), doc="Starting record offset (default: 0)"),
        Param("OrderField", "order", text, doc="Field to order by (default: EmailAddress)"),
        Param("OrderType", "direction", Reader(scalar_text, {"type": "string", "enum": ["ASC", "DESC"]}),
              doc="Order direction: ASC, DESC (default: ASC)"),
    ],
    check=_check_people,
    refusals=[
        missing(1, "JourneyID"),
        missing(2, "ActionID"),
        invalid(3, "JourneyID"),
        invalid(4, "ActionID"),
        Refusal(5, "Invalid FilterJSON parameter (invalid JSON)"),
        Refusal(6, "Invalid FilterJSON value (unrecognized filter item)"),
        Refusal(7, "Invalid Operator value"),
    ],
    errors={
        errors.JourneyNotFound: not_found(5, "Journey not found"),
        errors.ActionNotFound: not_found(6, "Action not found"),
    },
    envelope=Envelope.CODE_OBJECTS,
    title="Get Action Subscribers",
    example={"JourneyID": 456, "ActionID": 789, "RecordsPerRequest": 25, "RecordsFrom": 0},
    answer={
        "Success": True,
        "ErrorCode": 0,
        "ErrorText": "",
        "Subscribers": [{"SubscriberID": "101", "EmailAddress": "user@example.com", "Suppressed": False}],
        "TotalSubscribers": 150,
    },
)  # fmt: skip
async def journey_action_subscribers(call: Call, *, journey_id: int, action_id: int, page: people.Page) -> Body:
    """The people who reached an action (for SendEmail: were sent the email), filtered by what they did.

    Source: journeys, "Get Action Subscribers"; rulings 8.
    """
    found = await people.action_people(
        call.session, owner_id=call.owner_id, journey_id=journey_id, action_id=action_id, page=page, now=call.now
    )
    return {
        "Success": True,
        "ErrorCode": 0,
        "ErrorText": "",
        "Subscribers": [wire.person(row) for row in found.rows],
        "TotalSubscribers": found.total,
    }
