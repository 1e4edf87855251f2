"""An account with one record of everything that a parameter can name, made through the API."""

import itertools
from dataclasses import dataclass
from typing import Any

from journeys_api.commands.registry import COMMANDS, Command, Param
from tests.conftest import Client, Maker

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Recipe:
    """How a record of one kind is made: a command, what it takes beside its example, where its id is answered."""

    kind: str
    command: str
    answered: tuple[str | int, ...]
    uses: tuple[tuple[str, str], ...] = ()
    """(parameter, kind of the record that it names)."""
    as_admin: bool = False


RECIPES = (
    Recipe("list", "list.create", ("ListID",)),
    Recipe("tag", "subscriber.tags.create", ("TagID",), (("ListID", "list"),)),
    Recipe("field", "customfield.create", ("CustomFieldID",), (("SubscriberListID", "list"),)),
    Recipe("segment", "segment.create", ("SegmentID",), (("SubscriberListID", "list"),)),
    Recipe("subscriber", "subscriber.create", ("SubscriberInformation", "SubscriberID"), (("ListID", "list"),)),
    Recipe("segment", "segment.create", ("SegmentID",), (("SubscriberListID", "list"),)),
    Recipe("email", "email.create", ("EmailID",)),
    Recipe("journey", "journey.create", ("JourneyID",)),
    Recipe("action", "journey.actions.update", ("Actions", 0, "ActionID"), (("JourneyID", "journey"),)),
    Recipe("domain", "user.senderdomain.create", ("DomainID",)),
    Recipe("webhook", "user.webhook.create", ("WebhookID",), (("RelListID", "list"),)),
    Recipe("gateway", "admin.smsgateway.create", ("GatewayID",), (("UserIDs", "user"),), as_admin=True),
    Recipe("import", "subscribers.import.post", ("ImportID",), (("ListID", "list"),)),
    Recipe("export", "journey.export.submit", ("ExportID",)),
    Recipe("api_key", "user.apikey.create", ("APIKeyID",)),
)


@dataclass
class World:
    """The account, and the id of its record of each kind."""

    client: Client
    ids: dict[str, int]
    address: str
    """The subscriber's."""

    @property
    def owner_id(self) -> int:
        """The account's id."""
        assert self.client.account
        return self.client.account.user_id

    def parameters(self, made: Command) -> dict[str, Any]:
        """The command's example, with this account's ids where it names records."""
        given = dict(made.example)
        for param in made.params:
            if param.refers_to in self.ids and param.wire in given:
                given[param.wire] = spelled(param, given[param.wire], self.ids[param.refers_to])
        return given | self._special(made)

    def _special(self, made: Command) -> dict[str, Any]:
        """What the examples name inside other parameters, and what must be new each time."""
        number = next(_numbers)
        match made.name:
            case "journey.actions.published":
                return {"Actions": [{"ActionID": self.ids["action"], "Published": "true"}]}
            case "subscriber.get" | "subscriber.exists" | "subscriber.unsubscribe":
                return {"EmailAddress": self.address}
            case "subscriber.create" | "subscriber.subscribe":
                return {"EmailAddress": f"person{number}@example.com"}
            case "user.senderdomain.create":
                return {"SenderDomain": f"mail{number}.example.com"}
            case "subscriber.tags.create" | "subscriber.tags.update":
                return {"TagName": f"Tag {number}"}
            case "customfield.create" | "customfield.update":
                return {"FieldName": f"Field {number}"}
        return {}


def spelled(param: Param, example: Any, record_id: int) -> Any:
    """An id in the form that the parameter's example has: a number, a text, or a list of one."""
    if isinstance(example, list):
        return [record_id]
    if isinstance(example, str):
        return str(record_id)
    return record_id


async def make_world(make: Maker, admin: Client) -> World:
    """A new account with a record of every kind."""
    return await fill(await make.client(), admin)


async def fill(client: Client, admin: Client) -> World:
    """Make the account a record of every kind."""
    assert client.account
    ids = {"user": client.account.user_id, "group": client.account.group_id}
    world = World(client.at("legacy"), ids, f"subscriber{next(_numbers)}@example.com")
    for recipe in RECIPES:
        if recipe.command not in COMMANDS:
            continue
        parameters = world.parameters(COMMANDS[recipe.command])
        if recipe.kind == "subscriber":
            parameters["EmailAddress"] = world.address
        for wire, kind in recipe.uses:
            parameters[wire] = world.ids[kind]
        body: Any = await (admin.at("legacy") if recipe.as_admin else world.client).ok(recipe.command, **parameters)
        for step in recipe.answered:
            body = body[step]
        world.ids[recipe.kind] = int(body)
    return world
