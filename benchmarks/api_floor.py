"""The floor: a bare ASGI application, the driver's own pool, and SQL that does all the work. No key, no limit.

It answers what the product answers; the bodies are compared before anything is measured.
"""

import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import orjson
import uvicorn

COUNTERS = (
    ("SendCount", "send_count"),
    ("DeliveryCount", "delivery_count"),
    ("OpenCount", "open_count"),
    ("ClickCount", "click_count"),
    ("ConversionCount", "conversion_count"),
    ("BrowserViewCount", "browser_view_count"),
    ("ForwardCount", "forward_count"),
    ("UnsubscribeCount", "unsubscribe_count"),
    ("BounceCount", "bounce_count"),
    ("SpamComplaintCount", "spam_complaint_count"),
    ("TotalRevenue", "revenue_cents"),
)
NAMES = ", ".join(column for _, column in COUNTERS)
SUMS = ", ".join(f"coalesce(sum({column}), 0)::bigint AS {column}" for _, column in COUNTERS)


def _mail(row: str) -> str:
    pairs = ", ".join(
        f"'{name}', coalesce({row}.{column}, 0)" + ("/ 100" if name == "TotalRevenue" else "")
        for name, column in COUNTERS
    )
    return f"json_build_object({pairs})"


def _instant(column: str) -> str:
    return f"to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')"


PARAMETERS = "CASE j.trigger_parameters::text WHEN '{}' THEN '[]'::json ELSE j.trigger_parameters END"

# numbers of one journey: folded totals and what is not folded yet
TOTALS = f"""
    SELECT coalesce(sum(active_count), 0)::bigint AS active_count,
           coalesce(sum(total_count), 0)::bigint AS total_count, {SUMS}
    FROM (SELECT active_count, total_count, {NAMES} FROM journey_totals t
          WHERE t.owner_id = j.owner_id AND t.journey_id = j.journey_id
          UNION ALL SELECT CASE action_id WHEN 0 THEN active_count ELSE 0 END,
                           CASE action_id WHEN 0 THEN total_count ELSE 0 END, {NAMES}
          FROM counter_deltas d WHERE d.owner_id = j.owner_id AND d.journey_id = j.journey_id) AS both_kinds
"""
DAYS = f"""
    SELECT counted_on, {SUMS}
    FROM (SELECT counted_on, {NAMES} FROM action_days t WHERE t.owner_id = j.owner_id
          AND t.journey_id = j.journey_id AND counted_on BETWEEN first AND last
          UNION ALL SELECT counted_on, {NAMES} FROM counter_deltas d WHERE d.owner_id = j.owner_id
          AND d.journey_id = j.journey_id AND counted_on BETWEEN first AND last) AS both_kinds
    GROUP BY counted_on
"""
STATS = f"""
    json_build_object('ActiveSubscribers', t.active_count, 'TotalSubscribers', t.total_count,
        'AggregatedEmailActions', {_mail("t")},
        'AggregatedDaysEmailActions', CASE WHEN n.there THEN n.series ELSE '[]'::json END,
        'TotalRevenue', t.revenue_cents / 100, 'DaysRevenue', '[]'::json)
"""
SERIES = f"""
    SELECT count(x.counted_on) > 0 AS there,
           json_object_agg(to_char(day, 'YYYY-MM-DD'), {_mail("x")} ORDER BY day DESC) AS series
    FROM generate_series(first, last, interval '1 day') AS day LEFT JOIN ({DAYS}) AS x ON x.counted_on = day::date
"""
ACTIONS = f"""
    SELECT json_agg(json_build_object('ActionID', a.action_id::text, 'OrderNo', a.order_no, 'Action', a.action,
        'ActionParameters', a.parameters, 'Notes', a.notes, 'Published', a.is_published,
        'CompletedRuns', coalesce(c.completed_runs, 0),
        'Stats', CASE a.action WHEN 'SendEmail' THEN json_build_object(
            'ActiveSubscribers', coalesce(c.active_count, 0), 'TotalSubscribers', coalesce(c.total_count, 0),
            'EmailSent', coalesce(c.send_count, 0), 'EmailOpened', coalesce(c.open_count, 0),
            'EmailClicked', coalesce(c.click_count, 0), 'EmailConverted', coalesce(c.conversion_count, 0),
            'EmailUnsubscribed', coalesce(c.unsubscribe_count, 0), 'EmailBounced', coalesce(c.bounce_count, 0),
            'EmailSpamComplaint', coalesce(c.spam_complaint_count, 0),
            'TotalRevenue', coalesce(c.revenue_cents, 0) / 100)
          ELSE json_build_object('ActiveSubscribers', coalesce(c.active_count, 0),
                                 'TotalSubscribers', coalesce(c.total_count, 0)) END) ORDER BY a.order_no) AS list
    FROM journey_actions a LEFT JOIN (
        SELECT action_id, sum(active_count)::bigint AS active_count, sum(total_count)::bigint AS total_count,
               sum(completed_runs)::bigint AS completed_runs, {SUMS}
        FROM (SELECT action_id, active_count, total_count, completed_runs, {NAMES} FROM action_totals
              WHERE owner_id = j.owner_id AND journey_id = j.journey_id
              UNION ALL SELECT action_id, active_count, total_count, completed_runs, {NAMES} FROM counter_deltas
              WHERE owner_id = j.owner_id AND journey_id = j.journey_id) AS both_kinds
        GROUP BY action_id
    ) AS c ON c.action_id = a.action_id
    WHERE a.journey_id = j.journey_id AND a.owner_id = j.owner_id AND a.removed_at IS NULL
"""
FUNCTIONS = f"""
CREATE OR REPLACE FUNCTION bench_get(owner bigint, journey bigint, first date, last date) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT json_build_object('JourneyID', j.journey_id::text, 'JourneyName', j.name, 'Trigger', j.trigger,
        'TriggerParameters', {PARAMETERS}, 'Status', j.status, 'Notes', j.notes,
        'Actions', coalesce(a.list, '[]'::json), 'JourneyStats', {STATS},
        'Run_Criteria', j.run_criteria, 'Run_Criteria_Operator', j.run_criteria_operator,
        'Rate_Limit_Per_Hour', j.rate_limit_per_hour, 'Rate_Limit_Per_Day', j.rate_limit_per_day,
        'CreatedAt', {_instant("j.created_at")}, 'UpdatedAt', {_instant("j.updated_at")})::text
    FROM journeys j, LATERAL ({TOTALS}) AS t, LATERAL ({SERIES}) AS n, LATERAL ({ACTIONS}) AS a
    WHERE j.owner_id = owner AND j.journey_id = journey AND j.deleted_at IS NULL
$$;
CREATE OR REPLACE FUNCTION bench_list(owner bigint, first date, last date) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT json_build_object('Journeys', json_agg(json_build_object('JourneyID', j.journey_id::text,
        'JourneyName', j.name, 'Trigger', j.trigger, 'TriggerParameters', {PARAMETERS}, 'Status', j.status,
        'JourneyStats', {STATS}) ORDER BY j.journey_id))::text
    FROM journeys j, LATERAL ({TOTALS}) AS t, LATERAL ({SERIES}) AS n
    WHERE j.owner_id = owner AND j.deleted_at IS NULL
$$;
"""
INSERT = f"""
INSERT INTO journeys (owner_id, name, trigger, run_criteria, notes, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $6)
RETURNING json_build_object('JourneyID', journey_id, 'Journey', json_build_object('JourneyID', journey_id::text,
    'JourneyName', name, 'Trigger', trigger, 'Status', status, 'Notes', notes,
    'CreatedAt', {_instant("created_at")}, 'UpdatedAt', {_instant("updated_at")}))::text
"""
UPDATE = f"""
WITH locked AS (
    UPDATE journeys SET flow_version = flow_version + 1, first_action_id = ($3::bigint[])[1], updated_at = $6
    WHERE owner_id = $1 AND journey_id = $2 AND deleted_at IS NULL RETURNING *
), written AS (
    UPDATE journey_actions a SET action = n.action, parameters = n.parameters, is_published = true,
           order_no = n.place, next_action_id = ($3::bigint[])[n.place + 1]
    FROM unnest($3::bigint[], $4::text[], $5::json[]) WITH ORDINALITY AS n(action_id, action, parameters, place), locked
    WHERE a.action_id = n.action_id AND a.journey_id = locked.journey_id AND a.owner_id = locked.owner_id
    RETURNING a.*
)
SELECT json_build_object('JourneyID', j.journey_id::text, 'JourneyName', j.name, 'Actions', a.list)::text
FROM locked j, LATERAL ({ACTIONS.replace("FROM journey_actions a", "FROM written a")}) AS a
"""


class Floor:
    """The application; routes are compared, not looked up, as there are four."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: asyncpg.Pool | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            self._pool = await asyncpg.create_pool(self._url, min_size=8, max_size=8, init=_keep_json_text)
            async with self._pool.acquire() as connection:
                await connection.execute(FUNCTIONS)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await self._pool.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        answer = await self._answer(
            scope["path"], [int(text) for text in scope["query_string"].split(b"&") if text], body
        )
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _answer(self, path: str, ids: list[int], body: bytes) -> bytes:
        assert self._pool is not None
        now = datetime.now(UTC)
        today = now.date()
        sql, arguments = "SELECT 'ready'", []
        if path == "/get":
            sql, arguments = "SELECT bench_get($1, $2, $3, $4)", [*ids, today - timedelta(days=30), today]
        elif path == "/list":
            sql, arguments = "SELECT bench_list($1, $2, $3)", [*ids, today - timedelta(days=30), today]
        elif path == "/create":
            given = orjson.loads(body)
            sql = INSERT
            arguments = [*ids, given["Name"], given["Trigger"], given["Run_Criteria"], given["Notes"], now]
        elif path == "/actions":
            tree = orjson.loads(body)
            parameters = [
                orjson.dumps({k: v for k, v in each.items() if k not in ("ActionID", "Action", "Published")}).decode()
                for each in tree
            ]
            sql = UPDATE
            arguments = [*ids, [n["ActionID"] for n in tree], [n["Action"] for n in tree], parameters, now]
        async with self._pool.acquire() as connection:
            text: str = await connection.fetchval(sql, *arguments)
        return text.encode()


async def _keep_json_text(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("json", encoder=str, decoder=str, schema="pg_catalog")


if __name__ == "__main__":
    uvicorn.run(
        Floor(os.environ["BENCH_DATABASE_URL"]),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        log_level="error",
        access_log=False,
    )
