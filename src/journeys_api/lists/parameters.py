"""What the nested parameters of lists say: `ConfirmationEmail` of `list.create` and `Options` of `list.update`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from journeys_api.commands import reading as readers
from journeys_api.commands.reading import Reader, Unreadable
from journeys_api.commands.registry import Reading
from journeys_api.errors import NotReadable
from journeys_api.lists.service import ConfirmationEmail
from journeys_api.models import ContentType
from journeys_api.strict_json import folded

MODES = ("Editor", "Stripo", "Unlayer", "Empty", "Template", "Import")
_OPTION_TEXTS = ("PlainEmailHeader", "PlainEmailFooter", "HTMLEmailHeader", "HTMLEmailFooter")
_OPTION_FLAG = "DoNotSendEmailCampaignIfRecipientIsEnrolledInJourneyOrAutoresponder"
_UNCHANGED = "__unchanged__"
_CLICKBANK_ACTIONS = frozenset({"subscribe", "unsubscribe", "ignore"})


@dataclass(frozen=True)
class GivenOptions:
    """What `Options` says, in its canonical spelling."""

    options: Mapping[str, object] = field(default_factory=dict)
    phone_field_id: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it asks for nothing."""
        return not self.options and self.phone_field_id is None


class _Members:
    """The members of an object by folded name; null and "" are absence."""

    def __init__(self, reading: Reading, wire: str, given: Mapping[str, Any]) -> None:
        self._reading = reading
        self._wire = wire
        self._given = {name: value for name, value in folded(dict(given)).items() if value is not None and value != ""}

    def read(self, name: str, reader: Reader, *, missing: int | None = None, invalid: int | None = None) -> Any:
        """The member's value; None when it is absent or refused."""
        value = self._given.get(name.lower())
        if value is None:
            if missing is not None:
                self._reading.refuse(missing)
            return None
        try:
            return reader(value)
        except Unreadable:
            if invalid is None:
                raise NotReadable(f"the value of {self._wire}.{name} cannot be read") from None
            self._reading.refuse(invalid)
            return None


def read_confirmation_email(reading: Reading) -> None:
    """Put a `ConfirmationEmail` in the place of the object, or refuse with codes 21 to 26 (AC 2.4, `list.create`)."""
    if not isinstance(reading["confirmation_email"], dict):
        return
    members = _Members(reading, "ConfirmationEmail", reading["confirmation_email"])
    text = readers.text
    subject = members.read("Subject", text, missing=21, invalid=21)
    from_name = members.read("FromName", text, missing=21, invalid=21)
    from_email = members.read("FromEmail", text, missing=21, invalid=21)
    content_type = members.read("ContentType", readers.choice(ContentType), missing=21, invalid=22)
    wants_html = content_type in (ContentType.HTML, ContentType.BOTH)
    wants_plain = content_type in (ContentType.PLAIN, ContentType.BOTH)
    html_content = members.read("HTMLContent", text, missing=23 if wants_html else None, invalid=23)
    plain_content = members.read("PlainContent", text, missing=24 if wants_plain else None, invalid=24)
    mode = members.read("Mode", readers.one_of(*MODES), invalid=25)
    template_id = 0
    if mode == "Template":
        template_id = members.read("RelTemplateID", readers.number(1), missing=26, invalid=26)
    more = {
        name: members.read(wire, text) or ""
        for name, wire in (
            ("reply_to_name", "ReplyToName"),
            ("reply_to_email", "ReplyToEmail"),
            ("pre_header_text", "PreHeaderText"),
            ("email_name", "EmailName"),
        )
    }
    if not reading.refusals:
        reading["confirmation_email"] = ConfirmationEmail(
            subject=subject,
            from_name=from_name,
            from_email=from_email,
            content_type=content_type,
            html_content=html_content or "",
            plain_content=plain_content or "",
            mode=mode or "Empty",
            template_id=template_id,
            **more,
        )


def read_options(reading: Reading) -> GivenOptions:
    """What `Options` asks for, or refuse with codes 20 to 23; names without case, unknown ones are ignored.

    On an update "" clears a text, and "" or 0 takes the telephone field away.
    """
    given = folded(reading["options"] or {})
    members = _Members(reading, "Options", given)
    options: dict[str, object] = {}
    for wire in _OPTION_TEXTS:
        if given.get(wire.lower()) is not None:
            options[wire] = members.read(wire, readers.text) or ""
    if given.get(_OPTION_FLAG.lower()) is not None:
        options[_OPTION_FLAG] = bool(members.read(_OPTION_FLAG, readers.boolean))
    phone_field_id = None
    if given.get("phonefieldid") is not None:
        phone_field_id = members.read("PhoneFieldID", readers.identifier, invalid=23) or 0
    _refuse_clickbank(reading, members)
    return GivenOptions(options, phone_field_id)


def _refuse_clickbank(reading: Reading, members: _Members) -> None:
    """Judge `ClickBankINS` as documented and then refuse it: settings that nothing acts on must not look accepted."""
    given = members.read("ClickBankINS", readers.object_of_any, invalid=20)
    if not given:
        return
    inner = _Members(reading, "Options.ClickBankINS", given)
    key = inner.read("SecretKey", readers.text, invalid=21)
    if key is not None and key != _UNCHANGED and len(key) != 8:
        reading.refuse(21)
    actions = inner.read("TransactionTypeActions", readers.object_of_any, invalid=22) or {}
    if any(not isinstance(action, str) or action not in _CLICKBANK_ACTIONS for action in actions.values()):
        reading.refuse(22)
    if not {21, 22} & {refusal.code for refusal in reading.refusals}:
        reading.refuse(20, "ClickBank notifications are not offered by this server")
