"""DBOS: a durable workflow of one step for each of the people, on a queue in PostgreSQL.

As "Queues & Concurrency" and "Configuration" have it: a limit of what a worker takes at a time, threads and connections
for as many, and a queue that is asked far more often than once a second. The step is a plain one: transactions of its
data source, which record the step together with what it did, took longer.
"""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from dbos import DBOS, DBOSClient, DBOSConfig
from psycopg_pool import ConnectionPool

from step import NAMED_STEP, Asked, begin, block_stop, main

QUEUE = "walks"
VERSION = "1"
CONCURRENCY = 32
POLLING_SECONDS = 0.05


def config_of(asked: Asked) -> DBOSConfig:
    """For a process that has a name of its own."""
    return {
        "name": "benchmark",
        "system_database_url": asked.database,
        "application_version": VERSION,
        "executor_id": str(os.getpid()),
        "max_executor_threads": CONCURRENCY,
        "sys_db_pool_size": CONCURRENCY,
        "log_level": "WARNING",
    }


def enqueue_walks(asked: Asked, walks: Iterable[Sequence[int]]) -> None:
    """A workflow for each group of people. The queue is shut until everybody is up."""
    DBOS(config=config_of(asked))
    DBOS.launch()
    DBOS.register_queue(QUEUE, worker_concurrency=0, polling_interval_sec=POLLING_SECONDS)
    DBOS.destroy()
    client = DBOSClient(system_database_url=asked.database)
    with ThreadPoolExecutor(4) as pool:
        options = {"workflow_name": "walk", "queue_name": QUEUE, "app_version": VERSION}
        list(pool.map(lambda people: client.enqueue(options, list(people)), walks))
    client.destroy()


def enqueue(asked: Asked) -> None:
    """A workflow for each of the people."""
    enqueue_walks(asked, ([each] for each in asked.people))


def work(asked: Asked) -> None:
    """A worker, until a signal comes."""
    wait_for_stop = block_stop()
    pool = ConnectionPool(asked.database, min_size=16, max_size=16, kwargs={"autocommit": True}, open=True)
    pool.wait()

    @DBOS.step(name="step")
    def step(enrollment_id: int) -> None:
        with pool.connection() as connection:
            connection.execute(NAMED_STEP, {"enrollment_id": enrollment_id})

    @DBOS.workflow(name="walk")
    def walk(people: list[int]) -> None:
        for each in people:
            step(each)

    DBOS(config=config_of(asked))
    DBOS.launch()
    begin()
    DBOS.retrieve_queue(QUEUE).set_worker_concurrency(CONCURRENCY)
    wait_for_stop()
    DBOS.destroy()
    pool.close()


if __name__ == "__main__":
    main(enqueue, work)
