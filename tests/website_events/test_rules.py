"""Criteria about website events, as searches and decisions use them."""

import json
from typing import Any

import pytest

from tests.conftest import Client
from tests.subscribers.people import create, make_list

SALE = {"conversion-id": "o-1", "conversion-name": "Order", "conversion-value": "19.90"}


async def found(client: Client, list_id: int, operator: str, value: Any = "", **more: Any) -> set[str]:
    """The local parts of those whom one rule matches."""
    given = {"type": "website-events", "event": "pageView", "operator": operator, "value": value, **more}
    answer = await client.ok(
        "subscribers.search", ListID=list_id, Operator="and", RulesJSON=json.dumps([[given]]), RecordsPerRequest=10
    )
    return {row["EmailAddress"].partition("@")[0] for row in answer["Subscribers"]}


@pytest.fixture
async def list_id(api: Client) -> int:
    """Ann looked at a page, opened a cart and bought; Bob looked at another page; Cem did nothing."""
    list_id = await make_list(api)
    for name in ("ann", "bob", "cem"):
        await create(api, list_id, f"{name}@example.com")
    for name, event, properties in (
        ("ann", "page_view", {"$page_title": "100% Shop", "height": 900, "none": None, "ok": True}),
        ("ann", "Cart", {"colour": "Red"}),
        ("ann", "conversion", SALE),
        ("bob", "page_view", {"$pageTitle": "Home", "height": "1100"}),
    ):
        await api.ok("event.track", ListID=list_id, Event=event, Email=f"{name}@example.com", Properties=properties)
    return list_id


@pytest.mark.parametrize(
    ("rule", "people"),
    [
        ({"operator": "happened"}, {"ann", "bob"}),
        ({"operator": "Did happen", "event": "page_view"}, {"ann", "bob"}),
        ({"operator": "did not happen"}, {"cem"}),
        ({"operator": "happened in the last X days", "value": 1}, {"ann", "bob"}),
        ({"operator": "did not happen in the last X days", "value": "0"}, {"cem"}),
        ({"operator": "happened", "event": "cart"}, {"ann"}),
        ({"operator": "happened", "event": "customEvent"}, {"ann"}),
        ({"operator": "happened", "event": "identify"}, set()),
        ({"operator": "equals", "event_parameter": "$pageTitle", "value": "100% shop"}, {"ann"}),
        ({"operator": "contains", "event_parameter": "$page_title", "value": "0%"}, {"ann"}),
        ({"operator": "doesn't contain", "event_parameter": "pageView.$pageTitle", "value": "om"}, {"ann", "cem"}),
        ({"operator": "does not equal", "event_parameter": "height", "value": "900.0"}, {"bob", "cem"}),
        ({"operator": "matches regex", "event_parameter": "$pageTitle", "value": "^Ho"}, {"bob"}),
        ({"operator": "greater than", "event_parameter": "height", "value": 1000}, {"bob"}),
        ({"operator": "less than", "event_parameter": "height", "value": 1000}, {"ann"}),
        ({"operator": "is set", "event_parameter": "ok"}, {"ann"}),
        ({"operator": "is not set", "event_parameter": "none"}, {"ann", "bob", "cem"}),
        ({"operator": "equals", "event": "conversion", "event_parameter": "conversionValue", "value": 19.9}, {"ann"}),
        ({"operator": "equals", "event": "customEvent", "event_parameter": "eventName", "value": "Cart"}, {"ann"}),
    ],
)
async def test_rules_about_website_events(api: Client, list_id: int, rule: dict[str, Any], people: set[str]) -> None:
    assert await found(api, list_id, **rule) == people
