"""Mails a second, from outbox rows to an SMTP server and back: ours against the textbook way. Run with `make bench`."""

import argparse
import asyncio
import json
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path
from string import Template

import aiosmtplib
import asyncpg
import uvloop
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table
from sqlalchemy import make_url

from journeys_api.embedded import EmbeddedPostgres
from journeys_api.migrate import migrate
from journeys_api.settings import Settings
from journeys_api.starting.memory import collect_rarely
from journeys_api.work import Worker

CONNECTIONS = 10
TAGS = 120
LINKS = 12

SETUP = """
INSERT INTO user_groups (group_id, group_name, permissions, created_at, updated_at) OVERRIDING SYSTEM VALUE
VALUES (1, 'bench', '{*}', now(), now());
INSERT INTO users (user_id, group_id, username, email_address, password_hash, created_at, updated_at)
OVERRIDING SYSTEM VALUE VALUES (1, 1, 'bench', 'bench@example.com', '', now(), now());
INSERT INTO lists (list_id, owner_id, name, sender_email_address, created_at, updated_at) OVERRIDING SYSTEM VALUE
VALUES (1, 1, 'bench', 'news@example.com', now(), now());
INSERT INTO journeys (journey_id, owner_id, name, status, first_action_id, created_at, updated_at)
OVERRIDING SYSTEM VALUE VALUES (1, 1, 'bench', 'Enabled', 1, now(), now());
INSERT INTO journey_actions (action_id, owner_id, journey_id, order_no, action, parameters, is_published, created_at)
OVERRIDING SYSTEM VALUE VALUES (1, 1, 1, 1, 'SendEmail', '{"EmailID": 1}', true, now());
CREATE TABLE stock_sent (sent_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, message_id text, sent_at timestamptz);
"""
EMAIL = """
INSERT INTO emails (email_id, owner_id, content_type, subject, html_content, plain_content, created_at, updated_at)
OVERRIDING SYSTEM VALUE VALUES (1, 1, 'Both', $1, $2, $3, now(), now())
"""
PEOPLE = """
INSERT INTO subscribers (subscriber_id, owner_id, list_id, email_address, status, created_at, updated_at)
OVERRIDING SYSTEM VALUE
SELECT n, 1, 1, 'person' || n || '@example.com', 'Subscribed', now(), now() FROM generate_series(1, $1::bigint) n
"""
OWED = """
INSERT INTO deliveries (owner_id, kind, enrollment_id, action_id, visit, journey_id, list_id, subscriber_id, email_id,
                        next_attempt_at, created_at)
SELECT 1, 'mail', n + $2::bigint, 1, 1, 1, 1, n, 1, now(), now() FROM generate_series(1, $1::bigint) n
"""


def contents(tag: str, link: str) -> tuple[str, str, str]:
    """Subject, HTML (about 24 KB) and text of the mail; `tag` stands where a person's value does."""
    paragraph = '<p style="margin:0 0 16px;font:16px/24px sans-serif;color:#333">Dear {tag}, {words}</p>\n'
    words = "this is a line of a newsletter that says nothing much at all. " * 2
    body = "".join(paragraph.format(tag=tag, words=words) for _ in range(TAGS))
    links = "".join(
        f'<p><a href="https://shop.example/offers/{n}?source=mail">Offer {n}</a></p>\n' for n in range(LINKS)
    )
    head, leave = "<!DOCTYPE html><html><head><title>News</title></head>", f'<a href="{link}">Leave</a>'
    html = f"{head}<body>{body}{links}{leave}</body></html>"
    return f"News for {tag}", html, f"Dear {tag},\n\nnothing new today.\n\nLeave: {link}\n"


@contextmanager
def sink() -> Iterator[int]:
    """A server in C that takes every mail and keeps none; its port."""
    program = shutil.which("smtp-sink") or shutil.which("smtp-sink", path="/usr/sbin")
    if program is None:
        raise SystemExit("smtp-sink is needed: it comes with Debian's package postfix")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    process = subprocess.Popen([program, "-u", "nobody", f"127.0.0.1:{port}", "1024"], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


async def connect(url: str) -> asyncpg.Connection:
    return await asyncpg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))


@dataclass(frozen=True)
class Spent:
    """What a run took: seconds on the clock, and seconds of this process's processor time."""

    wall: float
    processor: float


async def ours(url: str, port: int, folder: Path, count: int) -> Spent:
    """A worker as it always runs, until as many owed mails are handed over and recorded."""
    worker = Worker(
        Settings(
            _env_file=None,  # type: ignore[call-arg]
            database_url=url,
            data_dir=folder,
            secret_key=SecretStr("a-secret-of-the-benchmark"),
            smtp_url=SecretStr(f"smtp://127.0.0.1:{port}"),
            public_url="https://mail.example",
            statement_timeout=timedelta(minutes=1),
        )
    )
    started, used = time.perf_counter(), time.process_time()
    stop = asyncio.Event()
    working = asyncio.create_task(worker.run(stop))
    async with asyncio.timeout(600):  # what is refused before it is tried is no attempt
        while worker.senders[0].attempts < count:  # noqa: ASYNC110 (nobody is told of an attempt)
            await asyncio.sleep(0.01)
    stop.set()
    await working  # what is under way is recorded first
    return Spent(time.perf_counter() - started, time.process_time() - used)


async def stock(url: str, port: int, count: int) -> Spent:
    """As many mails by EmailMessage, aiosmtplib on kept connections, and an INSERT each."""
    subject, html, text = (Template(each) for each in contents("$address", "https://mail.example/leave/$address"))
    addresses = iter([f"person{n}@example.com" for n in range(1, count + 1)])
    pool = await asyncpg.create_pool(
        make_url(url).set(drivername="postgresql").render_as_string(hide_password=False), min_size=CONNECTIONS
    )

    async def work() -> None:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port)
        await client.connect()
        for address in addresses:
            now = format_datetime(datetime.now(UTC))
            message = EmailMessage()
            message["From"] = "news@example.com"
            message["To"] = address
            message["Subject"] = subject.substitute(address=address)
            message["Date"] = now
            message["Message-ID"] = message_id = make_msgid(domain="example.com")
            message["List-Unsubscribe"] = f"<https://mail.example/leave/{address}>"
            message.set_content(text.substitute(address=address))
            message.add_alternative(html.substitute(address=address), subtype="html")
            await client.send_message(message)
            await pool.execute("INSERT INTO stock_sent (message_id, sent_at) VALUES ($1, now())", message_id)
        await client.quit()

    started, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
    spent = Spent(time.perf_counter() - started, time.process_time() - used)
    await pool.close()
    return spent


async def compare(url: str, port: int, folder: Path, rounds: int, many: int, few: int) -> dict[str, object]:
    """Both in each round: ours over `many` mails, the other over `few`, which is slow enough."""
    connection = await connect(url)
    await connection.execute(SETUP)
    await connection.execute(EMAIL, *contents("{{ Subscriber:EmailAddress }}", "{{ Link:Unsubscribe }}"))
    await connection.execute(PEOPLE, many)
    await connection.execute("VACUUM ANALYZE")
    one: list[Spent] = []
    other: list[Spent] = []
    for place in range(rounds):
        await connection.execute(OWED, many, place * many)
        one.append(await ours(url, port, folder, many))
        left = await connection.fetchval("SELECT count(*) FROM deliveries WHERE state <> 'sent'")
        assert left == 0, f"{left} mails were not sent"
        other.append(await stock(url, port, few))
    await connection.close()
    walls = [(b.wall / few) / (a.wall / many) for a, b in zip(one, other, strict=True)]
    processors = [(b.processor / few) / (a.processor / many) for a, b in zip(one, other, strict=True)]
    return {
        "ours_per_second": statistics.median(many / each.wall for each in one),
        "textbook_per_second": statistics.median(few / each.wall for each in other),
        "ratio": statistics.median(walls),
        "ratios": walls,
        "ours_processor_us": statistics.median(each.processor / many * 1e6 for each in one),
        "textbook_processor_us": statistics.median(each.processor / few * 1e6 for each in other),
        "processor_ratio": statistics.median(processors),
    }


def main() -> None:
    """Print the table and write the JSON beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--many", type=int, default=10_000)
    parser.add_argument("--few", type=int, default=1_000)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        sink() as port,
        EmbeddedPostgres(Path(folder) / "data", parameters={"shared_buffers": "1GB"}).own() as url,
    ):
        asyncio.run(migrate(url))
        collect_rarely()  # as the worker does
        compared = uvloop.run(compare(url, port, Path(folder), given.rounds, given.many, given.few))
    table = Table("24 KB HTML and text, 120 values", "mails a second", "processor µs a mail")
    for title, name in (("ours, one worker", "ours"), ("EmailMessage, aiosmtplib, an INSERT each", "textbook")):
        table.add_row(title, f"{compared[f'{name}_per_second']:,.0f}", f"{compared[f'{name}_processor_us']:,.0f}")
    table.add_row("ratio", f"{compared['ratio']:.1f}x", f"{compared['processor_ratio']:.1f}x")
    Console().print(table)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "mail_delivery.json").write_text(json.dumps(compared, indent=2))


if __name__ == "__main__":
    main()
