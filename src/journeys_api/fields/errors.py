"""What can be wrong with a custom field or with a value for one."""

from journeys_api.errors import DomainError


class FieldNotFound(DomainError):
    """Custom field not found"""


class AliasTaken(DomainError):
    """Merge tag alias code has been set for another custom field"""


class RuleMissing(DomainError):
    """Missing validation rule"""


class FieldStaysGlobal(DomainError):
    """A global field cannot be turned back into a field of one list"""


class FieldOfAnotherList(DomainError):
    """The field belongs to another list, and a field never moves"""


class InvalidFieldValue(DomainError):
    """Invalid custom field value"""
