"""The commands that enable and disable a journey (journeys page)."""

from journeys_api.commands.call import Body, Call
from journeys_api.commands.registry import HUNDRED_A_MINUTE, Envelope, Refusal, command
from journeys_api.journeys import errors, switching, warnings, wire
from journeys_api.journeys.parameters import JOURNEY_CODES, JOURNEY_ID, PERMISSION, SHOWN


@command(
    "journey.enable",
    # POST beside the contract's GET: a change behind a GET is fetched by anybody who looks ahead
    routes=[("GET", "/api/v1/journey.enable"), ("POST", "/api/v1/journey.enable")],
    permission=PERMISSION,
    limit=HUNDRED_A_MINUTE,
    params=[JOURNEY_ID],
    refusals=[*JOURNEY_CODES, Refusal(4, "Journey is already enabled", 409)],
    errors={errors.JourneyNotFound: 3, errors.JourneyAlreadyEnabled: 4},
    envelope=Envelope.ERRORS,
    title="Enable a Journey",
    example={"JourneyID": 456},
    answer={"Journey": {**SHOWN, "Status": "Enabled", "UpdatedAt": "2025-01-15 12:00:00"}},
)
async def journey_enable(call: Call, *, journey_id: int) -> Body:
    """Let subscribers enter the journey, and those inside move on.

    What cannot run as it stands (an email that is gone, criteria that cannot be evaluated) is named in `Warnings`, with
    the id of its action, or null where it is about the journey itself; without such the key is absent.

    Source: journeys, "Enable a Journey"; rulings 5, 6.
    """
    journey = await switching.enable_journey(call.session, owner_id=call.owner_id, journey_id=journey_id, now=call.now)
    body: dict[str, object] = {"Journey": wire.switched(journey)}
    if found := await warnings.warnings_of(call.session, journey=journey):
        body["Warnings"] = wire.warnings(found)
    return body


@command(
    "journey.disable",
    routes=[("GET", "/api/v1/journey.disable"), ("POST", "/api/v1/journey.disable")],
    permission=PERMISSION,
    limit=HUNDRED_A_MINUTE,
    params=[JOURNEY_ID],
    refusals=[*JOURNEY_CODES, Refusal(4, "Journey is already disabled", 409)],
    errors={errors.JourneyNotFound: 3, errors.JourneyAlreadyDisabled: 4},
    envelope=Envelope.ERRORS,
    title="Disable a Journey",
    example={"JourneyID": 456},
    answer={"Journey": {**SHOWN, "Status": "Disabled", "UpdatedAt": "2025-01-15 13:00:00"}},
)
async def journey_disable(call: Call, *, journey_id: int) -> Body:
    """Let nobody enter the journey; those inside stay where they stand.

    Source: journeys, "Disable a Journey".
    """
    journey = await switching.disable_journey(call.session, owner_id=call.owner_id, journey_id=journey_id, now=call.now)
    return {"Journey": wire.switched(journey)}
