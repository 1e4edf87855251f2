"""Rules of SMS gateways: the ways that short messages leave by."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.emails import queries
from journeys_api.emails.errors import GatewayNotFound, GatewayUserNotFound
from journeys_api.models import GatewayStatus, SmsGateway
from journeys_api.sealing.vault import Vault


class GatewayType(StrEnum):
    """Which adapter speaks to a gateway."""

    LOG = "Log"
    TWILIO = "Twilio"
    HTTP = "HTTP"


async def create_gateway(
    session: AsyncSession,
    *,
    name: str,
    kind: GatewayType,
    status: GatewayStatus,
    is_global: bool,
    user_ids: Collection[int],
    sender_ids: Sequence[str],
    credentials: Mapping[str, Any],
    vault: Vault,
    now: datetime,
) -> SmsGateway:
    """Set up a way for short messages to leave.

    Args:
        user_ids: who may use it when it is not global.
        sender_ids: the first is used where a message names none.
        credentials: as `gateway_credentials.credentials_of` answers them; stored sealed.

    Raises:
        GatewayUserNotFound: one of the users does not exist.
    """
    users = sorted(set(user_ids))
    if users and await queries.count_users(session, user_ids=users) != len(users):
        raise GatewayUserNotFound
    gateway = SmsGateway(
        name=name,
        kind=kind.value,
        status=status,
        is_global=is_global,
        user_ids=users,
        sender_ids=list(dict.fromkeys(sender_ids)),
        credentials=vault.seal_values(credentials),
        created_at=now,
    )
    session.add(gateway)
    await session.flush()
    return gateway


async def list_gateways(session: AsyncSession) -> Sequence[SmsGateway]:
    """Every gateway of the installation, by id; an administrator makes them by hand, so there are few."""
    return (await session.scalars(queries.gateways().order_by(SmsGateway.gateway_id))).all()


async def delete_gateway(session: AsyncSession, *, gateway_id: int) -> None:
    """Remove a gateway and its credentials. A journey that sends through it fails visibly at that step.

    Raises:
        GatewayNotFound: no such gateway.
    """
    gateway = await session.scalar(queries.gateways().where(SmsGateway.gateway_id == gateway_id).with_for_update())
    if gateway is None:
        raise GatewayNotFound
    await session.delete(gateway)
    await session.flush()
