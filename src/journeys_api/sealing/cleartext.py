"""Seals what an older release stored in the clear: webhooks' secrets and gateways' credentials."""

from collections.abc import Mapping
from typing import Any

import orjson
import structlog
from sqlalchemy import text

from journeys_api.db import Sessions
from journeys_api.sealing.vault import Vault, is_sealed

log = structlog.get_logger()

# the condition of `ix_journey_actions_clear_secrets`: where nothing is left to do, nothing is read
_CLEAR_ACTIONS = text(
    "SELECT action_id, parameters FROM journey_actions WHERE action = 'Webhook' "
    "AND (parameters #>> '{WebhookSecurity,SecretKey}') <> '' "
    "AND (parameters #>> '{WebhookSecurity,SecretKey}') NOT LIKE 'sealed:1:%' "
    "ORDER BY action_id LIMIT 500 FOR UPDATE SKIP LOCKED"
)
_SEAL_ACTIONS = text(
    "UPDATE journey_actions a SET parameters = CAST(w.parameters AS json) "
    "FROM unnest(CAST(:ids AS bigint[]), CAST(:parameters AS text[])) AS w(action_id, parameters) "
    "WHERE a.action_id = w.action_id"
)
_GATEWAYS = text("SELECT gateway_id, credentials FROM sms_gateways ORDER BY gateway_id LIMIT 10000 FOR UPDATE")
_SEAL_GATEWAYS = text(
    "UPDATE sms_gateways g SET credentials = CAST(w.credentials AS json) "
    "FROM unnest(CAST(:ids AS bigint[]), CAST(:credentials AS text[])) AS w(gateway_id, credentials) "
    "WHERE g.gateway_id = w.gateway_id"
)


async def seal_what_is_clear(sessions: Sessions, vault: Vault) -> int:
    """Seal it, some hundred actions a transaction; how much there was. Any number of workers may do so at once."""
    sealed = await _seal_gateways(sessions, vault)
    while count := await _seal_some_actions(sessions, vault):
        sealed += count
    if sealed:
        log.info("secrets_sealed", count=sealed)
    return sealed


async def _seal_some_actions(sessions: Sessions, vault: Vault) -> int:
    async with sessions.begin() as session:
        rows = (await session.execute(_CLEAR_ACTIONS)).all()
        for row in rows:
            security = row.parameters["WebhookSecurity"]
            security["SecretKey"] = vault.seal(str(security["SecretKey"]))
        if rows:
            await session.execute(
                _SEAL_ACTIONS,
                {
                    "ids": [row.action_id for row in rows],
                    "parameters": [orjson.dumps(row.parameters).decode() for row in rows],
                },
            )
    return len(rows)


def _all_sealed(credentials: Mapping[str, Any], vault: Vault) -> dict[str, Any]:
    clear = {name: value for name, value in credentials.items() if not is_sealed(value)}
    return {**credentials, **vault.seal_values(clear)}


async def _seal_gateways(sessions: Sessions, vault: Vault) -> int:
    async with sessions.begin() as session:
        rows = (await session.execute(_GATEWAYS)).all()
        after = {row.gateway_id: _all_sealed(row.credentials, vault) for row in rows}
        changed = [row.gateway_id for row in rows if after[row.gateway_id] != row.credentials]
        if changed:
            await session.execute(
                _SEAL_GATEWAYS,
                {"ids": changed, "credentials": [orjson.dumps(after[each]).decode() for each in changed]},
            )
    return len(changed)
