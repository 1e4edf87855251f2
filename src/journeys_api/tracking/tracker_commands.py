"""What an account needs to put the tracker into its pages: ours, the vendor shows it on a screen only."""

import html

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import identifier
from journeys_api.commands.registry import HUNDRED_A_MINUTE, Envelope, Param, command, invalid, missing, not_found
from journeys_api.lists import service as lists
from journeys_api.lists.errors import ListNotFound
from journeys_api.tracking.site_keys import identity_key, site_key


@command(
    "website_events.tracker",
    routes=[("GET", "/api/v1/website_events.tracker")],
    permission="List.Update",
    limit=HUNDRED_A_MINUTE,
    envelope=Envelope.ERRORS,
    params=[
        Param("ListID", "list_id", identifier, missing=1, invalid=2, also=("SubscriberListID",), refers_to="list"),
    ],
    refusals=[missing(1, "ListID"), invalid(2, "ListID"), not_found(3, "List not found")],
    errors={ListNotFound: 3},
    title="Get the Website Tracker of a List",
    source="ours: the vendor shows the tracker on a screen only",
    example={"ListID": 123},
    answer={
        "ListID": 123,
        "SiteKey": "kY0b…",
        "IdentityKey": "5f3a…",
        "Snippet": '<script src="https://api.example.com/t/tracker.js" data-key="kY0b…" async></script>',
    },
)
async def website_events_tracker(call: Call, *, list_id: int) -> Body:
    """What a website needs to report its visitors' events to a list.

    `Snippet` goes into its pages. `SiteKey`, which stands in it, is public: it adds events and does nothing else.
    `IdentityKey` is secret and belongs on the website's server only, where it signs addresses for `oct.eventI`: the
    HMAC-SHA256 of the address in lower case, in hex digits.
    """
    await lists.get_list(call.session, owner_id=call.owner_id, list_id=list_id)
    public = site_key(call.pepper, owner_id=call.owner_id, list_id=list_id)
    source = f"{call.settings.links_url}/t/tracker.js"
    return {
        "ListID": list_id,
        "SiteKey": public,
        "IdentityKey": identity_key(call.pepper, owner_id=call.owner_id, list_id=list_id),
        "Snippet": f'<script src="{html.escape(source)}" data-key="{public}" async></script>',
    }
