"""Contexts for the tests: one subscriber with everything, and the shortest way to a rendered text."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from journeys_api.delivery.personalization import Context, Mode, compile

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)

SARAH: Mapping[str, Any] = {
    "SubscriberID": 4711,
    "EmailAddress": "sarah+news@example.com",
    "FirstName": "sarah",
    "LastName": "O'Connor & Söhne",
    "Empty": "",
    "Blank": "  ",
    "Nothing": None,
    "First Name": "with a blank",
    "city": "berlin",
    "City": "Berlin",
    "Country": "United States",
    "Age": "33",
    "Balance": "1234.5",
    "BirthDate": "2024-12-25",
    "CustomField5": "five",
    "Markup": "<img src=x onerror=alert(1)>",
}


def context(values: Mapping[str, Any] | None = None, **others: Any) -> Context:
    """Sarah's context; `values` are further ones of hers, others are those of `Context`."""
    namespaces = {
        "Subscriber": {**SARAH, **(values or {})},
        "User": {"CompanyName": "Acme & Co", "Website": "https://acme.example/?a=1&b=2"},
        "List": {"ListID": 12, "Name": "News"},
        "Link": {"Unsubscribe": "https://t.example/u?a=1&b=2", "SocialShare:Twitter": "https://t.example/s"},
        **others.pop("namespaces", {}),
    }
    return Context(values=namespaces, **{"now": NOW, "seed": 7, **others})


def html(template: str, values: Mapping[str, Any] | None = None, **others: Any) -> str:
    """The template as an HTML body."""
    return compile(template).render(context(values, **others), mode=Mode.HTML)


def text(template: str, values: Mapping[str, Any] | None = None, **others: Any) -> str:
    """The template as a text body."""
    return compile(template).render(context(values, **others), mode=Mode.TEXT)
