"""The commands that copy journeys (journeys page)."""

from typing import Any

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import Reader, Unreadable, identifier, whole
from journeys_api.commands.registry import (
    HUNDRED_A_MINUTE,
    Envelope,
    Param,
    Refusal,
    Scope,
    command,
    missing,
    not_found,
)
from journeys_api.journeys import copying, errors, wire
from journeys_api.journeys.parameters import NAME, PERMISSION, SHOWN


def _or_nothing(value: Any) -> int:
    """An id, or 0, which no journey has: the command has no code for a malformed id but "not found" (JC A-30)."""
    try:
        return whole(value)
    except Unreadable:
        return 0


@command(
    "journey.clone",
    routes=[("POST", "/api/v1/journey.clone")],
    permission=PERMISSION,
    limit=HUNDRED_A_MINUTE,
    params=[
        Param("JourneyID", "journey_id", Reader(_or_nothing, identifier.schema), missing=2, refers_to="journey",
              doc="ID of the journey to clone"),
        Param("NewJourneyName", "name", NAME, missing=1, doc="Name for the cloned journey"),
    ],
    refusals=[
        missing(1, "NewJourneyName"),
        missing(2, "JourneyID"),
        not_found(3, "Journey not found"),
    ],
    errors={errors.JourneyNotFound: 3},
    failure=not_found(4, "Journey not cloned successfully"),
    envelope=Envelope.ERRORS,
    title="Clone a Journey",
    example={"JourneyID": 456, "NewJourneyName": "Welcome Series Copy"},
    answer={
        "Journey": {
            **SHOWN,
            "JourneyID": "789",
            "JourneyName": "Welcome Series Copy",
            "TriggerParameters": {"ListID": 123},
            "Status": "Disabled",
            "Notes": "Copy of journey Welcome Series",
        },
        "Actions": [],
    },
)  # fmt: skip
async def journey_clone(call: Call, *, journey_id: int, name: str) -> Body:
    """Copy a journey within the account; the copy is disabled and nobody is inside it.

    Source: journeys, "Clone a Journey".
    """
    made = await copying.clone_journey(
        call.session, owner_id=call.owner_id, journey_id=journey_id, name=name, now=call.now
    )
    return {"Journey": wire.described(made.journey), "Actions": wire.action_tree(made.actions, {})}


@command(
    "journey.copytouser",
    routes=[("POST", "/api/v1/journey.copytouser")],
    scope=Scope.ADMIN,
    limit=HUNDRED_A_MINUTE,
    params=[
        Param("JourneyID", "journey_id", identifier, missing=1, invalid=4, refers_to="journey",
              doc="ID of the source journey to copy"),
        Param("SourceUserID", "source_user_id", identifier, missing=2, invalid=5, refers_to="user",
              doc="ID of the user who owns the source journey"),
        Param("TargetUserID", "target_user_id", identifier, missing=3, invalid=6, refers_to="user",
              doc="ID of the user to copy the journey to"),
        Param("NewJourneyName", "name", NAME, doc='Name for the copied journey (default: "Copy of {original name}")'),
    ],
    refusals=[
        missing(1, "JourneyID"),
        missing(2, "SourceUserID"),
        missing(3, "TargetUserID"),
        Refusal(4, "Invalid JourneyID (non-numeric)"),
        Refusal(5, "Invalid SourceUserID (non-numeric)"),
        Refusal(6, "Invalid TargetUserID (non-numeric)"),
        not_found(7, "Source user not found"),
        not_found(8, "Target user not found"),
        not_found(9, "Journey not found for source user"),
    ],
    errors={copying.SourceUserNotFound: 7, copying.TargetUserNotFound: 8, errors.JourneyNotFound: 9},
    failure=Refusal(10, "Failed to create journey", 500),
    envelope=Envelope.SUCCESS_ERRORS,
    title="Copy Journey to Another User",
    example={
        "JourneyID": 456,
        "SourceUserID": 1,
        "TargetUserID": 2,
        "NewJourneyName": "Welcome Series for User 2",
    },
    answer={
        "Success": True,
        "JourneyID": 789,
        "EmailsCopied": [{"SourceEmailID": 123, "NewEmailID": 456}],
        "ResourcesReset": ["SenderDomainID", "TargetListID"],
    },
)  # fmt: skip
async def journey_copytouser(
    call: Call, *, journey_id: int, source_user_id: int, target_user_id: int, name: str | None
) -> Body:
    """Copy a journey into another account: disabled, trigger Manual, emails copied, all other references reset.

    Source: journeys, "Copy Journey to Another User"; rulings 6.
    """
    copied = await copying.copy_to_user(
        call.session,
        journey_id=journey_id,
        source_user_id=source_user_id,
        target_user_id=target_user_id,
        name=name,
        now=call.now,
    )
    return {
        "Success": True,
        "JourneyID": copied.journey.journey_id,
        "EmailsCopied": [
            {"SourceEmailID": source, "NewEmailID": copy} for source, copy in sorted(copied.emails.items())
        ],
        "ResourcesReset": copied.reset,
    }
