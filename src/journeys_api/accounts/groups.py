"""Rules of user groups."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.accounts import queries
from journeys_api.accounts.errors import GroupHoldsUsers, GroupNotFound, LastGroup
from journeys_api.models import User, UserGroup


@dataclass(frozen=True)
class GroupSettings:
    """Settings of a group: those that have a column, and the vendor's others by wire name."""

    columns: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)


async def create_group(session: AsyncSession, *, settings: GroupSettings, now: datetime) -> UserGroup:
    """Make a group. Without permissions its users may do only what needs none; limits not named are unlimited."""
    group = UserGroup(
        **settings.columns,
        attributes=dict(settings.attributes),
        created_at=now,
        updated_at=now,
    )
    session.add(group)
    await session.flush()
    return group


async def change_group(
    session: AsyncSession,
    *,
    group_id: int,
    settings: GroupSettings,
    now: datetime,
    keeping: Collection[str] | None = None,
) -> UserGroup:
    """Change the settings that are named.

    Args:
        keeping: the attributes that outlive not being named; None: all of them.

    Raises:
        GroupNotFound: there is no such group.
    """
    group = await queries.group_for_update(session, group_id=group_id)
    if group is None:
        raise GroupNotFound
    for name, value in settings.columns.items():
        setattr(group, name, value)
    kept = {name: value for name, value in group.attributes.items() if keeping is None or name in keeping}
    group.attributes = {**kept, **settings.attributes}
    group.updated_at = now
    await session.flush()
    return group


async def get_group(session: AsyncSession, *, group_id: int) -> UserGroup:
    """A group.

    Raises:
        GroupNotFound: there is no such group.
    """
    group = await session.get(UserGroup, group_id)
    if group is None:
        raise GroupNotFound
    return group


async def list_groups(session: AsyncSession) -> Sequence[UserGroup]:
    """Every group, oldest first."""
    return (await session.scalars(select(UserGroup).order_by(UserGroup.group_id))).all()


async def delete_groups(session: AsyncSession, *, group_ids: Collection[int]) -> None:
    """Delete groups, all or none; ids of no group are passed over.

    Raises:
        LastGroup: none would be left, and accounts need one.
        GroupHoldsUsers: an account belongs to one of them (AC 9, 23: ours, as the vendor's screens do).
    """
    every = await queries.every_group_id_for_update(session)
    doomed = set(group_ids) & set(every)
    if not doomed:
        return
    if len(doomed) == len(every):
        raise LastGroup
    if await session.scalar(select(User.user_id).where(queries.among(User.group_id, doomed)).limit(1)) is not None:
        raise GroupHoldsUsers
    await session.execute(
        delete(UserGroup).where(queries.among(UserGroup.group_id, doomed)).execution_options(synchronize_session=False)
    )
