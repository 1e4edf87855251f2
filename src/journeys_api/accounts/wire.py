"""Wire shapes of accounts."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement

from journeys_api.accounts.group_fields import settings_of
from journeys_api.accounts.logins import AdministratorLogin
from journeys_api.accounts.users import Utilization
from journeys_api.commands.wire import instant
from journeys_api.models import ApiKey, User, UserGroup
from journeys_api.strict_json import fold

PROFILE_TEXTS = (
    "FirstName",
    "LastName",
    "CompanyName",
    "Website",
    "OtherEmailAddresses",
    "Street",
    "Street2",
    "City",
    "State",
    "Zip",
    "Country",
    "VAT",
    "Phone",
    "Fax",
    "ForwardToFriendHeader",
    "ForwardToFriendFooter",
    "SignUpIPAddress",
    "SSOID",
    "CustomEmailHeaders",
    "WhiteListedEmailAddresses",
)
"""Texts of a profile, kept by these names; mail is personalized from some of them."""

ABOUT_THE_USER = (
    "FirstName",
    "LastName",
    "CompanyName",
    "Website",
    "Street",
    "Street2",
    "City",
    "State",
    "Zip",
    "Country",
    "VAT",
    "Phone",
)
"""The texts that `user.current` answers ahead of PhoneVerified."""

USER_COLUMNS: Mapping[str, ColumnElement[Any]] = {
    fold(wire): column
    for wire, column in {
        "UserID": User.user_id,
        "RelUserGroupID": User.group_id,
        "EmailAddress": User.email_address,
        "Username": User.username,
        "ReputationLevel": User.reputation_level,
        "AccountStatus": User.account_status,
        "AvailableCredits": User.available_credits,
        "TimeZone": User.time_zone,
        "Language": User.language,
        "UserSince": User.created_at,
        **{wire: User.profile[wire].as_string() for wire in PROFILE_TEXTS},
    }.items()
}
"""What accounts may be ordered and searched by, by folded wire name."""

_GROUP_TOGGLES_OF_OPTIONS = (
    "SenderDomainManagement",
    "EnableSenderInfo",
    "ForcedSenderInfo",
    "DefaultSenderDomainActivate",
)


def user_row(user: User) -> dict[str, Any]:
    """An account; what we hold nothing of (two factors, single sign-on, presence) is answered as empty."""
    profile = user.profile
    return {
        "UserID": user.user_id,
        "RelUserGroupID": user.group_id,
        "EmailAddress": user.email_address,
        "Username": user.username,
        "ReputationLevel": user.reputation_level.value,
        "UserSince": instant(user.created_at),
        **{wire: profile.get(wire, "") for wire in ABOUT_THE_USER},
        "PhoneVerified": profile.get("PhoneVerified", 0),
        "Fax": profile.get("Fax", ""),
        "TimeZone": user.time_zone,
        "Language": user.language,
        "Currency": user.currency,
        "LastActivityDateTime": instant(None),
        "AccountStatus": user.account_status.value,
        "AvailableCredits": user.available_credits,
        "2FA_Enabled": "No",
        "2FA_RecoveryKey": "",
        "SSOID": profile.get("SSOID", ""),
    }


def own_user(user: User, group: UserGroup) -> dict[str, Any]:
    """`UserInfo` of `user.current`: what users see of themselves and of their group."""
    return {
        **user_row(user),
        "GroupInfo": group_info(group),
        "MFA_QRCode": "",
        "MFA_SecretKey": "",
        "SubscriptionID": False,
    }


def logged_in_user(user: User, group: UserGroup) -> dict[str, Any]:
    """`UserInfo` of `user.login`."""
    return {**user_row(user), "Password": "****** masked ******", "GroupInformation": group_info(group)}


def user_for_administrators(user: User, group: UserGroup) -> dict[str, Any]:
    """An account as `user.get` and `users.get` answer it: with the whole profile and the whole group."""
    profile = user.profile
    return {
        **user_row(user),
        **{wire: profile.get(wire, "") for wire in PROFILE_TEXTS},
        "RateLimits": profile.get("RateLimits", ""),
        "Password": "****** masked ******",
        "GroupInformation": group_row(group),
    }


def limit_utilization(used: Utilization, group: UserGroup) -> dict[str, Any]:
    """`LimitUtilization`; a limit of 0 is none."""
    return {
        "Subscribers": {"Used": used.subscribers, "Limit": group.limit_subscribers},
        "Lists": {"Used": used.lists, "Limit": group.limit_lists},
    }


def group_row(group: UserGroup) -> dict[str, Any]:
    """A group as administrators see it: every setting under the name that sets it."""
    return {
        "UserGroupID": group.group_id,
        **settings_of(group),
        "LimitCampaignSendPeriod": "Monthly",
        "LimitEmailSendPeriod": "Monthly",
        "CreatedOn": instant(group.created_at),
    }


def group_in_list(group: UserGroup) -> dict[str, Any]:
    """A group as `usergroups.get` answers it; there are no delivery servers to assign."""
    unassigned = {"DeliveryServerID": 0, "DeliveryServerName": ""}
    return {
        **group_row(group),
        "DeliveryServerAssignments": {
            channel: dict(unassigned) for channel in ("Marketing", "Transactional", "AutoResponder")
        },
    }


def group_info(group: UserGroup) -> dict[str, Any]:
    """A group as its users see it (AC 2.1): numbers as text, toggles never null."""
    settings = settings_of(group)
    options = settings["Options"]
    sender_domain = options.get("DefaultSenderDomain")
    return {
        "UserGroupID": str(group.group_id),
        "GroupName": group.group_name,
        "GroupPlanName": settings["SubscriptionPlan"],
        "DefaultSenderDomain": sender_domain if isinstance(sender_domain, str) and sender_domain else None,
        "Permissions": settings["Permissions"],
        "ForceUnsubscriptionLink": settings["ForceUnsubscriptionLink"],
        "ForceRejectOptLink": settings["ForceRejectOptLink"],
        "ForceOptInList": settings["ForceOptInList"],
        "LimitSubscribers": str(group.limit_subscribers),
        "LimitLists": str(group.limit_lists),
        "LimitCampaignSendPerPeriod": str(settings["LimitCampaignSendPerPeriod"]),
        "LimitCampaignSendPeriod": "Monthly",
        "LimitEmailSendPerPeriod": str(settings["LimitEmailSendPerPeriod"]),
        "LimitEmailSendPerDay": str(settings["LimitEmailSendPerDay"]),
        "LimitEmailSendPeriod": "Monthly",
        "LimitEmailSendLifetime": str(settings["LimitEmailSendLifetime"]),
        "LimitEmailGatewaySenderDomains": str(settings["LimitEmailGatewaySenderDomains"]),
        **{
            toggle: "Enabled" if options.get(toggle) in ("Enabled", True) else "Disabled"
            for toggle in _GROUP_TOGGLES_OF_OPTIONS
        },
    }


def usage(group: UserGroup) -> dict[str, Any]:
    """`Usage` of `user.current`: the e-mail gateway is not part of this server."""
    settings = settings_of(group)
    return {
        "EmailGateway_TotalSentThisMonth": 0,
        "EmailGateway_TotalSentAllTime": 0,
        "Limit_Monthly": settings["LimitEmailSendPerPeriod"],
        "Limit_Lifetime": settings["LimitEmailSendLifetime"],
    }


def send_rate_limits() -> dict[str, Any]:
    """`SendRateLimits` of `user.current`: none."""
    return {
        "EmailGateway": {"RateLimits": {}, "SendRates": {}},
        "DefaultSenderDomain": {"MonthlyLimit": 0, "SendRates": 0, "RemainingMonthlyQuota": 0},
    }


def administrator(login: AdministratorLogin) -> dict[str, Any]:
    """`AdminInfo`; after a login by the configured key, which is nobody's, with id 0 and no names."""
    found = login.administrator
    return {
        "AdminID": found.administrator_id if found else 0,
        "Username": found.username if found else "",
        "FirstName": found.first_name if found else "",
        "LastName": found.last_name if found else "",
        "EmailAddress": found.email_address if found else "",
        "2FA_Enabled": "No",
        "CreatedOn": instant(found.created_at if found else None),
        "LastLoginOn": instant(login.last_login_at),
    }


def new_api_key(api_key: ApiKey, clear: str) -> dict[str, Any]:
    """`APIKey` of `user.apikey.create`: the one answer that holds the key itself."""
    return {
        "APIKey": clear,
        "Note": api_key.note,
        "IPAddress": api_key.bound_ip_address or "",
        "BoundIPAddress": api_key.bound_ip_address or "",
        "CreatedAt": instant(api_key.created_at),
        "LastUsedAt": instant(api_key.last_used_at, absent=None),
        "LastUsedIP": api_key.last_used_ip,
        "RequestCount": api_key.request_count,
    }


def api_key_in_list(api_key: ApiKey) -> dict[str, Any]:
    """A key as `user.apikey.list` answers it, masked: the key itself is kept nowhere (rulings 2)."""
    return {
        "APIKeyID": api_key.api_key_id,
        "APIKey": api_key.masked_key,
        "Note": api_key.note,
        "BoundIPAddress": api_key.bound_ip_address or "",
        "CreatedAt": instant(api_key.created_at),
        "LastUsedAt": instant(api_key.last_used_at, absent=None),
        "LastUsedIP": api_key.last_used_ip,
        "RequestCount": api_key.request_count,
    }
