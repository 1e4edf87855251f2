"""Celery: messages in Redis, prefetched by one process and worked off by its children.

As "Optimizing" has it for many short tasks: a high prefetch multiplier. The pool is the default, prefork, with more
children than cores, since they wait for the database; results are ignored, and nothing is said to other workers.
"""

from typing import Any

import psycopg
from celery import Celery, bootsteps, signals

from step import NAMED_STEP, Asked, begin, main

CHILDREN = 4
PREFETCHED = 128
"""By each child."""
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING")


class Begin(bootsteps.StartStopStep):
    """The children are there, and nothing has been asked for: the moment to say so, and to wait for the word."""

    requires = ("celery.worker.components:Pool",)

    def start(self, worker: Any) -> None:
        """As `step.begin`."""
        begin()


def app_of(asked: Asked) -> Celery:
    """The application."""
    app = Celery(broker=asked.store)
    app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=PREFETCHED)
    return app


def enqueue(asked: Asked) -> None:
    """A message for each of the people."""
    app = app_of(asked)
    with app.producer_pool.acquire(block=True) as producer:
        for each in asked.people:
            app.send_task("step", (each,), producer=producer)


def work(asked: Asked) -> None:
    """A worker and its children, until a signal comes."""
    app = app_of(asked)
    app.steps["worker"].add(Begin)
    connections: list[psycopg.Connection] = []

    @signals.worker_process_init.connect(weak=False)
    def connect(**_: object) -> None:
        connections.append(psycopg.connect(asked.database, autocommit=True))

    @app.task(name="step")
    def step(enrollment_id: int) -> None:
        connections[0].execute(NAMED_STEP, {"enrollment_id": enrollment_id})

    app.worker_main(["worker", f"--concurrency={CHILDREN}", *QUIET])


if __name__ == "__main__":
    main(enqueue, work)
