"""One account, one list, one journey of a tag and a wait, and people by the million, straight into the tables."""

import asyncpg
from sqlalchemy import make_url

SETUP = """
INSERT INTO user_groups (group_id, group_name, permissions, created_at, updated_at) OVERRIDING SYSTEM VALUE
VALUES (1, 'bench', '{*}', now(), now());
INSERT INTO users (user_id, group_id, username, email_address, password_hash, created_at, updated_at)
OVERRIDING SYSTEM VALUE VALUES (1, 1, 'bench', 'bench@example.com', '', now(), now());
INSERT INTO lists (list_id, owner_id, name, created_at, updated_at) OVERRIDING SYSTEM VALUE
VALUES (1, 1, 'bench', now(), now());
INSERT INTO tags (tag_id, owner_id, list_id, name, created_at) OVERRIDING SYSTEM VALUE VALUES (1, 1, 1, 'bench', now());
INSERT INTO journeys (journey_id, owner_id, name, status, first_action_id, created_at, updated_at)
OVERRIDING SYSTEM VALUE VALUES (1, 1, 'bench', 'Enabled', 1, now(), now());
INSERT INTO journey_actions (action_id, owner_id, journey_id, order_no, action, parameters, is_published,
                             next_action_id, created_at)
OVERRIDING SYSTEM VALUE VALUES
(1, 1, 1, 1, 'AddTag', '{"TargetTagID": 1}', true, 2, now()),
(2, 1, 1, 2, 'Wait', '{"WaitUnit": "days", "WaitAmount": 1}', true, null, now());
"""

PEOPLE = """
INSERT INTO subscribers (subscriber_id, owner_id, list_id, email_address, status, created_at, updated_at)
OVERRIDING SYSTEM VALUE
SELECT n, 1, 1, 'p' || n || '@example.com', 'Subscribed', now(), now() FROM generate_series($1::bigint, $2::bigint) n
"""
ENTER = """
INSERT INTO enrollments (enrollment_id, owner_id, journey_id, list_id, subscriber_id, email_address, action_id,
                         entered_at, due_at, created_at)
OVERRIDING SYSTEM VALUE
SELECT n, 1, 1, 1, n, 'p' || n || '@example.com', $3, $4, $5, $4 FROM generate_series($1::bigint, $2::bigint) n
"""
TIMERS = """
INSERT INTO timers (shard, journey_id, due_at, owner_id, enrollment_id)
SELECT subscriber_id % 16, journey_id, due_at, owner_id, enrollment_id FROM enrollments
WHERE enrollment_id BETWEEN $1 AND $2
"""
ROUND = """
INSERT INTO runnable_journeys (shard, journey_id, owner_id, next_due_at)
SELECT n, 1, 1, $1 FROM generate_series(0, 15) n
ON CONFLICT (shard, journey_id) DO UPDATE SET next_due_at = excluded.next_due_at
"""


async def connect(url: str) -> asyncpg.Connection:
    """A connection of the driver's own."""
    return await asyncpg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))
