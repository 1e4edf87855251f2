"""Whether every number that is kept is the one that follows from the facts (`journeys-api stats verify`).

The facts are the mails that were accepted, the ledger of what came back, enrollments and steps. What a number means
when its fact is gone or moved:

- A deleted subscriber's mails, facts and enrollments stay, and so do their numbers; a deleted journey's, too: everybody
  inside has ended, which the numbers follow chunk by chunk.
- An enrollment that `subscriber.journey.remove` erased is counted nowhere; the steps that it took, and the mails that
  it was sent, happened and stay counted. When somebody was let in last is told of it all the same.
- People on an action that an edit removes leave it without a step, so that how many reached a removed action cannot be
  told from the facts: that one number is not compared. Nobody sees it: no command answers removed actions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.models import ActivityKind
from journeys_api.stats.queries import CHANGES_PEOPLE, COUNTERS, LARGEST

MOST = 1000
"""Differences that are told of one kind of number; there may be more."""

_KINDS = dict(zip(COUNTERS[2:10], ("opened", "clicked", "converted", "browser_viewed", "forwarded", "unsubscribed",
                                   "bounced", "spam_complaint"), strict=True))  # fmt: skip
_PEOPLE = ("active_count", "total_count")
_OF_ACTIONS = (*_PEOPLE, "completed_runs")
_INSTANTS = ("last_enrolled_at", "last_active_at")
_NAMES = ", ".join(COUNTERS)


def _sums(columns: Sequence[str], *, of_journeys: Sequence[str] = ()) -> str:
    """Sums of columns; those of `of_journeys` only over what is about no action. Revenue ends at the largest number."""

    def total(column: str) -> str:
        if column in of_journeys:
            return f"coalesce(sum({column}) FILTER (WHERE action_id = 0), 0)"
        return f"least(sum({column}), {LARGEST})" if column == "revenue_cents" else f"sum({column})"

    return ", ".join(f"{total(column)} AS {column}" for column in columns)


# pieces of these statements are names of columns of ours, never a caller's
_FACTS = (
    # who there is: what a deleted account's last transactions left behind is nobody's
    "CREATE TEMP TABLE checked_owners ON COMMIT DROP AS SELECT user_id AS owner_id FROM users "
    "WHERE CAST(:owner AS bigint) IS NULL OR user_id = :owner",
    f"""
CREATE TEMP TABLE true_mails ON COMMIT DROP AS
SELECT owner_id, journey_id, action_id, domain, counted_on, max(at) AS last_active_at, {_sums(COUNTERS)} FROM (
    SELECT owner_id, journey_id, action_id, coalesce(domain, '') AS domain, ended_at AS at,
           CAST(ended_at AT TIME ZONE 'UTC' AS date) AS counted_on, 1 AS send_count, 1 AS delivery_count,
           {", ".join(f"0 AS {counter}" for counter in COUNTERS[2:])}
    FROM deliveries WHERE kind = 'mail' AND state = 'sent' AND journey_id IS NOT NULL
    UNION ALL
    SELECT owner_id, journey_id, action_id, domain, occurred_at, CAST(occurred_at AT TIME ZONE 'UTC' AS date), 0, 0,
           {", ".join(f"CAST(kind = '{kind}' AS int)" for kind in _KINDS.values())}, revenue_cents
    FROM message_activities WHERE is_counted AND journey_id IS NOT NULL AND action_id IS NOT NULL
) AS each_fact JOIN checked_owners USING (owner_id) GROUP BY 1, 2, 3, 4, 5
""",  # noqa: S608
    """
CREATE TEMP TABLE true_steps ON COMMIT DROP AS
SELECT e.owner_id, a.journey_id, action_id, count(*) AS total_count, max(at) AS last_active_at,
       count(*) FILTER (WHERE outcome NOT IN ('exited', 'failed')) AS completed_runs
FROM steps e JOIN checked_owners USING (owner_id) JOIN journey_actions a USING (action_id) GROUP BY 1, 2, 3
""",
    """
CREATE TEMP TABLE true_people ON COMMIT DROP AS
SELECT owner_id, journey_id, action_id, CAST(created_at AT TIME ZONE 'UTC' AS date) AS counted_on,
       count(*) AS total_count, count(*) FILTER (WHERE state = 'active') AS active_count,
       max(created_at) AS last_enrolled_at
FROM enrollments JOIN checked_owners USING (owner_id) GROUP BY 1, 2, 3, 4
""",
    "ANALYZE true_mails, true_steps, true_people",
)

_DOMAIN_DAY = ("owner_id", "journey_id", "action_id", "domain", "counted_on")
_ACTION_DAY = ("owner_id", "journey_id", "action_id", "counted_on")
_JOURNEY_DAY = ("owner_id", "journey_id", "counted_on")
_ACTION = ("owner_id", "journey_id", "action_id")
_JOURNEY = ("owner_id", "journey_id")


def _true(key: Sequence[str]) -> str:
    return f"SELECT {', '.join(key)}, {_sums(COUNTERS)} FROM true_mails GROUP BY {', '.join(key)}"  # noqa: S608


def _kept(table: str, key: Sequence[str], columns: Sequence[str], where: str, of_journeys: Sequence[str] = ()) -> str:
    """What is folded and what is not, added up."""
    names, by = ", ".join((*key, *columns)), ", ".join(key)
    folded = f"SELECT {names}{'' if 'action_id' in key else ', 0 AS action_id'} FROM {table}"  # noqa: S608
    deltas = f"SELECT {names}{'' if 'action_id' in key else ', action_id'} FROM counter_deltas WHERE {where}"  # noqa: S608
    return (
        f"SELECT {by}, {_sums(columns, of_journeys=of_journeys)} FROM ({folded} UNION ALL {deltas}) AS both_of "  # noqa: S608
        f"JOIN checked_owners USING (owner_id) GROUP BY {by}"
    )


def _differing(key: Sequence[str], columns: Sequence[str], true: str, kept: str) -> str:
    told = ", ".join(
        f"coalesce(t.{column}, 0) AS true_{column}, coalesce(k.{column}, 0) AS kept_{column}" for column in columns
    )
    differs = " OR ".join(f"coalesce(t.{column}, 0) <> coalesce(k.{column}, 0)" for column in columns)
    return (
        f"SELECT {', '.join(key)}, {told} FROM ({true}) AS t FULL JOIN ({kept}) AS k USING ({', '.join(key)}) "  # noqa: S608
        f"WHERE {differs} ORDER BY {', '.join(key)} LIMIT {MOST}"
    )


_BY_DAY = "counted_on IS NOT NULL"
_OF_DAYS = ("total_count", *COUNTERS)
_ZEROS = ", ".join(f"0 AS {counter}" for counter in COUNTERS)

_TRUE_JOURNEY_DAYS = f"""
SELECT owner_id, journey_id, counted_on, sum(total_count) AS total_count, {_sums(COUNTERS)} FROM (
    SELECT owner_id, journey_id, counted_on, 0 AS total_count, {_NAMES} FROM true_mails
    UNION ALL SELECT owner_id, journey_id, counted_on, total_count, {_ZEROS} FROM true_people
) AS each_fact GROUP BY 1, 2, 3
"""  # noqa: S608
# who stands at an action, or ended there from outside, has not taken its step
_TRUE_ACTIONS = f"""
SELECT f.owner_id, f.journey_id, f.action_id, sum(active_count) AS active_count, sum(total_count) AS total_count,
       sum(completed_runs) AS completed_runs, {_sums(COUNTERS)} FROM (
    SELECT owner_id, journey_id, action_id, 0 AS active_count, 0 AS total_count, 0 AS completed_runs, {_NAMES}
    FROM true_mails
    UNION ALL SELECT owner_id, journey_id, action_id, 0, total_count, completed_runs, {_ZEROS} FROM true_steps
    UNION ALL SELECT owner_id, journey_id, action_id, active_count, total_count, 0, {_ZEROS} FROM true_people
    WHERE action_id IS NOT NULL
) AS f GROUP BY 1, 2, 3
"""  # noqa: S608
_TRUE_JOURNEYS = f"""
SELECT owner_id, journey_id, sum(active_count) AS active_count, sum(total_count) AS total_count,
       sum(people_count) AS people_count, {_sums(COUNTERS)} FROM (
    SELECT owner_id, journey_id, 0 AS active_count, 0 AS total_count, 0 AS people_count, {_NAMES} FROM true_mails
    UNION ALL SELECT owner_id, journey_id, active_count, total_count, 0, {_ZEROS} FROM true_people
    UNION ALL SELECT owner_id, journey_id, 0, 0, count(DISTINCT subscriber_id), {_ZEROS}
    FROM enrollments JOIN checked_owners USING (owner_id) GROUP BY owner_id, journey_id
) AS f GROUP BY 1, 2
"""  # noqa: S608
# the total of a removed action cannot be told: both sides say 0
_COMPARED_ACTIONS = """
SELECT n.*, CASE WHEN a.removed_at IS NULL THEN n.total_count ELSE 0 END AS reached_count
FROM ({numbers}) AS n LEFT JOIN journey_actions a USING (action_id)
"""
_TRUE_INSTANTS = """
SELECT owner_id, journey_id, max(last_enrolled_at) AS last_enrolled_at, max(last_active_at) AS last_active_at FROM (
    SELECT owner_id, journey_id, last_enrolled_at, last_enrolled_at AS last_active_at FROM true_people
    UNION ALL SELECT owner_id, journey_id, NULL, last_active_at FROM true_steps
    UNION ALL SELECT owner_id, journey_id, NULL, last_active_at FROM true_mails
) AS f GROUP BY 1, 2
"""
_KEPT_INSTANTS = """
SELECT owner_id, journey_id, max(last_enrolled_at) AS last_enrolled_at, max(last_active_at) AS last_active_at FROM (
    SELECT owner_id, journey_id, last_enrolled_at, last_active_at FROM journey_totals
    UNION ALL SELECT owner_id, journey_id, CASE WHEN action_id = 0 AND total_count > 0 THEN happened_at END, happened_at
    FROM counter_deltas
) AS both_of GROUP BY 1, 2
"""
# the fact of the last moment may be erased: it is never later than what is kept
_LATER = ", ".join(f"greatest(t.{each}, k.{each}) AS true_{each}, k.{each} AS kept_{each}" for each in _INSTANTS)
_LATE = f"""
SELECT owner_id, journey_id, {_LATER}
FROM ({_TRUE_INSTANTS}) AS t LEFT JOIN ({_KEPT_INSTANTS}) AS k USING (owner_id, journey_id)
WHERE t.last_enrolled_at > coalesce(k.last_enrolled_at, '-infinity')
   OR t.last_active_at > coalesce(k.last_active_at, '-infinity')
ORDER BY 1, 2 LIMIT {MOST}
"""  # noqa: S608
_BITS = "CASE kind " + " ".join(f"WHEN '{kind.value}' THEN {int(kind.bit)}" for kind in ActivityKind) + " END"
_MAIL_BITS = f"""
SELECT d.owner_id, d.journey_id, d.action_id, d.delivery_id, coalesce(t.activity, 0) AS true_activity,
       d.activity AS kept_activity
FROM deliveries d JOIN checked_owners USING (owner_id) LEFT JOIN (
    SELECT owner_id, delivery_id, bit_or({_BITS}) AS activity FROM message_activities WHERE is_counted GROUP BY 1, 2
) AS t USING (owner_id, delivery_id)
WHERE d.kind = 'mail' AND d.activity <> coalesce(t.activity, 0)
ORDER BY d.owner_id, d.delivery_id LIMIT {MOST}
"""  # noqa: S608
# somebody who was gone before anything was written down is not listed, unless a mail was sent
_PEOPLE_BITS = f"""
SELECT owner_id, action_id, list_id, subscriber_id, coalesce(t.activity, 0) AS true_activity,
       coalesce(k.activity, -1) AS kept_activity
FROM (
    SELECT owner_id, action_id, list_id, subscriber_id, bit_or(activity) AS activity, bool_or(is_sent) AS is_sent FROM (
        SELECT owner_id, action_id, list_id, subscriber_id, {_BITS} AS activity, false AS is_sent
        FROM message_activities WHERE is_counted AND action_id IS NOT NULL
        UNION ALL SELECT owner_id, action_id, list_id, subscriber_id, 0, true
        FROM deliveries WHERE kind = 'mail' AND state = 'sent' AND action_id IS NOT NULL
    ) AS f GROUP BY 1, 2, 3, 4
) AS t FULL JOIN action_subscribers k USING (owner_id, action_id, list_id, subscriber_id)
JOIN checked_owners USING (owner_id)
WHERE CASE WHEN k.owner_id IS NULL THEN t.is_sent ELSE k.activity <> coalesce(t.activity, 0) END
ORDER BY 1, 2, 3, 4 LIMIT {MOST}
"""  # noqa: S608
_PEOPLE_COUNTS = f"""
SELECT c.owner_id, c.action_id, c.bits, c.is_any, t.people_count AS true_people_count,
       c.people_count AS kept_people_count
FROM people_counts c JOIN checked_owners USING (owner_id) JOIN journey_actions a USING (action_id)
CROSS JOIN LATERAL (
    SELECT count(*) AS people_count FROM action_subscribers s WHERE s.owner_id = c.owner_id
    AND s.action_id = c.action_id AND (c.bits = 0 OR CASE WHEN c.is_any THEN (s.activity & c.bits) <> 0
                                       ELSE (s.activity & c.bits) = c.bits END)
) AS t
WHERE c.people_count <> t.people_count AND c.version = (
    SELECT coalesce(sum(change_count), 0) FROM action_totals n
    WHERE n.owner_id = c.owner_id AND n.journey_id = a.journey_id AND n.action_id = c.action_id
) + (
    SELECT count(*) FROM counter_deltas n WHERE n.owner_id = c.owner_id AND n.journey_id = a.journey_id
    AND n.action_id = c.action_id AND {CHANGES_PEOPLE}
)
ORDER BY 1, 2 LIMIT {MOST}
"""  # noqa: S608


@dataclass(frozen=True)
class _Check:
    """A statement that finds what differs: a key, then `true_…` and `kept_…` of each number."""

    name: str
    statement: str


_REACHED = ("active_count", "reached_count", "completed_runs", *COUNTERS)
_CHECKS = (
    _Check(
        "journey",
        _differing(
            _JOURNEY,
            (*_PEOPLE, "people_count", *COUNTERS),
            _TRUE_JOURNEYS,
            _kept("journey_totals", _JOURNEY, (*_PEOPLE, "people_count", *COUNTERS), "true", of_journeys=_PEOPLE),
        ),
    ),
    _Check("journey", _LATE),
    _Check(
        "action",
        _differing(
            _ACTION,
            _REACHED,
            _COMPARED_ACTIONS.format(numbers=_TRUE_ACTIONS),
            _COMPARED_ACTIONS.format(
                numbers=_kept("action_totals", _ACTION, (*_OF_ACTIONS, *COUNTERS), "action_id <> 0")
            ),
        ),
    ),
    _Check(
        "journey's day",
        _differing(
            _JOURNEY_DAY,
            _OF_DAYS,
            _TRUE_JOURNEY_DAYS,
            _kept("journey_days", _JOURNEY_DAY, _OF_DAYS, _BY_DAY, of_journeys=("total_count",)),
        ),
    ),
    _Check(
        "action's day",
        _differing(
            _ACTION_DAY,
            COUNTERS,
            _true(_ACTION_DAY),
            _kept("action_day_totals", _ACTION_DAY, COUNTERS, f"{_BY_DAY} AND action_id <> 0"),
        ),
    ),
    _Check(
        "domain's day",
        _differing(
            _DOMAIN_DAY,
            COUNTERS,
            _true(_DOMAIN_DAY),
            _kept("action_days", _DOMAIN_DAY, COUNTERS, f"{_BY_DAY} AND domain IS NOT NULL"),
        ),
    ),
    _Check("mail", _MAIL_BITS),
    _Check("person", _PEOPLE_BITS),
    _Check("people under a filter", _PEOPLE_COUNTS),
)


@dataclass(frozen=True)
class Difference:
    """A number that is kept and does not follow from the facts."""

    owner_id: int
    of: str
    """What it is a number of, such as `action's day journey_id=4 action_id=7 counted_on=2025-01-31`."""
    counter: str
    kept: object
    true: object


async def differences(session: AsyncSession, *, owner_id: int | None = None) -> list[Difference]:
    """Every number of every account that is not the one that the facts make, account by account.

    The facts are read once, in one snapshot; workers may go on meanwhile. The session's transaction must not have begun
    yet. Of each kind of number the first `MOST` differences are told.

    Args:
        owner_id: only this account's; None: everybody's.
    """
    await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    # the timeout of API calls would cut a big database's verification off, for ever
    await session.execute(text("SET LOCAL statement_timeout = 0"))
    everybody, *facts = _FACTS
    await session.execute(text(everybody), {"owner": owner_id})
    for statement in facts:
        await session.execute(text(statement))
    found: list[Difference] = []
    for check in _CHECKS:
        for row in await session.execute(text(check.statement)):
            found.extend(_told(check.name, dict(row._mapping)))
    return sorted(found, key=lambda each: each.owner_id)


def _told(name: str, row: dict[str, object]) -> list[Difference]:
    numbers = [column.removeprefix("true_") for column in row if column.startswith("true_")]
    key = {
        column: value
        for column, value in row.items()
        if not column.startswith(("true_", "kept_")) and column != "owner_id"
    }
    of = " ".join([name, *(f"{column}={value}" for column, value in key.items())])
    owner_id = row["owner_id"]
    assert isinstance(owner_id, int)
    return [
        Difference(owner_id, of, number, row[f"kept_{number}"], row[f"true_{number}"])
        for number in numbers
        if row[f"kept_{number}"] != row[f"true_{number}"]
    ]
