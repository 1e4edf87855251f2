"""What can be wrong with a list."""

from journeys_api.errors import DomainError


class ListNotFound(DomainError):
    """List not found"""


class ListLimitExceeded(DomainError):
    """The list limit of the user group is exceeded"""
