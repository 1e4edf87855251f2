"""What must hold whenever nobody writes, whatever happened before: each a query that finds what breaks it."""

from collections import Counter
from collections.abc import Iterable

from sqlalchemy import text

from journeys_api.db import Sessions

_SPARE_TIMER = """
SELECT e.enrollment_id FROM enrollments e JOIN timers t USING (owner_id, enrollment_id)
WHERE e.state = 'active' AND t.due_at = e.due_at
GROUP BY e.owner_id, e.enrollment_id HAVING count(*) > 1
"""
_NO_TIMER = """
SELECT e.enrollment_id FROM enrollments e WHERE e.state = 'active' AND NOT EXISTS (
    SELECT FROM timers t WHERE t.owner_id = e.owner_id AND t.enrollment_id = e.enrollment_id
    AND t.due_at = e.due_at AND t.journey_id = e.journey_id AND t.shard = e.subscriber_id % 16
)
"""
_OUT_OF_ROUND = """
SELECT DISTINCT t.shard, t.journey_id FROM timers t
JOIN enrollments e ON e.owner_id = t.owner_id AND e.enrollment_id = t.enrollment_id
     AND e.state = 'active' AND e.due_at = t.due_at
JOIN journeys j ON j.journey_id = t.journey_id AND j.status = 'Enabled' AND j.deleted_at IS NULL
WHERE NOT EXISTS (
    SELECT FROM runnable_journeys r
    WHERE r.shard = t.shard AND r.journey_id = t.journey_id AND r.next_due_at <= t.due_at
)
"""
_ACTIVE_TWICE = """
SELECT owner_id, journey_id, list_id, subscriber_id FROM enrollments WHERE state = 'active'
GROUP BY 1, 2, 3, 4 HAVING count(*) > 1
"""
_HALF_ENDED = """
SELECT enrollment_id FROM enrollments
WHERE (state = 'active') <> (ended_at IS NULL) OR (state = 'active') <> (due_at IS NOT NULL)
   OR (state = 'completed' AND action_id IS NOT NULL) OR (state = 'active' AND action_id IS NULL)
"""
_GAP_OR_FORK = """
SELECT e.enrollment_id FROM enrollments e LEFT JOIN steps s USING (owner_id, enrollment_id)
GROUP BY e.owner_id, e.enrollment_id
HAVING count(s.seq) <> e.seq OR count(DISTINCT s.seq) <> e.seq OR coalesce(max(s.seq), 0) <> e.seq
    OR coalesce(min(s.seq), 1) <> 1
"""
_EFFECT_TWICE = """
SELECT enrollment_id, action_id, visit FROM deliveries WHERE enrollment_id IS NOT NULL
GROUP BY owner_id, enrollment_id, action_id, visit HAVING count(*) > 1
"""
_EFFECT_WITHOUT_STEP = """
SELECT d.delivery_id FROM deliveries d WHERE d.enrollment_id IS NOT NULL AND NOT EXISTS (
    SELECT FROM steps s WHERE s.owner_id = d.owner_id AND s.enrollment_id = d.enrollment_id
    AND s.seq = d.visit AND s.action_id = d.action_id AND s.outcome = 'done'
)
"""
_STEP_WITHOUT_EFFECT = """
SELECT s.enrollment_id, s.seq FROM steps s JOIN journey_actions a USING (action_id)
WHERE a.action IN ('SendEmail', 'SendSMS', 'Webhook') AND s.outcome = 'done' AND NOT EXISTS (
    SELECT FROM deliveries d WHERE d.owner_id = s.owner_id AND d.enrollment_id = s.enrollment_id
    AND d.visit = s.seq AND d.action_id = s.action_id
)
"""
_SENDING_UNLEASED = """
SELECT delivery_id FROM deliveries WHERE (state = 'sending') <> (lease_token IS NOT NULL)
   OR (state = 'sending') <> (lease_expires_at IS NOT NULL)
   OR (state IN ('sent', 'refused', 'withdrawn')) <> (ended_at IS NOT NULL)
"""
_JOURNEY_NUMBERS = """
WITH counted AS (
    SELECT owner_id, journey_id, sum(active_count) AS active, sum(total_count) AS total, sum(sends) AS sends FROM (
        SELECT owner_id, journey_id, active_count, total_count, send_count AS sends FROM journey_totals
        UNION ALL SELECT owner_id, journey_id, CASE WHEN action_id = 0 THEN active_count ELSE 0 END,
                         CASE WHEN action_id = 0 THEN total_count ELSE 0 END, send_count FROM counter_deltas
    ) AS both_of GROUP BY 1, 2
), entered AS (
    SELECT owner_id, journey_id, count(*) FILTER (WHERE state = 'active') AS active, count(*) AS total
    FROM enrollments GROUP BY 1, 2
), sent AS (
    SELECT owner_id, journey_id, count(*) AS sends FROM deliveries WHERE kind = 'mail' AND state = 'sent' GROUP BY 1, 2
)
SELECT journey_id, coalesce(c.active, 0), coalesce(e.active, 0), coalesce(c.total, 0), coalesce(e.total, 0),
       coalesce(c.sends, 0), coalesce(s.sends, 0)
FROM counted c FULL JOIN entered e USING (owner_id, journey_id) FULL JOIN sent s USING (owner_id, journey_id)
WHERE coalesce(c.active, 0) <> coalesce(e.active, 0) OR coalesce(c.total, 0) <> coalesce(e.total, 0)
   OR coalesce(c.sends, 0) <> coalesce(s.sends, 0)
"""
_ACTION_NUMBERS = """
WITH counted AS (
    SELECT owner_id, action_id, sum(active_count) AS active, sum(total_count) AS total, sum(completed_runs) AS runs
    FROM (
        SELECT owner_id, action_id, active_count, total_count, completed_runs FROM action_totals
        UNION ALL SELECT owner_id, action_id, active_count, total_count, completed_runs FROM counter_deltas
        WHERE action_id <> 0
    ) AS both_of GROUP BY 1, 2
), standing AS (
    -- who ended from outside keeps the action where that happened
    SELECT owner_id, action_id, count(*) FILTER (WHERE state = 'active') AS active, count(*) AS ever
    FROM enrollments WHERE action_id IS NOT NULL GROUP BY 1, 2
), taken AS (
    SELECT owner_id, action_id, count(*) AS ever, count(*) FILTER (WHERE outcome NOT IN ('exited', 'failed')) AS runs
    FROM steps GROUP BY 1, 2
)
SELECT action_id, coalesce(c.active, 0), coalesce(s.active, 0), coalesce(c.total, 0),
       coalesce(s.ever, 0) + coalesce(t.ever, 0), coalesce(c.runs, 0), coalesce(t.runs, 0)
FROM counted c FULL JOIN standing s USING (owner_id, action_id) FULL JOIN taken t USING (owner_id, action_id)
WHERE coalesce(c.active, 0) <> coalesce(s.active, 0) OR coalesce(c.runs, 0) <> coalesce(t.runs, 0)
   OR coalesce(c.total, 0) <> coalesce(s.ever, 0) + coalesce(t.ever, 0)
"""
ALWAYS = {
    "an active enrollment has two timers": _SPARE_TIMER,
    "an active enrollment has no timer": _NO_TIMER,
    "timers of an enabled journey are not in the round": _OUT_OF_ROUND,
    "somebody is active twice in one journey": _ACTIVE_TWICE,
    "an enrollment is neither active nor ended": _HALF_ENDED,
    "a history has a gap or a fork": _GAP_OR_FORK,
    "an effect is owed twice": _EFFECT_TWICE,
    "an effect is owed by no step": _EFFECT_WITHOUT_STEP,
    "a step owes nothing": _STEP_WITHOUT_EFFECT,
    "a delivery is sending without a lease, or ended by halves": _SENDING_UNLEASED,
    "the numbers of a journey are not those of its rows": _JOURNEY_NUMBERS,
    "the numbers of an action are not those of its rows": _ACTION_NUMBERS,
}
"""What is broken → the query that finds it."""
AT_REST = {
    "an event was left behind": "SELECT event_id FROM trigger_events",
    "a delivery was left behind": "SELECT delivery_id FROM deliveries WHERE state IN ('pending', 'sending')",
}
"""The same for a database whose workers found nothing left to do."""


async def broken(sessions: Sessions, *, accepted: Iterable[int] = (), is_at_rest: bool = True) -> list[str]:
    """What does not hold, each with the first rows that show it; empty: everything does.

    Args:
        accepted: the delivery ids of the mails that a server or a Maildir took, one for each time that it took one.
        is_at_rest: whether workers found nothing left to do.
    """
    found = []
    async with sessions() as session:
        # of tables just filled nothing is known yet, and a plan for empty ones takes minutes with 40,000 rows
        await session.execute(text("ANALYZE enrollments, timers, runnable_journeys, steps, deliveries"))
        for name, query in (ALWAYS | (AT_REST if is_at_rest else {})).items():
            rows = (await session.execute(text(f"{query} LIMIT 3"))).all()
            if rows:
                found.append(f"{name}: {[tuple(row) for row in rows]}")
        mails = await session.execute(text("SELECT delivery_id, state, unknowns FROM deliveries WHERE kind = 'mail'"))
        known = {row.delivery_id: row for row in mails}
    taken = Counter(accepted)
    for delivery_id, times in taken.items():
        row = known.get(delivery_id)
        if row is None:
            found.append(f"a mail was sent that nobody owed: {delivery_id}")
        elif times > 1 + row.unknowns:
            found.append(f"a mail was sent more often than unknown ends explain: {delivery_id}, {times} times")
    if is_at_rest:
        lost = [row.delivery_id for row in known.values() if row.state == "sent" and not taken[row.delivery_id]]
        if lost:
            found.append(f"a mail counts as sent that nobody took: {lost[:3]}")
    return found
