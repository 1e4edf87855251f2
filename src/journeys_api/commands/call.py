"""One call: who makes it, in which transaction, and when it counts from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.settings import Settings

Body = Mapping[str, object]
"""What a handler answers: the documented body, keys by wire name; JSON values and datetimes already rendered."""


@dataclass(frozen=True)
class Principal:
    """Who a credential speaks for."""

    kind: Literal["user", "admin", "anonymous"]
    user_id: int = 0
    """The account, for a user."""
    administrator_id: int = 0
    """The administrator of a session; 0 for the configured key."""
    permissions: frozenset[str] = frozenset()

    def may(self, permission: str | None) -> bool:
        """Whether the user's group grants the permission; administrators may everything."""
        if permission is None or self.kind == "admin":
            return True
        return "*" in self.permissions or permission in self.permissions

    @property
    def account(self) -> str:
        """The account that the rate limit counts for, and that two credentials of one call must agree in."""
        return f"user:{self.user_id}" if self.kind == "user" else f"{self.kind}"


ANONYMOUS = Principal("anonymous")


class FailedLogins(Protocol):
    """Counts failed logins; what it counts outlives the refusal, whatever becomes of the call's transaction."""

    def check(self, *, account_name: str, address: str) -> None:
        """Raise TooManyRequests when this name from this address, or this address, has failed too often."""

    def record(self, *, account_name: str, address: str) -> None:
        """Count one failure."""


@dataclass
class Call:
    """What a handler is given besides its arguments."""

    session: AsyncSession
    now: datetime
    principal: Principal
    client_address: str
    settings: Settings
    failed_logins: FailedLogins

    @property
    def owner_id(self) -> int:
        """The account whose rows the call may see; only for commands of users."""
        if self.principal.kind != "user":
            raise LookupError("no account: the caller is not a user")
        return self.principal.user_id

    @property
    def pepper(self) -> bytes:
        """The key of the keyed hashes of API keys and sessions."""
        secret = self.settings.secret_key
        if secret is None:
            raise LookupError("no secret key is configured")
        return secret.get_secret_value().encode()
