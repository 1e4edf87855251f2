"""The commands of email contents (AC 2.8): `/api.php` only, no permission of their own."""

from journeys_api.emails import domain_commands

DECLARED_BESIDE = (domain_commands,)
"""The noun's other commands; the catalog imports this module and with it them."""
