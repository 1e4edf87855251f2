"""The merge tags that editors offer: what there is for a list's subscribers, for the account and for links.

Only tags that mails fill in are offered. Source: AC 2.8, 4.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from journeys_api.models import CustomField


class TagScope(StrEnum):
    """What `email.personalizationtags` is asked for."""

    SUBSCRIBER = "Subscriber"
    CAMPAIGN_LINKS = "CampaignLinks"
    OPT_LINKS = "OptLinks"
    LIST_LINKS = "ListLinks"
    ALL_LINKS = "AllLinks"
    USER = "User"


@dataclass(frozen=True)
class MergeTag:
    """One tag, without its brackets."""

    namespace: str
    name: str
    label: str
    is_modern: bool = False
    """Whether the catalog shows it in braces."""

    @property
    def modern(self) -> str:
        """The form in braces, which knows fallbacks and helpers."""
        return f"{{{{ {self.namespace}:{self.name} }}}}"

    @property
    def legacy(self) -> str:
        """The form between percent signs."""
        return f"%{self.namespace}:{self.name}%"

    @property
    def listed(self) -> str:
        """The form that the vendor's catalog has it in."""
        return self.modern if self.is_modern else self.legacy


_SUBSCRIBER = (
    ("EmailAddress", "Email Address"),
    ("SubscriberID", "Subscriber ID"),
    ("Status", "Subscription Status"),
    ("SubscriptionDate", "Subscription Date"),
    ("SubscriptionIP", "Subscription IP Address"),
    ("OptInDate", "Opt-In Date"),
)
LIST_LINKS = (MergeTag("Link", "Unsubscribe", "Unsubscription Link"),)
OPT_LINKS = (
    MergeTag("Link", "Confirm", "Opt-In Confirmation Link"),
    MergeTag("Link", "Reject", "Opt-In Reject Link"),
)
CAMPAIGN_LINKS = (
    MergeTag("Link", "WebBrowser", "Browser View Link"),
    MergeTag("Link", "Forward", "Forward to a Friend Link"),
    MergeTag("Link", "ReportAbuse", "Report Abuse Link"),
)
ALL_LINKS = (*OPT_LINKS, *LIST_LINKS, *CAMPAIGN_LINKS)
USER = tuple(
    MergeTag("User", name, label)
    for name, label in (
        ("FirstName", "First Name"),
        ("LastName", "Last Name"),
        ("EmailAddress", "Email Address"),
        ("CompanyName", "Company Name"),
        ("Website", "Website"),
        ("Street", "Street"),
        ("City", "City"),
        ("State", "State"),
        ("Zip", "Zip"),
        ("Country", "Country"),
        ("Phone", "Phone"),
        ("Fax", "Fax"),
        ("TimeZone", "Time Zone"),
    )
)
LINKS = {
    TagScope.CAMPAIGN_LINKS: CAMPAIGN_LINKS,
    TagScope.OPT_LINKS: OPT_LINKS,
    TagScope.LIST_LINKS: LIST_LINKS,
    TagScope.ALL_LINKS: ALL_LINKS,
}


def subscriber_tags(fields: Iterable[CustomField]) -> list[MergeTag]:
    """What every subscriber has, and the fields of a list: by alias where they have one, else by id."""
    standard = [MergeTag("Subscriber", name, label, is_modern=True) for name, label in _SUBSCRIBER]
    own = [
        MergeTag("Subscriber", field.merge_tag_alias or f"CustomField{field.field_id}", field.field_name, True)
        for field in fields
    ]
    return [*standard, MergeTag("Subscriber", "HashedSubscriberID", "Hashed Subscriber ID"), *own]
