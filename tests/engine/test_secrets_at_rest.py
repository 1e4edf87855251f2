"""Secrets of webhooks and credentials of gateways: sealed where they lie, and as good as ever where they are used."""

import hashlib
import hmac
from typing import Any

import pytest
from pydantic import SecretStr

from journeys_api.sealing.vault import PREFIX, SecretUnreadable, Vault, is_sealed
from journeys_api.settings import Settings
from journeys_api.work import Worker
from tests.conftest import Client
from tests.delivery.egress.servers import Server, answer, serving
from tests.engine.conftest import Audience, Work, running

SECRET = "sesame opens 7f3a"
TOKEN = "token 9c1e of the gateway"


def webhook(server: Server, secret: str = SECRET) -> dict[str, Any]:
    return {
        "Action": "Webhook",
        "WebhookURL": server.url(),
        "WebhookSecurity": {"Method": "HMAC", "SecretKey": secret},
    }


def is_signed(server: Server, secret: str = SECRET) -> bool:
    call = server.calls[-1]
    return call.headers["x-octeth-signature"] == hmac.new(secret.encode(), call.body, hashlib.sha256).hexdigest()


async def lying(work: Work, table: str) -> str:
    """Everything that a table holds."""
    return "\n".join(str(row[0]) for row in await work.rows(f"SELECT t::text FROM {table} AS t"))


async def test_a_webhooks_secret_lies_sealed_and_signs(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    async with serving() as server:
        journey_id = await running(api, webhook(server))
        assert SECRET not in await lying(work, "journey_actions")
        saved = (await api.ok("journey.get", JourneyID=journey_id))["Actions"]
        assert saved[0]["ActionParameters"]["WebhookSecurity"]["SecretKey"] == "********"
        # what was answered may be sent back
        await api.ok("journey.actions.update", JourneyID=journey_id, Actions=saved)
        await api.ok("journey.clone", JourneyID=journey_id, NewJourneyName="Copy")
        assert SECRET not in await lying(work, "journey_actions")

        await audience.enter(journey_id, await audience.subscribe(address))
        await work.run()
        assert is_signed(server)


@pytest.mark.parametrize("secret", ["sealed:1:AAAA", f"{PREFIX}not one of ours", "ключ 🔑"])
async def test_a_new_secret_is_a_secret_whatever_it_looks_like(
    api: Client, audience: Audience, work: Work, address: str, secret: str
) -> None:
    async with serving() as server:
        journey_id = await running(api, webhook(server, secret))
        await audience.enter(journey_id, await audience.subscribe(address))
        await work.run()
        assert is_signed(server, secret)


async def test_what_an_older_release_stored_is_used_and_sealed(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    async with serving() as server:
        journey_id = await running(api, webhook(server))
        await work.change(
            "UPDATE journey_actions SET parameters = json_build_object('WebhookURL', parameters ->> 'WebhookURL', "
            "'WebhookSecurity', json_build_object('Method', 'HMAC', 'SecretKey', CAST(:secret AS text))) "
            "WHERE journey_id = :journey",
            secret=SECRET,
            journey=journey_id,
        )
        await audience.enter(journey_id, await audience.subscribe(address))
        await work.run()
        assert is_signed(server)

        await work.worker.seal_what_is_clear()
        sealed = await lying(work, "journey_actions")
        assert SECRET not in sealed
        await work.worker.seal_what_is_clear()
        assert await lying(work, "journey_actions") == sealed
        await audience.enter(journey_id, await audience.subscribe(f"b.{address}"))
        await work.run()
        assert len(server.calls) == 2
        assert is_signed(server)


async def test_a_gateways_credentials_lie_sealed_and_sign_in(
    api: Client, admin: Client, audience: Audience, work: Work, address: str
) -> None:
    field_id = await audience.field("Phone")
    await api.ok("list.update", SubscriberListID=audience.list_id, Options={"PhoneFieldID": field_id})
    async with serving(answer(200, b"{}")) as server:
        made = await admin.ok(
            "admin.smsgateway.create",
            GatewayName="Mine",
            GatewayType="HTTP",
            IsGlobal=True,
            SenderIDs=["+14155550100"],
            Credentials={"URL": server.url(), "Headers": {"Authorization": TOKEN}},
        )
        gateway_id = int(made["GatewayID"])
        assert TOKEN not in await lying(work, "sms_gateways")
        listed = (await admin.ok("admin.smsgateway.list"))["Gateways"]
        [keys] = [row["CredentialKeys"] for row in listed if int(row["GatewayID"]) == gateway_id]
        assert keys == ["Headers", "URL"]
        journey_id = await running(api, {"Action": "SendSMS", "message": "Hi", "gateway_id": gateway_id})

        async def send(who: str) -> None:
            person = await audience.subscribe(who, **{f"CustomField{field_id}": "+14155550123"})
            await audience.enter(journey_id, person)
            await work.run()

        await send(address)
        assert server.calls[-1].headers["authorization"] == TOKEN
        await work.change(
            "UPDATE sms_gateways SET credentials = json_build_object('URL', CAST(:url AS text), "
            "'Headers', json_build_object('Authorization', CAST(:token AS text))) WHERE gateway_id = :id",
            url=server.url(),
            token=TOKEN,
            id=gateway_id,
        )
        await send(f"b.{address}")
        await work.worker.seal_what_is_clear()
        assert TOKEN not in await lying(work, "sms_gateways")
        await send(f"c.{address}")

    assert [call.headers["authorization"] for call in server.calls] == [TOKEN] * 3


async def test_with_another_key_a_webhook_waits_and_says_why(
    api: Client, audience: Audience, work: Work, settings: Settings, address: str
) -> None:
    other = Worker(settings.model_copy(update={"secret_key": SecretStr("another key of the server")}), clock=work.clock)
    async with serving() as server:
        journey_id = await running(api, webhook(server))
        await audience.enter(journey_id, await audience.subscribe(address))
        work.pass_time()
        await other.run_until_quiet()
        await other.close()
        reason = "the secret was stored under another secret key"
        assert await work.deliveries(journey_id) == [("webhook", "pending", reason)]
        assert server.accepted == 0
        await work.run(minutes=1)
        assert is_signed(server)


def test_a_vault_opens_what_it_sealed_and_nothing_that_was_changed() -> None:
    vault = Vault(b"a key of the server")
    sealed = vault.seal(SECRET)

    assert is_sealed(sealed)
    assert SECRET not in sealed
    assert vault.seal(SECRET) != sealed
    assert vault.open(sealed) == SECRET
    assert vault.open("never sealed") == "never sealed"
    for broken in (sealed[:-4], sealed[:-6] + "AAAA==", PREFIX, PREFIX + "!", f"{PREFIX}AAAA"):
        with pytest.raises(SecretUnreadable):
            vault.open(broken)
    with pytest.raises(SecretUnreadable):
        Vault(b"another key").open(sealed)
    values = {"AuthToken": TOKEN, "Headers": {"X": ["1", None]}, "N": 7}
    assert vault.open_values(vault.seal_values(values)) == values
    assert vault.seal_values(vault.seal_values(values)).keys() == values.keys()
