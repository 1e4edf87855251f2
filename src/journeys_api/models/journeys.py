"""Journeys and their action trees, with the pointers that the engine follows instead of walking the tree."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from journeys_api.models.base import Base, kept_as_text, one_of


class JourneyStatus(StrEnum):
    """Whether subscribers enter and move."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"


class Journey(Base):
    """What lets subscribers in, and the first action they come to. With `deleted_at` it is as good as absent."""

    __tablename__ = "journeys"
    __table_args__ = (
        one_of("status", JourneyStatus),
        CheckConstraint("run_criteria_operator IN ('and', 'or')", name="run_criteria_operator_known"),
        # listing an account's journeys
        Index("ix_journeys_owner_id", "owner_id", "journey_id", postgresql_where=text("deleted_at IS NULL")),
        # matching an event: the enabled journeys of an account with one trigger
        Index(
            "ix_journeys_owner_id_trigger",
            "owner_id",
            "trigger",
            postgresql_where=text("deleted_at IS NULL AND status = 'Enabled'"),
        ),
    )

    journey_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"))
    name: Mapped[str]
    notes: Mapped[str] = mapped_column(server_default=text("''"))
    trigger: Mapped[str] = mapped_column(server_default=text("'Manual'"))
    """Canonical name of the trigger, such as `ListSubscription`."""
    trigger_parameters: Mapped[dict[str, Any]] = mapped_column(JSON, server_default=text("'{}'"))
    """Wire shape of `TriggerParameters`: `ListID` or `ListIDs`, `EmailID`, `Value`, `Criteria`."""
    run_criteria: Mapped[list[Any]] = mapped_column(JSON, server_default=text("'[]'"))
    """RulesJson; empty: everybody."""
    run_criteria_operator: Mapped[str] = mapped_column(server_default=text("'and'"))
    rate_limit_per_hour: Mapped[int] = mapped_column(server_default=text("0"))
    rate_limit_per_day: Mapped[int] = mapped_column(server_default=text("0"))
    status: Mapped[JourneyStatus] = mapped_column(kept_as_text(JourneyStatus), server_default=text("'Disabled'"))
    first_action_id: Mapped[int | None]
    """The first published action; None: whoever enters completes at once."""
    flow_version: Mapped[int] = mapped_column(server_default=text("0"))
    """Grows with every change of the action tree."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class JourneyAction(Base):
    """One node of a journey's action tree. A removed one keeps its row, and with it its history and statistics."""

    __tablename__ = "journey_actions"
    __table_args__ = (
        CheckConstraint("branch IN ('', 'true', 'false')", name="branch_known"),
        CheckConstraint("(parent_action_id IS NULL) = (branch = '')", name="branch_whole"),
        Index("ix_journey_actions_journey_id", "journey_id", "order_no"),
        Index("ix_journey_actions_owner_id", "owner_id"),
        # secrets that an older release stored; empty once a worker has sealed them
        Index(
            "ix_journey_actions_clear_secrets",
            "action_id",
            postgresql_where=text(
                "action = 'Webhook' AND (parameters #>> '{WebhookSecurity,SecretKey}') <> '' "
                "AND (parameters #>> '{WebhookSecurity,SecretKey}') NOT LIKE 'sealed:1:%'"
            ),
        ),
    )

    action_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    owner_id: Mapped[int]
    journey_id: Mapped[int] = mapped_column(ForeignKey("journeys.journey_id", ondelete="CASCADE"))
    parent_action_id: Mapped[int | None]
    """The Decision or YesNo that the action stands in; None: it stands in the journey itself."""
    branch: Mapped[str] = mapped_column(server_default=text("''"))
    """Which side of the parent: `true` (True, Yes), `false` (False, No), empty without a parent."""
    order_no: Mapped[int]
    """Place in the depth-first sequence of the whole tree, from 1."""
    action: Mapped[str]
    """Canonical name of the action type, such as `SendEmail`."""
    parameters: Mapped[dict[str, Any]] = mapped_column(JSON, server_default=text("'{}'"))
    """Wire shape of `ActionParameters`, canonical names, without branches."""
    notes: Mapped[str] = mapped_column(server_default=text("''"))
    is_published: Mapped[bool] = mapped_column(server_default=text("false"))
    next_action_id: Mapped[int | None]
    """The next published action, also beyond the end of a branch; None: the end of the journey."""
    true_action_id: Mapped[int | None]
    """For a Decision: the first published action of its True side, or where the flow goes on when that has none."""
    false_action_id: Mapped[int | None]
    created_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]
    successor_action_id: Mapped[int | None]
    """Of a removed action: the present one that its people go on at; None: their pass ends."""
