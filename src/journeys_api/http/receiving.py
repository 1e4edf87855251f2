"""Bodies as the doors receive them: a megabyte of anybody's, and more only of those who may call something."""

from typing import Any

from starlette.types import Receive

from journeys_api.clock import Clock
from journeys_api.commands.registry import COMMANDS, Command, Scope
from journeys_api.heartbeat import Heartbeat
from journeys_api.http.bodies import (
    MOST_IN_MEMORY,
    MOST_OF_A_STRANGER,
    BodyTooLarge,
    LongBody,
    Places,
    length_of_body,
    read_any_body,
    read_body,
)
from journeys_api.http.claims import credentials_within
from journeys_api.http.exchange import Exchange
from journeys_api.http.parameters import Given, read_query
from journeys_api.http.principals import CredentialRefused, Credentials, Principals, find_credentials
from journeys_api.settings import Settings
from journeys_api.strict_json import fold

PLACES = 4
"""Bodies on the disk at once of those who have shown that they may call."""
PLACES_OF_STRANGERS = 8
"""And of those whose credential may still come, at the end of the body."""


class Receiver:
    """Receives the bodies of one process."""

    def __init__(self, *, settings: Settings, principals: Principals, clock: Clock, heartbeat: Heartbeat) -> None:
        self._seconds = settings.body_timeout.total_seconds()
        self._principals = principals
        self._clock = clock
        self._heartbeat = heartbeat
        # the command of a legacy call may stand in the body: as much is read as the most generous command takes
        self._longest = max(made.body_limit for made in COMMANDS.values())
        self._places = Places(PLACES)
        self._places_of_strangers = Places(PLACES_OF_STRANGERS)

    async def body_of(self, exchange: Exchange, command: Command | None, receive: Receive) -> bytes | LongBody:
        """The body of a request; who gets a `LongBody` closes it.

        Args:
            command: None where only query and body can name it.

        Raises:
            CredentialRefused: it is long, and neither the head nor the body itself has a valid credential.
            NotReadable: the query string, as `read_query` has it.
            BodyTooLarge, BodyTooSlow, TooManyLongBodies, ClientGone: as they say.
        """
        length = length_of_body(exchange.scope)
        if length == 0:
            return b""
        if length is not None and length <= MOST_OF_A_STRANGER:
            return await read_body(exchange.scope, receive, limit=MOST_OF_A_STRANGER, seconds=self._seconds)
        given = Given(query=read_query(exchange.scope), body={})
        command = command or named_command(given)
        limit = command.body_limit if command else self._longest
        if length is not None and length > limit:
            raise BodyTooLarge
        if command is not None and command.scope is Scope.PUBLIC:
            is_known = True
        else:
            is_known = await self.is_known(exchange, find_credentials(exchange.scope, given))
        body = await read_any_body(
            exchange.scope,
            receive,
            limit=limit,
            seconds=self._seconds,
            places=self._places if is_known else self._places_of_strangers,
            in_memory=MOST_IN_MEMORY if is_known else MOST_OF_A_STRANGER,
        )
        if is_known or isinstance(body, bytes):
            return body
        try:
            if not await self.is_known(exchange, credentials_within(body)):
                raise CredentialRefused
            return body.in_memory() if body.size <= MOST_IN_MEMORY else body
        except BaseException:
            body.close()
            raise

    async def is_known(self, exchange: Exchange, credentials: Credentials) -> bool:
        """Whether somebody who may call something has sent these."""
        with self._heartbeat.guard():
            return await self._principals.is_any_valid(
                credentials, client_address=exchange.client_address, now=self._clock.now()
            )


def named_command(given: Given) -> Command | None:
    """The command that a call at the legacy door names."""
    return COMMANDS.get(fold(_text(given.merged.get("command") or given.query.get("command"))))


def name_as_sent(given: Given) -> str:
    """What it names, if that is no command; not longer than it can be of use."""
    return _text(given.merged.get("command"))


def _text(value: Any) -> str:
    return value[:200] if isinstance(value, str) else ""
