"""What can be wrong with a subscriber, or with what is asked of some."""

from collections.abc import Sequence

from journeys_api.errors import DomainError
from journeys_api.fields.errors import InvalidFieldValue
from journeys_api.models import CustomField


class SubscriberNotFound(DomainError):
    """Subscriber not found"""


class AddressTaken(DomainError):
    """Another subscriber of the list has the address"""


class PreviouslyUnsubscribed(DomainError):
    """The address has been on the list and was unsubscribed"""


class AlreadyUnsubscribed(DomainError):
    """Subscriber is already unsubscribed"""


class WrongConfirmationCode(DomainError):
    """The code is not the one that was mailed"""


class NotPending(DomainError):
    """The subscription does not wait for a confirmation"""


class SubscriberLimitExceeded(DomainError):
    """The subscriber limit of the user group is exceeded"""


class AccountDisabled(DomainError):
    """The list's account takes no subscribers"""


class NotTheListsOwner(DomainError):
    """Only the list's own account may do this"""


class TagsNotFound(DomainError):
    """None of the tags is on the list"""


class UnknownFields(DomainError):
    """Values are given for fields that the list does not have

    Args:
        names: the fields as they were named.
    """

    def __init__(self, names: Sequence[str]) -> None:
        # as numbers where they can be ids: longer ones could not be written as JSON numbers
        ids = [int(name) if name.isascii() and name.isdigit() and len(name) < 19 else name for name in names]
        super().__init__(extra={"ErrorCustomFieldIDs": ids})


class RequiredFieldMissing(DomainError):
    """A required field has no value"""

    def __init__(self, field: CustomField) -> None:
        super().__init__(extra={"ErrorCustomFieldID": field.field_id, "ErrorCustomFieldTitle": field.field_name})


class ValueNotKept(InvalidFieldValue):
    """A value cannot be kept, whatever the field's rules say"""


class FieldValueTaken(DomainError):
    """Another subscriber has the value of a field that wants unique ones"""
