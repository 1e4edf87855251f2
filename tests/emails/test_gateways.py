"""admin.smsgateway.create, .list, .delete: our own commands."""

from typing import Any

import pytest
from sqlalchemy import select

from journeys_api.app import Application
from journeys_api.models import SmsGateway
from journeys_api.sealing.vault import Vault, is_sealed
from tests.conftest import SECRET_KEY, Client, Maker
from tests.emails.refusals import assert_refused

TWILIO = {
    "GatewayName": "Main",
    "GatewayType": "Twilio",
    "Credentials": {"AccountSID": "AC01", "AuthToken": "s3cret-token"},
    "SenderIDs": ["+14155550100"],
}


async def listed(admin: Client, gateway_id: int) -> dict[str, Any] | None:
    rows = (await admin.ok("admin.smsgateway.list"))["Gateways"]
    return next((row for row in rows if row["GatewayID"] == gateway_id), None)


async def stored(app: Application, gateway_id: int) -> SmsGateway:
    async with app.sessions() as session:
        return (await session.scalars(select(SmsGateway).where(SmsGateway.gateway_id == gateway_id))).one()


async def test_a_gateway_needs_a_name_and_a_type(admin: Client) -> None:
    made = await admin.ok("admin.smsgateway.create", GatewayName="Log only", GatewayType="log")

    row = made["Gateway"]
    assert row.pop("CreatedAt")[4] == "-"
    assert row == {
        "GatewayID": made["GatewayID"],
        "GatewayName": "Log only",
        "GatewayType": "Log",
        "Status": "Active",
        "IsGlobal": True,
        "UserIDs": [],
        "SenderIDs": [],
        "CredentialKeys": [],
    }


def opened(gateway: SmsGateway) -> dict[str, Any]:
    """The credentials of a stored gateway; every value lies sealed."""
    assert all(is_sealed(value) for value in gateway.credentials.values())
    return Vault(SECRET_KEY.encode()).open_values(gateway.credentials)


async def test_credentials_are_kept_and_never_answered(admin: Client, app: Application) -> None:
    sent = {**TWILIO, "Credentials": {"accountsid": "AC01", "AUTHTOKEN": "s3cret-token", "APIBaseURL": ""}}

    created = await admin.call("admin.smsgateway.create", **sent)
    listing = await admin.call("admin.smsgateway.list")

    assert "s3cret-token" not in created.text + listing.text
    gateway = await stored(app, created.json()["GatewayID"])
    assert opened(gateway) == {"AccountSID": "AC01", "AuthToken": "s3cret-token"}
    row = await listed(admin, gateway.gateway_id)
    assert row is not None
    assert row == created.json()["Gateway"]
    assert row["CredentialKeys"] == ["AccountSID", "AuthToken"]


async def test_an_http_gateway_takes_the_whole_request(admin: Client, app: Application) -> None:
    credentials = {
        "URL": "https://sms.example.com:8443/send?v=1",
        "method": "put",
        "Headers": {"X-Api-Key": "k", "Content-Type": "application/json"},
        "BodyTemplate": '{"to": "{{ To }}",\n "text": "{{ Message }}"}',
    }

    made = await admin.ok(
        "admin.smsgateway.create",
        GatewayName="Own",
        GatewayType="HTTP",
        Credentials=credentials,
        SenderIDs=" +4915112345678, Shop24 ,12345,Shop24",
        Status="inactive",
    )

    gateway = await stored(app, made["GatewayID"])
    assert opened(gateway) == {
        "URL": credentials["URL"],
        "Method": "PUT",
        "Headers": credentials["Headers"],
        "BodyTemplate": credentials["BodyTemplate"],
    }
    assert made["Gateway"]["SenderIDs"] == ["+4915112345678", "Shop24", "12345"]
    assert made["Gateway"]["Status"] == "Inactive"


async def test_naming_users_makes_a_gateway_theirs(admin: Client, make: Maker) -> None:
    user_id = (await make.account()).user_id

    theirs = await admin.ok("admin.smsgateway.create", **TWILIO, UserIDs=[user_id, user_id])
    everybodys = await admin.ok("admin.smsgateway.create", **TWILIO, UserIDs=str(user_id), IsGlobal=True)

    assert (theirs["Gateway"]["IsGlobal"], theirs["Gateway"]["UserIDs"]) == (False, [user_id])
    assert everybodys["Gateway"]["IsGlobal"] is True


async def test_gateways_are_listed_by_id(admin: Client) -> None:
    made = [(await admin.ok("admin.smsgateway.create", **TWILIO))["GatewayID"] for _ in range(3)]

    answer = await admin.ok("admin.smsgateway.list")

    ids = [row["GatewayID"] for row in answer["Gateways"]]
    assert ids == sorted(ids)
    assert set(made) <= set(ids)
    assert answer["TotalGateways"] == len(ids)


async def test_a_deleted_gateway_is_gone(admin: Client) -> None:
    gateway_id = (await admin.ok("admin.smsgateway.create", **TWILIO))["GatewayID"]

    await admin.ok("admin.smsgateway.delete", GatewayID=gateway_id)

    assert await listed(admin, gateway_id) is None
    await assert_refused(admin, "admin.smsgateway.delete", [2], GatewayID=gateway_id)


@pytest.mark.parametrize(
    ("parameters", "codes"),
    [
        ({}, [1]),
        ({"GatewayID": "x"}, [1]),
        ({"GatewayID": [1]}, [1]),
        ({"GatewayID": 2**63}, [1]),
        ({"GatewayID": 2**63 - 1}, [2]),
    ],
)
async def test_a_gateway_that_is_not_there_cannot_be_deleted(
    admin: Client, parameters: dict[str, Any], codes: list[int]
) -> None:
    await assert_refused(admin, "admin.smsgateway.delete", codes, **parameters)


@pytest.mark.parametrize(
    ("parameters", "codes"),
    [
        ({}, [1, 2]),
        ({"GatewayName": "A\nB", "GatewayType": "Pigeon"}, [1, 3]),
        ({"GatewayName": ["A"], "GatewayType": "Log", "SenderIDs": "much too long a name"}, [1, 5]),
        ({**TWILIO, "SenderIDs": []}, [5]),
        ({**TWILIO, "SenderIDs": None}, [5]),
        ({**TWILIO, "SenderIDs": ["+0123"]}, [5]),
        ({**TWILIO, "SenderIDs": ["Größe"]}, [5]),
        ({**TWILIO, "SenderIDs": [["a"]]}, [5]),
        ({**TWILIO, "Status": "Paused"}, [6]),
        ({**TWILIO, "UserIDs": "1,x"}, [7]),
        ({**TWILIO, "UserIDs": [2**63]}, [7]),
        ({**TWILIO, "UserIDs": [2**63 - 1]}, [8]),
        ({**TWILIO, "Status": {}, "UserIDs": "x", "Credentials": {}, "SenderIDs": "?"}, [4, 5, 6, 7]),
    ],
)
async def test_a_gateway_is_refused_with_every_code_it_earns(
    admin: Client, parameters: dict[str, Any], codes: list[int]
) -> None:
    before = (await admin.ok("admin.smsgateway.list"))["TotalGateways"]

    await assert_refused(admin, "admin.smsgateway.create", codes, **parameters)

    assert (await admin.ok("admin.smsgateway.list"))["TotalGateways"] == before


@pytest.mark.parametrize(
    ("kind", "credentials"),
    [
        ("Log", {"Token": "secret-value"}),
        ("Twilio", None),
        ("Twilio", "no json"),
        ("Twilio", ["secret-value"]),
        ("Twilio", {"AccountSID": "AC01"}),
        ("Twilio", {"AccountSID": "AC01", "AuthToken": None}),
        ("Twilio", {"AccountSID": "AC01/../x", "AuthToken": "secret-value"}),
        ("Twilio", {"AccountSID": "AC01", "AuthToken": "secret-value\r\nX: y"}),
        ("Twilio", {"AccountSID": "AC01", "AuthToken": ["secret-value"]}),
        ("Twilio", {"AccountSID": "AC01", "AuthToken": "secret-value", "APIBaseURL": "ftp://example.com"}),
        ("Twilio", {"AccountSID": "AC01", "AuthToken": "secret-value", "Authtoken": "secret-value"}),
        ("Twilio", {"AccountSID": "AC01", "AuthToken": "secret-value", "Region": "secret-value"}),
        ("HTTP", {}),
        ("HTTP", {"URL": "example.com/secret-value"}),
        ("HTTP", {"URL": "http://"}),
        ("HTTP", {"URL": "http://example.com:99999/"}),
        ("HTTP", {"URL": "http://exam ple.com/"}),
        ("HTTP", {"URL": "http://[::1/"}),
        ("HTTP", {"URL": "https://example.com", "Method": "GET"}),
        ("HTTP", {"URL": "https://example.com", "Headers": "x"}),
        ("HTTP", {"URL": "https://example.com", "Headers": {"Host": "secret-value"}}),
        ("HTTP", {"URL": "https://example.com", "Headers": {"X\r\nY": "1"}}),
        ("HTTP", {"URL": "https://example.com", "Headers": {"X-A": "1\n2"}}),
        ("HTTP", {"URL": "https://example.com", "Headers": {"X-A": "1", "x-a": "2"}}),
        ("HTTP", {"URL": "https://example.com", "BodyTemplate": {"to": "x"}}),
        ("HTTP", {"URL": "https://example.com", "BodyTemplate": "\x00"}),
    ],
)
async def test_credentials_must_be_those_of_the_type(admin: Client, kind: str, credentials: Any) -> None:
    body = await assert_refused(
        admin,
        "admin.smsgateway.create",
        [4],
        GatewayName="Bad",
        GatewayType=kind,
        SenderIDs="Shop",
        Credentials=credentials,
    )

    assert "secret-value" not in str(body)


async def test_gateways_are_the_administrators(api: Client) -> None:
    for command in ("admin.smsgateway.create", "admin.smsgateway.list", "admin.smsgateway.delete"):
        answer = await api.call(command, **TWILIO)

        assert answer.json()["ErrorCode"] == 99999
