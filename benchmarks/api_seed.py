"""The accounts and journeys that the API is asked for, and the requests of every way to ask."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import asyncpg
import orjson

from api_client import Load
from journeys_api.accounts.credentials import keyed_hash

PEPPER = "the benchmark's secret key"
ACCOUNTS = 5_000
LISTING = range(1, 301)
"""Accounts with a hundred journeys each."""
EDITING = range(501, 2_501)
"""Accounts whose second journey has twenty actions."""
CREATING = range(2_501, ACCOUNTS + 1)
TREE = 20
EDITED, EDITED_ACTIONS = 1_000_000, 10_000_000
EMAILS = 30_000_000
"""The email that these name is the account's own: nothing is to be warned of."""
ACTIVE, ACTIVE_ACCOUNTS = 2_000_000, range(301, 501)
"""Journeys with a month of numbers."""

# journey a of account a: quiet, three actions; the others as the ranges above say
SETUP = f"""
INSERT INTO user_groups (group_id, group_name, permissions, created_at, updated_at) OVERRIDING SYSTEM VALUE
VALUES (1, 'bench', '{{*}}', now(), now());
INSERT INTO users (user_id, group_id, username, email_address, password_hash, created_at, updated_at)
OVERRIDING SYSTEM VALUE
SELECT a, 1, 'bench' || a, 'bench' || a || '@example.com', '', now(), now() FROM generate_series(1, {ACCOUNTS}) a;
INSERT INTO emails (email_id, owner_id, name, subject, created_at, updated_at) OVERRIDING SYSTEM VALUE
SELECT {EMAILS} + a, a, 'bench', 'bench', now(), now() FROM generate_series({EDITING[0]}, {EDITING[-1]}) a;
INSERT INTO journeys (journey_id, owner_id, name, status, trigger, trigger_parameters, run_criteria, first_action_id,
                      notes, created_at, updated_at) OVERRIDING SYSTEM VALUE
SELECT journey_id, a, 'Welcome Series ' || journey_id, 'Enabled', 'WebsiteEvent_customEvent', '{{parameters}}',
       '{{criteria}}', NULL, 'Onboarding journey for new subscribers', now(), now()
FROM (SELECT a AS journey_id, a FROM generate_series(1, {ACCOUNTS}) a
      UNION ALL SELECT 10000 + a * 99 + n, a
      FROM generate_series({LISTING[0]}, {LISTING[-1]}) a, generate_series(0, 98) n
      UNION ALL SELECT {EDITED} + a, a FROM generate_series({EDITING[0]}, {EDITING[-1]}) a
      UNION ALL SELECT {ACTIVE} + a, a FROM generate_series({ACTIVE_ACCOUNTS[0]}, {ACTIVE_ACCOUNTS[-1]}) a) AS j;
INSERT INTO journey_actions (action_id, owner_id, journey_id, order_no, action, parameters, is_published, created_at)
OVERRIDING SYSTEM VALUE
SELECT journey_id * 3 + n, owner_id, journey_id, n + 1, (ARRAY['AddTag', 'Wait', 'SendEmail'])[n + 1],
       (ARRAY['{{"TargetTagID": 7}}', '{{"WaitUnit": "days", "WaitAmount": 2}}',
              '{{"EmailID": 12, "From": {{"Name": "Support", "Email": "support@example.com"}}}}'])[n + 1]::json,
       true, now()
FROM journeys, generate_series(0, 2) n WHERE journey_id <= {ACCOUNTS} OR journey_id > {ACTIVE};
INSERT INTO journey_actions (action_id, owner_id, journey_id, order_no, action, parameters, is_published, created_at)
OVERRIDING SYSTEM VALUE
SELECT {EDITED_ACTIONS} + owner_id * {TREE} + n, owner_id, journey_id, n + 1, 'Wait',
       '{{"WaitUnit": "hours", "WaitAmount": 1}}', true, now()
FROM journeys, generate_series(0, {TREE - 1}) n WHERE journey_id BETWEEN {EDITED} AND {ACTIVE};
INSERT INTO journey_totals (owner_id, journey_id, active_count, total_count, send_count, open_count, click_count)
SELECT owner_id, journey_id, 150, 500, 480, 210, 45 FROM journeys;
INSERT INTO action_totals (owner_id, journey_id, action_id, active_count, total_count, completed_runs, send_count)
SELECT owner_id, journey_id, action_id, 10, 500, 490, CASE action WHEN 'SendEmail' THEN 480 ELSE 0 END
FROM journey_actions;
INSERT INTO action_days (owner_id, journey_id, action_id, domain, counted_on, send_count, open_count)
SELECT owner_id, journey_id, journey_id * 3 + 2, 'example.com', (now() AT TIME ZONE 'UTC')::date - n, 20 + n, n
FROM journeys, generate_series(0, 30) n
WHERE journey_id > {ACTIVE} OR (journey_id BETWEEN 10000 AND {EDITED} AND (journey_id - 10000) % 10 = 0);
INSERT INTO action_day_totals (owner_id, journey_id, action_id, counted_on, send_count, open_count)
SELECT owner_id, journey_id, action_id, counted_on, send_count, open_count FROM action_days;
INSERT INTO journey_days (owner_id, journey_id, counted_on, send_count, open_count)
SELECT owner_id, journey_id, counted_on, send_count, open_count FROM action_days;
SELECT setval(pg_get_serial_sequence('journeys', 'journey_id'), 10000000);
SELECT setval(pg_get_serial_sequence('journey_actions', 'action_id'), 100000000);
"""

EVENT_CRITERIA = [
    {"Property": f"property{n}", "Operator": "Equals", "Value": f"a value of number {n}"} for n in range(9)
]
RUN_CRITERIA = [
    [{"type": "fields", "field_id": "EmailAddress", "operator": "contains", "value": f"@example{n}.com"}]
    for n in range(6)
]


def key_of(account: int) -> str:
    """An account's API key."""
    return f"BENCH-KEY-OF-ACCOUNT-{account:08d}"


async def seed(url: str) -> None:
    """Fill an empty, migrated database."""
    connection = await asyncpg.connect(url)
    for statement in SETUP.split(";\n"):
        filled = statement.replace("{parameters}", orjson.dumps({"Criteria": EVENT_CRITERIA}).decode())
        filled = filled.replace("{criteria}", orjson.dumps(RUN_CRITERIA).decode())
        if filled.strip():
            await connection.execute(filled, timeout=600)
    now = datetime.now(UTC)
    rows = [
        (account, keyed_hash(PEPPER.encode(), key_of(account)), "BENC-…", "bench", now)
        for account in range(1, ACCOUNTS + 1)
    ]
    await connection.copy_records_to_table(
        "api_keys", records=rows, columns=["owner_id", "key_hash", "masked_key", "note", "created_at"]
    )
    await connection.execute("VACUUM ANALYZE", timeout=600)
    await connection.close()


def _request(method: str, target: str, body: bytes = b"", content_type: str = "", key: str = "") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: bench", "Accept: */*", "User-Agent: bench/1"]
    if key:
        lines.append(f"APIKey: {key}")
    if body:
        lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _json(method: str, target: str, tree: object, key: str = "") -> bytes:
    return _request(method, target, orjson.dumps(tree), "application/json", key)


def _form(fields: dict[str, object]) -> bytes:
    return _request("POST", "/api.php", urlencode(fields).encode(), "application/x-www-form-urlencoded")


def tree_of(account: int) -> list[dict[str, object]]:
    """Twenty actions as an editor saves them: each with its id."""
    return [
        {
            "ActionID": EDITED_ACTIONS + account * TREE + n,
            "Action": "SendEmail" if n % 2 else "Wait",
            "Published": True,
            **(
                {"EmailID": EMAILS + account, "From": {"Name": "Support", "Email": "support@example.com"}}
                if n % 2
                else {"WaitUnit": "days", "WaitAmount": n + 1}
            ),
        }
        for n in range(TREE)
    ]


def new_journey(account: int) -> dict[str, object]:
    """What create is given: no reference to look up, rules and notes of ordinary length."""
    return {
        "Name": f"Welcome Series of {account}",
        "Trigger": "Manual",
        "Run_Criteria": orjson.dumps(RUN_CRITERIA[:2]).decode(),
        "Notes": "Onboarding journey for new subscribers",
    }


@dataclass(frozen=True)
class Work:
    """One thing to ask for, in each of the four ways."""

    name: str
    accounts: range
    rest: Callable[[int], bytes]
    legacy: Callable[[int], bytes]
    floor: Callable[[int], bytes]
    stock: Callable[[int], bytes]

    def load(self, way: str) -> Load:
        """The requests of one way, one for each account."""
        sign = {"legacy": b'"Success":true'}.get(way, b"Journey")
        return Load([getattr(self, way)(account) for account in self.accounts], sign)


def _get(name: str, accounts: range, first: int) -> Work:
    def query(account: int) -> str:
        return f"JourneyID={first + account}"

    return Work(
        name,
        accounts,
        rest=lambda a: _request("GET", f"/api/v1/journey?{query(a)}", key=key_of(a)),
        legacy=lambda a: _form({"Command": "journey.get", "APIKey": key_of(a), "JourneyID": first + a}),
        floor=lambda a: _request("GET", f"/get?{a}&{first + a}"),
        stock=lambda a: _request("GET", f"/api/v1/journey?{query(a)}", key=key_of(a)),
    )


def _with_text(fields: dict[str, object], **more: object) -> dict[str, object]:
    return {**more, **fields}


WORKS = (
    _get("journey.get", range(1, ACCOUNTS + 1), 0),
    _get("journey.get with a month of numbers", ACTIVE_ACCOUNTS, ACTIVE),
    Work(
        "journey.list of 100",
        LISTING,
        rest=lambda a: _request("GET", "/api/v1/journeys", key=key_of(a)),
        legacy=lambda a: _form({"Command": "journey.list", "APIKey": key_of(a)}),
        floor=lambda a: _request("GET", f"/list?{a}"),
        stock=lambda a: _request("GET", "/api/v1/journeys", key=key_of(a)),
    ),
    Work(
        "journey.create",
        CREATING,
        rest=lambda a: _json("POST", "/api/v1/journey", new_journey(a), key_of(a)),
        legacy=lambda a: _form(_with_text(new_journey(a), Command="journey.create", APIKey=key_of(a))),
        floor=lambda a: _json("POST", f"/create?{a}", new_journey(a)),
        stock=lambda a: _json("POST", "/api/v1/journey", new_journey(a), key_of(a)),
    ),
    Work(
        "journey.actions.update of 20",
        EDITING,
        rest=lambda a: _json(
            "PATCH", "/api/v1/journey.actions", {"JourneyID": EDITED + a, "Actions": tree_of(a)}, key_of(a)
        ),
        legacy=lambda a: _form(
            {
                "Command": "journey.actions.update",
                "APIKey": key_of(a),
                "JourneyID": EDITED + a,
                "Actions": orjson.dumps(tree_of(a)).decode(),
            }
        ),
        floor=lambda a: _json("PATCH", f"/actions?{a}&{EDITED + a}", tree_of(a)),
        stock=lambda a: _json(
            "PATCH", "/api/v1/journey.actions", {"JourneyID": EDITED + a, "Actions": tree_of(a)}, key_of(a)
        ),
    ),
)


def seeded(url: str) -> None:
    """`seed`, for callers without a loop."""
    asyncio.run(seed(url))


WINDOW = timedelta(days=30)
