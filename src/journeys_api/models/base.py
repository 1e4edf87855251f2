"""What every table shares: names of constraints, types of columns, and how states are kept."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Enum, MetaData, Text
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """The one declarative base. Identities are BIGINT, instants timestamptz, texts TEXT without a length."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        int: BigInteger,
        str: Text,
        datetime: DateTime(timezone=True),
    }


def kept_as_text(states: type[StrEnum]) -> Enum:
    """A column type for a StrEnum: its values as text. Pair it with `one_of`, which makes the CHECK."""
    return Enum(
        states,
        native_enum=False,
        create_constraint=False,
        length=None,
        values_callable=lambda kind: [state.value for state in kind],
    )


def one_of(column: str, states: type[StrEnum]) -> CheckConstraint:
    """The CHECK that keeps `column` within the values of `states`."""
    allowed = ", ".join("'" + state.value.replace("'", "''") + "'" for state in states)
    return CheckConstraint(f"{column} IN ({allowed})", name=f"{column}_known")
