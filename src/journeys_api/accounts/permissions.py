"""The names that a user group may hold, and how a list of them is read."""

import re
from typing import Any

from journeys_api.commands.reading import Unreadable
from journeys_api.strict_json import fold

EVERYTHING = "*"

KNOWN = (
    "User.Update",
    "Campaign.Create",
    "Campaign.Delete",
    "Campaign.Update",
    "Campaign.Get",
    "Campaigns.Get",
    "List.Create",
    "List.Get",
    "List.Update",
    "List.Delete",
    "Lists.Get",
    "Subscribers.Get",
    "Subscriber.Update",
    "Subscribers.Import",
    "Subscribers.Delete",
    "CustomField.Create",
    "CustomField.Update",
    "CustomFields.Get",
    "CustomFields.Delete",
    "Segment.Create",
    "Segment.Update",
    "Segments.Get",
    "Segments.Delete",
    "EmailTemplates.Manage",
    "Email.SpamTest",
    "Email.DesignPreview",
    "EmailGateway.AddDomain",
    "EmailGateway.ManageDomain",
    "AutoResponder.Create",
    "AutoResponder.Update",
    "AutoResponder.Get",
    "AutoResponders.Get",
    "AutoResponders.Delete",
    "Media.Upload",
    "Media.Browse",
    "Media.Retrieve",
    "Media.Delete",
    "Client.Create",
    "Client.Update",
    "Clients.Get",
    "Clients.Delete",
)
"""The vendor's names (AC 3). Journeys are guarded by the campaign ones."""

_CANONICAL = {fold(name): name for name in KNOWN}
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
_MOST = 500


def read_permissions(value: Any) -> list[str]:
    """A comma list of names, or an array of them; `*` stands for everything, "" and `[]` for nothing.

    Known names are taken without case and kept in their own spelling, each once. Others are kept as they are if they
    look like a name (the vendor has some for plugins and screens that it does not list); they open nothing here.

    Raises:
        Unreadable: an element that is no text, or no name; more than 500 of them.
    """
    parts = value if isinstance(value, list) else [value]
    if not all(isinstance(part, str) for part in parts):
        raise Unreadable
    names = [name.strip() for part in parts for name in part.split(",") if name.strip()]
    if EVERYTHING in names:
        return [EVERYTHING]
    if len(names) > _MOST or not all(_NAME.fullmatch(name) for name in names):
        raise Unreadable
    return list(dict.fromkeys(_CANONICAL.get(fold(name), name) for name in names))
