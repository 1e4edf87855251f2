"""Who makes a call: every credential in every place is tried; valid ones must agree (rulings 2)."""

import asyncio
import math
import secrets
import time
from datetime import datetime
from hashlib import blake2b
from typing import Any, NamedTuple

from starlette.types import Scope as AsgiScope

from journeys_api.accounts import service as accounts
from journeys_api.accounts.credentials import keyed_hash, same_secret
from journeys_api.commands.call import ANONYMOUS, Principal
from journeys_api.commands.registry import Command, Scope
from journeys_api.http.parameters import Given, header
from journeys_api.lanes import Lane

BELIEVED_SECONDS = 1.0
"""How long credentials are believed without asking whether any has changed: the longest that a revoked one works in
another process."""
MOST_REMEMBERED = 50_000


class CredentialRefused(Exception):
    """No valid credential, or two that name different accounts: 99998."""


class PermissionRefused(Exception):
    """A valid credential that does not reach the command: 99999."""

    def __init__(self, principal: Principal) -> None:
        super().__init__()
        self.principal = principal


class Credentials(NamedTuple):
    """The credentials of one request, by kind; empty ones are left out."""

    sessions: tuple[str, ...]
    keys: tuple[str, ...]
    admin_keys: tuple[str, ...]


def find_credentials(scope: AsgiScope, given: Given) -> Credentials:
    """Collect them from parameters, then headers. What is not text is no credential."""
    bearer = header(scope, b"authorization") or ""
    scheme, _, token = bearer.partition(" ")
    bearers = [token.strip()] if scheme.lower() == "bearer" else []
    return Credentials(
        sessions=_texts(given.every("sessionid")),
        keys=_texts([*given.every("apikey"), header(scope, b"apikey"), *bearers]),
        admin_keys=_texts([*given.every("adminapikey"), header(scope, b"adminapikey")]),
    )


def _texts(values: list[Any]) -> tuple[str, ...]:
    # a key of digits only may come as a JSON number; a length no key has is not worth a hash
    texts = (str(value) if isinstance(value, int) else value for value in values)
    return tuple(dict.fromkeys(text for text in texts if isinstance(text, str) and 0 < len(text) <= 512))


class Remembered(NamedTuple):
    """What a credential was found to be."""

    principal: Principal
    expires_at: datetime | None
    """When it ends by itself; None: not."""


class Principals:
    """Turns credentials into principals, and remembers them until the database says that something has changed.

    It is asked at most once a second, by whichever call comes first; the others wait for that answer.
    """

    def __init__(self, *, lane: Lane, pepper: bytes, admin_api_key: str) -> None:
        self._lane = lane
        self._pepper = pepper
        self._admin_api_key = admin_api_key
        self._admin_key_hash = keyed_hash(pepper, admin_api_key)
        self._remembered: dict[tuple[str, bytes, str], Remembered] = {}
        # what is remembered is found by a hash that costs a twentieth of the stored one; of this process alone
        self._own_pepper = secrets.token_bytes(32)
        self._generation = 0
        self._changes = -1
        self._believed_until = -math.inf
        self._asking: asyncio.Task[None] | None = None

    def forget(self) -> None:
        """Ask the database again for everybody: a call may have changed who is who."""
        self._remembered.clear()
        self._generation += 1

    def is_admin_key(self, key: str) -> bool:
        """Whether this is the configured administrator's key."""
        return same_secret(key, self._admin_api_key)

    async def is_any_valid(self, credentials: Credentials, *, client_address: str, now: datetime) -> bool:
        """Whether somebody who may call something has sent these."""
        return bool(await self._valid(credentials, client_address=client_address, now=now))

    async def identify(
        self, command: Command, credentials: Credentials, *, client_address: str, now: datetime
    ) -> Principal:
        """Who calls.

        Raises:
            CredentialRefused: none is valid, or two valid ones name different accounts.
            PermissionRefused: the caller is known and may not call this command.
        """
        found = {
            principal.account: principal
            for principal in await self._valid(credentials, client_address=client_address, now=now)
        }
        if command.scope is Scope.PUBLIC:
            return next(iter(found.values())) if len(found) == 1 else ANONYMOUS
        if len(found) != 1:
            raise CredentialRefused
        principal = next(iter(found.values()))
        wanted = {Scope.USER: ("user",), Scope.ADMIN: ("admin",)}.get(command.scope, ("user", "admin"))
        if principal.kind not in wanted or not principal.may(command.permission):
            raise PermissionRefused(principal)
        return principal

    async def _valid(self, credentials: Credentials, *, client_address: str, now: datetime) -> list[Principal]:
        found: list[Principal | None] = []
        for key in (*credentials.admin_keys, *credentials.keys):
            if self.is_admin_key(key):
                found.append(Principal("admin"))
        for key in credentials.keys:
            found.append(await self._remember("key", key, client_address=client_address, now=now))
        for session_id in credentials.sessions:
            found.append(await self._remember("session", session_id, client_address=client_address, now=now))
        return [principal for principal in found if principal is not None]

    async def _remember(self, kind: str, secret: str, *, client_address: str, now: datetime) -> Principal | None:
        place = (kind, blake2b(secret.encode(), key=self._own_pepper, digest_size=24).digest(), client_address)
        if place in self._remembered:
            if time.monotonic() >= self._believed_until:
                await self._ask_for_changes()
            remembered = self._remembered.get(place)
            if remembered is not None and (remembered.expires_at is None or remembered.expires_at > now):
                return remembered.principal
        generation = self._generation
        secret_hash = keyed_hash(self._pepper, secret)
        found = await self._find(kind, secret_hash, client_address=client_address, now=now)
        if found is None:
            return None  # unknown secrets must not fill the memory
        # what was read before a change must not be believed after it
        if generation == self._generation:
            if len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[place] = found
        return found.principal

    async def _find(self, kind: str, secret_hash: bytes, *, client_address: str, now: datetime) -> Remembered | None:
        if kind == "key":
            principal = await accounts.principal_of_key(self._lane, key_hash=secret_hash, client_address=client_address)
            return None if principal is None else Remembered(principal, None)
        found = await accounts.principal_of_session(
            self._lane,
            session_hash=secret_hash,
            client_address=client_address,
            admin_key_hash=self._admin_key_hash,
            now=now,
        )
        return None if found is None else Remembered(*found)

    async def _ask_for_changes(self) -> None:
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._notice_changes())
        # shielded: who gives up waiting must not take the answer from the others
        await asyncio.shield(self._asking)

    async def _notice_changes(self) -> None:
        asked_at = time.monotonic()
        changes = await accounts.credential_changes(self._lane)
        if changes != self._changes:
            self.forget()
            self._changes = changes
        self._believed_until = asked_at + BELIEVED_SECONDS
