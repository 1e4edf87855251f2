"""DBOS as in `dbos_steps.py`, with all steps in sixteen long workflows: what it costs to start one matters less."""

from dbos_steps import enqueue_walks, work
from step import Asked, main

WORKFLOWS = 16


def enqueue(asked: Asked) -> None:
    """So many workflows, whose steps are all of the people."""
    enqueue_walks(asked, (asked.people[place::WORKFLOWS] for place in range(WORKFLOWS)))


if __name__ == "__main__":
    main(enqueue, work)
