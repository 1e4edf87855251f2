"""Every table, one module a noun; importing this package makes `Base.metadata` whole."""

from journeys_api.models.accounts import (
    AccountStatus,
    Administrator,
    ApiKey,
    LoginSession,
    ReputationLevel,
    User,
    UserGroup,
)
from journeys_api.models.audience import (
    BounceType,
    CustomField,
    GlobalValues,
    OptInMode,
    Subscriber,
    SubscriberList,
    SubscriberTag,
    SubscriptionStatus,
    Suppression,
    SuppressionSource,
    Tag,
)
from journeys_api.models.base import Base
from journeys_api.models.emails import (
    ContentType,
    DomainStatus,
    Email,
    GatewayStatus,
    SenderDomain,
    SmsGateway,
)
from journeys_api.models.engine import ActionSubscriber, Enrollment, EnrollmentState
from journeys_api.models.journeys import Journey, JourneyAction, JourneyStatus
from journeys_api.models.stats import ActionDay, ActionTotals, JourneyTotals, MailCounters

__all__ = [
    "AccountStatus",
    "ActionDay",
    "ActionSubscriber",
    "ActionTotals",
    "Administrator",
    "ApiKey",
    "Base",
    "BounceType",
    "ContentType",
    "CustomField",
    "DomainStatus",
    "Email",
    "Enrollment",
    "EnrollmentState",
    "GatewayStatus",
    "GlobalValues",
    "Journey",
    "JourneyAction",
    "JourneyStatus",
    "JourneyTotals",
    "LoginSession",
    "MailCounters",
    "OptInMode",
    "ReputationLevel",
    "SenderDomain",
    "SmsGateway",
    "Subscriber",
    "SubscriberList",
    "SubscriberTag",
    "SubscriptionStatus",
    "Suppression",
    "SuppressionSource",
    "Tag",
    "User",
    "UserGroup",
]
