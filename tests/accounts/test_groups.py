"""usergroup.create, .get, .update, .patch, .delete, usergroups.get."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.accounts.answers import assert_refused, assert_unreadable
from tests.conftest import Client, Maker

NewUser = Callable[..., dict[str, Any]]
VENDORS_EXAMPLE: dict[str, Any] = {
    "GroupName": "Premium Users",
    "SubscriberAreaLogoutURL": "https://example.com/logout",
    "LimitSubscribers": 10000,
    "LimitLists": 50,
    "LimitCampaignSendPerPeriod": 100,
    "LimitEmailSendPerPeriod": 50000,
    "LimitEmailSendPerDay": 5000,
    "RelThemeID": 1,
    "ForceUnsubscriptionLink": "Enabled",
    "ForceRejectOptLink": "Enabled",
}
UNLIMITED = dict.fromkeys(("Minute", "Hour", "Day", "Week", "Month", "Year"), -1)


async def make_group(admin: Client, **settings: Any) -> int:
    group_id: int = (await admin.ok("usergroup.create", **{"GroupName": "Group", **settings}))["UserGroupID"]
    return group_id


async def get(admin: Client, group_id: int) -> dict[str, Any]:
    group: dict[str, Any] = (await admin.ok("usergroup.get", UserGroupID=group_id))["UserGroup"]
    return group


async def test_the_vendors_example_makes_a_group_that_answers_it(admin: Client) -> None:
    body = await admin.ok("usergroup.create", **VENDORS_EXAMPLE)

    assert isinstance(body["UserGroupID"], int)
    group = await get(admin, body["UserGroupID"])
    assert {name: group[name] for name in VENDORS_EXAMPLE} == VENDORS_EXAMPLE
    assert group["UserGroupID"] == body["UserGroupID"]


async def test_a_name_is_enough_and_grants_nothing(admin: Client, anyone: Any, new_user: NewUser) -> None:
    group_id = await make_group(admin)
    parameters = new_user(RelUserGroupID=group_id)
    await admin.ok("user.create", **parameters)

    group = await get(admin, group_id)
    session_id = (await anyone("user.login", Username=parameters["Username"], Password=parameters["Password"]))[
        "SessionID"
    ]

    assert (group["Permissions"], group["LimitLists"], group["ForceOptInList"]) == ("", 0, "Disabled")
    assert (group["Options"], group["PaymentSystem"], group["TrialGroup"]) == ({}, "Disabled", "No")
    assert group["DefaultRateLimits"] == {"SMS": UNLIMITED, "EmailGateway": UNLIMITED}
    assert (await anyone("user.apikey.list", SessionID=session_id))["ErrorCode"] == 99999
    assert (await anyone("user.current", SessionID=session_id))["Success"] is True


@pytest.mark.parametrize("command", ["usergroup.create", "usergroup.update", "usergroup.patch"])
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("*", "*"),
        ("Campaign.Create,*", "*"),
        (["campaign.CREATE", "List.Get", "List.Get"], "Campaign.Create,List.Get"),
        (" User.Update , lists.get ,", "User.Update,Lists.Get"),
        ("Plugin.dashboard,Campaign.Create", "Plugin.dashboard,Campaign.Create"),
        ([], ""),
    ],
)
async def test_permissions_are_a_comma_list_or_an_array(admin: Client, command: str, given: Any, kept: str) -> None:
    group_id = await make_group(admin, Permissions="Media.Upload")

    body = await admin.ok(command, UserGroupID=group_id, GroupName="Changed", Permissions=given)

    group_id = body["UserGroupID"] if command == "usergroup.create" else group_id
    assert (await get(admin, group_id))["Permissions"] == kept


async def test_a_permission_counts_from_the_next_call_on(admin: Client, make: Maker) -> None:
    api = await make.client(permissions=["Campaign.Create"])
    assert api.account is not None
    before = (await api.call("user.apikey.list")).json()

    await admin.ok("usergroup.patch", UserGroupID=api.account.group_id, Permissions="User.Update")

    assert before["ErrorCode"] == 99999
    await api.ok("user.apikey.list")


REFUSED = [
    ({"RelThemeID": "x"}, [19], "relthemeid"),
    ({"SendMethod": "Pigeon"}, [22], "sendmethod"),
    ({"SendMethodSMTPSecure": "rot13"}, [23], "sendmethodsmtpsecure"),
    ({"SendMethodSMTPAuth": "maybe"}, [24], "sendmethodsmtpauth"),
    ({"CreditSystem": "On"}, [26], "creditsystem"),
    ({"ForceUnsubscriptionLink": True}, [26], "forceunsubscriptionlink"),
    ({"TrialGroup": "x"}, [27], "trialgroup"),
    ({"Options": "x"}, [28], "options"),
    ({"Options": "{"}, [28], "options"),
    ({"LimitLists": 10**30}, [32], "limitlists"),
    ({"DefaultRateLimits": "[1"}, [29], "defaultratelimits"),
    ({"DefaultRateLimits": {"SMS": {"Minute": "1e3"}}}, [29], "defaultratelimits"),
    ({"Permissions": [1]}, [30], "permissions"),
    ({"Permissions": {"a": "b"}}, [30], "permissions"),
    ({"Permissions": "DROP TABLE"}, [30], "permissions"),
    ({"Permissions": ["p" * 101]}, [30], "permissions"),
    ({"XMailer": ["x"]}, [31], "xmailer"),
    ({"LimitLists": {"a": 1}}, [31], "limitlists"),
    ({"LimitLists": "1.5"}, [32], "limitlists"),
    ({"LimitLists": "0x1A"}, [32], "limitlists"),
    ({"LimitSubscribers": 2**31}, [32], "limitsubscribers"),
    ({"LimitSubscribers": True}, [32], "limitsubscribers"),
    ({"TrialGroup": "x", "LimitLists": "1e3", "XMailer": []}, [27, 31, 32], "limitlists"),
]


@pytest.mark.parametrize("command", ["usergroup.create", "usergroup.update", "usergroup.patch"])
@pytest.mark.parametrize(("given", "codes", "field"), REFUSED)
async def test_a_value_that_a_setting_may_not_hold_is_refused(
    admin: Client, command: str, given: dict[str, Any], codes: list[int], field: str
) -> None:
    group_id = await make_group(admin, LimitLists=5)
    before = await get(admin, group_id)

    body = await assert_refused(admin, command, codes, UserGroupID=group_id, GroupName="Lost", **given)

    assert body["ErrorField"] == field
    assert await get(admin, group_id) == before


async def test_a_text_that_is_too_long_or_holds_nul_cannot_be_read(admin: Client) -> None:
    await assert_unreadable(admin, "usergroup.create", "GroupName", GroupName="n" * 251)
    await assert_unreadable(admin, "usergroup.create", "XMailer", GroupName="n", XMailer="x" * 65_536)
    await assert_unreadable(admin, "usergroup.create", "XMailer", GroupName="n", XMailer="a\x00")
    await assert_unreadable(admin, "usergroup.create", "Options", GroupName="n", Options={"a": ["a\x00"]})
    await assert_unreadable(admin, "usergroup.create", "Options", GroupName="n", Options={"a": "x" * 65_536})


@pytest.mark.parametrize("limit", [-1, "-2147483648"])
async def test_a_negative_limit_is_unlimited(admin: Client, limit: Any) -> None:
    group_id = await make_group(admin, LimitLists=limit, LimitSubscribers=limit)

    group = await get(admin, group_id)

    assert (group["LimitLists"], group["LimitSubscribers"]) == (0, 0)


async def test_create_needs_a_name(admin: Client) -> None:
    await assert_refused(admin, "usergroup.create", [1])
    await assert_refused(admin, "usergroup.create", [1, 26], GroupName="", PaymentSystem="x")


async def test_update_writes_anew_what_the_vendor_writes_anew(admin: Client) -> None:
    group_id = await make_group(
        admin,
        **VENDORS_EXAMPLE,
        Permissions="List.Get",
        ForceOptInList="Enabled",
        Options={"EnableSenderInfo": "Enabled"},
        DefaultRateLimits={"SMS": {"Day": 5}},
        SubscriptionPlan="gold",
        XMailer="ours",
        PaymentSystem="Enabled",
    )

    body = await admin.ok("usergroup.update", UserGroupID=str(group_id), GroupName="Renamed", LimitLists=60)

    group = await get(admin, group_id)
    kept = {**VENDORS_EXAMPLE, "GroupName": "Renamed", "LimitLists": 60}
    assert body == {"Success": True, "ErrorCode": 0, "ErrorText": ""}
    assert {name: group[name] for name in kept} == kept
    assert (group["Permissions"], group["ForceOptInList"]) == ("List.Get", "Enabled")
    assert (group["Options"], group["SubscriptionPlan"]) == ({"EnableSenderInfo": "Enabled"}, "gold")
    assert group["DefaultRateLimits"] == {"SMS": {**UNLIMITED, "Day": 5}, "EmailGateway": UNLIMITED}
    assert (group["XMailer"], group["PaymentSystem"]) == ("", "Disabled")


@pytest.mark.parametrize("command", ["usergroup.update", "usergroup.patch"])
async def test_a_group_that_is_not_there_is_not_changed(admin: Client, command: str) -> None:
    await assert_refused(admin, command, [21], UserGroupID=2**63 - 1, GroupName="Lost")
    await assert_refused(admin, command, [20], UserGroupID=2**63, GroupName="Lost")
    await assert_refused(admin, command, [20], GroupName="Lost")
    await assert_refused(admin, command, [20, 32], GroupName="Lost", LimitLists="x")


async def test_update_needs_a_name(admin: Client) -> None:
    await assert_refused(admin, "usergroup.update", [1, 20])


async def test_patch_changes_what_is_sent_and_says_so(admin: Client) -> None:
    group_id = await make_group(admin, **VENDORS_EXAMPLE, XMailer="ours", Permissions="List.Get")

    body = await admin.ok(
        "usergroup.patch", usergroupid=group_id, limitsubscribers="7", XMailer="", TrialGroup="enabled", GroupName=None
    )

    assert body["UserGroupID"] == str(group_id)
    assert body["UpdatedFields"] == ["LimitSubscribers", "TrialGroup", "XMailer"]
    group = await get(admin, group_id)
    assert (group["LimitSubscribers"], group["XMailer"], group["TrialGroup"]) == (7, "", "Yes")
    assert {name: group[name] for name in VENDORS_EXAMPLE} == {**VENDORS_EXAMPLE, "LimitSubscribers": 7}
    assert group["Permissions"] == "List.Get"


async def test_an_empty_patch_changes_nothing(admin: Client) -> None:
    group_id = await make_group(admin, XMailer="ours")
    before = await get(admin, group_id)

    body = await admin.ok("usergroup.patch", UserGroupID=group_id)

    assert body["UpdatedFields"] == []
    assert await get(admin, group_id) == before


@pytest.mark.parametrize(
    ("setting", "code"),
    [("GroupName", 1), ("LimitLists", 32), ("PaymentSystem", 26), ("TrialGroup", 27), ("Options", 28)],
)
async def test_not_everything_can_be_cleared(admin: Client, setting: str, code: int) -> None:
    group_id = await make_group(admin)

    await assert_refused(admin, "usergroup.patch", [code], UserGroupID=group_id, **{setting: ""})


async def test_permissions_can_be_cleared(admin: Client) -> None:
    group_id = await make_group(admin, Permissions="*")

    await admin.ok("usergroup.patch", UserGroupID=group_id, Permissions="")

    assert (await get(admin, group_id))["Permissions"] == ""


async def test_a_password_that_nobody_uses_is_not_kept(admin: Client) -> None:
    group_id = await make_group(admin, SendMethod="SMTP", SendMethodSMTPPassword="hunter2")

    body = await admin.ok("usergroup.patch", UserGroupID=group_id, SendMethodSMTPPassword="hunter3")

    assert body["UpdatedFields"] == []
    assert "hunter" not in str(await get(admin, group_id))


@pytest.mark.parametrize(("group_id", "code"), [(None, 1), ("x", 1), ([1], 1), (2**63, 1), (2**63 - 1, 2), (0, 2)])
async def test_get_refuses(admin: Client, group_id: Any, code: int) -> None:
    await assert_refused(admin, "usergroup.get", [code], UserGroupID=group_id)


async def test_every_group_is_listed_oldest_first(admin: Client) -> None:
    first, second = await make_group(admin), await make_group(admin)

    groups = (await admin.ok("usergroups.get"))["UserGroups"]

    ids = [group["UserGroupID"] for group in groups]
    assert ids == sorted(ids)
    assert {1, first, second} <= set(ids)
    unassigned = {"DeliveryServerID": 0, "DeliveryServerName": ""}
    assert groups[-1]["DeliveryServerAssignments"] == dict.fromkeys(
        ("Marketing", "Transactional", "AutoResponder"), unassigned
    )


async def test_the_users_of_a_group_see_what_it_grants(admin: Client, api: Client) -> None:
    assert api.account is not None
    await admin.ok(
        "usergroup.patch",
        UserGroupID=api.account.group_id,
        LimitLists=5,
        ForceRejectOptLink="Enabled",
        LimitEmailSendPerPeriod=50000,
        SubscriptionPlan="gold",
        Options={"DefaultSenderDomain": "m.example.com", "EnableSenderInfo": "Enabled"},
    )

    body = await api.ok("user.current")

    group = body["UserInfo"]["GroupInfo"]
    assert (group["UserGroupID"], group["LimitLists"]) == (str(api.account.group_id), "5")
    assert (group["LimitEmailSendPerPeriod"], body["Usage"]["Limit_Monthly"]) == ("50000", 50000)
    assert (group["ForceRejectOptLink"], group["GroupPlanName"]) == ("Enabled", "gold")
    assert (group["DefaultSenderDomain"], group["EnableSenderInfo"]) == ("m.example.com", "Enabled")
    assert "SendMethod" not in group


async def test_groups_are_deleted_all_or_none(admin: Client, api: Client) -> None:
    assert api.account is not None
    first, second = await make_group(admin), await make_group(admin)

    await assert_refused(admin, "usergroup.delete", [5], UserGroupID=f"{first},{api.account.group_id}")
    assert (await get(admin, first))["UserGroupID"] == first
    await admin.ok("usergroup.delete", UserGroupID=f" {first}, {second},9223372036854775807")

    for gone in (first, second):
        await assert_refused(admin, "usergroup.get", [2], UserGroupID=gone)


@pytest.mark.parametrize("groups", [None, "", ",", "x", "1,x", {"a": "b"}, 2**63])
async def test_delete_needs_ids(admin: Client, groups: Any) -> None:
    await assert_refused(admin, "usergroup.delete", [1], UserGroupID=groups)


async def test_the_last_group_stays(admin: Client) -> None:
    every = [group["UserGroupID"] for group in (await admin.ok("usergroups.get"))["UserGroups"]]

    await assert_refused(admin, "usergroup.delete", [4], UserGroupID=",".join(map(str, every)))

    assert len((await admin.ok("usergroups.get"))["UserGroups"]) == len(every)
