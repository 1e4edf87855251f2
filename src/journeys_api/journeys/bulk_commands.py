"""The commands that switch or copy many journeys at once (JC 1.18–1.20)."""

from collections.abc import Callable, Sequence, Set
from typing import Any

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import known_ids
from journeys_api.commands.registry import HUNDRED_A_MINUTE, Envelope, Handler, Param, Refusal, command, missing
from journeys_api.journeys import copying, switching
from journeys_api.journeys.parameters import NAME, PERMISSION

_IDS = Param("JourneyIDs", "journey_ids", known_ids, missing=1, invalid=2, refers_to="journey",
             doc="Comma-separated journey IDs; an array is accepted, members that are no ids are skipped")  # fmt: skip
_CODES = (
    missing(1, "JourneyIDs"),
    Refusal(2, "Invalid JourneyIDs parameter (no positive integers after parsing)"),
)


def _bulk_command(name: str, *more: Param, **declared: Any) -> Callable[[Handler], Handler]:
    """Declare a command over the journeys that `JourneyIDs` names, and that takes some parameters more."""
    return command(
        name,
        routes=[("POST", f"/api/v1/{name}")],
        permission=PERMISSION,
        limit=HUNDRED_A_MINUTE,
        params=[_IDS, *more],
        refusals=_CODES,
        envelope=Envelope.ERRORS,
        **declared,
    )


def _processed(asked: Sequence[int], processed: Set[int]) -> dict[str, object]:
    """Every id once, in the order asked."""
    ids = list(dict.fromkeys(asked))
    return {
        "Success": True,
        "ProcessedJourneyIDs": [each for each in ids if each in processed],
        "FailedJourneyIDs": [each for each in ids if each not in processed],
    }


@_bulk_command(
    "journeys.enable",
    title="Enable Multiple Journeys",
    source="JC 1.18",
    example={"JourneyIDs": "456,789"},
    answer={"Success": True, "ProcessedJourneyIDs": [456], "FailedJourneyIDs": [789]},
)
async def journeys_enable(call: Call, *, journey_ids: list[int]) -> Body:
    """Enable several journeys. Those that are enabled already or not the caller's are named as failed.

    Source: JC 1.18.
    """
    enabled = await switching.enable_journeys(
        call.session, owner_id=call.owner_id, journey_ids=journey_ids, now=call.now
    )
    return _processed(journey_ids, enabled)


@_bulk_command(
    "journeys.disable",
    title="Disable Multiple Journeys",
    source="JC 1.19",
    example={"JourneyIDs": "456,789"},
    answer={"Success": True, "ProcessedJourneyIDs": [456], "FailedJourneyIDs": [789]},
)
async def journeys_disable(call: Call, *, journey_ids: list[int]) -> Body:
    """Disable several journeys. Those that are disabled already or not the caller's are named as failed.

    Source: JC 1.19.
    """
    disabled = await switching.disable_journeys(
        call.session, owner_id=call.owner_id, journey_ids=journey_ids, now=call.now
    )
    return _processed(journey_ids, disabled)


@_bulk_command(
    "journeys.clone",
    Param("NameSuffix", "suffix", NAME, default="(copy)", doc="What is appended to each name, after a blank"),
    title="Clone Multiple Journeys",
    source="JC 1.20",
    example={"JourneyIDs": "456,789", "NameSuffix": "(copy)"},
    answer={
        "Success": True,
        "ProcessedJourneyIDs": [456],
        "FailedJourneyIDs": [789],
        "ClonedJourneys": [{"SourceJourneyID": 456, "NewJourneyID": 1011}],
    },
)
async def journeys_clone(call: Call, *, journey_ids: list[int], suffix: str) -> Body:
    """Copy several journeys within the account; the copies are disabled, empty, and use the same emails.

    What is beyond 10,000 journeys and actions together is named as failed, and can be asked for in another call.

    Source: JC 1.20.
    """
    copies = await copying.clone_journeys(
        call.session, owner_id=call.owner_id, journey_ids=journey_ids, suffix=suffix, now=call.now
    )
    answer = _processed(journey_ids, copies.keys())
    cloned = [
        {"SourceJourneyID": each, "NewJourneyID": copies[each]} for each in dict.fromkeys(journey_ids) if each in copies
    ]
    return {**answer, "ClonedJourneys": cloned}
