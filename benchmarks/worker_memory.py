"""How much memory a worker needs at full speed: people who walk to their mail, all of it built, sent and recorded.

The worker is the process that `journeys-api worker` starts, with all that it looks after; its mails go to `smtp-sink`.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import engine_ground as ground
import mail_delivery
from api_servers import memory_mib

TAG = ("AddTag", {"TargetTagID": 1})
WAIT = ("Wait", {"WaitUnit": "minutes", "WaitAmount": 1})
DECISION = (
    "Decision",
    {
        "Criteria": [[{"type": "fields", "field_id": "EmailAddress", "operator": "contains", "value": "7@"}]],
        "CriteriaOperator": "and",
    },
)
MAIL = ("SendEmail", {"EmailID": 1})
ACTIONS: list[ground.Action] = [WAIT, TAG, DECISION, MAIL]
PATIENCE = 900.0
POLL = 0.5
_CONTENT = "UPDATE emails SET content_type = 'Both', subject = $1, html_content = $2, plain_content = $3"


async def prepare(url: str, people: int) -> None:
    """A journey, what its mail says, and people whose wait is over."""
    connection = await ground.connect(url)
    first = await ground.make_journey(connection, 1, ACTIONS)
    content = mail_delivery.contents("{{ Subscriber:EmailAddress }}", "{{ Link:Unsubscribe }}")
    await connection.execute(_CONTENT, *content)
    await connection.execute("UPDATE lists SET sender_email_address = 'news@example.com'")
    await ground.put_in(connection, 1, people, journey_id=1, action_id=first)
    await connection.close()


async def sent(url: str) -> int:
    """How many mails have gone out."""
    connection = await ground.connect(url)
    count = await connection.fetchval("SELECT count(*) FROM deliveries WHERE state = 'sent'")
    await connection.close()
    return int(count)


def work(url: str, port: int, folder: str, people: int) -> tuple[float, tuple[float, float]]:
    """Seconds until the last mail was sent, and the worker's memory in MiB then and at its highest."""
    told = {
        "JOURNEYS_DATABASE_URL": url,
        "JOURNEYS_SECRET_KEY": "a-secret-of-the-benchmark",
        "JOURNEYS_ADMIN_API_KEY": "the benchmark's administrator",
        "JOURNEYS_SMTP_URL": f"smtp://127.0.0.1:{port}",
        "JOURNEYS_PUBLIC_URL": "https://mail.example",
        "JOURNEYS_DATA_DIR": folder,
    }
    command = [sys.executable, "-m", "journeys_api.cli", "worker"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=os.environ | told, stdout=log, stderr=log)
        try:
            began = time.monotonic()
            while (done := asyncio.run(sent(url))) < people:
                if process.poll() is not None or time.monotonic() > began + PATIENCE:
                    log.seek(0)
                    raise SystemExit(f"{done} of {people} mails were sent\n{log.read().decode()[-2000:]}")
                time.sleep(POLL)
            return time.monotonic() - began, memory_mib(process.pid)
        finally:
            process.terminate()
            process.wait(60)


def main() -> None:
    """Print the table and write the JSON beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=50_000)
    given = parser.parse_args()
    with ground.database() as url, mail_delivery.sink() as port, tempfile.TemporaryDirectory() as folder:
        asyncio.run(prepare(url, given.people))
        seconds, (now, most) = work(url, port, str(Path(folder)), given.people)
    steps = given.people * len(ACTIONS)
    ground.publish(
        "worker_memory",
        f"one worker, {given.people:,} people",
        ("seconds", "steps a second", "mails a second", "MiB now", "MiB at most"),
        [(f"{seconds:.0f}", f"{steps / seconds:,.0f}", f"{given.people / seconds:,.0f}", f"{now:.0f}", f"{most:.0f}")],
        {"people": given.people, "seconds": seconds, "mib_now": now, "mib_most": most},
    )


if __name__ == "__main__":
    main()
