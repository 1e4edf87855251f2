"""Whether an email's content is fit for what it is meant for: decisions over plain values, no database."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

from journeys_api.models import ContentType, Email


class ValidateScope(StrEnum):
    """What an email is meant for."""

    OPT_IN = "OptIn"
    CAMPAIGN = "Campaign"
    AUTO_RESPONDER = "AutoResponder"


class Problem(Enum):
    """Why a content is refused."""

    EMPTY = "no body"
    NO_UNSUBSCRIBE_LINK_IN_HTML = "no unsubscribe link in the HTML body"
    NO_UNSUBSCRIBE_LINK_IN_PLAIN = "no unsubscribe link in the plain body"
    NO_CONFIRM_LINK_IN_HTML = "no confirm link in the HTML body"
    NO_CONFIRM_LINK_IN_PLAIN = "no confirm link in the plain body"
    NO_REJECT_LINK_IN_HTML = "no reject link in the HTML body"
    NO_REJECT_LINK_IN_PLAIN = "no reject link in the plain body"
    NO_UTM_SOURCE = "UTM tracking without a source"
    NO_UTM_MEDIUM = "UTM tracking without a medium"
    NO_UTM_CAMPAIGN = "UTM tracking without a campaign"


DEFAULT_OPTIONS: Mapping[str, Any] = {
    "SenderDomain": "",
    "OpenTracking": True,
    "LinkTracking": True,
    "UTMTracking": False,
    "UTMSource": "",
    "UTMMedium": "",
    "UTMCampaign": "",
    "UTMTerm": "",
    "UTMContent": "",
    "UTMMergeTags": False,
}
"""Every option of an email, by its wire name, with the value it has until it is set."""


@dataclass(frozen=True)
class Draft:
    """An email as an update would leave it."""

    html: str
    plain: str
    fetch_url: str
    fetch_plain_url: str
    options: Mapping[str, Any]
    is_content_touched: bool
    """Whether the update sends a body or the address of one."""

    @property
    def has_html(self) -> bool:
        """Whether it has an HTML body, here or at an address."""
        return bool(self.html or self.fetch_url)

    @property
    def has_plain(self) -> bool:
        """Whether it has a plain body, here or at an address."""
        return bool(self.plain or self.fetch_plain_url)

    @property
    def content_type(self) -> ContentType:
        """Which bodies it has; an empty shell is ready for both."""
        if self.has_html and not self.has_plain:
            return ContentType.HTML
        if self.has_plain and not self.has_html:
            return ContentType.PLAIN
        return ContentType.BOTH


@dataclass(frozen=True)
class LinkRules:
    """Which links the account's group wants to see."""

    unsubscribe: bool = True
    reject: bool = False

    @classmethod
    def of_group(cls, attributes: Mapping[str, Any]) -> "LinkRules":
        """From the group's `ForceUnsubscriptionLink` and `ForceRejectOptLink`.

        A group that says nothing wants the unsubscribe link, which the law asks for, and not the reject link.
        """
        return cls(
            unsubscribe=attributes.get("ForceUnsubscriptionLink") != "Disabled",
            reject=attributes.get("ForceRejectOptLink") == "Enabled",
        )


def problems_of(draft: Draft, *, scope: ValidateScope, rules: LinkRules) -> list[Problem]:
    """Everything that keeps the draft from being what the scope says.

    A draft without a body is a problem only when the update touches the bodies: an empty shell may get its name and
    its sender first. Links are looked for in the bodies that stand here; what is fetched at sending cannot be seen.
    """
    problems: list[Problem] = []
    if draft.is_content_touched and not draft.has_html and not draft.has_plain:
        problems.append(Problem.EMPTY)
    if scope is ValidateScope.OPT_IN:
        problems += _missing_links(draft, "Confirm", Problem.NO_CONFIRM_LINK_IN_HTML, Problem.NO_CONFIRM_LINK_IN_PLAIN)
        if rules.reject:
            problems += _missing_links(draft, "Reject", Problem.NO_REJECT_LINK_IN_HTML, Problem.NO_REJECT_LINK_IN_PLAIN)
    elif rules.unsubscribe:
        problems += _missing_links(
            draft, "Unsubscribe", Problem.NO_UNSUBSCRIBE_LINK_IN_HTML, Problem.NO_UNSUBSCRIBE_LINK_IN_PLAIN
        )
    return problems + _missing_utm(draft.options)


def _missing_links(draft: Draft, link: str, in_html: Problem, in_plain: Problem) -> list[Problem]:
    bodies = ((draft.html, in_html), (draft.plain, in_plain))
    return [problem for body, problem in bodies if body and not has_link(body, link)]


def _missing_utm(options: Mapping[str, Any]) -> list[Problem]:
    if not options["UTMTracking"]:
        return []
    needed = {
        "UTMSource": Problem.NO_UTM_SOURCE,
        "UTMMedium": Problem.NO_UTM_MEDIUM,
        "UTMCampaign": Problem.NO_UTM_CAMPAIGN,
    }
    return [problem for option, problem in needed.items() if not options[option]]


def has_link(body: str, link: str) -> bool:
    """Whether the body carries the tag of a link: `{{ Link:X }}`, `{{{ Link:X }}}` or `%Link:X%`.

    The braced forms may have a helper before and a fallback behind and are compared without case; the old form is
    exact (AC 4).
    """
    if f"%Link:{link}%" in body:
        return True
    return re.search(rf"\{{\{{\s*(?:[\w-]+\s+)?Link:{link}\s*(?:\|[^{{}}]*)?\}}\}}", body, re.IGNORECASE) is not None


@dataclass(frozen=True)
class Body:
    """One of an email's bodies: its text, or the address that it lies at."""

    text: str = ""
    url: str = ""


def bodies_of(email: Email) -> tuple[Body, Body]:
    """HTML and plain body of an email; the one that its content type does not have is empty.

    An address counts in mode `Import`, and where there is no text beside it.
    """
    html = plain = Body()
    if email.content_type is not ContentType.PLAIN:
        html = _body(email, email.html_content, email.fetch_url.strip())
    if email.content_type is not ContentType.HTML:
        plain = _body(email, email.plain_content, email.fetch_plain_url.strip())
    return html, plain


def _body(email: Email, text: str, url: str) -> Body:
    return Body(url=url) if url and (email.mode == "Import" or not text) else Body(text=text)


def is_fetched(email: Email) -> bool:
    """Whether texts of its mails come from other servers when they are sent."""
    html, plain = bodies_of(email)
    texts = (email.subject, email.pre_header_text, html.text, plain.text)
    return bool(html.url or plain.url) or any("%RemoteContent" in text for text in texts)
