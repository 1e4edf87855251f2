"""What can be wrong with an email, a sender domain or an SMS gateway."""

from collections.abc import Sequence

from journeys_api.emails.content import Problem
from journeys_api.errors import DomainError


class EmailNotFound(DomainError):
    """Email not found"""


class ContentRefused(DomainError):
    """The content does not fit the scope it was to be validated for"""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__()
        self.problems = tuple(problems)


class AnswerTooLarge(DomainError):
    """The contents asked for are too large for one answer"""


class SenderDomainUnusable(DomainError):
    """The sender domain is not an enabled one of the account"""


class SenderDomainNotFound(DomainError):
    """Sender domain not found"""


class SenderDomainLimitReached(DomainError):
    """Sender domain limit reached for your account"""


class GatewayNotFound(DomainError):
    """SMS gateway not found"""


class GatewayUserNotFound(DomainError):
    """A user that is to use the SMS gateway does not exist"""
