"""Steps a second of the engine against job queues on the same PostgreSQL, each in a virtual environment of its own."""

import argparse
import asyncio
import statistics
import subprocess
import sys
import venv
from pathlib import Path

from sqlalchemy import make_url

import engine_ground as ground

WAIT = ("Wait", {"WaitUnit": "days", "WaitAmount": 1})
HERE = Path(__file__).parent / "peers"
PEERS = {
    "procrastinate": ("procrastinate==3.10.0", "asyncpg==0.32.0"),
    "pgqueuer": ("pgqueuer==1.6.0", "asyncpg==0.32.0"),
}
"""Name → what is installed; the script is `peers/<name>_steps.py`."""


def environment(name: str) -> Path:
    """The interpreter of a peer's environment, made when it is not there yet."""
    place = HERE / f".venv-{name}"
    python = place / "bin" / "python"
    if not (place / ".installed").exists():
        venv.create(place, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PEERS[name]]
        subprocess.run(install, check=True)
        (place / ".installed").touch()
    return python


async def _people(url: str, first: int, last: int, journey_id: int) -> None:
    connection = await ground.connect(url)
    await ground.put_in(connection, first, last, journey_id=journey_id, action_id=journey_id * 100)
    await connection.close()


async def _journeys(url: str) -> None:
    connection = await ground.connect(url)
    for journey_id in (1, 2):
        await ground.make_journey(connection, journey_id, [WAIT, WAIT])
    # the people that jobs move are none of the engine's
    await connection.execute("UPDATE journeys SET status = 'Disabled' WHERE journey_id = 2")
    await connection.close()


def main() -> None:
    """Print the table and write the JSON beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--many", type=int, default=20_000, help="people that the engine moves in a round")
    parser.add_argument("--few", type=int, default=1_000, help="jobs of each peer in a round")
    given = parser.parse_args()
    pythons = {name: environment(name) for name in PEERS}
    rates: dict[str, list[float]] = {name: [] for name in ("engine", *PEERS)}
    last = 0
    with ground.database() as url, ground.workers() as pool:
        bare = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        asyncio.run(_journeys(url))
        for number in range(given.rounds + 1):
            asyncio.run(_people(url, last + 1, last + given.many, 1))
            last += given.many
            mine = given.many / ground.timed(pool, ground.by_engine, url).seconds
            for name, python in pythons.items():
                asyncio.run(_people(url, last + 1, last + given.few, 2))
                script = [str(python), str(HERE / f"{name}_steps.py"), bare, str(last + 1), str(last + given.few)]
                last += given.few
                ran = subprocess.run(script, check=True, stdout=subprocess.PIPE, stderr=sys.stderr, text=True)
                if number:  # the first round warms up
                    rates[name].append(given.few / float(ran.stdout.split()[-1]))
            if number:
                rates["engine"].append(mine)
    found = {
        name: {
            "per_second": statistics.median(each),
            "engine_is": statistics.median(one / other for one, other in zip(rates["engine"], each, strict=True)),
        }
        for name, each in rates.items()
    }
    rows = [(name, f"{each['per_second']:,.0f}", f"{each['engine_is']:.1f}x") for name, each in found.items()]
    ground.publish("engine_peers", "steps a second", ("", "a second", "the engine is"), rows, found)


if __name__ == "__main__":
    main()
