"""The audience: lists, their subscribers, custom fields and tags, and the addresses that must not be written to."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    PrimaryKeyConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from journeys_api.models.base import Base, kept_as_text, one_of


class OptInMode(StrEnum):
    """Whether a subscription counts at once or after the confirmation link was followed."""

    SINGLE = "Single"
    DOUBLE = "Double"


class SubscriptionStatus(StrEnum):
    """Whether the list may write to the subscriber."""

    SUBSCRIBED = "Subscribed"
    UNSUBSCRIBED = "Unsubscribed"
    OPT_IN_PENDING = "Opt-In Pending"
    OPT_OUT_PENDING = "Opt-Out Pending"


class BounceType(StrEnum):
    """What the subscriber's mail server said last; an axis of its own beside the status."""

    NOT_BOUNCED = "Not Bounced"
    SOFT = "Soft"
    HARD = "Hard"


class SuppressionSource(StrEnum):
    """Why an address is suppressed."""

    ADMINISTRATOR = "Administrator"
    USER = "User"
    SPAM_COMPLAINT = "SPAM complaint"
    HARD_BOUNCED = "Hard Bounced"
    UNSUBSCRIBE = "Unsubscribe"


class SubscriberList(Base):
    """A list of subscribers; subscribers, fields and tags belong to exactly one."""

    __tablename__ = "lists"
    __table_args__ = (one_of("opt_in_mode", OptInMode),)

    list_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default=text("''"))
    opt_in_mode: Mapped[OptInMode] = mapped_column(kept_as_text(OptInMode), server_default=text("'Single'"))
    opt_in_confirmation_email_id: Mapped[int] = mapped_column(server_default=text("0"))
    """The email that asks for the confirmation; 0: the plain default mail."""
    sender_name: Mapped[str] = mapped_column(server_default=text("''"))
    sender_email_address: Mapped[str] = mapped_column(server_default=text("''"))
    sender_company: Mapped[str] = mapped_column(server_default=text("''"))
    sender_address: Mapped[str] = mapped_column(server_default=text("''"))
    opt_out_scope: Mapped[str] = mapped_column(server_default=text("'This list'"))
    opt_out_subscribe_to: Mapped[int] = mapped_column(server_default=text("0"))
    opt_out_unsubscribe_from: Mapped[int] = mapped_column(server_default=text("0"))
    opt_in_subscribe_to: Mapped[int] = mapped_column(server_default=text("0"))
    opt_in_unsubscribe_from: Mapped[int] = mapped_column(server_default=text("0"))
    opt_out_add_to_suppression_list: Mapped[bool] = mapped_column(server_default=text("false"))
    opt_out_add_to_global_suppression_list: Mapped[bool] = mapped_column(server_default=text("false"))
    phone_field_id: Mapped[int] = mapped_column(server_default=text("0"))
    """The custom field that holds the subscriber's telephone number; 0: none."""
    options: Mapped[dict[str, Any]] = mapped_column(JSON, server_default=text("'{}'"))
    attributes: Mapped[dict[str, Any]] = mapped_column(JSON, server_default=text("'{}'"))
    """The vendor's other list settings (page URLs, notifications, sync), by their wire names; kept and answered."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]


class Subscriber(Base):
    """One person on one list. The owner leads the key, so that the table can be distributed by it."""

    __tablename__ = "subscribers"
    __table_args__ = (
        PrimaryKeyConstraint("owner_id", "subscriber_id"),
        one_of("status", SubscriptionStatus),
        one_of("bounce_type", BounceType),
        Index(
            "uq_subscribers_list_id_email_address",
            "owner_id",
            "list_id",
            func.lower(text("email_address")),
            unique=True,
        ),
        # counts by status are answered from this index alone; a list of ten million costs some seconds
        Index("ix_subscribers_list_id_status", "owner_id", "list_id", "status", "bounce_type"),
        # whoever comes after some id on a list: people are drawn at random by it, and a list's are deleted with it
        Index("ix_subscribers_list_id_subscriber_id", "list_id", "subscriber_id"),
        # whose value of a unique field it is, without reading the list; every change of a value is a new row version
        # in all indexes for it, and the entries themselves are put in by the batch
        Index(
            "ix_subscribers_custom_values",
            "custom_values",
            postgresql_using="gin",
            postgresql_ops={"custom_values": "jsonb_path_ops"},
        ),
        # whose address has this hash (website events); four bytes an entry, where the hash itself would take 32
        Index(
            "ix_subscribers_address_sha256",
            text(r"sha256(CAST(replace(email_address, '\', '\\') AS bytea))"),
            postgresql_using="hash",
        ),
    )

    subscriber_id: Mapped[int] = mapped_column(Identity())
    owner_id: Mapped[int]
    list_id: Mapped[int] = mapped_column(ForeignKey("lists.list_id", ondelete="CASCADE"))
    email_address: Mapped[str]
    """As it was given; compared without case."""
    status: Mapped[SubscriptionStatus] = mapped_column(kept_as_text(SubscriptionStatus))
    bounce_type: Mapped[BounceType] = mapped_column(kept_as_text(BounceType), server_default=text("'Not Bounced'"))
    soft_bounce_count: Mapped[int] = mapped_column(server_default=text("0"))
    """In a row: whatever the person opens or clicks ends it, at the next one."""
    soft_bounced_at: Mapped[datetime | None]
    subscribed_at: Mapped[datetime | None]
    subscription_ip: Mapped[str] = mapped_column(server_default=text("''"))
    unsubscribed_at: Mapped[datetime | None]
    unsubscription_ip: Mapped[str] = mapped_column(server_default=text("''"))
    opted_in_at: Mapped[datetime | None]
    source: Mapped[str] = mapped_column(server_default=text("'API'"))
    source_ref: Mapped[str] = mapped_column(server_default=text("''"))
    custom_values: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'"))
    """Custom field id (as text) → value (as text); a field without a value is absent."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class GlobalValues(Base):
    """Values of the account-wide custom fields of one address, shared by all lists of the owner."""

    __tablename__ = "global_values"
    __table_args__ = (
        PrimaryKeyConstraint("owner_id", "email_address"),
        Index(
            "ix_global_values_custom_values",
            "custom_values",
            postgresql_using="gin",
            postgresql_ops={"custom_values": "jsonb_path_ops"},
        ),
    )

    owner_id: Mapped[int] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"))
    email_address: Mapped[str]
    """In lower case."""
    custom_values: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'"))


class CustomField(Base):
    """A field that subscribers of a list (or, list 0, of the whole account) may have a value for."""

    __tablename__ = "custom_fields"
    __table_args__ = (
        Index(
            "uq_custom_fields_merge_tag_alias",
            "owner_id",
            "list_id",
            func.lower(text("merge_tag_alias")),
            unique=True,
            postgresql_where=text("merge_tag_alias <> ''"),
        ),
        Index("ix_custom_fields_list_id", "owner_id", "list_id"),
    )

    field_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"))
    list_id: Mapped[int]
    """0 for a global field; its values live in `global_values`."""
    field_name: Mapped[str]
    field_type: Mapped[str]
    data_type: Mapped[str] = mapped_column(server_default=text("''"))
    default_value: Mapped[str] = mapped_column(server_default=text("''"))
    choices: Mapped[list[dict[str, Any]]] = mapped_column(JSON, server_default=text("'[]'"))
    """`[{"label": text, "value": text, "selected": bool}]` for the choice types."""
    validation_method: Mapped[str] = mapped_column(server_default=text("'Disabled'"))
    validation_rule: Mapped[str] = mapped_column(server_default=text("''"))
    merge_tag_alias: Mapped[str] = mapped_column(server_default=text("''"))
    is_required: Mapped[bool] = mapped_column(server_default=text("false"))
    is_unique: Mapped[bool] = mapped_column(server_default=text("false"))
    is_unique_identifier: Mapped[bool] = mapped_column(server_default=text("false"))
    visibility: Mapped[str] = mapped_column(server_default=text("'User Only'"))
    years: Mapped[str] = mapped_column(server_default=text("''"))
    meta: Mapped[dict[str, Any]] = mapped_column(JSON, server_default=text("'{}'"))
    created_at: Mapped[datetime]


class Tag(Base):
    """A tag of one list. Names are kept as sent and compared without case."""

    __tablename__ = "tags"
    __table_args__ = (
        Index("uq_tags_list_id_name", "owner_id", "list_id", func.lower(text("name")), unique=True),
        Index("ix_tags_list_id", "list_id"),
    )

    tag_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    owner_id: Mapped[int]
    list_id: Mapped[int] = mapped_column(ForeignKey("lists.list_id", ondelete="CASCADE"))
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default=text("''"))
    created_at: Mapped[datetime]


class SubscriberTag(Base):
    """A subscriber carries a tag."""

    __tablename__ = "subscriber_tags"
    __table_args__ = (
        PrimaryKeyConstraint("owner_id", "subscriber_id", "tag_id"),
        ForeignKeyConstraint(
            ["owner_id", "subscriber_id"],
            ["subscribers.owner_id", "subscribers.subscriber_id"],
            ondelete="CASCADE",
        ),
        Index("ix_subscriber_tags_tag_id", "tag_id", "subscriber_id"),
    )

    owner_id: Mapped[int]
    subscriber_id: Mapped[int]
    tag_id: Mapped[int] = mapped_column(ForeignKey("tags.tag_id", ondelete="CASCADE"))
    tagged_at: Mapped[datetime]


class Suppression(Base):
    """An address that must not be written to: by a list, by an account (list 0), or by anybody (owner 0, list 0)."""

    __tablename__ = "suppressions"
    __table_args__ = (
        one_of("source", SuppressionSource),
        CheckConstraint("owner_id > 0 OR list_id = 0", name="scope_whole"),
        CheckConstraint("email_address = lower(email_address)", name="address_lower"),
        Index("uq_suppressions_scope_email_address", "email_address", "owner_id", "list_id", unique=True),
        Index("ix_suppressions_owner_id", "owner_id", "list_id", "email_address"),
    )

    suppression_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    owner_id: Mapped[int]
    """No foreign key: 0 stands for every account."""
    list_id: Mapped[int]
    email_address: Mapped[str]
    """In lower case."""
    source: Mapped[SuppressionSource] = mapped_column(kept_as_text(SuppressionSource))
    reason: Mapped[str] = mapped_column(server_default=text("''"))
    created_at: Mapped[datetime]
