"""Signs of life of engines: who works, and how many people were looked at lately. Figures for operators, no promise."""

from datetime import timedelta
from time import monotonic
from uuid import uuid4

from sqlalchemy import text

from journeys_api.db import Sessions

EVERY = 5.0
"""Seconds between two beats of an engine."""
KEPT = timedelta(minutes=10)

_BEAT = text("INSERT INTO worker_beats (worker_id, beat_at, moved) VALUES (:worker, now(), :moved)")
_FORGET = text("DELETE FROM worker_beats WHERE beat_at < now() - CAST(:kept AS interval)")


class Beats:
    """Those of one engine. By the database's clock whatever the engine's own is: they tell who is alive now."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._worker_id = uuid4()
        self._told = 0
        self._at = -EVERY

    async def tell(self, moved: int) -> None:
        """Write down a sign of life when it is time for one.

        Args:
            moved: how many people the engine has looked at since it began.
        """
        if monotonic() - self._at < EVERY:
            return
        async with self._sessions.begin() as session:
            await session.execute(_BEAT, {"worker": self._worker_id, "moved": moved - self._told})
            await session.execute(_FORGET, {"kept": KEPT})
        self._at, self._told = monotonic(), moved
