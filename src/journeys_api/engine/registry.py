"""Which code an action type runs."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.engine.flows import Flow, FlowAction
from journeys_api.engine.people import Crowd, Moves


@dataclass(frozen=True)
class Standing:
    """Where a batch of people stands, and in which transaction."""

    session: AsyncSession
    flow: Flow
    action: FlowAction
    now: datetime

    @property
    def owner_id(self) -> int:
        """The account of the journey and of everybody in it."""
        return self.flow.owner_id


class StepFailed(Exception):
    """The action cannot be done for these people now; the text is the reason that the history keeps."""


Run = Callable[[Standing, Crowd, Any], Awaitable[Moves]]
"""`parameters` is the typed model of the action type."""

RUNS: dict[str, Run] = {}
"""Action type → its code; filled by importing `journeys_api.engine.actions`."""


WITHOUT_SQL: set[str] = set()
"""Action types that leave the database alone: should one fail, there is nothing to undo."""


READING_OUTBOX: set[str] = set()
"""Action types that must find in the outbox what earlier actions of the batch owe."""


def action(*names: str, uses_sql: bool = True, reads_outbox: bool = False) -> Callable[[Run], Run]:
    """Declare the decorated coroutine as what one or more action types do."""

    def declare(run: Run) -> Run:
        for name in names:
            if name in RUNS:
                raise ValueError(f"{name} is declared twice")
            RUNS[name] = run
            if not uses_sql:
                WITHOUT_SQL.add(name)
            if reads_outbox:
                READING_OUTBOX.add(name)
        return run

    return declare
