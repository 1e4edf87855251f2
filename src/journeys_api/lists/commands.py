"""The commands of lists (AC 2.4)."""

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import identifier
from journeys_api.commands.registry import Param, Refusal, command
from journeys_api.lists import service, wire
from journeys_api.lists.errors import ListNotFound


@command(
    "list.get",
    permission="List.Get",
    params=[Param("ListID", "list_id", identifier, missing=1, invalid=1, also=("SubscriberListID",))],
    refusals=[Refusal(1, "Missing list ID")],
    errors={ListNotFound: 1},
    title="Get a List",
    source="AC 2.4",
)
async def list_get(call: Call, *, list_id: int) -> Body:
    """One list, whole. Another account's list is answered like a missing id: the vendor has no code of its own for it."""
    found = await service.get_list(call.session, owner_id=call.owner_id, list_id=list_id)
    return {"List": wire.list_row(found)}
