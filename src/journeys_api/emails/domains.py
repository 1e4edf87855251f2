"""Rules of sender domains."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.emails import queries
from journeys_api.emails.errors import SenderDomainLimitReached, SenderDomainNotFound
from journeys_api.models import DomainStatus, SenderDomain

LIMIT = 1000
"""Domains an account may have."""
LONGEST_NAME = 253  # RFC 1035, as text without the root's dot


def is_localhost(text: str) -> bool:
    """Whether the name stands for this very machine."""
    name = text.rstrip(".").lower()
    return name == "localhost" or name.endswith(".localhost")


def domain_name(text: str) -> str | None:
    """The domain as it is kept and compared: ASCII (IDNA), lower case; None when no address could be at it."""
    if len(text) > LONGEST_NAME:
        return None
    try:
        # what a sender's address may be is judged in one place, for addresses and for the domains they are made of
        valid = validate_email(f"a@{text}", check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return None
    return valid.ascii_domain.lower()


async def create_sender_domain(
    session: AsyncSession, *, owner_id: int, name: str, options: Mapping[str, Any], now: datetime
) -> SenderDomain:
    """Make a domain one of the account's senders, enabled at once: there is no DNS template to verify.

    A name the account has or had is the same record again, with these options.

    Args:
        name: as `domain_name` answers it.
        options: by wire name.

    Raises:
        SenderDomainLimitReached: the account has 1000 already.

    Source: AC 2.12.
    """
    await queries.lock_account(session, owner_id=owner_id)
    known = queries.sender_domains_ever(owner_id).where(func.lower(SenderDomain.name) == name)
    found = await session.scalar(known)
    is_new = found is None or found.status is DomainStatus.DELETED
    if is_new and await queries.count_sender_domains(session, owner_id=owner_id) >= LIMIT:
        raise SenderDomainLimitReached
    if found is None:
        found = SenderDomain(owner_id=owner_id, name=name, created_at=now, last_verified_at=None)
        session.add(found)
    found.status = DomainStatus.ENABLED
    found.options = dict(options)
    await session.flush()
    return found


async def get_sender_domain(session: AsyncSession, *, owner_id: int, domain_id: int) -> SenderDomain:
    """The account's sender domain.

    Raises:
        SenderDomainNotFound: no such domain in this account, or it is deleted.
    """
    found = await session.scalar(queries.owned_sender_domains(owner_id).where(SenderDomain.domain_id == domain_id))
    if found is None:
        raise SenderDomainNotFound
    return found


async def list_sender_domains(session: AsyncSession, *, owner_id: int) -> Sequence[SenderDomain]:
    """The account's sender domains, by id; there are never more than 1000."""
    return (await session.scalars(queries.owned_sender_domains(owner_id).order_by(SenderDomain.domain_id))).all()


async def is_enabled(session: AsyncSession, *, owner_id: int, name: str) -> bool:
    """Whether the account may send from the domain of this name."""
    known = domain_name(name)
    if known is None:
        return False
    statement = queries.owned_sender_domains(owner_id).where(
        func.lower(SenderDomain.name) == known, SenderDomain.status == DomainStatus.ENABLED
    )
    return await session.scalar(statement.with_only_columns(SenderDomain.domain_id)) is not None


async def delete_sender_domain(session: AsyncSession, *, owner_id: int, domain_id: int) -> None:
    """Stop the account from sending from the domain; the record is kept, to be revived under its id.

    Raises:
        SenderDomainNotFound: no such domain in this account, or it is deleted already.
    """
    statement = queries.owned_sender_domains(owner_id).where(SenderDomain.domain_id == domain_id)
    found = await session.scalar(statement.with_for_update())
    if found is None:
        raise SenderDomainNotFound
    found.status = DomainStatus.DELETED
    await session.flush()
