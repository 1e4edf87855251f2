"""What can be wrong with a list."""

from journeys_api.errors import DomainError


class ListNotFound(DomainError):
    """List not found"""


class ListLimitExceeded(DomainError):
    """The list limit of the user group is exceeded"""


class TemplateNotFound(DomainError):
    """The template of the confirmation email does not exist"""


class PhoneFieldNotFound(DomainError):
    """The field is neither this list's nor one of the account's global fields"""


class ConfirmationEmailNotFound(DomainError):
    """The confirmation email does not exist"""


class LinkedListNotFound(DomainError):
    """A list to subscribe to or to unsubscribe from does not exist"""


class OverviewTooLarge(DomainError):
    """Too much for one answer"""
