"""What the scripts of the peers share: the step that a job does, and the way they are asked and begin.

A script is run as `<name>_steps.py enqueue|work DATABASE STORE FIRST LAST`: the former leaves a job for each of the
people first … last, the latter is a worker process as in production, which goes on until it is told to stop. Whoever
started it reads from the database what was done, and when.
"""

import asyncio
import inspect
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

STEP = """
WITH moved AS (
    UPDATE enrollments SET action_id = action_id + 1, due_at = due_at + interval '1 day', seq = seq + 1
    WHERE owner_id = 1 AND enrollment_id = $1 RETURNING owner_id, enrollment_id, seq, action_id
)
INSERT INTO steps (owner_id, enrollment_id, seq, action_id, at, outcome)
SELECT owner_id, enrollment_id, seq, action_id - 1, now(), 'done' FROM moved
"""
NAMED_STEP = STEP.replace("$1", "%(enrollment_id)s")
"""The same for psycopg, which has its own placeholders."""

_TELLING = os.dup(1)
os.dup2(2, 1)  # what libraries print is for the log


@dataclass(frozen=True)
class Asked:
    """What the command line says."""

    database: str
    """Address of the PostgreSQL, as its library reads it."""
    store: str
    """Address of the store that speaks Redis' protocol."""
    first: int
    last: int

    @property
    def people(self) -> range:
        """Whose turn it is."""
        return range(self.first, self.last + 1)


def begin() -> None:
    """Say that everything is up, and wait for the word: so the processes begin at once, and no start is measured."""
    os.write(_TELLING, b"ready\n")
    os.read(0, 1)


def block_stop() -> Callable[[], object]:
    """Keep the signal that ends us waiting; what is answered returns once it has come. For libraries with threads."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    return partial(signal.sigwait, {signal.SIGTERM})


def main(enqueue: Callable[[Asked], object], work: Callable[[Asked], object]) -> None:
    """Do what the command line says; either may be a coroutine function."""
    what, database, store, first, last = sys.argv[1:]
    outcome = {"enqueue": enqueue, "work": work}[what](Asked(database, store, int(first), int(last)))
    if inspect.iscoroutine(outcome):
        asyncio.run(outcome)
