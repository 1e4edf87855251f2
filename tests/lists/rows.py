"""What tests of lists, fields and tags look at and put in place without a command of their own."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select

from journeys_api.app import Application
from journeys_api.commands.registry import COMMANDS
from journeys_api.models import Base, BounceType, Subscriber, SubscriptionStatus
from tests.conftest import Account, Client

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LARGEST_ID = 2**63 - 1


async def refused(client: Client, command: str, **parameters: Any) -> list[int]:
    """The codes of a refusal, after a look at its shape: the vendor's, with the declared messages (rulings 1)."""
    response = await client.call(command, **parameters)
    body = response.json()
    declared = {refusal.code: refusal.message for refusal in COMMANDS[command].refusals}
    assert response.status_code == 200
    assert body["Success"] is False
    assert len(body["ErrorCode"]) == len(body["ErrorText"]) > 0
    for code, message in zip(body["ErrorCode"], body["ErrorText"], strict=True):
        assert message.startswith(declared[code])
    assert body["ErrorCode"] == sorted(body["ErrorCode"])
    codes: list[int] = body["ErrorCode"]
    return codes


async def unreadable(client: Client, command: str, **parameters: Any) -> None:
    """The call is refused as 100000: a value that cannot be read, of a parameter without a code (rulings 3)."""
    response = await client.call(command, **parameters)
    assert (response.status_code, response.json()["ErrorCode"]) == (400, 100000)


def owner_of(client: Client) -> Account:
    """The account that the client calls as."""
    assert client.account is not None
    return client.account


async def make_list(client: Client, name: str = "List", **parameters: Any) -> int:
    """A list of the caller's; its id."""
    list_id: int = (await client.ok("list.create", SubscriberListName=name, **parameters))["ListID"]
    return list_id


async def make_people(
    app: Application,
    client: Client,
    list_id: int,
    *addresses: str,
    status: SubscriptionStatus = SubscriptionStatus.SUBSCRIBED,
    bounce_type: BounceType = BounceType.NOT_BOUNCED,
    custom_values: dict[str, str] | None = None,
) -> list[int]:
    """Subscribers of a list; their ids in the order of the addresses."""
    made = [
        Subscriber(
            owner_id=owner_of(client).user_id,
            list_id=list_id,
            email_address=address,
            status=status,
            bounce_type=bounce_type,
            custom_values=custom_values or {},
            created_at=NOW,
            updated_at=NOW,
        )
        for address in addresses
    ]
    async with app.sessions.begin() as session:
        session.add_all(made)
    return [person.subscriber_id for person in made]


async def insert(app: Application, row: Base) -> None:
    """Put one row in place."""
    async with app.sessions.begin() as session:
        session.add(row)


async def count(app: Application, table: Any, *conditions: Any) -> int:
    """How many rows of a table there are."""
    async with app.sessions() as session:
        return (await session.execute(select(func.count()).select_from(table).where(*conditions))).scalar_one()


async def rows(app: Application, table: Any, *conditions: Any) -> list[Any]:
    """Rows of a table, in the order of nothing."""
    async with app.sessions() as session:
        return list(await session.scalars(select(table).where(*conditions)))
