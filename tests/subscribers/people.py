"""What the tests of subscribers put in place and look at."""

import json
from typing import Any

from journeys_api.commands.registry import COMMANDS
from tests.conftest import Client

LARGEST_ID = 2**63 - 1
IP = "203.0.113.7"


async def make_list(client: Client, **settings: Any) -> int:
    """A list of the client's account, with settings of `list.update`; its id."""
    made = await client.ok("list.create", SubscriberListName="List")
    if settings:
        await client.ok("list.update", SubscriberListID=made["ListID"], **settings)
    return int(made["ListID"])


async def make_field(client: Client, list_id: int, **settings: Any) -> int:
    """A single-line field of a list; its id."""
    given = {"FieldName": "Field", "FieldType": "Single line", **settings}
    return int((await client.ok("customfield.create", SubscriberListID=list_id, **given))["CustomFieldID"])


async def make_tag(client: Client, list_id: int, name: str) -> int:
    """A tag of a list; its id."""
    return int((await client.ok("subscriber.tags.create", ListID=list_id, TagName=name))["TagID"])


def newcomer(list_id: int, address: str, **more: Any) -> dict[str, Any]:
    """Parameters of `subscriber.create` that work."""
    return {
        "ListID": list_id,
        "EmailAddress": address,
        "SubscriptionDate": "2026-01-02 03:04:05",
        "SubscriptionIP": IP,
        **more,
    }


async def create(client: Client, list_id: int, address: str, **more: Any) -> int:
    """Put somebody on a list; the subscriber's id."""
    made = await client.ok("subscriber.create", **newcomer(list_id, address, **more))
    return int(made["SubscriberInformation"]["SubscriberID"])


async def get(client: Client, list_id: int, address: str) -> dict[str, Any]:
    """The columns of a subscriber."""
    answer = await client.ok("subscriber.get", ListID=list_id, EmailAddress=address)
    columns: dict[str, Any] = answer["SubscriberInformation"]
    return columns


async def statuses(client: Client, list_id: int) -> dict[str, str]:
    """Everybody on a list with their status."""
    found = await client.ok("subscribers.search", ListID=list_id, Operator="and", RecordsPerRequest=1000)
    return {row["EmailAddress"]: row["SubscriptionStatus"] for row in found["Subscribers"]}


async def tagged(client: Client, list_id: int) -> dict[str, list[str]]:
    """Everybody on a list with their tags."""
    found = await client.ok("subscribers.search", ListID=list_id, Operator="and", RecordsPerRequest=1000)
    return {row["EmailAddress"]: [tag["TagName"] for tag in row["SubscriberTags"]] for row in found["Subscribers"]}


async def scopes(client: Client, address: str, **more: Any) -> list[str]:
    """The scopes that suppress an address."""
    answer = await client.ok("suppression.check", EmailAddresses=[address], **more)
    return [match["Scope"] for match in answer["Results"][address]["MatchedScopes"]]


async def limit_subscribers(admin: Client, client: Client, most: int) -> None:
    """Let the client's account have so many subscribers."""
    assert client.account
    await admin.ok("usergroup.patch", UserGroupID=client.account.group_id, LimitSubscribers=most)


def rule(field: object, operator: str, value: object) -> str:
    """RulesJSON with one rule about a column or a field."""
    return json.dumps([[{"type": "fields", "field_id": field, "operator": operator, "value": value}]])


async def anonymous(client: Client, command: str, **parameters: Any) -> dict[str, Any]:
    """Call a command without any credential; the body."""
    response = await client.http.post("/api.php", json={"Command": command, **parameters})
    body: dict[str, Any] = response.json()
    assert response.status_code in (200, 400), body
    return body


async def refused(client: Client, command: str, **parameters: Any) -> list[int]:
    """The codes of a refusal, after a look at its shape at the client's door: envelope and messages."""
    response = await client.call(command, **parameters)
    body = response.json()
    declared = COMMANDS[command]
    assert body["Success"] is False
    codes: list[int] = body["ErrorCode"]
    assert codes == sorted(codes)
    if client.door == "rest" and declared.routes:
        assert response.status_code == min(refusal.status for refusal in declared.refusals if refusal.code == codes[0])
        assert "ErrorText" not in body
        texts = [error["Message"] for error in body["Errors"]]
        assert [error["Code"] for error in body["Errors"]] == codes
    else:
        assert response.status_code == 200
        texts = body["ErrorText"]
    assert len(texts) == len(codes)
    for code, text in zip(codes, texts, strict=True):
        assert any(text.startswith(refusal.message) for refusal in declared.refusals if refusal.code == code)
    return codes
