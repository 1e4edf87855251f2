"""What is stuck and why: people, events and messages that nobody moves. In a healthy system nothing is.

Every look is one statement that goes by an index, ends at a bound, or reads a table that is short unless what waits in
it is stuck, so that asking harms nobody. Instants are the database's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.models import SHARDS

MOST_COUNTED = 1000
"""Counting ends here; more would not change what is to be done."""
MOST_COMPARED = 1_000_000
"""Active people whose timers are looked for, at most: the one comparison that no index answers; it takes seconds."""
PATIENCE = "60s"


@dataclass(frozen=True)
class Finding:
    """What one look brought up."""

    name: str
    """Such as `people_overdue`."""
    count: int
    """`MOST_COUNTED` means that or more."""
    is_stuck: bool
    """Whether somebody has to do something; False: it is told for information."""
    meaning: str
    """What it is, and what to look at."""
    details: Sequence[str]
    """Where it is: journeys, reasons, kinds, the most frequent first."""


@dataclass(frozen=True)
class _Look:
    """One statement that answers rows of (what, count)."""

    name: str
    meaning: str
    statement: str
    stuck: bool = True


# Journeys times shards are some hundred thousand index look-ups at a thousand accounts: a second.
_LOOKS = (
    _Look(
        "people_overdue",
        "People of enabled journeys whose step was due and not taken: is a worker running, is it fast enough?",
        "SELECT 'journey ' || j.journey_id AS what, sum(due.people) AS count "
        "FROM journeys j CROSS JOIN generate_series(0, :last) AS s(shard) CROSS JOIN LATERAL ("
        "SELECT count(*) AS people FROM (SELECT FROM timers t "
        "WHERE t.shard = s.shard AND t.journey_id = j.journey_id AND t.due_at < :before LIMIT :most) AS few) AS due "
        "WHERE j.status = 'Enabled' AND j.deleted_at IS NULL AND due.people > 0 GROUP BY 1",
    ),
    _Look(
        "people_without_timer",
        "Active people of enabled journeys whom nothing will ever wake: a fault of ours, please report it",
        "SELECT 'journey ' || e.journey_id AS what, count(*) AS count FROM ("
        "  SELECT e.* FROM journeys j JOIN enrollments e ON e.owner_id = j.owner_id AND e.journey_id = j.journey_id"
        "  WHERE j.status = 'Enabled' AND j.deleted_at IS NULL AND e.state = 'active' LIMIT :compared"
        ") AS e WHERE NOT EXISTS (SELECT FROM timers t WHERE t.owner_id = e.owner_id "
        "AND t.enrollment_id = e.enrollment_id AND t.journey_id = e.journey_id "
        "AND t.shard = e.subscriber_id % (:last + 1) AND t.due_at = e.due_at) GROUP BY 1",
    ),
    _Look(
        "journeys_out_of_the_round",
        "Enabled journeys with timers that the round does not know of in time: disable and enable them again",
        "SELECT 'journey ' || j.journey_id AS what, count(*) AS count "
        "FROM journeys j CROSS JOIN generate_series(0, :last) AS s(shard) "
        "CROSS JOIN LATERAL (SELECT due_at FROM timers t WHERE t.shard = s.shard AND t.journey_id = j.journey_id "
        "ORDER BY due_at LIMIT 1) AS first "
        "LEFT JOIN runnable_journeys r ON r.shard = s.shard AND r.journey_id = j.journey_id "
        "WHERE j.status = 'Enabled' AND j.deleted_at IS NULL "
        "AND (r.journey_id IS NULL OR r.next_due_at > first.due_at) GROUP BY 1",
    ),
    _Look(
        "events_waiting_long",
        "Events that no worker has looked at: is a worker running?",
        "WITH RECURSIVE waiting(shard, owner_id) AS ("
        "(SELECT shard, owner_id FROM trigger_events ORDER BY shard, owner_id LIMIT 1) UNION ALL "
        "SELECT next.* FROM waiting w, LATERAL (SELECT shard, owner_id FROM trigger_events e "
        "WHERE (e.shard, e.owner_id) > (w.shard, w.owner_id) ORDER BY shard, owner_id LIMIT 1) AS next) "
        "SELECT e.kind AS what, count(*) AS count FROM waiting w CROSS JOIN LATERAL (SELECT kind, occurred_at "
        "FROM trigger_events t WHERE t.shard = w.shard AND t.owner_id = w.owner_id ORDER BY event_id LIMIT :most) AS e "
        "WHERE e.occurred_at < :before GROUP BY 1",
    ),
    _Look(
        "jobs_waiting_long",
        "Work on whole journeys (ending a deleted one, releasing what was held) that nobody does",
        "SELECT kind || ' of journey ' || journey_id AS what, count(*) AS count FROM journey_jobs "
        "WHERE created_at < :before GROUP BY 1",
    ),
    _Look(
        "imports_and_exports_waiting_long",
        "Imports, exports and calls over selections whose next turn nobody takes: is a worker running?",
        "SELECT kind AS what, count(*) AS count FROM (SELECT kind FROM jobs "
        "WHERE state IN ('pending', 'running') AND next_turn_at < :before LIMIT :most) AS few GROUP BY 1",
    ),
    _Look(
        "leases_expired",
        "Messages whose sender was lost and which no worker has given back: is a worker running?",
        "SELECT kind AS what, count(*) AS count FROM (SELECT kind FROM deliveries "
        "WHERE state = 'sending' AND lease_expires_at < :before LIMIT :most) AS few GROUP BY 1",
    ),
    _Look(
        "deliveries_overdue",
        "Messages that were to be sent and were not tried: is a worker running, is the other side slow?",
        "SELECT k.kind AS what, owed.messages AS count "
        "FROM (VALUES ('mail'), ('confirmation'), ('forward'), ('sms'), ('webhook')) AS k(kind) CROSS JOIN LATERAL ("
        "SELECT count(*) AS messages FROM (SELECT FROM deliveries d WHERE d.kind = k.kind AND d.state = 'pending' "
        "AND d.next_attempt_at < :before LIMIT :most) AS few) AS owed WHERE owed.messages > 0",
    ),
    _Look(
        "deliveries_held",
        "Messages held though their journey is enabled, and no job to release them: is a worker running?",
        "SELECT 'journey ' || j.journey_id AS what, held.messages AS count FROM journeys j CROSS JOIN LATERAL ("
        "SELECT count(*) AS messages FROM (SELECT FROM deliveries d WHERE d.journey_id = j.journey_id "
        "AND d.state = 'held' LIMIT :most) AS few) AS held "
        "WHERE j.status = 'Enabled' AND j.deleted_at IS NULL AND j.updated_at < :before AND held.messages > 0 "
        "AND NOT EXISTS (SELECT FROM journey_jobs b WHERE b.journey_id = j.journey_id)",
    ),
    _Look(
        "visits_waiting_long",
        "Visits of tracked links that nobody has judged, so that they count nowhere yet: is a worker running? What was "
        "kept on disk while the database was away is old when it comes in",
        "SELECT kind AS what, count(*) AS count FROM (SELECT kind FROM tracking_hits "
        "WHERE occurred_at < :before LIMIT :most) AS few GROUP BY 1",
    ),
    _Look(
        "visits_set_aside",
        "Visits of tracked links that count nowhere, because judging them failed; the log of the worker says why. "
        "`journeys-api visits retry` has them judged once more, `journeys-api visits forget` deletes them",
        "SELECT reason AS what, count(*) AS count FROM (SELECT reason FROM hits_set_aside LIMIT :most) AS few "
        "GROUP BY 1",
    ),
    _Look(
        "numbers_not_folded",
        "Changes of numbers that no worker has added to the totals; they are told all the same, at a growing cost: is "
        "a worker running? Its log says what failed",
        "SELECT 'account ' || owner_id AS what, count(*) AS count FROM (SELECT owner_id FROM counter_deltas "
        "WHERE happened_at < :before LIMIT :most) AS few GROUP BY 1",
    ),
    _Look(
        "people_failed",
        "People whose journey ended as failed in the last day",
        "SELECT coalesce(reason, '') AS what, count(*) AS count FROM (SELECT reason FROM enrollments "
        "WHERE state = 'failed' AND ended_at > :yesterday ORDER BY ended_at DESC LIMIT :most) AS few GROUP BY 1",
        stuck=False,
    ),
    _Look(
        "imports_and_exports_failed",
        "Imports, exports and calls over selections that ended as failed in the last day",
        "SELECT kind || ': ' || reason AS what, count(*) AS count FROM (SELECT kind, reason FROM jobs "
        "WHERE state = 'failed' AND expires_at > :yesterday AND finished_at > :yesterday LIMIT :most) AS few "
        "GROUP BY 1",
        stuck=False,
    ),
    _Look(
        "deliveries_refused",
        "Messages given up in the last day",
        "SELECT kind || ': ' || coalesce(reason, '') AS what, count(*) AS count FROM (SELECT kind, reason "
        "FROM deliveries WHERE state = 'refused' AND ended_at > :yesterday ORDER BY ended_at DESC LIMIT :most) AS few "
        "GROUP BY 1",
        stuck=False,
    ),
    _Look(
        "events_set_aside",
        "Events of the last day that could not be processed; the log of the worker says why",
        "SELECT r.kind || ' of account ' || u.user_id AS what, count(*) AS count FROM users u CROSS JOIN LATERAL ("
        "SELECT kind FROM enrollment_refusals x WHERE x.owner_id = u.user_id AND x.journey_id = 0 "
        "AND x.refused_at > :yesterday LIMIT :most) AS r GROUP BY 1",
        stuck=False,
    ),
    _Look(
        "workers_connected",
        "Workers that listen for notices on this database",
        "SELECT coalesce(host(client_addr), 'local') AS what, count(*) AS count FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'journeys-api notices' GROUP BY 1",
        stuck=False,
    ),
)


async def examine(session: AsyncSession, *, patience: timedelta) -> list[Finding]:
    """Look at everything that could be stuck; one statement a look.

    Args:
        patience: how long something may be due before it is stuck.
    """
    await session.execute(text(f"SET LOCAL statement_timeout = '{PATIENCE}'"))
    now = (await session.execute(text("SELECT now()"))).scalar_one()
    parameters = {
        "last": SHARDS - 1,
        "most": MOST_COUNTED,
        "compared": MOST_COMPARED,
        "before": now - patience,
        "yesterday": now - timedelta(days=1),
    }
    return [await _finding(session, look, parameters) for look in _LOOKS]


async def _finding(session: AsyncSession, look: _Look, parameters: Mapping[str, object]) -> Finding:
    rows = (
        await session.execute(
            text(f"SELECT what, count AS amount, sum(count) OVER () AS total FROM ({look.statement}) AS found "  # noqa: S608 (ours)
                 "ORDER BY count DESC, what LIMIT 10"),
            {name: value for name, value in parameters.items() if f":{name}" in look.statement},
        )
    ).all()  # fmt: skip
    total = min(int(rows[0].total), MOST_COUNTED) if rows else 0
    return Finding(
        name=look.name,
        count=total,
        is_stuck=look.stuck and total > 0,
        meaning=look.meaning,
        details=[f"{row.what}: {int(row.amount)}" for row in rows],
    )
