"""What can be wrong with a journey."""

from journeys_api.errors import DomainError


class JourneyNotFound(DomainError):
    """Journey not found"""


class JourneyAlreadyEnabled(DomainError):
    """Journey is already enabled"""


class JourneyAlreadyDisabled(DomainError):
    """Journey is already disabled"""


class ActionNotFound(DomainError):
    """Action not found"""


class ActionsRefused(DomainError):
    """An action of the tree cannot be kept; the detail names its place"""


class JourneyGone(DomainError):
    """Journey not found after update"""


class TriggerListNotFound(DomainError):
    """Trigger_ListID matching record not found"""


class TriggerEmailNotFound(DomainError):
    """Trigger_EmailID matching record not found"""


class TriggerTagNotFound(DomainError):
    """Trigger_Value matching record not found"""


class TriggerFieldNotFound(DomainError):
    """Trigger_Value matching record not found (CustomFieldValueChanged)"""


class TriggerJourneyNotFound(DomainError):
    """Trigger_Value matching record not found (JourneyCompleted)"""


class PulledListNotFound(DomainError):
    """Trigger_ListID matching record not found (ScheduledPull)"""


class TriggeredByItself(DomainError):
    """A journey cannot be triggered by its own completion"""
