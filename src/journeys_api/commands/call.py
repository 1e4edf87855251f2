"""One call: who makes it, in which transaction, and when it counts from."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.lanes import Lane, SessionLane
from journeys_api.sealing.vault import Vault
from journeys_api.settings import Settings

Body = Mapping[str, object]
"""What a handler answers: the documented body, keys by wire name; JSON values and datetimes already rendered."""


@dataclass(frozen=True)
class Download:
    """A file that a handler answers in place of a body; it is read while it is sent."""

    filename: str
    media_type: str
    size: int
    """Bytes of all pieces together."""
    pieces: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
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

    def count(self, *, account: str, address: str) -> Callable[[], None]:
        """Count a login as failed before it is judged: of those sent together, no more are judged than may fail.

        Args:
            account: one text for each account, by whichever of its names it is tried.

        Returns:
            What takes the count back, for a login that has not failed.

        Raises:
            TooManyRequests: this account from this address, or this address, has failed too often; nothing is counted.
        """


@dataclass
class Call:
    """What a handler is given besides its arguments.

    Where the declaration asks for one transaction, `session` and `lane` are in it. Where each statement is one, the
    lane takes a connection for each, and a session is opened only if the handler asks for it.
    """

    now: datetime
    principal: Principal
    client_address: str
    settings: Settings
    failed_logins: FailedLogins
    open_session: Callable[[], AsyncSession]
    open_lane: Lane | None = None
    """None: there is a transaction, and the lane is in it."""
    opened: AsyncSession | None = None

    @property
    def session(self) -> AsyncSession:
        """The call's session; whoever made the call closes it."""
        if self.opened is None:
            self.opened = self.open_session()
        return self.opened

    @property
    def lane(self) -> Lane:
        """Runs prepared statements; in the session's transaction if there is one."""
        # never a second connection beside the session's: callers that wait for each other's would wait for ever
        if self.open_lane is None or self.opened is not None:
            return SessionLane(self.session)
        return self.open_lane

    @property
    def owner_id(self) -> int:
        """The account whose rows the call may see; only for commands of users."""
        if self.principal.kind != "user":
            raise LookupError("no account: the caller is not a user")
        return self.principal.user_id

    @property
    def vault(self) -> Vault:
        """What seals secrets before they are stored."""
        return Vault(self.pepper)

    @property
    def pepper(self) -> bytes:
        """The key of the keyed hashes of API keys and sessions."""
        secret = self.settings.secret_key
        if secret is None:
            raise LookupError("no secret key is configured")
        return secret.get_secret_value().encode()
