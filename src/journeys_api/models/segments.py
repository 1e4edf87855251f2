"""Segments: named criteria over the subscribers of one list."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Identity, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from journeys_api.models.base import Base


class Segment(Base):
    """Some of a list's subscribers, by rule. Who they are is worked out whenever it is asked."""

    __tablename__ = "segments"
    __table_args__ = (
        CheckConstraint("operator IN ('and', 'or')", name="operator_known"),
        Index("ix_segments_list_id", "owner_id", "list_id", func.lower(text("name"))),
        # for the cascade of the list's key
        Index("ix_segments_of_list", "list_id"),
    )

    segment_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"))
    list_id: Mapped[int] = mapped_column(ForeignKey("lists.list_id", ondelete="CASCADE"))
    name: Mapped[str]
    operator: Mapped[str] = mapped_column(server_default=text("'and'"))
    """The outermost connector of the rules."""
    rules: Mapped[list[Any]] = mapped_column(JSON, server_default=text("'[]'"))
    """RulesJson, as checked when it was saved; empty: the whole list."""
    is_random: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether only a sample of the matching people belongs to it, always the same people."""
    random_size: Mapped[int] = mapped_column(server_default=text("0"))
    """How many the sample has; 0: all."""
    subscriber_count: Mapped[int | None]
    """How many belonged to it when they were counted last."""
    counted_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
