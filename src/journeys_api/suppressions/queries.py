"""SQL of suppressions."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Delete,
    Select,
    Text,
    bindparam,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.models import SubscriberList, Suppression, SuppressionSource
from journeys_api.suppressions.whitelist import Whitelist

Scope = tuple[int, int]
"""Owner and list of a suppression; list 0: the whole account, owner 0 as well: everybody."""
SYSTEM_WIDE: Scope = (0, 0)


def given_addresses(addresses: Collection[str]) -> Select[str]:
    """The addresses as rows; one parameter, however many there are."""
    texts = bindparam(None, list(addresses), type_=ARRAY(Text))
    return select(func.unnest(texts, type_=Text).column_valued("address"))


def within(owner_id: int | ColumnElement[int], list_id: int | ColumnElement[int]) -> ColumnElement[bool]:
    """The suppressions that a send to the list heeds: the list's own, its account's, everybody's (AC 7.5)."""
    return or_(
        (Suppression.owner_id == owner_id) & or_(Suppression.list_id == 0, Suppression.list_id == list_id),
        (Suppression.owner_id == 0) & (Suppression.list_id == 0),
    )


def is_suppressed(
    owner_id: int | ColumnElement[int], list_id: int | ColumnElement[int], email_column: Any
) -> ColumnElement[bool]:
    """Whether a send to the list would drop the address of a row; answered from the unique index."""
    return exists().where(Suppression.email_address == func.lower(email_column), within(owner_id, list_id))


def suppressed_among(addresses: Collection[str], *, owner_id: int, list_id: int) -> Select[str]:
    """Those of the addresses, as given, that a send to the list would drop."""
    given = given_addresses(addresses).subquery("given")
    return select(given.c.address).where(is_suppressed(owner_id, list_id, given.c.address))


def matches(addresses: Collection[str], *, owner_id: int, list_id: int) -> Select[str, Suppression]:
    """Every suppression of every address, narrowest scope first."""
    given = given_addresses(addresses).subquery("given")
    return (
        select(given.c.address, Suppression)
        .join(Suppression, Suppression.email_address == func.lower(given.c.address))
        .where(within(owner_id, list_id))
        .order_by(given.c.address, Suppression.list_id.desc(), Suppression.owner_id.desc())
    )


def sparing(addresses: Select[str], whitelist: Whitelist) -> Select[str]:
    """The addresses but those on a whitelist: one probe of a hash for all single ones, one pattern for all patterns."""
    given = addresses.subquery("given")
    address = func.lower(given.columns[0])
    kept = select(given.columns[0])
    if whitelist.addresses:
        listed = given_addresses(whitelist.addresses).subquery("listed")
        kept = kept.where(address.not_in(select(func.lower(listed.c.address))))
    if whitelist.pattern:
        kept = kept.where(address.bool_op("!~*")(literal(whitelist.pattern, Text)))
    return kept


def suppressing(
    addresses: Select[str], *, scopes: Collection[Scope], source: SuppressionSource, reason: str, now: datetime
) -> Insert:
    """Insert a suppression for each address and scope, where there is none yet."""
    chosen = addresses.subquery("chosen")
    address = func.lower(chosen.columns[0])
    scope = (
        func.unnest(
            literal([owner_id for owner_id, _ in scopes], ARRAY(Suppression.owner_id.type)),
            literal([list_id for _, list_id in scopes], ARRAY(Suppression.list_id.type)),
        )
        .table_valued("owner_id", "list_id", name="scope")
        .render_derived()
    )
    rows = (
        select(
            scope.c.owner_id,
            scope.c.list_id,
            address,
            literal(source, Suppression.source.type),
            literal(reason, Text),
            literal(now, Suppression.created_at.type),
        )
        .select_from(chosen)
        .join(scope, literal(True))
        .distinct()
        # in one order, so that two imports of the same addresses wait for each other instead of locking each other out
        .order_by(address, scope.c.owner_id, scope.c.list_id)
    )
    into = ["owner_id", "list_id", "email_address", "source", "reason", "created_at"]
    return insert(Suppression).from_select(into, rows).on_conflict_do_nothing()


def releasing(addresses: Select[str], *, scopes: Collection[Scope]) -> Delete:
    """Delete the suppressions of the addresses in exactly these scopes."""
    chosen = addresses.subquery("chosen")
    return delete(Suppression).where(
        tuple_(Suppression.owner_id, Suppression.list_id).in_(list(scopes)),
        Suppression.email_address.in_(select(func.lower(chosen.columns[0]))),
    )


def suppressions_in(scope: Scope) -> Select[Suppression]:
    """The suppressions of exactly one scope; system-wide ones belong to no account and are listed to none."""
    owner_id, list_id = scope
    return select(Suppression).where(Suppression.owner_id == owner_id, Suppression.list_id == list_id)


async def let_it_take_long(session: AsyncSession) -> None:
    """Lift the usual limit of a statement for the rest of the transaction."""
    await session.execute(text("SET LOCAL statement_timeout = '1h'"))


def owner_of_list(list_id: int) -> Select[int]:
    """Whose list it is; for administrators, who see every account's."""
    return select(SubscriberList.owner_id).where(SubscriberList.list_id == list_id)
