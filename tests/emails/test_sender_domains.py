"""user.senderdomain.create, .list, .get, .delete at both doors."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert

from journeys_api.app import Application
from journeys_api.models import DomainStatus, SenderDomain
from tests.conftest import Client, Maker
from tests.emails.refusals import assert_refused


async def create(api: Client, name: str, **options: Any) -> dict[str, Any]:
    return await api.ok("user.senderdomain.create", SenderDomain=name, **options)


async def names(api: Client) -> list[str]:
    return [row["SenderDomain"] for row in (await api.ok("user.senderdomain.list"))["SenderDomains"]]


async def test_a_new_domain_is_enabled_at_once(api: Client, door: str) -> None:
    api = api.at(door)
    assert api.account is not None

    made = await create(api, "example.com")

    row = made["SenderDomain"]
    assert made["Success"] is True
    assert row.pop("CreatedAt")[4] == "-"
    assert row == {
        "DomainID": str(made["DomainID"]),
        "SenderDomain": "example.com",
        "UserID": str(api.account.user_id),
        "Status": "Enabled",
        "LastVerifiedAt": None,
        "VerificationMeta": {"DNSRecords": {}},
        "PolicyMeta": [],
        "Options": {
            "LinkTracking": 1,
            "OpenTracking": 1,
            "UnsubscribeLink": 0,
            "CustomSubdomain": "",
            "CustomTrackPrefix": "",
            "TrackPrefixDisabled": False,
        },
        "Volume7d": 0,
        "VolumeDelta": None,
        "Reputation": None,
        "ReputationBucket": None,
        "DeliveryRate": None,
        "BounceRate": None,
    }


async def test_a_domain_keeps_its_options(api: Client) -> None:
    made = await create(
        api,
        "example.com",
        LinkTracking=False,
        OpenTracking="no",
        UnsubscribeLink=1,
        CustomSubdomain="foo-1",
        CustomTrackPrefix="b" * 32,
        UseTrackingSubdomain=False,
    )

    found = await api.ok("user.senderdomain.get", DomainID=made["DomainID"])

    assert found["SenderDomain"]["Options"] == {
        "LinkTracking": 0,
        "OpenTracking": 0,
        "UnsubscribeLink": 1,
        "CustomSubdomain": "foo-1",
        "CustomTrackPrefix": "b" * 32,
        "TrackPrefixDisabled": True,
    }
    assert found.keys() == {"Success", "SenderDomain"}


async def test_domains_are_listed_by_id_without_deleted_and_foreign_ones(api: Client, make: Maker, door: str) -> None:
    await create(await make.client(), "foreign.example.com")
    for name in ["b.example.com", "c.example.com", "a.example.com"]:
        made = await create(api, name)
    await api.at(door).ok("user.senderdomain.delete", DomainID=made["DomainID"])

    listed = await api.at(door).ok("user.senderdomain.list")

    assert listed["Success"] is True
    assert [row["SenderDomain"] for row in listed["SenderDomains"]] == ["b.example.com", "c.example.com"]


@pytest.mark.parametrize(("sent", "days"), [(30, 30), ("0", 1), (366, 365)])
async def test_statistics_cover_a_clamped_number_of_days(api: Client, sent: Any, days: int) -> None:
    made = await create(api, "example.com")

    found = await api.ok("user.senderdomain.get", DomainID=made["DomainID"], days=sent)

    assert (found["Days"], found["Stats"]) == (days, {})


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("EXAMPLE.com", "example.com"),
        ("münchen.example.com", "xn--mnchen-3ya.example.com"),
        ("xn--mnchen-3ya.example.com", "xn--mnchen-3ya.example.com"),
        (".".join(["a" * 60] * 3) + ".example.com", ".".join(["a" * 60] * 3) + ".example.com"),
    ],
)
async def test_a_name_is_kept_in_lower_case_ascii(api: Client, sent: str, kept: str) -> None:
    made = await create(api, sent)

    assert made["SenderDomain"]["SenderDomain"] == kept


async def test_a_known_name_is_the_same_record_again(api: Client) -> None:
    made = await create(api, "example.com", LinkTracking=False)

    again = await create(api, "Example.COM")
    await api.ok("user.senderdomain.delete", DomainID=made["DomainID"])
    revived = await create(api, "example.com", OpenTracking=False)

    assert made["DomainID"] == again["DomainID"] == revived["DomainID"]
    assert again["SenderDomain"]["Options"]["LinkTracking"] == 1
    assert revived["SenderDomain"]["Status"] == "Enabled"
    assert revived["SenderDomain"]["Options"]["OpenTracking"] == 0
    assert await names(api) == ["example.com"]


async def test_a_name_belongs_to_each_account_apart(api: Client, make: Maker) -> None:
    stranger = await make.client()

    mine, theirs = await create(api, "example.com"), await create(stranger, "example.com")

    assert mine["DomainID"] != theirs["DomainID"]


async def test_a_name_created_twice_at_once_is_one_record(api: Client) -> None:
    made = await asyncio.gather(*(create(api, "example.com") for _ in range(4)))

    assert len({answer["DomainID"] for answer in made}) == 1
    assert await names(api) == ["example.com"]


@pytest.mark.parametrize(
    ("parameters", "codes"),
    [
        ({}, [1]),
        ({"SenderDomain": ""}, [1]),
        ({"SenderDomain": None, "CustomSubdomain": "-a"}, [1, 6]),
        ({"SenderDomain": "localhost"}, [4]),
        ({"SenderDomain": "LocalHost."}, [4]),
        ({"SenderDomain": "mail.localhost"}, [4]),
        ({"SenderDomain": "example.com", "CustomSubdomain": "a" * 33}, [6]),
        ({"SenderDomain": "example.com", "CustomTrackPrefix": "a_b"}, [6]),
        ({"SenderDomain": "example.com", "CustomTrackPrefix": ["a"]}, [6]),
        ({"SenderDomain": "example"}, [7]),
        ({"SenderDomain": "exa mple.com"}, [7]),
        ({"SenderDomain": "example.com\n"}, [7]),
        ({"SenderDomain": "192.0.2.1"}, [7]),
        ({"SenderDomain": "[192.0.2.1]"}, [7]),
        ({"SenderDomain": "a@example.com"}, [7]),
        ({"SenderDomain": "-a.example.com"}, [7]),
        ({"SenderDomain": "a..example.com"}, [7]),
        ({"SenderDomain": "a" * 64 + ".com"}, [7]),
        ({"SenderDomain": "a." * 130 + "com"}, [7]),
        ({"SenderDomain": "exam\x00ple.com"}, [7]),
        ({"SenderDomain": ["example.com"]}, [7]),
        ({"SenderDomain": 7, "CustomSubdomain": "a b"}, [6, 7]),
    ],
)
async def test_what_is_no_domain_is_refused(
    api: Client, door: str, parameters: dict[str, Any], codes: list[int]
) -> None:
    await assert_refused(api.at(door), "user.senderdomain.create", codes, **parameters)

    assert await names(api) == []


async def test_an_account_has_at_most_a_thousand_domains(api: Client, app: Application, door: str) -> None:
    assert api.account is not None
    async with app.sessions.begin() as session:
        rows = [
            {
                "owner_id": api.account.user_id,
                "name": f"d{number}.example.com",
                "status": DomainStatus.DELETED if number == 0 else DomainStatus.ENABLED,
                "created_at": datetime.now(UTC),
            }
            for number in range(1001)
        ]
        await session.execute(insert(SenderDomain), rows)

    for name in ["new.example.com", "d0.example.com"]:
        await assert_refused(api.at(door), "user.senderdomain.create", [5], SenderDomain=name)

    assert len(await names(api)) == 1000
    made = await create(api, "d1.example.com", LinkTracking=False)
    await api.ok("user.senderdomain.delete", DomainID=made["DomainID"])
    await create(api, "d0.example.com")


@pytest.mark.parametrize("command", ["user.senderdomain.get", "user.senderdomain.delete"])
async def test_a_domain_that_is_not_there_or_not_the_callers_is_not_found(
    api: Client, make: Maker, door: str, command: str
) -> None:
    stranger = await make.client()
    foreign = (await create(stranger, "example.com"))["DomainID"]
    deleted = (await create(api, "example.com"))["DomainID"]
    await api.ok("user.senderdomain.delete", DomainID=deleted)

    for domain_id in (foreign, deleted, 0, 2**63 - 1):
        await assert_refused(api.at(door), command, [2], DomainID=domain_id)

    assert await names(stranger) == ["example.com"]


@pytest.mark.parametrize("command", ["user.senderdomain.get", "user.senderdomain.delete"])
@pytest.mark.parametrize("parameters", [{}, {"DomainID": ""}, {"DomainID": "x"}, {"DomainID": 2**63}])
async def test_a_missing_or_unreadable_domain_id_is_code_1(
    api: Client, door: str, command: str, parameters: dict[str, Any]
) -> None:
    await assert_refused(api.at(door), command, [1], **parameters)


async def test_sender_domains_need_the_permission(make: Maker, door: str) -> None:
    api = (await make.client(permissions=["Campaign.Create"])).at(door)

    answer = await api.call("user.senderdomain.list")

    assert answer.status_code == (403 if door == "rest" else 200)
    assert answer.json()["ErrorCode"] == 99999
