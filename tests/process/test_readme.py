"""README's tour, as it is printed."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.running import Served, curl, eventually

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not (shutil.which("bash") and shutil.which("curl")), reason="the tour needs bash and curl"),
]

README = Path(__file__).resolve().parents[2] / "README.md"


def blocks() -> list[str]:
    """The command lines of the tour, in their order."""
    tour = README.read_text().partition("## A tour\n")[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", tour, re.DOTALL)


def test_the_tour_works_as_printed(one_server: Served, tmp_path: Path) -> None:
    # the two lines that the server prints come first, and a tour that was taken before does no harm
    assert curl(one_server.curls[0]).status == 200
    walk, bring_in, look = blocks()
    walk = walk.replace("http://127.0.0.1:8000", one_server.url)
    bring_in = bring_in.replace(".venv/bin/journeys-api", f"{sys.executable} -m journeys_api.cli")
    (tmp_path / ".data").symlink_to(one_server.data_dir)
    (tmp_path / "people.csv").write_text("email\ngrace@example.com\nnobody\n")

    def run(*scripts: str) -> str:
        done = subprocess.run(
            ["bash", "-euc", "\n".join(("KEY=$1", *scripts)), "tour", one_server.demo_key],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    said = run(walk, bring_in, 'printf "\\n%s" "$URL $KEY $JOURNEY"')

    *lines, ids = [line for line in said.splitlines() if line]
    url, _, journey = ids.split()
    welcome = next(each for line in lines if '"Journeys"' in line for each in json.loads(line)["Journeys"][-1:])
    assert (welcome["JourneyID"], welcome["JourneyName"], welcome["Status"]) == (journey, "Welcome", "Enabled")
    assert "line 3" in said

    mails = one_server.data_dir / "mail" / "new"
    eventually(lambda: mails.is_dir() and len(list(mails.iterdir())) == 2, "no mail came")
    shown = run(*walk.splitlines()[:4], f"JOURNEY={journey}", look)

    *links, numbers = shown.splitlines()
    assert len(links) == 2
    assert all(re.fullmatch(rf"\['{re.escape(url)}/t/k/[\w-]+'\]", line) for line in links), links
    assert json.loads(numbers)["JourneyStats"]["AggregatedEmailActions"]["SendCount"] == 2
