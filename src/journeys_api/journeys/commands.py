"""The commands that make, change and delete journeys (journeys page)."""

from contextlib import suppress
from dataclasses import fields
from typing import Any

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import Reader, id_members
from journeys_api.commands.registry import (
    HUNDRED_A_MINUTE,
    Envelope,
    Param,
    Reading,
    Refusal,
    Transaction,
    command,
    invalid,
    missing,
    not_found,
)
from journeys_api.journeys import errors, service, wire
from journeys_api.journeys.parameters import (
    JOURNEY_CODES,
    JOURNEY_ID,
    NAME,
    PERMISSION,
    SHOWN,
    STRICT,
    TRIGGER_CODES,
    TRIGGER_ERRORS,
    VALUE_CODES,
    refuse_fault,
    sent_trigger,
    settings_params,
)
from journeys_api.journeys.triggers import Trigger, TriggerParameters, load, read_parameters, trigger_named
from journeys_api.models import Journey

LATER = "JC 1.6"


def _check_create(reading: Reading) -> None:
    trigger = Trigger.MANUAL if not reading.has("trigger") else trigger_named(reading.arguments.pop("trigger"))
    if trigger is None:
        reading.refuse(3)
        return
    parameters, faults = read_parameters(trigger, sent_trigger(reading))
    for fault in faults:
        refuse_fault(reading, fault, of_a_tag=10)
    for name in ("trigger_list_id", "trigger_email_id", "trigger_value", "trigger_criteria", "trigger_schedule"):
        reading.arguments.pop(name)
    reading["trigger"], reading["trigger_parameters"] = trigger, parameters


@command(
    "journey.create",
    routes=[("POST", "/api/v1/journey")],
    permission=PERMISSION,
    limit=HUNDRED_A_MINUTE,
    params=[
        Param("Name", "name", NAME, missing=1, doc="Name of the journey"),
        *settings_params("Journey", clears_notes=False),
    ],
    check=_check_create,
    refusals=[
        missing(1, "Name"),
        Refusal(3, "Invalid trigger", 400),
        *TRIGGER_CODES,
        invalid(10, "Trigger_Value"),
        *VALUE_CODES,
    ],
    errors=TRIGGER_ERRORS,
    envelope=Envelope.ERRORS,
    transaction=Transaction.EACH,
    title="Create a Journey",
    example={"Name": "Welcome Series", "Trigger": "Manual", "Notes": "Onboarding journey for new subscribers"},
    answer={
        "JourneyID": 456,
        "Journey": {
            **SHOWN,
            "Status": "Disabled",
            "Notes": "Onboarding journey for new subscribers",
            "CreatedAt": "2025-01-15 10:30:00",
            "UpdatedAt": "2025-01-15 10:30:00",
        },
    },
)
async def journey_create(
    call: Call, *, trigger: Trigger, trigger_parameters: TriggerParameters, **settings: Any
) -> Body:
    """Make a journey. It starts disabled and without actions.

    Source: journeys, "Create a Journey".
    """
    if trigger_parameters.names_records:
        await service.check_references(call.session, owner_id=call.owner_id, parameters=trigger_parameters)
    journey = await service.create_journey(
        call.lane,
        owner_id=call.owner_id,
        trigger=trigger,
        trigger_parameters=trigger_parameters,
        settings=service.Settings(**settings),
        now=call.now,
    )
    return {"JourneyID": journey.journey_id, "Journey": wire.created(journey)}


def _check_update(reading: Reading) -> None:
    if not reading.has("trigger"):
        return
    trigger = trigger_named(reading["trigger"])
    if trigger is None:
        reading.refuse(3)
    reading["trigger"] = trigger


@command(
    "journey.update",
    routes=[("PATCH", "/api/v1/journey")],
    permission=PERMISSION,
    limit=HUNDRED_A_MINUTE,
    params=[
        JOURNEY_ID,
        Param("Name", "name", NAME, doc="Updated journey name"),
        *settings_params("Updated", clears_notes=True),
        STRICT,
    ],
    check=_check_update,
    judges_stored=True,
    refusals=[
        missing(1, "JourneyID"),
        invalid(2, "JourneyID"),
        Refusal(3, "Invalid trigger", 400, source=LATER),
        *TRIGGER_CODES,
        not_found(10, "Journey not found"),
        *VALUE_CODES,
        Refusal(22, "A journey cannot be triggered by its own completion (JourneyCompleted)", source=LATER),
        Refusal(23, "A Decision names a field that is not on the trigger's list", source="ours: the vendor only warns"),
    ],
    errors={
        **TRIGGER_ERRORS,
        errors.JourneyNotFound: 10,
        errors.TriggeredByItself: 22,
        service.DecisionsStray: 23,
    },
    envelope=Envelope.ERRORS,
    title="Update a Journey",
    example={"JourneyID": 456, "Name": "Welcome Series V2", "Notes": "Updated onboarding journey"},
    answer={
        "Journey": {
            **SHOWN,
            "JourneyName": "Welcome Series V2",
            "TriggerParameters": {"ListID": 123},
            "Status": "Enabled",
            "Notes": "Updated onboarding journey",
            "UpdatedAt": "2025-01-15 11:00:00",
        }
    },
)
async def journey_update(call: Call, *, reading: Reading) -> Body:
    """Change a journey. What is not sent stays; a new trigger discards the old one's parameters.

    Where the trigger's lists change and Decisions name fields that are not on them, `Warnings` names these; with
    `Strict` the change is refused instead.

    Source: journeys, "Update a Journey"; rulings 5.
    """
    journey = None
    if reading["journey_id"] is not None:
        with suppress(errors.JourneyNotFound):
            journey = await service.journey_for_update(
                call.session, owner_id=call.owner_id, journey_id=reading["journey_id"]
            )
    trigger, parameters = _updated_trigger(reading, journey)
    reading.raise_refusals()
    if journey is None:
        raise errors.JourneyNotFound
    strays = await service.update_journey(
        call.session,
        journey=journey,
        trigger=trigger,
        trigger_parameters=parameters,
        settings=service.Settings(**{field.name: reading[field.name] for field in fields(service.Settings)}),
        now=call.now,
        is_strict=reading["is_strict"],
    )
    return {"Journey": wire.updated(journey), **({"Warnings": wire.strays(strays)} if strays else {})}


def _updated_trigger(reading: Reading, journey: Journey | None) -> tuple[Trigger, TriggerParameters | None]:
    """The trigger after the update; None of parameters: untouched. Adds the codes of what is wrong."""
    kept = Trigger(journey.trigger) if journey is not None else None
    trigger: Trigger | None = reading["trigger"] if reading.has("trigger") else kept
    sent = sent_trigger(reading)
    if trigger is None or (trigger is kept and all(value is None for value in vars(sent).values())):
        return kept or Trigger.MANUAL, None
    stored = load(trigger.value, journey.trigger_parameters) if journey is not None and trigger is kept else None
    parameters, faults = read_parameters(trigger, sent, stored=stored)
    for fault in faults:
        # 10 means "Journey not found" here: a missing or malformed tag is a record that is not there (rulings 5)
        refuse_fault(reading, fault, of_a_tag=11)
    return trigger, parameters


@command(
    "journey.delete",
    routes=[("POST", "/api/v1/journey.delete")],
    permission=PERMISSION,
    limit=HUNDRED_A_MINUTE,
    params=[JOURNEY_ID],
    refusals=JOURNEY_CODES,
    errors={errors.JourneyNotFound: 3},
    envelope=Envelope.ERRORS,
    title="Delete a Journey",
    example={"JourneyID": 456},
    answer={"JourneyID": 456},
)
async def journey_delete(call: Call, *, journey_id: int) -> Body:
    """Delete a journey with its actions and everybody's place in it.

    Source: journeys, "Delete a Journey".
    """
    deleted = await service.delete_journeys(
        call.session, owner_id=call.owner_id, journey_ids=[journey_id], now=call.now
    )
    if not deleted:
        raise errors.JourneyNotFound
    return {"JourneyID": journey_id}


@command(
    "journeys.delete",
    permission="Campaign.Delete",
    params=[
        # members that are no ids cannot be reported and are skipped (rulings 3)
        Param("Journeys", "journey_ids", Reader(id_members, {"type": "string"}), missing=1, refers_to="journey",
              doc="Comma-separated journey IDs to delete"),
    ],
    refusals=[missing(1, "Journeys")],
    envelope=Envelope.CODES,
    title="Delete Multiple Journeys",
    example={"Journeys": "456,789,101"},
    answer={"Success": True, "ErrorCode": 0, "ErrorText": ""},
)  # fmt: skip
async def journeys_delete(call: Call, *, journey_ids: list[int]) -> Body:
    """Delete several journeys. Members that are no journeys of the caller's are skipped and not reported.

    Source: journeys, "Delete Multiple Journeys".
    """
    await service.delete_journeys(call.session, owner_id=call.owner_id, journey_ids=journey_ids, now=call.now)
    return {"Success": True, "ErrorCode": 0, "ErrorText": ""}
