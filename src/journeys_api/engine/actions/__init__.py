"""What each action type does; importing this package fills `registry.RUNS`."""

from journeys_api.engine.actions import branches, exits, messages, people, waits

MODULES = (branches, exits, messages, people, waits)
