"""What journeys refer to, made through the API."""

from typing import Any

from tests.conftest import Client

UNKNOWN = 9_000_000_000_000
"""An id that never existed."""


async def a_list(api: Client) -> int:
    return int((await api.ok("list.create", SubscriberListName="News"))["ListID"])


async def a_tag(api: Client, list_id: int | None = None) -> int:
    list_id = list_id or await a_list(api)
    return int((await api.ok("subscriber.tags.create", ListID=list_id, TagName="vip"))["TagID"])


async def a_field(api: Client, list_id: int | None = None) -> int:
    list_id = list_id or await a_list(api)
    made = await api.ok("customfield.create", SubscriberListID=list_id, FieldName="City", FieldType="Single line")
    return int(made["CustomFieldID"])


async def an_email(api: Client) -> int:
    return int((await api.ok("email.create"))["EmailID"])


async def a_journey(api: Client, **parameters: Any) -> int:
    return int((await api.ok("journey.create", **{"Name": "Welcome", **parameters}))["JourneyID"])


async def actions_of(api: Client, journey_id: int, *actions: dict[str, Any]) -> list[dict[str, Any]]:
    saved = await api.ok("journey.actions.update", JourneyID=journey_id, Actions=list(actions))
    answered: list[dict[str, Any]] = saved["Actions"]
    return answered
