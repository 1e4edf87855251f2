"""Rules of suppressions: who must not be written to, and by whom."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, Select, func, select, union_all
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.accounts import service as accounts
from journeys_api.lists import service as lists
from journeys_api.lists.errors import ListNotFound
from journeys_api.models import Suppression, SuppressionSource
from journeys_api.suppressions import queries
from journeys_api.suppressions.errors import AddressNotSuppressed
from journeys_api.suppressions.queries import SYSTEM_WIDE as SYSTEM_WIDE
from journeys_api.suppressions.queries import Scope as Scope
from journeys_api.suppressions.whitelist import read_whitelist

MOST_REASON = 250
MANY = 50_000
"""Addresses of one statement that may take longer than a statement usually may: some ten seconds for a million."""


def is_suppressed_condition(
    owner_id: int | ColumnElement[int], list_id: int | ColumnElement[int], email_column: Any
) -> ColumnElement[bool]:
    """Whether a send to the list would drop the row's address: a condition for use inside queries.

    Args:
        email_column: the address as stored; its case does not matter.

    Source: AC 7.5, the full matrix of owner and list.
    """
    return queries.is_suppressed(owner_id, list_id, email_column)


async def suppressed(session: AsyncSession, *, owner_id: int, list_id: int, addresses: Collection[str]) -> set[str]:
    """Those of the addresses, in lower case, that a send to the list would drop.

    Source: AC 7.5.
    """
    if not addresses:
        return set()
    statement = queries.suppressed_among(addresses, owner_id=owner_id, list_id=list_id)
    # lowered here, as the caller lowers: PostgreSQL's lower() may differ in rare letters
    return {address.lower() for address in await session.scalars(statement)}


async def suppressing(
    session: AsyncSession,
    addresses: Select[str],
    *,
    owner_id: int,
    scopes: Collection[Scope],
    source: SuppressionSource,
    reason: str,
    now: datetime,
) -> Insert:
    """The statement that suppresses the selected addresses; for use as a part of another statement.

    Args:
        addresses: one column of addresses, in any case.
        owner_id: the account that they are suppressed for or by: what it has whitelisted is spared, in every scope.
        scopes: (owner, list) pairs; (owner, 0) is the whole account, (0, 0) every account.

    Source: AC 2.11, 7.5.
    """
    whitelists = await accounts.whitelists_of(session, owner_ids=[owner_id])
    chosen = _spared(addresses, whitelists.get(owner_id))
    return queries.suppressing(chosen, scopes=scopes, source=source, reason=reason[:MOST_REASON], now=now)


async def scope_of(session: AsyncSession, *, owner_id: int, list_id: int) -> Scope:
    """The scope that an account means by a list id; 0: the whole account.

    Raises:
        ListNotFound: no such list in this account.
    """
    if list_id:
        await lists.get_list(session, owner_id=owner_id, list_id=list_id)
    return owner_id, list_id


async def scope_of_any(session: AsyncSession, *, list_id: int) -> Scope:
    """The scope that an administrator means by a list id; 0: every account.

    Raises:
        ListNotFound: no such list in any account.
    """
    if not list_id:
        return SYSTEM_WIDE
    owner_id = await session.scalar(queries.owner_of_list(list_id))
    if owner_id is None:
        raise ListNotFound
    return owner_id, list_id


async def suppress(
    session: AsyncSession,
    *,
    scope: Scope,
    addresses: Mapping[int, Collection[str]],
    source: SuppressionSource,
    reason: str,
    now: datetime,
) -> int:
    """Suppress addresses in one scope, in one statement; how many are new.

    Args:
        addresses: by the account that they are suppressed for or by: what it has whitelisted is spared, in every
            scope. 0: an administrator, who has no whitelist.

    Source: AC 2.11, 7.5.
    """
    given = {owner_id: found for owner_id, found in addresses.items() if found}
    if not given:
        return 0
    if sum(map(len, given.values())) > MANY:
        await queries.let_it_take_long(session)
    whitelists = await accounts.whitelists_of(session, owner_ids=given.keys())
    chosen = [_spared(queries.given_addresses(found), whitelists.get(owner_id)) for owner_id, found in given.items()]
    every = chosen[0] if len(chosen) == 1 else select(union_all(*chosen).subquery("every").c.address)
    statement = queries.suppressing(every, scopes=[scope], source=source, reason=reason[:MOST_REASON], now=now)
    return await _rows_changed(session, statement)


def _spared(addresses: Select[str], whitelist: str | None) -> Select[str]:
    return addresses if whitelist is None else queries.sparing(addresses, read_whitelist(whitelist))


async def release(session: AsyncSession, *, scopes: Collection[Scope], addresses: Select[str]) -> int:
    """Delete the suppressions of the selected addresses in exactly these scopes; how many there were."""
    return await _rows_changed(session, queries.releasing(addresses, scopes=scopes))


async def release_addresses(session: AsyncSession, *, scope: Scope, addresses: Collection[str]) -> int:
    """Delete the suppressions of the addresses in exactly this scope; how many there were."""
    return await release(session, scopes=[scope], addresses=queries.given_addresses(addresses))


async def release_address(session: AsyncSession, *, scope: Scope, address: str) -> None:
    """Delete the suppression of one address in exactly this scope.

    Raises:
        AddressNotSuppressed: there is none.
    """
    if not await release_addresses(session, scope=scope, addresses=[address]):
        raise AddressNotSuppressed


@dataclass(frozen=True)
class Page:
    """A page of suppressions, and how many there are."""

    total: int
    suppressions: Sequence[Suppression]


async def browse(
    session: AsyncSession,
    *,
    scope: Scope,
    pattern: str,
    sources: Collection[SuppressionSource],
    start: int,
    count: int,
) -> Page:
    """The suppressions of exactly one scope, by address.

    Args:
        pattern: addresses to find, in any case; `*` stands for any text, empty for all.
        sources: only these; none: all.

    Source: AC 2.11, 7.5: a scope is matched exactly, unlike in a check.
    """
    statement = queries.suppressions_in(scope)
    if pattern.strip("*"):
        like = pattern.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("*", "%")
        statement = statement.where(Suppression.email_address.like(like, escape="\\"))
    if sources:
        statement = statement.where(Suppression.source.in_(sources))
    total = await session.scalar(select(func.count()).select_from(statement.subquery()))
    page = statement.order_by(Suppression.email_address).offset(start).limit(count)
    return Page(total or 0, (await session.scalars(page)).all())


async def matches_of(
    session: AsyncSession, *, owner_id: int, list_id: int, addresses: Collection[str]
) -> dict[str, list[Suppression]]:
    """Every suppression that a send to the list heeds, by the address as given; narrowest scope first.

    Args:
        list_id: 0: no list, only what holds for the account and for everybody.
    """
    found: dict[str, list[Suppression]] = {address: [] for address in addresses}
    for address, suppression in await session.execute(queries.matches(addresses, owner_id=owner_id, list_id=list_id)):
        found[address].append(suppression)
    return found


async def _rows_changed(session: AsyncSession, statement: Any) -> int:
    # without telling the session, which would fetch the id of every row
    result = await session.execute(statement, execution_options={"synchronize_session": False})
    return cast("CursorResult[Any]", result).rowcount
