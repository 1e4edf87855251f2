"""The settings of a user group on the wire: their names, what each may hold, and the code of a value that it may not.

The vendor's `usergroup.patch` names a code for each kind of value; create and update judge by the same ones (ours: they
document no code for a wrong value, and coerce it).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import orjson

from journeys_api.accounts.groups import GroupSettings
from journeys_api.accounts.permissions import read_permissions
from journeys_api.commands.reading import Unreadable, as_given, mapping, scalar_text
from journeys_api.commands.registry import Param, Reading, Refusal, Rejection
from journeys_api.errors import NotReadable
from journeys_api.models import UserGroup
from journeys_api.strict_json import fold

MOST_CHARACTERS = 65_535
LEAST_INTEGER, MOST_INTEGER = -(2**31), 2**31 - 1
INTERVALS = ("Minute", "Hour", "Day", "Week", "Month", "Year")
GATEWAYS = ("SMS", "EmailGateway")
OURS = "ours: the codes of usergroup.patch"


class Kind(Enum):
    """What a setting may hold."""

    TEXT = "text"
    INTEGER = "a whole number of 32 bits"
    TOGGLE = "`Enabled` or `Disabled`"
    YES_NO = "`Yes` or `No`"
    PERMISSIONS = "names, as a comma list or an array; `*` is everything"
    OPTIONS = "an object"
    RATE_LIMITS = '`{"SMS": {"Minute": -1, …}, "EmailGateway": {…}}`; -1 is unlimited'
    SEND_METHOD = (
        "`System`, `SMTP`, `LocalMTA`, `PHPMail`, `PowerMTA` or `SaveToDisk`; kept, mail leaves by one way here"
    )
    SMTP_SECURE = "`ssl`, `tls` or nothing"
    SMTP_AUTH = "`true` or `false`"


_WORDS = {
    Kind.TOGGLE: ("Enabled", "Disabled"),
    Kind.SEND_METHOD: ("System", "SMTP", "LocalMTA", "PHPMail", "PowerMTA", "SaveToDisk"),
    Kind.SMTP_SECURE: ("ssl", "tls", ""),
    Kind.SMTP_AUTH: ("true", "false"),
}
_CODES = {
    Kind.SEND_METHOD: 22,
    Kind.SMTP_SECURE: 23,
    Kind.SMTP_AUTH: 24,
    Kind.TOGGLE: 26,
    Kind.YES_NO: 27,
    Kind.OPTIONS: 28,
    Kind.RATE_LIMITS: 29,
    Kind.PERMISSIONS: 30,
    Kind.TEXT: 31,
    Kind.INTEGER: 32,
}
_EMPTY: dict[Kind, Any] = {
    Kind.INTEGER: 0,
    Kind.TOGGLE: "Disabled",
    Kind.YES_NO: "No",
    Kind.SEND_METHOD: "System",
    Kind.SMTP_AUTH: "false",
}


@dataclass(frozen=True)
class GroupField:
    """One setting."""

    wire: str
    kind: Kind = Kind.TEXT
    column: str | None = None
    """The column that holds it; None: it is kept among the group's attributes, by this name."""
    most: int = MOST_CHARACTERS
    outlives_update: bool = False
    """Whether `usergroup.update` keeps it when it is not sent. The vendor keeps four; we also keep what its create
    demands and ours does not."""
    absent: str | None = None
    """What a group without the setting answers, where that is not the kind's empty value."""

    @property
    def empty(self) -> Any:
        """What a group without the setting answers."""
        if self.absent is not None:
            return self.absent
        if self.kind is Kind.RATE_LIMITS:
            return {gateway: dict.fromkeys(INTERVALS, -1) for gateway in GATEWAYS}
        return {} if self.kind is Kind.OPTIONS else _EMPTY.get(self.kind, "")

    def read(self, value: Any) -> Any:
        """The value to keep.

        Raises:
            Unreadable: the setting may not hold it.
        """
        if self.kind is Kind.PERMISSIONS:
            return read_permissions(value)
        if self.kind is Kind.OPTIONS:
            return self._options(value)
        if self.kind is Kind.RATE_LIMITS:
            return read_rate_limits(value)
        given = scalar_text(value)
        if self.kind is Kind.TEXT:
            if len(given) > self.most:
                raise NotReadable(f"the value of {self.wire} is longer than {self.most} characters")
            return given
        if self.kind is Kind.INTEGER:
            return _integer(value)
        if self.kind is Kind.YES_NO:
            return {"yes": "Yes", "enabled": "Yes", "no": "No", "disabled": "No"}.get(fold(given)) or _unreadable()
        for word in _WORDS[self.kind]:
            if fold(given) == fold(word):
                return word
        raise Unreadable

    def _options(self, value: Any) -> dict[str, Any]:
        options = mapping(value)
        if len(orjson.dumps(options)) > MOST_CHARACTERS:
            raise NotReadable(f"the value of {self.wire} is longer than {MOST_CHARACTERS} bytes")
        return options


def _unreadable() -> str:
    raise Unreadable


def _integer(value: Any) -> int:
    given = scalar_text(value)
    digits = given.removeprefix("-")
    if isinstance(value, bool) or not (digits.isascii() and digits.isdigit()) or len(digits) > 10:
        raise Unreadable
    if not LEAST_INTEGER <= int(given) <= MOST_INTEGER:
        raise Unreadable
    return int(given)


def read_rate_limits(value: Any) -> dict[str, dict[str, int]]:
    """Rate limits as they are kept: both gateways with every interval; what is not given is -1, unlimited.

    Raises:
        Unreadable: not an object of objects of whole numbers.
    """
    given = {fold(name): each for name, each in mapping(value).items()}
    limits = {}
    for gateway in GATEWAYS:
        intervals = {fold(name): each for name, each in mapping(given.get(fold(gateway)) or {}).items()}
        limits[gateway] = {
            interval: -1 if intervals.get(fold(interval)) is None else _integer(intervals[fold(interval)])
            for interval in INTERVALS
        }
    return limits


def _many(kind: Kind, names: str, *, outlives_update: bool = False) -> tuple[GroupField, ...]:
    return tuple(GroupField(wire, kind, outlives_update=outlives_update) for wire in names.split())


THEME = GroupField("RelThemeID", Kind.INTEGER, outlives_update=True)
FIELDS: tuple[GroupField, ...] = (
    GroupField("GroupName", column="group_name", most=250),
    GroupField("Permissions", Kind.PERMISSIONS, column="permissions"),
    GroupField("LimitSubscribers", Kind.INTEGER, column="limit_subscribers"),
    GroupField("LimitLists", Kind.INTEGER, column="limit_lists"),
    GroupField("ForceOptInList", Kind.TOGGLE, column="force_opt_in_list"),
    GroupField("SubscriberAreaLogoutURL", outlives_update=True),
    THEME,
    *_many(
        Kind.INTEGER,
        "LimitCampaignSendPerPeriod LimitEmailSendPerPeriod LimitEmailSendPerDay",
        outlives_update=True,
    ),
    # a group that says nothing is held to the unsubscribe link, as the emails judge it
    GroupField("ForceUnsubscriptionLink", Kind.TOGGLE, outlives_update=True, absent="Enabled"),
    GroupField("ForceRejectOptLink", Kind.TOGGLE, outlives_update=True),
    GroupField("Options", Kind.OPTIONS, outlives_update=True),
    GroupField("DefaultRateLimits", Kind.RATE_LIMITS, outlives_update=True),
    *_many(Kind.TEXT, "CustomEmailHeaders SubscriptionPlan", outlives_update=True),
    *_many(
        Kind.INTEGER,
        "LimitEmailSendLifetime LimitEmailGatewaySenderDomains ThresholdImport ThresholdEmailSend TrialExpireSeconds"
        " SendMethodSMTPPort SendMethodSMTPTimeOut",
    ),
    *_many(
        Kind.TOGGLE,
        "PaymentSystem CreditSystem PaymentCampaignsPerRecipient PaymentAutoRespondersPerRecipient",
    ),
    GroupField("TrialGroup", Kind.YES_NO),
    GroupField("SendMethod", Kind.SEND_METHOD),
    GroupField("SendMethodSMTPSecure", Kind.SMTP_SECURE),
    GroupField("SendMethodSMTPAuth", Kind.SMTP_AUTH),
    *_many(
        Kind.TEXT,
        "PlainEmailHeader PlainEmailFooter HTMLEmailHeader HTMLEmailFooter XMailer PaymentPricingRange"
        " PaymentCampaignsPerCampaignCost PaymentAutoRespondersChargeAmount PaymentDesignPrevChargeAmount"
        " PaymentDesignPrevChargePerReq PaymentSystemChargeAmount SendMethodSaveToDiskDir SendMethodPowerMTAVMTA"
        " SendMethodPowerMTADir SendMethodLocalMTAPath SendMethodSMTPHost SendMethodSMTPUsername",
    ),
)
"""Every setting, in the order answered. `SendMethodSMTPPassword` is missing on purpose: a password that nobody uses is
better not kept."""

OUTLIVE_UPDATE = frozenset(each.wire for each in FIELDS if each.outlives_update)

VALUE_REFUSALS: tuple[tuple[int, str], ...] = (
    (19, "Invalid theme ID"),
    (22, "Invalid send method"),
    (23, "Invalid SendMethodSMTPSecure, must be 'ssl', 'tls' or ''"),
    (24, "Invalid SendMethodSMTPAuth, must be 'true' or 'false'"),
    (26, "Invalid Enabled/Disabled value"),
    (27, "Invalid TrialGroup value, must be 'Yes' or 'No'"),
    (28, "Invalid Options payload"),
    (29, "Invalid DefaultRateLimits payload"),
    (30, "Invalid Permissions payload"),
    (31, "Non-scalar value supplied for a scalar field"),
    (32, "Invalid integer value"),
)


def value_refusals(*, source: str | None = None) -> list[Refusal]:
    """The codes of values, for a command's declaration."""
    return [Refusal(code, message, source=source) for code, message in VALUE_REFUSALS]


def group_params(*, keeps_empty: bool, name_missing: int | None = None) -> list[Param]:
    """A parameter for every setting; `judge` reads them.

    Args:
        keeps_empty: whether "" is a value to judge, and not absence.
        name_missing: the code of an absent GroupName; None: it is optional.
    """
    return [
        Param(
            each.wire,
            each.wire,
            as_given,
            missing=name_missing if each.column == "group_name" else None,
            keeps_empty=keeps_empty,
            doc=each.kind.value,
            refers_to="theme" if each is THEME else None,
        )
        for each in FIELDS
    ]


def judge(reading: Reading) -> None:
    """Read the settings of a call into its argument `settings`.

    Raises:
        Rejection: with all codes of the call, when a value earned one; `ErrorField` names the first such field.
    """
    columns: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    error_field: str | None = None
    for each in FIELDS:
        value = reading.arguments.pop(each.wire)
        if not reading.has(each.wire):
            continue
        try:
            read = each.read(value)
        except Unreadable:
            reading.refuse(_code(each, value), each.wire)
            error_field = error_field or fold(each.wire)
            continue
        if each.column is None:
            attributes[each.wire] = read
        elif each.column == "group_name" and not read:
            reading.refuse(1)
        else:
            columns[each.column] = _for_column(each, read)
    if error_field is not None:
        raise Rejection(reading.refusals, {"ErrorField": error_field})
    reading["settings"] = GroupSettings(columns, attributes)


def judge_and_name(reading: Reading) -> None:
    """`judge`, and the names of the settings that were sent."""
    judge(reading)
    reading["updated_fields"] = [each.wire for each in FIELDS if reading.has(each.wire)]


def _code(each: GroupField, value: Any) -> int:
    takes_trees = each.kind in (Kind.OPTIONS, Kind.RATE_LIMITS, Kind.PERMISSIONS)
    if isinstance(value, dict | list) and not takes_trees:
        return _CODES[Kind.TEXT]
    return 19 if each is THEME else _CODES[each.kind]


def _for_column(each: GroupField, read: Any) -> Any:
    if each.kind is Kind.TOGGLE:
        return read == "Enabled"
    # the vendor takes -1 for unlimited, as 0: one word for one thing, so that nobody has to ask for both
    return max(read, 0) if each.kind is Kind.INTEGER else read


def settings_of(group: UserGroup) -> Mapping[str, Any]:
    """Every setting of a group by wire name, as it is kept; attributes that it lacks as their empty value."""
    settings: dict[str, Any] = {}
    for each in FIELDS:
        if each.column is None:
            settings[each.wire] = group.attributes.get(each.wire, each.empty)
        elif each.kind is Kind.TOGGLE:
            settings[each.wire] = "Enabled" if getattr(group, each.column) else "Disabled"
        elif each.kind is Kind.PERMISSIONS:
            settings[each.wire] = ",".join(getattr(group, each.column))
        else:
            settings[each.wire] = getattr(group, each.column)
    return settings
