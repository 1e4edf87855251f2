"""dramatiq: messages in Redis, prefetched by a process and worked off by its threads.

As its command line does by default, each process has eight threads and prefetches two messages for each.
"""

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from psycopg_pool import ConnectionPool

from step import NAMED_STEP, Asked, begin, block_stop, main

THREADS = 8


def enqueue(asked: Asked) -> None:
    """A message for each of the people."""
    broker = RedisBroker(url=asked.store)
    broker.declare_queue("default")
    for each in asked.people:
        broker.enqueue(dramatiq.Message("default", "step", (each,), {}, {}))


def work(asked: Asked) -> None:
    """A worker, until a signal comes."""
    wait_for_stop = block_stop()
    broker = RedisBroker(url=asked.store)
    pool = ConnectionPool(asked.database, min_size=THREADS, max_size=THREADS, kwargs={"autocommit": True}, open=True)
    pool.wait()

    @dramatiq.actor(actor_name="step", broker=broker)
    def step(enrollment_id: int) -> None:
        with pool.connection() as connection:
            connection.execute(NAMED_STEP, {"enrollment_id": enrollment_id})

    worker = dramatiq.Worker(broker, worker_threads=THREADS)
    begin()
    worker.start()
    wait_for_stop()
    worker.stop()
    pool.close()


if __name__ == "__main__":
    main(enqueue, work)
