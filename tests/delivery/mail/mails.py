"""Mails and envelopes of which a test states only what it is about."""

from datetime import UTC, datetime
from typing import Any

from journeys_api.delivery.envelopes import Envelope
from journeys_api.delivery.messages import Mail

INSTANT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def mail(**stated: Any) -> Mail:
    """A complete mail."""
    given: dict[str, Any] = {
        "message_id": "d41.7@journeys.test",
        "from_name": "Shop",
        "from_email": "news@shop.test",
        "to_name": "Ann",
        "to_email": "ann@x.test",
        "subject": "Hello",
        "date": INSTANT,
        "html": "<html><body><p>Hello</p></body></html>",
        "text": "Hello\n",
    }
    return Mail(**{**given, **stated})


def envelope(**stated: Any) -> Envelope:
    """A small message to one recipient."""
    given: dict[str, Any] = {
        "mail_from": "bounces@shop.test",
        "recipients": ("ann@x.test",),
        "message": b"Message-ID: <d41.7@journeys.test>\r\nSubject: Hello\r\n\r\nHello\r\n",
    }
    return Envelope(**{**given, **stated})
