"""What can be wrong with accounts, groups, keys and logins."""

from journeys_api.errors import DomainError


class LoginRefused(DomainError):
    """Invalid login information"""


class UserNotFound(DomainError):
    """User not found"""


class NotOwnAccount(DomainError):
    """User can only update their own account"""


class UsernameTaken(DomainError):
    """Username already exists"""


class EmailAddressTaken(DomainError):
    """Email address already exists"""


class PasswordUnfit(DomainError):
    """A password has 1 to 1024 bytes"""


class GroupNotFound(DomainError):
    """User group not found"""


class CurrencyCounted(DomainError):
    """Revenue was counted in another currency"""


class LastGroup(DomainError):
    """Cannot delete the last user group"""


class GroupHoldsUsers(DomainError):
    """A user group that holds users cannot be deleted"""


class ApiKeyNotFound(DomainError):
    """API key not found"""


class TooManyApiKeys(DomainError):
    """The account holds as many API keys as it may"""


class ApiKeyNotMade(DomainError):
    """The account went away while its key was made"""
