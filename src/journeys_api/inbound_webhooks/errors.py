"""What can be wrong with an inbound webhook."""

from journeys_api.errors import DomainError


class WebhookNotFound(DomainError):
    """Webhook not found"""


class TooManyWebhooks(DomainError):
    """The account has as many inbound webhooks as it may"""
