"""The commands of user groups, for administrators (AC 2.2)."""

from journeys_api.accounts import groups, wire
from journeys_api.accounts.errors import GroupHoldsUsers, GroupNotFound, LastGroup
from journeys_api.accounts.group_fields import OURS, OUTLIVE_UPDATE, group_params, judge, judge_and_name, value_refusals
from journeys_api.accounts.groups import GroupSettings
from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import identifier, ids
from journeys_api.commands.registry import Param, Reading, Refusal, Scope, command

NO_NAME = Refusal(1, "Missing GroupName parameter")
NO_GROUP_ID = Refusal(20, "Missing UserGroupID parameter")
NOT_FOUND = Refusal(21, "User group not found", 404)
GROUP_ID = Param("UserGroupID", "group_id", identifier, missing=20, invalid=20, refers_to="group")


@command(
    "usergroup.create",
    scope=Scope.ADMIN,
    params=group_params(keeps_empty=False, name_missing=1),
    refusals=[NO_NAME, *value_refusals(source=OURS)],
    check=judge,
    title="Create User Group",
    source="AC 2.2",
    example={"GroupName": "Premium Users", "Permissions": "Campaign.Create,List.Create,Lists.Get", "LimitLists": 50},
    answer={"UserGroupID": 5},
)
async def usergroup_create(call: Call, *, settings: GroupSettings) -> Body:
    """Make a group. Only GroupName is needed; the vendor demands nine more settings, which are optional here.

    Without `Permissions` the group's users may call only what needs none; `*` is everything. Limits that are not given
    are 0, unlimited; a negative one is taken as 0. A value that a setting may not hold has the code that
    `usergroup.patch` gives it, and `ErrorField` names the setting.
    """
    group = await groups.create_group(call.session, settings=settings, now=call.now)
    return {"UserGroupID": group.group_id}


@command(
    "usergroup.update",
    scope=Scope.ADMIN,
    params=[GROUP_ID, *group_params(keeps_empty=False, name_missing=1)],
    refusals=[NO_NAME, NO_GROUP_ID, NOT_FOUND, *value_refusals(source=OURS)],
    errors={GroupNotFound: 21},
    check=judge,
    changes_principals=True,
    title="Update User Group",
    source="AC 2.2",
    example={"UserGroupID": 1, "GroupName": "Premium Plus Users", "LimitLists": 100},
)
async def usergroup_update(call: Call, *, group_id: int, settings: GroupSettings) -> Body:
    """Write a group anew: optional settings that are not sent are emptied, as the vendor does.

    Kept when not sent: what the vendor demands or keeps (limits, theme, URL, forced links, `Options`,
    `DefaultRateLimits`, `CustomEmailHeaders`, `SubscriptionPlan`), and what has an effect here (`Permissions`,
    `ForceOptInList`). `usergroup.patch` changes single settings.
    """
    await groups.change_group(call.session, group_id=group_id, settings=settings, now=call.now, keeping=OUTLIVE_UPDATE)
    return {}


@command(
    "usergroup.patch",
    scope=Scope.ADMIN,
    params=[GROUP_ID, *group_params(keeps_empty=True)],
    refusals=[
        Refusal(1, NO_NAME.message, source="ours: a group without a name cannot be told from others"),
        NO_GROUP_ID,
        NOT_FOUND,
        *value_refusals(),
    ],
    errors={GroupNotFound: 21},
    check=judge_and_name,
    changes_principals=True,
    title="Patch a User Group",
    source="AC 2.2",
    example={"UserGroupID": 1, "LimitSubscribers": 50000},
    answer={"UserGroupID": "1", "UpdatedFields": ["LimitSubscribers"]},
)
async def usergroup_patch(call: Call, *, group_id: int, settings: GroupSettings, updated_fields: list[str]) -> Body:
    """Change the settings that are sent and no other; "" clears a text, null is absence.

    `Permissions` takes a comma list or an array of strings. The vendor's names are taken without case; others are kept
    if they look like a name, and open nothing here. `ErrorField` names the (first) setting of a wrong value.
    """
    group = await groups.change_group(call.session, group_id=group_id, settings=settings, now=call.now)
    return {"UserGroupID": str(group.group_id), "UpdatedFields": updated_fields}


@command(
    "usergroup.get",
    scope=Scope.ADMIN,
    params=[Param("UserGroupID", "group_id", identifier, missing=1, invalid=1, refers_to="group")],
    refusals=[Refusal(1, "Missing UserGroupID parameter"), Refusal(2, "User group not found", 404)],
    errors={GroupNotFound: 2},
    title="Get User Group",
    source="AC 2.2",
    example={"UserGroupID": 1},
    answer={"UserGroup": {"UserGroupID": 1, "GroupName": "Default", "Permissions": "*", "LimitLists": 0}},
)
async def usergroup_get(call: Call, *, group_id: int) -> Body:
    """A group with every setting."""
    return {"UserGroup": wire.group_row(await groups.get_group(call.session, group_id=group_id))}


@command("usergroups.get", scope=Scope.ADMIN, title="Get All User Groups", source="AC 2.2")
async def usergroups_get(call: Call) -> Body:
    """Every group, oldest first. There are no delivery servers here, so none is assigned."""
    return {"UserGroups": [wire.group_in_list(group) for group in await groups.list_groups(call.session)]}


def _names_some(reading: Reading) -> None:
    if reading.has("group_ids") and reading["group_ids"] == []:
        reading.refuse(1)


@command(
    "usergroup.delete",
    scope=Scope.ADMIN,
    params=[Param("UserGroupID", "group_ids", ids, missing=1, invalid=1, refers_to="group")],
    refusals=[
        Refusal(1, "Missing UserGroupID parameter"),
        Refusal(4, "Cannot delete the last user group", 409),
        Refusal(
            5,
            "Cannot delete a user group that holds users",
            409,
            source="ours: the vendor's screens refuse it, its API has no code",
        ),
    ],
    errors={LastGroup: 4, GroupHoldsUsers: 5},
    check=_names_some,
    changes_principals=True,
    title="Delete User Group",
    source="AC 2.2",
    example={"UserGroupID": "5,6,7"},
)
async def usergroup_delete(call: Call, *, group_ids: list[int]) -> Body:
    """Delete groups, all or none. Ids of no group are passed over; a member that is no id is 1."""
    await groups.delete_groups(call.session, group_ids=group_ids)
    return {}
