"""The commands of subscribers (AC 2.5, 2.6); importing this module declares them all."""

from journeys_api.subscribers import audience_commands, history_commands, signup_commands, single_commands

MODULES = (audience_commands, history_commands, signup_commands, single_commands)
