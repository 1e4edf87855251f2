"""The command that lets a whole selection into a journey, or takes it out (JC 9.5)."""

from typing import Any

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import Reader, Unreadable, bounded_text, identifier, one_of, scalar_text
from journeys_api.commands.registry import (
    Envelope,
    Limit,
    Param,
    Reading,
    Refusal,
    command,
    invalid,
    missing,
    not_found,
)
from journeys_api.engine import bulk
from journeys_api.engine.bulk import JourneyDisabled, Mode, SegmentEngineTrouble, Selected
from journeys_api.journeys.errors import JourneyNotFound
from journeys_api.lists.errors import ListNotFound
from journeys_api.segments.errors import SegmentNotFound
from journeys_api.subscribers.parameters import judge_rules, rules_text

LONGEST_SEARCH = 255


def _mode(value: Any) -> Mode:
    try:
        return Mode(scalar_text(value).strip().lower())
    except ValueError:
        raise Unreadable from None


_INVALID_RULES = Refusal(8, "Invalid RulesJSON syntax. It must be a properly formatted JSON payload")


def _check(reading: Reading) -> None:
    raw = reading["rules"]
    judge_rules(reading, _INVALID_RULES)
    if reading.has("rules") and (reading.has("segment_id") or reading.has("search")):
        reading.refuse(9)
    reading["selected"] = Selected(
        rules=raw if reading.has("rules") else None,
        operator=reading.arguments.pop("operator"),
        segment_id=reading.arguments.pop("segment_id"),
        search=reading.arguments.pop("search"),
    )
    del reading.arguments["rules"]


@command(
    "subscribers.journey.bulk",
    routes=[("POST", "/api/v1/subscribers.journey.bulk")],
    permission="Campaign.Create",
    limit=Limit(20, 60),
    params=[
        Param("ListID", "list_id", identifier, missing=1, invalid=4, refers_to="list"),
        Param("JourneyID", "journey_id", identifier, missing=2, invalid=5, refers_to="journey"),
        Param("Mode", "mode", Reader(_mode, {"type": "string", "enum": ["enroll", "unenroll"]}), missing=3, invalid=6),
        Param("Operator", "operator", one_of("and", "or"), invalid=7, default="and"),
        Param("RulesJSON", "rules", rules_text, invalid=8, doc="Whom; not beside `SegmentID` or `SearchQuery`"),
        Param("SegmentID", "segment_id", identifier, invalid=10, refers_to="segment", doc="Whom: those of a segment"),
        Param("SearchQuery", "search", bounded_text(LONGEST_SEARCH), invalid=11,
              doc="Whom: those whose address contains it; beside `SegmentID`, both must hold"),
    ],
    check=_check,
    refusals=[
        missing(1, "ListID"),
        missing(2, "JourneyID"),
        missing(3, "Mode"),
        invalid(4, "ListID"),
        invalid(5, "JourneyID"),
        invalid(6, "Mode"),
        invalid(7, "Operator"),
        _INVALID_RULES,
        Refusal(9, "RulesJSON cannot be combined with SegmentID or SearchQuery"),
        invalid(10, "SegmentID"),
        invalid(11, "SearchQuery"),
        not_found(12, "List not found"),
        not_found(13, "Journey not found"),
        Refusal(14, "Journey is disabled"),
        not_found(15, "Segment not found"),
        Refusal(16, "Problem with the segment engine", 500),
    ],
    failure=Refusal(17, "The subscribers could not be queued", 500),
    errors={
        ListNotFound: 12,
        JourneyNotFound: 13,
        JourneyDisabled: 14,
        SegmentNotFound: 15,
        SegmentEngineTrouble: 16,
    },
    envelope=Envelope.SCALAR_ERRORS,
    title="Let Many Subscribers into a Journey",
    source="JC 9.5",
    example={"ListID": 123, "JourneyID": 789, "Mode": "unenroll"},
    answer={"Mode": "unenroll", "ListID": 123, "JourneyID": 789, "MatchingSubscribers": 1500, "Queued": True},
)  # fmt: skip
async def subscribers_journey_bulk(
    call: Call, *, list_id: int, journey_id: int, mode: Mode, selected: Selected
) -> Body:
    """Let a selection of a list into a journey, or take it out, in the background; without a selection, the whole list.

    What holds for one subscriber (`subscriber.journey.trigger`, `.remove`) holds for each: criteria apply, whoever is
    inside is not let in twice, and entry caps count everybody and stop nobody.

    Source: JC 9.5.
    """
    done = await bulk.submit(
        call.session,
        owner_id=call.owner_id,
        list_id=list_id,
        journey_id=journey_id,
        mode=mode,
        selected=selected,
        now=call.now,
    )
    return {
        "Success": True,
        "ErrorCode": 0,
        "ErrorText": "",
        "Mode": mode.value,
        "ListID": list_id,
        "JourneyID": journey_id,
        "MatchingSubscribers": done.matching,
        "Queued": done.job is not None,
    }
